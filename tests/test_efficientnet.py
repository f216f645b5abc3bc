"""EfficientNet-Lite0's features: against its batch norms unfolded, and as a perceptual loss."""

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F

from render_stage.nn.efficientnet import BLOCKS, ENVIRONMENT, TAPS, EfficientNetLite, load_efficientnet
from render_stage.perceptual import load_perceptual


def made_up_tensors(seed=3):
    """A state dict with the package's names, of random numbers."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}

    def layer(name, norm, *shape):
        tensors[f"{name}.weight"] = torch.randn(*shape, generator=generator) / (shape[1] * shape[2] * shape[3]) ** 0.5
        for part in ("weight", "running_var"):
            tensors[f"{norm}.{part}"] = torch.rand(shape[0], generator=generator) + 0.5
        for part in ("bias", "running_mean"):
            tensors[f"{norm}.{part}"] = torch.randn(shape[0], generator=generator) * 0.1

    layer("_conv_stem", "_bn0", 32, 3, 3, 3)
    inside = 32
    for number, (kernel, _, outside) in enumerate(BLOCKS):
        wide = inside * 6 if number else inside
        if number:
            layer(f"_blocks.{number}._expand_conv", f"_blocks.{number}._bn0", wide, inside, 1, 1)
        layer(f"_blocks.{number}._depthwise_conv", f"_blocks.{number}._bn1", wide, 1, kernel, kernel)
        layer(f"_blocks.{number}._project_conv", f"_blocks.{number}._bn2", outside, wide, 1, 1)
        inside = outside
    return tensors


def unfolded(tensors, pictures):
    """The same features with batch norms of their own."""
    def layer(x, name, norm, *, kernel, stride=1, groups=1):
        total = kernel - stride if x.shape[-1] % stride == 0 else kernel - 1
        x = F.pad(x, [total // 2, total - total // 2] * 2)
        x = F.conv2d(x, tensors[f"{name}.weight"], None, stride, groups=groups)
        mean, variance, scale, shift = (tensors[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, variance, scale, shift, eps=1e-3)

    x = F.relu6(layer((pictures * 255 - 127) / 128, "_conv_stem", "_bn0", kernel=3, stride=2))
    found = []
    for number, (kernel, stride, outside) in enumerate(BLOCKS):
        name = f"_blocks.{number}."
        y = F.relu6(layer(x, name + "_expand_conv", name + "_bn0", kernel=1)) if number else x
        y = F.relu6(layer(y, name + "_depthwise_conv", name + "_bn1", kernel=kernel, stride=stride, groups=y.shape[1]))
        y = layer(y, name + "_project_conv", name + "_bn2", kernel=1)
        x = x + y if stride == 1 and x.shape[1] == outside else y
        if number in TAPS:
            found.append(x / x.norm(dim=1, keepdim=True) * outside**0.5)
    return found


@pytest.fixture
def weights(tmp_path):
    safetensors.torch.save_file(made_up_tensors(), tmp_path / "efficientnet.safetensors")
    return tmp_path / "efficientnet.safetensors"


def test_features_are_those_of_the_unfolded_network(weights):
    pictures = torch.rand(2, 3, 134, 134, generator=torch.Generator().manual_seed(5))
    found, wanted = load_efficientnet(weights)(pictures), unfolded(made_up_tensors(), pictures)
    assert [one.shape[1] for one in found] == [16, 24, 40, 80, 112]
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, atol=2e-3), (one - other).abs().max()


def test_small_pictures_are_enlarged(weights):
    assert [one.shape[-1] for one in load_efficientnet(weights)(torch.zeros(1, 3, 40, 40))] == [48, 24, 12, 6, 6]


def test_it_is_a_perceptual_loss(weights, monkeypatch):
    real = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(6))
    made = (real + 0.1 * torch.randn(real.shape, generator=torch.Generator().manual_seed(7))).requires_grad_(True)
    loss = load_perceptual(weights)
    value = loss(made, real)
    value.backward()
    assert loss(real, real) == 0 < value and made.grad.abs().sum() > 0
    monkeypatch.setenv(ENVIRONMENT, str(weights))
    assert torch.equal(load_perceptual("efficientnet")(made, real), value)


def test_other_files_are_refused(weights, tmp_path, monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    with pytest.raises(ValueError, match=ENVIRONMENT):
        load_perceptual("efficientnet")
    with pytest.raises(ValueError, match="no such file"):
        load_efficientnet(tmp_path / "efficientnet_gone.safetensors")
    tensors = made_up_tensors()
    tensors.pop("_blocks.4._bn1.bias")
    safetensors.torch.save_file(tensors, tmp_path / "efficientnet_part.safetensors")
    with pytest.raises(ValueError, match=r"no EfficientNet-Lite0.*_blocks.4._bn1.bias"):
        load_efficientnet(tmp_path / "efficientnet_part.safetensors")
    assert isinstance(load_efficientnet(weights), EfficientNetLite)
