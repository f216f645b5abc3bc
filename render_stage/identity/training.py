"""Training of a face encoder: identity, landmarks and the head's turn, evaluated by verification of people never trained on.

Shapes: B pictures, E embedding features, N kept frames.
Source: method/decisions.md#networks-of-others; the cosine softmax with a margin is Wang et al. 2018.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headsync.corpus import Corpus, of_half
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
    decayed_matrices,
    first_before_others,
    moved,
    save_weights,
    train_task,
)
from headsync.experiment.precision import in_float32
from headsync.media import checked
from headsync.metrics.verification import pair_cosines, verify
from render_stage.identity.data import (
    NOBODY,
    AugmentationSettings,
    Batch,
    Faces,
    canvas_error,
    draw_batch,
    encoder_shortfalls,
    plain_batch,
    read_faces,
    unseen_clips,
)
from render_stage.identity.face_encoder import FaceEncoder, FaceEncoderSettings

WEIGHT_FILE = "face_encoder.safetensors"
SHARPNESS, MARGIN = 20.0, 0.2       # of the cosine softmax
PIXELS_LIKE_AREA = 20.0             # so many pixels of landmark error outweigh a ROC area of one in `score`
LEVEL_PICTURES = 256                # of which the mean size of each map is taken
VALIDATION_FRAMES = 4                   # of each clip, in validation
DROPPED = 0.2                       # of the embedding, in training


@dataclass(frozen=True)
class LossWeights:
    """What each term counts."""

    identity: float
    landmarks: float
    turn: float

    def __post_init__(self):
        check_loss_weights(self)


@dataclass(frozen=True)
class EncoderTrainSettings:
    """A whole training."""

    encoder: FaceEncoderSettings
    changes: AugmentationSettings
    weights: LossWeights
    people: Literal["all", "first", "second"]   # of the train people: all, or one of two halves by a hash
    stride: int                     # of a clip's frames one in so many is used
    unknown: float                  # share of a batch that shows people not distinguished
    run: RunSettings

    def __post_init__(self):
        if self.stride < 1 or not 0 <= self.unknown < 1:
            raise ValueError(f"stride must be 1 or more and unknown in [0, 1), got {self.stride} and {self.unknown}")


@in_float32
def identity_loss(embeddings: Tensor, people: Tensor, person: Tensor) -> Tensor:
    """Cosine softmax with a margin: -log softmax of s (cos - m [own]) at one's own place; 0 when nobody is known.

    `embeddings` (B, E) of length 1, `people` (P, E) one direction each, `person` (B,) numbers, NOBODY for the unknown.
    """
    known = person != NOBODY
    if not known.any():
        return embeddings.sum() * 0
    cosines = embeddings[known] @ F.normalize(people, dim=1).T                              # (known, P)
    own = F.one_hot(person[known], len(people))
    return F.cross_entropy(SHARPNESS * (cosines - MARGIN * own), person[known])


class People(nn.Module):
    """A direction of embeddings for each known person."""

    def __init__(self, count: int, embedding: int, *, generator: torch.Generator):
        super().__init__()
        self.directions = nn.Parameter(torch.randn(max(count, 1), embedding, generator=generator))


class EncoderStep(NamedTuple):
    """What a step needs."""

    drawn: Batch
    kept: Tensor            # (B, E) bool: which features of the embeddings are not dropped


class EncoderTask:
    """The face encoder as a `Task`."""

    def __init__(self, settings: EncoderTrainSettings, train: Faces, unseen: Faces):
        self.settings, self.train, self.unseen = settings, train, unseen

    def build(self) -> Parts:
        """The encoder, and the people whom it is to distinguish."""
        form, run = self.settings.encoder, self.settings.run
        self.encoder = FaceEncoder(form)
        self.people = People(self.train.people, form.embedding, generator=torch.Generator().manual_seed(run.seed))
        groups = decayed_matrices([self.encoder, self.people], run.weight_decay)
        return Parts(self.encoder, companion=self.people, groups=groups)

    def weights(self, step: int) -> dict[str, float]:
        """The weights that are not 0."""
        return counting_weights(self.settings.weights)

    def batch(self, step: int) -> EncoderStep:
        """Augmented pictures."""
        settings = self.settings
        generator = batch_generator(settings.run.seed, step)
        drawn = draw_batch(self.train, settings.run.batch, settings=settings.encoder, changes=settings.changes,
                           unknown=settings.unknown, generator=generator)
        return EncoderStep(drawn, torch.rand(len(drawn.pictures), settings.encoder.embedding, generator=generator) >= DROPPED)

    def losses(self, batch: EncoderStep, wanted: Collection[str]) -> StepLosses:
        """Each term, and how many of the known people are recognised."""
        drawn = batch.drawn
        embeddings, points, turn = compute_together(self.encoder.heads, drawn.pictures)
        kept = F.normalize(embeddings * batch.kept, dim=1)
        terms = {"identity": lambda: identity_loss(kept, self.people.directions, drawn.person),
                 "landmarks": lambda: F.l1_loss(points, drawn.points), "turn": lambda: F.l1_loss(turn, drawn.turn)}
        return StepLosses({name: terms[name]() for name in wanted},
                     {"recognised": self._recognised(embeddings.detach(), drawn),
                      "landmark_px": canvas_error(points.detach(), drawn).mean()})

    @torch.no_grad()
    def _recognised(self, embeddings: Tensor, batch: Batch) -> float:
        known = batch.person != NOBODY
        found = (embeddings[known] @ F.normalize(self.people.directions, dim=1).T).argmax(1) == batch.person[known]
        return found.float().mean().item() if len(found) else 0.0

    def metrics(self, model: FaceEncoder, *, step: int) -> dict[str, float]:
        """Validation metrics on people never trained on; see `encoder_figures`."""
        return encoder_figures(model, self.unseen)

    def finish(self, model: FaceEncoder, out: Path) -> Path:
        """The weight file `out`/face_encoder.safetensors, the mean sizes of its maps measured."""
        chosen = np.linspace(0, len(self.train.frame) - 1, min(LEVEL_PICTURES, len(self.train.frame))).astype(int)
        model.measure_levels(plain_batch(self.train, chosen, self.settings.encoder).pictures)
        return save_encoder(out / WEIGHT_FILE, model)


class Answers(NamedTuple):
    """What an encoder says of all frames of some people."""

    embeddings: np.ndarray      # (N, E)
    landmark_px: np.ndarray     # (N,) mean error in pixels of the 256 canvas
    turn_deg: np.ndarray        # (N,) mean absolute error of the three components


@torch.no_grad()
@in_float32
def encoder_answers(encoder: FaceEncoder, faces: Faces, *, batch: int = 64) -> Answers:
    """The encoder's answers on frames as they are."""
    found = []
    for start in range(0, len(faces.frame), batch):
        chosen = np.arange(start, min(start + batch, len(faces.frame)))
        shown = moved(plain_batch(faces, chosen, encoder.settings), encoder.levels.device)
        embeddings, points, turn = encoder.heads(shown.pictures)
        found.append((embeddings, canvas_error(points, shown), torch.rad2deg((turn - shown.turn).abs().mean(1))))
    return Answers(*(torch.cat(column).cpu().numpy() for column in zip(*found)))


def encoder_figures(encoder: FaceEncoder, faces: Faces) -> dict[str, float]:
    """Verification of people, their landmarks' error in pixels of the 256 canvas, the error of the head's turn in degrees.

    A person's pairs are of two clips where there are any. `score` is the ROC area less a twentieth of the landmark error.
    """
    answers = encoder_answers(encoder, faces)
    pairs = pair_cosines(answers.embeddings, faces.person, faces.clip, faces.frame)
    result = verify(pairs.other_clip if len(pairs.other_clip) else pairs.genuine, pairs.impostor)
    error = float(answers.landmark_px.mean())
    return {"score": result.roc_area - error / PIXELS_LIKE_AREA, "roc_area": result.roc_area, "equal_error": result.equal_error,
            "genuine": result.genuine_mean, "impostor": result.impostor_mean, "landmark_px": error,
            "turn_deg": float(answers.turn_deg.mean())}


@checked
def train_encoder(corpus: Corpus, out: str | Path, settings: EncoderTrainSettings) -> TrainReport:
    """A face encoder trained on one half of the corpus's train people, kept by its validation metric on val and the other half.

    Goes on where an earlier call stopped. The averaged weights of the best validation become `out`/face_encoder.safetensors.
    ValueError, before any work, when the corpus is not enough: two people on either side, one of them seen twice.

    >>> import headsync
    >>> settings = headsync.load_settings("encoder", "tiny", "run.steps=2")
    >>> headsync.train_encoder(headsync.open_corpus("faces"), "runs/encoder", settings).weights.name
    'face_encoder.safetensors'
    """
    lacking = encoder_shortfalls(corpus, settings.people)
    if lacking:
        raise ValueError(f"{corpus.folder} is not enough to train encoder: {'; '.join(lacking)}")
    with first_before_others():     # it packs frames
        train = read_faces(corpus, of_half(corpus.select("train"), settings.people), stride=settings.stride)
        unseen = read_faces(corpus, unseen_clips(corpus, settings.people), stride=settings.stride, most=VALIDATION_FRAMES)
    return train_task(EncoderTask(settings, train, unseen), out)


def save_encoder(path: str | Path, encoder: FaceEncoder) -> Path:
    """The path, now holding an encoder as `load_face_encoder` reads it, in half precision."""
    tensors: Sequence = [(name, one) for name, one in encoder.state_dict().items() if not name.endswith("num_batches_tracked")]
    return save_weights(path, dict(tensors), config={"face_encoder": config_dict(encoder.settings)}, half=True)
