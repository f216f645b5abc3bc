"""Sound and a first face to head and lip motion: whole, streamed block by block, or written to a file of any length.

Shapes: T frames, t frames of a block, L = 68 landmarks, N samples. Source: MS-Sync section 3.2; method/ms_sync.md#inference,
method/decisions.md#generator-start-and-noise.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from itertools import tee
from pathlib import Path

import numpy as np
import torch

from headsync import media
from headsync.experiment import Kind, build_config, fingerprint, load_model
from headsync.landmarks import IBUG68, LandmarkSequence, SequenceWriter, canonical_face, points_from_flat, producer_json
from headsync.landmarks.detection import CANVAS_PX, extract
from headsync.landmarks.detection.photo import log_notes, start_note
from headsync.landmarks.motion import check_scales, scale_motion
from headsync.landmarks.motion.lips import uncrossed_lips
from landmark_stage.articulation.generate import OWN_LIPS, articulated, lip_stream, load_lips
from landmark_stage.articulation.network import Articulation
from landmark_stage.ms_sync.generator import Generator, GeneratorSettings
from landmark_stage.ms_sync.noise import NoiseSource
from landmark_stage.ms_sync.stream import MotionStream
from landmark_stage.push import PushStream, device_of, pushed

MODELS = ("short", "long")
KIND = Kind("landmark_stage", MODELS, frozenset(["generator"]), "generator", "landmark generator",
            "headsync train landmarks", "generator weights")
BLOCK_FRAMES = 250


@dataclass(frozen=True)
class MotionControl:
    """How a motion is made. Equal controls, equal motion.

    >>> import headsync
    >>> still = headsync.MotionControl(seed=3, head_scale=0.5)
    >>> len(headsync.generate_landmarks("speech.wav", control=still))
    10
    """

    seed: int = 0
    noise: float = 1.0          # 0: the mean prediction, the same for every seed
    head_scale: float = 1.0     # 0: the head stands still
    lip_scale: float = 1.0

    def __post_init__(self):
        media.check_fields(self)
        check_scales(noise=self.noise, head_scale=self.head_scale, lip_scale=self.lip_scale)
        if not -(1 << 63) <= self.seed < 1 << 63:
            raise ValueError(f"--seed must fit 64 bits, got {self.seed}")

    def noise_source(self, generator: Generator) -> NoiseSource:
        """The generator's noise under this control, from frame -2 on."""
        random = torch.Generator().manual_seed(self.seed)
        return NoiseSource(generator.settings.noise, generator=random, scale=self.noise)


@media.checked
def load_generator(source: str | Path = "long", *, device: str | torch.device = "auto") -> Generator:
    """A frozen generator in evaluation mode: the shipped `short` or `long` one, or a weight file.

    `device` is auto (a GPU where there is one), cpu, cuda or cuda:N; motions are made there. ValueError for other files.

    >>> import headsync
    >>> generator = headsync.load_generator("short")
    >>> headsync.generate_landmarks("speech.wav", generator=generator).points.shape
    (10, 68, 3)
    """
    return load_model(source, lambda config: Generator(build_config(GeneratorSettings, config["generator"])), KIND,
                      device=device)


@media.checked
def start_face(source: str | Path | LandmarkSequence | None = None) -> LandmarkSequence:
    """One frame to start from: of a sequence, its .npz, a picture or a video the first that shows a face.

    None: the shipped canonical face, frontal, on a canvas of 256. ValueError, one line, for anything without a face; a mouth
    that is wide open is logged as a warning.

    >>> import headsync
    >>> start = headsync.start_face("photo.jpg")
    >>> start.points.shape, start.size
    ((1, 68, 3), (256, 256))
    """
    if source is None:
        points = canonical_face()[None]
        return LandmarkSequence(points=points, visible=np.ones(1, bool), fps=float(media.FPS), size=(CANVAS_PX, CANVAS_PX),
                                crop=(0.0, 0.0, float(CANVAS_PX), float(CANVAS_PX)),
                                producer=producer_json(program="canonical face"))
    place = "the start" if isinstance(source, LandmarkSequence) else source
    if not isinstance(source, LandmarkSequence):
        source = LandmarkSequence.load(source) if Path(source).suffix == ".npz" else extract(source).sequence
    if source.layout != IBUG68:
        raise ValueError(f"the generator knows {IBUG68} faces, got {source.layout}")
    first = int(source.visible.argmax())        # the first visible frame; 0 where none is
    log_notes(place, start_note(source.points[first]))
    return source.slice(first, first + 1)


@media.checked
def stream_landmarks(audio: str | Path | np.ndarray | media.Sound | Iterable[np.ndarray],
                     start: LandmarkSequence | None = None, *, generator: Generator | None = None,
                     control: MotionControl | None = None, block_frames: int = BLOCK_FRAMES,
                     level: media.Level | None = None, lips: Articulation | str | Path = "articulation",
                     device: str | torch.device = "auto") -> Iterator[np.ndarray]:
    """Motion as blocks (t, 68, 3) float32, pixels of the start's canvas: `block_frames` each, the last one shorter.

    `audio` is a file, a 16 kHz waveform, an open sound (`media.open_sound`), or, for live sound, an iterable of its pieces
    with its expected `level` (`media.measure_level` of a sample). Frame t comes when frame t + 44 is there, with other lips
    t + 30 (`LOOK_AHEAD_FRAMES`; by `live_face` t + 5); together the blocks equal `generate_landmarks`. ValueError as there.

    >>> import headsync
    >>> blocks = headsync.stream_landmarks("speech.wav", headsync.start_face("photo.jpg"), block_frames=4)
    >>> [block.shape for block in blocks]
    [(4, 68, 3), (4, 68, 3), (2, 68, 3)]

    Live sound, in pieces of any size as a microphone gives them (here 20 ms of a file):

    >>> level = headsync.measure_level(headsync.read_audio("speech.wav"))     # a few seconds of the same voice
    >>> def microphone():
    ...     waveform = headsync.read_audio("speech.wav")
    ...     yield from (waveform[begin : begin + 320] for begin in range(0, len(waveform), 320))
    >>> frames = headsync.stream_landmarks(microphone(), level=level, block_frames=1)
    >>> next(frames).shape
    (1, 68, 3)
    """
    if block_frames < 1:
        raise ValueError(f"a block holds at least 1 frame, got block_frames={block_frames}")
    if not isinstance(audio, str | Path | np.ndarray | media.Sound):
        if level is None:
            raise ValueError("live sound needs its level: give level=measure_level(a sample of it)")
        blocks = audio
    else:
        sound = media.open_sound(audio)
        blocks, level = sound.blocks(block_frames), sound.level
    generator = generator or load_generator(device=device)
    return _blocks(blocks, level, start or start_face(), generator, control or MotionControl(), block_frames,
                   load_lips(lips, device=device_of(generator)))


def _blocks(blocks: Iterable[np.ndarray], level: media.Level, start: LandmarkSequence, generator: Generator,
            control: MotionControl, block_frames: int, lips: Articulation | None) -> Iterator[np.ndarray]:
    if lips is None:
        moving = _moving(blocks, level, start, generator, control)
        return media.recut((uncrossed_lips(block, start.points[0]) for block in moving), block_frames)
    blocks, again = tee(blocks)
    moving = _moving(blocks, level, start, generator, replace(control, lip_scale=1.0))
    offsets = (made.numpy() for made in pushed(lip_stream(lips, level=level), again))
    return media.recut(articulated(moving, offsets, start.points[0], lips, lip_scale=control.lip_scale), block_frames)


def _moving(blocks: Iterable[np.ndarray], level: media.Level, start: LandmarkSequence, generator: Generator,
            control: MotionControl) -> Iterator[np.ndarray]:
    """The generator's motion (t, 68, 3), cut as it comes."""
    dims = generator.settings.dims
    stream = motion_stream(generator, start, control, level=level)

    def shown(made: torch.Tensor) -> np.ndarray:
        points = points_from_flat(made.numpy(), start.size, dims=dims, depth=start.points[0, :, 2])     # (t, L, 3)
        return scale_motion(points, start.points[0], head=control.head_scale, lips=control.lip_scale)

    yield start.points                          # frame 0, bit for bit
    made = 0
    for motion in pushed(stream, blocks):
        yield shown(motion[1:] if not made else motion)
        made += len(motion)


def motion_stream(generator: Generator, start: LandmarkSequence, control: MotionControl, *, level: media.Level) -> PushStream:
    """Samples in, motion (t, D * L) in canvas shares out, that begins with the start; `level` is the sound's."""
    first = torch.from_numpy(start.flat(generator.settings.dims)[0])
    maker = MotionStream(generator, first, noise=control.noise_source(generator))
    return PushStream(maker, media.FeatureStream(level), device=device_of(generator))


@media.checked
def generate_landmarks(
    audio: str | Path | np.ndarray | media.Sound, start: LandmarkSequence | None = None, *, generator: Generator | None = None,
    control: MotionControl | None = None, lips: Articulation | str | Path = "articulation",
    lips_from: str | Path | np.ndarray | media.Sound | None = None, device: str | torch.device = "auto") -> LandmarkSequence:
    """The motion (T, 68, 3) of a face while it says `audio`, a file, waveform (16 kHz) or open sound: T = ceil(25 x seconds).

    Frame 0 is `start` (default: the canonical face), bit for bit; `generator` is the shipped `long` one on `device` by
    default. `lips` is who moves jaw and mouth: the articulation learner (shipped, loaded, or a weight file), which finds
    absolute shapes about the neutral mouth of the start, `live`, the same with 6 frames of look-ahead, or `generator`, whose
    lips add to the start's as MS-Sync's do. The face follows `lips_from`, say a song's vocals, instead of `audio`, as long as
    that. The same arguments give the same arrays. ValueError, one line, for sound without samples or with none that is finite.

    >>> import headsync
    >>> motion = headsync.generate_landmarks("speech.wav", headsync.start_face("photo.jpg"))
    >>> motion.save("motion.npz")
    >>> len(motion), motion.points.shape
    (10, (10, 68, 3))
    """
    start, control, generator = start or start_face(), control or MotionControl(), generator or load_generator(device=device)
    lips = load_lips(lips, device=device_of(generator))
    audio = media.followed_sound(media.open_sound(audio), lips_from)
    points = np.concatenate(list(stream_landmarks(audio, start, generator=generator, control=control, lips=lips or OWN_LIPS)))
    return LandmarkSequence(points=points, visible=np.ones(len(points), bool), fps=float(media.FPS), size=start.size,
                            crop=start.crop, producer=_producer(audio, generator, control, lips))


@media.checked
def write_landmarks(audio: str | Path | media.Sound, start: LandmarkSequence | None, out: str | Path, *,
                    generator: Generator | None = None, control: MotionControl | None = None,
                    lips: Articulation | str | Path = "articulation", device: str | torch.device = "auto") -> int:
    """The number of frames of the motion now in `out` (.npz): as `generate_landmarks`, in constant memory.

    >>> import headsync
    >>> headsync.write_landmarks("speech.wav", None, "motion.npz", control=headsync.MotionControl(seed=3, lip_scale=1.1))
    10
    """
    start, control, generator = start or start_face(), control or MotionControl(), generator or load_generator(device=device)
    sound, lips = media.open_sound(audio), load_lips(lips, device=device_of(generator))
    with SequenceWriter(out, frames=sound.frames, fps=float(media.FPS), size=start.size, crop=start.crop,
                        producer=_producer(audio, generator, control, lips)) as writer:
        with media.stage("motion", total=sound.frames, unit="frame") as step:
            for block in _blocks(sound.blocks(BLOCK_FRAMES), sound.level, start, generator, control, BLOCK_FRAMES, lips):
                writer.write(block)
                step(len(block))
    return sound.frames


def _producer(audio: str | Path | np.ndarray | media.Sound, generator: Generator, control: MotionControl,
              lips: Articulation | None) -> str:
    """What made a motion: program, weights, sound, controls."""
    return producer_json(program="gen_landmarks", version=metadata.version("headsync"), weights=fingerprint(generator),
                         lips=OWN_LIPS if lips is None else fingerprint(lips), seed=control.seed, noise=control.noise,
                         head_scale=control.head_scale, lip_scale=control.lip_scale, **audio_provenance(audio))


def audio_provenance(audio: str | Path | np.ndarray | media.Sound) -> dict[str, str]:
    """What a producer says of a sound: the name and SHA-256 of its file, nothing of a waveform."""
    path = audio.path if isinstance(audio, media.Sound) else None if isinstance(audio, np.ndarray) else audio
    return {} if path is None else {"audio": Path(path).name, "audio_sha256": file_digest(path)}


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
