"""A folder of videos becomes a corpus: shots, rejections with reasons, resumption, equality after a kill."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from headsync import media
from headsync.commands.program import main
from headsync.corpus import PreprocessSettings, build_corpus, find_sources
from tests.face_files import blank, shaking, write_tone, write_video

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """One person on two videos, one with a cut and a loss, one bad file, one without a face, one silent."""
    folder = tmp_path_factory.mktemp("videos of 'people' #1 ü")
    (folder / "anna").mkdir()
    tone = write_tone(folder / "tone.flac", 89)
    write_video(folder / "anna" / "one.mp4", shaking(61), audio=write_tone(folder / "short.flac", 61))
    write_video(folder / "anna" / "two.mp4", shaking(31) + blank(13) + shaking(45), audio=tone)
    write_video(folder / "silent.mp4", shaking(29))
    write_video(folder / "nobody.mp4", blank(30))
    (folder / "broken.mp4").write_bytes(b"this is no video" * 50)
    return folder


def content(corpus):
    """Digest of every landmark, feature and mesh file by name."""
    return {str(path.relative_to(corpus)): hashlib.sha256(path.read_bytes()).hexdigest()
            for name in ("landmarks", "features", "mesh", "audio") for path in sorted((corpus / name).iterdir())}


@pytest.fixture(scope="module")
def built(videos, tmp_path_factory):
    out = tmp_path_factory.mktemp("corpus")
    return build_corpus(find_sources([videos]), out)


def test_shots_become_clips_with_everything_training_needs(built):
    corpus = built.corpus
    frames = {clip.clip: clip.frames for clip in corpus.clips}
    assert frames["anna__one"] == 61 and frames["silent"] == 29 and {"anna__two", "anna__two_s02"} <= set(frames)
    assert {clip.identity for clip in corpus.clips} == {"anna", "silent"}
    for clip in corpus.clips:
        sequence = corpus.landmarks(clip)
        assert sequence.points.shape == (clip.frames, 68, 3) and sequence.size == (256, 256)
        assert corpus.mesh(clip).shape == (clip.frames, 468, 3) and corpus.mesh(clip).dtype == np.float16
        shown = list(media.read_frames(corpus.video_path(clip)))
        assert len(shown) == clip.frames and shown[0].shape == (256, 256, 3)
        assert media.video_info(corpus.video_path(clip)).has_audio == clip.has_audio == (clip.identity == "anna")
        if clip.has_audio:
            assert corpus.features(clip).shape == (4 * clip.frames, 26)
            assert len(media.read_audio(corpus.audio_path(clip))) == 640 * clip.frames


def test_sound_and_picture_of_a_later_shot_belong_together(built, videos):
    clip = next(clip for clip in built.corpus.clips if clip.clip == "anna__two_s02")
    start = round(clip.start_s * 25)
    assert start in (44, 45)
    whole = media.read_audio(videos / "tone.flac")
    part = media.read_audio(built.corpus.audio_path(clip))
    agreement = {late: np.corrcoef(part[640:-640], whole[start * 640 + 640 + late :][: len(part) - 1280])[0, 1]
                 for late in range(-7, 8)}         # the video's own sound is AAC: near, not equal
    assert agreement[0] > 0.95 and max(agreement, key=agreement.get) == 0


def test_every_rejection_has_its_reason(built):
    reasons = {one.source: one.reason for one in built.rejections}
    assert "no face" in reasons["nobody.mp4"] and "broken.mp4" in reasons["broken.mp4"]
    assert [one.source for one in built.rejections if one.failed] == ["broken.mp4"]


def test_a_second_run_does_nothing(built, videos):
    before = {path: path.stat().st_mtime_ns for path in built.corpus.folder.rglob("*")}
    again = build_corpus(find_sources([videos]), built.corpus.folder)
    assert again.processed == 0 and again.corpus.clips == built.corpus.clips
    assert {path: path.stat().st_mtime_ns for path in built.corpus.folder.rglob("*") if path.is_file()} == {
        path: stamp for path, stamp in before.items() if path.is_file()}


def test_jobs_and_order_change_nothing(built, videos, tmp_path):
    other = build_corpus(find_sources([videos])[::-1], tmp_path / "c", jobs=2)
    assert content(other.corpus.folder) == content(built.corpus.folder) and other.corpus.clips == built.corpus.clips


def test_new_settings_make_it_anew_and_leave_no_orphans(videos, tmp_path):
    sources = [source for source in find_sources([videos]) if source.stem == "anna__two"]
    build_corpus(sources, tmp_path)
    strict = build_corpus(sources, tmp_path, settings=PreprocessSettings(min_frames=40))
    assert strict.processed == 1 and [clip.frames >= 40 for clip in strict.corpus.clips] == [True]
    assert [path.stem for path in (tmp_path / "landmarks").iterdir()] == [clip.clip for clip in strict.corpus.clips]


def test_killed_and_run_again_it_is_the_same_corpus(built, videos, tmp_path):
    command = [sys.executable, "-m", "headsync", "preprocess", "--videos", str(videos), "--out", str(tmp_path / "c")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process = subprocess.Popen([*command, "--jobs", "2"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    for _ in range(600):        # until the workers are at work
        if process.poll() is not None or list((tmp_path / "c").rglob("*.partial-*")):
            break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)
    told = process.communicate(timeout=60)[1]      # which waits for workers too: they hold the pipe
    assert process.returncode == 143 and b"interrupted by SIGTERM" in told and b"Traceback" not in told
    assert not list((tmp_path / "c").rglob("*.partial*"))
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert finished.returncode == 1 and "broken.mp4" in finished.stderr and "Traceback" not in finished.stderr
    assert content(tmp_path / "c") == content(built.corpus.folder)
    assert not list((tmp_path / "c").rglob("*.partial*"))


@pytest.mark.parametrize("arguments, message", [
    (["--videos", "absent", "--out", "c"], "absent is not a folder"),
    (["--videos", ".", "--out", "c", "--jobs", "0"], "--jobs 0"),
    (["--videos", ".", "--out", "c"], "no video in"),
])
def test_bad_calls_say_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["preprocess", *arguments]) == 2
    said = capsys.readouterr().err.strip()
    assert message in said and "\n" not in said and not (tmp_path / "c").exists()
