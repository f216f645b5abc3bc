"""Training material of G4G: five frames of a clip with their sound, and five references whose lips cannot be copied.

Shapes: B clips, T = 5 frames, N = 5 references, H W pixels of a crop, R = 20 rows of sound.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from headsync.corpus import Corpus
from headsync.experiment import RunSettings, batch_generator, own_rows
from headsync.landmarks.detection import CANVAS_PX
from headsync.media import ROWS_PER_FRAME
from render_stage.clip_frames import LEAST_FRAMES, ClipFrames, read_clip_frames
from render_stage.driving import SILENCE_DB
from render_stage.g4g.crop import KINDS, crop_matrix, crop_points, cropped, fading, hidden, radius, sketch
from render_stage.g4g.discriminator import FRAMES
from render_stage.g4g.network import REFERENCES, ROWS, Shown

APART = 5           # kept frames between a target and the nearest reference, where the clip is long enough


@dataclass(frozen=True)
class G4GMaterialSettings:
    """How samples are drawn."""

    stride: int         # every so many frames of a clip are kept; the five frames of a sample are so far apart
    pool: str           # an identity that stands for several people who are not distinguished; "": there is none
    pooled: int         # people that it counts for
    larger: float       # deviation of the crop's size
    val_samples: int

    def __post_init__(self):
        if min(self.stride, self.val_samples) < 1 or self.larger < 0:
            raise ValueError(f"stride and val_samples must be 1 or more and larger 0 or more, got {self}")


class TalkingFrames(NamedTuple):
    """A clip's frames and the sound of each."""

    frames: ClipFrames
    rows: np.ndarray        # (N kept, R, F) float32
    radius: float


class G4GBatch(NamedTuple):
    """Samples; frames of a clip lie one behind the other."""

    shown: Shown            # (B T, ...)
    real: Tensor            # (B T, 3, H, W)


def read_talking_frames(corpus: Corpus, split: str, settings: G4GMaterialSettings) -> list[TalkingFrames]:
    """The clips of a split that have sound in sync, at least so many kept frames that five can be drawn.

    ValueError, one line, where there is none.
    """
    talking = [clip for clip in corpus.select(split, talking=True) if clip.sync != "unsure" and clip.frames >= LEAST_FRAMES]
    kept = corpus._replace(clips=tuple(talking))
    found: list[TalkingFrames] = []
    if talking:
        clips = [clip for clip in talking if (corpus.folder / "mesh" / f"{clip.clip}.npy").is_file()]
        read = read_clip_frames(kept, split, stride=settings.stride, pool=settings.pool, pooled=settings.pooled)
        for clip, frames in zip(clips, read, strict=True):
            if len(frames.store) >= FRAMES + 1:
                rows = sound_rows(corpus.features(clip), frames.store.numbers, late=clip.av_offset)
                found.append(TalkingFrames(frames, rows, radius(frames.points)))
    if not found:
        raise ValueError(f"{corpus.folder} has no talking clip of {LEAST_FRAMES} frames in sync in its {split} split; G4G "
                         "needs some")
    return found


def sound_rows(rows: np.ndarray, numbers: Sequence[int], *, late: int = 0) -> np.ndarray:
    """The sound round frames (N, R, F) float32 of a clip's rows (4 T, F), which is `late` by so many frames; silence beyond."""
    half = (ROWS - ROWS_PER_FRAME) // 2
    wanted = ROWS_PER_FRAME * (np.asarray(numbers)[:, None] + late) - half + np.arange(ROWS)        # (N, R)
    inside = (wanted >= 0) & (wanted < len(rows))
    found = np.asarray(rows[np.clip(wanted, 0, len(rows) - 1)], np.float32)
    found[~inside] = SILENCE_DB
    return found


class DrawnMouths:
    """Batches by the step's number; every person as often as another; of several processes each draws its own."""

    def __init__(self, clips: Sequence[TalkingFrames], run: RunSettings, *, mouth: int, larger: float,
                 kinds: Sequence[str] = KINDS):
        self.clips, self.run, self.mouth, self.larger, self.kinds = clips, run, mouth, larger, kinds
        self.rows = own_rows(run.batch)
        self._shares = torch.tensor([clip.frames.share for clip in clips], dtype=torch.float64)

    def __call__(self, step: int) -> G4GBatch:
        generator = batch_generator(self.run.seed, step)
        numbers = torch.multinomial(self._shares, self.run.batch, replacement=True, generator=generator)
        seeds = torch.randint(2**62, (self.run.batch,), generator=generator)
        return joined([self.sample(int(number), torch.Generator().manual_seed(int(seed)))
                       for number, seed in zip(numbers[self.rows], seeds[self.rows])])

    def sample(self, number: int, generator: torch.Generator) -> list[np.ndarray]:
        """Arrays of one clip's five frames, in the order of `Shown`, and the real crops."""
        clip, mouth = self.clips[number], self.mouth
        N = len(clip.frames.store)
        first = int(torch.randint(N - FRAMES + 1, (1,), generator=generator))
        size = clip.radius * float(np.exp(self.larger * torch.randn(1, generator=generator).item()))
        kind = self.kinds[int(torch.randint(len(self.kinds), (1,), generator=generator))]
        mirrored = bool(torch.randint(2, (1,), generator=generator))
        references = [self._crop(clip, one, size)[0] for one in drawn_references(N, first, generator)]
        targets = [self._crop(clip, one, size) for one in range(first, first + FRAMES)]
        masks = [hidden(kind, points, mouth) for _, points in targets]
        real = np.stack([crop for crop, _ in targets])                                              # (T, H, W, 3)
        arrays = [real, np.stack(masks)[..., None], np.stack([fading(one, mouth) for one in masks])[..., None],
                  np.concatenate(references, -1)[None].repeat(FRAMES, 0),
                  np.stack([sketch(points, mouth) for _, points in targets])[..., None]]
        if mirrored:
            arrays = [one[:, :, ::-1] for one in arrays]
        return [*arrays, clip.rows[first : first + FRAMES]]

    def _crop(self, clip: TalkingFrames, number: int, size: float) -> tuple[np.ndarray, np.ndarray]:
        points = clip.frames.points[number]
        matrix = crop_matrix(points, size, self.mouth, CANVAS_PX)
        return cropped(clip.frames.store.picture(number), matrix, self.mouth), crop_points(points, matrix, CANVAS_PX)


def drawn_references(frames: int, first: int, generator: torch.Generator) -> list[int]:
    """Five of a clip's kept frames, none within `APART` of the five from `first` on where so many are left."""
    numbers = np.arange(frames)
    far = numbers[(numbers < first - APART) | (numbers >= first + FRAMES + APART)]
    if not len(far):
        far = numbers[(numbers < first) | (numbers >= first + FRAMES)]
    return far[torch.randint(len(far), (REFERENCES,), generator=generator).numpy()].tolist()


def joined(samples: Sequence[Sequence[np.ndarray]]) -> G4GBatch:
    """Samples one behind the other, pictures in [0, 1]."""
    parts = [torch.from_numpy(np.ascontiguousarray(np.concatenate(part))) for part in zip(*samples)]
    source, masks, soft, references, lines, rows = parts
    source, references, lines = (one.permute(0, 3, 1, 2).float() / 255 for one in (source, references, lines))
    masks, soft = (one.permute(0, 3, 1, 2).float() for one in (masks, soft))
    return G4GBatch(Shown(source, masks, soft, references, lines, rows), source)
