"""A video given another sound, and the mouth that says it; nothing else in it is touched."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch

from headsync import media
from headsync.landmarks import IBUG68, LandmarkSequence
from headsync.landmarks.detection import make_detector
from headsync.media.containers import shown_name
from headsync.media.quality import encoder_options
from landmark_stage.articulation.generate import load_articulation
from landmark_stage.articulation.network import Articulation
from landmark_stage.articulation.on_video import VideoLips, lips_of_sequence, lips_of_sound
from render_stage import Renderer, load_renderer
from render_stage.dubbing.job import write_dub
from render_stage.dubbing.plan import check_policies, length_ticks
from render_stage.dubbing.survey import Passed, Survey, survey_video

LEAST_SOUND_S = 0.2
_log = logging.getLogger(__name__)


class Dubbed(NamedTuple):
    """What `dub` has written."""

    video: Path
    frames: int                     # of the result
    dubbed: int                     # of them, those whose mouth was drawn anew
    passed: tuple[Passed, ...]      # frames of the source that went through as they are, and why
    shots: int                      # in which a mouth was drawn
    rate: Fraction                  # frames per second, the average one
    size: tuple[int, int]           # height, width
    wall_s: float                   # drawing and encoding


@media.checked
def dub(video: str | Path, audio: str | Path, out: str | Path, *, renderer: Renderer | str = "rhythmic_head",
        landmarks: str | Path | None = None, lips: Articulation | str | Path = "articulation", lip_scale: float = 1.0,
        face: str = "largest", longer: str = "bounce", shorter: str = "silence", quality: str = "visually-lossless",
        keep_sound_bed: float | None = None, references: int = 8, size: int | None = None,
        device: str | torch.device = "auto", progress: bool = False) -> Dubbed:
    """The video `out` (.mp4): `video` with the sound of `audio`, in which one face's mouth says it.

    Size, frame rate, time stamps, colour tags and bit depth are the video's; outside the mouth's mask every frame goes to the
    encoder as it was decoded. Lips come from the articulation learner `lips`, or from a sequence `landmarks` (.npz), and are
    put into the video's own landmarks. `face` is largest, centre, an index from the left or a place `x,y`. `longer` says what
    the picture does under a longer sound (cut, bounce, loop, hold), `shorter` what happens after a shorter one (cut, silence).
    `quality` is a name of `headsync.media.QUALITIES`; `keep_sound_bed` mixes the video's own sound in, so many dB louder
    (below 0 softer). `renderer` is what `headsync.load_renderer` takes or returns, `size` its canvas's side. Frames without
    the face are passed through and listed in the result. Memory does not grow with length but for 3 kB a frame. ValueError,
    one line, for input that cannot be used; nothing is then under the final name.

    >>> import headsync
    >>> made = headsync.dub("talk.mp4", "speech.wav", "dubbed.mp4")
    >>> made.frames, made.dubbed, made.passed
    (10, 10, ())
    """
    check_policies(longer, shorter)
    encoder_options("libx264", quality, "veryfast")
    with media.shown_progress(progress), ExitStack() as held:
        sound, survey = _long_enough(audio), _surveyed(video, face)
        ticks = length_ticks(survey, Fraction(sound.samples, media.SAMPLE_RATE_HZ), longer=longer, shorter=shorter)
        model = lips if isinstance(lips, Articulation) else load_articulation(lips, device=device)
        mouths = _mouths(survey, sound, landmarks, model, lip_scale)
        soundtrack = audio
        if keep_sound_bed is not None:
            folder = held.enter_context(TemporaryDirectory())
            soundtrack = media.mixed_sound(audio, video, Path(folder) / "mixed.flac", bed_db=keep_sound_bed,
                                           seconds=ticks * survey.form.time_base)
        made = write_dub(survey, mouths, out, sound=sound, soundtrack=soundtrack, ticks=ticks, longer=longer, quality=quality,
                         renderer=load_renderer(renderer, device=device) if isinstance(renderer, str) else renderer,
                         count=references, size=size)
    shots = len({stretch.shot for stretch in survey.stretches})
    return Dubbed(Path(out), made.frames, made.dubbed, tuple(survey.passed), shots, survey.form.rate,
                  (survey.form.height, survey.form.width), made.wall_s)


def _long_enough(audio: str | Path) -> media.Sound:
    sound = media.open_sound(audio)
    seconds = sound.samples / media.SAMPLE_RATE_HZ
    if seconds < LEAST_SOUND_S:
        raise ValueError(f"{shown_name(audio)}: {seconds:.2f} s of sound are too short to be said; give {LEAST_SOUND_S:g} s or "
                         "more")
    return sound


def _surveyed(video: str | Path, face: str) -> Survey:
    detector = make_detector()
    try:
        survey = survey_video(video, detector, face=face)
    finally:
        detector.close()
    form = survey.form
    notes = []
    if survey.faces > 1 and face == "largest":
        notes.append(f"{survey.faces} faces are seen; the largest is given the new mouth (--face says another one)")
    if form.interlaced:
        notes.append("it is interlaced; the result is progressive")
    if form.width % 2 or form.height % 2:
        notes.append(f"{form.width}x{form.height} is odd; the last line is repeated once, as the codec asks for")
    if form.bits > 8:
        notes.append(f"{form.bits} bits a colour are kept, as HEVC; what is drawn has 8")
    for note in notes:
        _log.warning("%s: %s", shown_name(video), note)
    return survey


def _mouths(survey: Survey, sound: media.Sound, landmarks: str | Path | None, model: Articulation, scale: float) -> VideoLips:
    """The lips, which have met the person of every shot."""
    if landmarks is None:
        mouths = lips_of_sound(sound, model, lip_scale=scale)
    else:
        sequence = LandmarkSequence.load(landmarks)
        if sequence.layout != IBUG68 or sequence.fps != media.FPS:
            raise ValueError(f"{landmarks} has {sequence.fps:g} frames per second and layout {sequence.layout}; lips are taken "
                             f"from {media.FPS} and {IBUG68}")
        mouths = lips_of_sequence(sequence, model, lip_scale=scale)
    for shot in {stretch.shot for stretch in survey.stretches}:
        mouths.meet(shot, np.concatenate([one.points for one in survey.stretches if one.shot == shot]))
    return mouths


def passed_lines(passed: Sequence[Passed]) -> list[str]:
    """A line for each run of frames that went through as they are."""
    return [f"frames {one.start} to {one.stop - 1} passed through: {one.reason}" for one in passed]
