"""Training material of the articulation learner: jaws and mouths about each clip's neutral mouth, and phonetic features.

Shapes: B stretches, T frames, R = 37 landmarks of jaw and mouth, P components, F = 768 phonetic features of a frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from headsync.corpus import Clip, Corpus, add_phonetics, read_phonetics, variation_of
from headsync.landmarks import MIRROR, canonical_face
from headsync.landmarks.geometry import frontal
from headsync.landmarks.lips import CLOSED
from headsync.landmarks.motion.lower_face import LOWER_FACE
from headsync.media.phonetics import PHONETIC_ROWS_PER_FRAME
from landmark_stage.articulation.network import LANDMARKS, Articulation, openings
from landmark_stage.articulation.rest import with_rest
from landmark_stage.principal import principal_axes

NEUTRAL_SHARE, NEUTRAL_LEAST = 0.05, 3  # of a clip's frames, and at least so many: those with the mouth closed most are neutral
RIDGE = 3.0                             # on the way from a face to its mouth's state, in squared canonical pixels
STATE_STEP = 3                          # every so many frames say something new about it
LOWER = list(LOWER_FACE)
_MIRROR = [LOWER.index(MIRROR[landmark]) for landmark in LOWER]


@dataclass(frozen=True)
class ArticulationMaterialSettings:
    """How stretches are drawn."""

    frames: int
    noise: float        # standard deviation of what is added to the phonetic features of a stretch, themselves at deviation 1
    flip: float         # share of stretches that are mirrored
    rest: float         # share of stretches in which nobody speaks, in all or in a part of them, with the mouth neutral
    rest_sounds: int    # of each kind of background
    varied: float       # share of clips that are given faster or slower too, half of them with something behind them

    def __post_init__(self):
        if self.frames < 2 or self.noise < 0 or self.rest_sounds < 0:
            raise ValueError(f"frames must be 2 or more, noise and rest_sounds 0 or more, got {self}")
        if not all(0 <= one <= 1 for one in (self.flip, self.rest, self.varied)):
            raise ValueError(f"flip, rest and varied are shares, got {self}")


class ArticulationClip(NamedTuple):
    """One talking clip."""

    name: str
    identity: str
    faces: Tensor       # (T, 68, 3) frontal, canonical pixels
    neutral: Tensor     # (R, 3) the clip's own neutral jaw and mouth
    closes: bool        # whether the mouth does close in it
    rows: Tensor        # (2T, 384) phonetic features


class ArticulationBatch(NamedTuple):
    """Stretches."""

    sound: Tensor       # (B, before + T + ahead, F), standard
    real: Tensor        # (B, T, R, 3) offsets from the neutral mouth
    there: Tensor       # (B, T) 1, and 0 past the end of a clip shorter than a stretch
    speech: Tensor      # (B, T) 1 where somebody speaks, else 0


def eye_distance() -> float:
    """The distance of the canonical face's outer eye corners, pixels: the unit of openings."""
    face = canonical_face()
    return float(np.linalg.norm(face[45, :2] - face[36, :2]))


def neutral_of(faces: Tensor) -> tuple[Tensor, bool]:
    """The mean jaw and mouth (R, 3) of the frontal faces (T, 68, 3) closed most, and whether the mouth is closed there."""
    lower = faces[:, LOWER]
    opening = openings(lower).mean(1)
    count = min(len(faces), max(NEUTRAL_LEAST, round(NEUTRAL_SHARE * len(faces))))
    chosen = opening.argsort(stable=True)[:count]
    return lower[chosen].mean(0), bool(opening[chosen].mean() < CLOSED * eye_distance())


def read_articulation(corpus: Corpus, split: str, *, least_frames: int, window: str = "full",
                      varied: float = 0.0) -> list[ArticulationClip]:
    """The split's talking clips of `least_frames` frames and more, in sync, no doubtful ones. ValueError without any.

    `window` is that of the phonetic features. Above 0, `varied` is the share of clips, and they are of other speed and with
    backgrounds.
    """
    sure = [clip for clip in corpus.select(split, talking=True)
            if clip.sync != "unsure" and (not varied or variation_of(clip).rank < varied)]
    add_phonetics(corpus, sure, window, varied=varied > 0)
    clips = []
    for clip in sure:
        faces = torch.from_numpy(frontal(corpus.landmarks(clip).points))
        rows = torch.from_numpy(read_phonetics(corpus, clip, window, varied=varied > 0))
        faces, rows = _varied(faces, rows, clip) if varied else _together(faces, rows, clip.av_offset)
        if len(faces) >= least_frames:
            clips.append(ArticulationClip(clip.clip, clip.identity, faces, *neutral_of(faces), rows))
    if not clips:
        raise ValueError(f"{corpus.folder} has no talking clip of {least_frames} frames in its {split} split")
    return clips


def _together(faces: Tensor, rows: Tensor, av_offset: int) -> tuple[Tensor, Tensor]:
    """Faces (T, 68, 3) and rows (2T, 384) of the same moments, of a sound that is `av_offset` frames late."""
    rows = rows[max(av_offset, 0) * PHONETIC_ROWS_PER_FRAME :]
    faces = faces[max(-av_offset, 0) :]
    frames = min(len(faces), len(rows) // PHONETIC_ROWS_PER_FRAME)
    return faces[:frames], rows[: frames * PHONETIC_ROWS_PER_FRAME]


def _varied(faces: Tensor, rows: Tensor, clip: Clip) -> tuple[Tensor, Tensor]:
    """Faces (T, 68, 3) at the moments of a varied sound, between the frames there are, and its rows (2T, 384)."""
    moment = (torch.arange(len(rows) // PHONETIC_ROWS_PER_FRAME) + 0.5) * variation_of(clip).speed - 0.5 - clip.av_offset
    known = torch.nonzero((moment >= 0) & (moment <= len(faces) - 1)).flatten()
    at, first = moment[known], int(known[0]) if len(known) else 0
    low = at.floor().long().clamp(max=max(len(faces) - 2, 0))
    high = (low + 1).clamp(max=len(faces) - 1)
    made = torch.lerp(faces[low], faces[high], (at - low)[:, None, None])
    return made, rows[first * PHONETIC_ROWS_PER_FRAME : (first + len(known)) * PHONETIC_ROWS_PER_FRAME]


@torch.no_grad()
def measure(model: Articulation, clips: Sequence[ArticulationClip]) -> None:
    """Fit what is known in closed form, on train people: scales of sound, components of shapes, a face's mouth's state."""
    rows = torch.cat([one.rows for one in clips]).unflatten(0, (-1, PHONETIC_ROWS_PER_FRAME)).flatten(1)
    model.sound_mean.copy_(rows.mean(0))
    model.sound_scale.copy_(rows.std(0).clamp(min=1e-3))
    shapes = torch.cat([one.faces[:, LOWER] - one.neutral for one in clips]).flatten(1).double()
    model.middle.copy_(shapes.mean(0))
    basis, spread = principal_axes(shapes - shapes.mean(0), model.settings.components)
    model.basis.copy_(basis)
    model.spread.copy_(spread.clamp(min=1e-3))
    closing = [one for one in clips if one.closes] or list(clips)
    weight, bias = mouth_state(closing)
    model.state_weight.copy_(weight)
    model.state_bias.copy_(bias)


def mouth_state(clips: Sequence[ArticulationClip]) -> tuple[Tensor, Tensor]:
    """Weights (204, 111) and bias (111,) of a ridge regression from a whole frontal face to its way from the neutral mouth.

    Each person counts alike, whatever there is of them.
    """
    frames_of: dict[str, int] = {}
    for one in clips:
        frames_of[one.identity] = frames_of.get(one.identity, 0) + len(one.faces[::STATE_STEP])
    faces = torch.cat([one.faces[::STATE_STEP] for one in clips]).flatten(1).double()                       # (N, 204)
    away = torch.cat([one.faces[::STATE_STEP, LOWER] - one.neutral for one in clips]).flatten(1).double()   # (N, 111)
    share = torch.cat([torch.full((len(one.faces[::STATE_STEP]), 1), frames_of[one.identity] ** -0.5) for one in clips])
    share = share.double() / share.sum()
    middle, state = (share * faces).sum(0), (share * away).sum(0)
    centred = faces - middle
    gram = centred.T @ (share * centred) + RIDGE * torch.eye(3 * LANDMARKS, dtype=torch.float64)
    weight = torch.linalg.solve(gram, centred.T @ (share * (away - state)))
    return weight.float(), (state - middle @ weight).float()


def mirrored(shapes: Tensor) -> Tensor:
    """Offsets (..., R, 3) as the mirrored face has them: left and right landmarks change places."""
    return shapes[..., _MIRROR, :] * shapes.new_tensor([-1.0, 1.0, 1.0])


def padded_sound(clip: ArticulationClip, model: Articulation) -> Tensor:
    """A clip's standard sound (before + T + ahead, F), where the model is: what is not known is 0, the mean."""
    known = model.standard(clip.rows.to(model.basis.device))
    return torch.nn.functional.pad(known, (0, 0, model.settings.before, model.settings.ahead))


def draw_articulation(clips: Sequence[ArticulationClip], sounds: Sequence[Tensor], count: int, model: Articulation, *,
                      settings: ArticulationMaterialSettings, generator: torch.Generator,
                      rest: Tensor | None = None) -> ArticulationBatch:
    """`count` random stretches, long clips more often; `sounds` are the clips' `padded_sound`, `rest` is `rest_sounds`."""
    room = torch.tensor([max(len(one.faces) - settings.frames + 1.0, 1.0) for one in clips])
    chosen = torch.multinomial(room, count, replacement=True, generator=generator).tolist()
    before, ahead = model.settings.before, model.settings.ahead
    drawn = []
    for number in chosen:
        clip, frames = clips[number], min(settings.frames, len(clips[number].faces))
        begin = int(torch.randint(0, len(clip.faces) - frames + 1, (), generator=generator))
        shapes = clip.faces[begin : begin + frames, LOWER] - clip.neutral
        if float(torch.rand((), generator=generator)) < settings.flip:
            shapes = mirrored(shapes)
        audio, speech = sounds[number][begin : begin + before + frames + ahead], torch.ones(frames)
        if rest is not None and float(torch.rand((), generator=generator)) < settings.rest:
            audio, spoken = with_rest(audio, rest, generator)
            speech = spoken[before : before + frames].float()
            shapes = shapes * speech[:, None, None]
        audio = audio + settings.noise * torch.randn(audio.shape, generator=generator)
        missing = settings.frames - frames
        pads = ((0, 0, 0, missing), (0, 0, 0, 0, 0, missing), (0, missing), (0, missing))
        drawn.append([torch.nn.functional.pad(one, pad)
                      for one, pad in zip((audio, shapes, torch.ones(frames), speech), pads, strict=True)])
    return ArticulationBatch(*map(torch.stack, zip(*drawn, strict=True)))
