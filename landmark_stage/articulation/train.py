"""Training of the articulation learner: shapes point by point, and what people see of lips: opening, width, thickness.

Shapes: B stretches, T frames, R = 37 landmarks of jaw and mouth, P components, M = 3 measures of lips, E networks.
"""

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from headsync.corpus import NEEDS, Corpus, require
from headsync.experiment import (
    Parts,
    RunSettings,
    StepLosses,
    TrainReport,
    batch_generator,
    check_loss_weights,
    compute_together,
    config_dict,
    counting_weights,
    save_weights,
    train_task,
)
from headsync.experiment.precision import in_float32
from headsync.landmarks.lips import lip_shapes
from headsync.media import checked
from headsync.metrics.lips import correlation, lip_metrics
from landmark_stage.articulation.data import (
    LOWER,
    ArticulationBatch,
    ArticulationClip,
    ArticulationMaterialSettings,
    draw_articulation,
    eye_distance,
    measure,
    padded_sound,
    read_articulation,
)
from landmark_stage.articulation.network import Articulation, ArticulationSettings, openings, uncrossed
from landmark_stage.articulation.rest import rest_sounds

WEIGHT_FILE = "articulation.safetensors"
JAW, DEPTH = 0.3, 0.3       # what landmarks of the jaw, and depths, count against the mouth's places in the picture
MEASURES = (1.0, 0.5, 1.0)  # what opening, width and thickness count against each other


@dataclass(frozen=True)
class ArticulationLossWeights:
    """What each term counts; a term of weight 0 is not computed."""

    points: float           # absolute error of landmarks, canonical pixels
    lips: float             # absolute error of opening, width and thickness, canonical pixels
    velocity: float         # the same of their steps from frame to frame
    correlation: float      # 1 less the correlation over a stretch, of each measure: no shrinking to the mean
    speech: float           # cross entropy of whether somebody speaks

    def __post_init__(self):
        check_loss_weights(self)


@dataclass(frozen=True)
class ArticulationTrainSettings:
    """A whole training."""

    model: ArticulationSettings
    material: ArticulationMaterialSettings
    weights: ArticulationLossWeights
    run: RunSettings


def lip_measures(shapes: Tensor) -> Tensor:
    """Opening, width and thickness (..., 3), pixels, of jaws and mouths, or of offsets of them, (..., R, 3)."""
    at = {landmark: LOWER.index(landmark) for landmark in (48, 51, 54, 57, 62, 66)}
    width = shapes[..., at[54], 0] - shapes[..., at[48], 0]
    thickness = shapes[..., at[62], 1] - shapes[..., at[51], 1] + shapes[..., at[57], 1] - shapes[..., at[66], 1]
    return torch.stack([openings(shapes).mean(-1), width, thickness], -1)


@torch.no_grad()
@in_float32
def clip_offsets(model: Articulation, clip: ArticulationClip) -> Tensor:
    """Offsets (T, R, 3) from the neutral mouth for a clip's sound, on the CPU."""
    return model.offsets(padded_sound(clip, model)[None])[0].cpu()


def with_offsets(clip: ArticulationClip, offsets: Tensor, neutral: Tensor) -> Tensor:
    """The clip's frontal faces (T, 68, 3), jaw and mouth replaced by a neutral one (R, 3) with offsets (T, R, 3)."""
    faces = clip.faces.clone()
    faces[:, LOWER] = uncrossed(neutral + offsets)
    return faces


class ArticulationTask:
    """The articulation learner as a `Task`."""

    def __init__(self, settings: ArticulationTrainSettings, clips: Sequence[ArticulationClip], val: Sequence[ArticulationClip]):
        self.settings, self.clips, self.val = settings, clips, val

    def build(self) -> Parts:
        """The learner, its components, scales and neutral mouth measured."""
        self.model = Articulation(self.settings.model)
        measure(self.model, self.clips)
        self.measured = copy.deepcopy(self.model)       # stays on the CPU, where batches are drawn
        self.sounds = [padded_sound(clip, self.measured) for clip in self.clips]
        size, material = self.settings.model, self.settings.material
        self.rest = rest_sounds(self.measured, 2 * (material.frames + size.before + size.ahead), material.rest_sounds)
        counts = torch.full((len(LOWER), 3), 1.0)
        counts[:17] *= JAW
        counts[:, 2] *= DEPTH
        self.counts = counts
        return Parts(self.model)

    def weights(self, step: int) -> dict[str, float]:
        """The weights that are not 0."""
        return counting_weights(self.settings.weights)

    def batch(self, step: int) -> ArticulationBatch:
        """Random stretches."""
        run = self.settings.run
        return draw_articulation(self.clips, self.sounds, run.batch, self.measured, settings=self.settings.material,
                                 rest=self.rest, generator=batch_generator(run.seed, step))

    def losses(self, batch: ArticulationBatch, wanted: Collection[str]) -> StepLosses:
        """The terms of shapes (E, B, T, R, 3) made and (B, T, R, 3) real: every network learns for itself."""
        components, speech = compute_together(self.model, batch.sound)
        made = self.model.shapes(components.float())
        ours, theirs, there = lip_measures(made), lip_measures(batch.real), batch.there[..., None]      # (B, T, M), (B, T, 1)
        count = ours.new_tensor(MEASURES)
        terms = {
            "points": lambda: ((made - batch.real).abs() * self.counts.to(made) * there[..., None]).mean(),
            "lips": lambda: ((ours - theirs).abs() * count * there).mean(),
            "velocity": lambda: ((ours.diff(dim=-2) - theirs.diff(dim=-2)).abs() * count * there[:, 1:]).mean(),
            "correlation": lambda: 1 - correlations(ours, theirs, there).mean(),
            "speech": lambda: (binary_cross_entropy_with_logits(
                speech.float(), batch.speech.expand_as(speech), reduction="none") * batch.there).mean()}
        return StepLosses({name: terms[name]() for name in wanted})

    def metrics(self, model: Articulation, *, step: int) -> dict[str, float]:
        """Validation metrics of lips on people never trained on; `lips` is the mean correlation of opening, width, thickness.

        `deviation` and `p95` are shares of the real ones, `closed` and `crossed` shares of frames; `first_r` is the
        correlation, over clips, of the mean opening made from a neutral mouth guessed from the first frame with that frame's.
        """
        offsets = [clip_offsets(model, clip) for clip in self.val]
        pairs = [(lip_shapes(with_offsets(clip, one, clip.neutral).numpy()), lip_shapes(clip.faces.numpy()))
                 for clip, one in zip(self.val, offsets, strict=True)]
        found = lip_metrics(*map(list, zip(*pairs)))
        lips = float(np.mean([found[name] for name in ("opening_r", "width_r", "thickness_r")]))
        return found | {"lips": lips, "first_r": self._dependence(model, offsets)}

    def _dependence(self, model: Articulation, offsets: Sequence[Tensor]) -> float:
        """Correlation over clips of the mean made opening and the first frame's own."""
        first = np.array([lip_shapes(clip.faces[:1].numpy()).opening[0] for clip in self.val])
        made = (with_offsets(clip, one, model.neutral(clip.faces[0].to(model.basis.device)).cpu())
                for clip, one in zip(self.val, offsets, strict=True))
        means = [lip_shapes(faces.numpy()).opening.mean() for faces in made]
        return correlation(np.array(means), first)

    def finish(self, model: Articulation, out: Path) -> Path:
        """The weight file `out`/articulation.safetensors."""
        return save_weights(out / WEIGHT_FILE, model.state_dict(), config={"articulation": config_dict(self.settings.model)},
                            half=True)


def correlations(made: Tensor, real: Tensor, there: Tensor) -> Tensor:
    """Correlations (..., B, M) over time of series (..., B, T, M) and (B, T, M), where `there` (B, T, 1) is 1."""
    frames = there.sum(1, keepdim=True)
    ours, theirs = ((one - (one * there).sum(-2, keepdim=True) / frames) * there for one in (made, real))
    return (ours * theirs).sum(-2) / (ours.norm(dim=-2) * theirs.norm(dim=-2) + eye_distance() * 1e-3)


@checked
def train_articulation(corpus: Corpus, out: str | Path, settings: ArticulationTrainSettings) -> TrainReport:
    """The learner trained on the corpus's train people and kept by its lips on its val people.

    Goes on where an earlier call stopped. The averaged weights of the best validation become `out`/articulation.safetensors.
    ValueError, before any work, when the corpus is not enough.

    >>> import headsync
    >>> settings = headsync.load_settings("articulation", "tiny")
    >>> report = headsync.train_articulation(headsync.open_corpus("people"), "runs/articulation", settings)
    >>> report.weights.name, report.loop.step
    ('articulation.safetensors', 6)
    """
    need = NEEDS["articulation"]
    require(corpus, need)
    clips, val = (read_articulation(corpus, split, least_frames=need.train_frames, window=settings.model.window)
                  for split in ("train", "val"))
    if settings.material.varied:
        clips = clips + read_articulation(corpus, "train", least_frames=need.train_frames, window=settings.model.window,
                                          varied=settings.material.varied)
    return train_task(ArticulationTask(settings, clips, val), out)
