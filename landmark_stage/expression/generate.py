"""Sound and a first face to lips and face under a head that stands still: the second generator of stage one.

Shapes: T frames, t frames of a block, L = 68 landmarks. Source: Rhythmic Head section 3.2, the person's own face added.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from headsync import media
from headsync.experiment import Kind, build_config, load_model
from headsync.experiment.precision import in_float32
from headsync.landmarks import RIGID17, LandmarkSequence, frontalise, head_pose, pose_points
from landmark_stage.expression.faces import face_at_rest, frontal_faces
from landmark_stage.expression.network import LANDMARKS, SIDE_FRAMES, Expression, ExpressionSettings, padded
from landmark_stage.generate import BLOCK_FRAMES, start_face
from landmark_stage.push import PushStream, device_of, pushed
from landmark_stage.reference import HeadReference
from landmark_stage.sound_kinds import sound_input, whole_sound

OPENING_FRAMES = 5          # from the given face into speech
KIND = Kind("landmark_stage", ("expression",), frozenset(["expression"]), "expression", "expression learner",
            "headsync train expression", "a file that headsync train expression wrote")


def load_expression(source: str | Path = "expression", *, device: str | torch.device = "auto") -> Expression:
    """A frozen expression learner in evaluation mode: the shipped one, or a weight file's. ValueError as `load_generator`."""
    return load_model(source, lambda config: Expression(build_config(ExpressionSettings, config["expression"])), KIND,
                      device=device)


class ExpressionStream:
    """Expressions that grow with their sound: frame t comes out once the sound of frame t + 3 is in, the rest at the end."""

    @in_float32
    def __init__(self, model: Expression, rest: Tensor):
        """`rest` (3 L,) is the frontal face that expressions are about."""
        self.model, self._shape = model, model.shape_code(rest[None].to(device_of(model)))
        nothing = model.sound_mean.new_zeros(1, 0, len(model.sound_mean))
        self._silence = padded(nothing, model)[:, : SIDE_FRAMES * model.per_frame]
        self._sound = self._silence         # (1, steps, 26 or 1) that later frames need

    @in_float32
    def push(self, sound: Tensor) -> Tensor:
        """The expressions (t, 3 L) that can be made after rows (4n, 26) or samples (640 n,) more."""
        return self._make(self.model.standard_sound(sound)[None])

    def finish(self) -> Tensor:
        """The last expressions (t, 3 L): silence follows the sound."""
        return self._make(self._silence)

    @torch.no_grad()
    @in_float32
    def _make(self, sound: Tensor) -> Tensor:
        self._sound = torch.cat([self._sound, sound], 1)
        frames = self._sound.shape[1] // self.model.per_frame - 2 * SIDE_FRAMES
        if frames < 1:
            return self._sound.new_zeros(0, 3 * LANDMARKS)
        made = self.model.spoken(self._sound, self._shape)[0]
        self._sound = self._sound[:, frames * self.model.per_frame :]
        return made  # (t, 3 L)


def stream_expression(audio: str | Path | np.ndarray | media.Sound, start: LandmarkSequence | None = None, *,
                      model: Expression | None = None, reference: HeadReference | None = None,
                      block_frames: int = BLOCK_FRAMES) -> Iterator[np.ndarray]:
    """Blocks (t, 68, 3) float32, pixels of the start's canvas: the start's face says `audio`, its head does not move.

    `audio` is a file, a 16 kHz waveform, or an open sound. A `reference` of the person, with its sound, says how open the
    mouth is on the whole; without one that is guessed from the start. Frame 0 is the start (default: the canonical face),
    bit for bit, and speech fades in within a fifth of a second. Frame t comes when frame t + 4 has begun, with
    phonetic features up to 33 frames later; blocks equal the
    whole, and memory does not grow. ValueError, one line, for sound without samples and a block without frames.
    """
    if block_frames < 1:
        raise ValueError(f"a block holds at least 1 frame, got block_frames={block_frames}")
    start, model, sound = start or start_face(), model or load_expression(), media.open_sound(audio)
    with_audio = reference is not None and reference.sound is not None
    person = own_face(model, *_reference_audio(model, reference)) if with_audio else None
    stream = expression_stream(model, start, level=sound.level)
    return media.recut(spoken_faces(pushed(stream, sound.blocks(block_frames)), start, person), block_frames)


def expression_stream(model: Expression, start: LandmarkSequence, *, level: media.Level | None) -> PushStream:
    """Samples in, expressions (t, 3 L) of the start's face out; `level` is the sound's."""
    maker = ExpressionStream(model, torch.from_numpy(_front(start)).flatten())
    return PushStream(maker, sound_input(model.settings.sound, level), device=device_of(model))


def _front(start: LandmarkSequence) -> np.ndarray:
    """The start's face (L, 3) seen from the front."""
    return frontalise(start.points[:1], head_pose(start.points[:1], indices=RIGID17))[0]


@torch.no_grad()
@in_float32
def own_face(model: Expression, faces: Tensor, sound: Tensor) -> Tensor:
    """A person's own face (3 L,): what is left, on average, of frontal faces (n, 3 L) without what their sound explains.

    `sound` is theirs: rows (4n, 26) or samples (640 n,).
    """
    rest = torch.from_numpy(face_at_rest(faces.numpy())).to(device_of(model))
    faces, sound = (one.to(device_of(model)) for one in (faces, sound))
    features = padded(model.standard_sound(sound)[None], model)
    return (faces - model.spoken(features, model.shape_code(rest[None]))[0]).mean(0).cpu()


def _reference_audio(model: Expression, reference: HeadReference) -> tuple[Tensor, Tensor]:
    """Frontal faces (n, 3 L) and sound of a reference, cut to the shorter."""
    sound = whole_sound(model.settings.sound, reference.sound)
    frames = min(len(reference.points), len(sound) // model.per_frame)
    return torch.from_numpy(frontal_faces(reference.points[:frames])), torch.from_numpy(sound[: frames * model.per_frame])


def spoken_faces(expressions: Iterable[Tensor], start: LandmarkSequence, person: Tensor | None = None) -> Iterator[np.ndarray]:
    """Blocks (t, 68, 3) of the start's face with expressions (t, 3 L), that `stream_expression` cuts anew.

    `person` (3 L,) is the person's own face as `own_face` has it; the start's when None.
    """
    pose = head_pose(start.points[:1], indices=RIGID17)
    rest = frontalise(start.points[:1], pose)[0]                                            # (L, 3)
    away = 0 if person is None else person.unflatten(0, (LANDMARKS, 3)).numpy() - rest      # (L, 3)
    made = 0
    for moved in expressions:
        moment = np.arange(made, made + len(moved))
        share = np.clip(moment / OPENING_FRAMES, 0, 1)[:, None, None]
        front = rest + share * (away + moved.unflatten(1, (LANDMARKS, 3)).numpy())          # (t, L, 3)
        points = pose_points(front, pose._replace(h=pose.h.repeat(len(front), 0)))
        if not made and len(points):
            points[0] = start.points[0]
        yield points
        made += len(points)


def generate_expression(audio: str | Path | np.ndarray, start: LandmarkSequence | None = None, *,
                        model: Expression | None = None) -> LandmarkSequence:
    """The motion (T, 68, 3) of lips and face while they say `audio`, as `stream_expression` makes it; no randomness."""
    start = start or start_face()
    points = np.concatenate(list(stream_expression(audio, start, model=model)))
    return LandmarkSequence(points=points, visible=np.ones(len(points), bool), fps=float(media.FPS), size=start.size,
                            crop=start.crop)
