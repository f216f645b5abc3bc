"""Numbers that are none, or that no picture can hold, end in one line or stay inside the memory they are looked up in."""

import pytest
import torch

from headsync.experiment import load_weights, save_weights
from render_stage.nn.layers import warp
from render_stage.rhythmic_head import Guides
from render_stage.rhythmic_head.flow_network import Moved
from render_stage.rhythmic_head.guide import CANVAS, COARSE
from render_stage.rhythmic_head.placing import WHOLE, place
from render_stage.rhythmic_head.renderer import load_network
from tests.fuzz_material import make_weights

ODD = (float("nan"), float("inf"), -float("inf"), 1e30, -1e30, 2.0**31, -(2.0**31), 2.0**63)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    make_weights(folder)
    return load_weights(folder / "renderer.safetensors")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["matched_flow.head.weight", "projected_flow.head.bias"])
def test_weights_that_are_not_finite_are_refused(weights, tmp_path, name, value):
    tensors = {**weights.tensors, name: weights.tensors[name].clone()}
    path = save_weights(tmp_path / "w.safetensors", tensors, config=weights.config)
    load_network(path)
    tensors[name].view(-1)[-1] = value
    with pytest.raises(ValueError, match=f"w.safetensors: {name} .*not finite") as caught:
        load_network(save_weights(path, tensors, config=weights.config))
    assert "\n" not in str(caught.value)


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(3))


def test_a_displacement_leads_to_no_other_memory():
    """Both ways of warping, every odd number somewhere on the canvas; a place outside takes the border's colour."""
    pixels, coarse = (CANVAS, CANVAS), (COARSE, COARSE)
    shown = Guides(noise(1, 3, *pixels), noise(1, 2, *pixels), noise(1, 3, *pixels), noise(1, 1, *coarse), noise(1, 2, *coarse),
                   noise(1, 1, *coarse), noise(1, 1, *pixels), noise(1, 4, *coarse), noise(1, 3, *pixels))
    for odd in ODD:
        displacement = 20 * noise(1, 2, *coarse) - 10
        displacement[:, 0, 17:97, 5:101], displacement[:, 1, 31:103, 41:103] = odd, odd
        moved = Moved(displacement, noise(1, 1, *coarse), noise(1, 1, *coarse), noise(1, 1, *coarse))
        for made in (place(shown, moved, moved, WHOLE, warping=True).anchor, warp(shown.matched, noise(1, 2, *pixels) * odd)):
            assert made.shape == (1, 3, *pixels) and made.min() >= 0 and made.max() <= 1
