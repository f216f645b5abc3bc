"""The discriminators of motion: what they read and score, what a step teaches them, which gradients a generator gets."""

import copy
import math
from dataclasses import replace
from functools import lru_cache

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from headsync.experiment import Adversary, mixed_precision
from headsync.experiment.adversary import doubt_loss, fooling_loss, hinge_loss, logistic_loss
from landmark_stage.ms_sync.discriminator import (
    LARGEST_GRADIENT,
    TERMS,
    CoordinateEncoder,
    DiscriminatorSettings,
    MotionDiscriminator,
    Plan,
    ProjectionHead,
    SequenceDiscriminator,
    WindowLSTM,
    draw_plan,
    larger_of_pairs,
)

TINY = DiscriminatorSettings(widen=1, coordinate=17, hidden=11, windows=(3, 7, 13), lr=2e-3)
WHOLE = DiscriminatorSettings(lr=5e-5)
OBSERVED = 3


def seeded(number=1):
    return torch.Generator().manual_seed(number)


def noise(*shape, seed=1):
    return torch.randn(*shape, generator=seeded(seed))


def clips(B=5, T=17, dims=2, seed=1):
    """(fake, real): noise and smooth sines round the middle of the canvas, the first three frames real in both."""
    phase = torch.linspace(0, 9, 68 * dims) + 6 * torch.rand(B, 1, 1, generator=seeded(seed))
    real = 0.5 + 0.1 * torch.sin(0.3 * torch.arange(float(T))[None, :, None] + phase)
    fake = 0.5 + 0.1 * noise(B, T, 68 * dims, seed=seed + 1)
    return torch.cat([real[:, :OBSERVED], fake[:, OBSERVED:]], 1), real


def adversary_of(dims=2, terms=TERMS, seed=3):
    torch.manual_seed(seed)
    return Adversary(MotionDiscriminator(TINY, dims=dims, terms=terms), lr=TINY.lr, clip=LARGEST_GRADIENT)


def given(real, seed=1, observed=OBSERVED):
    """What the discriminators are told beside both sides."""
    return real[:, :observed], plan_of(real.shape[1], observed, seed=seed)


def step(adversary, fake, real, seed=1, observed=OBSERVED):
    return adversary.step(fake, real, *given(real, seed, observed))


def generator_terms(adversary, fake, real, observed=OBSERVED):
    return adversary.loss(fake, real, *given(real, observed=observed))


@lru_cache
def taught(precision="fp32", seed=0):
    """An adversary after steps on sines and noise, and what its first and last step told; copy it before another."""
    adversary, numbers = adversary_of(seed=3 + seed), range(100 * seed, 100 * seed + 21)
    with mixed_precision("cpu", precision):
        told = [step(adversary, *clips(seed=number), number) for number in numbers]
    return adversary, told[0], told[-1]


def plan_of(T=23, observed=OBSERVED, settings=TINY, seed=1):
    return draw_plan(T, observed, settings, generator=seeded(seed))


def test_the_discriminator_by_hand():
    assert hinge_loss(torch.tensor([-3.0, 1.0]), torch.tensor([2.0, 0.5])).item() == pytest.approx((0 + 2) / 2 + (0 + 0.5) / 2)
    assert hinge_loss(torch.tensor([-1.0]), torch.tensor([1.0])) == 0
    assert fooling_loss(torch.tensor([3.0, -1.0])) == -1


def test_windows_lie_at_every_half_size_and_may_begin_among_observed_frames():
    starts = plan_of(43, settings=WHOLE).starts
    relative = {size: [start - OBSERVED for start in own] for size, own in starts.items()}
    assert relative == {5: list(range(-3, 36, 2)), 10: list(range(-3, 31, 5)), 20: [-3, 7, 17], 40: [-3]}
    assert plan_of(43, 7, settings=replace(WHOLE, windows=(4,))).starts[4][0] == 5    # two of four frames are generated
    assert plan_of(23).frames == list(range(3, 23))


def test_of_long_clips_every_second_window_and_frame_is_seen_from_a_random_one_on():
    whole = {5: 40, 10: 15, 20: 7, 40: 3}
    drawn = [plan_of(83, settings=WHOLE, seed=seed) for seed in range(13)]
    for size, count in whole.items():
        assert {len(plan.starts[size]) for plan in drawn} == {count // 2, -(-count // 2)}
        assert sorted({start for plan in drawn for start in plan.starts[size]}) == list(range(0, 84 - size, size // 2))
    assert {tuple(plan.frames) for plan in drawn} == {tuple(range(3, 83, 2)), tuple(range(4, 83, 2))}
    assert plan_of(83, settings=WHOLE, seed=5) == plan_of(83, settings=WHOLE, seed=5)


def test_sparse_discriminators_see_few_windows_and_always_one_of_each_size():
    for seed in range(13):
        starts = plan_of(43, settings=replace(WHOLE, sparse=4), seed=seed).starts
        assert {size: len(own) for size, own in starts.items() if size < 20} in ({5: 5, 10: 2}, {5: 5, 10: 1})
        assert len(starts[20]) == len(starts[40]) == 1


def test_windows_that_do_not_fit_are_dropped_and_none_is_an_error():
    assert list(plan_of(9).starts) == [3, 7]
    fake, real = clips(T=9)
    assert step(adversary_of(), fake, real)["sequence_discriminator"] > 0
    with pytest.raises(ValueError, match=r"^4 frames with 3 observed hold no window of \(7, 13\); give longer clips$"):
        plan_of(4, settings=replace(TINY, windows=(7, 13)))


def test_one_pass_over_all_windows_is_an_lstm_over_each():
    torch.manual_seed(3)
    ours, theirs = WindowLSTM(TINY), nn.LSTM(17, 11, batch_first=True)
    assert (ours.input_map.bias[:11] == 1).all() and (ours.input_map.bias[11:] < 0.5).all()     # remembers from the start
    order = [1, 0, 3, 2]        # ours: keep, write, show, fresh; torch's: write, keep, fresh, show
    with torch.no_grad():
        for name, value in (("weight_ih_l0", ours.input_map.weight), ("weight_hh_l0", ours.state_map.weight),
                            ("bias_ih_l0", ours.input_map.bias), ("bias_hh_l0", torch.zeros(44))):
            getattr(theirs, name).copy_(value.unflatten(0, (4, 11))[order].flatten(0, 1))
    encoded, starts = noise(5, 23, 17), {7: [0, 5, 16], 3: [0, 4, 5, 20], 13: [0, 10]}
    expected = [theirs(encoded[:, start : start + size])[1][0][0] for size, own in starts.items() for start in own]
    torch.testing.assert_close(ours(encoded, starts), torch.stack(expected))


def test_the_projection_head_is_the_papers_formula():
    torch.manual_seed(3)
    head = ProjectionHead(11)
    with torch.no_grad():
        head.fading.fill_(3.0)
    states, given, distance = noise(4, 2, 5, 11), noise(5, 11, seed=2), torch.tensor([1, 1, 2, 13])
    found = head(states, given, distance)
    assert found.shape == (4, 2, 5)
    phi = torch.relu(head.phi(states[3, 1, 2]))
    inner = torch.dot(given[2], head.agreement(phi)) * 13 ** (-1 / 3)
    torch.testing.assert_close(found[3, 1, 2], head.answer(torch.relu(head.psi(phi)) + inner)[0])


def test_windows_count_their_distance_from_the_condition_and_are_averaged_by_start_then_size():
    class Distance(nn.Module):
        def forward(self, states, given, distance):
            return distance[:, None, None].expand(states.shape[:3]).float()

    discriminator = SequenceDiscriminator(TINY, paired=False)
    discriminator.head = Distance()
    plan = Plan(3, [], {3: [1, 4, 9], 7: [3]})
    assert torch.equal(discriminator(noise(2, 5, 23, 17), noise(5, 3, 17), plan), torch.full((2, 5), ((1 + 1 + 6) / 3 + 1) / 2))


def test_pairs_have_no_order_and_an_odd_clip_is_left_out():
    assert larger_of_pairs(torch.tensor([[1.0, 5.0], [2.0, 3.0], [9.0, 9.0]])).tolist() == [[2, 5]]
    torch.manual_seed(3)
    discriminator, encoded, given = SequenceDiscriminator(TINY, paired=True), noise(2, 5, 23, 17), noise(5, 3, 17, seed=2)
    score = discriminator(encoded, given, plan_of())
    assert score.shape == (2, 2)
    swapped, mixed = [1, 0, 3, 2, 4], [2, 1, 0, 3, 4]
    torch.testing.assert_close(discriminator(encoded[:, swapped], given[swapped], plan_of()), score)
    assert not torch.allclose(discriminator(encoded[:, mixed], given[mixed], plan_of()), score)
    encoded[:, 4] += 1
    assert torch.equal(discriminator(encoded, given, plan_of()), score)


@pytest.mark.parametrize("term", ["frame", "sequence"])
def test_discriminators_see_a_clip_and_its_beginning(term):
    discriminator, encoded = adversary_of().discriminator.eval().terms[term], noise(2, 5, 23, 17)
    given = noise(5, 3, 17, seed=2)
    score = discriminator(encoded, given, plan_of())
    assert score.shape == ((2, 5, 20) if term == "frame" else (2, 5))
    other, began = encoded.clone(), given.clone()
    other[:, 3] += 1
    began[3] += 1
    for changed in (discriminator(other, given, plan_of()), discriminator(encoded, began, plan_of())):
        torch.testing.assert_close(changed[:, [0, 1, 2, 4]], score[:, [0, 1, 2, 4]])
    assert not torch.allclose(discriminator(other, given, plan_of())[:, 3], score[:, 3])
    assert torch.allclose(discriminator(encoded, began, plan_of())[:, 3], score[:, 3]) == (term == "frame")


def test_velocities_are_seen_where_wanted_and_none_before_frame_1():
    _, real = clips()
    moved = real.clone()
    moved[:, 6] += 0.01
    for velocities, touched in ((True, [6, 7]), (False, [6])):
        torch.manual_seed(3)
        encoder = CoordinateEncoder(replace(TINY, velocities=velocities), dims=2)
        assert encoder.layers[0].in_features == 136 * (1 + velocities)
        difference = (encoder(moved) - encoder(real)).abs().amax((0, 2))
        assert (difference > 1e-4).nonzero().flatten().tolist() == touched
        torch.testing.assert_close(encoder(real)[:, :3], encoder(real[:, :3]))


def test_every_matrix_keeps_to_a_spectral_norm_of_one():
    discriminator = copy.deepcopy(taught()[0]).discriminator.train()
    layers = [one for one in discriminator.modules() if isinstance(one, nn.Linear | nn.Conv1d) and one.weight[0].numel() > 1]
    assert len(layers) == 3 + 2 * (2 + 4) + (1 + 4 * 2 + 1)     # encoder, sequence discriminators, frame discriminator
    for layer in layers:
        assert parametrize.is_parametrized(layer, "weight")
        weight = [layer.weight for _ in range(30)][-1]      # each look is a power iteration
        assert torch.linalg.matrix_norm(weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)


def test_steps_tell_sines_from_noise_and_name_their_figures(precision, training_seed, learned):
    _, first, last = taught(precision, training_seed)
    assert set(last) == {"discriminator_gradient"} | {f"{term}_{name}" for term in ("frame", "sequence", "joint")
                                               for name in ("discriminator", "fake", "real")}
    for term in ("frame", "sequence", "joint"):
        learned(f"{term}, hinge at first", first[f"{term}_discriminator"], above=1.5)
        learned(f"{term}, hinge at last", last[f"{term}_discriminator"], below=1)
        learned(f"{term}, real above fake", last[f"{term}_real"] - last[f"{term}_fake"], above=0.7)
    assert all(isinstance(value, float) for value in last.values())


def test_gradients_are_cut_to_one():
    adversary = copy.deepcopy(taught()[0])
    told = step(adversary, *clips()[::-1])    # fake and real swapped: a shock
    kept = torch.stack([one.grad.norm() for one in adversary.discriminator.parameters()]).norm()
    assert told["discriminator_gradient"] > 5 and kept.item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_generator_gets_gradients_at_every_frame_and_leaves_the_discriminators_alone(dims):
    adversary, (fake, real) = adversary_of(dims=dims), clips(dims=dims)
    step(adversary, fake, real)
    adversary.discriminator.zero_grad()
    before = copy.deepcopy(adversary.discriminator.state_dict())
    fake.requires_grad_()
    losses = generator_terms(adversary, fake, real)
    assert list(losses) == ["frame", "sequence", "joint"]
    for loss in losses.values():
        gradient = torch.autograd.grad(loss, fake, retain_graph=True)[0]
        assert torch.isfinite(gradient).all() and (gradient[:4, 3:].abs().sum(-1) > 0).all()
    sum(losses.values()).backward()
    assert all(one.grad is None for one in adversary.discriminator.parameters())
    assert all(torch.equal(value, before[name]) for name, value in adversary.discriminator.state_dict().items())
    assert step(adversary, fake, real)["discriminator_gradient"] > 0
    moved = [name for name, value in adversary.discriminator.state_dict().items() if not torch.equal(value, before[name])]
    assert sum(name.endswith("_u") for name in moved) > 13 < sum(name.endswith("original") for name in moved)
    fake.grad = None
    step(adversary, fake, real)
    assert fake.grad is None


def test_going_along_the_gradient_fools_the_discriminators(precision, training_seed, learned):
    adversary, (fake, real) = copy.deepcopy(taught(precision, training_seed)[0]), clips(seed=99 + training_seed)
    moved = fake.clone().requires_grad_()
    told = generator_terms(adversary, moved, real)
    sum(told.values()).backward()
    after = generator_terms(adversary, fake - 1e-3 * moved.grad / moved.grad.norm(), real)
    assert sum(after.values()) < sum(told.values())
    truth = generator_terms(adversary, real, real)
    for term in told:
        learned(f"{term}, real above fake", (told[term] - truth[term]).item(), above=1)


@pytest.mark.parametrize("terms", [("frame",), ("sequence",), ("joint",), ("joint", "frame")])
def test_any_term_can_be_left_out(terms):
    adversary, (fake, real) = adversary_of(terms=terms), clips()
    told = step(adversary, fake, real)
    assert {name.split("_")[0] for name in told} == {*terms, "discriminator"}
    assert set(generator_terms(adversary, fake, real)) == set(terms)
    assert set(adversary.discriminator.terms) == set(terms)


def test_a_restored_adversary_goes_on_as_if_it_had_not_stopped():
    straight, batch = adversary_of(), clips(T=89)
    other = Adversary(MotionDiscriminator(TINY, dims=2), lr=TINY.lr, clip=LARGEST_GRADIENT)
    for number in range(3):
        step(straight, *batch, number)
    other.restore(copy.deepcopy(straight.state()))
    for number in (7, 8):
        assert step(straight, *batch, number) == step(other, *batch, number)
    kept = other.discriminator.state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in straight.discriminator.state_dict().items())


def test_one_observed_frame_and_half_precision_are_enough():
    adversary, (fake, real) = adversary_of(), clips()
    with torch.autocast("cpu", torch.bfloat16):
        told = step(adversary, fake, real, observed=1)
        losses = generator_terms(adversary, fake, real, observed=1)
    assert all(abs(value) < 10 for value in told.values()) and {loss.dtype for loss in losses.values()} == {torch.float32}


@pytest.mark.parametrize("changes, words", [
    ({"coordinate": 7}, "coordinate must be at least 8"),
    ({"hidden": 0}, "hidden, sparse and widen 1"), ({"sparse": 0}, "sparse and widen 1"), ({"widen": 0}, "sparse and widen 1"),
    ({"lr": 0.0}, "lr above 0"), ({"windows": ()}, "windows must be"),
    ({"windows": (1, 5)}, "windows must be"), ({"windows": (5, 5)}, "windows must be"),
])
def test_bad_settings_are_refused_in_one_line(changes, words):
    with pytest.raises(ValueError, match=words) as caught:
        replace(TINY, **changes)
    assert "\n" not in str(caught.value)


def test_clips_that_do_not_fit_are_refused_in_one_line():
    adversary, (fake, real) = adversary_of(), clips()
    plan = plan_of(17)
    for pair, began, words in (((fake, real[:, 1:]), real[:, :3], r"not \[5, 17, 136\] and \[5, 16, 136\]"),
                               ((fake[..., :68], real[..., :68]), real[:, :3], r"give \(B, T, 136\)"),
                               ((fake, real), real[:, :2], "and 3$"), ((fake[:, :3], real[:, :3]), real[:, :3], "and 3$"),
                               ((fake[:1], real[:1]), real[:1, :3], "at least 2 clips, got 1")):
        for call in (adversary.step, adversary.loss):
            with pytest.raises(ValueError, match=words):
                call(*pair, began, plan)


def test_the_logistic_losses_by_hand():
    fake, real = torch.tensor([0.0, 1.0]), torch.tensor([2.0])
    said = lambda score: 1 / (1 + math.exp(-score))     # noqa: E731  (how sure one is that it is real)
    assert logistic_loss(fake, real).item() == pytest.approx(
        -(math.log(1 - said(0)) + math.log(1 - said(1))) / 2 - math.log(said(2)))
    assert doubt_loss(fake).item() == pytest.approx(-(math.log(said(0)) + math.log(said(1))) / 2)


def test_the_condition_is_what_was_observed():
    """The same motion is scored by what it began with: sequences and pairs of them ask whether both go together."""
    adversary, (_, real) = adversary_of(), clips()
    plan, other = plan_of(17), 0.5 + 0.1 * noise(5, 3, 136, seed=9)
    discriminator = adversary.discriminator.eval()
    own, foreign = (discriminator(real[None], began, plan).terms for began in (real[:, :3], other))
    assert torch.equal(own["frame"][0], foreign["frame"][0])
    for term in ("sequence", "joint"):
        assert ((own[term][0] - foreign[term][0]).abs() > 1e-4).all()
