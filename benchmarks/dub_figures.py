"""Prints what dubbing costs a video and what it does to it: sound of the next clip, and the clip's own sound for comparison.

    python benchmarks/dub_figures.py --clips FOLDER [--take N] [--out FOLDER] [--renderer WEIGHTS]

`FOLDER` holds videos with sound at their own resolution. Outside: more than the mask's slope away from it.
"""

import argparse
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

import headsync
from headsync import media
from headsync.landmarks import to_canvas
from headsync.landmarks.detection import CANVAS_PX, make_detector
from headsync.landmarks.geometry import frontal
from headsync.media.planes import plane
from headsync.media.stored import stored_frames
from headsync.metrics.image import ssim
from render_stage.dubbing.mask import MASK_PX, lower_mask
from render_stage.dubbing.paste import canvas_to_stored
from render_stage.dubbing.survey import Survey, crop_at, survey_video
from syncers import load_syncers

COLUMNS = ("psnr_out", "psnr_in", "ssim_in", "seam", "flicker_out", "drift_%", "lmd_%", "sync_real", "sync_before",
           "sync_after", "dubbed_%", "fps", "cpu_s_frame")


def shares(survey: Survey, size: tuple[int, int]) -> Iterator[np.ndarray | None]:
    """How much of each stored frame is drawn (H, W) float32, where the mouth stays where it is; None of frames passed."""
    for number in range(len(survey.stamps)):
        stretch = next((one for one in survey.stretches if one.start <= number < one.stop), None)
        if stretch is None:
            yield None
            continue
        crop = crop_at(stretch, number)
        points = to_canvas(stretch.points[number - stretch.start], crop, CANVAS_PX)
        yield cv2.warpAffine(lower_mask(points, points), canvas_to_stored(survey.form, crop, MASK_PX), size[::-1])


def compared(source: Path, made: Path, survey: Survey) -> dict[str, float]:
    """Figures of luma, frame by frame, of a dubbed video and its source."""
    rows, light, last = [], [], None
    size = (survey.form.height, survey.form.width)
    for old, new, share in zip(stored_frames(source), stored_frames(made), shares(survey, size)):
        one, other = (plane(frame, 0)[: size[0], : size[1]].astype(np.float32) for frame in (old, new))
        if share is None:
            last = None
            continue
        outside = cv2.dilate(share, np.ones((5, 5)), iterations=8) == 0
        apart = np.square(one - other)
        y, x = np.nonzero(share > 0.5)
        box = (slice(y.min(), y.max() + 1), slice(x.min(), x.max() + 1))
        edge = (share > 0.1) & (share < 0.9)
        slopes = [[cv2.Sobel(part, cv2.CV_32F, *axes) for axes in ((1, 0), (0, 1))] for part in (one, other)]
        steps = [np.hypot(*both)[edge].mean() for both in slopes]
        row = {"mse_out": apart[outside].mean(), "mse_in": apart[share > 0.5].mean(), "seam": steps[1] / max(steps[0], 1e-6),
               "ssim_in": ssim(*(np.repeat(part[box][..., None], 3, 2).astype(np.uint8) for part in (one, other)))}
        if last is not None:
            row["flicker_out"] = np.abs((other - last[1]) - (one - last[0]))[outside].mean()
        rows.append(row)
        light.append(other[share > 0.5].mean() / max(one[share > 0.5].mean(), 1e-6))
        last = one, other
    mean = {name: float(np.mean([row[name] for row in rows if name in row])) for name in rows[-1]}
    edge = max(1, min(25, len(light) // 4))
    return {"psnr_out": 10 * np.log10(255**2 / max(mean["mse_out"], 1e-9)), "psnr_in": 10 * np.log10(255**2 / mean["mse_in"]),
            "ssim_in": mean["ssim_in"], "seam": mean["seam"], "flicker_out": mean["flicker_out"],
            "drift_%": 100 * abs(float(np.mean(light[-edge:]) / np.mean(light[:edge]) - 1))}


def confidence(sound: Path, points: object, pyramid: object) -> float:
    """Of the first time scale."""
    return headsync.sync_offset(sound, points, pyramid=pyramid)[0].confidence


def figures(source: Path, sound: Path, out: Path, renderer: object, pyramid: object) -> dict[str, float]:
    """All columns of one clip, dubbed with another sound and with its own."""
    began, used = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    made = headsync.dub(source, sound, out / f"{source.stem}.mp4", renderer=renderer, longer="cut")
    wall, now = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
    own = headsync.dub(source, source, out / f"{source.stem}.own.mp4", renderer=renderer, longer="cut", shorter="silence")
    detector = make_detector()
    try:
        survey = survey_video(source, detector)
    finally:
        detector.close()
    before, after, again = (headsync.extract(path).sequence for path in (source, made.video, own.video))
    count = min(len(before), len(again))
    mouths = [frontal(one.points[:count])[:, 48:68, :2] for one in (before, again)]
    mouths = [one - one.mean((0, 1)) for one in mouths]
    eyes = np.linalg.norm(frontal(before.points[:1])[0, 45, :2] - frontal(before.points[:1])[0, 36, :2])
    seconds = (now.ru_utime + now.ru_stime) - (used.ru_utime + used.ru_stime)
    found = compared(source, own.video, survey)
    return found | {"lmd_%": 100 * float(np.linalg.norm(mouths[0] - mouths[1], axis=-1).mean() / eyes),
                    "sync_real": confidence(source, before, pyramid), "sync_before": confidence(sound, before, pyramid),
                    "sync_after": confidence(sound, after, pyramid), "dubbed_%": 100 * made.dubbed / made.frames,
                    "fps": made.frames / wall, "cpu_s_frame": seconds / made.frames}


def main() -> None:
    """One line a clip, then the mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--take", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path("runs/dubs"))
    parser.add_argument("--renderer", default="rhythmic_head")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    clips = sorted(path for path in options.clips.glob("*.mp4") if media.video_info(path).has_audio)[: options.take]
    renderer, pyramid = headsync.load_renderer(options.renderer), load_syncers("metric")
    print("clip", *COLUMNS, sep=" | ", flush=True)
    rows = []
    for clip, other in zip(clips, [*clips[1:], *clips[:1]]):
        rows.append(figures(clip, other, options.out, renderer, pyramid))
        print(clip.stem, *(f"{rows[-1][name]:.3f}" for name in COLUMNS), sep=" | ", flush=True)
    print("mean", *(f"{np.mean([row[name] for row in rows]):.3f}" for name in COLUMNS), sep=" | ")


if __name__ == "__main__":
    main()
