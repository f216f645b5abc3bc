"""Generation: blocks equal the whole, files equal memory, seeds are kept, bad input loses nothing."""

import json

import numpy as np
import pytest
import torch

from headsync.commands.program import main
from headsync.experiment import config_dict, save_weights
from headsync.landmarks import LandmarkSequence, canonical_face
from headsync.landmarks.motion import motion_statistics
from headsync.media import measure_level, read_frames, recut, write_flac
from landmark_stage import (
    LOOK_AHEAD_FRAMES,
    Generator,
    GeneratorSettings,
    MotionControl,
    generate_landmarks,
    load_generator,
    start_face,
    stream_landmarks,
    write_landmarks,
)
from landmark_stage.ms_sync.audio_pyramid import AudioPyramidSettings

SMALL = dict(widen=1, coordinate=11, audio=AudioPyramidSettings((5, 7, 7), 7), hidden=13, trunk=(17, 11), expansion=1)


def noisy(dims=3, noise=3):
    """A generator with large random weights: it moves, and forgets slowly."""
    torch.manual_seed(1)
    generator = Generator(GeneratorSettings(dims=dims, noise=noise, head_noise=0.0, directions=0, head_spring=0.05,
                                            face_spring=0.2,
                                            **SMALL)).eval()
    with torch.no_grad():
        generator.scales.leaf[1].weight.mul_(3)
    return generator.requires_grad_(False)


def sound(samples, seed=1):
    random = np.random.default_rng(seed)
    loud = np.repeat(random.random(samples // 1000 + 1), 1000)[:samples]
    return (loud * random.standard_normal(samples) * 0.1).astype(np.float32)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    generator = noisy()
    return save_weights(tmp_path_factory.mktemp("weights") / "generator.safetensors", generator.state_dict(),
                        config={"generator": config_dict(generator.settings)})


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("size", [1, 7, 25, 400])
def test_streamed_equals_whole(size, dims):
    generator, waveform = noisy(dims), sound(640 * 131 + 17)
    whole = generate_landmarks(waveform, generator=generator).points
    blocks = list(stream_landmarks(waveform, generator=generator, block_frames=size))
    assert {len(block) for block in blocks[:-1]} <= {size} and 0 < len(blocks[-1]) <= size
    np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-4, rtol=1e-5)
    assert len(whole) == 132 and np.abs(whole - whole[0]).max() > 1


def test_live_sound_gives_frames_once_the_look_ahead_has_arrived():
    generator, waveform = noisy(), sound(640 * 61)
    arrived = []

    def live():
        for start in range(0, len(waveform), 640):
            arrived.append(start // 640)
            yield waveform[start : start + 640]

    level = measure_level([waveform])
    stream = stream_landmarks(live(), generator=generator, level=level, block_frames=1)
    frames = []
    for block in stream:
        frames.append(block)
        if len(frames) == 11:
            assert len(arrived) <= 10 + LOOK_AHEAD_FRAMES + 1     # one more: a row covers 15 ms beyond its frame
    np.testing.assert_allclose(np.concatenate(frames), generate_landmarks(waveform, generator=generator).points, atol=1e-4)
    with pytest.raises(ValueError, match="live sound needs its level"):
        stream_landmarks(live(), generator=generator)


@pytest.mark.parametrize("samples, frames", [(1, 1), (160, 1), (640, 1), (641, 2), (640 * 37 - 1, 37), (640 * 37, 37)])
def test_every_sound_has_its_frames(samples, frames):
    sequence = generate_landmarks(sound(samples), generator=noisy())
    assert len(sequence) == frames and sequence.visible.all() and sequence.fps == 25
    assert np.array_equal(sequence.points[0], canonical_face())


def test_silence_is_sound_too():
    assert len(generate_landmarks(np.zeros(6400, np.float32), generator=noisy())) == 10


def test_seeds_are_kept():
    generator, waveform = noisy(), sound(640 * 41)
    one, again, other = (generate_landmarks(waveform, generator=generator, control=MotionControl(seed=seed)).points
                         for seed in (5, 5, 6))
    assert np.array_equal(one, again) and np.abs(one - other).max() > 0.1
    mean, same = (generate_landmarks(waveform, generator=generator, control=MotionControl(seed=seed, noise=0)).points
                  for seed in (5, 6))
    assert np.array_equal(mean, same)


def test_motion_starts_at_any_face_on_any_canvas():
    start = start_face()
    points = (start.points * 1.3 + [11, 7, 0]).astype(np.float32)
    start = start.replace(points=points, size=(391, 391), crop=(3.0, 5.0, 394.0, 396.0))
    sequence = generate_landmarks(sound(640 * 23), start, generator=noisy())
    assert np.array_equal(sequence.points[0], points[0]) and sequence.size == (391, 391) and sequence.crop == start.crop


def test_heads_can_be_held_still():
    waveform = sound(640 * 61)
    free, held = (generate_landmarks(waveform, generator=noisy(), control=MotionControl(head_scale=scale)).points
                  for scale in (1.0, 0.0))
    assert motion_statistics(held).rotation_deg.max() < 1e-3 < motion_statistics(free).rotation_deg.max()


@pytest.mark.parametrize("control, words", [
    ({"head_scale": -1.0}, "--head-scale must be 0 or more, got -1"), ({"noise": float("nan")}, "--noise"),
    ({"lip_scale": float("inf")}, "--lip-scale"), ({"seed": 1 << 64}, "--seed must fit")])
def test_wrong_controls_are_one_line(control, words):
    with pytest.raises(ValueError, match=words):
        MotionControl(**control)


def test_a_file_equals_memory(tmp_path, weights):
    write_flac(tmp_path / "a.flac", sound(640 * 301))
    generator = load_generator(weights)
    frames = write_landmarks(tmp_path / "a.flac", start_face(), tmp_path / "s.npz", generator=generator)
    written, whole = LandmarkSequence.load(tmp_path / "s.npz"), generate_landmarks(tmp_path / "a.flac", generator=generator)
    assert frames == len(written) == 301 and np.array_equal(written.points, whole.points)
    told = json.loads(written.producer)
    assert told == json.loads(whole.producer)
    assert told["audio"] == "a.flac" and len(told["audio_sha256"]) == len(told["weights"]) == 64 and told["seed"] == 0


def test_pieces_are_cut_anew():
    pieces = [np.arange(start, stop) for start, stop in ((0, 1), (1, 1), (1, 12), (12, 13))]
    assert [piece.tolist() for piece in recut(pieces, 5)] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11, 12]]
    assert [len(piece) for piece in recut(pieces, 13)] == [13] and not list(recut([], 3))


def test_the_command_writes_sequence_and_preview(tmp_path, weights, capsys):
    for name in "ab":
        write_flac(tmp_path / f"{name}.flac", sound(640 * 31))
    argv = ["--audio", *(str(tmp_path / f"{name}.flac") for name in "ab"), "--out", str(tmp_path / "out"),
            "--preview", str(tmp_path / "out"), "--model", str(weights)]
    assert main(["gen-landmarks", *argv]) == 0
    assert "31 frames" in capsys.readouterr().out
    assert len(LandmarkSequence.load(tmp_path / "out/b.npz")) == 31
    assert len(list(read_frames(tmp_path / "out/a.mp4"))) == 31


@pytest.mark.parametrize("change, words", [
    ({"--audio": "none.wav"}, "none.wav"), ({"--audio": "empty.wav"}, "empty.wav"),
    ({"--model": "none.safetensors"}, "no generator"),
    ({"--model": "a.flac"}, "not a headsync weights file"), ({"--model": "cut"}, "damaged"), ({"--start": "a.flac"}, "a.flac"),
    ({"--start": "cut.npz"}, "not a landmarks/1 file"), ({"--refs": "grey.png"}, "no face found"),
    ({"--refs": "a.flac"}, "a.flac"),
    ({"--head-scale": "-1"}, "--head-scale must be 0 or more"), ({"--out": "none/s.npz"}, "none"),
    ({"--model": "syncers"}, "holds no landmark generator")])
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, weights, capsys, change, words, monkeypatch):
    import cv2

    monkeypatch.chdir(tmp_path)
    write_flac("a.flac", sound(640 * 11))
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "cut").write_bytes(weights.read_bytes()[:-100])
    (tmp_path / "cut.npz").write_bytes(b"PK")
    cv2.imwrite("grey.png", np.full((97, 97, 3), 127, np.uint8))
    save_weights("syncers", {"x": torch.zeros(3)}, config={"family": "loss", "levels": []})
    before = sorted(tmp_path.iterdir())
    options = {"--audio": "a.flac", "--out": "s.npz", "--model": str(weights)} | change
    assert main(["gen-landmarks", *(part for pair in options.items() for part in pair)]) == 2
    told = capsys.readouterr().err
    assert words in told and told.count("\n") == 1 and sorted(tmp_path.iterdir()) == before
