"""Heads move as far as people do: sizes are measured, people are kept in the weights, audio features are kinds by name."""

import numpy as np
import pytest
import torch

from headsync.experiment import config_dict, save_weights
from headsync.landmarks import canonical_face, rotation_matrix, smooth
from headsync.media import measure_level
from landmark_stage import HeadReference, load_head_motion, stream_heads
from landmark_stage.clip_sound import clip_sound
from landmark_stage.head_motion.data import HeadClip, read_head_clips
from landmark_stage.head_motion.generate import HeadStream, person_of
from landmark_stage.head_motion.manner import WINDOW_FRAMES, head_size, size_gain, windows_of
from landmark_stage.head_motion.network import NUMBERS, HeadMotion, HeadMotionSettings
from landmark_stage.head_motion.people import keep_people
from landmark_stage.head_motion.tones import SLOW_HZ, ToneSource
from landmark_stage.sound_kinds import SOUND_KINDS, sound_input, whole_sound
from tests.talking import made_up_people, write_corpus

SMALL = dict(rows_per_frame=1, planes=(2, 2), pooled=7, sound_hidden=5, features=5, motion_hidden=5, reference=7)
SOUND = (0.1 * np.random.default_rng(3).standard_normal(640 * 401)).astype(np.float32)


def untrained(**settings):
    torch.manual_seed(2)
    return HeadMotion(HeadMotionSettings(**(SMALL | settings))).eval().requires_grad_(False)


def swinging(frames, size, seed=1):
    track = smooth(np.random.default_rng(seed).standard_normal((frames, NUMBERS)), 21)
    return torch.from_numpy(size * track / track.std(0)).float()


def person(degrees, seed=1):
    """A reference whose head turns by so many degrees (3,) about its axes."""
    turns = np.radians(degrees) * swinging(201, 1.0, seed)[:, :3].double().numpy()
    face = canonical_face() - canonical_face().mean(0)
    return HeadReference((face @ np.swapaxes(rotation_matrix(turns), 1, 2) + canonical_face().mean(0)).astype(np.float32))


def made(model, **how):
    return np.concatenate(list(stream_heads(SOUND, canonical_face(), model=model, **how)))


def test_a_size_is_what_is_reached_and_knows_no_offset():
    swing = torch.sin(2 * torch.pi * torch.arange(400.0) / 25)[:, None] * torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 0.0])
    size = head_size(windows_of(swing + 7))
    torch.testing.assert_close(size, torch.tensor([1.0, 2, 3, 4, 5, 0]), rtol=0.03, atol=1e-5)
    windows = windows_of(swing[:250])
    assert windows.shape == (4, WINDOW_FRAMES, 6) and torch.equal(windows[-1], swing[150:250])
    assert windows_of(swing[:53]).shape == (1, 53, 6)


@pytest.mark.parametrize("degrees", [(0.3, 0.3, 0.3), (6.0, 1.0, 3.0), (2.0, 9.0, 0.5)])
def test_heads_turn_as_far_as_their_person(degrees):
    """By an untrained network, whose swings have no size of their own."""
    model = untrained()
    model.motion_scale.copy_(torch.tensor([0.07, 0.1, 0.06, 12, 8, 0.02]))
    reference = person(degrees)
    ours = np.concatenate([made(model, reference=reference, seed=seed) for seed in range(3)])
    theirs = np.radians(degrees) * swinging(201, 1.0)[:, :3].double().numpy()
    found, wanted = (head_size(windows_of(torch.from_numpy(one[:, :3])[:])).numpy() for one in (ours, theirs))
    np.testing.assert_allclose(found, wanted, rtol=0.45, atol=np.radians(0.2))
    with torch.no_grad():
        free = person_of(model, reference)._replace(gain=torch.ones(NUMBERS))
    assert (free.gain - person_of(model, reference).gain).abs().max() > 0.2      # which took a gain


def test_without_a_clip_somebody_is_chosen_by_the_seed():
    clips = [HeadClip(f"clip{number}", f"person{number}", swinging(131, 0.2 + number, number), torch.zeros(4 * 131, 26))
             for number in range(7)]
    silent = HeadClip("silent", "silent", swinging(131, 50), None)
    short = HeadClip("short", "short", swinging(WINDOW_FRAMES - 1, 60), torch.zeros(4 * (WINDOW_FRAMES - 1), 26))
    model = keep_people(untrained(people=5), [*clips, silent, short])
    sizes = model.people_gain.mean(1) * model.people[:, -NUMBERS**2 - 36 : -NUMBERS**2].exp().mean(1)
    assert len(torch.unique(model.people, dim=0)) == 5 and (sizes.diff() > 0).all()    # of all sizes but the stillest's
    chosen = {tuple(person_of(model, None, seed=seed).gain.tolist()) for seed in range(40)}
    assert len(chosen) == 5
    assert np.array_equal(made(model, seed=3), made(model, seed=3))
    assert torch.equal(keep_people(untrained(people=2), []).people[0], untrained().typical)


def test_weights_without_people_go_on_loading(tmp_path):
    """Headers of before say nothing of people; nobody is drawn then."""
    model = untrained()
    header = config_dict(model.settings)
    del header["people"]
    save_weights(tmp_path / "old.safetensors", model.state_dict(), config={"head_motion": header})
    old = load_head_motion(tmp_path / "old.safetensors", device="cpu")
    assert old.settings.people == 0 and torch.equal(person_of(old, None, seed=7).code, old.typical[None])


def test_a_gain_undoes_what_a_code_lacks():
    model = untrained()
    code, sound = model.typical[None], torch.zeros(1, WINDOW_FRAMES, model.sound_size)
    one = size_gain(model, code, torch.full((NUMBERS,), 4.0), sound)
    torch.testing.assert_close(size_gain(model, code, torch.full((NUMBERS,), 2.8), sound), 0.7 * one)
    assert torch.equal(size_gain(untrained(tones=False, hints=False), code[:, :2], one, sound), torch.ones(NUMBERS))


def test_the_slow_tone_begins_at_zero_and_stays():
    source = ToneSource.slow(generator=torch.Generator().manual_seed(1))
    slow = torch.cat([source.draw(7), source.draw(14993)], 1)[0, :, 0]             # (T, J)
    assert slow[0].abs().max() < 1e-5 and slow.abs().max() < 1.415 and slow.mean(0).abs().max() < 0.2
    turns = (slow[1:].sign() != slow[:-1].sign()).float().mean(0) * 12.5           # Hz
    assert 0.7 * SLOW_HZ < turns.mean() < 1.3 * SLOW_HZ


@pytest.mark.parametrize("size", [1, 11])
def test_a_head_of_phonetic_features_streams(size):
    model, frames = untrained(sound="whisper", people=1), 61
    person_ = person_of(model, None)
    sound = torch.randn(2 * frames, 384, generator=torch.Generator().manual_seed(1))

    def streamed(step):
        stream = HeadStream(model, person_, generator=torch.Generator().manual_seed(3))
        return torch.cat([*(stream.push(sound[2 * at : 2 * (at + step)]) for at in range(0, frames, step)), stream.finish()])

    whole = streamed(frames)
    assert whole.shape == (frames, NUMBERS)
    torch.testing.assert_close(streamed(size), whole, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", list(SOUND_KINDS))
def test_pushed_sound_equals_the_whole(kind):
    waveform, form = SOUND[: 640 * 61 - 100], SOUND_KINDS[kind]
    stream = sound_input(kind, measure_level(waveform))
    pushed = np.concatenate([stream.push(waveform[:9000]), stream.push(waveform[9000:]), stream.finish()])
    whole = whole_sound(kind, waveform)
    assert len(whole) == 61 * form.steps and whole[0].size == form.channels
    np.testing.assert_allclose(pushed, whole, atol=2e-3)


def test_sounds_of_clips_are_in_sync(tmp_path):
    corpus = write_corpus(tmp_path / "c", {"train": made_up_people(2, 131)})
    late = corpus._replace(clips=(corpus.clips[0]._replace(av_offset=3), corpus.clips[1]))
    (corpus.folder / "phonetics").mkdir()
    for clip in corpus.clips:
        rows = np.random.default_rng(5).standard_normal((2 * 131, 384)).astype(np.float16)
        np.save(corpus.folder / "phonetics" / f"{clip.clip}.npy", rows)
    for kind in ("rows", "whisper"):
        moved, whole = (read_head_clips(one, "train", sound=kind)[0] for one in (late, corpus))
        steps = SOUND_KINDS[kind].steps
        assert len(moved.sound) == steps * len(moved.head) and torch.equal(moved.sound, whole.sound[3 * steps :])
    held = clip_sound(corpus, corpus.clips[0], "rows", 140)
    assert held.shape == (4 * 140, 26) and torch.equal(held[-1], held[4 * 131 - 1])
