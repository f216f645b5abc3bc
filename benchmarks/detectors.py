"""MediaPipe's two interfaces on the same clips: landmarks, lip opening, closures, jitter and speed side by side.

    .venv/bin/python benchmarks/detectors.py --other-python OTHER/bin/python --clips A.mp4 B.mp4 ... --learn C.mp4 D.mp4 ...

This Python has mediapipe 0.10.14 and the other one mediapipe 1.2 or later, headsync's other requirements too. Prints a
line per clip, then what a constant offset per landmark would do, learned on other clips (--learn). Observations are kept
in --work and taken from there the next time. Lengths are shares of the distance of the outer eye corners, in per cent.

Shapes: T frames, V = 468 mesh vertices.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))   # the other Python needs headsync's requirements, not headsync itself

from headsync.landmarks.detection import make_detector  # noqa: E402
from headsync.landmarks.detection.extract import PIECE_FRAMES, track_video  # noqa: E402
from headsync.landmarks.geometry import similarity_fit  # noqa: E402
from headsync.landmarks.layouts import MEDIAPIPE_TO_IBUG68  # noqa: E402

POINTS = list(MEDIAPIPE_TO_IBUG68)
EYES, UPPER, LOWER = [36, 45], [61, 62, 63], [67, 66, 65]
CLOSED = 2.0                # lips nearer than this, per cent of the eye distance, are closed,
CROSSED = -0.5              # and these have passed through each other
COLUMNS = ("found", "found'", "offset", "rest", "opening r", "open", "open'", "closed", "closed'", "jitter", "jitter'",
           "fps", "fps'")


class Observation(NamedTuple):
    """What one interface sees in one clip."""

    points: np.ndarray      # (T, 68, 3) pixels, NaN where not found
    rate: float             # frames per processor second, decoding included


def observe(clip: Path, folder: Path) -> None:
    """Write what the installed MediaPipe sees in a clip."""
    detector = make_detector("mediapipe")
    begun = time.process_time()
    scan, tracks = track_video(clip, detector, face="largest", most_frames=PIECE_FRAMES)
    points = np.full((scan.frames, 68, 3), np.nan, np.float32)
    for track in tracks:
        points[track.shot.start : track.shot.start + len(track.visible)] = track.points
    rate = scan.frames / (time.process_time() - begun)
    detector.close()
    np.savez_compressed(folder / f"{clip.stem}.npz", points=points, rate=rate)


def observations(python: str, clips: list[Path], folder: Path) -> dict[str, Observation]:
    """What this Python's MediaPipe sees in the clips, by their names."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [clip for clip in clips if not (folder / f"{clip.stem}.npz").exists()]
    if missing:
        subprocess.run([python, __file__, "--observe", folder, "--clips", *missing], check=True)
    seen = {}
    for clip in clips:
        with np.load(folder / f"{clip.stem}.npz", allow_pickle=False) as file:
            seen[clip.stem] = Observation(file["points"].astype(float), float(file["rate"]))
    return seen


def both(old: Observation, new: Observation) -> tuple[np.ndarray, np.ndarray]:
    """The points (T, 68, 3) of the frames in which both found the face."""
    found = np.isfinite(old.points[:, 0, 0]) & np.isfinite(new.points[:, 0, 0])
    return old.points[found], new.points[found]


def eye_distance(points: np.ndarray) -> np.ndarray:
    """(T,) pixels."""
    return np.linalg.norm(points[:, EYES[0], :2] - points[:, EYES[1], :2], axis=1)


def opening(points: np.ndarray) -> np.ndarray:
    """(T,) the inner lips' gap along the face's own vertical, negative where they cross."""
    down = points[:, 8] - points[:, 27]                                                     # (T, 3)
    down = down / np.linalg.norm(down, axis=1, keepdims=True)
    gaps = ((points[:, LOWER] - points[:, UPPER]) * down[:, None]).sum(2).mean(1)           # (T,)
    return 100 * gaps / eye_distance(points)


def jitter(points: np.ndarray) -> float:
    """Mean size of the second difference in time."""
    return 100 * float(np.linalg.norm(np.diff(points[..., :2], n=2, axis=0), axis=2).mean() / eye_distance(points).mean())


def offset_in_face(old: np.ndarray, new: np.ndarray, face: np.ndarray) -> np.ndarray:
    """The mean offset (68, 3) from new to old points (T, 68, 3), in the frame of a face (68, 3) of eye distance 1."""
    fit = similarity_fit(new, face)
    return (fit.apply(old) - fit.apply(new)).mean(0)  # (68, 3)


def calibrated(new: np.ndarray, offset: np.ndarray, face: np.ndarray) -> np.ndarray:
    """Points (T, 68, 3) moved by an offset (68, 3) that turns and grows with the face."""
    fit = similarity_fit(new, face)
    return new + (offset @ fit.rotation) / fit.scale[:, None, None]  # (T, 68, 3)


def row(old: Observation, new: Observation) -> list[float]:
    """One clip's figures, in the order of COLUMNS."""
    a, b = both(old, new)
    away = (b - a)[..., :2] / eye_distance(a)[:, None, None]                                 # (T, 68, 2)
    gaps = opening(a), opening(b)
    return [*(100 * np.isfinite(one.points[:, 0, 0]).mean() for one in (old, new)),
            100 * np.linalg.norm(away.mean(0), axis=1).mean(), 100 * np.linalg.norm(away - away.mean(0), axis=2).mean(),
            np.corrcoef(*gaps)[0, 1], *(gap.mean() for gap in gaps), *(100 * (gap < CLOSED).mean() for gap in gaps),
            jitter(a), jitter(b), old.rate, new.rate]


def calibration(shown: list[tuple], learned: list[tuple]) -> None:
    """Print what an offset per landmark, learned on the one clips, does to the others."""
    pairs = [both(*pair) for pair in learned]
    face = pairs[0][1][0] - pairs[0][1][0].mean(0)
    for _ in range(3):
        face = np.mean([similarity_fit(new, face).apply(new).mean(0) for _, new in pairs], axis=0)
        face = (face - face.mean(0)) / np.linalg.norm(face[EYES[0]] - face[EYES[1]])
    offsets = np.array([offset_in_face(*pair, face) for pair in pairs])                      # (clips, 68, 3)
    mean = offsets.mean(0)
    print(f"\noffset learned on {len(pairs)} clips: {100 * np.linalg.norm(mean[:, :2], axis=1).mean():.2f} %; the clips stray "
          f"from it by {100 * np.linalg.norm((offsets - mean)[..., :2], axis=2).mean():.2f} %")
    print(f"{'on the clips above':20s}{'distance':>9s}{'opening':>9s}{'closed':>9s}{'crossed':>9s}")
    pairs = [both(*pair) for pair in shown]
    kinds = {"0.10.14": [old for old, _ in pairs], "tasks": [new for _, new in pairs],
             "tasks, calibrated": [calibrated(new, mean, face) for _, new in pairs]}
    for name, clips in kinds.items():
        far = [100 * (np.linalg.norm((one - old)[..., :2], axis=2) / eye_distance(old)[:, None]).mean()
               for one, (old, _) in zip(clips, pairs, strict=True)]
        gaps = [opening(one) for one in clips]
        figures = [np.mean(far), *(np.mean([use(gap) for gap in gaps]) for use in (
            np.mean, lambda gap: 100 * (gap < CLOSED).mean(), lambda gap: 100 * (gap < CROSSED).mean()))]
        print(f"{name:20s}" + "".join(f"{figure:9.2f}" for figure in figures))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, nargs="+", required=True)
    parser.add_argument("--learn", type=Path, nargs="+", default=[])
    parser.add_argument("--other-python", help="one with mediapipe 1.2 or later")
    parser.add_argument("--work", type=Path, default=ROOT / "out/detectors")
    parser.add_argument("--observe", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.observe:
        for clip in options.clips:
            observe(clip, options.observe)
        return
    clips = [*options.clips, *options.learn]
    old = observations(sys.executable, clips, options.work / "solutions")
    new = observations(options.other_python, clips, options.work / "tasks")
    print(f"{'clip':12s}" + "".join(f"{name:>10s}" for name in COLUMNS) + "     (' is tasks)")
    rows = {clip.stem: row(old[clip.stem], new[clip.stem]) for clip in options.clips}
    for name, figures in [*rows.items(), ("mean", np.mean([*rows.values()], axis=0))]:
        print(f"{name:12s}" + "".join(f"{figure:10.2f}" for figure in figures))
    if options.learn:
        calibration(*([(old[clip.stem], new[clip.stem]) for clip in part] for part in (options.clips, options.learn)))


if __name__ == "__main__":
    main()
