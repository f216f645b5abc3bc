"""Sound, and a few seconds of a person, to head motion of any length, block by block.

Shapes: T frames, t frames of a block, n reference frames, C = 6 numbers of a head (`landmarks.head_track`).
Source: Rhythmic Head section 3.3.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from headsync import media
from headsync.experiment import Kind, build_config, load_model
from headsync.experiment.precision import in_float32
from headsync.landmarks.motion import head_track
from landmark_stage.generate import BLOCK_FRAMES
from landmark_stage.head_motion.manner import head_size, size_gain, windows_of
from landmark_stage.head_motion.network import (
    NUMBERS,
    REACH_FRAMES,
    SMOOTHING_TAPS,
    TAU,
    HeadMotion,
    HeadMotionSettings,
    Reference,
)
from landmark_stage.head_motion.statistics import LEAST_FRAMES
from landmark_stage.head_motion.tones import ToneSource, with_slow
from landmark_stage.push import PushStream, device_of, pushed
from landmark_stage.reference import HeadReference
from landmark_stage.sound_kinds import sound_input, whole_sound

REFERENCE_STEP = TAU // 2       # between the references that a longer one is cut into
KIND = Kind("landmark_stage", ("head_motion",), frozenset(["head_motion"]), "head-motion", "head-motion learner",
            "headsync train head-motion", "a file that headsync train head-motion wrote")


def load_head_motion(source: str | Path = "head_motion", *, device: str | torch.device = "auto") -> HeadMotion:
    """A frozen head-motion learner in evaluation mode: the shipped one, or a weight file's. ValueError as `load_generator`."""
    return load_model(source, lambda config: HeadMotion(build_config(HeadMotionSettings, config["head_motion"])), KIND,
                      device=device)


class Person(NamedTuple):
    """What a reference says of a person."""

    code: Tensor        # (1, Q)
    last: Tensor        # (1, C) the last pose, standard, about the mean
    turned: np.ndarray | None   # (3,) the mean rotation, as a vector; None: the start's
    gain: Tensor        # (C,) by which the code's motion is as large as the person's


@in_float32
def person_of(model: HeadMotion, reference: HeadReference | None, *, seed: int = 0) -> Person:
    """The person in a reference, by windows of 64 frames that overlap by half; without one somebody of the train people.

    Who that is says the seed; weights that keep nobody have the mean of train people. ValueError for a reference under 48
    frames.
    """
    if reference is None:
        return _somebody(model, seed)
    if len(reference.points) < LEAST_FRAMES:
        raise ValueError(f"a head-motion reference needs at least {LEAST_FRAMES} frames (two seconds), got "
                         f"{len(reference.points)}; give a longer clip")
    track = head_track(reference.points, taps=SMOOTHING_TAPS)                                   # (n, C)
    head = torch.from_numpy(track).float().to(device_of(model))
    motion = (head - head.mean(0)) / model.motion_scale
    sound = _reference_sound(model, reference.sound, len(head))
    window = min(TAU, len(head))
    starts = [*range(0, len(head) - window, REFERENCE_STEP), len(head) - window]
    motions = torch.stack([motion[start : start + window] for start in starts])
    sounds = torch.stack([sound[start : start + window] for start in starts])
    lengths = torch.full((len(starts),), window, device=head.device)
    windows = Reference(motions - motions.mean(1, keepdim=True), sounds, lengths)
    with torch.no_grad():
        code = model.encode(windows).mean(0, keepdim=True)
    gain = size_gain(model, code, head_size(windows_of(motion)), windows_of(sound))
    return Person(code, motion[-1:], head[:, :3].mean(0).double().cpu().numpy(), gain)


def _somebody(model: HeadMotion, seed: int) -> Person:
    """One of the people that are kept in the weights, from their mean pose on."""
    middle = model.typical.new_zeros(1, NUMBERS)
    if not model.settings.people:
        return Person(model.typical[None], middle, None, torch.ones_like(middle[0]))
    chosen = int(torch.randint(len(model.people), (), generator=torch.Generator().manual_seed(seed)))
    return Person(model.people[chosen][None], middle, None, model.people_gain[chosen])


def _reference_sound(model: HeadMotion, waveform: np.ndarray | None, frames: int) -> Tensor:
    """The sound of a reference's frames as the model takes it (n, 104 or 640), zeros where there is none."""
    device = device_of(model)
    if waveform is None or not len(waveform):
        return torch.zeros(frames, model.sound_size, device=device)
    features = whole_sound(model.settings.sound, waveform)
    features = model.standard_sound(torch.from_numpy(features).to(device))[:frames]
    return torch.nn.functional.pad(features, (0, 0, 0, frames - len(features)))


class HeadStream:
    """Head motion that grows with its sound: frame t comes out once the sound of frame t + 5 is in, the rest at the end.

    What comes out does not depend on how the sound is cut.
    """

    @in_float32
    def __init__(self, model: HeadMotion, person: Person, *, generator: torch.Generator):
        self.model, self.person = model, person
        self._written = model.write(person.code)
        self._tones = None
        if model.settings.tones:
            tones = ToneSource(generator=generator, device=device_of(model))
            self._tones = tones.begin(self._written.tones, self._written.bias, person.last / person.gain)
            apart = torch.Generator().manual_seed(int(torch.randint(1 << 62, (), generator=generator)))
            self._slow = ToneSource.slow(generator=apart, device=device_of(model))
        self._sound = model.sound_mean.new_zeros(1, 0, 0)       # what later frames need, from frame `_begin` on
        self._begin = self._made = 0
        self._first: Tensor | None = None       # (1, C) the motion of frame 0 before it is led to the last pose

    @in_float32
    def push(self, sound: Tensor) -> Tensor:
        """The frames (t, C), standard, that can be made after rows (4n, 26) or samples (640 n,) more."""
        features = self.model.standard_sound(sound)[None]                                          # (1, n, 104 or 640)
        self._sound = torch.cat([self._sound, features], 1) if self._sound.numel() else features
        return self._make(self._begin + self._sound.shape[1] - REACH_FRAMES)

    def finish(self) -> Tensor:
        """The last frames (t, C)."""
        return self._make(self._begin + self._sound.shape[1])

    @torch.no_grad()
    @in_float32
    def _make(self, stop: int) -> Tensor:
        if stop <= self._made:
            return self._sound.new_zeros(0, NUMBERS)
        features = self.model.sound(self._sound)[:, self._made - self._begin : stop - self._begin]
        tones = None
        if self._tones is not None:
            tones = with_slow(*(one.draw(stop - self._made) for one in (self._tones, self._slow)))
        motion = self.person.gain * self.model.predict(self._written, features, tones)             # (1, t, C)
        self._first = motion[:, 0] if self._first is None else self._first
        motion = self.model.continued(motion, self.person.last, self._first,
                                      torch.arange(self._made, stop, device=motion.device))
        self._made = stop
        forgotten = max(stop - 2 * REACH_FRAMES - self._begin, 0)
        self._sound, self._begin = self._sound[:, forgotten:], self._begin + forgotten
        return motion[0]


def stream_heads(audio: str | Path | np.ndarray | media.Sound, start: np.ndarray, *, model: HeadMotion | None = None,
                 reference: HeadReference | None = None, seed: int = 0) -> Iterator[np.ndarray]:
    """Blocks (t, 6) of the head of whoever says `audio` (file, waveform or open sound), for `landmarks.compose_motion`.

    With a `reference` it moves as that person does, as far, and goes on from its last pose; without, as one of the train
    people does, whom the seed chooses, round the pose of `start` (68, 3). The same arguments give the same motion, however
    it is cut; memory does not grow. ValueError, one line, for a sound without samples and a reference that is too short.
    """
    model = model or load_head_motion()
    person, sound = person_of(model, reference, seed=seed), media.open_sound(audio)
    turned = head_track(start[None])[0, :3] if person.turned is None else person.turned
    stream = head_stream(model, person, level=sound.level, seed=seed)
    scale, middle = model.motion_scale.double().cpu().numpy(), np.array([*turned, 0, 0, 0])
    return (middle + scale * piece.double().numpy() for piece in pushed(stream, sound.blocks(BLOCK_FRAMES)))


def head_stream(model: HeadMotion, person: Person, *, level: media.Level, seed: int = 0) -> PushStream:
    """Samples in, standard head motion (t, C) out; `level` is the sound's."""
    maker = HeadStream(model, person, generator=torch.Generator().manual_seed(seed))
    return PushStream(maker, sound_input(model.settings.sound, level), device=device_of(model))
