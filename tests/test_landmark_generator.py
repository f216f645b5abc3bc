"""The landmark generator: branches that know nothing of each other, a look-ahead that is kept, faces anywhere alike."""

import pytest
import torch

from headsync.experiment import load_config
from headsync.landmarks import canonical_face
from landmark_stage.ms_sync.audio_pyramid import (
    LOOK_AHEAD_FRAMES,
    MARGIN_FRAMES,
    AudioPyramid,
    AudioPyramidSettings,
    with_margins,
)
from landmark_stage.ms_sync.generator import STEP, Generator, GeneratorSettings, MultiScaleModule, head_motions
from landmark_stage.ms_sync.grouped import GroupedBlock
from landmark_stage.ms_sync.noise import NoiseSource, draw_noise
from landmark_stage.ms_sync.train import TrainSettings

SMALL = dict(widen=1, coordinate=11, audio=AudioPyramidSettings((5, 7, 7), 7), hidden=13, trunk=(17, 11), expansion=1,
             noise=0, head_noise=0.0, relative=False, head_spring=0.0, face_spring=0.0, directions=0)


def made(dims=3, seed=1, **changes):
    torch.manual_seed(seed)
    return Generator(GeneratorSettings(dims=dims, **{**SMALL, **changes})).eval()


def inputs(generator, frames=19, batch=2, seed=2):
    random = torch.Generator().manual_seed(seed)
    settings = generator.settings
    face = torch.from_numpy(canonical_face()[:, : settings.dims] / 256).flatten()
    observed = face + 0.01 * torch.randn(batch, 3, len(face), generator=random)
    rows = -10 + 3 * torch.randn(batch, 4 * (frames + 2 * MARGIN_FRAMES), 26, generator=random)
    return observed, rows, torch.randn(batch, frames + 1, settings.noise, generator=random)


@pytest.mark.parametrize("dims, changes", [
    (2, {}), (3, {}), (3, {"levels": 1}), (2, {"noise": 2}), (2, {"relative": True, "noise": 2}),
    (3, {"relative": True, "head_spring": 0.05, "face_spring": 0.2, "directions": 7, "noise": 3})])
def test_motion_begins_with_the_given_face(dims, changes):
    generator = made(dims, **changes)
    observed, rows, noise = inputs(generator)
    motion = generator.rollout(observed, rows, noise)
    assert motion.shape == (2, 19, dims * 68) and torch.equal(motion[:, 0], observed[:, 2])
    assert torch.isfinite(motion).all() and motion[:, 1].ne(motion[:, 0]).any(-1).all()
    assert torch.equal(motion, generator.rollout(observed, rows, noise))


def test_the_papers_size_is_the_papers():
    generator = Generator(load_config(TrainSettings, stage="landmarks", preset="paper").generator)
    count = sum(one.numel() for one in generator.scales.trunk.parameters())
    assert 45e6 < count < 60e6 and 6e6 < sum(one.numel() for one in generator.audio.parameters()) < 10e6
    assert generator.temporal.hidden_size == 256
    observed, rows, noise = inputs(generator, frames=3, batch=1)
    generator.rollout(observed, rows, noise).sum().backward()
    assert all(one.grad is not None for one in generator.parameters())


def test_branches_are_separate_networks():
    grouped = GroupedBlock(4, 7, 11, expansion=3)
    x = torch.randn(4, 5, 7, generator=torch.Generator().manual_seed(1))
    for number in range(4):
        alone = GroupedBlock(1, 7, 11, expansion=3)
        alone.load_state_dict({name: one[number : number + 1] for name, one in grouped.state_dict().items()})
        torch.testing.assert_close(grouped(x)[number], alone(x[number : number + 1])[0])


def test_a_branch_takes_its_own_level_only_and_masks_add_up():
    torch.manual_seed(1)
    settings = GeneratorSettings(dims=3, **SMALL)
    module = MultiScaleModule(20, settings)
    audio, state = torch.randn(4, 3, 7), torch.randn(3, 13)
    blend = module(audio, state)
    changed = module(torch.cat([audio[:2], audio[2:3] + 1, audio[3:]]), state)
    same = (blend.branches == changed.branches).flatten(1).all(1)
    assert same.tolist() == [True, True, False, True]
    torch.testing.assert_close(blend.masks.sum(0), torch.ones(3, 68))
    weights = blend.masks.repeat_interleave(3, -1)
    torch.testing.assert_close(blend.velocity, (weights * blend.branches).sum(0))
    assert (weights.unflatten(-1, (68, 3)).diff(dim=-1) == 0).all()     # x, y and z tied


def test_sound_beyond_the_look_ahead_cannot_reach_a_frame():
    generator = made(levels=4).double()
    observed, rows, noise = (one.double() for one in inputs(generator, frames=71, batch=1))
    farthest = 0
    for frame in (9, 16, 33):
        rows.requires_grad_()
        motion = generator.rollout(observed, rows, noise)
        gradient, = torch.autograd.grad(motion[0, frame].sum(), rows)
        audio = gradient[0].abs().sum(1).nonzero()[:, 0] - 4 * MARGIN_FRAMES
        assert audio.max() < 4 * (frame + LOOK_AHEAD_FRAMES) and audio.min() >= -4 * MARGIN_FRAMES
        farthest = max(farthest, int(audio.max()) // 4 - frame)
    assert farthest == LOOK_AHEAD_FRAMES - 1


def test_margins_are_wide_enough():
    torch.manual_seed(1)
    pyramid = AudioPyramid(AudioPyramidSettings((5, 7, 7), 7), levels=4).eval().double()
    rows = torch.randn(1, 4 * 150, 26, generator=torch.Generator().manual_seed(1)).double()
    whole = pyramid(rows)                                                   # (1, 4, 86, C), frames 32 ... 117
    piece = pyramid(rows[:, 4 * 16 : 4 * (16 + 64 + 35)])                   # frames 48 ... 82: on the grid of 8
    torch.testing.assert_close(piece, whole[:, :, 16:51])


def test_margins_hold_what_is_known_and_silence():
    rows = torch.arange(12.0).reshape(1, 12, 1)
    padded = with_margins(rows, before=-rows[:, :4], after=100 + rows)
    assert padded.shape == (1, 12 + 256, 1)
    assert padded[0, 124:128, 0].tolist() == [-0.0, -1, -2, -3] and padded[0, 140:152, 0].tolist() == list(range(100, 112))
    assert padded[0, :124].eq(-20).all() and padded[0, 152:].eq(-20).all()


def test_place_and_size_of_a_face_do_not_matter_to_relative_motion():
    generator = made(3, relative=True, head_spring=0.1, face_spring=0.3, directions=31, noise=3).double()
    observed, rows, noise = (one.double() for one in inputs(generator))
    moved = (1.7 * observed.unflatten(-1, (68, 3)) + torch.tensor([0.1, -0.2, 0.3]).double()).flatten(-2)
    motion, elsewhere = generator.rollout(observed, rows, noise), generator.rollout(moved, rows, noise)
    expected = (1.7 * motion.unflatten(-1, (68, 3)) + torch.tensor([0.1, -0.2, 0.3]).double()).flatten(-2)
    torch.testing.assert_close(elsewhere, expected)


def test_a_spring_brings_faces_back():
    generator = made(3, relative=True, head_spring=0.5, face_spring=0.5, directions=0)
    torch.nn.init.zeros_(generator.scales.leaf[1].weight)
    observed, rows, noise = inputs(generator, frames=23)
    assert torch.allclose(generator.rollout(observed, rows, noise), observed[:, 2:], atol=1e-6)
    generator.scales.leaf[1].bias.data.fill_(0.01 / STEP)
    last = generator.rollout(observed, rows, noise)[:, -1]
    size = generator.frame(observed[:, 2]).size
    torch.testing.assert_close((last - observed[:, 2]) / size, torch.full_like(last, 0.02), atol=1e-4, rtol=1e-3)


def test_directions_bind_motion_to_their_plane():
    generator = made(3, relative=True, directions=5)
    observed, rows, noise = inputs(generator)
    basis = torch.linalg.qr(torch.randn(204, 5, generator=torch.Generator().manual_seed(3)))[0]
    generator.basis.copy_(basis)
    moved = generator.rollout(observed, rows, noise) - observed[:, 2:]
    torch.testing.assert_close(moved @ basis @ basis.T, moved, atol=1e-6, rtol=1e-4)


def test_noise_moves_the_head_as_far_as_asked_and_nothing_else():
    generator = made(3, relative=True, noise=5, head_noise=0.6)
    wanted = torch.tensor([0.5, 0.7, 0.1, 0.3, 0.2, 0.4, 0.05])
    generator.set_head_noise(wanted, generator=torch.Generator().manual_seed(1))
    observed, rows, _ = inputs(generator, frames=23, batch=1)
    frame = generator.frame(observed[:, 2])
    noise = draw_noise(1, 12001, 5, generator=torch.Generator().manual_seed(2))
    state, heads = generator.begin(observed, noise[:, :2], frame), []
    for t in range(2, 12001):
        state = state._replace(head_noise=0.97 * state.head_noise + noise[:, t] @ generator.head_noise)
        heads.append(state.head_noise[0])
    torch.testing.assert_close(torch.stack(heads).std(0), wanted, rtol=0.35, atol=0)
    still = state._replace(head_noise=torch.zeros_like(state.head_noise))
    moved = (generator.shown(state, frame) - generator.shown(still, frame)) / frame.size
    torch.testing.assert_close(frame.head @ (frame.head.mT @ moved[..., None]), moved[..., None], atol=1e-5, rtol=1e-4)
    assert torch.equal(generator.advance(state, torch.zeros(1, 4, 7), noise[:, 0], frame)[0].face,
                       generator.advance(still, torch.zeros(1, 4, 7), noise[:, 0], frame)[0].face)


@pytest.mark.parametrize("dims, count", [(2, 4), (3, 7)])
def test_head_motions_are_those_of_rigid_faces(dims, count):
    shape = torch.randn(2, 68, dims, generator=torch.Generator().manual_seed(1)).double()
    shape = shape - shape.mean(1, keepdim=True)
    heads = head_motions(shape)
    assert heads.shape == (2, 68 * dims, count)
    torch.testing.assert_close(heads.mT @ heads, torch.eye(count).double().expand(2, -1, -1))
    angle = 1e-4
    turn = torch.eye(dims).double()
    turn[:2, :2] = torch.tensor([[1, -angle], [angle, 1]])
    moved = ((1 + angle) * shape @ turn.T + angle - shape).flatten(1)       # turned, grown and shifted a little
    torch.testing.assert_close((heads @ (heads.mT @ moved[..., None]))[..., 0], moved, atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize("changes, words", [
    ({"dims": 4}, "dims must be 2 or 3"), ({"levels": 5}, "levels 1 to 4"),
    ({"face_spring": 1.0, "relative": True}, "springs must lie"),
    ({"directions": 7}, "relative=true"), ({"head_spring": 0.1}, "relative=true"), ({"noise": -1}, "noise"),
    ({"head_noise": 0.5, "relative": True}, "needs noise")])
def test_wrong_settings_are_one_line(changes, words):
    with pytest.raises(ValueError, match=words) as refused:
        GeneratorSettings(**SMALL | changes)
    assert "\n" not in str(refused.value)


def test_rows_and_noise_must_fit():
    generator = made(noise=3)
    observed, rows, noise = inputs(generator)
    with pytest.raises(ValueError, match="noise must be"):
        generator.rollout(observed, rows, noise[:, 1:])


def test_noise_does_not_depend_on_blocks():
    whole = NoiseSource(7, generator=torch.Generator().manual_seed(5)).draw(101)
    source = NoiseSource(7, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(torch.cat([source.draw(count) for count in (1, 0, 13, 50, 37)]), whole, rtol=0, atol=0)
    assert not torch.equal(whole, NoiseSource(7, generator=torch.Generator().manual_seed(6)).draw(101))
    assert NoiseSource(7, generator=torch.Generator().manual_seed(5), scale=0.0).draw(11).abs().max() == 0
    assert NoiseSource(0, generator=torch.Generator().manual_seed(5)).draw(11).shape == (11, 0)


def test_noise_is_slow_and_of_unit_size():
    drawn = draw_noise(503, 61, 5, generator=torch.Generator().manual_seed(1))
    assert (drawn.std((0, 1)) - 1).abs().max() < 0.05
    near = (drawn[:, 1:] * drawn[:, :-1]).mean((0, 1))
    torch.testing.assert_close(near, torch.linspace(0.7, 0.96, 5), atol=0.05, rtol=0)
    assert draw_noise(3, 11, 0, generator=torch.Generator()).shape == (3, 11, 0)
    alone = NoiseSource(5, generator=torch.Generator().manual_seed(1)).draw(8009)       # at test time: for ever of the same law
    torch.testing.assert_close(alone.std(0), torch.ones(5), atol=0.2, rtol=0)
    near = (alone[1:] * alone[:-1]).mean(0) / alone.square().mean(0)
    torch.testing.assert_close(near, torch.linspace(0.7, 0.96, 5), atol=0.05, rtol=0)
