"""The evaluation itself measured: a whole split by one command, rendered pieces, and how time and memory grow with clips.

    .venv/bin/python benchmarks/evaluation_runs.py --data CORPUS --out DIR [--split val] [--parts whole pieces videos]
        [--frames 50] [--people 12] [--methods redrawn short long dubbed rhythmic]
    .venv/bin/python benchmarks/evaluation_runs.py --scale 4 8 16 32

Every part ends in one call of `headsync evaluate`, which is printed and says how long it took and how much memory at most:
    whole     motion that MS-Sync's generator (`short`, `long`) made for every clip with sound, against the corpus
    pieces    the same in pieces of 80 frames that do not overlap (the papers' length), known offsets put right
    videos    the first frames of clips of some people, put right, rendered from their first picture: real landmarks
              (`redrawn`), `short`, `long`, `long` under the real head (`dubbed`), and Rhythmic Head's own way (`rhythmic`:
              expression learner and learned head)
`benchmarks/paper_tables.py` makes the papers' tables of these reports. `--scale` evaluates so many small made-up clips, each
number in a process of its own. Rendering takes 0.1 s a frame on one core; what is already there is not made again.
"""

import argparse
import itertools
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from headsync import media
from headsync.corpus import Clip, Corpus, open_corpus
from headsync.corpus.corpus import write_table
from headsync.landmarks import LandmarkSequence, frontalise, head_pose, pose_points
from landmark_stage import MotionChoice, MotionControl, load_generator, load_speaker, write_landmarks, write_motion
from render_stage import load_renderer, read_references, render_video
from tests.face_files import shaking, write_tone, write_video

ROOT = Path(__file__).parents[1]
MODELS = ("short", "long")
METHODS = ("redrawn", *MODELS, "dubbed", "rhythmic")
PIECE_FRAMES, SCALE_FRAMES = 80, 50
SEED = 1


def cut_corpus(corpus: Corpus, clips: list[Clip], folder: Path, *, frames: int, whole_pieces: bool, videos: bool) -> Corpus:
    """A corpus of pieces of so many frames whose sound is neither early nor late; without `whole_pieces` of up to so many."""
    if (folder / "manifest.csv").is_file():
        return open_corpus(folder)
    for name in ("landmarks", "audio", "clips"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    cut = []
    for clip in clips:
        sequence, sound = corpus.landmarks(clip), media.read_audio(corpus.audio_path(clip))
        seen, first_row = max(0, -clip.av_offset), max(0, clip.av_offset)       # the frames that the first piece begins with
        length = len(sequence) - abs(clip.av_offset)
        starts = range(0, length - frames + 1, frames) if whole_pieces else (0,)
        for number, start in enumerate(starts):
            piece, count = f"{clip.clip}_{number}", min(frames, length - start)
            first = seen + start
            sequence.slice(first, first + count).save(folder / "landmarks" / f"{piece}.npz")
            samples = media.samples_for_frames(first_row + start), media.samples_for_frames(first_row + start + count)
            media.write_flac(folder / "audio" / f"{piece}.flac", sound[slice(*samples)])
            if videos:
                shown = list(itertools.islice(media.read_frames(corpus.video_path(clip)), first, first + count))
                write_frames(folder / "clips" / f"{piece}.mp4", shown, folder / "audio" / f"{piece}.flac")
            cut.append(clip._replace(clip=piece, frames=count, av_offset=0))
    write_table(folder / "manifest.csv", Clip, cut)
    return open_corpus(folder)


def write_frames(path: Path, frames: list[np.ndarray], audio: Path) -> None:
    """An mp4 as the renderer writes them."""
    with media.VideoWriter(path, size=frames[0].shape[:2], audio=audio, preset="veryfast", synthetic=False) as writer:
        for frame in frames:
            writer.write(frame)


def generate(corpus: Corpus, clips: list[Clip], out: Path) -> dict[str, Path]:
    """Folders of the generators' motion for every clip, from its first face and its sound."""
    for model in MODELS:
        generator = load_generator(model)
        (out / model).mkdir(parents=True, exist_ok=True)
        for clip in clips:
            if not (made := out / model / f"{clip.clip}.npz").is_file():
                write_landmarks(corpus.audio_path(clip), corpus.landmarks(clip).slice(0, 1), made, generator=generator,
                                control=MotionControl(seed=SEED))
    return {model: out / model for model in MODELS}


def dubbed(made: LandmarkSequence, real: LandmarkSequence) -> LandmarkSequence:
    """A generated face under the real clip's head."""
    frames = min(len(made), len(real))
    front = frontalise(made.points[:frames], head_pose(made.points[:frames]))
    posed = pose_points(front, head_pose(real.points[:frames]))
    return real.slice(0, frames).replace(points=posed.astype(np.float32), visible=np.ones(frames, bool))


def render(corpus: Corpus, motions: dict[str, Path], out: Path, names: list[str]) -> dict[str, Path]:
    """Folders of videos, each from its clip's first picture alone."""
    renderer, learner, long = load_renderer(), load_speaker("expression"), motions["long"]
    began, frames = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        for clip in corpus.clips:
            real, sound, photo = corpus.landmarks(clip), corpus.audio_path(clip), Path(folder) / f"{clip.clip}.png"
            cv2.imwrite(str(photo), next(media.read_frames(corpus.video_path(clip)))[..., ::-1])
            references = read_references([photo], progress=False)
            for name in names:
                made, motion = out / name / f"{clip.clip}.mp4", Path(folder) / f"{name}.npz"
                made.parent.mkdir(parents=True, exist_ok=True)
                if made.is_file():
                    continue
                if name == "rhythmic":
                    write_motion(sound, real.slice(0, 1), motion, speaker=learner, control=MotionControl(seed=SEED),
                                 motion=MotionChoice(head="learned", seed=SEED))
                elif name == "dubbed":
                    dubbed(LandmarkSequence.load(long / f"{clip.clip}.npz"), real).save(motion)
                shown = {"redrawn": real, **{model: motions[model] / f"{clip.clip}.npz" for model in motions}}.get(name, motion)
                frames += render_video(shown, references, made, audio=sound, renderer=renderer, progress=False).frames
    print(f"rendered {frames} frames in {time.monotonic() - began:.0f} s", flush=True)
    return {name: out / name for name in names}


def spread(clips: list[Clip], people: int) -> list[Clip]:
    """One clip each of so many people, spread over all."""
    firsts = list({clip.identity: clip for clip in reversed(clips)}.values())[::-1]
    return [firsts[k] for k in np.unique(np.linspace(0, len(firsts) - 1, people).round().astype(int))]


def evaluate(methods: dict[str, Path], reference: Path, report: Path, *more: str) -> None:
    """Call the command, print it, what it says and its exit code."""
    arguments = [*(f"--method={name}={place}" for name, place in methods.items()), f"--reference={reference}",
                 f"--report={report}", *more]
    print("$ headsync evaluate", shlex.join(arguments), flush=True)
    done = subprocess.run([sys.executable, "-m", "headsync", "evaluate", *arguments], stdout=subprocess.PIPE, text=True)
    print(done.stdout.strip(), f"exit code {done.returncode}", sep="\n", flush=True)


def scale(counts: list[int]) -> None:
    """So many clips of 50 frames of one made-up face against itself, a few pixels smaller."""
    with tempfile.TemporaryDirectory() as folder:
        shown = [shaking(SCALE_FRAMES, amplitude=5 + 2 * variant) for variant in range(4)]
        small = [[cv2.resize(frame, (192, 192), interpolation=cv2.INTER_AREA) for frame in frames] for frames in shown]
        for count in counts:
            place = Path(folder) / str(count)
            for name in ("made", "real"):
                (place / name).mkdir(parents=True)
            for number in range(count):
                sound = write_tone(place / "real" / f"{number:03}.flac", SCALE_FRAMES, seed=number)
                write_video(place / "real" / f"{number:03}.mp4", shown[number % 4], audio=sound)
                write_video(place / "made" / f"{number:03}.mp4", small[number % 4])
            evaluate({f"{count}": place / "made"}, place / "real", place / "report")


def main() -> None:
    """Make what is missing and call the command for each part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--frames", type=int, default=50, help="of each rendered clip at most")
    parser.add_argument("--people", type=int, default=12, help="of whom one clip is rendered")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--parts", nargs="*", default=["whole", "pieces", "videos"], choices=("whole", "pieces", "videos"))
    parser.add_argument("--scale", type=int, nargs="*", default=[], metavar="N")
    options = parser.parse_args()
    if options.scale:
        scale(options.scale)
        return
    if options.data is None or options.out is None:
        parser.error("give --data and --out, or --scale")
    corpus, out = open_corpus(options.data), options.out
    clips = list(corpus.select(options.split, talking=True))
    if "whole" in options.parts:
        motions = generate(corpus, clips, out / "whole")
        evaluate(motions, options.data, out / "whole" / "report", f"--split={options.split}")
    for part in [part for part in options.parts if part != "whole"]:
        frames, videos = (options.frames, True) if part == "videos" else (PIECE_FRAMES, False)
        chosen = spread(clips, options.people) if videos else clips
        cut = cut_corpus(corpus, chosen, out / part / "real", frames=frames, whole_pieces=not videos, videos=videos)
        motions = generate(cut, list(cut.clips), out / part / "motion")
        methods = render(cut, motions, out / part, options.methods) if videos else motions
        evaluate(methods, out / part / "real", out / part / "report", f"--split={options.split}")


if __name__ == "__main__":
    main()
