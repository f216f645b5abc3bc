"""Training of a face encoder: identity, landmarks and the head's turn, judged by verification of people never trained on.

Shapes: B pictures, E embedding features, N kept frames.
Source: method/decisions.md#networks-of-others; the cosine softmax with a margin is Wang et al. 2018.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headsync.corpus import Corpus
from headsync.experiment import (
    LoopSettings,
    TrainReport,
    check_loss_weights,
    compute_together,
    config_dict,
    first_before_others,
    follow,
    half_cosine,
    save_weights,
    share_batch_norms,
    share_gradients,
    train_whole,
    weighted_sum,
)
from headsync.experiment.precision import in_float32
from headsync.metrics.verification import pair_cosines, verify
from render_stage.identity.data import (
    NOBODY,
    AugmentationSettings,
    Batch,
    Faces,
    canvas_error,
    draw_batch,
    encoder_shortfalls,
    of_half,
    plain_batch,
    read_faces,
    unseen_clips,
)
from render_stage.identity.face_encoder import FaceEncoder, FaceEncoderSettings

WEIGHT_FILE = "face_encoder.safetensors"
SHARPNESS, MARGIN = 20.0, 0.2       # of the cosine softmax
PIXELS_LIKE_AREA = 20.0             # so many pixels of landmark error outweigh a ROC area of one in `score`
LEVEL_PICTURES = 256                # of which the mean size of each map is taken
JUDGED_FRAMES = 4                   # of each clip, in validation
DROPPED = 0.2                       # of the embedding, in training
LAST_SHARE = 0.02                   # of the rate, at the last step
LARGEST_GRADIENT = 5.0


@dataclass(frozen=True)
class LossWeights:
    """What each term counts."""

    identity: float = 1.0
    landmarks: float = 20.0
    turn: float = 1.0

    def __post_init__(self):
        check_loss_weights(asdict(self))


@dataclass(frozen=True)
class EncoderTrainSettings:
    """A whole run."""

    encoder: FaceEncoderSettings = field(default_factory=FaceEncoderSettings)
    changes: AugmentationSettings = field(default_factory=AugmentationSettings)
    weights: LossWeights = field(default_factory=LossWeights)
    loop: LoopSettings = field(default_factory=lambda: LoopSettings(steps=1200, validate_every=100, patience=5, monitor="score",
                                                                    mode="max"))
    people: Literal["all", "first", "second"] = "first"     # of the train people: all, or one of two halves by a hash
    stride: int = 3                 # of a clip's frames one in so many is used
    unknown: float = 0.25           # share of a batch that shows people not told apart
    batch: int = 32
    rate: float = 2e-3
    decay: float = 0.05
    warmup_steps: int = 50
    average: float = 0.99           # of the weights, what is judged and kept
    seed: int = 0
    wandb: Literal["disabled", "offline", "online"] = "disabled"

    def __post_init__(self):
        if min(self.stride, self.batch, self.warmup_steps) < 1 or not 0 <= self.unknown < 1 or not 0 < self.rate < 1:
            raise ValueError("stride, batch and warmup_steps must be 1 or more, unknown in [0, 1) and rate in (0, 1), got "
                             f"{self.stride}, {self.batch}, {self.warmup_steps}, {self.unknown} and {self.rate}")


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


class EncoderTraining:
    """The encoder, its people, its optimiser and its running average: a `Trainee`."""

    def __init__(self, settings: EncoderTrainSettings, train: Faces, unseen: Faces):
        torch.manual_seed(settings.seed)
        self.settings, self.train, self.unseen = settings, train, unseen
        self.random = torch.Generator().manual_seed(settings.seed)
        self.encoder = share_batch_norms(FaceEncoder(settings.encoder))
        self.people = nn.Parameter(torch.randn(max(train.people, 1), settings.encoder.embedding, generator=self.random))
        self.average = FaceEncoder(settings.encoder).requires_grad_(False).eval()
        self.average.load_state_dict(self.encoder.state_dict())
        matrices = [*(one for one in self.encoder.parameters() if one.ndim > 1), self.people]
        others = [one for one in self.encoder.parameters() if one.ndim <= 1]
        self.optimiser = torch.optim.AdamW([{"params": matrices, "weight_decay": settings.decay},
                                            {"params": others, "weight_decay": 0.0}], settings.rate, (0.9, 0.99))
        self.steps = 0

    def step(self) -> dict[str, float]:
        """One optimisation step: each term, and how many of the known people are recognised."""
        self._set_rate()
        self.encoder.train()
        batch = draw_batch(self.train, self.settings.batch, settings=self.settings.encoder, changes=self.settings.changes,
                           unknown=self.settings.unknown, generator=self.random)
        embeddings, points, turn = compute_together(self.encoder.heads, batch.pictures)
        kept = F.normalize(embeddings * (torch.rand(embeddings.shape, generator=self.random) >= DROPPED), dim=1)
        losses = {"identity": identity_loss(kept, self.people, batch.person),
                  "landmarks": F.l1_loss(points, batch.points), "turn": F.l1_loss(turn, batch.turn)}
        weights = asdict(self.settings.weights)
        total = weighted_sum(weights, losses)
        self.optimiser.zero_grad()
        total.backward()
        share_gradients([*self.encoder.parameters(), self.people])
        torch.nn.utils.clip_grad_norm_([*self.encoder.parameters(), self.people], LARGEST_GRADIENT)
        self.optimiser.step()
        self.steps += 1
        follow(self.average, self.encoder, share=self.settings.average, step=self.steps)
        return {**{name: loss.item() for name, loss in losses.items()}, "recognised": self._recognised(embeddings, batch),
                "landmark_px": canvas_error(points.detach(), batch).mean().item()}

    def _recognised(self, embeddings: Tensor, batch: Batch) -> float:
        known = batch.person != NOBODY
        found = (embeddings[known] @ F.normalize(self.people, dim=1).T).argmax(1) == batch.person[known]
        return found.float().mean().item() if len(found) else 0.0

    def _set_rate(self) -> None:
        share = half_cosine(self.steps / self.settings.loop.steps, last=LAST_SHARE)
        factor = min(1.0, (self.steps + 1) / self.settings.warmup_steps) * share
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.rate * factor

    def validate(self) -> dict[str, float]:
        """What the averaged encoder is worth on people never trained on; see `encoder_figures`."""
        return encoder_figures(self.average, self.unseen)

    def state(self) -> dict[str, Any]:
        """Everything that a step changes."""
        return {"encoder": self.encoder.state_dict(), "average": self.average.state_dict(), "people": self.people.detach(),
                "optimiser": self.optimiser.state_dict(), "random": self.random.get_state(), "steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.encoder.load_state_dict(state["encoder"])
        self.average.load_state_dict(state["average"])
        self.people.data.copy_(state["people"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.random.set_state(state["random"])
        self.steps = state["steps"]


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
        shown = plain_batch(faces, chosen, encoder.settings)
        embeddings, points, turn = encoder.heads(shown.pictures)
        found.append((embeddings, canvas_error(points, shown), torch.rad2deg((turn - shown.turn).abs().mean(1))))
    return Answers(*(torch.cat(column).numpy() for column in zip(*found)))


def encoder_figures(encoder: FaceEncoder, faces: Faces) -> dict[str, float]:
    """Verification of people, their landmarks' error in pixels of the 256 canvas, the error of the head's turn in degrees.

    A person's pairs are of two clips where there are any. `score` is the ROC area less a twentieth of the landmark error.
    """
    answers = encoder_answers(encoder, faces)
    pairs = pair_cosines(answers.embeddings, faces.person, faces.clip, faces.frame)
    told = verify(pairs.other_clip if len(pairs.other_clip) else pairs.genuine, pairs.impostor)
    error = float(answers.landmark_px.mean())
    return {"score": told.roc_area - error / PIXELS_LIKE_AREA, "roc_area": told.roc_area, "equal_error": told.equal_error,
            "genuine": told.genuine_mean, "impostor": told.impostor_mean, "landmark_px": error,
            "turn_deg": float(answers.turn_deg.mean())}


def train_encoder(corpus: Corpus, out: str | Path, settings: EncoderTrainSettings) -> TrainReport:
    """A face encoder trained on one half of the corpus's train people, kept by what it is worth on val and the other half.

    Goes on where an earlier call stopped. The averaged weights of the best validation become `out`/face_encoder.safetensors.
    ValueError, before any work, when the corpus is not enough: two people on either side, one of them seen twice.
    """
    out = Path(out)
    lacking = encoder_shortfalls(corpus, settings.people)
    if lacking:
        raise ValueError(f"{corpus.folder} is not enough to train encoder: {'; '.join(lacking)}")
    with first_before_others():     # it packs frames
        train = read_faces(corpus, of_half(corpus.select("train"), settings.people), stride=settings.stride)
        unseen = read_faces(corpus, unseen_clips(corpus, settings.people), stride=settings.stride, most=JUDGED_FRAMES)
    training = EncoderTraining(settings, train, unseen)
    result, best = train_whole(training, out, settings)
    encoder = FaceEncoder(settings.encoder).eval()
    encoder.load_state_dict(best["average"])
    chosen = np.linspace(0, len(train.frame) - 1, min(LEVEL_PICTURES, len(train.frame))).astype(int)
    encoder.measure_levels(plain_batch(train, chosen, settings.encoder).pictures)
    return TrainReport(save_encoder(out / WEIGHT_FILE, encoder), result)


def save_encoder(path: str | Path, encoder: FaceEncoder) -> Path:
    """The path, now holding an encoder as `load_face_encoder` reads it, in half precision."""
    tensors: Sequence = [(name, one) for name, one in encoder.state_dict().items() if not name.endswith("num_batches_tracked")]
    return save_weights(path, dict(tensors), config={"face_encoder": config_dict(encoder.settings)}, half=True)
