"""CPBD: widths of drawn ramps, the paper's probabilities, growing blur, and a speed that streams keep up with."""

import itertools
import math
import time

import cv2
import numpy as np
import pytest

from headsync.metrics.blur import blur_probability, cpbd, edge_widths, sobel_edges


def ramp(steps: int, *, low: int = 40, high: int = 200, at: int = 30, size: int = 64) -> np.ndarray:
    """A grey picture whose rows stay at `low` up to column `at`, reach `high` in `steps` equal steps, and stay there."""
    row = np.interp(np.arange(size), [at, at + steps], [low, high])
    return np.repeat(np.rint(row).astype(np.uint8)[None], size, axis=0)


def stripes(*, contrast: int = 160, size: int = 192, period: int = 32) -> np.ndarray:
    """Upright bars with hard edges, in colour."""
    bar = (np.arange(size) // (period // 2) % 2 * contrast + 40).astype(np.uint8)
    return np.repeat(np.repeat(bar[None], size, axis=0)[..., None], 3, axis=2)


def found_widths(grey: np.ndarray) -> set[int]:
    widths = edge_widths(grey, sobel_edges(grey))
    return set(widths[widths > 0].tolist())


def slow_width(row: list[int], x: int) -> int:
    """Marziliano's width at a pixel, one step at a time."""
    sign = 1 if row[x + 1] > row[x - 1] else -1
    left, right = x - 1, x + 1
    while left > 0 and sign * (row[left] - row[left - 1]) > 0:
        left -= 1
    while right < len(row) - 1 and sign * (row[right + 1] - row[right]) > 0:
        right += 1
    return right - left


@pytest.mark.parametrize("steps", [2, 3, 5, 7, 11])
def test_a_ramp_is_as_wide_as_it_was_drawn(steps):
    assert found_widths(ramp(steps)) == {steps}
    assert found_widths(ramp(steps)[:, ::-1]) == {steps}, "falling ramps too"
    assert found_widths(ramp(steps, at=20)) == {steps}, "wherever they are"


def test_an_ideal_step_has_one_edge_pixel_a_row_of_width_2():
    edges = sobel_edges(ramp(1))
    assert (edges[1:-1].sum(1) == 1).all() and found_widths(ramp(1)) == {2}


def test_lying_and_slanted_edges_have_no_width():
    assert found_widths(np.ascontiguousarray(ramp(3).T)) == set()
    assert sobel_edges(np.ascontiguousarray(ramp(3).T)).any()
    rows, columns = np.mgrid[:64, :64]
    slanted = lambda lean: np.clip(40 + 20 * (columns + lean * rows - 40), 40, 200).astype(np.uint8)    # noqa: E731
    assert found_widths(slanted(0.6)) == set() and found_widths(slanted(0.3)) != set()      # tan 22.5 degrees is 0.41


def test_widths_are_those_of_walking_step_by_step():
    noisy = stripes(size=131)[..., 0] + np.random.default_rng(0).normal(0, 9, (131, 131))
    grey = cv2.GaussianBlur(np.clip(noisy, 0, 255).astype(np.uint8), (0, 0), 1.3)
    edges = sobel_edges(grey)
    widths = edge_widths(grey, edges)
    upright = np.argwhere(widths > 0)
    assert len(upright) > 50 and edges[tuple(upright.T)].all()
    assert all(widths[y, x] == slow_width(grey[y].astype(int).tolist(), x) for y, x in upright)


def test_the_just_noticeable_width_is_noticed_by_63_percent():
    assert blur_probability(np.array([5.0]), 50)[0] == blur_probability(np.array([3.0]), 51)[0] == 1 - math.exp(-1)
    assert blur_probability(np.array([0.0, 6.0]), 51) == pytest.approx([0, 1 - math.exp(-(2**3.6))])


@pytest.mark.parametrize(("contrast", "steps", "sharp"), [
    (51, 3, 1.0), (51, 4, 0.0), (50, 4, 1.0), (50, 5, 1.0), (50, 6, 0.0), (160, 3, 1.0), (160, 5, 0.0),
])
def test_what_is_sharp_depends_on_the_contrast(contrast, steps, sharp):
    found = cpbd(ramp(steps, low=40, high=40 + contrast))
    assert found.cpbd == sharp and found.edges >= 62


def test_the_share_is_of_all_edges():
    sharp, blurred = ramp(2), ramp(4)
    both = np.concatenate([sharp, blurred, blurred, np.full((64, 64), 90, np.uint8)])
    assert cpbd(both).cpbd == pytest.approx(1 / 3, abs=0.01)


def test_growing_blur_lowers_it_steadily():
    frame = stripes()
    scores = [cpbd(cv2.GaussianBlur(frame, (0, 0), sigma)).cpbd for sigma in (0.3, 0.6, 0.8, 1.2, 2, 4)]
    noisy = np.clip(frame + np.random.default_rng(0).normal(0, 2, frame.shape), 0, 255).astype(np.uint8)
    rough = [cpbd(cv2.GaussianBlur(noisy, (0, 0), sigma)).cpbd for sigma in (0.3, 0.5, 0.6, 0.8)]
    assert scores[0] == 1 and scores[-1] == 0 and scores == sorted(scores, reverse=True)
    assert rough[0] > 0.7 and rough[-1] < 0.1 and all(before > after for before, after in itertools.pairwise(rough))


def test_blocks_with_few_edges_and_cut_blocks_do_not_count():
    grey = np.full((64, 64), 40, np.uint8)
    grey[30:37, 30] = 200                               # two edge pixels in each of 7 rows, 14 of 4096: over 0.2 %
    assert cpbd(grey).edges >= 9
    grey[32:37] = 40                                    # 2 rows: under 0.2 %
    assert cpbd(grey) == (0.0, 0)
    wide = np.concatenate([np.full((64, 64), 40, np.uint8), ramp(2)[:, 10:50]], axis=1)     # the edge lies in the cut block
    assert cpbd(wide).edges == 0


def test_an_even_picture_has_nothing_sharp():
    assert cpbd(np.full((71, 67, 3), 99, np.uint8)) == (0.0, 0)


def test_colours_are_taken_as_luma():
    frame = stripes()
    assert cpbd(frame) == cpbd(np.ascontiguousarray(frame[..., 0]))
    frame[..., 2] = 40                                  # blue is 11 % of luma, the edges stay
    assert cpbd(frame).edges > 0


@pytest.mark.parametrize(("frame", "told"), [
    (np.zeros((64, 64, 3)), "uint8, got"), (np.zeros((64, 64, 4), np.uint8), "\\(H, W, 3\\)"),
    (np.zeros((63, 64, 3), np.uint8), "at least 64x64"),
])
def test_other_frames_are_refused(frame, told):
    with pytest.raises(ValueError, match=told):
        cpbd(frame)


def test_it_keeps_up_with_twice_the_frame_rate():
    frame = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    took = []
    for _ in range(9):
        begun = time.process_time()
        cpbd(frame)
        took.append(time.process_time() - begun)
    assert min(took) < 1 / 50, "processor time of the quickest run, so that a busy machine does not fail it"
