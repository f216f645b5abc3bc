"""A photo and a sound -> a few short videos of made-up people talking, sorted by person: something to try every command on."""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from headsync.commands.parser import CommandParser

EXAMPLE = "practice --refs examples/astronaut.jpg --audio examples/speech.flac --out videos"
PEOPLE = ("anna", "bob", "carla", "dan", "emma", "finn", "ida", "jan")      # by the hash of their names all in train
LEAST_S, LONGEST_S = 1.0, 30.0
SIDE_PX = 320               # of the square round the face


def add_arguments(parser: CommandParser) -> None:
    """Its options."""
    parser.add_argument("--refs", required=True, metavar="IMAGE", help="a photo, made into people by mirror and colour")
    parser.add_argument("--audio", required=True, metavar="A", help="any file with sound; each person begins elsewhere in it")
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder: DIR/PERSON/talk.mp4")
    parser.add_argument("--people", type=int, default=len(PEOPLE), help=f"how many, at most and by default {len(PEOPLE)}")
    parser.add_argument("--seconds", type=float, default=5.6, help="of each video (default 5.6)")


def run(options: argparse.Namespace) -> None:
    """Make a video of each person."""
    from headsync import media
    from headsync.landmarks import crop_picture
    from headsync.landmarks.detection import extract
    from landmark_stage import load_generator
    from render_stage import load_renderer

    if not 1 <= options.people <= len(PEOPLE) or not LEAST_S <= options.seconds <= LONGEST_S:
        raise ValueError(f"--people must be 1 to {len(PEOPLE)} and --seconds {LEAST_S:g} to {LONGEST_S:g}, got "
                         f"{options.people} and {options.seconds:g}")
    sound = media.read_audio(options.audio)
    picture = crop_picture(media.read_image(options.refs), extract(options.refs).sequence.crop, SIDE_PX)
    samples = media.samples_for_frames(media.frames_for_seconds(options.seconds))
    generator, renderer = load_generator(), load_renderer()
    for number, person in enumerate(PEOPLE[: options.people]):
        out = Path(options.out) / person / "talk.mp4"
        out.parent.mkdir(parents=True, exist_ok=True)
        make_video(another(picture, number), begun(sound, number, samples), out, seed=number, generator=generator,
                   renderer=renderer)
        print(f"{out}: written")


def another(picture, number: int):
    """The picture (H, W, 3) uint8 as another person: every second one mirrored, each in other colours and of another width."""
    import cv2
    import numpy as np

    shown = picture[:, ::-1] if number % 2 else picture
    lab = cv2.cvtColor(np.ascontiguousarray(shown), cv2.COLOR_RGB2LAB).astype(np.float32)
    angle = 2 * np.pi * number / len(PEOPLE)
    lab += (6 * (number % 3 - 1), 14 * np.cos(angle) * (number > 0), 14 * np.sin(angle))
    tinted = cv2.cvtColor(lab.clip(0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB)
    return cv2.resize(tinted, None, fx=1 + 0.03 * (number % 4), fy=1.0, interpolation=cv2.INTER_LINEAR)


def begun(sound, number: int, samples: int):
    """So many samples of a sound (N,), begun at an eighth of it for each person before and repeated where it ends."""
    import numpy as np

    turned = np.roll(sound, -number * len(sound) // len(PEOPLE))
    return np.resize(turned, samples)  # (samples,)


def make_video(picture, sound, out: Path, *, seed: int, generator, renderer) -> None:
    """Write the face in the picture saying the sound to `out`."""
    import cv2

    from headsync import media
    from landmark_stage import MotionControl, generate_landmarks
    from render_stage import read_references, render_video

    with TemporaryDirectory() as folder:
        photo, speech = Path(folder) / "photo.png", Path(folder) / "speech.flac"
        photo.write_bytes(cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes())
        media.write_flac(speech, sound)
        references = read_references(photo, progress=False)
        motion = generate_landmarks(speech, references.start(), generator=generator, control=MotionControl(seed=seed))
        render_video(motion, references, out, audio=speech, renderer=renderer, progress=False)
