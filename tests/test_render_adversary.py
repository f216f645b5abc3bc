"""The discriminators of rendered pictures: what they see, what a step teaches them and what gradients a renderer gets."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from headsync.experiment import Adversary, mixed_precision
from headsync.experiment.adversary import fooling_loss, hinge_loss, matching_loss
from render_stage.nn.discriminator import LARGEST_GRADIENT, DiscriminatorSettings, PictureDiscriminator

TINY = DiscriminatorSettings(scales=2, width=5, layers=2, conditions=2, instance_norm=False, lr=3e-3)
HIGH, WIDE = 37, 29


def pictures(B=3, seed=1):
    """(fake, real, condition): real ones are smooth, fake ones noise, the condition is any."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.linspace(0, 3, HIGH), torch.linspace(0, 3, WIDE), indexing="ij")
    phase = 6 * torch.rand(B, 3, 1, 1, generator=generator)
    real = 0.5 + 0.4 * torch.sin(rows + columns + phase)
    return torch.rand(B, 3, HIGH, WIDE, generator=generator), real, torch.rand(B, 2, HIGH, WIDE, generator=generator)


def made(settings=TINY, seed=1):
    torch.manual_seed(seed)
    return Adversary(PictureDiscriminator(settings), lr=settings.lr, clip=LARGEST_GRADIENT)


def test_hinge_and_fooling_by_hand():
    assert hinge_loss(torch.tensor([-2.0, 1.0]), torch.tensor([3.0, 0.5])).item() == pytest.approx(1.0 + 0.25)
    assert hinge_loss(torch.tensor([-1.0]), torch.tensor([1.0])).item() == 0
    assert fooling_loss(torch.tensor([2.0, -5.0])).item() == 1.5


def test_matching_is_a_mean_over_layers_and_zero_for_equal_features():
    one, other = [torch.zeros(2, 3), torch.zeros(5)], [torch.full((2, 3), 2.0), torch.full((5,), -1.0)]
    assert matching_loss(one, other).item() == 1.5 and matching_loss(one, one).item() == 0


def test_discriminators_learn_to_tell_noise_from_smooth_pictures(precision, training_seed, learned):
    adversary = made(seed=training_seed)
    with mixed_precision("cpu", precision):
        first, *_, last = [adversary.step(*pictures(seed=number + 40 * training_seed)) for number in range(40)]
    assert set(first) == {"adversarial_discriminator", "adversarial_fake", "adversarial_real", "discriminator_gradient"}
    learned("hinge at first", first["adversarial_discriminator"], above=1.5)
    learned("hinge at last", last["adversarial_discriminator"], below=0.7)
    learned("real above fake", last["adversarial_real"] - last["adversarial_fake"], above=1)


def test_a_renderer_gets_gradients_and_discriminators_get_none():
    adversary = made()
    fake, real, condition = pictures()
    for one in (fake, real, condition):
        one.requires_grad_(True)
    before = copy.deepcopy(adversary.discriminator.state_dict())
    terms = adversary.loss(fake, real, condition)
    assert set(terms) == {"adversarial", "features"} and all(term.shape == () for term in terms.values())
    sum(terms.values()).backward()
    assert fake.grad.abs().sum() > 0 and real.grad is None and condition.grad is None
    assert all(weight.grad is None for weight in adversary.discriminator.parameters())
    assert all(torch.equal(before[name], now) for name, now in adversary.discriminator.state_dict().items())


def test_each_term_alone_moves_the_picture():
    adversary = made()
    fake, real, condition = pictures()
    fake.requires_grad_(True)
    terms = adversary.loss(fake, real, condition)
    for term in terms.values():
        gradient, = torch.autograd.grad(term, fake, retain_graph=True)
        assert gradient.abs().sum() > 0


def test_equal_pictures_match_in_all_features():
    _, real, condition = pictures()
    terms = made().loss(real, real, condition)
    assert terms["features"].item() == 0 and terms["adversarial"].item() != 0


def test_a_step_leaves_the_renderer_alone():
    fake, real, condition = pictures()
    fake.requires_grad_(True)
    made().step(fake, real, condition)
    assert fake.grad is None


def test_the_condition_is_seen():
    adversary = made()
    fake, real, condition = pictures()
    assert adversary.loss(fake, real, condition)["adversarial"] != adversary.loss(fake, real, 1 - condition)["adversarial"]


def test_every_convolution_keeps_its_spectral_norm():
    adversary = made()
    for number in range(30):
        adversary.step(*pictures(seed=number))
    norms = [torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()
             for layer in adversary.discriminator.eval().modules() if isinstance(layer, nn.Conv2d)]
    assert len(norms) == 2 * (TINY.layers + 1)
    assert all(0.8 < norm < 1.25 for norm in norms)


def test_scales_see_the_picture_and_its_half():
    adversary = made(replace(TINY, scales=3))
    _, real, condition = pictures()
    found = adversary.discriminator(real.repeat(1, 1, 2, 2)[None], condition.repeat(1, 1, 2, 2))
    assert [list(one[0].shape[3:]) for one in found.features] == [[37, 29], [18, 14], [9, 7]]
    assert [len(one) for one in found.features] == [2, 2, 2]
    assert all(one.shape[:3] == (1, 3, 1) for one in found.terms["adversarial"])


def test_the_second_scale_matters():
    fake, real, condition = pictures()
    adversary = made()
    before = adversary.loss(fake, real, condition)
    with torch.no_grad():
        adversary.discriminator.scales[1].answer.bias += 1
    after = adversary.loss(fake, real, condition)
    assert after["adversarial"].item() == pytest.approx(before["adversarial"].item() - 0.5, abs=1e-5)


def test_widths_are_the_published_ones_and_instance_norm_begins_after_the_first_layer():
    published = DiscriminatorSettings(lr=8e-4, scales=2, width=32, layers=4, conditions=5, instance_norm=True)
    one = made(published).discriminator.scales[0]
    assert [layer[0].out_channels for layer in one.layers] == [32, 64, 128, 256]
    assert one.layers[0][0].in_channels == 8
    assert [isinstance(layer[1], nn.InstanceNorm2d) for layer in one.layers] == [False, True, True, True]


def test_state_goes_on_as_if_never_stopped():
    one, other = made(), made(seed=2)
    for number in range(3):
        one.step(*pictures(seed=number))
    other.restore(copy.deepcopy(one.state()))
    assert one.step(*pictures(seed=5)) == other.step(*pictures(seed=5))
    states = (adversary.discriminator.state_dict().values() for adversary in (one, other))
    assert all(torch.equal(*pair) for pair in zip(*states))


def test_half_precision_pictures_give_terms_in_full_precision():
    fake, real, condition = pictures()
    with torch.autocast("cpu", torch.bfloat16):
        terms = made().loss(fake, real, condition)
    assert all(term.dtype == torch.float32 and term.isfinite() for term in terms.values())


@pytest.mark.parametrize(("change", "value"), [("scales", 0), ("width", 0), ("layers", 0), ("conditions", -1), ("lr", 0.0)])
def test_settings_that_cannot_be(change, value):
    with pytest.raises(ValueError, match="scales, width and layers must be 1"):
        replace(TINY, **{change: value})


def test_inputs_that_do_not_fit_are_refused():
    fake, real, condition = pictures()
    adversary = made()
    for call in (adversary.step, adversary.loss):
        with pytest.raises(ValueError, match="fake and real must have one shape"):
            call(fake[:2], real, condition)
    for wrong in [(fake, real, condition[:2]), (fake, real, condition[:, :1]), (fake, real, condition[..., :5]),
                  (fake[:, :2], real[:, :2], condition), (fake[..., :13], real[..., :13], condition[..., :13])]:
        with pytest.raises(ValueError, match="sides from 16 px"):
            adversary.step(*wrong)
        with pytest.raises(ValueError, match="sides from 16 px"):
            adversary.loss(*wrong)
