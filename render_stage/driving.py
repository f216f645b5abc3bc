"""The drive of a video, block by block: landmarks on the canvas and whatever else a renderer reads, each with its margins.

Shapes: t frames of a block, m frames of margin, L = 68 landmarks, n items of one frame (1, or the 4 rows of its sound).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import count

import numpy as np

from headsync import media
from headsync.landmarks import RIGID17, canonical_face, rotation_vector, similarity_fit
from headsync.media.decibels import root_mean_square, stream_decibels
from headsync.media.kinds import feature_kind
from headsync.media.phonetics import PHONETIC_ROWS_PER_FRAME
from render_stage.contract import Drive

SILENCE_DB = -20.0          # log energy of a row where there is no sound
# Of each part of a drive that is sound: its rows a frame, and what stands where there is none; None: its first or last row
SOUND_PARTS = {"rows": (media.ROWS_PER_FRAME, SILENCE_DB), "phonetics": (PHONETIC_ROWS_PER_FRAME, None),
               "decibels": (media.ROWS_PER_FRAME, 0.0)}
_FIT = list(RIGID17)


def drives(points: Iterable[np.ndarray], *, needs: Iterable[str], block_frames: int, margin: int,
           sound: Mapping[str, Iterable[np.ndarray]] | None = None,
           source: Iterable[np.ndarray] | None = None) -> Iterator[Drive]:
    """Drives of `block_frames` frames, the last one of fewer, with `margin` frames on either side of each.

    `points` (t, L, 3) on the canvas come in blocks of any size and say how many frames there are. `source` (t, 256, 256, 3) and
    the parts of the sound, by their names as `sound_parts` gives them, come as they like; where they end early, silence and the
    last frame follow. ValueError, one line, when something is needed that is not given.
    """
    check_given(needs, sound=sound, source=source)
    parts = {"points": lambda: windows(points, size=block_frames, margin=margin)}
    for name in SOUND_PARTS.keys() & set(needs):
        items, filled = SOUND_PARTS[name]
        parts[name] = partial(windows, _followed(sound[name], items, filled), size=block_frames, margin=margin, items=items,
                              filled=filled)
    if "source" in needs:
        parts["source"] = lambda: windows(_followed(source), size=block_frames, margin=margin)
    return _joined(parts, pose="pose" in needs)


def check_given(needs: Iterable[str], *, sound: object, source: object) -> None:
    """ValueError, one line, when a renderer reads a sound or source frames and there are None."""
    if SOUND_PARTS.keys() & set(needs) and sound is None:
        raise ValueError("this renderer reads the sound; give audio")
    if "source" in needs and source is None:
        raise ValueError("this renderer reads the video that the motion was extracted from; give source")


def sound_parts(sound: media.Sound, needs: Iterable[str]) -> dict[str, Iterator[np.ndarray]]:
    """The parts of a drive that are sound and are needed, by name, piece by piece in constant memory."""
    made = {"rows": sound.rows, "phonetics": lambda: _phonetic_rows(sound),
            "decibels": lambda: stream_decibels(sound.blocks(), root_mean_square(sound.blocks()), sound.samples)}
    return {name: made[name]() for name in SOUND_PARTS.keys() & set(needs)}


def _phonetic_rows(sound: media.Sound) -> Iterator[np.ndarray]:
    stream = feature_kind("whisper").listener()(sound.level)
    for block in sound.blocks():
        yield stream.push(block)
    yield stream.finish()


def _joined(parts: Mapping[str, Callable[[], Iterator[np.ndarray]]], *, pose: bool) -> Iterator[Drive]:
    streams = {name: opened() for name, opened in parts.items()}
    for points in streams.pop("points"):
        others = {name: next(stream) for name, stream in streams.items()}
        others = {name: part[: SOUND_PARTS.get(name, (1, None))[0] * len(points)] for name, part in others.items()}
        yield Drive(points, pose=frame_poses(points) if pose else None, **others)


def windows(blocks: Iterable[np.ndarray], *, size: int, margin: int, items: int = 1,
            filled: float | None = None) -> Iterator[np.ndarray]:
    """Blocks (n (t + 2 m), ...) of `size` frames, the last one of fewer, with `margin` frames on either side.

    `items` n make a frame. Beyond both ends the first and the last item are held, or all is `filled`.
    """
    wanted, held = items * (size + 2 * margin), None
    for block in _beyond(blocks, items * margin, filled):
        held = block if held is None else np.concatenate([held, block])
        while len(held) >= wanted:
            yield held[:wanted].copy()
            held = held[items * size :]
    if held is not None and len(held) > 2 * items * margin:
        yield held


def _beyond(blocks: Iterable[np.ndarray], margin: int, filled: float | None) -> Iterator[np.ndarray]:
    """The blocks between `margin` items before and after."""
    last = None
    for block in blocks:
        if last is None and len(block) and margin:
            yield _edge(block[:1], margin, filled)
        last = block[-1:] if len(block) else last
        yield block
    if last is not None and margin:
        yield _edge(last, margin, filled)


def _edge(item: np.ndarray, times: int, filled: float | None) -> np.ndarray:
    edge = item.repeat(times, 0)
    if filled is not None:
        edge[:] = filled
    return edge


def _followed(blocks: Iterable[np.ndarray], items: int = 1, filled: float | None = None) -> Iterator[np.ndarray]:
    """The blocks, then without end the last item, or what is `filled`, `items` at a time."""
    last = None
    for block in blocks:
        last = block[-1:] if len(block) else last
        yield block
    if last is None:
        raise ValueError("there is nothing in what the renderer reads")
    yield from (_edge(last, items, filled) for _ in count())


def frame_poses(points: np.ndarray) -> np.ndarray:
    """Head poses (t, 6) float64 of landmarks (t, L, 3) as `Drive` has them, every frame by itself.

    Over the 17 rigid points off the jaw. ValueError for points that are not finite or coincide.
    """
    frames = np.asarray(points, np.float64)[:, _FIT]                                        # (t, 17, 3)
    fit = similarity_fit(canonical_face()[_FIT], frames)
    return np.concatenate([rotation_vector(fit.rotation), frames.mean(1)[:, :2], np.log(fit.scale)[:, None]], axis=1)  # (t, 6)
