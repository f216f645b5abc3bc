"""Training material of the face encoders: frames of many people, moved, recoloured and spoiled anew each time.

Shapes: N kept frames, B pictures of a batch, L = 68 landmarks.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from headsync.corpus import NEEDS, Clip, Corpus, of_half, pooled_codes, shortfalls
from headsync.corpus.frames import FrameStore, pack_frames, store_path
from headsync.landmarks import MIRROR, head_pose, rotation_matrix, rotation_vector
from render_stage.identity.face_encoder import FaceEncoderSettings, as_pictures, seen_picture, view_matrix

NOBODY = -1                         # the number of who is not distinguished
MIRRORED = np.diag([-1.0, 1.0, 1.0])
TRANSFER, GREYED = 0.4, 0.1         # shares of pictures that get another's colours, or none


@dataclass(frozen=True)
class AugmentationSettings:
    """How far a picture is changed before it is shown, each drawn evenly unless said otherwise."""

    zoom: tuple[float, float] = (1.0, 2.6)      # times the view's own size, drawn in octaves
    shift: float = 0.08                         # of the side, either way
    turn_degrees: float = 12.0                  # in the plane
    colours: float = 0.35                       # gain of each channel, and half of that the gamma, in natural logarithms
    noise: float = 0.03                         # largest standard deviation, of values in [0, 1]
    spoiled: float = 0.1                        # share of pictures that are blurred, and that are coded as bad JPEGs


class Faces(NamedTuple):
    """Kept frames of many clips."""

    stores: list[FrameStore]    # of each clip
    clip: np.ndarray            # (N,) which clip
    index: np.ndarray           # (N,) which of its kept frames
    frame: np.ndarray           # (N,) its number in the clip
    person: np.ndarray          # (N,) a number from 0 on, or NOBODY
    points: np.ndarray          # (N, 68, 2) float32 in canvas units of 256
    rotation: np.ndarray        # (N, 3, 3): from the frame to the canonical face

    @property
    def people(self) -> int:
        """How many people are distinguished."""
        return int(self.person.max(initial=NOBODY)) + 1


class Batch(NamedTuple):
    """Pictures and what is to be found in them."""

    pictures: Tensor    # (B, 3, side, side) in [0, 1]
    person: Tensor      # (B,)
    points: Tensor      # (B, 68, 2) in shares of the picture
    turn: Tensor        # (B, 3) rotation vectors, radians
    scale: Tensor       # (B,) picture sides per canvas unit: what turns an error in shares into pixels of the canvas


def unseen_clips(corpus: Corpus, people: str) -> list[Clip]:
    """The val clips, and those of the train people left out by `people` who are met in two clips or more.

    Hardly anybody in val has two clips, and within one clip anything distinguishes people: coat, lamp, wall.
    """
    train = corpus.select("train")
    used = {clip.clip for clip in of_half(train, people)}
    left = [clip for clip in train if clip.clip not in used and clip.identity not in pooled_codes(train)]
    count = Counter(clip.identity for clip in left)
    return [*corpus.select("val"), *(clip for clip in left if count[clip.identity] > 1)]


def encoder_shortfalls(corpus: Corpus, people: str) -> list[str]:
    """What the corpus lacks for an encoder trained on that half of the people, a phrase each; empty when it is enough.

    Those who evaluate it must be two people, one of them met in two clips or at two moments a second apart.
    """
    train, unseen = of_half(corpus.select("train"), people), unseen_clips(corpus, people)
    twice = any(count > 1 for count in Counter(clip.identity for clip in unseen).values())
    return shortfalls(corpus, NEEDS["encoder"]._replace(val_frames=1 if twice else NEEDS["encoder"].val_frames),
                      train=train, val=unseen)


def read_faces(corpus: Corpus, clips: Sequence[Clip], *, stride: int, most: int | None = None) -> Faces:
    """Every `stride`-th frame of the clips in which the face was found, packed first where that is still to be done.

    With `most`, that many of each clip, evenly spread. ValueError when there is none.
    """
    pack_frames(corpus, clips, stride=stride)
    pools, numbers, rows, stores = pooled_codes(clips), {}, [], []
    for number, clip in enumerate(clips):
        stores.append(FrameStore(store_path(corpus, clip, stride)))
        sequence = corpus.landmarks(clip)
        kept = np.asarray(stores[-1].numbers)
        seen = (kept < len(sequence)) & sequence.visible[np.minimum(kept, len(sequence) - 1)]
        person = NOBODY if clip.identity in pools else numbers.setdefault(clip.identity, len(numbers))
        index = np.flatnonzero(seen)
        if most is not None and len(index) > most:
            index = index[np.linspace(0, len(index) - 1, most).round().astype(int)]
        frames = kept[index]
        rotation = head_pose(sequence.points).rotation[frames]
        rows.append((np.full_like(index, number), index, frames, np.full_like(index, person), sequence.points[frames, :, :2],
                     rotation))
    if not sum(len(row[0]) for row in rows):
        raise ValueError(f"{corpus.folder} has no face among {len(clips)} clips; face encoders need some")
    return Faces(stores, *(np.concatenate(column) for column in zip(*rows)))


def plain_batch(faces: Faces, chosen: np.ndarray, settings: FaceEncoderSettings) -> Batch:
    """The chosen frames (B,) just as an encoder sees them in use."""
    views = [view_matrix(faces.points[number], settings) for number in chosen]
    seen = [seen_picture(_canvas(faces, number), view, settings) for number, view in zip(chosen, views)]
    return _batch(faces, chosen, seen, views, np.zeros(len(chosen), bool), settings)


def draw_batch(faces: Faces, count: int, *, settings: FaceEncoderSettings, changes: AugmentationSettings, unknown: float,
               generator: torch.Generator) -> Batch:
    """`count` augmented frames: a share `unknown` of people not distinguished, of the others each person equally often."""
    random = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    chosen = _drawn_frames(faces, count, unknown, random)
    views = [_moved(view_matrix(faces.points[number], settings), changes, settings, random) for number in chosen]
    seen = [_spoiled(seen_picture(_canvas(faces, number), view, settings), changes, random)
            for number, view in zip(chosen, views)]
    return _batch(faces, chosen, _recoloured(seen, changes, random), views, random.random(count) < 0.5, settings)


def _canvas(faces: Faces, number: int) -> np.ndarray:
    return faces.stores[faces.clip[number]].picture(int(faces.index[number]))


def _drawn_frames(faces: Faces, count: int, unknown: float, random: np.random.Generator) -> np.ndarray:
    """Frames (count,): a person first, then a clip of his, then a frame of that; of the unknown any frame."""
    known = [np.flatnonzero(faces.person == person) for person in range(faces.people)]
    nobody = np.flatnonzero(faces.person == NOBODY)
    drawn = []
    for place in range(count):
        if len(nobody) and (place < unknown * count or not known):
            drawn.append(random.choice(nobody))
        else:
            own = known[random.integers(len(known))]
            drawn.append(random.choice(own[faces.clip[own] == random.choice(np.unique(faces.clip[own]))]))
    return np.array(drawn)


def _moved(view: np.ndarray, changes: AugmentationSettings, settings: FaceEncoderSettings,
           random: np.random.Generator) -> np.ndarray:
    """The view (2, 3) zoomed, turned and shifted about the picture's middle."""
    zoom = np.exp(random.uniform(*np.log(changes.zoom)))
    angle = np.radians(random.uniform(-changes.turn_degrees, changes.turn_degrees))
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = settings.side_px / 2
    room = changes.shift + max(0.0, zoom - 1) / 4       # what is enlarged may show any of its parts
    aim = middle + settings.side_px * random.uniform(-room, room, 2)
    return turn @ (view - np.pad(np.full((2, 1), middle), ((0, 0), (2, 0)))) + np.pad(aim[:, None], ((0, 0), (2, 0)))


def _spoiled(seen: np.ndarray, changes: AugmentationSettings, random: np.random.Generator) -> np.ndarray:
    if random.random() < changes.spoiled:
        seen = cv2.GaussianBlur(seen, (0, 0), random.uniform(0.4, 1.8))
    if random.random() < changes.spoiled:
        coded = cv2.imencode(".jpg", seen, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(15, 70))])[1]
        seen = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return seen


def _batch(faces: Faces, chosen: np.ndarray, seen: list[np.ndarray], views: list[np.ndarray], flipped: np.ndarray,
           settings: FaceEncoderSettings) -> Batch:
    """Pictures with their targets, moved and mirrored as the pictures are."""
    matrices = np.stack(views)                                                              # (B, 2, 3)
    scale = np.hypot(matrices[:, 0, 0], matrices[:, 1, 0])                                  # (B,)
    placed = faces.points[chosen] @ matrices[:, :, :2].swapaxes(1, 2) + matrices[:, None, :, 2]
    points = placed / settings.side_px                                                      # (B, L, 2)
    plane = np.zeros((len(chosen), 3))
    plane[:, 2] = np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0])
    rotation = faces.rotation[chosen] @ rotation_matrix(plane).swapaxes(1, 2)               # (B, 3, 3)
    mirrored = points[:, MIRROR] * (-1, 1) + (1, 0)
    points = np.where(flipped[:, None, None], mirrored, points)
    rotation = np.where(flipped[:, None, None], MIRRORED @ rotation @ MIRRORED, rotation)
    pictures = as_pictures(np.stack([one[:, ::-1] if flip else one for one, flip in zip(seen, flipped)]))
    return Batch(pictures, torch.from_numpy(faces.person[chosen]).long(), torch.from_numpy(points).float(),
                 torch.from_numpy(rotation_vector(rotation)).float(), torch.from_numpy(scale / settings.side_px).float())


def _recoloured(seen: list[np.ndarray], changes: AugmentationSettings, random: np.random.Generator) -> list[np.ndarray]:
    """Other gains, gamma and noise; some with the colour statistics of another picture of the batch, some in grey."""
    statistics = [np.stack([one.ravel() for one in cv2.meanStdDev(picture)]) for picture in seen]   # (2, 3) each
    recoloured = []
    for picture, (mean, spread) in zip(seen, statistics):
        curve = np.repeat(np.arange(256.0)[:, None], 3, axis=1)                                     # (256, 3)
        if changes.colours and random.random() < TRANSFER:
            other_mean, other_spread = statistics[random.integers(len(seen))]
            curve = (curve - mean) / (spread + 5) * (other_spread + 5) + other_mean
        gamma = np.exp(random.uniform(-changes.colours / 2, changes.colours / 2))
        gain = np.exp(random.uniform(-changes.colours, changes.colours, 3))
        curve = 255 * (curve / 255).clip(0, 1) ** gamma * gain
        picture = cv2.LUT(picture, curve.clip(0, 255).round().astype(np.uint8)[:, None])
        if changes.colours and random.random() < GREYED:
            picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        if changes.noise:
            noise = 255 * random.uniform(0, changes.noise) * random.standard_normal(picture.shape, dtype=np.float32)
            picture = (picture + noise).clip(0, 255).round().astype(np.uint8)
        recoloured.append(picture)
    return recoloured


def canvas_error(found: Tensor, batch: Batch) -> Tensor:
    """Mean distance (B,) of found landmarks (B, 68, 2) from the true ones, in pixels of the 256 canvas."""
    return torch.linalg.vector_norm(found - batch.points, dim=-1).mean(1) / batch.scale     # (B,)
