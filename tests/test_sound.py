"""A sound is decoded once per job, whoever asks for it, and gone through as often as anyone likes."""

import gc
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest

import headsync.media.audio
import headsync.media.soundtrack
import headsync.media.spool
from headsync import media
from headsync.landmarks import OpenSequence
from landmark_stage import MotionChoice, generate_landmarks, rewrite_motion, start_face, stream_expression, write_motion
from landmark_stage.generate import MotionControl
from landmark_stage.head_motion.generate import stream_heads
from render_stage import render_video
from syncers import sync_offset
from tests.media_files import write_audio
from tests.test_render import Dots, abroad, at_home, face, place  # noqa: F401 (fixtures)

FRAMES = 67


@pytest.fixture
def decodes(monkeypatch):
    """The rates at which files were decoded."""
    seen, decode = [], headsync.media.audio.decode_audio

    def watched(path, *, rate_hz, layout, stream=None):
        seen.append(rate_hz)
        return decode(path, rate_hz=rate_hz, layout=layout, stream=stream)

    for module in (headsync.media.audio, headsync.media.soundtrack):
        monkeypatch.setattr(module, "decode_audio", watched)
    return seen


def tone(path, codec="flac", frames=FRAMES):
    noise = np.random.default_rng(3).uniform(-0.3, 0.3, (1, frames * 640 - 319)).astype(np.float32)
    if codec == "flac":
        return write_audio(path, noise, rate_hz=16000, codec="flac", sample_format="s16")
    return write_audio(path, noise, rate_hz=16000, codec=codec, sample_format="fltp")


@pytest.mark.parametrize("held", [1, 1 << 22])
def test_what_is_known_is_what_files_say(tmp_path, monkeypatch, held):
    monkeypatch.setattr(headsync.media.spool, "HELD_BYTES", held)       # 1: every sound is in a file
    path = tone(tmp_path / "a.flac")
    sound, whole = media.open_sound(path), media.read_audio(path)
    assert (sound.samples, sound.frames, sound.path) == (len(whole), FRAMES, path)
    assert sound.level == media.measure_level([whole]) and np.array_equal(sound.waveform(), whole)
    assert np.array_equal(sound.waveform(7), whole[: 7 * 640])
    assert np.array_equal(np.concatenate(list(sound.rows(11))), media.extract_features(whole))
    one, other = sound.blocks(7), sound.blocks(13)      # side by side
    pairs = [[], []]
    for number in range(9):
        pairs[0].append(next(one))
        if number < 5:
            pairs[1].append(next(other))
    assert np.array_equal(np.concatenate(pairs[0]), whole[: 63 * 640]) and np.array_equal(
        np.concatenate(pairs[1]), whole[: 65 * 640])
    assert media.open_sound(sound) is sound


def test_a_waveform_is_a_sound_too():
    waveform = np.random.default_rng(1).standard_normal(640 * 11 + 3).astype(np.float32)
    sound = media.open_sound(waveform)
    assert sound.path is None and sound.frames == 12 and np.array_equal(np.concatenate(list(sound.blocks(5))), waveform)
    with pytest.raises(ValueError, match="no samples"):
        media.open_sound(np.zeros(0, np.float32))


def test_nothing_stays_open(tmp_path, monkeypatch):
    monkeypatch.setattr(headsync.media.spool, "HELD_BYTES", 1)
    sound = media.open_sound(tone(tmp_path / "a.flac"))
    spool = sound._spool._file
    assert not spool.closed and spool._rolled
    del sound
    gc.collect()
    assert spool.closed


@pytest.mark.parametrize("codec, name, expected", [("aac", "a.m4a", [16000]), ("mp3", "a.mp3", [16000]),
                                                   ("flac", "a.flac", [16000, 48000])])
def test_a_talk_decodes_its_sound_once(tmp_path, face, decodes, codec, name, expected):  # noqa: F811
    """Muxing copies AAC and MP3 without decoding; what mp4 does not take is decoded once more, at 48 kHz, for AAC."""
    sound = media.open_sound(tone(tmp_path / name, codec, FRAMES))
    motion = MotionChoice("learned", blink="natural", lip_closure=1.0)
    frames = write_motion(sound, start_face(), tmp_path / "s.npz", speaker=quiet(), control=MotionControl(), motion=motion)
    render_video(at_home(frames, face), face, tmp_path / "v.mp4", audio=sound, renderer=Dots(), progress=False)
    assert decodes == expected
    with av.open(str(tmp_path / "v.mp4")) as made:
        assert made.streams.audio[0].codec_context.name.startswith("mp3" if codec == "mp3" else "aac")


def quiet():
    from landmark_stage import load_expression

    return load_expression(device="cpu")


def test_every_job_of_one_file_decodes_it_once(tmp_path, decodes):
    path = tone(tmp_path / "a.m4a", "aac", 23)
    start = start_face()
    for job in (lambda: list(stream_expression(path, start)), lambda: list(stream_heads(path, start.points[0])),
                lambda: generate_landmarks(path, start)):
        job()
    assert decodes == [16000] * 3
    motion = start.replace(points=start.points.repeat(23, 0), visible=np.ones(23, bool))
    sync_offset(path, motion)
    assert decodes == [16000] * 4


def test_a_video_needs_a_file_s_sound(tmp_path, face):  # noqa: F811
    with pytest.raises(ValueError, match="this one is a waveform"):
        render_video(at_home(1, face), face, tmp_path / "v.mp4", audio=media.open_sound(np.ones(640, np.float32)))


@pytest.fixture
def inflations(monkeypatch):
    """The names of the `landmarks/1` files whose points were opened."""
    seen, open_entry = [], zipfile.ZipFile.open

    def watched(self, name, mode="r", **how):
        if mode == "r" and name == "points.npy":
            seen.append(Path(self.filename).name)
        return open_entry(self, name, mode, **how)

    monkeypatch.setattr(zipfile.ZipFile, "open", watched)
    return seen


@pytest.mark.parametrize("made", [at_home, lambda frames, _: abroad(frames)])
def test_a_sequence_is_inflated_once_per_job(tmp_path, face, inflations, made):  # noqa: F811
    """Twice its headers are looked at, and once its points are read; carried over or not."""
    made(61, face).save(tmp_path / "s.npz")
    render_video(tmp_path / "s.npz", face, tmp_path / "v.mp4", renderer=Dots(), progress=False)
    assert inflations == ["s.npz"] * 3
    inflations.clear()
    rewrite_motion(tmp_path / "s.npz", tmp_path / "r.npz", motion=MotionChoice("still"), audio=None)
    assert inflations == ["s.npz"] * 3


def test_blocks_of_an_open_sequence_are_the_file_s(tmp_path, monkeypatch):
    monkeypatch.setattr(headsync.media.spool, "HELD_BYTES", 1)
    sequence = abroad(61)
    sequence.visible[[3, 7]] = False
    sequence.save(tmp_path / "s.npz")
    opened = OpenSequence(tmp_path / "s.npz")
    assert np.array_equal(opened.visible, sequence.visible) and opened.header.frames == 61
    for size in (1, 7, 61, 99):
        blocks = list(opened.blocks(size))
        assert np.array_equal(np.concatenate(blocks), sequence.points) and len(blocks) == -(-61 // size)
