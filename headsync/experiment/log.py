"""What a run measured, one JSON line at a time in log.jsonl, and if asked for in wandb too."""

import importlib
import json
import math
import numbers
import time
import uuid
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from headsync.media import write_whole

FILE_NAME = "log.jsonl"
RESERVED = ("step", "kind", "time_s")
WandbMode = Literal["disabled", "offline", "online"]


class RunLog:
    """Appends to folder/log.jsonl; a context manager. wandb is imported only when it is not "disabled".

    A line is {"step", "kind", "time_s" (since 1970), then the scalars}. A scalar that is not finite is stored as null:
    a diverged run must leave its trace, and JSON knows neither NaN nor infinity.
    """

    def __init__(self, folder: str | Path, *, wandb: WandbMode = "disabled", project: str = "headsync",
                 config: dict | None = None):
        if wandb not in ("disabled", "offline", "online"):
            raise ValueError(f"wandb is {wandb!r}; choose disabled, offline or online")
        self.path = Path(folder) / FILE_NAME
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._run = None if wandb == "disabled" else start_wandb(self.path.parent, wandb, project, config)
        self._drop_torn_line()
        self._file = open(self.path, "a", encoding="utf-8")

    def write(self, step: int, kind: str, /, **scalars: Any) -> None:
        """Add one line; scalars are numbers or one-element tensors, ValueError for anything else."""
        if taken := [name for name in RESERVED if name in scalars]:
            raise ValueError(f"a scalar cannot be named {taken[0]!r}, every line has one; name it otherwise")
        values = {name: number(name, value) for name, value in scalars.items()}
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        line = {"step": int(step), "kind": str(kind), "time_s": round(time.time(), 3), **finite}
        self._file.write(json.dumps(line, allow_nan=False) + "\n")
        self._file.flush()
        if self._run is not None:
            self._run.log({"step": int(step), **{f"{kind}/{name}": value for name, value in values.items()}})

    def rewind(self, step: int) -> None:
        """Drop every line after this step: a resumed run writes them again."""
        self._file.close()
        kept = [json.dumps(line) for line in read_log(self.path) if line["step"] <= step]
        write_whole(self.path, "".join(line + "\n" for line in kept).encode())
        self._file = open(self.path, "a", encoding="utf-8")

    def close(self) -> None:
        """End the log, and the wandb run if there is one."""
        self._file.close()
        if self._run is not None:
            self._run.finish()
            self._run = None

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _drop_torn_line(self) -> None:
        """A killed run may leave half a line at the end, which would spoil the next one too."""
        content = self.path.read_bytes() if self.path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            write_whole(self.path, whole)


class SilentLog:
    """What a process that does not write holds in place of a `RunLog`."""

    def write(self, step: int, kind: str, /, **scalars: Any) -> None: ...

    def rewind(self, step: int) -> None: ...

    def __enter__(self) -> "SilentLog":
        return self

    def __exit__(self, *_: object) -> None: ...


def read_log(path: str | Path) -> list[dict]:
    """The lines of a log.jsonl, or of the one in a run's folder; ValueError naming a line that is none of ours."""
    path = Path(path) / FILE_NAME if Path(path).is_dir() else Path(path)
    lines = []
    for count, text in enumerate(path.read_bytes().splitlines(), 1):
        try:
            line = json.loads(text)
            if not isinstance(line["step"], int):
                raise TypeError("its step is no whole number")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{path} line {count} is no log line ({error}); remove it or the file") from None
        lines.append(line)
    return lines


def number(name: str, value: Any) -> int | float:
    """A Python number from a number, a NumPy scalar or a tensor of one element."""
    if getattr(value, "shape", None) == () or getattr(value, "numel", lambda: 0)() == 1:
        value = value.item()
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    raise ValueError(f"{name} is {value!r}, not a number; the log holds scalars only")


def start_wandb(folder: Path, mode: str, project: str, config: dict | None) -> Any:
    """A wandb run that goes on under the same id when the folder is used again."""
    wandb = import_wandb()
    id_file = folder / "wandb_id.txt"
    if not id_file.exists():
        write_whole(id_file, uuid.uuid4().hex[:12].encode())
    try:
        run = wandb.init(
            project=project, dir=str(folder), mode=mode, config=config, id=id_file.read_text().strip(),
            resume="allow" if mode == "online" else None, settings=wandb.Settings(silent=True, console="off"),
        )
        run.define_metric("*", step_metric="step")
    except Exception as error:  # wandb has many kinds, and all mean that there will be no run
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"wandb did not start {mode} ({reason}); run `wandb login`, or choose disabled") from None
    return run


def import_wandb() -> ModuleType:
    """The wandb module; a folder of that name, which wandb itself leaves behind, is not taken for it."""
    try:
        wandb = importlib.import_module("wandb")
    except ImportError:
        wandb = None
    if not hasattr(wandb, "init"):
        raise ValueError("wandb is not installed; install headsync[train], or set wandb to disabled")
    return wandb
