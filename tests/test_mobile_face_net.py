"""MobileFaceNet: against the published file's own interpreter, its alignment, and as measure and loss."""

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from headsync.evaluation.networks.inputs import arcface_crop
from headsync.landmarks import canonical_face
from headsync.metrics.verification import threshold_at
from render_stage.identity.embedder import load_embedder
from render_stage.identity.face_encoder import FaceEmbedder
from render_stage.identity.make_mobile_face_net import filled
from render_stage.identity.mobile_face_net import (
    FaceRecogniser,
    IdentityLoss,
    MobileFaceNet,
    aligned_faces,
    load_mobile_face_net,
)

# Of ai-edge-litert 2.3.0 on mobilefacenet.tflite, 2026-12-01: first eight features, divided by the length, and the two's cosine
GOLDEN = [[0.00746, 0.02474, 0.00717, 0.00029, -0.05406, 0.04997, -0.07856, -0.0884],
          [-0.0026, 0.01976, 0.01301, -0.01346, -0.05871, -0.01156, -0.03036, 0.03976]]
GOLDEN_COSINE = 0.71119


def waves(number):
    """A picture (112, 112, 3) uint8 of made-up waves."""
    y, x = np.mgrid[:112, :112] / 112
    channels = [127 + 60 * np.sin((5 + number) * x + 3 * y * c + number) + 60 * np.cos((4 + c) * y * (1 + number) + x * x * 7)
                for c in range(3)]
    return np.stack(channels, -1).round().clip(0, 255).astype(np.uint8)


def faces(count=2, side=256, seed=0):
    """Smooth made-up canvases (N, side, side, 3) uint8 with landmarks of a face."""
    random = np.random.default_rng(seed)
    pictures = [cv2.resize(random.integers(0, 256, (13, 13, 3), np.uint8), (side, side), interpolation=cv2.INTER_CUBIC)
                for _ in range(count)]
    return np.stack(pictures), np.stack([canonical_face() * 1.0] * count)


@pytest.fixture(scope="module")
def network():
    return load_mobile_face_net(device="cpu")


def test_it_says_what_the_published_files_interpreter_says(network):
    shown = torch.from_numpy(np.stack([waves(0), waves(1)])).permute(0, 3, 1, 2).float() / 255
    found = network(shown)
    assert found.shape == (2, 192) and torch.allclose(found.norm(dim=1), torch.ones(2), atol=1e-5)
    assert np.abs(found[:, :8].numpy() - GOLDEN).max() < 4e-3       # weights of 16 bits: 2e-3
    assert float(found[0] @ found[1]) == pytest.approx(GOLDEN_COSINE, abs=3e-3)


@pytest.mark.parametrize("side", [256, 192])
def test_faces_are_aligned_as_arcface_aligns_them(side):
    pictures, points = faces(1, side)
    points = points * side / 256
    found = aligned_faces(torch.from_numpy(pictures).permute(0, 3, 1, 2).float(), torch.from_numpy(points))
    wanted = arcface_crop(pictures[0], points[0]).astype(float)
    inside = np.s_[3:-3, 3:-3]
    assert np.abs(found[0].permute(1, 2, 0).numpy()[inside] - wanted[inside]).max() < 6     # OpenCV rounds places


def test_large_faces_are_averaged_down_and_seen_alike(network):
    pictures, points = faces(3, 256)
    embed = FaceRecogniser(network)
    small, large = embed(pictures, points), embed(np.repeat(np.repeat(pictures, 5, 1), 5, 2), points)
    assert small.shape == (3, 192) and small.dtype == np.float32
    assert (small * large).sum(1).min() > 0.97
    assert embed(pictures[:0], points[:0]).shape == (0, 192)
    with pytest.raises(ValueError, match="give finite landmarks"):
        embed(pictures[:2], points)
    with pytest.raises(ValueError, match="give finite landmarks"):
        embed(pictures, points * np.nan)


def test_turned_and_shifted_faces_stay_whose_they_are(network):
    pictures, points = faces(1, 256)
    matrix = cv2.getRotationMatrix2D((128, 128), 17, 0.9) + np.array([[0, 0, 9.0], [0, 0, -5.0]])
    moved = cv2.warpAffine(pictures[0], matrix, (256, 256), borderMode=cv2.BORDER_REFLECT)
    where = points.copy()
    where[0, :, :2] = points[0, :, :2] @ matrix[:, :2].T + matrix[:, 2]
    embed = FaceRecogniser(network)
    assert float((embed(pictures, points) * embed(moved[None], where)).sum()) > 0.95


def test_the_loss_is_nothing_for_equal_pictures_and_reaches_the_made_one(network):
    pictures, points = faces(2)
    real = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    made, loss = real.flip(0).clone().requires_grad_(True), IdentityLoss(network)
    where = torch.from_numpy(points)
    assert float(loss(real, real, where)) == pytest.approx(0, abs=1e-5)
    value = loss(made, real, where)
    value.backward()
    assert 0.05 < value.item() <= 2 and made.grad.abs().sum() > 0
    with torch.no_grad():
        assert loss((made - 0.002 / made.grad.abs().max() * made.grad).detach(), real, where) < value
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(loss(made, real, where), value)


def test_the_tool_fills_layers_in_the_files_order():
    wanted = MobileFaceNet()
    torch.manual_seed(3)
    for one in wanted.parameters():
        nn.init.normal_(one)
    constants = []
    for layer in wanted.modules():
        if isinstance(layer, nn.Conv2d):
            deep = layer.groups > 1
            weight = layer.weight.detach().numpy().transpose((1, 2, 3, 0) if deep else (0, 2, 3, 1))
            constants.append(("DEPTHWISE_CONV_2D" if deep else "CONV_2D", [weight, layer.bias.detach().numpy()]))
        if isinstance(layer, nn.PReLU):
            constants += [("RELU", []), ("MUL", [layer.weight.detach().numpy() / 2])]
    found = filled(constants).state_dict()
    assert all(torch.equal(found[name], one) for name, one in wanted.state_dict().items())
    with pytest.raises(ValueError, match="no MobileFaceNet"):
        filled(constants[:-1])
    constants[0][1][0] = constants[0][1][0][:, :1]
    with pytest.raises(ValueError, match="where MobileFaceNet has"):
        filled(constants)


def test_whoever_measures_asks_by_name(tmp_path):
    assert isinstance(load_embedder(device="cpu"), FaceRecogniser) and isinstance(load_embedder("perceptual"), FaceEmbedder)
    with pytest.raises(ValueError, match="no face encoder weights"):
        load_embedder(tmp_path / "nowhere.safetensors")


def test_a_threshold_takes_its_share_of_impostors():
    genuine, impostor = np.array([0.5, 0.7, 0.9, 0.95]), np.linspace(0, 1, 101)[:81]
    limit, kept = threshold_at(genuine, impostor, taken=0.1)
    assert limit == pytest.approx(0.72) and kept == 0.5 and (impostor > limit).mean() == pytest.approx(0.1, abs=0.01)
    with pytest.raises(ValueError, match="give no threshold"):
        threshold_at(genuine, impostor[:0], taken=0.1)
