"""What a renderer is: who draws frames gives these two calls and two facts, and is given one object for every block.

Shapes: K references, t frames of a block, m frames of margin on either side, T = t + 2 m, L = 68 landmarks, F = 26 features
of sound, P pixels of the canvas's side.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from render_stage.references import Reference


class Drive(NamedTuple):
    """All that may drive a block of frames. Frame i of the block is item m + i of `points`; its margins lie around it.

    Before the first frame of a motion and after its last one points, poses and source frames stand still and there is
    silence. What a renderer does not name in `needs` is None, but for the points, which are always there.
    """

    points: np.ndarray                  # (T, L, 3) float32: x right, y down, z away, canvas units of 256 whatever P is
    rows: np.ndarray | None = None      # (4 T, F) float32: the sound's log mel energies, `headsync.media.extract_features`
    pose: np.ndarray | None = None      # (T, 6) float64: rotation vector from the canonical face (radians), middle of the rigid
                                        # points (x, y in canvas units), logarithm of the size over the canonical face's
    source: np.ndarray | None = None    # (T, 256, 256, 3) uint8: the video that the motion was extracted from, on its canvas
    phonetics: np.ndarray | None = None     # (2 T, 384) float32: a recogniser's features, `headsync.media.phonetics`
    decibels: np.ndarray | None = None      # (4 T, 80) float32 in [0, 1]: mel energies, `headsync.media.decibels`


class Renderer(Protocol):
    """What draws a person. `render_video` and all else that shows frames know nothing more of it."""

    needs: frozenset[str]       # names of the parts of a drive that `frames` reads, such as {"points"}
    margin_frames: int          # m: frames that it must see before and after those that it draws; 0: each one alone

    def prepare(self, references: Sequence[Reference]) -> Any:
        """All that is constant for a person: once, from K references of one size P. What it is only `frames` knows."""

    def frames(self, identity: Any, drive: Drive) -> np.ndarray:
        """Pictures (t, P, P, 3) uint8 of a drive of T = t + 2 m frames. However a motion is cut, the frames are the same."""


def check_renderer(renderer: object) -> None:
    """ValueError, one line that names what is missing, for anything that is no `Renderer`."""
    name = type(renderer).__name__
    calls = [call for call in ("prepare", "frames") if not callable(getattr(renderer, call, None))]
    facts = [fact for fact in ("needs", "margin_frames") if not hasattr(renderer, fact)]
    if not calls and len(facts) == 2:
        raise ValueError(f"{name} is a renderer of headsync 0.1, whose frames(identity, points) took landmarks: write "
                         'frames(identity, drive), where drive.points are those landmarks, needs = frozenset({"points"}) and '
                         "margin_frames = 0")
    if calls or facts:
        raise ValueError(f"{name} is no renderer, it has no {', '.join(calls + facts)}; give what load_renderer returns or an "
                         "object of the form of render_stage.Renderer")
    needs, margin = renderer.needs, renderer.margin_frames
    if isinstance(needs, str) or not set(needs) <= set(Drive._fields):
        raise ValueError(f"{name}.needs must be some of {', '.join(Drive._fields)}, got {needs!r}")
    if not isinstance(margin, int) or margin < 0:
        raise ValueError(f"{name}.margin_frames must be 0 or more whole frames, got {margin!r}")


def checked_frames(frames: object, *, count: int, pixels: int, renderer: object) -> np.ndarray:
    """The frames that a renderer drew. ValueError, one line, unless they are `count` of (`pixels`, `pixels`, 3) uint8."""
    wanted, name = (count, pixels, pixels, 3), type(renderer).__name__
    if not isinstance(frames, np.ndarray) or frames.shape != wanted or frames.dtype != np.uint8:
        given = f"{frames.dtype} {frames.shape}" if isinstance(frames, np.ndarray) else type(frames).__name__
        raise ValueError(f"{name}.frames must return uint8 {wanted}, got {given}")
    return frames
