"""A head put back leaves everything else as it was, shows no box, and its source runs along for as long as is wanted."""

import cv2
import numpy as np
import pytest

from headsync import media
from headsync.landmarks import canonical_face
from render_stage.compositing import MOST_PIXELS, Blend, PasteBack, backgrounds, border_ramp, head_hull, soft_mask, to_and_fro
from tests.media_files import frame_number, numbered_frame, write_picture, write_video

FACE = canonical_face()


def scenery(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth picture (H, W, 3) in which a displaced pixel shows."""
    small = np.random.default_rng(seed).integers(40, 216, (height // 20 + 2, width // 20 + 2, 3)).astype(np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def canvas_of(picture: np.ndarray, crop, pixels: int) -> np.ndarray:
    x0, y0, x1, y1 = (int(edge) for edge in crop)
    inside = cv2.copyMakeBorder(picture, 400, 400, 400, 400, cv2.BORDER_REPLICATE)[y0 + 400 : y1 + 400, x0 + 400 : x1 + 400]
    return cv2.resize(inside, (pixels, pixels), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("crop", [(61, 40, 261, 240), (-37, -20, 263, 280), (100.4, 90.6, 420.4, 410.6), (150, 10, 250, 110)])
def test_only_what_the_mask_covers_changes(crop):
    base = scenery(389, 401)
    shown = base.copy()
    blend = Blend(crop, base.shape[:2], FACE[:, :2])
    canvas = np.full((256, 256, 3), 255, np.uint8) - scenery(256, 256, 3) // 2
    blend.onto(base, canvas, FACE, shown)
    mask = blend.mask(FACE)
    x0, y0, x1, y1 = (round(edge) for edge in crop)
    rows, columns = slice(max(0, y0), min(389, y1)), slice(max(0, x0), min(401, x1))
    whole = np.zeros(base.shape[:2], np.float32)
    whole[rows, columns] = mask
    assert np.array_equal(shown[whole == 0], base[whole == 0]) and (whole == 0).any()
    placed = cv2.resize(canvas, (x1 - x0, y1 - y0), interpolation=cv2.INTER_CUBIC if x1 - x0 > 256 else cv2.INTER_AREA)
    placed = placed[rows.start - y0 : rows.stop - y0, columns.start - x0 : columns.stop - x0]
    assert np.array_equal(shown[rows, columns][mask == 1], placed[mask == 1]) and (mask == 1).mean() > 0.15
    expected = base[rows, columns] * (1 - mask[..., None]) + placed * mask[..., None]
    assert np.abs(expected - shown[rows, columns]).max() < 1.6


def test_the_right_canvas_goes_back_unseen():
    base = scenery(389, 401)
    crop = (61, 40, 317, 296)
    shown = Blend(crop, base.shape[:2], FACE[:, :2]).onto(base, canvas_of(base, crop, 256), FACE, base.copy())
    assert np.array_equal(shown, base)


@pytest.mark.parametrize("crop", [(61, 40, 261, 240), (20, 30, 340, 350)])
def test_there_is_no_box(crop):
    grey = np.full((389, 401, 3), 100, np.uint8)
    bright = np.full((128, 128, 3), 220, np.uint8)
    shown = Blend(crop, (389, 401), FACE[:, :2]).onto(grey, bright, FACE + [0, 40, 0], grey.copy())
    steps = [np.abs(np.diff(shown[..., 0].astype(int), axis=axis)).max() for axis in (0, 1)]
    side = crop[2] - crop[0]
    assert max(steps) <= 120 * 1.5 * (1 / 0.1 + 1 / 0.11) / side        # the two slopes' steepest, and no jump
    x0, y0, x1, y1 = crop
    rim = np.ones((389, 401), bool)
    rim[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3] = False
    assert (shown[rim] == 100).all()


def test_the_picture_s_own_border_is_no_seam():
    size = (300, 300)
    inside, beyond = Blend((10, 10, 290, 290), size, FACE[:, :2]), Blend((0, -9, 300, 291), size, FACE[:, :2])
    low = FACE - [0, 70, 0]
    assert inside.mask(low)[0].max() == 0 and beyond.mask(low)[0].max() == 1
    ramp = border_ramp(seams=(True, False, True, False))
    assert ramp[:, 0].max() == 0 and ramp[:, -1].max() == 0 and ramp[0, 64] == 1 and ramp[-1, 64] == 1
    with pytest.raises(ValueError, match="lies outside its picture of 300x300"):
        Blend((301, 10, 400, 109), size, FACE[:, :2])


def test_the_mask_follows_the_head_and_covers_where_it_was():
    still = Blend((0, 0, 256, 256), (256, 256), FACE[:, :2])
    moved = FACE + np.array([45, 0, 0], np.float32)
    assert still.mask(moved)[140, 230] == 1 and still.mask(FACE)[140, 230] < 0.4
    assert still.mask(moved)[140, 75] == 1                              # the left cheek, where the head was
    assert (still.mask(moved) >= still.mask(FACE) - 1e-6).mean() == 1


def test_hair_and_neck_belong_to_the_head():
    mask = soft_mask([head_hull(FACE[:, :2], FACE)], FACE)
    top, chin = FACE[17:27, 1].min(), FACE[8, 1]
    assert mask[int((top - 0.5 * (chin - top)) / 2), 64] == 1 and mask[int((chin + 0.2 * (chin - top)) / 2), 64] == 1
    assert mask.min() == 0 and mask.max() == 1
    tilted = (FACE - 128) @ np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]) + 128    # lying on its side
    turned = soft_mask([head_hull(tilted[:, :2], tilted)], tilted)
    assert np.abs(np.rot90(mask, k=-1) - turned).mean() < 0.02 or np.abs(np.rot90(mask) - turned).mean() < 0.02


def test_to_and_fro():
    assert [to_and_fro(number, 4) for number in range(11)] == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2]
    assert [to_and_fro(number, 1) for number in range(3)] == [0, 0, 0] and [to_and_fro(n, 2) for n in range(4)] == [0, 1, 0, 1]


def test_a_video_runs_in_time_then_back(tmp_path):
    path = write_video(tmp_path / "v.mp4", [numbered_frame(number, size=(34, 46)) for number in range(7)])
    assert [frame_number(frame) for frame in backgrounds(path, frames=7, length=5)] == [0, 1, 2, 3, 4]
    told = list(backgrounds(path, frames=7, length=17))
    assert [frame_number(frame) for frame in told] == [0, 1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1, 0, 1, 2, 3, 4]
    assert np.abs(told[0].astype(int) - told[12]).max() <= 3 and told[12].shape == (34, 46, 3)


def test_colours_survive_the_way_back(tmp_path):
    picture = scenery(120, 160)
    path = write_video(tmp_path / "v.mp4", [picture] * 2)
    told = list(backgrounds(path, frames=2, length=3))
    assert np.abs(told[0].astype(int) - told[2]).mean() < 4


def test_pasting_into_a_picture_and_a_video(tmp_path):
    picture, canvas = scenery(132, 158), np.full((64, 64, 3), 250, np.uint8)
    sizes = dict(size=(132, 158), crop=(20.0, 10.0, 120.0, 110.0), outline=FACE[:, :2] * 100 / 256 + [20, 10], length=5)
    still = PasteBack(write_picture(tmp_path / "p.png", picture), frames=1, **sizes)
    moving = PasteBack(write_video(tmp_path / "v.mp4", [picture] * 3), frames=3, **sizes)
    first = still.frame(canvas, FACE).copy()
    still.frame(canvas, FACE + 20)
    assert np.array_equal(still.frame(canvas, FACE), first)             # nothing of another frame stays
    assert still.size == moving.size == (132, 158)
    frames = [moving.frame(canvas, FACE).copy() for _ in range(5)]
    assert max(np.abs(frame.astype(int) - first).mean() for frame in frames) < 3


def test_a_frame_no_player_shows_is_reduced(tmp_path, monkeypatch):
    monkeypatch.setattr("render_stage.compositing.MOST_PIXELS", 132 * 158 // 4)
    picture = scenery(132, 158)
    paste = PasteBack(write_picture(tmp_path / "p.png", picture), frames=1, size=(132, 158), crop=(20.0, 10.0, 120.0, 110.0),
                      outline=FACE[:, :2] * 100 / 256 + [20, 10], length=5)
    assert paste.size[0] * paste.size[1] <= 132 * 158 // 4 and paste.size[1] > 70
    canvas = canvas_of(picture, (20, 10, 120, 110), 64)
    shown = paste.frame(canvas, FACE)
    reduced = media.read_image(tmp_path / "p.png", max_side=max(paste.size))
    assert np.abs(shown.astype(int) - reduced).mean() < 1.5 and MOST_PIXELS > 9e6
