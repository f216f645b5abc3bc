"""Sound to lips: the articulation learner's shapes about the neutral mouth of a first face, put on a motion of the head.

Shapes: T frames, t frames of a block, L = 68 landmarks, R = 37 landmarks of jaw and mouth, F = 768 phonetic features.
`articulation` takes in what follows, 1.8 s of it; `articulation_live`, for live sound, 0.24 s.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from headsync import media
from headsync.experiment import Kind, build_config, load_model
from headsync.experiment.precision import in_float32
from headsync.landmarks.geometry import frontal
from headsync.landmarks.motion.lower_face import LOWER_FACE, with_lower_face
from headsync.media.phonetics import PhoneticStream, load_phonetic_encoder
from landmark_stage.articulation.network import AUDIO_FEATURES, Articulation, ArticulationSettings, uncrossed
from landmark_stage.push import PushStream, device_of

LIVE = "live"           # lips: the shipped learner that looks 6 frames ahead
OWN_LIPS = "generator"  # lips: those of the landmark generator
LIPS = {LIVE: "articulation_live"}      # names of shipped weights that are called otherwise
BEGIN_FRAMES = 5        # from the mouth of the first face into what is said
KIND = Kind("landmark_stage", ("articulation", "articulation_live"), frozenset(["articulation"]), "articulation",
            "articulation learner", "headsync train articulation", "a file that headsync train articulation wrote")


def load_articulation(source: str | Path = "articulation", *, device: str | torch.device = "auto") -> Articulation:
    """A frozen articulation learner in evaluation mode: a shipped one (`articulation`, `articulation_live`), or a weight
    file's. ValueError for a file without."""
    return load_model(source, lambda config: Articulation(build_config(ArticulationSettings, config["articulation"])), KIND,
                      device=device)


class ArticulationMaker:
    """Shapes that grow with their sound: frame t comes out once the phonetic rows of frame t + ahead are in."""

    def __init__(self, model: Articulation):
        self.model = model
        self._sound = model.sound_mean.new_zeros(1, model.settings.before, AUDIO_FEATURES)          # that later frames need

    def push(self, audio: Tensor) -> Tensor:
        """The offsets (t, R, 3) from the neutral mouth that can be made after phonetic rows (2n, 384) more."""
        return self._made(self.model.standard(audio)[None])

    def finish(self) -> Tensor:
        """The last offsets (t, R, 3)."""
        return self._made(self._sound.new_zeros(1, self.model.settings.ahead, AUDIO_FEATURES))

    @torch.no_grad()
    @in_float32
    def _made(self, sound: Tensor) -> Tensor:
        self._sound = torch.cat([self._sound, sound], 1)
        frames = self._sound.shape[1] - self.model.settings.before - self.model.settings.ahead
        if frames < 1:
            return sound.new_zeros(0, len(LOWER_FACE), 3)
        made = self.model.offsets(self._sound)[0]
        self._sound = self._sound[:, frames:]
        return made  # (t, R, 3)


def load_lips(lips: Articulation | str | Path, *, device: str | torch.device = "auto") -> Articulation | None:
    """The learner that moves jaw and mouth: loaded already, the shipped `articulation` or `live` one, or a weight file's.

    None for `generator`: the landmark generator's own lips. ValueError as `load_articulation`.
    """
    if isinstance(lips, Articulation):
        return lips
    if lips == OWN_LIPS:
        return None
    return load_articulation(LIPS.get(str(lips), lips), device=device)


def lip_stream(lips: Articulation, *, level: media.Level) -> PushStream:
    """Samples in, offsets (t, R, 3) of jaw and mouth from the neutral mouth out; `level` is the sound's."""
    device = device_of(lips)
    features = PhoneticStream(level.loudness, load_phonetic_encoder(device), lips.window)
    return PushStream(ArticulationMaker(lips), features, device=device)


class LipsOnMotion:
    """Jaw and mouth of a motion that begins with `start` (68, 3), replaced block by block.

    Frame 0 stays, bit for bit; within five frames its mouth goes over into neutral and shapes. Lips do not cross (`uncrossed`),
    before the head's pose is put in. `lip_scale` multiplies the offsets. After `restart` the mouth goes over in the same way
    from where it is.
    """

    def __init__(self, start: np.ndarray, model: Articulation, *, lip_scale: float = 1.0):
        face = torch.from_numpy(frontal(start[None])[0])
        self._neutral, self._scale = model.neutral(face.to(model.basis.device)).cpu(), lip_scale
        self._from = self._newest = face[list(LOWER_FACE)]      # shapes (R, 3): where the mouth comes from, and where it is
        self._made, self._is_start = 0, True                    # frames since then; whether the next one is the start

    def restart(self) -> None:
        """Another sound's offsets come next."""
        self._from, self._made = self._newest, 0

    def placed(self, block: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """The next frames (t, 68, 3) of the motion with offsets (t, R, 3) from the neutral mouth."""
        moment = torch.arange(self._made, self._made + len(block), dtype=torch.float32)
        share = (moment / BEGIN_FRAMES).clamp(max=1)[:, None, None]
        lower = self._neutral + self._scale * torch.from_numpy(np.asarray(offsets, np.float32))
        shapes = torch.lerp(self._from.expand_as(lower), lower, share)
        made = with_lower_face(block, uncrossed(shapes).numpy())
        if len(made):
            if self._is_start:
                made[0] = block[0]
            self._newest, self._is_start = shapes[-1], False
        self._made += len(block)
        return made


def articulated(motion: Iterable[np.ndarray], shapes: Iterable[np.ndarray], start: np.ndarray, model: Articulation, *,
                lip_scale: float = 1.0) -> Iterator[np.ndarray]:
    """Blocks (t, 68, 3) of a motion that begins with `start` (68, 3), with the lips of `LipsOnMotion`, cut by what is there.

    `shapes` yields blocks (t, R, 3) of offsets from the neutral mouth.
    """
    lips = LipsOnMotion(start, model, lip_scale=lip_scale)
    for block, offsets in paired(motion, shapes):
        yield lips.placed(block, offsets)


def paired(first: Iterable[np.ndarray], second: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pieces of two streams of blocks (t, ...), equally long, as soon as both are there; ends with the shorter one."""
    ones, others = iter(first), iter(second)
    one, other = next(ones, None), next(others, None)
    while one is not None and other is not None:
        count = min(len(one), len(other))
        if count:
            yield one[:count], other[:count]
        one, other = one[count:], other[count:]
        if not len(one):
            one = next(ones, None)
        if other is not None and not len(other):
            other = next(others, None)
