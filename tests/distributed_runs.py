"""Trainings in one and in two processes, forked from a warm one: what tests/test_distributed.py starts once and looks at.

    python tests/distributed_runs.py FOLDER

Runs go to FOLDER/<name>/<number of processes>, exit codes and what was said to FOLDER/told.json.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

from headsync.commands.command import run_command
from headsync.experiment import (
    RunLog,
    config_dict,
    is_first,
    joined_processes,
    load_config,
    run_loop,
    save_weights,
)
from headsync.experiment.log import SilentLog
from landmark_stage.expression.train import ExpressionTrainSettings, train_expression
from landmark_stage.head_motion.train import HeadTrainSettings, train_head_motion
from landmark_stage.ms_sync.train import TrainSettings as GeneratorSettings
from landmark_stage.ms_sync.train import train_landmarks as train_generator
from render_stage.clip_frames import read_clip_frames
from render_stage.identity.training import EncoderTrainSettings, train_encoder
from render_stage.rhythmic_head.train import RendererSettings, train_renderer
from syncers import ChannelSettings, SyncerPyramid, SyncerSettings
from syncers.model import EncoderSettings
from syncers.train import TrainSettings, train_syncers
from tests.killing import warm_optimisers
from tests.loop_trainee import Regression
from tests.moving_faces import write_moving_corpus
from tests.run_settings import run_settings
from tests.talking import made_up_people, write_corpus

RUN = ["run.steps=4", "run.log_every=1", "run.validate_every=4", "run.checkpoint_every=4"]
SYNCER = ["levels=1", "syncer.noise=0", "syncer.channel_dropout=0", "syncer.motion.dropout=0", "syncer.audio.dropout=0",
          "lag_weight=0.5", "run.batch=9"]


def processes(count: int, job: Callable[[], None], folder: Path) -> dict:
    """Exit codes, last words and processor seconds of `count` processes that do the job as under torchrun."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(count):
        child = os.fork()
        if not child:
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count), "MASTER_PORT": str(port),
                           "MASTER_ADDR": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo"}
            said = os.open(folder / f"said{rank}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(said, 1), os.dup2(said, 2)
            try:
                os._exit(run_command(lambda _: joined(job), []))
            finally:
                sys.excepthook(*sys.exc_info())
                os._exit(99)
        children.append(child)
    ends = [os.wait4(child, 0)[1:] for child in children]
    return {"codes": [os.waitstatus_to_exitcode(status) for status, _ in ends],
            "said": [(folder / f"said{rank}").read_text() for rank in range(count)],
            "cpu_s": [round(used.ru_utime + used.ru_stime, 2) for _, used in ends]}


def joined(job: Callable[[], None]) -> None:
    """A job in one of several processes, as the commands of trainings do it."""
    with joined_processes():
        job()


def jobs(folder: Path) -> dict[str, Callable[[Path], None]]:
    """The five trainings and the encoders', with what has no place in an equality (dropout, noise in a network) left out."""
    talking = write_corpus(folder / "talking", {"train": made_up_people(6, 150), "val": [
        one._replace(name=f"val{one.name}", identity=f"val{one.identity}") for one in made_up_people(3, 150, seed=7)]})
    moving = write_moving_corpus(folder / "moving", ("train", "train", "val", "val"), frames=29)
    torch.manual_seed(1)
    form = SyncerSettings(channels=ChannelSettings(faces=("shape",)), motion=EncoderSettings(width=7),
                          audio=EncoderSettings(width=7), embedding=7)
    pyramid = save_weights(folder / "loss.safetensors", SyncerPyramid([form] * 4).state_dict(),
                           config={"family": "loss", "levels": [config_dict(form)] * 4})

    def settings(schema: type, stage: str, *overrides: str):
        return load_config(schema, stage=stage, preset="tiny", overrides=[*RUN, *overrides])

    syncer = settings(TrainSettings, "syncers", *SYNCER)
    generator = settings(GeneratorSettings, "landmarks", f"syncers={pyramid}", f"validation_syncers={pyramid}",
                         "run.batch=5", "run.last_share=1.0")
    expression = settings(ExpressionTrainSettings, "expression", "model.dropout=0", "weights.mouth=1.0", "run.batch=5")
    head = settings(HeadTrainSettings, "head_motion", "model.dropout=0", "model.tones=true", "model.hints=true",
                    "weights.statistics=1.0", "weights.energy=1.0", "run.batch=5")
    encoder = settings(EncoderTrainSettings, "encoder", "people=all", "run.lr=0.0002")    # at 0.002 rounding grows tenfold
    renderer = settings(RendererSettings, "renderer", "flows_until=1", "adversarial_from=2", "run.last_share=1.0",
                        "run.batch=4")
    for split in ("train", "val"):      # what finds people on pictures does not survive a fork
        read_clip_frames(moving, split, stride=renderer.material.stride, pool="", pooled=1)
    return {"syncers": lambda out: train_syncers(talking, out, syncer),
            "generator": lambda out: train_generator(talking, out, generator),
            "expression": lambda out: train_expression(talking, out, expression),
            "head_motion": lambda out: train_head_motion(talking, out, head),
            "encoder": lambda out: train_encoder(moving, out, encoder),
            "renderer": lambda out: train_renderer(moving, out, renderer),
            "odd_batch": lambda out: train_renderer(moving, out, replace(renderer, run=replace(renderer.run, batch=3))),
            **{f"renderer_to_{steps}": lambda out, steps=steps: train_renderer(moving, out, replace(renderer, run=replace(
                renderer.run, steps=steps, validate_every=0))) for steps in (1, 3, 4)}}


class Failing(Regression):
    """At step 3 the last process finds something wrong, is asked to end, or dies."""

    def __init__(self, how: str):
        super().__init__()
        self.how = how

    def step(self) -> dict[str, float]:
        if self.steps == 2 and not is_first():
            if self.how == "wrong":
                raise ValueError("a number of process 1 is wrong")
            os.kill(os.getpid(), signal.SIGTERM if self.how == "ended" else signal.SIGKILL)
        return super().step()


def failing_run(how: str, out: Path) -> None:
    """A cheap run that does not end well; `apart`: each process has a folder of its own."""
    folder = out / os.environ["RANK"] if how == "apart" else out
    with RunLog(folder) if is_first() else SilentLog() as log:
        run_loop(Regression() if how == "apart" else Failing(how), folder, run_settings(steps=5, checkpoint_every=2), log=log)


def main(folder: Path) -> None:
    os.environ["HEADSYNC_PRECISION"] = "fp32"       # 16-bit numbers are equal to three digits only
    warm_optimisers()
    told, trainings = {}, jobs(folder)
    for name in ("syncers", "generator", "expression", "head_motion", "encoder", "renderer"):
        for count in (1, 2):
            out = folder / name / str(count)
            told[f"{name} {count}"] = processes(count, lambda job=trainings[name], out=out: job(out),
                                                folder / f"told_{name}_{count}")
    for steps, count in ((1, 1), (3, 2), (4, 1)):
        told[f"to {steps}"] = processes(count, lambda steps=steps: trainings[f"renderer_to_{steps}"](folder / "changing"),
                                        folder / f"told_to_{steps}")
    told["odd_batch"] = processes(2, lambda: trainings["odd_batch"](folder / "odd"), folder / "told_odd")
    for how in ("wrong", "ended", "killed"):
        told[how] = processes(2, lambda how=how: failing_run(how, folder / how), folder / f"told_{how}")
    processes(1, lambda: failing_run("apart", folder / "apart"), folder / "distinguished1")
    told["apart"] = processes(2, lambda: failing_run("apart", folder / "apart"), folder / "distinguished")
    (folder / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
