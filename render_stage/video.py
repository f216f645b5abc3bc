"""A landmark sequence and references of a face in, a video out: the sequence brought to the references' canvas, its frames
streamed from the renderer into the encoder.

Shapes: T frames, t frames of a block, L = 68 landmarks, P pixels of the canvas's side, H W of what is written.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from headsync import media
from headsync.landmarks import IBUG68, LandmarkSequence, OpenSequence, SequenceHeader, crop_picture, fixed_crop
from headsync.landmarks.detection import CANVAS_PX
from headsync.landmarks.detection.detectors import landmark_boxes
from render_stage.alignment import Carry, Crop, MotionSurvey, carry_over, crop_placement
from render_stage.compositing import PasteBack
from render_stage.contract import Drive, Renderer, check_renderer, checked_frames
from render_stage.driving import check_given, drives, sound_parts
from render_stage.references import ReferenceSet, read_references
from render_stage.registry import load_renderer
from render_stage.retiming import frames_at, rate_of, retimed, shown_at

BLOCK_FRAMES = 50           # that are rendered at once; of frames above 256 x 256 as many as fill the same memory
SURVEY_FRAMES = 250
PRESET = "veryfast"         # of x264: less than half of medium's time, for 0.9 dB at equal size
AUDIO_SLACK_FRAMES = 1      # a sequence that is so much shorter or longer than its sound is held or cut


class Motion(NamedTuple):
    """A sequence that can be gone through several times."""

    header: SequenceHeader
    blocks: Callable[[int], Iterator[np.ndarray]]   # of so many frames, (t, L, 3) in canvas units of 256


class Alignment(NamedTuple):
    """How a motion comes to the references' canvas."""

    crop: Crop              # of the canvas in the first source
    carry: Carry | None     # None: the motion lives in that source and is used as it is


class RenderReport(NamedTuple):
    """What was written."""

    frames: int
    carried: bool           # the motion came from another picture than the first reference's
    wall_s: float           # rendering and encoding
    rate: Fraction          # frames a second: 25, or those of the video that the head was put back into


def open_motion(sequence: str | Path | LandmarkSequence | Motion) -> Motion:
    """A sequence, or a `landmarks/1` file read once, in constant memory. ValueError for one that cannot be rendered."""
    if isinstance(sequence, Motion):
        return sequence
    if isinstance(sequence, LandmarkSequence):
        fields = (sequence.fps, sequence.size, sequence.crop, sequence.layout, sequence.producer)
        opened, header, name = None, SequenceHeader(len(sequence), *fields), "the sequence"
    else:
        opened, name = OpenSequence(sequence), str(sequence)
        header = opened.header
    if header.fps != media.FPS or header.layout != IBUG68 or header.size[0] != header.size[1]:
        raise ValueError(f"{name} has {header.fps:g} frames per second, layout {header.layout} and a canvas of {header.size}; "
                         f"rendered are {media.FPS}, {IBUG68} and a square: extract or generate it with headsync")
    unit = np.float32(CANVAS_PX / header.size[0])

    def blocks(block_frames: int) -> Iterator[np.ndarray]:
        if opened is None:
            return media.recut([sequence.points * unit], block_frames)
        return (block * unit for block in opened.blocks(block_frames))

    return Motion(header, blocks)


def align(motion: Motion, references: ReferenceSet) -> Alignment:
    """Where the canvas lies and how the motion comes to it, from one or two passes over the motion.

    A motion that was extracted from the first source's picture, or made for it, keeps its canvas and its every bit.
    Another one is carried over to a canvas as the corpus's are: round the head wherever it goes.
    """
    crop, source = motion.header.crop, references.sources[0]
    points = references.points()                                                            # (K, L, 3)
    survey = MotionSurvey(motion.header.frames, crop_placement(crop).apply(points))
    for block in motion.blocks(SURVEY_FRAMES):
        survey.add(block)
    if survey.at_home and references.covers(crop):
        return Alignment(crop, None)
    carry = carry_over(survey, points)
    boxes = [landmark_boxes(carry.points(block)) for block in motion.blocks(SURVEY_FRAMES)]     # each (t, 4)
    return Alignment(fixed_crop(np.concatenate([landmark_boxes(points[:1]), *boxes]), source.size), carry)


@media.checked
def render_video(sequence: str | Path | LandmarkSequence | Motion,
                 references: ReferenceSet | str | Path | Sequence[str | Path], out: str | Path, *,
                 audio: str | Path | media.Sound | None = None, renderer: Renderer | None = None, size: int = CANVAS_PX,
                 paste_back: bool = False, count: int = 8, face: str = "largest",
                 source: str | Path | Iterable[np.ndarray] | None = None, quality: str | None = None,
                 background: media.Colour = media.WHITE, device: str | torch.device = "auto",
                 progress: bool = False) -> RenderReport:
    """What was written to `out` (.mp4): the face of the references, moving as the sequence, with the sound of `audio`.

    `references` are pictures and clips, of which `size`, `count` and `face` are told to `read_references`, or what that has
    read. There are as many frames as the sequence has, with sound ceil(25 x its seconds); memory does not grow with their
    number. `paste_back` puts the head back into the first reference's picture or video, in its full size up to 9.4
    megapixels, and at a video's own rate, to which the motion is interpolated. `quality` is a name of `media.QUALITIES`, by
    default good, and visually-lossless with `paste_back`; what is transparent in references is laid on `background`.
    `audio` is a file or an open sound of one (`media.open_sound`). `renderer` is anything of the form of
    `render_stage.Renderer`, by default the shipped small one on `device` (auto, cpu, cuda or cuda:N). `source` is the video
    that the motion was extracted from, or its canvases (t, 256, 256, 3), for renderers that read its frames. ValueError, one
    line, for input that cannot be used and for sound of another length than the sequence; nothing is then under the final
    name.

    >>> import headsync
    >>> made = headsync.render_video("motion.npz", "photo.jpg", "talk.mp4", audio="speech.wav")
    >>> made.frames
    10
    """
    if renderer is not None:
        check_renderer(renderer)
        check_given(renderer.needs, sound=audio, source=source)
    motion = open_motion(sequence)
    sound = None if audio is None else media.open_sound(audio)
    if sound is not None and sound.path is None:
        raise ValueError("a video's sound is copied from a file and this one is a waveform; write it to a file first")
    frames = shown_frames(motion.header.frames, sound)
    if not isinstance(references, ReferenceSet):
        references = read_references(references, count=count, face=face, size=size, background=background, progress=progress)
    renderer = load_renderer(device=device) if renderer is None else renderer
    alignment = align(motion, references)
    identity = renderer.prepare(references.on_canvas(alignment.crop))
    home = references.sources[0]
    rate = rate_of(home.path) if paste_back else Fraction(media.FPS)
    frames, of_motion = frames_at(frames, rate), frames
    paste = PasteBack(home.path, size=home.size, frames=frames_at(home.frames, rate), crop=alignment.crop, outline=home.outline,
                      length=frames, rate=rate, background=home.background) if paste_back else None
    block_frames = max(1, min(BLOCK_FRAMES, BLOCK_FRAMES * CANVAS_PX**2 // references.pixels**2))
    points = retimed(canvas_blocks(motion, alignment, frames=of_motion, block_frames=block_frames), rate)
    parts = {} if sound is None else sound_parts(sound, renderer.needs)
    driven = drives(points, needs=renderer.needs, block_frames=block_frames, margin=renderer.margin_frames,
                    sound=None if sound is None else {name: retimed(part, rate) for name, part in parts.items()},
                    source=None if source is None else canvas_frames(source, motion.header.crop, rate))
    began = time.monotonic()
    size = paste.size if paste else (references.pixels, references.pixels)
    original, stream = (None, None) if sound is None else (sound.path, sound.stream)
    writing = media.VideoWriter(out, size=size, audio=original, audio_stream=stream, rate=rate, preset=PRESET,
                                quality=quality or ("visually-lossless" if paste_back else "good"))
    with media.shown_progress(progress), writing as writer, \
            media.stage(f"rendering {Path(out).name}", total=frames, unit="frame") as step:

        def write(canvases: np.ndarray, points: np.ndarray) -> None:
            for canvas, face_points in zip(canvases, points, strict=True):
                writer.write(paste.frame(canvas, face_points) if paste else canvas)
            step(len(canvases))

        draw(renderer, identity, driven, pixels=references.pixels, write=write)
    return RenderReport(frames, alignment.carry is not None, time.monotonic() - began, rate)


def draw(renderer: Renderer, identity: Any, driven: Iterable[Drive], *, pixels: int,
         write: Callable[[np.ndarray, np.ndarray], None]) -> None:
    """Draw every block; one is written, with its canvases (t, P, P, 3) and points (t, L, 3), while the next is rendered."""
    margin, pending = renderer.margin_frames, None
    with ThreadPoolExecutor(1) as encoder:
        for drive in driven:
            points = drive.points[margin : len(drive.points) - margin]                              # (t, L, 3)
            canvases = checked_frames(renderer.frames(identity, drive), count=len(points), pixels=pixels, renderer=renderer)
            if pending is not None:
                pending.result()
            pending = encoder.submit(write, canvases, points)
        pending.result()


def shown_frames(frames: int, sound: media.Sound | None) -> int:
    """How many frames are to be shown of a sequence of `frames`: as many as cover the sound, where there is one.

    ValueError when that is not the sequence's number, give or take one.
    """
    if sound is None:
        return frames
    length = sound.frames
    if abs(length - frames) > AUDIO_SLACK_FRAMES:
        raise ValueError(f"{sound.path} lasts {length} frames ({length / media.FPS:.2f} s) but the sequence has {frames}; give "
                         "the sound that the sequence was made from, or make the sequence from this sound")
    return length


def canvas_frames(source: str | Path | Iterable[np.ndarray], crop: Crop, rate: Fraction) -> Iterator[np.ndarray]:
    """Frames (1, 256, 256, 3) uint8 of a video at `rate`, each cropped to a motion's canvas in it; canvases as they are."""
    if not isinstance(source, str | Path):
        yield from shown_at(source, rate)
        return
    for frame in media.read_frames(source, rate=rate):
        yield crop_picture(frame, crop, CANVAS_PX)[None]


def canvas_blocks(motion: Motion, alignment: Alignment, *, frames: int, block_frames: int) -> Iterator[np.ndarray]:
    """The motion on the references' canvas, (t, L, 3) float32 in units of 256, cut or with its last frame held."""
    placement, left, last = crop_placement(alignment.crop), frames, None
    blocks = motion.blocks(block_frames)
    if alignment.carry is not None:
        blocks = (placement.apply(alignment.carry.points(block)) for block in blocks)
    for block in blocks:
        if left:
            yield block[:left]
        left, last = max(0, left - len(block)), block[-1:]
    if left:
        yield last.repeat(left, 0)
