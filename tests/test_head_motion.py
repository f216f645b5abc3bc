"""The head-motion learner: padding has no part in it, tones are steady, streams equal the whole, motion goes on."""

import json

import numpy as np
import pytest
import torch

from headsync.commands.program import main
from headsync.experiment import Trainer, load_checkpoint, load_config
from headsync.landmarks import canonical_face, flip, rotation_matrix, smooth
from headsync.landmarks.motion import head_track
from landmark_stage import HeadReference, load_head_motion, stream_heads
from landmark_stage.head_motion.data import MIRRORED, HeadClip, HeadMaterialSettings, draw_heads, read_head_clips, stretch
from landmark_stage.head_motion.generate import HeadStream, person_of
from landmark_stage.head_motion.network import (
    NUMBERS,
    HeadMotion,
    HeadMotionSettings,
    Reference,
    last_pose,
    trajectories,
)
from landmark_stage.head_motion.statistics import band_amplitudes, discriminator_statistics, masked_deviation, motion_hints
from landmark_stage.head_motion.tones import TONES_HZ, ToneSource
from landmark_stage.head_motion.train import HeadMotionTask, HeadTrainSettings
from landmark_stage.head_motion.validate import HeadValidator, head_distances, mirrored_loop, repeated_last, stretches_of
from tests.talking import made_up_people, write_corpus

SMALL = dict(rows_per_frame=1, planes=(2, 2), pooled=7, sound_hidden=5, features=5, motion_hidden=5, reference=7)


def noisy(**settings):
    """A model with random weights everywhere, so that everything that can matter does."""
    torch.manual_seed(1)
    model = HeadMotion(HeadMotionSettings(**(SMALL | dict(tones=True, hints=True) | settings))).eval()
    with torch.no_grad():
        torch.nn.init.normal_(model.reference.code.weight, std=0.05)
        model.typical[: sum(model.sizes[:3])].normal_(std=0.3)
    return model.requires_grad_(False)


def heads(frames, *, seed=1, size=1.0):
    return torch.from_numpy(size * smooth(np.random.default_rng(seed).standard_normal((frames, NUMBERS)), 11)).float()


def rows(frames, seed=1):
    return torch.from_numpy(-8 + 2 * np.random.default_rng(seed).standard_normal((4 * frames, 26))).float()


def clips(count=5, frames=131):
    return [HeadClip(f"clip{number}", f"person{number}", heads(frames, seed=number, size=1 + number % 3),
                     rows(frames, number) if number % 2 else None) for number in range(count)]


def tiny(*overrides):
    return load_config(HeadTrainSettings, stage="head_motion", preset="tiny", overrides=list(overrides))


def test_statistics_know_a_swing_and_leave_padding_out():
    time = torch.arange(60) / 25
    swing = 3 * torch.sin(2 * torch.pi * 2.0 * time)[None, :, None].expand(2, -1, NUMBERS).clone()
    swing[1, 50:] = 77.0
    lengths = torch.tensor([60, 50])
    amplitudes = band_amplitudes(swing, lengths)                        # (2, K, C)
    assert (amplitudes.argmax(1) == 4).all()                            # 1.6 to 2.5 Hz
    torch.testing.assert_close(amplitudes.square().sum(1), torch.full((2, NUMBERS), 4.5), rtol=0.05, atol=0)
    torch.testing.assert_close(masked_deviation(swing, lengths), torch.full((2, NUMBERS), 4.5).sqrt(), rtol=0.02, atol=0)
    for told in (discriminator_statistics, motion_hints, band_amplitudes):
        torch.testing.assert_close(told(swing, lengths)[1], told(swing[1:, :50], lengths[1:])[0])
    assert discriminator_statistics(swing, lengths).shape == (2, 24)


def test_padding_changes_no_code_and_no_prediction():
    model, motion, sound = noisy(), heads(61)[None], torch.randn(1, 61, 104)
    short = Reference(motion[:, :53], sound[:, :53], torch.tensor([53]))
    padded = Reference(torch.cat([motion[:, :53], 9 + motion[:, 53:]], 1), torch.cat([sound[:, :53], 0 * sound[:, 53:]], 1),
                       torch.tensor([53]))
    torch.testing.assert_close(model.encode(short), model.encode(padded))
    torch.testing.assert_close(last_pose(padded), motion[:, 52])


def test_the_reference_writes_the_output_layer():
    model, sound = noisy(), torch.randn(1, 37, 104)
    one, other = (Reference(heads(64, seed=seed)[None], torch.zeros(1, 64, 104), torch.tensor([64])) for seed in (1, 2))
    written = [model.write(model.encode(reference)) for reference in (one, other)]
    assert (written[0].weights - written[1].weights).abs().max() > 1e-3
    audio = model.sound(sound)
    torch.testing.assert_close(model.predict(written[0], audio), audio @ written[0].weights + written[0].bias)
    louder = one._replace(motion=3 * one.motion)
    ratio = model.write(model.encode(louder)).tones.norm() / written[0].tones.norm()
    assert 1.5 < ratio < 5      # larger swings are answered by larger tones, before any training


def test_predictions_go_on_from_the_last_pose():
    model, reference = noisy(), Reference(heads(64)[None], torch.zeros(1, 64, 104), torch.tensor([64]))
    source = ToneSource(generator=torch.Generator().manual_seed(3))
    made = trajectories(model, reference, torch.randn(1, 97, 104), source)
    for motion in made:
        torch.testing.assert_close(motion[:, 0], reference.motion[:, -1])
    assert (made.whole - made.mean).abs().max() > 0.1


def test_tones_are_steady_seeded_and_of_one_size():
    def drawn(*sizes):
        source = ToneSource(generator=torch.Generator().manual_seed(5), draws=3)
        mix, bias = torch.ones(1, len(TONES_HZ), 6, NUMBERS), torch.zeros(1, NUMBERS)
        source.begin(mix, bias, torch.zeros(1, NUMBERS))
        return torch.cat([source.draw(size) for size in sizes], 1)[0]

    tones = drawn(3000)
    torch.testing.assert_close(drawn(1, 0, 7, 2992), tones)
    assert tones.abs().max() < 1.415 and (tones[1000:].std(0) - 1).abs().max() < 0.1
    turns = (tones[1:].sign() != tones[:-1].sign()).float().mean(0) * 12.5         # Hz
    assert torch.allclose(turns.mean(1), torch.tensor(TONES_HZ), rtol=0.2)
    assert tones.diff(dim=0).abs().max() < 1.415 * 2 * np.pi * 2.2 * max(TONES_HZ) / 25


def test_of_many_draws_the_one_that_goes_on_best_is_taken():
    torch.manual_seed(2)
    mix, last = torch.randn(41, len(TONES_HZ), 6, NUMBERS), 2 * torch.randn(41, NUMBERS)
    gaps = []
    for draws in (1, 64):
        source = ToneSource(generator=torch.Generator().manual_seed(1), batch=41, draws=draws)
        first = source.begin(mix, torch.zeros(41, NUMBERS), last).draw(1)
        gaps.append((torch.einsum("btkj,bkjc->bc", first, mix) - last).square().mean())
    assert gaps[1] < 0.8 * gaps[0]


@pytest.mark.parametrize("size", [1, 7, 50])
def test_streamed_equals_whole(size):
    model, sound = noisy(), rows(83)
    person = person_of(model, HeadReference(turning(70)))

    def made(step):
        stream = HeadStream(model, person, generator=torch.Generator().manual_seed(3))
        return torch.cat([*(stream.push(sound[4 * k : 4 * (k + step)]) for k in range(0, 83, step)), stream.finish()])

    whole = made(83)
    assert whole.shape == (83, NUMBERS)
    torch.testing.assert_close(made(size), whole, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(whole[0], person.last[0])


def turning(frames, seed=1):
    points = canonical_face()[None].repeat(frames, 0)
    return (points + 5 * heads(frames, seed=seed)[:, None, :3].numpy()).astype(np.float32)


def test_frames_come_once_their_sound_is_in():
    stream = HeadStream(noisy(), person_of(noisy(), None), generator=torch.Generator())
    counts = [len(stream.push(rows(1, k))) for k in range(11)]
    assert counts == [0] * 5 + [1] * 6 and len(stream.finish()) == 5


def test_heads_of_a_waveform_are_seeded_and_personal():
    waveform, model = np.random.default_rng(1).standard_normal(640 * 61).astype(np.float32) * 0.1, noisy()

    def made(**how):
        return np.concatenate(list(stream_heads(waveform, canonical_face(), model=model, **how)))

    person = HeadReference(turning(80), waveform)
    one, again, other, stranger = made(reference=person), made(reference=person), made(reference=person, seed=1), made()
    assert one.shape == (61, 6) and np.array_equal(one, again)
    assert np.abs(one - other).max() > 1e-3 and np.abs(one - stranger).max() > 1e-3
    assert np.abs(stranger[0]).max() < 1e-6     # round the start's pose, here the canonical one
    with pytest.raises(ValueError, match="at least 48 frames .* got 47"):
        made(reference=HeadReference(turning(47)))


def test_batches_hold_a_reference_and_what_came_after_it():
    model, material = noisy(), HeadMaterialSettings(flip=0.0)
    batch = draw_heads(clips(), 11, model, settings=material, generator=torch.Generator().manual_seed(1))
    for number in range(11):
        n, T = int(batch.reference.lengths[number]), int(batch.lengths[number])
        assert 48 <= n <= 96 and T >= 48 and n + T <= 131
        torch.testing.assert_close(batch.reference.motion[number, :n].mean(0), torch.zeros(NUMBERS), atol=1e-5, rtol=0)
        assert not batch.real[number, T:].any() and not batch.reference.motion[number, n:].any()
        step = (batch.real[number, 0] - batch.reference.motion[number, n - 1]).abs().max()
        assert step < 1.5       # the next frame, not any other
    one = stretch(clips()[1], 5, 50, 60, model, drop_audio=True)
    assert not one.sound.any() and one.reference.sound.any()


def test_the_discriminator_reaches_the_learner():
    told = {}
    for weight in (0.0, 10.0):
        settings = tiny(f"weights.adversarial={weight}", "weights.error=0", "weights.statistics=0", "weights.energy=0.001")
        one = Trainer(HeadMotionTask(settings, clips(), None))
        one.step()
        told[weight] = one.model.reference.code.weight.detach().clone()
    assert (told[0.0] - told[10.0]).abs().max() > 1e-5
    assert all(torch.isfinite(value).all() for value in told.values())


def test_baselines_are_what_they_say():
    reference = Reference(torch.arange(5.0)[None, :, None].expand(1, 5, NUMBERS), torch.zeros(1, 5, 104), torch.tensor([5]))
    assert mirrored_loop(reference, 12)[0, :, 0].tolist() == [4, 3, 2, 1, 0, 0, 1, 2, 3, 4, 4, 3]
    assert repeated_last(reference, 3)[0, :, 0].tolist() == [4, 4, 4]


def test_real_motion_is_at_no_distance():
    batch = stretches_of(clips(frames=230), noisy(), frames=160)
    assert max(head_distances([batch.real], batch)) < 1e-4 < min(head_distances([0 * batch.real], batch))
    with pytest.raises(ValueError, match="no clip has the 128 frames"):
        stretches_of(clips(frames=100), noisy())


def test_what_selects_weights_is_the_sum_of_four_gaps():
    """The Fréchet distance and the error of the mean prediction are told beside it."""
    told = HeadValidator(clips(), seeds=(1,)).figures(noisy())
    assert told["distance"] == pytest.approx(sum(told[name] for name in ("mean", "deviation", "speed", "spectrum")), rel=1e-6)
    assert min(told.values()) > 0 and {"frechet", "error"} < set(told)


def test_sound_and_head_of_a_late_clip_are_put_in_sync(tmp_path):
    corpus = write_corpus(tmp_path / "c", {"train": made_up_people(2, 131)})
    late = corpus._replace(clips=(corpus.clips[0]._replace(av_offset=3), corpus.clips[1]._replace(av_offset=-2)))
    whole, moved = read_head_clips(corpus, "train"), read_head_clips(late, "train")
    assert [len(one.head) for one in moved] == [128, 129]
    assert torch.equal(moved[0].sound, whole[0].sound[12:]) and torch.equal(moved[1].sound, whole[1].sound[:-8])
    inner = slice(10, 110)      # smoothing reaches five frames
    for one, other, start in zip(moved, whole, (0, 2)):
        apart = (one.head[inner] - other.head[10 + start : 110 + start])
        assert (apart - apart.mean(0)).abs().max() < 0.01 * other.head.std(0).max()


def test_a_mirrored_head_is_the_head_of_the_mirrored_face():
    face = canonical_face() - canonical_face().mean(0)
    face = (face + flip(face) - (1, 0, 0)) / 2                                          # as like its mirror image as can be
    turns = rotation_matrix(0.3 * heads(31)[:, :3].numpy())
    points = 128 + face @ np.swapaxes(turns, 1, 2) + 9 * heads(31, seed=2)[:, None, :3].numpy()
    one, other = (head_track(np.asarray(shown, np.float32)) for shown in (points, 256 * flip(points / 256)))
    apart = (other - other.mean(0)) - np.array(MIRRORED) * (one - one.mean(0))
    assert np.abs(apart).max() < 0.05 * (one.std(0).min() + 0.02) + 0.01


def test_wrong_settings_are_one_line():
    with pytest.raises(ValueError, match="tones need hints"):
        HeadMotionSettings(tones=True, hints=False)
    with pytest.raises(ValueError, match="rising pair of 48 frames"):
        HeadMaterialSettings(reference=(20, 50))



def test_resumed_equals_straight_and_weights_load(tmp_path):
    people = {"train": made_up_people(4, 101), "val": made_up_people(2, 130, seed=7)}
    corpus = write_corpus(tmp_path / "corpus", people)
    argv = ["--data", str(corpus.folder), "--config", "tiny"]
    assert main(["train", "head-motion", "--out", str(tmp_path / "straight"), *argv]) == 0
    for steps in (2, 6):
        assert main(["train", "head-motion", "--out", str(tmp_path / "halted"), *argv, f"run.steps={steps}"]) == 0
    one, other = (load_checkpoint(tmp_path / name)["trainee"] for name in ("halted", "straight"))
    for name, value in one["model"].items():
        assert torch.equal(value, other["model"][name]), name
    lines = [json.loads(line) for line in (tmp_path / "straight/log.jsonl").read_text().splitlines()]
    assert {"mean", "deviation", "speed", "spectrum", "frechet", "error", "distance"} <= set(
        [line for line in lines if line["kind"] == "validate"][-1])
    model = load_head_motion(tmp_path / "straight/head_motion.safetensors")
    assert model.typical.any()
    with pytest.raises(ValueError, match="no head-motion weights none"):
        load_head_motion("none")


@pytest.mark.parametrize("preset, least, most", [("small", 2e4, 2e5), ("base", 2e5, 2e6), ("paper", 3e7, 7e7)])
def test_every_size_takes_a_step(preset, least, most):
    overrides = ["run.batch=2", "material.reference=[48,48]", "material.driven=[48,48]"]
    settings = load_config(HeadTrainSettings, stage="head_motion", preset=preset, overrides=overrides)
    people = [one._replace(sound=torch.randn(640 * 131) if settings.model.sound == "wave" else rows(131)) for one in clips(2)]
    training = Trainer(HeadMotionTask(settings, people, None))
    assert least < sum(one.numel() for one in training.model.parameters()) < most
    told = training.step()
    assert all(np.isfinite(value) for value in told.values()) and told["gradient_norm"] > 0
