"""The renderer's networks: warping, attention over references, three SPADEs in one, written weights, windows, presets."""

import pytest
import torch
import torch.nn.functional as F

from headsync.experiment import load_config
from render_stage.nn.layers import Pointwise, convolution, drawn_patches, patch_convolution, resized, warp
from render_stage.rhythmic_head import Guides
from render_stage.rhythmic_head.composition import ParallelSpade
from render_stage.rhythmic_head.flow_network import REST_PX, FlowNetwork, FlowSettings, Moved
from render_stage.rhythmic_head.guide import CANVAS, COARSE
from render_stage.rhythmic_head.hybrid_embedding import EmbeddingSettings, HybridEmbedding
from render_stage.rhythmic_head.network import RendererNetwork, without_mesh
from render_stage.rhythmic_head.placing import WHOLE, Window, place
from render_stage.rhythmic_head.train import RendererSettings

PRESETS = ("tiny", "small", "base", "without_mesh", "without_backdrop", "without_hybrid", "without_nonlinear",
           "without_warping", "posed_mesh")


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def guides(B: int, *, seed: int = 0) -> Guides:
    matched, person = noise(B, 3, CANVAS, CANVAS, seed=seed + 2), noise(B, 1, CANVAS, CANVAS, seed=seed + 6).round()
    return Guides(noise(B, 3, CANVAS, CANVAS, seed=seed), noise(B, 2, CANVAS, CANVAS, seed=seed + 1),
                  matched, noise(B, 1, COARSE, COARSE, seed=seed + 3).round(),
                  20 * noise(B, 2, COARSE, COARSE, seed=seed + 4) - 10, noise(B, 1, COARSE, COARSE, seed=seed + 5).round(),
                  person, resized(torch.cat([matched, person], 1), COARSE), noise(B, 3, CANVAS, CANVAS, seed=seed + 7))


def references(B: int, K: int, *, seed: int = 11) -> tuple[torch.Tensor, torch.Tensor]:
    return noise(B, K, 3, CANVAS, CANVAS, seed=seed), noise(B, K, 1, COARSE, COARSE, seed=seed + 1).round()


def tiny(*overrides: str) -> RendererNetwork:
    torch.manual_seed(7)
    settings = load_config(RendererSettings, stage="renderer", preset="tiny", overrides=overrides)
    return awake(RendererNetwork(settings.network)).eval()


def awake(network: RendererNetwork) -> RendererNetwork:
    """Layers that begin at zero, made to say something."""
    for weights in network.parameters():
        if not weights.detach().any():
            torch.nn.init.normal_(weights, std=0.1)
    return network


def test_no_displacement_is_the_identity():
    picture = noise(2, 3, 37, 37)
    assert (warp(picture, torch.zeros(2, 2, 37, 37)) - picture).abs().max() < 1e-5


def test_a_displacement_is_in_pixels():
    picture = noise(1, 3, 41, 41)
    moved = warp(picture, torch.tensor([3.0, -2.0])[None, :, None, None].expand(1, 2, 41, 41))
    assert torch.allclose(moved[:, :, 5:-5, 5:-5], picture[:, :, 3:-7, 8:-2], atol=1e-5)


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_patches_are_convolved_as_if_they_were_channels(patch):
    torch.manual_seed(1)
    layer, x = torch.nn.Conv2d(5 * patch**2, 7, 3, padding=1), noise(2, 5, 8 * patch, 12 * patch)
    assert torch.allclose(patch_convolution(layer, x, patch), layer(F.pixel_unshuffle(x, patch)), atol=1e-5)


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_patches_are_drawn_as_if_they_were_shuffled(patch):
    torch.manual_seed(1)
    layer, x = torch.nn.Conv2d(5, 3 * patch**2, 3, padding=1), noise(2, 5, 8, 12)
    assert torch.allclose(drawn_patches(layer, x, patch), F.pixel_shuffle(layer(x), patch), atol=1e-6)


@pytest.mark.parametrize("stride", [1, 2])
def test_one_channel_is_convolved_like_any(stride):
    layer, x = convolution(1, 7, stride=stride), noise(2, 1, 8, 12)
    expected = F.conv2d(x, layer.weight, layer.bias, stride, padding=1)
    assert torch.allclose(layer(x), expected, atol=1e-6) and torch.allclose(patch_convolution(layer, x, 1), expected, atol=1e-6)


@pytest.mark.parametrize("layered", [True, False])
def test_the_loop_over_pixels_places_as_torch_does(layered):
    shown = guides(2)
    maps = [4 * noise(2, 6, COARSE, COARSE, seed=seed) - 2 for seed in (3, 4)]
    moved, refined = (Moved(40 * one[:, :2], one[:, 2:3].sigmoid(), one[:, 3:4], one[:, 4:5] if layered else None)
                      for one in maps)
    moved.displacement[0, 0, 5, 7], moved.displacement[1, 1, 9, 9] = 1e9, -1e9      # far outside
    loop = place(shown, moved, refined, WHOLE, warping=True)
    slow = place(shown, moved._replace(displacement=moved.displacement.requires_grad_()), refined, WHOLE, warping=True)
    for one, other in zip((*loop[:4], loop.front), (*slow[:4], slow.front)):
        assert one is other is None or torch.allclose(one, other, atol=2e-4)
    assert (loop.front is not None) is layered


def test_places_that_are_no_numbers_read_nothing_beyond_the_picture():
    shown, maps = guides(1), torch.full((1, 2, COARSE, COARSE), float("nan"))
    moved = Moved(maps, maps[:, :1], maps[:, :1], maps[:, :1])
    made = place(shown, moved, moved, WHOLE, warping=True)
    corner = torch.cat([shown.projected, shown.masks], 1)[:, :, :1, :1]
    assert torch.allclose(made.seen_projected, corner.expand_as(made.seen_projected))


def test_pointwise_is_a_convolution():
    layer, x = Pointwise(5, 7, 1), noise(2, 5, 11, 13)
    assert torch.allclose(layer(x), F.conv2d(x, layer.weight, layer.bias), atol=1e-5)


def test_sizes_are_averaged_down_and_drawn_out():
    x = noise(1, 2, 12, 12)
    assert torch.allclose(resized(x, 4), F.avg_pool2d(x, 3)) and resized(x, 12) is x and resized(x, 36).shape[-1] == 36


def test_a_flow_begins_at_its_prior_and_goes_no_farther_than_allowed():
    settings = FlowSettings(width=5, blocks=1, stride=8, depth=1, spectral=False)
    network, prior = FlowNetwork(7, settings), 30 * noise(2, 2, COARSE, COARSE)
    told = network(noise(2, 7, 32, 32), prior)
    assert torch.allclose(told.displacement, prior * torch.sigmoid(torch.tensor(1.0)))
    torch.nn.init.normal_(network.head.weight, std=100.0)
    told = network(noise(2, 7, 32, 32), prior)
    assert (told.displacement - prior * told.share).abs().max() <= REST_PX + 1e-3


@pytest.fixture(scope="module")
def embedding():
    torch.manual_seed(3)
    return HybridEmbedding(EmbeddingSettings(1, (5, 6, 7, 8), 1, (4, 6), 0, 9, False)).eval()


def test_attention_sums_to_one_over_references(embedding):
    held = embedding.references(noise(2, 5, 3, 32, 32), noise(2, 5, 1, 32, 32))
    attention = embedding(held, noise(2, 1, 32, 32, seed=5)).attention
    assert attention.shape == (2, 5, 1, 16, 16) and torch.allclose(attention.sum(1), torch.ones(2, 1, 16, 16), atol=1e-6)
    assert attention.std(1).max() > 1e-3


@pytest.mark.parametrize("K", [1, 2, 11, 32])
def test_the_order_of_references_changes_nothing(embedding, K):
    pictures, lines, target = noise(1, K, 3, 32, 32), noise(1, K, 1, 32, 32, seed=1), noise(1, 1, 32, 32, seed=2)
    order = torch.randperm(K, generator=torch.Generator().manual_seed(1))
    one = embedding(embedding.references(pictures, lines), target)
    other = embedding(embedding.references(pictures[:, order], lines[:, order]), target)
    assert torch.allclose(one.bottom, other.bottom, atol=1e-5)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(one.matrices, other.matrices))


def test_a_reference_twice_counts_like_once(embedding):
    pictures, lines, target = noise(1, 1, 3, 32, 32), noise(1, 1, 1, 32, 32, seed=1), noise(1, 1, 32, 32, seed=2)
    one = embedding(embedding.references(pictures, lines), target)
    twice = embedding(embedding.references(pictures.expand(1, 3, -1, -1, -1), lines.expand(1, 3, -1, -1, -1)), target)
    assert torch.allclose(one.bottom, twice.bottom, atol=1e-5)


def test_matrices_are_products_over_all_pixels(embedding):
    matrices = embedding(embedding.references(noise(2, 3, 3, 32, 32), noise(2, 3, 1, 32, 32)), noise(2, 1, 32, 32)).matrices
    assert [tuple(one.shape) for one in matrices] == [(2, 4, 4), (2, 6, 6)]


def test_three_spades_side_by_side_are_their_sum():
    torch.manual_seed(5)
    spade = ParallelSpade(5, 3, 4, written=None, hidden=0, modulated=True).eval()
    x, first, second, label = noise(2, 5, 8, 9), noise(2, 3, 8, 9, seed=1), noise(2, 3, 8, 9, seed=2), noise(2, 4, 8, 9, seed=3)
    weight, bias = spade.pictures.weight, spade.pictures.bias
    told = [F.conv2d(first, weight[:, :3]), F.conv2d(second, weight[:, 3:], bias), spade.label(label)]
    scales, shifts = zip(*(one.chunk(2, 1) for one in told))
    expected = spade.norm(x) * (1 + sum(scales)) + sum(shifts)
    conditions = torch.cat([torch.ones(2, 1, 8, 9), first, second, label], 1).flatten(2).transpose(1, 2)
    assert torch.allclose(spade(spade.normal(x), conditions, spade.weights(None)), expected, atol=1e-5)


def test_written_weights_follow_their_matrix():
    torch.manual_seed(2)
    spade = ParallelSpade(3, 2, 4, written=6, hidden=5, modulated=True).eval()
    x, conditions, matrix = noise(2, 3, 5, 7), noise(2, 35, 9, seed=1), noise(2, 4, 6, seed=2)
    assert torch.equal(spade.label(matrix), spade.label.own.expand(2, -1, -1))      # to begin with they write nothing
    torch.nn.init.normal_(spade.label.rows[-1].weight)
    straight, swapped = (spade(x, conditions, spade.weights(one)) for one in (matrix, matrix.flip(0)))
    assert not torch.allclose(straight, swapped, atol=1e-3)
    again = spade(x.flip(0), conditions.flip(0), spade.weights(matrix.flip(0))).flip(0)    # each sample has its own
    assert torch.allclose(again, straight, atol=1e-5)


@pytest.mark.parametrize("K", [1, 3, 32])
def test_any_number_of_references_makes_a_picture(K):
    network = tiny()
    with torch.no_grad():
        made = network(network.references(*references(1, K)), guides(1))
    assert made.picture.shape == (1, 3, CANVAS, CANVAS) and made.picture.isfinite().all()


def test_a_batch_equals_its_samples():
    network = tiny()
    pictures, lines = references(3, 2)
    shown = guides(3)
    with torch.no_grad():
        whole = network(network.references(pictures, lines), shown).picture
        for b in range(3):
            one = network(network.references(pictures[b : b + 1], lines[b : b + 1]), Guides(*(x[b : b + 1] for x in shown)))
            assert torch.allclose(one.picture, whole[b : b + 1], atol=1e-4)     # edges of a person multiply rounding


def test_a_window_is_a_part_of_the_whole():
    network = tiny()
    assert network.step_px == 64
    window = Window(64, 128, 128)
    x = noise(1, 1, COARSE, COARSE)
    assert torch.equal(window.of(x), x[:, :, 32:96, 64:128])
    with torch.no_grad():
        held = network.references(*references(1, 2))
        part, whole = network(held, guides(1), window), network(held, guides(1))
    assert part.picture.shape == (1, 3, 128, 128)
    inside = (..., slice(2, -2), slice(2, -2))      # at its border a window's flows know nothing beyond it
    assert torch.allclose(window.of(whole.placed.anchor)[inside], part.placed.anchor[inside], atol=1e-4)
    drawn = [window.of(whole.picture - whole.placed.anchor), part.picture - part.placed.anchor]
    centre = (..., slice(48, 80), slice(48, 80))
    assert (drawn[0] - drawn[1])[centre].abs().mean() < 0.5 * drawn[0][centre].abs().mean()


def test_every_part_reaches_the_picture():
    """A gradient for every weight: no module is built and left out."""
    network = tiny().train()
    made = network(network.references(*references(2, 2)), guides(2))
    (made.picture.square().mean() + made.placed.anchor.mean()).backward()
    dead = [name for name, weights in network.named_parameters() if weights.grad is None or not weights.grad.any()]
    assert not dead, dead


@pytest.mark.parametrize("left_out, unseen", [("network.aware=false", ("projected", "masks", "flow"))])
def test_without_the_mesh_nothing_of_it_is_seen(left_out, unseen):
    network = tiny(left_out)
    shown = guides(1)
    changed = shown._replace(**{name: getattr(guides(1, seed=50), name) for name in unseen})
    with torch.no_grad():
        held = network.references(*references(1, 1))
        assert torch.equal(network(held, shown).picture, network(held, changed).picture)
        assert not torch.equal(tiny()(held, shown).picture, tiny()(held, changed).picture)
    assert not without_mesh(shown).flow.any()


def test_without_warping_pictures_stay():
    network, shown = tiny("network.warping=false", "network.backdrop=false", "weights.front=0"), guides(1)
    with torch.no_grad():
        placed = network.placed(shown)
    assert torch.equal(placed.matched, shown.matched) and torch.equal(placed.projected, shown.projected)
    assert placed.front is None


def test_a_person_hides_the_backdrop_where_it_is_moved_to():
    """A square of a person, all of it moved by a prior that holds: it goes, and what is behind it stands still."""
    torch.manual_seed(7)
    settings = load_config(RendererSettings, stage="renderer", preset="tiny").network
    network = RendererNetwork(settings).eval()
    person = torch.zeros(1, 1, CANVAS, CANVAS)
    person[:, :, 80:160, 60:140] = 1
    shown = guides(1)._replace(person=person, flow=torch.full((1, 2, COARSE, COARSE), -32.0),
                               masks=torch.zeros(1, 2, CANVAS, CANVAS))
    with torch.no_grad():
        placed = network.placed(shown)
    moved = round(32 * float(placed.moved.share[0, 0, 0, 0]))
    front = placed.front[0, 0]
    assert front[80 + moved + 4 : 156 + moved, 60 + moved + 4 : 136 + moved].min() > 0.99 and front[:80, :].max() < 0.01
    behind = front < 0.01
    assert behind.sum() > 40000 and (placed.anchor - shown.backdrop)[0][:, behind].abs().max() < 0.02
    inside = (0, slice(None), slice(80 + moved + 8, 150 + moved), slice(60 + moved + 8, 130 + moved))
    assert (placed.anchor - shown.backdrop)[inside].abs().mean() > 0.1


def test_early_blocks_see_the_coarser_level_first():
    """Both forms make pictures of one size from the same conditions; the early one convolves a quarter of the places."""
    sides = []
    for early in ("true", "false"):
        network = tiny(f"network.composition.early={early}")
        block = network.composition.blocks[0]
        block.first.register_forward_hook(lambda _, inputs, made: sides.append(made.shape[-1]))
        with torch.no_grad():
            made = network(network.references(*references(1, 1)), guides(1))
        assert made.picture.shape == (1, 3, CANVAS, CANVAS)
    assert sides == [16, 32]


def test_without_the_nonlinear_composition_pictures_only_reach_the_anchor():
    network = tiny("network.composition.modulated=false")
    with torch.no_grad():
        held = network.references(*references(1, 1))
        one, other = (network(held, guides(1)._replace(matched=noise(1, 3, CANVAS, CANVAS, seed=seed),
                                                       flow=torch.zeros(1, 2, COARSE, COARSE))) for seed in (1, 2))
    drawn = [made.picture - made.placed.anchor for made in (one, other)]
    assert torch.allclose(*drawn, atol=1e-5)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_build(preset):
    settings = load_config(RendererSettings, stage="renderer", preset=preset)
    with torch.device("meta"):
        RendererNetwork(settings.network)


def test_the_published_size_builds_and_takes_a_step():
    """On the meta device: every shape is computed, no number is."""
    settings = load_config(RendererSettings, stage="renderer", preset="paper").network
    with torch.device("meta"):
        network = RendererNetwork(settings)
        count = sum(weights.numel() for weights in network.parameters())
        shown = Guides(*(torch.empty(one.shape) for one in guides(1)))
        made = network(network.references(torch.empty(1, 8, 3, CANVAS, CANVAS), torch.empty(1, 8, 1, COARSE, COARSE)), shown)
        made.picture.mean().backward()
    assert made.picture.shape == (1, 3, CANVAS, CANVAS) and 1e8 < count < 3e8


@pytest.mark.parametrize("overrides, told", [
    (["network.composition.adaptive=[0]"], "make them equal"),
    (["network.hybrid=false"], "adaptive="),
    (["network.embedding.stride=4"], "stride or patch"),
    (["network.matched_flow.stride=3"], "stride 1, 2, 4 or 8"),
    (["network.embedding.attention=3"], "attention must be"),
    (["network.composition.label=[4, 4]"], "as long"),
])
def test_forms_that_do_not_fit_are_refused(overrides, told):
    with pytest.raises(ValueError, match=told):
        load_config(RendererSettings, stage="renderer", preset="tiny", overrides=overrides)
