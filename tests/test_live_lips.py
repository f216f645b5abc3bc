"""Live lips: nothing later than 240 ms reaches a frame, by cuts and by gradients; the first frame after six frames of sound."""

import numpy as np
import pytest
import torch

from headsync.experiment import load_config
from headsync.media import measure_level
from headsync.media.mel import _filters, _window
from headsync.media.phonetics import load_phonetic_encoder, log_scaled, phonetic_features
from landmark_stage import LiveFace, live_face, start_face
from landmark_stage.articulation.network import Articulation
from landmark_stage.articulation.train import ArticulationTrainSettings

FRAME, FRAMES = 640, 31
LOOK_AHEAD = 6


@pytest.fixture(scope="module")
def lips() -> Articulation:
    """The form that is shipped for live sound, with random weights that let every sound through."""
    torch.manual_seed(3)
    model = Articulation(load_config(ArticulationTrainSettings, stage="articulation", preset="live").model).eval()
    model.basis.normal_()
    for network in model.networks:
        torch.nn.init.constant_(network.out.bias[-1:], 30.0)
    return model.requires_grad_(False)


def sound(frames: int = FRAMES, seed: int = 0) -> np.ndarray:
    swing = 0.1 * (1 + np.sin(np.arange(frames * FRAME) * 6 * np.pi / 16000))
    return (swing * np.random.default_rng(seed).standard_normal(frames * FRAME)).astype(np.float32)


def pushed(face: LiveFace, wave: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    return [face.push(part) for part in np.split(wave, cuts)] + [face.finish()]


def test_no_frame_waits_for_more_than_six_frames_of_sound(lips):
    face = live_face(start_face(), level=measure_level(sound()), lips=lips)
    assert face.look_ahead_frames == lips.look_ahead_frames == LOOK_AHEAD
    counts = [len(face.push(part)) for part in np.split(sound(), FRAMES)]
    waits = [count - sum(counts[:count]) for count in range(LOOK_AHEAD, FRAMES + 1)]
    assert max(waits) == LOOK_AHEAD - 1 and min(waits) == LOOK_AHEAD - 3        # a window brings three frames at once
    assert not sum(counts[:3]) and sum(counts) + len(face.finish()) == FRAMES


@pytest.mark.parametrize("cuts", [[7, 3000, 12345], list(range(320, FRAMES * FRAME, 320))])
def test_streamed_it_is_the_same(lips, cuts):
    wave = sound()
    whole = pushed(live_face(start_face(), level=measure_level(wave), lips=lips), wave, [])
    parts = pushed(live_face(start_face(), level=measure_level(wave), lips=lips), wave, cuts)
    assert len(np.concatenate(whole)) == FRAMES
    np.testing.assert_allclose(np.concatenate(parts), np.concatenate(whole), atol=2e-2)     # pixels; windows in other batches
    assert np.abs(np.concatenate(whole) - whole[0][0]).max() > 1


@pytest.mark.parametrize("frame", [8, 12, 13, 14, 19])
def test_a_sound_cut_later_changes_nothing_earlier(lips, frame):
    """Frame t is bit for bit the same whatever follows sample 640 (t + 6)."""
    one = sound()
    end = (frame + LOOK_AHEAD) * FRAME
    other = np.concatenate([one[:end], sound(seed=1)[end:]])
    each = list(range(FRAME, FRAMES * FRAME, FRAME))
    made = [np.concatenate(pushed(live_face(start_face(), level=measure_level(one), lips=lips), wave, each))
            for wave in (one, other)]
    np.testing.assert_array_equal(made[0][: frame + 1], made[1][: frame + 1])
    assert np.abs(made[0] - made[1]).max() > 0.1


def features(wave: torch.Tensor, lips: Articulation, loudness: float) -> torch.Tensor:
    """Phonetic rows (2T, 384) of samples (640 T,), by the windows of a learner, differentiable."""
    window, encoder = lips.window, load_phonetic_encoder()
    frames = len(wave) // FRAME
    count = -(-frames // window.core_frames)
    held = torch.nn.functional.pad(wave, (window.before_samples, window.samples + window.core_samples))
    parts = torch.stack([held[one * window.core_samples :][: window.samples] for one in range(count)])
    spectrum = torch.fft.rfft(parts.unfold(-1, 400, 160) * torch.from_numpy(_window())).abs().square()
    mel = (spectrum @ torch.from_numpy(_filters()).T).clamp(min=1e-10).log10().transpose(1, 2)[..., :-1]
    rows = encoder((mel.clamp(min=loudness - 8) + 4) / 4)
    return rows[:, window.before_samples // 320 :][:, : 2 * window.core_frames].flatten(0, 1)[: 2 * frames]


@pytest.mark.parametrize("frame", [9, 10, 11])     # each place in a window's core
def test_no_gradient_from_later_sound(lips, frame):
    """The derivative of frame t with respect to samples from 640 (t + 6) on is exactly 0, and not before."""
    wave = torch.from_numpy(sound(23)).requires_grad_()
    loudness = measure_level(wave.detach().numpy()).loudness
    rows = features(wave, lips, loudness)
    known = phonetic_features(wave.detach().numpy(), load_phonetic_encoder(), lips.window)
    np.testing.assert_allclose(rows.detach().numpy(), known, atol=2e-3)     # what is differentiated is what is used
    assert float(log_scaled(np.float32(0), 0.0)) == 1
    padded = torch.nn.functional.pad(lips.standard(rows), (0, 0, lips.settings.before, lips.settings.ahead))
    lips.offsets(padded[None])[0, frame].sum().backward()
    end = (frame + LOOK_AHEAD) * FRAME
    assert not wave.grad[end:].any()
    reach = int(torch.nonzero(wave.grad).max()) + 1
    assert end - 3 * FRAME < reach <= end and wave.grad[: frame * FRAME].any()


def test_what_is_no_live_face_is_refused_in_one_line(lips):
    start = start_face()
    with pytest.raises(ValueError, match="lip-scale"):
        live_face(start, level=measure_level(sound()), lips=lips, lip_scale=-1.0)
    with pytest.raises(ValueError, match="no articulation weights long"):
        live_face(start, level=measure_level(sound()), lips="long")
    with pytest.raises(ValueError, match="no samples"):
        live_face(start, level=measure_level(sound()), lips=lips).finish()
