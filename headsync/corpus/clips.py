"""One source video cut into the clips of a corpus.

Shapes: T frames, N samples, V = 468 mesh vertices.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from headsync import media
from headsync.corpus.corpus import Clip, Rejection, save_array
from headsync.corpus.sources import Source
from headsync.landmarks.crop import crop_picture, fixed_crop, to_canvas
from headsync.landmarks.detection.detectors import DETECTORS, Detector, landmark_boxes
from headsync.landmarks.detection.extract import track_video
from headsync.landmarks.detection.tracking import Track, face_runs, fill_gaps
from headsync.landmarks.layouts import IBUG68
from headsync.landmarks.lips import lip_opening
from headsync.landmarks.quality import LipAudio, level_dbfs, lip_audio_agreement
from headsync.landmarks.sequence import LandmarkSequence, producer_json

CLIP_PRESET = "veryfast"    # H.264 effort: training data is written once and read often, its size matters less

OUTPUTS = {"clips": ".mp4", "audio": ".flac", "landmarks": ".npz", "features": ".npy", "mesh": ".npy"}


@dataclass(frozen=True)
class PreprocessSettings:
    """What decides how a source becomes clips; a change makes it anew."""

    detector: str = "mediapipe"
    face: str = "largest"
    canvas_px: int = 256
    min_frames: int = 25
    most_frames: int = 750          # longer shots are cut into equal pieces
    min_face_rate: float = 0.95
    min_face_px: int = 64           # brow to chin, in the source
    most_rival: float = 0.6         # another face of this share of the chosen one's area: who is speaking?

    def __post_init__(self):
        if self.detector not in DETECTORS:
            raise ValueError(f"no detector is called {self.detector!r}; choose one of {', '.join(DETECTORS)}")
        if not 0 < self.min_frames <= self.most_frames:
            raise ValueError(f"clips of {self.min_frames} to {self.most_frames} frames cannot be; "
                             "give a least length of one frame or more that is not above the greatest")


class SourceResult(NamedTuple):
    """What one source gave."""

    clips: list[Clip]
    rejections: list[Rejection]


class Cut(NamedTuple):
    """An accepted stretch, for the pass that writes its pictures."""

    clip: Clip
    start: int
    crop: tuple[float, float, float, float]


class AudioSpans:
    """Consecutive spans of a source's sound; spans must be asked for in order and never overlap backwards."""

    def __init__(self, path: Path):
        self._blocks = media.stream_audio(path)
        self._held = np.zeros(0, np.float32)
        self._start = 0     # sample number of the first held sample

    def read(self, start_frame: int, frames: int) -> np.ndarray:
        """Samples (640 * frames,) float32 from a frame on, silence where the sound has ended."""
        start = media.samples_for_frames(start_frame)
        stop = start + media.samples_for_frames(frames)
        while self._start + len(self._held) < stop:
            block = next(self._blocks, None)
            if block is None:
                break
            self._held = np.concatenate([self._held, block])
            self._forget(start)
        self._forget(start)
        span = self._held[: stop - start]
        return np.pad(span, (0, stop - start - len(span)))

    def _forget(self, before: int) -> None:
        drop = min(max(before - self._start, 0), len(self._held))
        self._held = self._held[drop:]
        self._start += drop


def cut_source(source: Source, out: Path, settings: PreprocessSettings, detector: Detector) -> SourceResult:
    """Clips and rejections of one source, every file of every clip written. ValueError when it cannot be read."""
    audio = AudioSpans(source.path) if media.video_info(source.path).has_audio else None
    cuts: list[Cut] = []
    rejections: list[Rejection] = []
    scan, tracks = track_video(source.path, detector, face=settings.face, most_frames=settings.most_frames)
    for track in tracks:
        runs = face_runs(track)
        if not runs:
            rejections.append(_rejected(source, track.shot.start, len(track.visible), "no face followed"))
        for start, stop in runs:
            reason = _why_not(track, start, stop, settings)
            if reason:
                rejections.append(_rejected(source, track.shot.start + start, stop - start, reason))
            else:
                cuts.append(_write_clip(source, track, (start, stop), scan.size, audio, len(cuts), out, settings))
    if not cuts and not rejections:
        rejections.append(_rejected(source, 0, scan.frames, "no face"))
    _write_pictures(source.path, cuts, out, settings)
    return SourceResult([cut.clip for cut in cuts], rejections)


def _rejected(source: Source, start: int, frames: int, reason: str) -> Rejection:
    return Rejection(source.relative, start / media.FPS, frames, reason, False)


def _why_not(track: Track, start: int, stop: int, settings: PreprocessSettings) -> str | None:
    """The reason to leave a stretch out, or None."""
    if stop - start < settings.min_frames:
        return f"too short: {stop - start} frames, at least {settings.min_frames} are needed"
    rate = float(track.visible[start:stop].mean())
    if rate < settings.min_face_rate:
        return f"face found in {rate:.0%} of the frames, at least {settings.min_face_rate:.0%} are needed"
    height = _face_height(track, start, stop)
    if height < settings.min_face_px:
        return f"face {height:.0f} px high, at least {settings.min_face_px} are needed"
    if track.shot.rival > settings.most_rival:
        return f"another face of {track.shot.rival:.0%} of its area: unclear who is speaking"
    return None


def _face_height(track: Track, start: int, stop: int) -> float:
    boxes = track.boxes[start:stop][track.visible[start:stop]]
    return float(np.median(boxes[:, 3] - boxes[:, 1]))


def _write_clip(source: Source, track: Track, run: tuple[int, int], size: tuple[int, int], audio: AudioSpans | None,
                number: int, out: Path, settings: PreprocessSettings) -> Cut:
    """Landmarks, mesh, sound and features of one accepted stretch; pictures come later, in one pass."""
    name = source.stem if number == 0 else f"{source.stem}_s{number + 1:02d}"
    inside = slice(*run)
    visible = track.visible[inside]
    points = fill_gaps(track.points[inside], visible)
    crop = fixed_crop(landmark_boxes(points), size)
    start = track.shot.start + run[0]
    sequence = LandmarkSequence(
        points=to_canvas(points, crop, settings.canvas_px), visible=visible, fps=float(media.FPS),
        size=(settings.canvas_px, settings.canvas_px), crop=crop, layout=IBUG68,
        producer=producer_json(program="preprocess", detector=settings.detector, source=source.relative, start=start))
    sequence.save(out / "landmarks" / f"{name}.npz")
    if track.mesh is not None:
        mesh = to_canvas(fill_gaps(track.mesh[inside], visible), crop, settings.canvas_px).astype(np.float16)
        save_array(out / "mesh" / f"{name}.npy", mesh)
    sound = _write_sound(audio, start, sequence, out, name, settings)
    opening = lip_opening(points)
    clip = Clip(clip=name, identity=source.identity, split=source.split, frames=len(points), source=source.relative,
                start_s=start / media.FPS, has_audio=audio is not None, av_offset=0,
                face_rate=round(float(visible.mean()), 4), face_height_px=round(_face_height(track, *run), 1),
                rival=round(track.shot.rival, 3), lip_audio_corr=round(sound.agreement.correlation, 3),
                lip_audio_lag=sound.agreement.lag_frames, audio_dbfs=round(sound.level_dbfs, 1),
                lip_range=round(float(np.subtract(*np.percentile(opening, (95, 5)))), 4))
    return Cut(clip, start, crop)


class _Sound(NamedTuple):
    agreement: LipAudio
    level_dbfs: float


def _write_sound(audio: AudioSpans | None, start: int, sequence: LandmarkSequence, out: Path, name: str,
                 settings: PreprocessSettings) -> _Sound:
    if audio is None:
        return _Sound(LipAudio(0.0, 0), level_dbfs(np.zeros(0)))
    waveform = media.quantised(audio.read(start, len(sequence)))    # as in the FLAC: features can be made again
    media.write_flac(out / "audio" / f"{name}.flac", waveform)
    save_array(out / "features" / f"{name}.npy", media.extract_features(waveform))
    return _Sound(lip_audio_agreement(sequence.points, waveform), level_dbfs(waveform))


def _write_pictures(path: Path, cuts: list[Cut], out: Path, settings: PreprocessSettings) -> None:
    """The clips' mp4 files in one more pass over the source."""
    if not cuts:
        return
    frames: Iterator[tuple[int, np.ndarray]] = enumerate(media.read_frames(path, rate=Fraction(media.FPS)))
    for cut in cuts:
        audio = out / "audio" / f"{cut.clip.clip}.flac" if cut.clip.has_audio else None
        target = out / "clips" / f"{cut.clip.clip}.mp4"
        with media.VideoWriter(target, size=(settings.canvas_px,) * 2, audio=audio, preset=CLIP_PRESET,
                               synthetic=False) as writer:
            for index, frame in frames:
                if index >= cut.start:
                    writer.write(crop_picture(frame, cut.crop, settings.canvas_px))
                if index + 1 >= cut.start + cut.clip.frames:
                    break
