"""Where the flows put the two pictures: warped, the person before the backdrop, both put together.

Shapes: B samples, S = 256 canvas pixels, G = 128 pixels of the coarse maps, N = 7 maps of the flow networks side by side.
Source: Rhythmic Head section 4.3, figure 5; the backdrop is ours.

There are two forms of the same: `place` in torch, which training needs, and a compiled loop over the pixels of the whole
canvas, which on a CPU takes a third of the time, since nothing that is seen once is written to memory and read again.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from headsync.media.caches import compiled
from render_stage.nn.layers import resized, warp
from render_stage.rhythmic_head.flow_network import Moved
from render_stage.rhythmic_head.guide import CANVAS
from render_stage.rhythmic_head.inputs import Guides

FRONT_GAIN = 10.0           # of the moved map of the person, as a logit from -5 to 5
PREFERENCE = 2.0            # logit by which the projected face is preferred where it is visible, to begin with
SEEN_CHANNELS = 5           # of either picture with its two maps
MAPS = 7                    # that a pixel of the loop needs of the flow networks
LOOSE = {"nsz", "arcp", "contract", "reassoc", "afn"}   # sums in any order, but NaN stays NaN


class Window(NamedTuple):
    """A square part of the canvas, in its pixels."""

    top: int
    left: int
    side: int

    def of(self, x: Tensor) -> Tensor:
        """The window of maps (B, C, N, N) that cover the canvas with N places a side."""
        top, left, side = (one * x.shape[-1] // CANVAS for one in self)
        return x[:, :, top : top + side, left : left + side]


WHOLE = Window(0, 0, CANVAS)


class Placed(NamedTuple):
    """The two pictures where the flows put them, in a window of `side` pixels, as the composition sees them."""

    seen_projected: Tensor  # (B, 5, side, side): the projected picture and its two masks, warped with it
    seen_matched: Tensor    # (B, 5, side, side): the matched picture before the backdrop, where it is (`front`, else the share
                            # of the prior's flow that holds), how far it is to be believed
    anchor: Tensor          # (B, 3, side, side): both put together
    believed: Tensor        # (B, 1, side, side): the projected picture's share of the anchor
    moved: Moved            # the matched picture's
    refined: Moved          # the projected picture's

    @property
    def projected(self) -> Tensor:
        """The projected picture (B, 3, side, side), warped."""
        return self.seen_projected[:, :3]

    @property
    def matched(self) -> Tensor:
        """The matched picture (B, 3, side, side), warped, before the backdrop where there is one."""
        return self.seen_matched[:, :3]

    @property
    def front(self) -> Tensor | None:
        """Where the matched picture's person hides the backdrop (B, 1, side, side); None: there is none."""
        return None if self.moved.front is None else self.seen_matched[:, 3:4]


def place(guides: Guides, moved: Moved, refined: Moved, window: Window, *, warping: bool) -> Placed:
    """What flows make of the guides, in a window. Without `warping` the pictures stay where they are."""
    learning = any(one is not None and one.requires_grad for one in (*moved, *refined))
    if warping and window == WHOLE and not learning and guides.flow.device.type == "cpu":
        return _placed_at_once(guides, moved, refined)
    matched = torch.cat([guides.matched, guides.person], 1)
    seen_projected = torch.cat([guides.projected, guides.masks], 1)
    if warping:
        corner = (window.top, window.left)
        matched, seen_projected = (warp(one, resized(window.of(flow.displacement), window.side), corner)
                                   for one, flow in ((matched, moved), (seen_projected, refined)))
    else:
        matched, seen_projected = window.of(matched), window.of(seen_projected)
    matched, person = matched[:, :3], matched[:, 3:]
    if moved.front is None:
        share = resized(window.of(moved.share), window.side)
    else:
        share = torch.sigmoid(FRONT_GAIN * (person - 0.5) + resized(window.of(moved.front), window.side))
        matched = torch.lerp(window.of(guides.backdrop), matched, share)
    mask = resized(window.of(torch.sigmoid(moved.mask)), window.side)
    preference = torch.sigmoid(resized(window.of(refined.mask - moved.mask), window.side) + PREFERENCE)
    believed = seen_projected[:, 3:4] * preference                                          # (B, 1, side, side)
    anchor = torch.lerp(matched, seen_projected[:, :3], believed)
    return Placed(seen_projected, torch.cat([matched, share, mask], 1), anchor, believed, moved, refined)


def _placed_at_once(guides: Guides, moved: Moved, refined: Moved) -> Placed:
    """`place` of the whole canvas, warped, by a compiled loop. float32, whatever the flows are."""
    layered = moved.front is not None
    maps = torch.cat([moved.displacement, refined.displacement, moved.front if layered else moved.share,
                      torch.sigmoid(moved.mask), refined.mask - moved.mask], 1)             # (B, N, G, G)
    pictures = (guides.matched, guides.person, guides.backdrop, guides.projected, guides.masks)
    inside = [_channels_last(one) for one in (*pictures, maps)]
    B, S = len(maps), guides.matched.shape[-1]
    made = [np.empty((B, S, S, channels), np.float32) for channels in (SEEN_CHANNELS, SEEN_CHANNELS, 3, 1)]
    for number in range(B):
        _place(layered, *(one[number] for one in (*inside, *made)))
    seen_projected, seen_matched, anchor, believed = (torch.from_numpy(one).permute(0, 3, 1, 2) for one in made)
    return Placed(seen_projected, seen_matched, anchor, believed, moved, refined)


def _channels_last(x: Tensor) -> np.ndarray:
    """(B, C, H, W) as (B, H, W, C) float32."""
    return x.float().permute(0, 2, 3, 1).contiguous().numpy()


@compiled(fastmath=LOOSE)
def _place(layered, matched, person, backdrop, projected, masks, maps, seen_projected, seen_matched, anchor, believed):
    """Fills the last four, each (S, S, C), from pictures and maps of persons (S, S, C) and coarse maps (G, G, N)."""
    S, G, one = matched.shape[0], maps.shape[0], np.float32(1)
    flow, line = np.empty(MAPS, np.float32), np.empty((G, MAPS), np.float32)
    for y in range(S):
        low, high, share = _between(y, S, G)
        for column in range(G):
            for n in range(MAPS):
                line[column, n] = maps[low, column, n] + share * (maps[high, column, n] - maps[low, column, n])
        for x in range(S):
            low, high, share = _between(x, S, G)
            for n in range(MAPS):
                flow[n] = line[low, n] + share * (line[high, n] - line[low, n])
            place = _source(x + flow[2], y + flow[3], S)
            for c in range(3):
                seen_projected[y, x, c] = _mixed(projected, place, c)
            for c in range(2):
                seen_projected[y, x, 3 + c] = _mixed(masks, place, c)
            belief = seen_projected[y, x, 3]
            if belief != 0:
                belief /= one + np.exp(-(flow[6] + np.float32(PREFERENCE)))
            place = _source(x + flow[0], y + flow[1], S)
            front = flow[4]
            if layered:
                front = one / (one + np.exp(-(np.float32(FRONT_GAIN) * (_mixed(person, place, 0) - np.float32(0.5)) + flow[4])))
            for c in range(3):
                colour = _mixed(matched, place, c)
                if layered:
                    colour = backdrop[y, x, c] + front * (colour - backdrop[y, x, c])
                seen_matched[y, x, c] = colour
                anchor[y, x, c] = colour + belief * (seen_projected[y, x, c] - colour)
            seen_matched[y, x, 3] = front
            seen_matched[y, x, 4] = flow[5]
            believed[y, x, 0] = belief


@compiled(fastmath=LOOSE, inline="always")
def _between(place, fine, coarse):
    """The two coarse places round a fine one's centre and how far it is on the way; beyond the outer centres, those."""
    where = max(np.float32(place + 0.5) * np.float32(coarse / fine) - np.float32(0.5), np.float32(0))
    low = int(where)
    return low, min(low + 1, coarse - 1), where - np.float32(low)


@compiled(fastmath=LOOSE, inline="always")
def _source(x, y, size):
    """The four pixels round a place (top, bottom, left, right) and what each counts; beyond the border, and of NaN, its."""
    last, one = np.float32(size - 1), np.float32(1)
    x, y = np.float32(x), np.float32(y)
    x, y = x if x > 0 else np.float32(0), y if y > 0 else np.float32(0)     # of NaN too
    x, y = min(x, last), min(y, last)
    left, top = np.uint32(x), np.uint32(y)                                   # unsigned: numba looks for no negative ones
    right, bottom = np.uint32(min(left + 1, size - 1)), np.uint32(min(top + 1, size - 1))
    across, down = x - np.float32(left), y - np.float32(top)
    return (top, bottom, left, right,
            (one - down) * (one - across), (one - down) * across, down * (one - across), down * across)


@compiled(fastmath=LOOSE, inline="always")
def _mixed(picture, place, c):
    top, bottom, left, right, a, b, e, f = place
    return (a * picture[top, left, c] + b * picture[top, right, c] + e * picture[bottom, left, c]
            + f * picture[bottom, right, c])
