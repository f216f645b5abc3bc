"""The perceptual loss and the loading of a user's VGG19, with a narrow stand-in of the same names."""

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import nn

from render_stage.nn.perceptual import PUBLISHED_WEIGHTS, VGG19_STAGES, PerceptualLoss, load_vgg19

WIDTHS = (3, 5, 7, 11, 13)      # of the five stages


def stand_in():
    """torchvision's names, stages of prime widths, and a part of the classifier, which is not needed."""
    generator, tensors, inner = torch.Generator().manual_seed(3), {}, 3
    for width, stage in zip(WIDTHS, VGG19_STAGES):
        for number in stage:
            tensors[f"features.{number}.weight"] = 0.3 * torch.randn(width, inner, 3, 3, generator=generator)
            tensors[f"features.{number}.bias"] = 0.1 * torch.randn(width, generator=generator)
            inner = width
    return tensors | {"classifier.0.weight": torch.zeros(2, 2)}


@pytest.fixture
def path(tmp_path):
    torch.save(stand_in(), tmp_path / "vgg19.pth")
    return tmp_path / "vgg19.pth"


def picture(seed=1, B=2):
    return torch.rand(B, 3, 37, 41, generator=torch.Generator().manual_seed(seed))


def plain_vgg19(tensors):
    """torchvision's `features` up to relu5_1, as a plain sequence."""
    layers = []
    for stage in VGG19_STAGES:
        for place in stage:
            weight = tensors[f"features.{place}.weight"]
            layers += [nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
    network = nn.Sequential(*layers[:-1])
    network.load_state_dict({name.removeprefix("features."): one for name, one in tensors.items() if "features" in name})
    return network


def test_features_are_those_of_the_plain_sequence(path):
    x = (picture() - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    wanted = []
    with torch.no_grad():
        for place, layer in enumerate(plain_vgg19(stand_in())):
            x = layer(x)
            if place in (1, 6, 11, 20, 29):
                wanted.append(x)
        found = load_vgg19(path)(picture())
    assert [one.shape[1] for one in found] == list(WIDTHS) and len(wanted) == 5
    assert all(torch.allclose(ours, theirs, atol=1e-5) for ours, theirs in zip(found, wanted))


def test_safetensors_give_the_same(path, tmp_path):
    safetensors.torch.save_file(stand_in(), tmp_path / "vgg19.safetensors")
    ours, theirs = load_vgg19(tmp_path / "vgg19.safetensors")(picture()), load_vgg19(path)(picture())
    assert all(torch.equal(*pair) for pair in zip(ours, theirs))


def test_the_loss_is_the_weighted_sum_of_layers(path):
    features = load_vgg19(path)
    loss = PerceptualLoss(features, PUBLISHED_WEIGHTS)(picture(), picture(2))
    with torch.no_grad():
        terms = [F.l1_loss(*pair).item() for pair in zip(features(picture()), features(picture(2)))]
    assert loss.item() == pytest.approx(terms[0] / 32 + terms[1] / 16 + terms[2] / 8 + terms[3] / 4 + terms[4], rel=1e-5)
    assert all(term > 0 for term in terms)


def test_equal_pictures_cost_nothing(path):
    assert PerceptualLoss(load_vgg19(path), PUBLISHED_WEIGHTS)(picture(), picture()).item() == 0


def test_gradients_reach_the_picture_and_never_the_network(path):
    loss = PerceptualLoss(load_vgg19(path), PUBLISHED_WEIGHTS)
    made, real = picture().requires_grad_(True), picture(2).requires_grad_(True)
    loss(made, real).backward()
    assert made.grad.abs().sum() > 0 and real.grad is None
    assert all(one.grad is None and not one.requires_grad for one in loss.parameters())


def test_the_network_never_trains():
    network = nn.ModuleList([nn.BatchNorm2d(3)])
    network.forward = lambda x: [network[0](x)]
    loss = PerceptualLoss(network, [1.0]).train()
    loss(picture(), picture(2))
    assert not network[0].training and network[0].num_batches_tracked.item() == 0
    assert not any(one.requires_grad for one in loss.parameters())


def test_weights_must_be_as_many_as_maps(path):
    with pytest.raises(ValueError, match="5 feature maps, but there are 4 weights"):
        PerceptualLoss(load_vgg19(path), PUBLISHED_WEIGHTS[1:])(picture(), picture())


@pytest.mark.parametrize(("spoil", "words"), [
    (lambda tensors: tensors.pop("features.10.bias"), "no tensor features.10.bias"),
    (lambda tensors: tensors.update({"features.5.weight": torch.zeros(7, 4, 3, 3)}), r"features.5.weight is \[7, 4, 3, 3\]"),
    (lambda tensors: tensors.update({"features.0.weight": torch.zeros(3)}), r"features.0.weight is \[3\]"),
    (lambda tensors: tensors.update({"features.0.weight": "no tensor"}), "no tensor features.0.weight")])
def test_other_networks_are_refused_in_one_line(tmp_path, spoil, words):
    tensors = stand_in()
    spoil(tensors)
    torch.save(tensors, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=words) as caught:
        load_vgg19(tmp_path / "other.pth")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "content"), [
    ("text.pth", b"hello"), ("empty.pth", b""), ("text.safetensors", b"hello"), ("list.pth", None)])
def test_files_that_are_none_are_refused_in_one_line(tmp_path, name, content):
    if content is None:
        torch.save([1, 2], tmp_path / name)
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name}.*give torchvision's vgg19 state dict") as caught:
        load_vgg19(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere.pth: no such file"):
        load_vgg19(tmp_path / "nowhere.pth")
