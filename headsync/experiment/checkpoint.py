"""Where a run stands, in a file that is whole or refused: a checksum in front, written aside, the last few kept.

A file is MAGIC, the payload's length and SHA-256, and the payload: what torch.save makes of schema, step and state.
"""

import collections
import hashlib
import io
import logging
import os
import re
import struct
from pathlib import Path
from typing import Any

import torch

from headsync.media import remove_left_behind, write_whole

SCHEMA = "checkpoint/2"
SUFFIX = ".ckpt"
NAME = re.compile(r"step-(\d+)\.ckpt")
HEADER = struct.Struct("<20sQ32s")  # magic, length and SHA-256 of the payload
MAGIC = b"headsync checkpoint\n"
PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.Tensor, torch.nn.Parameter, torch.dtype,
         torch.device, torch.Size)
CONTAINERS = (dict, collections.OrderedDict, collections.Counter, list, tuple, set)

logger = logging.getLogger(__name__)


def save_checkpoint(folder: str | Path, state: dict, *, step: int, keep: int = 2) -> Path:
    """The path of the new checkpoint; the last `keep` up to this step stay, older ones go.

    So do later ones: a run that went back behind them has left that future. Raises ValueError when the state holds what
    `weights_only` loading refuses, OSError when it cannot be written; the checkpoints before it then stay as they were.
    """
    if step < 0 or keep < 1:
        raise ValueError(f"step {step} and keep {keep}: a step is 0 or more, and at least 1 checkpoint is kept")
    if state.get("step", step) != step:
        raise ValueError(f"the state says step {state['step']}, not {step}; leave it out, load_checkpoint gives it")
    refuse_unloadable(state, "state")
    buffer = io.BytesIO()
    torch.save({"schema": SCHEMA, "step": step, "state": state}, buffer)
    payload = buffer.getbuffer()
    header = HEADER.pack(MAGIC, len(payload), hashlib.sha256(payload).digest())
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = write_whole(folder / f"step-{step:09d}{SUFFIX}", header, payload)
    forget(folder, step=step, keep=keep)
    return path


def load_checkpoint(path: str | Path) -> dict | None:
    """The state of a checkpoint file, or of the newest good one in a folder, with its "step"; None if there is none.

    Tensors come on the CPU. A newest file that is damaged is passed over with a logged warning; when no file is good,
    or one asked for by name is not, ValueError.
    """
    path = Path(path)
    if path.suffix == SUFFIX and not path.is_dir():
        return read_checkpoint(path)
    failures = []
    for file in reversed(checkpoints(path)):
        try:
            return read_checkpoint(file)
        except FileNotFoundError:  # a run beside us has just replaced it by a newer one
            return load_checkpoint(path)
        except ValueError as error:
            logger.warning("%s; trying the one before it", error)
            failures.append(str(error))
    if failures:
        raise ValueError(f"{path}: none of its {len(failures)} checkpoints is good ({failures[0]}); "
                         "restore one, or delete them to start anew")
    return None


def checkpoints(folder: str | Path) -> list[Path]:
    """The checkpoint files of a folder, oldest step first."""
    folder = Path(folder)
    found = [entry for entry in folder.iterdir() if NAME.fullmatch(entry.name)] if folder.is_dir() else []
    return sorted(found, key=step_of)


def step_of(path: Path) -> int:
    return int(NAME.fullmatch(path.name).group(1))


def read_checkpoint(path: Path) -> dict:
    with open(path, "rb") as file:
        header = file.read(HEADER.size)
        magic, length, digest = HEADER.unpack(header) if len(header) == HEADER.size else (header, 0, b"")
        if magic != MAGIC:
            raise ValueError(f"{path} is not a headsync checkpoint; give one that a training run has written")
        present = os.fstat(file.fileno()).st_size - HEADER.size
        if present != length:
            raise ValueError(f"{path} is damaged: {present} bytes where {length} were written; use an older checkpoint")
        payload = file.read()
    if hashlib.sha256(payload).digest() != digest:
        raise ValueError(f"{path} is damaged: its checksum does not match; use an older checkpoint")
    try:
        content = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
        schema, step, state = content["schema"], content["step"], content["state"]
    except Exception as error:  # torch names no type for what it refuses
        raise ValueError(f"{path} cannot be read by torch {torch.__version__}: {str(error).splitlines()[0]}") from None
    if schema != SCHEMA:
        raise ValueError(f"{path} is a {schema} file, this program reads {SCHEMA}; use the version that wrote it")
    return {**state, "step": step}


def forget(folder: Path, *, step: int, keep: int) -> None:
    """Remove all but the last `keep` checkpoints up to this step, and what killed processes left half-written."""
    files = checkpoints(folder)
    kept = [file for file in files if step_of(file) <= step][-keep:]
    for file in files:
        if file not in kept:
            file.unlink(missing_ok=True)
    remove_left_behind([folder])


def refuse_unloadable(value: Any, place: str) -> None:
    """Raises ValueError naming the first thing in a state that would be written but not read back."""
    if type(value) in CONTAINERS:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            if isinstance(value, dict):
                refuse_unloadable(key, f"a key of {place}")
            refuse_unloadable(item, f"{place}[{key!r}]")
    elif type(value) not in PLAIN:
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise ValueError(f"{place} is a {kind}, which a checkpoint cannot hold; give tensors, plain numbers or strings")
