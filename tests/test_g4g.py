"""G4G: what its parts must be whatever they have learned, and a training that ends in a renderer.

Shapes: B samples, C channels, h w cells, L = 68 landmarks, H W pixels of a crop.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import headsync
from headsync.corpus import Clip, open_corpus
from headsync.corpus.corpus import write_table
from headsync.landmarks import canonical_face
from render_stage import Drive, load_renderer
from render_stage.g4g.crop import KINDS, crop_matrix, crop_points, crop_size, cropped, fading, hidden, radius, sketch
from render_stage.g4g.data import drawn_references, sound_rows
from render_stage.g4g.discriminator import MouthDiscriminators, squared_fooling, squared_loss
from render_stage.g4g.network import G4G, AdaAT, G4GSettings, Shown, alignment_loss, contrastive_loss, deformed
from render_stage.g4g.renderer import G4GRenderer
from render_stage.g4g.train import G4GTask, multiscale_loss, read_talking_frames, train_g4g
from tests.moving_faces import moving_head_face, write_moving_corpus

FACE = canonical_face()
MOUTH = 32
TINY = G4GSettings(mouth=MOUTH, width=8, embedding=16, blocks=1)


def shown(count: int, *, seed: int = 0) -> Shown:
    generator = torch.Generator().manual_seed(seed)
    H, W = crop_size(MOUTH)
    mask = torch.zeros(count, 1, H, W)
    mask[:, :, 16:48, 4:36] = 1
    draw = lambda channels: torch.rand(count, channels, H, W, generator=generator)     # noqa: E731
    return Shown(draw(3), mask, mask * 0.5, draw(15), draw(1), -8 + torch.randn(count, 20, 26, generator=generator))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    made = G4G(TINY).eval()
    for parameter in made.deformation.say.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made


def test_no_deformation_is_the_identity_and_channels_do_not_mix():
    x = torch.randn(2, 5, 13, 11, generator=torch.Generator().manual_seed(1))
    none = [torch.full((2, 5), value) for value in (1.0, 0.0, 0.0, 0.0)]
    assert torch.allclose(deformed(x, *none), x, atol=1e-5)
    layer = AdaAT(5, 7)
    assert torch.allclose(layer(x, torch.randn(2, 7)), x, atol=1e-5)           # where it begins
    moved = [one.clone() for one in none]
    moved[3][0, 2] = 2 / 12                                                     # one row of thirteen
    made = deformed(x, *moved)
    others = [0, 1, 3, 4]
    assert torch.allclose(made[0, 2, :-1], x[0, 2, 1:], atol=1e-5) and torch.allclose(made[:, others], x[:, others], atol=1e-5)
    assert torch.allclose(made[1], x[1], atol=1e-5)


def test_a_turn_is_of_pixels_whatever_the_sides():
    x = torch.zeros(1, 1, 21, 13)
    x[0, 0, 10, 6 + 4] = 1
    quarter = deformed(x, torch.ones(1, 1), torch.full((1, 1), math.pi / 2), torch.zeros(1, 1), torch.zeros(1, 1))
    place = np.unravel_index(int(quarter.argmax()), (21, 13))
    assert place in ((6, 6), (14, 6)) and quarter.max() > 0.9


def test_nothing_of_the_hidden_mouth_reaches_the_picture(network):
    one = shown(2)
    other = one._replace(source=torch.where(one.hidden > 0, torch.rand_like(one.source), one.source))
    with torch.no_grad():
        assert torch.equal(network(one).blended, network(other).blended)
        elsewhere = one._replace(source=torch.where(one.hidden > 0, one.source, 1 - one.source))
        assert not torch.allclose(network(one).blended, network(elsewhere).blended, atol=1e-3)


def test_in_16_bits_it_draws_the_same_picture(network):
    one = shown(1)
    with torch.no_grad():
        wanted = network(one)
        with torch.autocast("cpu", torch.bfloat16):
            made = network(one)
    assert made.blended.dtype == torch.float32 and (made.blended - wanted.blended).abs().max() < 0.05
    assert (made.visual - wanted.visual).abs().max() < 0.1


@pytest.mark.parametrize("part", ("references", "sketch", "rows"))
def test_picture_follows_references_sketch_and_sound(network, part):
    one = shown(2)
    other = one._replace(**{part: getattr(one, part).flip(0)})
    with torch.no_grad():
        assert (network(one).blended - network(other).blended).abs().max() > 1e-4
        assert torch.equal(network(one).blended[0], network(Shown(*(each[:1] for each in one))).blended[0]) or torch.allclose(
            network(one).blended[0], network(Shown(*(each[:1] for each in one))).blended[0], atol=1e-5)


def test_ablations_lack_their_part():
    torch.manual_seed(0)
    one = shown(1)
    plain = G4G(replace(TINY, alignment=False, fusion=False)).eval()
    with torch.no_grad():
        made = plain(one)
        again = plain(one._replace(sketch=1 - one.sketch))
    assert torch.equal(made.picture, again.picture)
    assert torch.equal(made.blended, torch.lerp(one.source * (1 - one.hidden), made.picture, one.hidden))
    assert sum(one.numel() for one in plain.parameters()) < sum(one.numel() for one in G4G(TINY).parameters())


def test_contrast_is_least_for_the_right_pairs():
    codes = torch.nn.functional.normalize(torch.randn(7, 16, generator=torch.Generator().manual_seed(2)), dim=1)
    assert contrastive_loss(codes, codes) < 0.05 < contrastive_loss(codes, codes.roll(1, 0))
    alike = codes[:1].expand(7, -1)
    assert contrastive_loss(alike, alike).item() == pytest.approx(math.log(7), abs=1e-5)
    scores = codes @ codes.T / 0.07
    assert contrastive_loss(codes, codes).item() == pytest.approx(float(-scores.log_softmax(1).diagonal().mean()), abs=1e-5)


def test_alignment_moves_the_picture_s_code_alone():
    image, lines = (torch.randn(3, 5, requires_grad=True) for _ in range(2))
    alignment_loss(image, lines).backward()
    assert image.grad.abs().max() > 0 and lines.grad is None
    assert alignment_loss(lines, lines).item() == pytest.approx(0, abs=1e-6)


def test_least_squares_and_what_five_frames_show():
    assert squared_loss(torch.zeros(3), torch.ones(3)) == 0 == squared_fooling(torch.ones(3))
    assert squared_loss(torch.ones(3), torch.zeros(3)) == 1 == squared_fooling(torch.zeros(3))
    settings = headsync.load_settings("g4g", "tiny").discriminator
    torch.manual_seed(1)
    discriminators = MouthDiscriminators(settings)
    sides = torch.rand(2, 3, 5, 3, *crop_size(MOUTH))
    single, five = discriminators(sides).terms["adversarial"]
    assert single.shape[:2] == (2, 15) and five.shape[:2] == (2, 3)
    again = sides[:, :, [1, 0, 2, 3, 4]]
    other = discriminators(again).terms["adversarial"]
    assert torch.allclose(other[0].unflatten(1, (3, 5))[:, :, 0], single.unflatten(1, (3, 5))[:, :, 1], atol=1e-6)
    assert not torch.allclose(other[1], five, atol=1e-4)


def test_reconstruction_asks_for_the_hidden_part_most():
    real, mask = torch.rand(2, 3, 52, 40), shown(2).hidden
    assert multiscale_loss(real, real, mask) == 0
    inside, outside = (real + 0.1 * part for part in (mask, 1 - mask))
    assert multiscale_loss(inside, real, mask) > 2 * multiscale_loss(outside, real, mask) > 0


def test_crops_are_the_published_ones():
    assert [crop_size(mouth) for mouth in (64, 128, 256)] == [(104, 80), (208, 160), (416, 320)]
    size = radius(FACE[None])
    matrix = crop_matrix(FACE, size, 64, 256)
    points = crop_points(FACE, matrix, 256)
    assert points[29, 1] == pytest.approx(32 - 0.5, abs=0.01) and points[33, 0] == pytest.approx(40 - 0.5, abs=0.01)
    assert points[8, 1] < 104 and points[48:68].min() > 8 and 40 < points[57, 1] < 96
    twice = crop_points(FACE, crop_matrix(FACE, size, 64, 512), 512)
    assert np.abs(twice - points).max() < 0.02
    dot = np.zeros((256, 256, 3), np.uint8)
    x, y = (FACE[57, :2] - 0.5).round().astype(int)
    dot[y - 1 : y + 2, x - 1 : x + 2] = 255
    found = np.unravel_index(cropped(dot, matrix, 64)[..., 0].argmax(), (104, 80))
    assert np.abs(np.array(found) - points[57, ::-1]).max() < 2


@pytest.mark.parametrize("kind", KINDS)
def test_masks_hide_the_mouth_and_fade_within(kind):
    points = crop_points(FACE, crop_matrix(FACE, radius(FACE[None]), 64, 256), 256)
    mask = hidden(kind, points, 64)
    places = points[48:68].round().astype(int)
    assert mask[places[:, 1], places[:, 0]].min() == 1 and mask[:24].max() == 0 and 0.15 < mask.mean() < 0.75
    soft = fading(mask, 64)
    assert (soft[mask == 0] == 0).all() and soft.max() == pytest.approx(1, abs=1e-5) and soft[mask == 1].min() < 0.9
    drawn = sketch(points, 64)
    assert drawn.shape == (104, 80) and drawn[places[:, 1], places[:, 0]].min() > 40 and (drawn > 0).mean() < 0.25


def test_references_keep_away_from_the_targets():
    generator = torch.Generator().manual_seed(0)
    for frames, first, least in ((40, 17, 5), (9, 2, 1)):
        for _ in range(20):
            found = drawn_references(frames, first, generator)
            assert len(found) == 5 and all(one <= first - least or one >= first + 5 + least - 1 for one in found)


def test_sound_lies_round_its_frame():
    rows = np.arange(4 * 12, dtype=np.float32)[:, None].repeat(26, 1)
    found = sound_rows(rows, [5, 0])[..., 0]
    assert found[0].tolist() == list(range(12, 32)) and found[1, 8:].tolist() == list(range(12)) and (found[1, :8] == -20).all()
    assert sound_rows(rows, [5], late=1)[0, 0, 0] == 16


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """People that talk: a moving portrait with made-up features of sound."""
    folder = tmp_path_factory.mktemp("g4g") / "faces"
    made = write_moving_corpus(folder)
    (folder / "features").mkdir()
    clips = [clip._replace(has_audio=True, sync="corrected") for clip in made.clips]
    for number, clip in enumerate(clips):
        random = np.random.default_rng(number)
        rows = -8 + 2 * random.standard_normal((4 * clip.frames, 26))
        np.save(folder / "features" / f"{clip.clip}.npy", rows.astype(np.float32))
    write_table(folder / "manifest.csv", Clip, clips)
    return open_corpus(folder)


def test_a_training_ends_in_a_renderer_that_dubs(corpus, tmp_path):
    settings = headsync.load_settings("g4g", "tiny")
    report = train_g4g(corpus, tmp_path / "run", settings)
    assert report.weights.name == "g4g.safetensors" and list((tmp_path / "run/sheets").glob("*.png"))
    renderer = load_renderer(report.weights, device="cpu")
    assert isinstance(renderer, G4GRenderer) and renderer.margin_frames == 2
    views = moving_head_face(7, seed=1)
    identity = renderer.prepare(views[:3])
    drive = Drive(np.stack([view.points for view in views]), rows=np.full((28, 26), -9, np.float32),
                  source=np.stack([view.picture for view in views]))
    made = renderer.frames(identity, drive)
    assert made.shape == (3, 256, 256, 3) and made.dtype == np.uint8
    assert np.array_equal(made[:, :90], drive.source[2:5, :90]) and not np.array_equal(made, drive.source[2:5])
    first = renderer.frames(identity, Drive(drive.points[:5], rows=drive.rows[:20], source=drive.source[:5]))
    assert np.array_equal(first[0], made[0])
    with pytest.raises(ValueError, match="at least one reference"):
        renderer.prepare([])


def test_terms_are_normalised_once_at_the_start(corpus):
    settings = headsync.load_settings("g4g", "tiny")
    clips = read_talking_frames(corpus, "train", settings.material)
    task = G4GTask(settings, clips, clips, None)
    torch.manual_seed(0)
    task.build()
    batch = task.batch(0)
    weights = task.weights(0)
    with torch.no_grad():
        found = task.losses(batch, set(weights)).losses
    assert set(weights) == {"alignment", "perceptual", "reconstruction", "contrastive"} and "adversarial" in task.weights(5)
    for name, wanted in (("alignment", 1), ("perceptual", 2), ("reconstruction", 4), ("contrastive", 5)):
        assert float(found[name]) * weights[name] == pytest.approx(wanted, rel=1e-3)
    assert task.weights(5)["adversarial"] == 3


def test_a_corpus_without_sound_is_refused(tmp_path):
    silent = write_moving_corpus(tmp_path / "faces")
    with pytest.raises(ValueError, match="has no talking clip of 25 frames in sync in its train split; G4G needs some"):
        train_g4g(silent, tmp_path / "run", headsync.load_settings("g4g", "tiny"))
