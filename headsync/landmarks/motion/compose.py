"""Landmarks composed of what a face does by itself and what a head does, from any two sources; block by block.

Shapes: T frames, t frames of a block, L = 68 landmarks, 6 numbers of a head: rotation vector (radians) from the canonical
face to the frame, place of the head's middle right and down (pixels of the canonical 256 frame), logarithm of its size.
Source: Rhythmic Head section 3.4 and equation 1: expressions and head motion meet in the landmarks. Depth has no origin in
what detectors give, so what comes nearer is known by its size, the sixth number.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from headsync.landmarks.canonical import canonical_face
from headsync.landmarks.geometry import rotation_matrix, rotation_vector, similarity_fit
from headsync.landmarks.layouts import RIGID17
from headsync.landmarks.motion.blinks import blinked
from headsync.landmarks.motion.control import check_scales, checked_landmarks, scale_motion
from headsync.landmarks.motion.lips import BEGIN_FRAMES, closed_lips
from headsync.landmarks.motion.lower_face import jaw_shares
from headsync.landmarks.smoothing import smooth

HEAD_NUMBERS = 6
TRANSITION_FRAMES = 25          # from the start's pose into a head motion and back out of it
TURN_FRAMES = 8                 # before and after a loop's turn that slow down to it
BLOCK_FRAMES = 250
JITTER_TAPS = 3                # width of the Hanning window that removes landmark jitter from copied motion
_FIT = list(RIGID17)
# what moves by itself, and the rigid points that it is measured against
_MOVABLE = ((list(range(36, 42)), [36, 39]), (list(range(42, 48)), [42, 45]), (list(range(17, 22)), [17, 21]),
            (list(range(22, 27)), [22, 26]), ([*range(17), *range(48, 68)], list(range(31, 36))))


def head_track(points: np.ndarray, *, taps: int = 1) -> np.ndarray:
    """The head (T, 6) float64 in landmarks (T, 68, 3) of a square canvas: where it looks, where it is, how large it is.

    Sizes are relative to the clip's median, which is also the unit of places. `taps` above 1 smooths it in time, with a
    Hanning window. ValueError for other shapes, values that are not finite, and faces whose rigid points coincide.
    """
    points = checked_landmarks(points)
    if not len(points):
        raise ValueError("a head track needs at least 1 frame, got 0")
    frames = points[:, _FIT].astype(np.float64)                                         # (T, P, 3)
    fit = similarity_fit(canonical_face()[_FIT], frames)
    if not (fit.scale > 0).all():
        raise ValueError(f"the rigid points of frame {int(fit.scale.argmin())} all coincide; give landmarks of a face")
    unit = np.median(fit.scale)
    place = frames.mean(1)[:, :2] / unit                                                # (T, 2)
    track = np.concatenate([rotation_vector(fit.rotation), place, np.log(fit.scale / unit)[:, None]], axis=1)
    return smooth(track, taps, window="hanning") if taps > 1 else track  # (T, 6)


def anchored(track: np.ndarray) -> np.ndarray:
    """The track (T, 6) with its median place and size taken for the start's; rotations stay as they are."""
    middle = np.median(track, axis=0)
    middle[:3] = 0
    return track - middle  # (T, 6)


def still_head(start: np.ndarray) -> Iterator[np.ndarray]:
    """Blocks (t, 6), without end, of the head of `start` (68, 3), which never moves."""
    head = anchored(head_track(np.asarray(start, np.float32)[None]))
    while True:
        yield head.repeat(BLOCK_FRAMES, 0)


def looped(track: np.ndarray) -> Iterator[np.ndarray]:
    """Blocks (t, ...), without end, of `track` (T, ...) forwards, backwards, forwards and so on.

    There is no jump: the way back begins where the way there ends, and eight frames (a quarter of a short track) on
    either side of a turn slow down to it. Up to the first turn it is the track itself. ValueError without a frame.
    """
    track = np.asarray(track, np.float64)
    if not len(track):
        raise ValueError("a loop needs at least 1 frame, got 0")
    last, turn = len(track) - 1, min(TURN_FRAMES, len(track) // 4)
    begin = 0
    while True:
        moment = np.arange(begin, begin + BLOCK_FRAMES)
        yield _at(track, _position(moment, last, turn))
        begin += BLOCK_FRAMES


def _position(moment: np.ndarray, last: int, turn: int) -> np.ndarray:
    """Where a loop over frames 0 to `last` is at each moment (t,), in frames."""
    if not last:
        return np.zeros(len(moment))
    passes = np.round(moment / last)                            # the turn that is nearest
    distance = np.abs(moment - passes * last).astype(np.float64)
    if turn:
        slowed = (np.square(distance) + turn**2) / (2 * turn)   # meets `distance` with its slope, and stands at a turn
        distance = np.where((distance < turn) & (passes > 0), slowed, distance)
    return np.where(passes % 2 == 1, last - distance, distance)  # (t,)


def _at(track: np.ndarray, position: np.ndarray) -> np.ndarray:
    low = np.floor(position).astype(int)
    share = (position - low).reshape(-1, *[1] * (track.ndim - 1))
    return (1 - share) * track[low] + share * track[np.minimum(low + 1, len(track) - 1)]  # (t, ...)


def compose_motion(face: Iterable[np.ndarray], start: np.ndarray, *, head: Iterable[np.ndarray] | None = None,
                   lids: Iterable[np.ndarray] | None = None, head_scale: float = 1.0, lip_scale: float = 1.0,
                   lip_closure: float = 0.0, frames: int | None = None) -> Iterator[np.ndarray]:
    """Blocks (t, 68, 3) float32, cut as those of `face`: what the face does by itself, under another head's motion.

    `face` yields blocks of landmarks that begin with `start` (68, 3), pixels of a square canvas. `head` yields blocks
    (t, 6) of any size: rotations as they shall be, place and size against the start's; None keeps the head that is
    there. Between the start's pose and the head's lies a transition of a second, and one back to the start before the end
    where `frames`, the number of them all, is known. `lids` yields how far the eyes are closed (t,), 0 to 1. `head_scale`
    multiplies the head's turns, shifts and growth against the start, `lip_scale` the motion of lips and chin;
    `lip_closure` closes lips (`lips.closed_lips`), from the eighth frame on in full.
    Every frame depends on its number and on nothing else, so that blocks equal the whole. With neither head nor lids nor
    scales what comes in goes out, bit for bit. ValueError, one line, for a wrong scale and for a head or lids that end
    before the face does.
    """
    check_scales(head_scale=head_scale, lip_scale=lip_scale, lip_closure=lip_closure)
    start = checked_landmarks(np.asarray(start)[None])[0]
    return _composed(face, start, None if head is None else _Cut(head, "head motion"),
                     None if lids is None else _Cut(lids, "blinking"), head_scale, lip_scale, lip_closure, frames)


def _composed(face: Iterable[np.ndarray], start: np.ndarray, head: "_Cut | None", lids: "_Cut | None", head_scale: float,
              lip_scale: float, lip_closure: float, frames: int | None) -> Iterator[np.ndarray]:
    begin = 0
    for block in face:
        if head is None:
            block = scale_motion(block, start, head=head_scale, lips=lip_scale)
        if lids is not None:
            block = blinked(block, lids.take(len(block)))
        if head is not None:
            share = head_scale * transition(np.arange(begin, begin + len(block)), frames)
            block = scale_motion(reposed(block, start, head.take(len(block)), share), start, lips=lip_scale)
        if lip_closure:
            moment = np.arange(begin, begin + len(block))
            block = closed_lips(block, start, lip_closure * np.clip(moment / BEGIN_FRAMES, 0, 1))
        yield block
        begin += len(block)


def transition(moment: np.ndarray, frames: int | None) -> np.ndarray:
    """How much of a head motion is there (t,) at each moment of `frames`: 0 at both ends, 1 from a second away from them.

    The way between is smooth. Of short motions each end takes a quarter; without `frames` there is no second end.
    """
    length = TRANSITION_FRAMES if frames is None else min(TRANSITION_FRAMES, max(frames // 4, 1))
    left = np.full(len(moment), length) if frames is None else frames - 1 - moment
    x = np.clip(np.minimum(moment, left) / length, 0, 1)
    return x * x * (3 - 2 * x)  # (t,)


def reposed(points: np.ndarray, start: np.ndarray, head: np.ndarray, share: np.ndarray | float = 1.0) -> np.ndarray:
    """Landmarks (T, 68, 3) float32 with the own motion of `points` and, of the way from the start's pose, a `share` of
    `head` (T, 6), both as in `compose_motion`; `share` is a number or (T,). Own motion is that of lips, lids, brows and
    chin; of the skull it is taken for an error and left out.
    """
    points = checked_landmarks(points)
    if not len(points):
        return points
    frames, middle = points.astype(np.float64), start[_FIT].astype(np.float64).mean(0)
    share = np.broadcast_to(share, len(points)).astype(np.float64)                          # (T,)
    fit = similarity_fit(start[_FIT], frames[:, _FIT])
    aim = similarity_fit(canonical_face()[_FIT], start[_FIT].astype(np.float64))            # the start's own pose
    centred = (frames - frames[:, _FIT].mean(1, keepdims=True)) @ fit.rotation / fit.scale[:, None, None]
    rest = start.astype(np.float64) - middle
    centred = rest + _own_motion(centred - rest)                                            # (T, L, 3)
    away = rotation_vector(rotation_matrix(head[:, :3]) @ aim.rotation.T)                   # (T, 3)
    rotation = rotation_matrix(share[:, None] * away)                                       # (T, 3, 3)
    size = np.exp(share * head[:, 5])                                                       # (T,)
    shift = np.pad(aim.scale * share[:, None] * head[:, 3:5], ((0, 0), (0, 1)))             # (T, 3)
    posed = size[:, None, None] * (centred @ np.swapaxes(rotation, 1, 2)) + (middle + shift)[:, None]
    return posed.astype(np.float32)  # (T, L, 3)


def _own_motion(moved: np.ndarray) -> np.ndarray:
    """Of ways (T, 68, 3) from the start's face, what a face can do by itself.

    A skull does not move, whatever a generator says: the 17 rigid points and the jaw's ends stay, lids move against the
    corners of their eye, brows against their ends, lips and chin against the nose; along the jaw a raised cosine.
    """
    own = np.zeros_like(moved)
    for parts, anchors in _MOVABLE:
        own[:, parts] = moved[:, parts] - moved[:, anchors].mean(1, keepdims=True)
    own[:, _FIT] = 0
    own[:, :17] *= jaw_shares()[:, None]
    return own  # (T, 68, 3)


class _Cut:
    """A stream of blocks, handed out in pieces of any size."""

    def __init__(self, blocks: Iterable[np.ndarray], name: str):
        self._blocks, self._name, self._held = iter(blocks), name, None

    def take(self, count: int) -> np.ndarray:
        """The next `count` items. ValueError when there are not so many left."""
        parts, held = [], 0
        while held < count:
            block = self._held if self._held is not None and len(self._held) else next(self._blocks, None)
            if block is None:
                raise ValueError(f"the {self._name} ends before the face does; loop it or give a longer one")
            block = np.asarray(block, np.float64)
            parts.append(block[: count - held])
            self._held = block[count - held :]
            held += len(parts[-1])
        return np.concatenate(parts) if parts else np.zeros((0, HEAD_NUMBERS))
