"""Kills trainings, preprocessing, generation and rendering at random moments, goes on, and looks whether anything is lost.

    python benchmarks/kill.py [--moments 50] [--full 10] [--kinds loop generator renderer preprocess generation rendering]

Of each three moments one is random processor time, one a random file operation (open, fsync, rename, unlink), one a random
byte of what is written. Every second job that goes on is killed once more. Afterwards the job runs to its end, in the folder
as it was left: trainings must equal the straight run to the bit (states, weights, log but for its times), corpora, motions
and videos byte for byte; whatever has its final name after a kill must be whole.

With --full the jobs also meet a disk with too little room, as often as it says, and one that may not be written on: exit
code 2, one line, what was there before untouched; with room again they must end as if nothing had been. The disk is a small
tmpfs; where none can be mounted, a limit on the size of files.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

import landmark_stage.ms_sync.train
from headsync.commands.command import run_command
from headsync.corpus import build_corpus, find_sources
from headsync.experiment import config_dict, load_checkpoint, load_config, read_log, save_weights
from landmark_stage import MotionChoice, MotionControl, load_speaker, write_motion
from render_stage import load_renderer, read_references, render_video
from render_stage.clip_frames import read_clip_frames
from render_stage.rhythmic_head.train import RendererSettings, train_renderer
from syncers import ChannelSettings, SyncerPyramid, SyncerSettings
from syncers.model import EncoderSettings
from tests.face_files import PORTRAIT, shaking, write_tone, write_video
from tests.killing import draw_moments, limit_files, measure, partial_files, run, small_disk, warm_optimisers
from tests.loop_trainee import train
from tests.moving_faces import write_moving_corpus
from tests.talking import made_up_people, write_corpus

VALIDATED = ["run.steps=6", "run.validate_every=3", "run.checkpoint_every=1", "run.log_every=1"]


class Kind(NamedTuple):
    """A job that makes a folder."""

    job: Callable[[Path], int | None]
    finals: str             # pattern of files that nobody may find in part


def loop(place: Path) -> Kind:
    """The loop with a trainee that has every source of randomness."""
    return Kind(lambda out: print(train(out, 17)[1]), "*.yaml")


def generator(place: Path) -> Kind:
    """The landmark generator's tiny training."""
    people = {"train": made_up_people(5, 61), "val": [
        one._replace(name=f"val{one.name}", identity=f"val{one.identity}") for one in made_up_people(2, 83, seed=7)]}
    corpus = write_corpus(place / "corpus", people)
    torch.manual_seed(1)
    encoder = EncoderSettings(width=7)
    form = SyncerSettings(channels=ChannelSettings(faces=("shape",)), motion=encoder, audio=encoder, embedding=7)
    pyramid = save_weights(place / "loss.safetensors", SyncerPyramid([form] * 4).state_dict(),
                           config={"family": "loss", "levels": [config_dict(form)] * 4})
    settings = load_config(landmark_stage.ms_sync.train.TrainSettings, stage="landmarks", preset="tiny",
                           overrides=[*VALIDATED, f"syncers={pyramid}", f"validation_syncers={pyramid}"])
    return Kind(lambda out: print(landmark_stage.ms_sync.train.train_landmarks(corpus, out, settings).loop), "*.safetensors")


def renderer(place: Path) -> Kind:
    """The renderer's tiny training, with discriminators."""
    corpus = write_moving_corpus(place / "corpus", ("train", "val"), frames=29)
    settings = load_config(RendererSettings, stage="renderer", preset="tiny", overrides=[
        *VALIDATED, "run.batch=1", "material.references=[1]", "run.steps=4", "run.validate_every=4", "adversarial_from=1"])
    for split in ("train", "val"):
        read_clip_frames(corpus, split, stride=settings.material.stride, pool="", pooled=1)
    return Kind(lambda out: print(train_renderer(corpus, out, settings).loop), "*.safetensors")


def preprocess(place: Path) -> Kind:
    """Two talking videos and one without a face to a corpus."""
    videos = place / "videos"
    videos.mkdir(parents=True)
    for name, frames in (("one", 29), ("two", 31)):
        write_video(videos / f"{name}.mp4", shaking(frames), audio=write_tone(place / "tone.flac", frames))
    write_video(videos / "nobody.mp4", [0 * frame for frame in shaking(27)])
    return Kind(lambda out: print(build_corpus(find_sources([videos]), out).processed), "[!.]*/*.*")


def generation(place: Path) -> Kind:
    """Three seconds of sound to a motion."""
    sound = write_tone(place / "tone.flac", 75)
    speaker = load_speaker()

    def job(out: Path) -> None:
        out.mkdir(exist_ok=True)
        print(write_motion(sound, None, out / "s.npz", speaker=speaker, control=MotionControl(), motion=MotionChoice()))
    return Kind(job, "*.npz")


def rendering(place: Path) -> Kind:
    """A motion of some frames to a video with its sound."""
    sound = write_tone(place / "tone.flac", 11)
    write_motion(sound, None, place / "s.npz", speaker=load_speaker(), control=MotionControl(), motion=MotionChoice())
    network = load_renderer()

    def job(out: Path) -> None:
        out.mkdir(exist_ok=True)
        references = read_references([PORTRAIT], count=1)   # here: MediaPipe does not survive a fork
        print(render_video(place / "s.npz", references, out / "v.mp4", audio=sound, renderer=network).frames)
    return Kind(job, "*.mp4")


KINDS = {one.__name__: one for one in (loop, generator, renderer, preprocess, generation, rendering)}


def content(path: Path) -> object:
    """What must be equal of a file: a checkpoint's state, a log without its times, of others every byte."""
    if path.suffix == ".ckpt":
        return plain(load_checkpoint(path))
    if path.suffix == ".jsonl":
        return [{key: value for key, value in line.items() if key != "time_s"} for line in read_log(path)]
    return path.read_bytes()


def plain(state: object) -> object:
    """A state as something that == compares, tensors to the bit."""
    if isinstance(state, torch.Tensor):
        return str(state.dtype), tuple(state.shape), state.contiguous().view(-1).view(torch.uint8).numpy().tobytes()
    if isinstance(state, dict):
        return {key: plain(value) for key, value in state.items()}
    return type(state)(map(plain, state)) if type(state) in (list, tuple) else state


def contents(folder: Path) -> dict[str, object]:
    """Every file of a folder but half-written ones and locks."""
    return {str(path.relative_to(folder)): content(path) for path in sorted(folder.rglob("*"))
            if path.is_file() and ".partial" not in path.name and "lock" not in path.name}


def different(found: dict[str, object], whole: dict[str, object]) -> list[str]:
    """Files, and what in them, that are not as they should be.

    A checkpoint more is none: who dies before the oldest is removed leaves it.
    """
    return [name + entry(found.get(name), whole.get(name)) for name in whole | found if found.get(name) != whole.get(name)
            and (name in whole or not name.endswith(".ckpt"))]


def entry(found: object, whole: object) -> str:
    """The first entry of a state or a log that differs, as one would write it behind its name."""
    if isinstance(found, dict) and isinstance(whole, dict):
        return next((f"[{key!r}]" + entry(found.get(key), whole.get(key)) for key in whole | found
                     if (key in found, found.get(key)) != (key in whole, whole.get(key))), ", the order of its entries")
    if isinstance(found, (list, tuple)) and isinstance(whole, (list, tuple)) and len(found) == len(whole):
        return next((f"[{place}]" + entry(*both) for place, both in enumerate(zip(found, whole)) if both[0] != both[1]), "")
    return ""


def survived(kind: Kind, place: Path, *, moments: int, seed: int) -> dict:
    """What became of the jobs of one kind: how many died, and every fault that was found."""
    for name in ("first", "straight"):      # the first one compiles and fills caches: moments drawn in its time come too late
        extent = measure(lambda name=name: kind.job(place / name), place / "told", place / name)
    whole, faults, died, left = contents(place / "straight"), [], 0, 0
    drawn = draw_moments(2 * moments, extent, seed=seed)
    for number in range(moments):
        out = place / f"run{number}"
        for moment in drawn[2 * number : 2 * number + 1 + number % 2]:
            end = run(lambda out=out: kind.job(out), place / "told", moment)
            died += end.code < 0
            if end.code > 0:
                faults.append(f"{moment}: {end.said}")
            for path in out.glob(kind.finals) if out.exists() else ():
                if ".partial" not in path.name and content(path) != whole.get(str(path.relative_to(out))):
                    faults.append(f"{moment}: {path.name} is not whole")
        left += len(partial_files(out)) if out.exists() else 0
        end = run(lambda out=out: kind.job(out), place / "told")
        found = contents(out) if end.code == 0 else {}
        if end.code or "Traceback" in end.said:
            faults.append(f"{drawn[2 * number]}: going on failed: {end.said}")
        faults += [f"{drawn[2 * number]}: {name} differs" for name in different(found, whole)]
    return {"moments": moments, "died": died, "half_written_files": left, "faults": faults, "cpu_s": round(extent.cpu_s, 2),
            "operations": extent.operations, "bytes": extent.bytes}


def without_room(kind: Kind, place: Path, *, trials: int, seed: int) -> dict:
    """What became of the jobs of one kind on a disk without room: how often they found it full, and every fault."""
    made = place / "straight"
    whole, used = contents(made), sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    largest = max(path.stat().st_size for path in made.rglob("*") if path.is_file())
    faults, full, draw = [], 0, random.Random(seed)
    with small_disk(place / "small", 3 * used + 2**20) as mounted:
        for number in range(trials):
            out, filler = place / "small" / f"run{number}", place / "small" / "filler"
            before, room = {}, draw.randrange(used if mounted else largest)
            if number % 2:      # a whole earlier result, of other bytes, has the final names
                shutil.copytree(made, out)
                for path in out.glob(kind.finals):
                    path.write_bytes(b"an earlier result")
                before = {path: path.read_bytes() for path in out.glob(kind.finals)}
            if mounted:
                free = os.statvfs(place / "small")
                filler.write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - room)))
            limit = (lambda: None) if mounted else (lambda room=room: limit_files(room))
            end = run(lambda out=out, limit=limit: (limit(), command(kind, out))[1], place / "told")
            full += end.code == 2
            if end.code not in (0, 2) or (end.code == 2 and end.said.count("\n") != 1):
                faults.append(f"{room} bytes of room: {end.code} {end.said}")
            for path in out.glob(kind.finals) if end.code == 2 and out.exists() else ():
                allowed = (before.get(path), whole.get(str(path.relative_to(out))))
                if ".partial" not in path.name and path.read_bytes() not in allowed:
                    faults.append(f"{room} bytes of room: {path.name} is neither old nor whole")
            filler.unlink(missing_ok=True)
            shutil.rmtree(out) if before and out.exists() else None     # what it says is finished is not looked at again
            end = run(lambda out=out: command(kind, out), place / "told")
            if end.code or different(contents(out), whole):
                faults.append(f"{room} bytes of room: going on failed: {end.code} {end.said}")
            shutil.rmtree(out, ignore_errors=True)
        faults += read_only(kind, place, mounted=mounted)
    return {"trials": trials, "found_full": full, "by": "tmpfs" if mounted else "limit", "full_faults": faults}


def read_only(kind: Kind, place: Path, *, mounted: bool) -> list[str]:
    """Faults of a job whose folder may not be written on; where that cannot be had, whose folder is a file."""
    out = place / "small" / "locked"
    if mounted:
        subprocess.run(["mount", "-o", "remount,ro", str(place / "small")], check=True)
    else:
        out.write_bytes(b"a file")
    end = run(lambda: command(kind, out), place / "told")
    return [] if end.code == 2 and end.said.count("\n") == 1 else [f"read-only: {end.code} {end.said}"]


def command(kind: Kind, out: Path) -> int:
    """The exit code of the job as a command."""
    return run_command(lambda _: kind.job(out), [])


def in_own_process(name: str, place: Path, *, moments: int, full: int, seed: int) -> dict:
    """The same in a fork, so that what one kind starts is not in the way of the next."""
    told = place / f"{name}.json"
    child = os.fork()
    if not child:
        try:
            (place / name).mkdir()
            kind = KINDS[name](place / name)
            found = survived(kind, place / name, moments=moments, seed=seed)
            told.write_text(json.dumps(found | (without_room(kind, place / name, trials=full, seed=seed) if full else {})))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    return json.loads(told.read_text()) if told.exists() else {"faults": ["did not come to its end"], "died": 0}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--full", type=int, default=0, metavar="TRIALS")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    faults = 0
    warm_optimisers()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.kinds:
            begun = time.monotonic()
            told = in_own_process(name, Path(folder), moments=options.moments, full=options.full, seed=options.seed)
            faults += len(told["faults"]) + len(told.get("full_faults", ()))
            print(json.dumps({"kind": name, **told, "wall_s": round(time.monotonic() - begun)}), flush=True)
    return int(faults > 0)


if __name__ == "__main__":
    raise SystemExit(main())
