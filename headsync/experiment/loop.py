"""A training run from its first or last saved step to its end: log, validate, keep the best, stop, resume exactly."""

import math
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from headsync.experiment.checkpoint import checkpoints, load_checkpoint, save_checkpoint
from headsync.experiment.distributed import any_process, check_same, first_scalars, is_first, mean_scalars, process_count
from headsync.experiment.log import RunLog, SilentLog
from headsync.experiment.settings import RunSettings
from headsync.media import stage
from headsync.media.progress import Step

ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name))   # not on Windows
BEST = "best"  # the folder, inside the run's, of the best checkpoint


class Trainee(Protocol):
    """What is trained: a `Trainer`. Everything that a step changes must be in its state, and whatever it draws must come from
    the step's number.

    Of several processes (`headsync.experiment.distributed`) all take every step, validate, and hold the same state; the
    first's is saved.
    """

    def step(self) -> dict[str, float]: ...

    def validate(self) -> dict[str, float]: ...

    def state(self) -> dict: ...

    def restore(self, state: dict) -> None: ...


class LoopResult(NamedTuple):
    step: int  # below the settings' steps, and not stopped early: ended by a signal
    best: float | None  # the monitored value, None when nothing was validated
    stopped_early: bool


@dataclass
class Standing:
    """What the loop itself must remember to go on as if it had never stopped."""

    step: int = 0
    best: float | None = None
    validations_without_best: int = 0
    sums: dict[str, list] = field(default_factory=dict)  # name -> [sum, count] since the last log line

    def add(self, scalars: dict[str, float]) -> None:
        for name, value in scalars.items():
            total, count = self.sums.get(name, (0.0, 0))
            self.sums[name] = [total + float(value), count + 1]

    def take_means(self) -> dict[str, float]:
        means = {name: total / count for name, (total, count) in self.sums.items()}
        self.sums = {}
        return means

    def out_of_patience(self, settings: RunSettings) -> bool:
        return 0 < settings.patience <= self.validations_without_best


def run_loop(trainee: Trainee, folder: str | Path, settings: RunSettings, *, log: RunLog | SilentLog, resume: bool = True,
             progress: bool = True) -> LoopResult:
    """The last step, best value and whether patience ended the run, which goes on from the folder's last checkpoint.

    On one CPU a resumed run equals one that never stopped, bit for bit. The signals of `ENDING` end it after its step, saved.
    Progress is shown where it is asked for (`headsync.media.shown_progress`), by one process. Raises ValueError when the
    folder holds a run and `resume` is False.
    """
    folder, shown = Path(folder), progress and is_first()
    standing = begin(trainee, folder, log=log, resume=resume)
    saved = standing.step
    with termination() as asked, training_stage(settings.steps, saved, shown) as step:
        while standing.step < settings.steps and not standing.out_of_patience(settings) and not any_process(asked.is_set()):
            standing.add(mean_scalars(trainee.step()))
            standing.step += 1
            if is_due(standing.step, settings.log_every, settings):
                log.write(standing.step, "train", **standing.take_means())
            if settings.validate_every and is_due(standing.step, settings.validate_every, settings):
                validate(trainee, folder, settings, standing=standing, log=log)
            if standing.step % settings.checkpoint_every == 0:
                save(trainee, folder, standing)
                saved = standing.step
            step()
        if saved != standing.step:
            save(trainee, folder, standing)
    return LoopResult(standing.step, standing.best, standing.out_of_patience(settings))


def training_stage(steps: int, done: int, shown: bool) -> AbstractContextManager[Step]:
    """The stage that a training is, unless it is not to be shown."""
    return stage("training", total=steps, unit="step", done=done) if shown else nullcontext(lambda: None)


def begin(trainee: Trainee, folder: Path, *, log: RunLog | SilentLog, resume: bool) -> Standing:
    """Where the run stands: at its last good checkpoint, everything restored, or at step 0."""
    if not resume and checkpoints(folder):
        raise ValueError(f"{folder} already holds a run; resume it, or choose another folder")
    state = load_checkpoint(folder)
    check_same(-1 if state is None else state["step"], f"a run in {folder} at the steps")
    standing = Standing()
    if state is not None:
        standing = Standing(**state["loop"])
        trainee.restore(state["trainee"])
    log.rewind(standing.step)
    return standing


def save(trainee: Trainee, folder: Path, standing: Standing, *, keep: int = 2) -> None:
    if is_first():
        state = {"trainee": trainee.state(), "loop": asdict(standing)}
        save_checkpoint(folder, state, step=standing.step, keep=keep)


def validate(trainee: Trainee, folder: Path, settings: RunSettings, *, standing: Standing,
          log: RunLog | SilentLog) -> None:
    """Validate, log it, and keep the state if it is the best so far; a value that is not finite never is."""
    scalars = first_scalars(trainee.validate())
    if settings.monitor not in scalars:
        known = ", ".join(sorted(scalars))
        raise ValueError(f"monitor is {settings.monitor!r}, but validation gives {known}; choose one")
    log.write(standing.step, "validate", **scalars)
    value = float(scalars[settings.monitor])
    sign = 1 if settings.mode == "min" else -1
    if math.isfinite(value) and (standing.best is None or sign * value < sign * standing.best):
        standing.best, standing.validations_without_best = value, 0
        save(trainee, folder / BEST, standing, keep=1)
    else:
        standing.validations_without_best += 1


def is_due(step: int, every: int, settings: RunSettings) -> bool:
    return step % every == 0 or step == settings.steps


@contextmanager
def termination() -> Iterator[threading.Event]:
    """An event that the signals of `ENDING` set instead of ending the program; only the main thread may and does listen.

    One that is ignored stays so, as a hang-up under `nohup`.
    Whoever presses Ctrl-C again does not want to wait: a second SIGINT is KeyboardInterrupt, but for several processes, which
    torchrun repeats signals that they already got.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def on_signal(number: int, _: object) -> None:
        if number == signal.SIGINT and asked.is_set() and process_count() == 1:
            raise KeyboardInterrupt
        asked.set()

    listening = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, on_signal) for number in listening}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
