"""What public functions hand out while a caller's autocast to bf16 is on: float32 always, and the same numbers where they
compute in float32 themselves. The renderer computes in bf16 when it is asked to, and hands out float32 all the same.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headsync.evaluation.clip import clip_profiles
from headsync.evaluation.networks import PublishedNetwork, csim, i3d_features, inception_features, lpips, sync_figures
from headsync.evaluation.networks.nets import IResNet, Lpips, SyncNet
from headsync.landmarks import canonical_face
from headsync.media import read_audio
from landmark_stage import (
    HeadReference,
    explain_motion,
    generate_expression,
    generate_landmarks,
    load_expression,
    load_generator,
    load_head_motion,
    start_face,
    stream_heads,
)
from landmark_stage.expression.generate import own_face
from landmark_stage.head_motion.generate import person_of
from landmark_stage.head_motion.network import Reference, trajectories
from landmark_stage.head_motion.statistics import band_amplitudes, discriminator_statistics, motion_hints
from landmark_stage.head_motion.tones import ToneSource
from render_stage import Drive, FaceEmbedder, load_embedder, load_face_encoder, load_renderer
from render_stage.identity.training import encoder_answers, identity_loss
from render_stage.nn.losses import gradient_loss, reconstruction_loss, ssim_loss
from render_stage.nn.perceptual import VGG19, VGG19_STAGES, PerceptualLoss
from render_stage.rhythmic_head import layer_contributions
from syncers import (
    ChannelSettings,
    audio_channels,
    info_nce,
    level_profiles,
    load_syncers,
    motion_channels,
    sample_offsets,
    similarity_matrix,
)
from tests.head_files import turning
from tests.moving_faces import moved_face, still_face
from tests.talking import made_up_sample
from tests.test_face_encoder import made_up_faces
from tests.test_published import random_state

SPEECH = Path(__file__).parents[1] / "examples" / "speech.flac"
HALVES = (torch.bfloat16, torch.float16, np.dtype(np.float16))


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


def waveform() -> np.ndarray:
    return read_audio(SPEECH)[: 640 * 41]


def pictures(count: int, size: int = 67) -> list[np.ndarray]:
    return [*np.random.default_rng(3).integers(0, 256, (count, size, size, 3)).astype(np.uint8)]


class StandIn(nn.Module):
    """A convolution in place of a large network: (B, C, ...) to means (B, C') or, of films, (B, C', n)."""

    def __init__(self, convolution: nn.Module, kept: int):
        super().__init__()
        self.convolution, self.kept = convolution, kept

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(x).flatten(1 + self.kept).mean(-1)


def published(network: nn.Module) -> PublishedNetwork:
    state = random_state(network).items()
    network.load_state_dict({name: one.float() if one.is_floating_point() else one for name, one in state})
    return PublishedNetwork(network.eval().requires_grad_(False), ("0",))


def vgg19() -> VGG19:
    tensors, inner = {}, 3
    for number in (number for stage in VGG19_STAGES for number in stage):
        tensors |= {f"features.{number}.weight": noise(7, inner, 3, 3), f"features.{number}.bias": noise(7)}
        inner = 7
    return VGG19(tensors)


def rollout() -> Tensor:
    generator = load_generator("short")
    face = torch.from_numpy(start_face().flat(3)[:1])[None].expand(2, 3, -1)
    return generator.rollout(face, noise(2, 4 * (11 + 64), 26), noise(2, 11 + 1, generator.settings.noise))


def heads() -> list[np.ndarray]:
    sound = waveform()
    reference = HeadReference(turning(61).points, sound)
    return [*stream_heads(sound, canonical_face(), reference=reference, seed=3)]


def perceptual() -> list[Tensor]:
    return [PerceptualLoss(features, weights)(noise(1, 3, 64, 64), noise(1, 3, 64, 64).flip(2))
            for features, weights in ((load_face_encoder(), (1.0,) * 4), (vgg19(), (1.0,) * 5))]


# Compute in float32 by themselves: numbers must not change by a bit
FULL = {
    "explain_motion": lambda: explain_motion(waveform(), start_face(), generator=load_generator()),
    "generate_landmarks": lambda: generate_landmarks(waveform()).points,
    "generate_expression": lambda: generate_expression(waveform()).points,
    "own_face": lambda: own_face(load_expression(), noise(23, 204), noise(2 * 23, 384)),
    "stream_heads": heads,
    "person_of": lambda: person_of(load_head_motion(), HeadReference(turning(61).points, waveform())),
    "statistics": lambda: [one(noise(3, 61, 6), torch.tensor([61, 53, 59]))
                           for one in (discriminator_statistics, band_amplitudes, motion_hints)],
    "level_profiles": lambda: level_profiles(load_syncers(), made_up_sample(83, seed=1)),
    "sample_offsets": lambda: sample_offsets(made_up_sample(83, seed=1), load_syncers()),
    "similarity_matrix": lambda: similarity_matrix(load_syncers("loss"), made_up_sample(83, seed=1), level=2),
    "embeddings": lambda: load_syncers().embeddings(noise(2, 17, 204), noise(2, 68, 26)),
    "scores": lambda: load_syncers("loss").scores(noise(2, 17, 204), noise(2, 68, 26)),
    "clip_profiles": lambda: clip_profiles(turning(53).points, noise(212, 26).numpy(), load_syncers()),
    "FaceEmbedder": lambda: FaceEmbedder(load_face_encoder("perceptual"))(np.stack(pictures(2, 256)), np.stack(
        [canonical_face()] * 2)),
    "FaceRecogniser": lambda: load_embedder()(np.stack(pictures(2, 256)), np.stack([canonical_face()] * 2)),
    "encoder_answers": lambda: encoder_answers(load_face_encoder(), made_up_faces()),
    "inception_features": lambda: inception_features(pictures(1), published(StandIn(nn.Conv2d(3, 7, 16, 16), 1))),
    "i3d_features": lambda: i3d_features([pictures(9, 224)], published(StandIn(nn.Conv3d(3, 7, (4, 16, 16), (4, 16, 16)), 2))),
    "csim": lambda: csim(pictures(1, 112), pictures(1, 112), published(IResNet((1, 1, 1, 1)))),
    "lpips": lambda: lpips(pictures(1), pictures(1)[::-1], published(Lpips())),
    "sync_figures": lambda: sync_figures(pictures(7, 224), waveform()[: 640 * 7], published(SyncNet())),
}
FULL |= {
    "channels": lambda: [motion_channels(noise(2, 17, 204), ChannelSettings()),
                         audio_channels(noise(2, 68, 26), ChannelSettings(audio="cepstra"))],
    "info_nce": lambda: info_nce(*F.normalize(noise(2, 13, 7), dim=-1), clip=torch.arange(13) // 5, step=torch.arange(13),
                                 temperature=torch.tensor(0.07)),
    "identity_loss": lambda: identity_loss(F.normalize(noise(5, 7), dim=1), noise(3, 7), torch.tensor([0, 2, 1, -1, 2])),
}
# Compute in whatever precision is on, as training wants them to
MIXED = {
    "rollout": rollout,
    "spoken": lambda: load_expression().spoken(noise(2, 2 * 17, 384), noise(2, 10)),
    "trajectories": lambda: trajectories(
        load_head_motion(), Reference(noise(2, 61, 6), noise(2, 61, 104), torch.tensor([61, 53])), noise(2, 19, 104),
        ToneSource(generator=torch.Generator().manual_seed(3), batch=2)),
    "heads": lambda: load_face_encoder().heads(noise(2, 3, 96, 96)),
    "embed": lambda: load_face_encoder("perceptual").embed(noise(2, 3, 96, 96)),
    "features": lambda: load_face_encoder()(noise(1, 3, 64, 64)),
    "VGG19": lambda: vgg19()(noise(1, 3, 64, 64)),
    "PerceptualLoss": perceptual,
    "losses": lambda: [reconstruction_loss(*noise(3, 1, 3, 32, 32).bfloat16()), ssim_loss(*noise(2, 1, 3, 32, 32).bfloat16()),
                       gradient_loss(*noise(2, 1, 3, 32, 32).bfloat16())],
}


def leaves(made: Any) -> list:
    """Tensors and arrays in any nesting."""
    if isinstance(made, Tensor | np.ndarray):
        return [made]
    inner = made.values() if isinstance(made, dict) else made if isinstance(made, tuple | list) else ()
    return [leaf for one in inner for leaf in leaves(one)]


def halved(made: Any) -> list:
    return [leaf.dtype for leaf in leaves(made) if leaf.dtype in HALVES]


@pytest.mark.parametrize("name", FULL)
def test_measures_and_motions_do_not_change_under_an_autocast(name):
    plain = FULL[name]()
    with torch.autocast("cpu", torch.bfloat16):
        again = FULL[name]()
    assert not halved(again)
    ours, theirs = leaves(plain), leaves(again)
    assert len(ours) == len(theirs) and all(np.array_equal(*map(np.asarray, pair)) for pair in zip(ours, theirs))
    if not ours:
        assert plain == again       # plain numbers


@pytest.mark.parametrize("name", MIXED)
def test_what_trains_in_bf16_is_handed_out_as_float32(name):
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        made = MIXED[name]()
    assert leaves(made) and not halved(made)


def test_a_renderer_in_bf16_hands_out_float32(precision):
    renderer, face, seen = load_renderer("small"), still_face(), []
    renderer.network.composition.blocks[0].register_forward_hook(lambda _, given, made: seen.append(made.dtype))
    identity = renderer.prepare([face, moved_face((3, 1))])
    points = np.stack([face.points, moved_face((2, -1)).points])
    _, made = renderer.explain(identity, points)
    assert leaves(made) and not halved(made)
    layers = layer_contributions(renderer, identity, points[:1])
    assert len(layers) > 1 and all(one.dtype == np.float32 for one in layers.values())
    assert renderer.frames(identity, Drive(points)).dtype == np.uint8
    assert set(seen) == {{"fp32": torch.float32, "bf16": torch.bfloat16}[precision]}      # it did compute so


def test_loaders_take_a_precision_and_pictures_hardly_change():
    face, frames = still_face(), {}
    for precision in ("fp32", "bf16"):
        renderer = load_renderer("small", precision=precision)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "fp32"):     # it holds whatever there is around it
            frames[precision] = renderer.frames(renderer.prepare([face]), Drive(face.points[None])).astype(int)
    apart = np.abs(frames["fp32"] - frames["bf16"])
    assert 0 < apart.mean() < 1
    with pytest.raises(TypeError, match="precision must be 'auto' or 'fp32' or 'bf16', got str 'half'"):
        load_renderer("no such file", precision="half")     # before the file is looked for
