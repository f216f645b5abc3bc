"""Syncer pyramids: lengths, gradients, what stays the same when a face is moved; losses and their floors."""

import math

import pytest
import torch

from headsync.landmarks import canonical_face
from syncers import ChannelSettings, ConvNextBlock, SyncerPyramid, SyncerSettings, info_nce, triplet
from syncers.channels import audio_channels, motion_channels, own_motion, shape_features
from syncers.losses import lag_contrast, negative_weights
from syncers.model import EncoderSettings
from syncers.windows import level_sequences, windows_of
from tests.talking import made_up_sample

FACES = [("shape",), ("regions",), ("points",), ("regions", "shape")]


def pyramid_of(faces=("shape",), kind="layers", **settings):
    torch.manual_seed(3)
    encoder = EncoderSettings(kind=kind, width=7, strides=(2,) if kind == "convnext" else ())
    form = SyncerSettings(channels=ChannelSettings(faces=faces), motion=encoder, audio=encoder, embedding=11, **settings)
    return SyncerPyramid([form] * 4)


@pytest.mark.parametrize("kind", ["layers", "convnext"])
@pytest.mark.parametrize("frames, windows", [(80, [76, 36, 16, 6]), (97, [93, 45, 21, 9]), (13, [9, 3]), (5, [1])])
def test_every_level_has_its_windows(kind, frames, windows):
    sample = made_up_sample(frames, seed=1)
    found = pyramid_of(kind=kind).eval().embeddings(sample.flat[None], sample.rows[None])
    assert [level.motion.shape for level in found] == [(1, n, 11) for n in windows]
    assert [level.audio.shape for level in found] == [(1, n, 11) for n in windows]


@pytest.mark.parametrize("faces", FACES)
def test_a_frozen_pyramid_guides_landmarks_and_learns_nothing(faces):
    pyramid = pyramid_of(faces).eval().requires_grad_(False)
    sample = made_up_sample(97, seed=1)
    flat = sample.flat[None].clone().requires_grad_()
    score = pyramid.scores(flat, sample.rows[None])
    assert score.shape == (4,)
    score.sum().backward()
    assert torch.isfinite(flat.grad).all() and all(one.grad is None for one in pyramid.parameters())
    moved = flat.grad.reshape(97, 68, 3)[..., :2].abs().sum((0, 2)) > 0
    assert moved.all() if faces != ("shape",) else moved[[8, 30, 36, 48, 54, 62, 66]].all()


def test_branches_are_evaluated_together():
    pyramid = pyramid_of(("regions", "shape")).eval()
    sample = made_up_sample(31, seed=1)
    level = pyramid.embeddings(sample.flat[None], sample.rows[None])[0]
    motion, audio = level.motion[0].unflatten(1, (2, 11)), level.audio[0].unflatten(1, (2, 11))
    each = torch.nn.functional.cosine_similarity(motion, audio, dim=-1).mean(1)
    torch.testing.assert_close((level.motion * level.audio).sum(-1)[0], each)


def test_loss_syncers_give_unit_vectors_and_metric_syncers_do_not():
    sample = made_up_sample(31, seed=1)
    for normalised in (True, False):
        level = pyramid_of(normalised=normalised).eval().embeddings(sample.flat[None], sample.rows[None])[0]
        norms = torch.cat([level.motion[0], level.audio[0]]).norm(dim=1)
        assert torch.allclose(norms, torch.ones_like(norms), atol=1e-5) == normalised


@pytest.mark.parametrize("faces", FACES)
def test_moving_and_resizing_a_face_changes_nothing(faces):
    flat = made_up_sample(31, seed=1).flat[None]
    settings = ChannelSettings(faces=faces)
    moved = (0.7 * flat.reshape(1, 31, 68, 3) + torch.tensor([0.1, -0.05, 0.3])).reshape(1, 31, -1)
    torch.testing.assert_close(motion_channels(flat, settings), motion_channels(moved, settings), atol=2e-4, rtol=1e-3)


def test_a_still_face_has_no_motion_and_own_motion_knows_no_head():
    still = made_up_sample(31, seed=1).flat[:1].expand(31, -1)[None]
    assert motion_channels(still, ChannelSettings()).abs().max() < 1e-4
    points = made_up_sample(1, seed=1).flat.reshape(1, 1, 68, 3)[..., :2]
    angle = torch.linspace(-0.3, 0.3, 31)[None, :, None]
    turn = torch.stack([torch.stack([angle.cos(), angle.sin()], -1), torch.stack([-angle.sin(), angle.cos()], -1)], -2)[:, :, 0]
    turned = points @ turn * (1 + angle[..., None]) + angle[..., None]
    own = own_motion(turned)
    assert (own - own.mean(1, keepdim=True)).abs().max() < 2e-3 < (turned - turned.mean(1, keepdim=True)).abs().max()


@pytest.mark.parametrize("roll", [0.0, 0.9, -2.5])
def test_crossed_lips_are_no_open_ones(roll):
    """Openings lie on one straight line through 0 in every roll; the syncers never see more of a mouth than there is."""
    face = torch.from_numpy(canonical_face()).double() - 128
    faces = face[None].repeat(5, 1, 1)
    faces[:, [67, 66, 65]] = faces[:, [61, 62, 63]]
    faces[:, [67, 66, 65], 1] += torch.tensor([-7.0, -3, 2, 5, 11])[:, None].double()
    turn = torch.tensor([[math.cos(roll), math.sin(roll)], [-math.sin(roll), math.cos(roll)]]).double()
    inner = shape_features((faces[..., :2] @ turn)[None])[0, :, 0]
    torch.testing.assert_close(inner, torch.tensor([-7.0, -3, 2, 5, 11]).double(), atol=0.01, rtol=0)
    flat = faces[:, :, :2].clone().requires_grad_()
    shape_features(flat[None])[0, :, 0].sum().backward()
    assert (flat.grad[:, [67, 66, 65], 1] > 0.3).all()        # down opens, crossed or not


def test_cepstra_are_the_orthonormal_transform():
    from scipy.fft import dct

    rows = made_up_sample(3, seed=1).rows[None]
    found = audio_channels(rows, ChannelSettings(audio="cepstra", cepstra=7))[0]
    expected = dct((rows[0].numpy().clip(-13) + 10), norm="ortho")[:, :7]
    torch.testing.assert_close(found[:, 1:] * 5, torch.from_numpy(expected[:, 1:]), atol=1e-4, rtol=1e-4)
    assert audio_channels(rows, ChannelSettings(audio="rows")).shape == (1, 12, 26)
    mfcc = ChannelSettings(features="mfcc26", audio="cepstra", cepstra=7)
    torch.testing.assert_close(audio_channels(rows, mfcc), rows[..., :7] / 10)


def test_windows_of_a_level_start_together():
    sample = made_up_sample(23, seed=1)
    motion, audio = windows_of(*level_sequences(sample.flat[None], sample.rows[None], ChannelSettings(), 1), ChannelSettings())
    rows = audio_channels(sample.rows[None], ChannelSettings())
    torch.testing.assert_close(audio[0, 7], rows[0, 28:48])
    torch.testing.assert_close(motion[0, 7], motion_channels(sample.flat[None], ChannelSettings())[0, 7:12])


@pytest.mark.parametrize("window", [3, 7])
def test_other_windows_are_possible(window):
    sample = made_up_sample(61, seed=1)
    pyramid = SyncerPyramid([SyncerSettings(channels=ChannelSettings(window=window))] * 4).eval()
    levels = pyramid.embeddings(sample.flat[None], sample.rows[None])
    assert [level.motion.shape[1] for level in levels] == [steps - window + 1 for steps in (61, 31, 16, 8)]


def test_wrong_inputs_are_one_line():
    sample = made_up_sample(23, seed=1)
    pyramid = pyramid_of()
    with pytest.raises(ValueError, match="do not fit"):
        pyramid.embeddings(sample.flat[None], sample.rows[None, :-1])
    with pytest.raises(ValueError, match="4 frames are too few"):
        pyramid.embeddings(sample.flat[None, :4], sample.rows[None, :16])
    with pytest.raises(ValueError, match="landmarks must be"):
        motion_channels(torch.zeros(1, 7, 100), ChannelSettings())
    with pytest.raises(ValueError, match="faces must be"):
        ChannelSettings(faces=("nose",))


def literal_info_nce(positive: torch.Tensor, negative: torch.Tensor, *, logarithm: bool) -> torch.Tensor:
    """The paper's equation 2 as printed, of cosines (n,) and (n, N): no temperature, and perhaps no logarithm."""
    logits = torch.cat([positive[:, None], negative], dim=1)        # (n, 1 + N)
    return -(logits.log_softmax(1) if logarithm else logits.softmax(1))[:, 0].mean()


@pytest.mark.parametrize("logarithm, floor, chance", [(True, 2.014, math.log(49)), (False, -0.1334, -1 / 49)])
def test_the_papers_literal_loss_has_a_floor(logarithm, floor, chance):
    best = literal_info_nce(torch.ones(7), -torch.ones(7, 48), logarithm=logarithm)
    none = literal_info_nce(torch.zeros(7), torch.zeros(7, 48), logarithm=logarithm)
    assert best.item() == pytest.approx(floor, abs=5e-4) and none.item() == pytest.approx(chance, abs=1e-4)


def batch_of(clips=5, windows=11):
    clip = torch.arange(clips).repeat_interleave(windows)
    return clip, torch.arange(windows).repeat(clips) * 2


def test_info_nce_is_zero_where_it_must_be_and_chance_for_noise():
    clip, step = batch_of()
    z = torch.nn.functional.normalize(torch.randn(55, 64, generator=torch.Generator().manual_seed(1)), dim=1)
    perfect = info_nce(z, z, clip=clip, step=step, temperature=torch.tensor(0.01))
    assert perfect.loss < 1e-6 and perfect.accuracy == 1
    nothing = info_nce(torch.zeros(55, 64), z, clip=clip, step=step, temperature=torch.tensor(0.07))
    assert nothing.loss.item() == pytest.approx(math.log(49), abs=0.35)     # short clips offer fewer than 24 misaligned ones


def test_motion_looks_for_sound_as_sound_looks_for_motion():
    clip, step = batch_of()
    random = torch.Generator().manual_seed(1)
    one, other = (torch.nn.functional.normalize(torch.randn(55, 13, generator=random), dim=1) for _ in range(2))
    for loss in (lambda *pair: info_nce(*pair, clip=clip, step=step, temperature=torch.tensor(0.07)).loss,
                 lambda *pair: triplet(*pair, clip=clip, step=step, margin=0.3).loss):
        assert loss(one, other).item() == pytest.approx(loss(other, one).item(), rel=1e-5)


def test_negatives_count_as_48_half_of_them_misaligned():
    clip, step = batch_of(clips=3, windows=31)
    weights = negative_weights(clip, step).exp()
    same = clip[:, None] == clip[None]
    own, foreign = (weights * same).sum(1) - 1, (weights * ~same).sum(1)
    assert own[5].item() == pytest.approx(24, abs=1e-3)
    assert torch.allclose(own + foreign, torch.tensor(48.0), atol=1e-2)
    near = negative_weights(torch.zeros(3, dtype=torch.long), torch.tensor([0, 1, 2]))
    assert near[0, 1] < -1e3 and near[0, 2] > -1e3 and near[0, 0] == 0


def test_triplets_want_a_margin_from_the_nearest_stranger():
    clip, step = batch_of()
    z = torch.randn(55, 13, generator=torch.Generator().manual_seed(1))
    assert triplet(10 * z, 10 * z, clip=clip, step=step, margin=0.3).loss == 0
    collapsed = triplet(z * 0, z * 0, clip=clip, step=step, margin=0.3)
    assert collapsed.loss.item() == pytest.approx(0.3)


def test_the_true_lag_is_told_from_others():
    z = torch.nn.functional.normalize(torch.randn(3, 23, 13, generator=torch.Generator().manual_seed(1)), dim=-1)
    temperature = torch.tensor(0.03)
    right = lag_contrast(z, z, temperature=temperature)
    assert right.loss < 1e-3 and right.accuracy == 1
    late = lag_contrast(z, z.roll(4, 1), temperature=temperature)
    assert late.loss > 5 and late.accuracy == 0
    level = lag_contrast(z * 0, z * 0, temperature=temperature)
    assert level.loss.item() == pytest.approx(math.log(23), abs=1e-4)
    with pytest.raises(ValueError, match="4 windows have no lags"):
        lag_contrast(z[:, :4], z[:, :4], temperature=temperature)


def test_grouped_blocks_are_separate_networks():
    torch.manual_seed(3)
    block = ConvNextBlock(14, 22, kernel=3, stride=2, groups=2).eval()
    x = torch.randn(5, 14, 13)
    whole = block(x)
    assert whole.shape == (5, 22, 7)
    other = x.clone()
    other[:, 7:] += 1
    changed = block(other)
    assert torch.equal(whole[:, :11], changed[:, :11]) and not torch.allclose(whole[:, 11:], changed[:, 11:])
