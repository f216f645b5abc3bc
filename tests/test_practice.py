"""The ten-minute recipe of docs/practice.md, run word for word on less material: each line finds what the one before left."""

import argparse
import contextlib
import io
import shlex
from pathlib import Path

import numpy as np
import pytest

from headsync import media
from headsync.commands.practice import PEOPLE, another, begun
from headsync.commands.program import main, program
from headsync.commands.train import KINDS, next_command
from headsync.corpus import open_corpus, split_of
from tests.face_files import portrait
from tests.test_readme import blocks

ROOT = Path(__file__).parents[1]
SHORT = {"practice": ["--people", "5", "--seconds", "3.3"], "syncers": ["run.steps=4", "run.validate_every=2", "levels=2"],
         "landmarks": ["run.steps=2", "run.validate_every=2"], "encoder": ["run.steps=2", "run.validate_every=2", "stride=7"],
         "renderer": ["run.steps=1", "run.validate_every=1", "material.stride=19"]}


@pytest.fixture(scope="module")
def recipe():
    """The lines of the page, as words."""
    [block] = blocks((ROOT / "docs" / "practice.md").read_text(encoding="utf-8"), "")
    return [shlex.split(line) for line in block.splitlines()]


@pytest.fixture(scope="module")
def said(recipe, tmp_path_factory):
    """What each line printed, in a folder that holds nothing but the examples; stderr in the second place."""
    folder = tmp_path_factory.mktemp("practice")
    (folder / "examples").symlink_to(ROOT / "examples")
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for program, *words in recipe:
            assert program == "headsync"
            kind = words[1] if words[0] == "train" else words[0]
            code, out, err = run([*words, *SHORT.get(kind, [])])
            assert code == 0, (words, err)
            told.append((words, out))
    return folder, told


def run(words):
    """Exit code, stdout and stderr of a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return code, out.getvalue(), err.getvalue()


def test_every_line_runs_and_the_last_one_makes_a_video(said):
    folder, told = said
    assert len(told) == 9
    video = media.video_info(folder / "mine.mp4")
    assert video.has_audio and len(list(media.read_frames(folder / "mine.mp4"))) > 50 and (folder / "mine.npz").is_file()


def test_every_training_says_which_file_it_wrote_and_what_to_type_next(said, recipe):
    folder, told = said
    for words, out in told:
        if words[0] == "train":
            *_, written, following = out.splitlines()
            path = folder / written.split(":")[0]
            assert path.is_file() and path.suffix == ".safetensors" and path.parent == folder / words[words.index("--out") + 1]
            assert following.startswith("next: headsync ")
    assert told[3][1].endswith("next: headsync train syncers --data corpus --out runs/metric --config metric people=second\n")
    typed = [word for words in recipe for word in words]
    assert {"syncers=runs/loss/syncers.safetensors", "runs/renderer/renderer.safetensors"} <= set(typed)


def test_the_corpus_is_enough_for_the_recipe_and_says_so(said):
    folder, told = said
    assert "enough to train: syncers, landmarks, articulation, expression, renderer, encoder\n" in told[1][1]
    assert "by the syncers metric, which are shipped" in told[2][1]
    clips = open_corpus(folder / "corpus").clips
    assert {clip.identity for clip in clips} == set(PEOPLE[:5]) and sum(clip.split == "val" for clip in clips) == 2
    assert len({clip.audio_dbfs for clip in clips}) == 5


def test_the_made_up_people_are_different_and_none_is_in_test():
    assert {split_of(person) for person in PEOPLE} == {"train"}
    pictures = [another(portrait(), number) for number in range(len(PEOPLE))]
    for number, one in enumerate(pictures):
        for other in pictures[number + 1 :]:
            assert one.shape != other.shape or np.abs(one.astype(int) - other).mean() > 4
    sound = np.arange(800, dtype=np.float32)
    assert begun(sound, 0, 1000).tolist() == [*range(800), *range(200)]
    assert begun(sound, 3, 5).tolist() == [300, 301, 302, 303, 304]


@pytest.mark.parametrize("people", ["all", "first", "second"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_to_be_typed_next_is_understood_and_takes_the_weights(kind, people):
    options = argparse.Namespace(kind=kind, data="corpus", out="runs/one")
    words = shlex.split(next_command(options, Path("runs/one/w.safetensors"), argparse.Namespace(people=people)))
    _, understood = program().understood(words)
    assert understood is not None and (any("runs/one/w.safetensors" in word for word in words) or people == "first")


@pytest.mark.parametrize("wrong, words", [(["--people", "9"], "--people must be 1 to 8"),
                                          (["--seconds", "0.5"], "--seconds 1 to 30"),
                                          (["--audio", "absent.wav"], "absent.wav")])
def test_what_cannot_be_made_is_refused_in_one_line(wrong, words, tmp_path, capsys):
    call = ["practice", "--refs", str(ROOT / "examples/astronaut.jpg"), "--audio", str(ROOT / "examples/speech.flac"),
            "--out", str(tmp_path / "videos")]
    assert main([*call, *wrong]) == 2
    said = capsys.readouterr().err
    assert words in said and len(said.splitlines()) == 1 and not (tmp_path / "videos").exists()
