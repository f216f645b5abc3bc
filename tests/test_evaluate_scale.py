"""However many clips there are: frames come one by one, a handful is alive at a time, and clips cost alike."""

import weakref
from collections import Counter
from pathlib import Path

import numpy as np

from headsync import media
from headsync.evaluation.evaluate import EvaluationSettings, evaluate_videos
from headsync.landmarks import canonical_face
from headsync.landmarks.detection.detectors import Face
from syncers import load_syncers
from tests.face_files import write_tone, write_video

FRAMES, SIZE = 23, 96
MOST_ALIVE = 8          # two decoders, each ahead by one, and the three pairs that flicker looks at are copies
BLOB = canonical_face() * (SIZE / 256)


class SteadyDetector:
    """Finds the same face in every picture, without looking."""

    name = "steady"

    def boxes(self, picture: np.ndarray) -> np.ndarray:
        return np.array([[*BLOB[:, :2].min(0), *BLOB[:, :2].max(0)]])

    def faces(self, picture: np.ndarray) -> list[Face]:
        return [Face(BLOB.astype(np.float32), None)]

    def restart(self) -> None:
        pass

    def close(self) -> None:
        pass


class Watch:
    """Counts frames while they live, and how often each file was read."""

    def __init__(self, read_frames):
        self._read, self.alive, self.most, self.files, self.reads = read_frames, Counter(), 0, 0, Counter()

    def __call__(self, path: Path, **options):
        self.reads[Path(path)] += 1
        for frame in self._read(path, **options):
            clip = Path(path).stem
            self.alive[clip] += 1
            weakref.finalize(frame, self._gone, clip)
            self.most = max(self.most, sum(self.alive.values()))
            self.files = max(self.files, len(+self.alive))
            yield frame

    def _gone(self, clip: str) -> None:
        self.alive[clip] -= 1


def embed(pictures: np.ndarray, points: np.ndarray) -> np.ndarray:
    """A stand-in for an identity encoder that keeps nothing of the pictures."""
    return np.repeat(np.eye(5)[:1], len(pictures), 0)


def watched(folder: Path, clips: int, monkeypatch) -> Watch:
    """One evaluation of so many clips of two methods."""
    frames = list(np.random.default_rng(0).integers(0, 256, (FRAMES, SIZE, SIZE, 3), np.uint8))
    for number in range(clips):
        for name in ("real", "one", "two"):
            (folder / name).mkdir(parents=True, exist_ok=True)
            write_video(folder / name / f"{number}.mp4", frames)
        write_tone(folder / "real" / f"{number}.flac", FRAMES, seed=number)
    watch = Watch(media.read_frames)
    with monkeypatch.context() as patched:
        patched.setattr(media, "read_frames", watch)
        found = evaluate_videos({name: folder / name for name in ("one", "two")}, folder / "real", detector=SteadyDetector(),
                                embed=embed, pyramid=load_syncers("loss"), progress=False, settings=EvaluationSettings(worst=0))
    assert not found.problems and len({row.clip for row in found.rows}) == clips
    assert sum(watch.alive.values()) == 0, "nothing of a frame is kept"
    return watch


def test_frames_do_not_pile_up_and_clips_cost_alike(tmp_path, monkeypatch):
    few, many = (watched(tmp_path / str(clips), clips, monkeypatch) for clips in (1, 5))
    assert 2 <= many.most <= MOST_ALIVE and many.most <= few.most + 1 and many.files == 1
    assert sum(many.reads.values()) == 5 * sum(few.reads.values()) and set(many.reads.values()) == set(few.reads.values())
