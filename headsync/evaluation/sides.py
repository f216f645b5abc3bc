"""One clip's two sides, generated and real, on one canvas: landmarks found or read, pictures as they come, sound.

Shapes: T frames, H W pixels, L = 68 landmarks, k rows of F features a frame. Points: pixels of the reference's canvas of 256.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import cv2
import numpy as np

from headsync import media
from headsync.evaluation.items import Item, Material
from headsync.landmarks import LandmarkSequence, to_canvas
from headsync.landmarks.detection import CANVAS_PX, Detector, extract
from headsync.media.kinds import FeatureName, sound_features

ASPECT_SLACK = 0.01         # pictures whose sides' ratios differ by more show different things
OUTSIDE_PX = 1.0            # by which a crop may lie outside of a picture that it was taken from

Crop = tuple[float, float, float, float]


class Side(NamedTuple):
    """One side of a clip."""

    points: np.ndarray      # (T, L, 3) float32
    visible: np.ndarray     # (T,) bool
    frames: Callable[[], Iterator[np.ndarray]] | None   # (H, W, 3) uint8 each, H W the reference's; None without pictures

    def cut(self, frames: int) -> "Side":
        """The first so many frames."""
        return Side(self.points[:frames], self.visible[:frames], self.frames)

    def held(self) -> "Side":
        """The first frame standing still: an anchor."""
        def still() -> Iterator[np.ndarray]:
            frame = next(self.frames())
            return iter([frame] * len(self.points))

        return Side(np.repeat(self.points[:1], len(self.points), 0), np.repeat(self.visible[:1], len(self.visible)),
                    None if self.frames is None else still)


class Reference(NamedTuple):
    """A real clip, to which several methods' clips are compared."""

    side: Side
    crop: Crop              # of the canvas, in pixels of its own picture
    size: tuple[int, int]   # height, width of that picture
    sound: "ItsSound | None"    # None when it has none


class ItsSound(NamedTuple):
    """What is known of a clip's sound."""

    energies: np.ndarray    # (4T, 26) log mel energies, which tell silence
    features: np.ndarray       # (kT, F) features that the syncers take as input

    def cut(self, frames: int) -> "ItsSound":
        """The sound of the first frames."""
        k = len(self.features) * media.ROWS_PER_FRAME // len(self.energies)
        return ItsSound(self.energies[: media.rows_for_frames(frames)], self.features[: k * frames])


class _Seen(NamedTuple):
    """Landmarks in the pixels of a picture."""

    points: np.ndarray      # (T, L, 3) float64
    visible: np.ndarray
    crop: Crop
    size: tuple[int, int]   # height, width


def open_reference(material: Material, detector: Detector, *, from_video: bool, features: FeatureName = "fbank26") -> Reference:
    """The real clip; its landmarks from the video where the generated ones are (`from_video`), else from its sequence.

    `features` are those that the syncers take as input.
    So both sides are always looked at by the same eyes. ValueError, one line, for what cannot be read or shows no face.
    """
    if (from_video or material.sequence is None) and material.video is not None:
        seen = _in_video(material, detector)
    elif material.sequence is not None:
        seen = _in_sequence(material)
    else:
        raise ValueError(f"{material.shown} shows no face; the reference must be a video or a landmark sequence")
    points = to_canvas(seen.points, seen.crop, CANVAS_PX)
    frames = None if material.video is None else lambda: media.read_frames(material.video)
    return Reference(Side(points, seen.visible, frames), seen.crop, seen.size,
                     clip_sound(material, frames=len(points), features=features))


def open_generated(item: Item, reference: Reference, detector: Detector) -> Side:
    """The generated clip on the reference's canvas.

    A video shows what the reference's picture shows, whole, in whatever size; landmarks are found in it. A sequence is
    taken to lie on the same canvas, or, where the reference is a video that its crop fits into, where that crop says.
    ValueError, one line, for pictures of another shape and for what cannot be read or shows no face.
    """
    material = item.generated
    if material.video is None:
        if material.sequence is None:
            raise ValueError(f"{material.shown} is a sound; give a video or a landmark sequence")
        return _placed(_read_sequence(material), reference)
    seen = _in_video(material, detector)
    (height, width), (wanted_height, wanted_width) = seen.size, reference.size
    if abs(width * wanted_height / (height * wanted_width) - 1) > ASPECT_SLACK:
        raise ValueError(f"{material.video} shows {width}x{height}, its reference {wanted_width}x{wanted_height}: not the same "
                         "picture in another size; render and compare on one canvas")
    points = to_canvas(seen.points * (wanted_width / width), reference.crop, CANVAS_PX)

    def frames() -> Iterator[np.ndarray]:
        for frame in media.read_frames(material.video):
            yield resized(frame, reference.size)

    return Side(points, seen.visible, frames)


def clip_sound(material: Material, *, frames: int, features: FeatureName = "fbank26") -> ItsSound | None:
    """Features of a clip's sound for T = `frames`, cut or filled with silence; None without sound."""
    place = material.audio or material.video
    if material.silent or place is None or (material.audio is None and not media.video_info(place).has_audio):
        return None
    waveform = media.read_audio(place)[: media.samples_for_frames(frames)]
    filled = np.zeros(media.samples_for_frames(frames), np.float32)
    filled[: len(waveform)] = waveform
    energies = media.extract_features(filled)       # (4T, 26)
    return ItsSound(energies, energies if features == "fbank26" else sound_features(filled, features))


def resized(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The frame in another size (height, width)."""
    if frame.shape[:2] == tuple(size):
        return frame
    shrinks = frame.shape[0] > size[0]
    return cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def _in_video(material: Material, detector: Detector) -> _Seen:
    sequence = extract(material.video, detector=detector).sequence
    scale = (sequence.crop[2] - sequence.crop[0]) / sequence.size[1]
    points = sequence.points.astype(np.float64) * scale + (sequence.crop[0], sequence.crop[1], 0)
    return _Seen(points, sequence.visible, sequence.crop, next(media.read_frames(material.video)).shape[:2])


def _in_sequence(material: Material) -> _Seen:
    sequence = _read_sequence(material)
    height, width = sequence.size
    crop = (0.0, 0.0, float(width), float(height))
    return _Seen(sequence.points.astype(np.float64), sequence.visible, crop, (height, width))


def _read_sequence(material: Material) -> LandmarkSequence:
    sequence = LandmarkSequence.load(material.sequence)
    height, width = sequence.size
    if height != width or sequence.fps != media.FPS:
        raise ValueError(f"{material.sequence} has a canvas of {width}x{height} and {sequence.fps:g} frames per second; "
                         f"compared are square ones at {media.FPS}: extract or generate it with headsync")
    return sequence


def _placed(sequence: LandmarkSequence, reference: Reference) -> Side:
    x0, y0, x1, y1 = sequence.crop
    height, width = reference.size
    whole = reference.crop == (0.0, 0.0, float(width), float(height))
    inside = min(x0, y0) >= -OUTSIDE_PX and x1 <= width + OUTSIDE_PX and y1 <= height + OUTSIDE_PX
    if whole or not inside:
        return Side(sequence.in_unit() * np.float32(CANVAS_PX), sequence.visible, None)
    points = sequence.in_unit().astype(np.float64) * (x1 - x0) + (x0, y0, 0)
    return Side(to_canvas(points, reference.crop, CANVAS_PX), sequence.visible, None)
