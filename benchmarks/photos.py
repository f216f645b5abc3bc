"""What a photo's size, sharpness and mouth do to the video that is made of it: the shipped photo, spoiled.

    .venv/bin/python benchmarks/photos.py --refs examples/astronaut.jpg --audio examples/speech.flac

The limits of `headsync/landmarks/detection/photo.py` are read off these figures.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from headsync import media
from headsync.landmarks import crop_picture
from headsync.landmarks.detection import extract, make_detector
from headsync.landmarks.detection.photo import detail
from headsync.landmarks.lips import lip_opening
from headsync.metrics.image import ssim
from landmark_stage import generate_landmarks, load_generator
from render_stage import Drive, load_renderer, read_references, render_video

SECONDS, EVERY = 3, 10
ASKED = (0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2)


def opened(points: np.ndarray, opening: float) -> np.ndarray:
    """A face (L, 3) with inner lips so far apart, in distances of the outer eye corners; outer lips and chin follow."""
    moved = points.copy()
    way = (opening - lip_opening(points[None])[0]) * np.linalg.norm(points[45, :2] - points[36, :2])
    for chosen, share in (([61, 62, 63], -0.22), ([65, 66, 67], 0.78), ([50, 51, 52], -0.12), ([56, 57, 58], 0.7),
                          ([6, 7, 8, 9, 10], 0.3)):
        moved[chosen, 1] += share * way
    return moved


def main() -> None:
    """Print a line for each spoiled photo."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--refs", required=True)
    parser.add_argument("--audio", required=True)
    options = parser.parse_args()
    detector, renderer, generator = make_detector(), load_renderer(), load_generator()
    photo = crop_picture(media.read_image(options.refs), extract(options.refs, detector=detector).sequence.crop, 256)
    sound = media.read_audio(options.audio)[: SECONDS * media.SAMPLE_RATE_HZ]
    with TemporaryDirectory() as folder:
        path, video = Path(folder) / "photo.png", Path(folder) / "video.mp4"

        def references(picture: np.ndarray):
            cv2.imwrite(str(path), picture[..., ::-1])
            return read_references(path, detector=detector)

        def frames(motion, shown) -> list[np.ndarray]:
            render_video(motion, shown, video, renderer=renderer, progress=False)
            return list(media.read_frames(video))

        whole = references(photo)
        motion = generate_landmarks(sound, whole.start(), generator=generator)
        best = frames(motion, whole)[::EVERY]
        spoiled = {f"reduced to {scale:g}": cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                   for scale in (0.7, 0.5, 0.35, 0.25)}
        spoiled |= {f"blurred by {sigma:g} px": cv2.GaussianBlur(photo, (0, 0), sigma) for sigma in (0.7, 1, 1.5, 2, 3)}
        for name, picture in spoiled.items():
            shown = references(picture)
            source = shown.sources[0]
            made = frames(generate_landmarks(sound, shown.start(), generator=generator), shown)[::EVERY]
            print(f"{name}: enlarged {256 / (source.crop[2] - source.crop[0]):.2f} times, detail "
                  f"{detail(picture, source.faces[0].points, source.crop):.4f}, SSIM to the whole photo's video "
                  f"{np.mean([ssim(one, other) for one, other in zip(best, made)]):.3f}")
        start = whole.start()
        for opening in (0.0, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4):
            begun = replace(start, points=opened(start.points[0], opening)[None])
            made = generate_landmarks(sound, begun, generator=generator).points
            spread = np.percentile(lip_opening(made), (5, 50, 95)).round(3)
            print(f"a motion from an opening of {opening}: 5, 50, 95 % {spread}")
        identity = renderer.prepare(whole.on_canvas())
        for opening in (0.0, float(lip_opening(start.points)[0]), 0.25):
            shown = references(renderer.frames(identity, Drive(opened(start.points[0], opening)[None].astype(np.float32)))[0])
            begun = shown.start()
            asked = np.stack([opened(begun.points[0], one) for one in ASKED])
            made = renderer.frames(renderer.prepare(shown.on_canvas()), Drive(asked.astype(np.float32)))
            seen = []
            for one in made:
                cv2.imwrite(str(path), one[..., ::-1])
                seen.append(round(float(lip_opening(extract(path, detector=detector).sequence.points)[0]), 3))
            print(f"a photo with an opening of {lip_opening(begun.points)[0]:.3f}: asked {ASKED}, rendered {seen}")


if __name__ == "__main__":
    main()
