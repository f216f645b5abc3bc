"""A trained model as one safetensors file: tensors, and in the header the model's config and a checksum of both."""

import hashlib
import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from headsync.experiment.distributed import is_first
from headsync.experiment.renamed import current_config, current_tensors
from headsync.media import write_whole

SCHEMA = "weights/1"
LENGTH = struct.Struct("<Q")  # a safetensors file opens with its header's length
HEADER_BYTES = 16 * 2**20
HALVED = (torch.float32, torch.float64)


class Weights(NamedTuple):
    tensors: dict[str, Tensor]  # on the CPU
    config: dict  # tuples have become lists; experiment.build_config makes the dataclass


def save_weights(path: str | Path, tensors: Mapping[str, Tensor], *, config: dict, half: bool = False) -> Path:
    """The path, now holding the tensors and the config; `half` stores float32 and float64 in 16 bits.

    Of several processes that train together only the first writes. Raises ValueError for a config that JSON cannot hold,
    for no tensors, and for numbers beyond half precision.
    """
    if not tensors:
        raise ValueError(f"{path}: no weights to save; give a model's state_dict()")
    try:
        text = json.dumps(config, allow_nan=False, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: the config is no JSON ({error}); give plain numbers, strings and lists") from None
    stored = {name: stored_tensor(name, tensor, half=half) for name, tensor in tensors.items()}
    metadata = {"schema": SCHEMA, "config": text, "half": json.dumps(half)}
    header, data = split(safetensors.torch.save(stored, metadata))
    metadata["sha256"] = checksum(json.loads(header), data)
    if is_first():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, safetensors.torch.save(stored, metadata))
    return Path(path)


def load_weights(path: str | Path) -> Weights:
    """The tensors and config of a file that `save_weights` wrote; halved tensors come back as float32.

    Raises ValueError for any other file, and for one of which a single byte has changed.
    """
    content = weights_file(Path(path))
    try:
        text, data = split(content)
        header = json.loads(text)
        metadata = header["__metadata__"]
        if metadata["sha256"] != checksum(header, data):
            raise ValueError("its checksum does not match")
        tensors = safetensors.torch.load(content)
        config, halved = json.loads(metadata["config"]), json.loads(metadata["half"])
        if not isinstance(config, dict):
            raise ValueError(f"its configuration is {str(config)[:40]!r}, no table")
    except (ValueError, KeyError, TypeError, RecursionError, safetensors.SafetensorError) as error:
        raise ValueError(f"{path} is damaged: {' '.join(str(error).split())}; copy it again") from None
    if halved:
        tensors = {name: one.float() if one.dtype == torch.float16 else one for name, one in tensors.items()}
    return Weights(current_tensors(tensors, config), current_config(config))


def read_config(path: str | Path) -> dict:
    """The config of a file that `save_weights` wrote; its tensors are not read, and nothing is checked but the header.

    Raises ValueError as `load_weights`.
    """
    with open(path, "rb") as file:
        header = _header(Path(path), file)
    try:
        config = json.loads(json.loads(header)["__metadata__"]["config"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: its configuration cannot be read ({error}); copy it again") from None
    if not isinstance(config, dict):
        raise ValueError(f"{path} is damaged: its configuration is {str(config)[:40]!r}, no table; copy it again")
    return current_config(config)


def stored_tensor(name: str, tensor: Tensor, *, half: bool) -> Tensor:
    """A copy of its own memory (tied weights share theirs, which safetensors refuses), halved if asked for."""
    tensor = tensor.detach().cpu()
    if not (half and tensor.dtype in HALVED):
        return tensor.clone(memory_format=torch.contiguous_format)
    halved = tensor.to(torch.float16)
    if not torch.equal(halved.isfinite(), tensor.isfinite()):
        raise ValueError(f"{name} reaches {tensor.abs().max():.4g}, half precision 65504; save with half=False")
    return halved.contiguous()


def weights_file(path: Path) -> bytes:
    """The bytes of a file whose header is ours; looks at the header before it reads the rest."""
    with open(path, "rb") as file:
        header = _header(path, file)
        return LENGTH.pack(len(header)) + header + file.read()


def _header(path: Path, file: IO[bytes]) -> bytes:
    """The header, JSON, of an open file, which then stands at its data. ValueError for one that is not ours."""
    foreign = f"{path} is not a headsync weights file"
    size = os.fstat(file.fileno()).st_size
    opening = file.read(LENGTH.size)
    length = LENGTH.unpack(opening)[0] if len(opening) == LENGTH.size else 0
    if not 0 < length <= HEADER_BYTES:
        raise ValueError(f"{foreign}: it does not start as safetensors does; give one that headsync wrote")
    if length > size - LENGTH.size:
        raise ValueError(f"{path} is damaged: it ends inside its header, after {size} bytes; copy it again")
    header = file.read(length)
    try:
        schema = json.loads(header)["__metadata__"]["schema"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{foreign}: its header holds no headsync schema; give one that headsync wrote") from None
    if schema != SCHEMA:
        raise ValueError(f"{path} is a {schema!r} file, not {SCHEMA!r}; use the version that wrote it")
    return header


def split(content: bytes) -> tuple[bytes, bytes]:
    """Header and data of a safetensors file."""
    end = LENGTH.size + LENGTH.unpack(content[: LENGTH.size])[0]
    return content[LENGTH.size : end], content[end:]


def checksum(header: dict, data: bytes) -> str:
    """SHA-256 of everything but itself: metadata, names, types and shapes in a fixed order, then the data."""
    metadata = {key: value for key, value in header["__metadata__"].items() if key != "sha256"}
    text = json.dumps({**header, "__metadata__": metadata}, sort_keys=True)
    return hashlib.sha256(text.encode() + b"\n" + data).hexdigest()
