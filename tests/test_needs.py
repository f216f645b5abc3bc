"""What a corpus is enough for: said at preprocessing's end, and by every training before any work."""

from pathlib import Path

import pytest

from headsync.commands.program import main
from headsync.corpus import NEEDS, Clip, Corpus, find_sources, how_people_are_distinguished, open_corpus, require, shortfalls
from headsync.corpus.preprocess import build_corpus
from headsync.experiment import load_config
from landmark_stage.articulation.train import ArticulationTrainSettings, train_articulation
from landmark_stage.expression.train import ExpressionTrainSettings, train_expression
from landmark_stage.head_motion.train import HeadTrainSettings, train_head_motion
from landmark_stage.ms_sync.generator import OBSERVED
from landmark_stage.ms_sync.train import TrainSettings as LandmarkSettings
from landmark_stage.ms_sync.train import train_landmarks
from landmark_stage.ms_sync.validate import PIECE_FRAMES
from render_stage.identity.training import EncoderTrainSettings, train_encoder
from render_stage.rhythmic_head.train import RendererSettings, train_renderer
from syncers.train import TrainSettings, train_syncers
from tests.face_files import shaking, write_tone, write_video
from tests.talking import made_up_people, write_corpus

TRAININGS = {"syncers": (train_syncers, TrainSettings, "syncers"),
             "landmarks": (train_landmarks, LandmarkSettings, "landmarks"),
             "articulation": (train_articulation, ArticulationTrainSettings, "articulation"),
             "expression": (train_expression, ExpressionTrainSettings, "expression"),
             "head-motion": (train_head_motion, HeadTrainSettings, "head_motion"),
             "renderer": (train_renderer, RendererSettings, "renderer"),
             "encoder": (train_encoder, EncoderTrainSettings, "encoder")}


def clip(name, *, split="train", frames=200, audio=True, late=0, sync="corrected", source=None):
    return Clip(clip=name, identity=f"of {name}", split=split, frames=frames, source=source or f"{name}/x.mp4", start_s=0.0,
                has_audio=audio, av_offset=late, face_rate=1.0, face_height_px=99.0, rival=0.0, lip_audio_corr=0.0,
                lip_audio_lag=0, audio_dbfs=-20.0, lip_range=0.1, sync=sync)


def corpus_of(*clips, folder="nowhere"):
    return Corpus(Path(folder), clips)


def test_what_is_enough_lacks_nothing_and_what_is_not_says_what_to_add():
    enough = corpus_of(clip("a"), clip("b", split="val"))
    need = NEEDS["landmarks"]
    assert shortfalls(enough, need) == [] and require(enough, need) is None
    for lacking, words in (
        (corpus_of(clip("a")), ["nobody is in its val split", "--val PERSON"]),
        (corpus_of(clip("b", split="val")), ["nobody is in its train split"]),
        (corpus_of(clip("a", frames=41), clip("b", split="val")), ["no train clip", "42 frames", "longest has 41", "1.7 s"]),
        (corpus_of(clip("a", frames=45, late=-4), clip("b", split="val")), ["the longest has 41"]),
        (corpus_of(clip("a", audio=False), clip("b", split="val")), ["none of the 1 train clips has sound"]),
        (corpus_of(clip("a"), clip("b", split="val", sync="unsure")), ["none of the 1 val clips", "1 are unsure"]),
    ):
        [phrase] = shortfalls(lacking, need)
        assert all(word in phrase for word in words), phrase
        with pytest.raises(ValueError, match="nowhere is not enough to train landmarks: "):
            require(lacking, need)


def test_silent_and_doubtful_clips_are_material_where_only_the_picture_counts(tmp_path):
    silent = corpus_of(clip("a", audio=False), clip("b", split="val", sync="unsure", late=3), folder=tmp_path)
    assert not shortfalls(silent, NEEDS["head-motion"]) and "a mesh" in " ".join(shortfalls(silent, NEEDS["renderer"]))
    (tmp_path / "mesh").mkdir()
    for name in "ab":
        (tmp_path / "mesh" / f"{name}.npy").touch()
    assert not shortfalls(silent, NEEDS["renderer"])
    one, two = clip("a", frames=96, late=2), clip("b", split="val")
    assert shortfalls(corpus_of(one, two), NEEDS["head-motion"]) and not shortfalls(corpus_of(one._replace(av_offset=0), two),
                                                                                    NEEDS["head-motion"])


def test_the_advice_is_by_the_presets_that_are_the_default():
    small = {name: load_config(kind, stage=stage, preset="base" if name == "encoder" else "small")
             for name, (_, kind, stage) in TRAININGS.items()}
    assert set(NEEDS) == set(TRAININGS)
    assert NEEDS["landmarks"].train_frames == small["landmarks"].material.frames + OBSERVED - 1
    assert NEEDS["landmarks"].val_frames == PIECE_FRAMES
    assert NEEDS["expression"].train_frames == small["expression"].material.frames
    assert NEEDS["syncers"].train_frames == 2 ** (small["syncers"].levels - 1) * small["syncers"].syncer.channels.window


@pytest.mark.parametrize("name", TRAININGS)
def test_every_training_says_what_is_missing_before_any_work(name, tmp_path):
    train, kind, stage = TRAININGS[name]
    corpus = write_corpus(tmp_path / "c", {"train": made_up_people(3, 131)})      # nobody in val, and no mesh
    before = {path for path in tmp_path.rglob("*")}
    with pytest.raises(ValueError, match=f"c is not enough to train {name}: ") as told:
        train(corpus, tmp_path / "run", load_config(kind, stage=stage, preset="tiny"))
    assert "\n" not in str(told.value) and "val split" in str(told.value)
    assert {path for path in tmp_path.rglob("*")} == before


def test_a_half_without_people_is_refused_before_any_work(tmp_path):
    corpus = write_corpus(tmp_path / "c", {"train": made_up_people(1, 131), "val": made_up_people(1, 97, seed=2)})
    settings = load_config(TrainSettings, stage="syncers", preset="tiny", overrides=["people=second"])
    with pytest.raises(ValueError, match="is not enough to train syncers: nobody is in its train split"):
        train_syncers(corpus, tmp_path / "run", settings)
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    tone = write_tone(folder / "tone.flac", 53)
    for place in ("flat/one.mp4", "flat/two.mp4", "sorted/anna/x.mp4", "sorted/bob/x.mp4"):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        write_video(folder / place, shaking(53), audio=tone)
    return folder


def test_preprocessing_ends_with_what_the_corpus_is_enough_for(videos, tmp_path, capsys):
    call = ["--videos", str(videos / "sorted"), "--out", str(tmp_path / "c")]
    assert main(["preprocess", *call, "--val", "bob"]) == 0
    said = capsys.readouterr().out
    assert "enough to train: syncers, articulation, expression, renderer\n" in said
    assert "not enough to train landmarks: no val clip" in said and "80 frames, the longest has 53" in said
    assert "not enough to train head-motion: no train clip has 96 frames" in said
    assert "not enough to train encoder: its" in said and "PERSON/x.mp4" not in said
    clips = open_corpus(tmp_path / "c").clips
    assert {one.identity: one.split for one in clips} == {"anna": "train", "bob": "val"}
    assert main(["preprocess", *call, "--val", "anna"]) == 0
    assert "2 finished before" in capsys.readouterr().out           # another choice of val people does nothing anew
    assert {one.identity: one.split for one in open_corpus(tmp_path / "c").clips} == {"anna": "val", "bob": "train"}
    assert main(["preprocess", *call, "--val", "cleo"]) == 2
    assert "nobody is called 'cleo'" in capsys.readouterr().err


def test_a_flat_folder_is_told_how_people_are_distinguished(videos, tmp_path):
    flat = build_corpus(find_sources([videos / "flat"]), tmp_path / "c").corpus
    assert "2 videos lie in the folder itself" in how_people_are_distinguished(flat.clips)
    assert "PERSON/x.mp4" in how_people_are_distinguished(flat.clips)
    alone = [clip("a", source="p/x.mp4")._replace(identity="p"), clip("b", source="p/y.mp4")._replace(identity="p")]
    assert "all 2 videos count as one person, 'p'" in how_people_are_distinguished(alone)
    assert how_people_are_distinguished([clip("a"), clip("b")]) == ""
    assert how_people_are_distinguished([clip("a", source="a.mp4")]) == ""
