"""Sound to a motion file by either generator, under whichever head: what the commands call.

Shapes: T frames, L = 68 landmarks.
"""

import argparse
import json
from dataclasses import replace
from importlib import metadata
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from headsync import media
from headsync.experiment import fingerprint
from headsync.landmarks import IBUG68, LandmarkSequence, OpenSequence, SequenceWriter, producer_json
from landmark_stage.articulation.generate import OWN_LIPS, load_lips
from landmark_stage.articulation.network import Articulation
from landmark_stage.control import MotionChoice
from landmark_stage.expression.generate import load_expression, stream_expression
from landmark_stage.expression.network import Expression
from landmark_stage.generate import (
    MotionControl,
    audio_provenance,
    load_generator,
    start_face,
    stream_landmarks,
    write_landmarks,
)
from landmark_stage.ms_sync.generator import Generator
from landmark_stage.push import device_of

GENERATORS = ("ms-sync", "expression")


def motion_control(options: argparse.Namespace) -> MotionControl:
    """What `add_generator_arguments` asked of a generator. ValueError for values out of range."""
    return MotionControl(options.seed, options.noise, options.head_scale, options.lip_scale)


def load_speaker(generator: str = "ms-sync", model: str | Path | None = None, *,
                 device: str | torch.device = "auto") -> Generator | Expression:
    """A generator by name, with the weights `model` (default: `long`, or the shipped expression learner). ValueError."""
    if generator not in GENERATORS:
        raise ValueError(f"--generator takes {' or '.join(GENERATORS)}, got {generator!r}")
    if generator == "expression":
        return load_expression("expression" if model is None else model, device=device)
    return load_generator("long" if model is None else model, device=device)


def write_motion(audio: str | Path | media.Sound, start: LandmarkSequence | None, out: str | Path, *,
                 speaker: Generator | Expression, control: MotionControl, motion: MotionChoice,
                 lips: Articulation | str | Path = "articulation",
                 lips_from: str | Path | np.ndarray | media.Sound | None = None) -> int:
    """The number of frames of the motion now in `out` (.npz), made in constant memory: a face speaks, its head does as chosen.

    Scales are those of `motion`; seed and noise those of `control`; `lips` and `lips_from` as in `generate_landmarks`, the
    expression learner has its own lips. Heads that follow the sound follow `lips_from` too. ValueError, one line, as the parts
    have it.
    """
    start, lips = start or start_face(), load_lips(lips, device=device_of(speaker)) or OWN_LIPS
    audio = media.followed_sound(media.open_sound(audio), lips_from)
    if motion.plain and isinstance(speaker, Generator):
        scaled = replace(control, head_scale=motion.head_scale, lip_scale=motion.lip_scale)
        return write_landmarks(audio, start, out, generator=speaker, control=scaled, lips=lips)
    asked, whose = motion, fingerprint(speaker)
    if isinstance(speaker, Generator):
        whose = lips if lips == OWN_LIPS else fingerprint(lips)
        absolute = lips != OWN_LIPS     # shapes about the neutral mouth are scaled about it, others about the start
        blocks = stream_landmarks(audio, start, generator=speaker, lips=lips, control=replace(
            control, head_scale=1.0, lip_scale=motion.lip_scale if absolute else 1.0))
        motion = replace(motion, lip_scale=1.0) if absolute else motion
    else:
        blocks = stream_expression(audio, start, model=speaker, reference=motion.reference)
    frames = audio.frames
    producer = producer_json(program="gen_landmarks", version=metadata.version("headsync"), weights=fingerprint(speaker),
                         generator="ms-sync" if isinstance(speaker, Generator) else "expression", seed=control.seed,
                         noise=control.noise, lips=whose, **audio_provenance(audio), **asked.provenance())
    with SequenceWriter(out, frames=frames, fps=float(media.FPS), size=start.size, crop=start.crop,
                        producer=producer) as writer:
        with media.stage("motion", total=frames, unit="frame") as step:
            for block in motion.applied(blocks, start.points[0], audio=audio, frames=frames, size=start.size):
                writer.write(block)
                step(len(block))
    return frames


def rewrite_motion(landmarks: str | Path, out: str | Path, *, motion: MotionChoice,
                   audio: str | Path | media.Sound | None) -> int:
    """The number of frames of the motion now in `out` (.npz): that of the file `landmarks`, its head and lids as chosen.

    In constant memory; `audio` is what learned heads follow. ValueError, one line, as the parts have it.
    """
    opened = OpenSequence(landmarks)
    header, blocks, visible = opened.header, opened.blocks(), opened.visible
    if header.fps != media.FPS or header.layout != IBUG68 or header.size[0] != header.size[1]:
        raise ValueError(f"{landmarks} has {header.fps:g} frames per second, layout {header.layout} and a canvas of "
                         f"{header.size}; heads are put on {media.FPS}, {IBUG68} and a square: extract or generate it anew")
    first = next(blocks)
    producer = producer_json(**json.loads(header.producer) | motion.provenance())
    with SequenceWriter(out, frames=header.frames, fps=header.fps, size=header.size, crop=header.crop, layout=header.layout,
                        producer=producer) as writer:
        for block in motion.applied(chain([first], blocks), first[0], audio=audio, frames=header.frames, size=header.size):
            writer.write(block, visible[writer.frames : writer.frames + len(block)])
    return header.frames
