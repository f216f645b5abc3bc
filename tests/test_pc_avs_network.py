"""PC-AVS's networks: modulated convolutions as published, forms that fit, codes that are what they should be."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from headsync.experiment import load_config
from render_stage import load_face_encoder
from render_stage.pc_avs.encoders import MelEncoder, PhoneticEncoder, Trunk
from render_stage.pc_avs.generator import Generator, GeneratorSettings
from render_stage.pc_avs.modulation import ModulatedConvolution, NormalisedConvolution, StyledLayer
from render_stage.pc_avs.network import PcAvs, PcAvsSettings, Person, pose_features, sound_windows
from render_stage.pc_avs.objective import ContrastSettings, PeopleHead, content_loss, heat_loss
from render_stage.pc_avs.train import PcAvsTrainSettings

COSINE = ContrastSettings(window=1, similarity="cosine", temperature=0.07)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    return PcAvs(load_config(PcAvsTrainSettings, stage="pc_avs", preset="tiny").network).eval()


def published(layer: ModulatedConvolution, x: np.ndarray, style: np.ndarray) -> np.ndarray:
    """Equation 4 with its root, sample by sample, tap by tap, in float64: weights of each sample's own."""
    weight = layer.weight.detach().double().numpy() * layer.scale
    gains = style @ (layer.style.weight.detach().double().numpy() * layer.style.scale).T + layer.style.bias.detach().numpy()
    kernel = weight.shape[-1]
    made = np.zeros((len(x), len(weight), *x.shape[2:]))
    padded = np.pad(x, ((0, 0), (0, 0), (kernel // 2,) * 2, (kernel // 2,) * 2))
    for sample, gain in enumerate(gains):
        own = weight * gain[None, :, None, None]
        if layer.demodulated:
            own = own / np.sqrt((own**2).sum((1, 2, 3), keepdims=True) + 1e-8)
        for row in range(kernel):
            for column in range(kernel):
                part = padded[sample, :, row : row + x.shape[2], column : column + x.shape[3]]
                made[sample] += np.einsum("oi,ihw->ohw", own[:, :, row, column], part)
    return made


@pytest.mark.parametrize("kernel, demodulated", [(3, True), (3, False), (1, False), (1, True)])
def test_modulated_convolutions_are_the_published_ones(kernel, demodulated):
    torch.manual_seed(5)
    layer = ModulatedConvolution(5, 7, 11, kernel=kernel, demodulated=demodulated)
    x, style = noise(2, 5, 13, 17), noise(2, 11, seed=1)
    wanted = published(layer, x.double().numpy(), style.double().numpy())
    assert np.abs(layer(x, style).detach().numpy() - wanted).max() < 1e-5


def test_golden_values_of_a_small_case():
    layer = ModulatedConvolution(2, 1, 1, kernel=1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([3.0, 4.0])[None, :, None, None] * 2**0.5)
        layer.style.weight.zero_()
    made = layer(torch.tensor([10.0, 1.0]).reshape(1, 2, 1, 1), torch.zeros(1, 1))
    assert abs(float(made.detach()) - (3 * 10 + 4 * 1) / 5) < 1e-5         # gains of 1, the norm of (3, 4) is 5


def test_demodulation_takes_the_size_of_a_style_out():
    torch.manual_seed(5)
    layer = ModulatedConvolution(5, 7, 11)
    with torch.no_grad():
        layer.style.bias.zero_()
    x, style = noise(2, 5, 13, 17), noise(2, 11, seed=1)
    assert torch.allclose(layer(x, style), layer(x, 3 * style), atol=1e-4)
    plain = ModulatedConvolution(5, 7, 11, demodulated=False)
    with torch.no_grad():
        plain.style.bias.zero_()
    assert torch.allclose(3 * plain(x, style), plain(x, 3 * style), atol=1e-4)


def test_the_ablation_normalises_pictures_instead():
    torch.manual_seed(5)
    layer = NormalisedConvolution(5, 7, 11)
    made = layer(noise(2, 5, 13, 17), torch.zeros(2, 11))
    assert made.mean((2, 3)).abs().max() < 1e-5 and (made.std((2, 3), correction=0) - 1).abs().max() < 1e-3


def test_noise_is_for_training_only():
    torch.manual_seed(5)
    layer = StyledLayer(5, 7, 11, "demodulated")
    with torch.no_grad():
        layer.noise.fill_(1.0)
    x, style = noise(2, 5, 13, 17), noise(2, 11, seed=1)
    assert not torch.equal(layer(x, style), layer(x, style))
    layer.eval()
    assert torch.equal(layer(x, style), layer(x, style))


@pytest.mark.parametrize("modulation, patch", [("demodulated", 1), ("adain", 2)])
def test_the_generator_doubles_and_stays_in_range(modulation, patch):
    torch.manual_seed(5)
    made = Generator(GeneratorSettings((7, 5, 3), modulation, patch), 11)(noise(2, 7, 3, 3), noise(2, 11, seed=1))
    assert made.shape == (2, 3, 12 * patch, 12 * patch) and 0 <= made.min() and made.max() <= 1


def test_colours_of_every_size_are_added_up():
    """With all but the first size's colours at zero, the picture is those, enlarged."""
    torch.manual_seed(5)
    generator = Generator(GeneratorSettings((7, 5, 3), "demodulated", 1), 11).eval()
    with torch.no_grad():
        for colours in generator.colours[1:]:
            colours.convolution.weight.zero_()
    made = generator(noise(1, 7, 3, 3), noise(1, 11, seed=1)).detach()
    logits = torch.atanh(2 * made.double() - 1)
    first = generator.layers[0]
    x, style = noise(1, 7, 3, 3), noise(1, 11, seed=1)
    small = generator.colours[0](first[1](first[0](x, style), style), style)
    for _ in range(2):
        small = F.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
    assert logits.std() > 0.01 and torch.allclose(small.double(), logits, atol=1e-3)


@pytest.mark.parametrize("encoder, shape", [(PhoneticEncoder(13, 5, 7), (2, 10, 13)), (MelEncoder(80, 3, 7), (2, 20, 80))])
def test_sound_becomes_a_code(encoder, shape):
    made = encoder.eval()(noise(*shape))
    assert made.shape == (2, 7) and not torch.allclose(made[0], made[1])


def test_windows_of_sound_lie_about_their_frames():
    rows = torch.arange(2 * (4 + 4)).float()[:, None]           # 4 frames, two more on either side, 2 rows each
    made = sound_windows(rows, 2)
    assert made.shape == (4, 10, 1) and made[0, 4:6, 0].tolist() == [4, 5] and made[3, :, 0].tolist() == list(range(6, 16))


def test_codes_have_their_sizes_and_persons_are_means(network):
    pictures = noise(3, 2, 3, 32, 32).sigmoid()
    person = network.person(pictures)
    alone = [network.person(pictures[:, one : one + 1]) for one in (0, 1)]
    assert torch.allclose(person.map, (alone[0].map + alone[1].map) / 2, atol=1e-5)
    assert torch.allclose(person.vector, (alone[0].vector + alone[1].vector) / 2, atol=1e-5)
    assert network.pose(pictures[:, 0]).shape == (3, 12) and network.seen_content(pictures[:, 0]).shape == (3, 10)
    made = network(person, network.sound_content(noise(3, 10, 384)), network.pose(pictures[:, 0]))
    assert made.shape == (3, 3, 32, 32)


def test_a_person_s_map_has_one_size_whatever_the_picture(network):
    pictures = noise(1, 1, 3, 32, 32).sigmoid()
    person = network.person(pictures)
    assert abs(person.vector.square().mean(1).item() - 1) < 0.01 and (person.map.square().mean(1) - 1).abs().max() < 0.01
    with torch.no_grad():
        for one in (network.identity.map.weight, network.identity.map.bias):
            one.mul_(100)
        loud = network.person(pictures)
        for one in (network.identity.map.weight, network.identity.map.bias):
            one.div_(100)
    assert torch.allclose(loud.map, person.map, atol=1e-2)


def test_pictures_depend_on_all_three_codes(network):
    person = network.person(noise(1, 1, 3, 32, 32).sigmoid())
    content, pose = noise(1, 10, seed=1), noise(1, 12, seed=2)
    made = network(person, content, pose)
    other = Person(person.vector + noise(*person.vector.shape, seed=3), person.map)
    for changed in (network(other, content, pose), network(person, -content, pose), network(person, content, -pose)):
        assert (changed - made).abs().max() > 1e-4


@pytest.mark.parametrize("wrong", [{"side_px": 33}, {"identity_widths": (4, 6)},
                                   {"identity_widths": (4,), "other_widths": (4,)}])
def test_forms_that_do_not_fit_are_one_line(network, wrong):
    with pytest.raises(ValueError, match="widths|cells"):
        dataclasses.replace(network.settings, **wrong)


def test_the_paper_s_form_has_its_sizes():
    settings = load_config(PcAvsTrainSettings, stage="pc_avs", preset="paper").network
    assert isinstance(settings, PcAvsSettings) and settings.cells == 7 and settings.generator.channels[0] == 512
    assert settings.identity_widths[-1] + settings.content + settings.pose == 2560


def test_a_trunk_begins_with_the_shipped_face_encoder():
    trunk = Trunk((16, 32, 64, 128))
    trunk.begin_with("perceptual")
    wanted = load_face_encoder("perceptual", device="cpu").maps(noise(1, 3, 32, 32).sigmoid())[-1]
    assert torch.allclose(trunk.eval()(noise(1, 3, 32, 32).sigmoid())[-1], wanted, atol=1e-5)
    with pytest.raises(ValueError, match="block 0 has 4 features and the face encoder perceptual 16"):
        Trunk((4, 32)).begin_with("perceptual")


def test_own_sounds_are_told_from_others():
    content = noise(3, 4, 23)
    assert content_loss(content, content, COSINE) < 0.05
    shifted = content.roll(1, 1)
    assert content_loss(content, shifted, COSINE) > 3            # a clip's other times are negatives
    wide = dataclasses.replace(COSINE, window=4)
    assert content_loss(content, content.roll(1, 0), wide) > 3
    assert float(content_loss(content[:1, :1], content[:1, :1], COSINE)) == 0


def test_the_public_code_s_similarity_stays_finite():
    reciprocal = ContrastSettings(window=2, similarity="reciprocal", temperature=1.0)
    content = noise(3, 4, 23).requires_grad_()
    loss = content_loss(content, content.detach().clone(), reciprocal)
    loss.backward()
    assert loss.isfinite() and content.grad.isfinite().all() and loss < 0.01


def test_heat_maps_are_told_where_landmarks_are():
    points = torch.tensor([(0.31, 0.62)]).repeat(1, 68, 1)
    maps = torch.zeros(1, 68, 10, 10, requires_grad=True)
    optimiser = torch.optim.Adam([maps], 1.0)
    for _ in range(60):
        optimiser.zero_grad()
        heat_loss(maps, points).backward()
        optimiser.step()
    shares = maps.detach().flatten(2).softmax(2).unflatten(2, (10, 10))[0, 0]
    centre = (torch.arange(10) + 0.5) / 10
    found = ((shares.sum(0) * centre).sum(), (shares.sum(1) * centre).sum())
    assert abs(found[0] - 0.31) < 0.02 and abs(found[1] - 0.62) < 0.02
    assert float(heat_loss(maps.detach(), points + 2)) == 0        # outside


def test_people_who_are_not_distinguished_do_not_count():
    head = PeopleHead(5, 3)
    vectors = noise(4, 5)
    known = head(vectors[:2], torch.tensor([0, 2]))
    assert torch.isclose(head(vectors, torch.tensor([0, 2, -1, -1])), known)
    assert float(head(vectors, torch.full((4,), -1)).detach()) == 0


def test_pose_features_are_of_every_pose():
    poses = noise(7, 6).double()
    assert pose_features(poses).shape == (7, 15) and np.linalg.matrix_rank(pose_features(noise(40, 6).double()).numpy()) == 15
