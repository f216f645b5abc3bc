"""What public functions are given, held against their annotations: one line that names the argument, before any work.

Ours, since pydantic's `validate_call` takes "3" and True for whole numbers, copies sequences, wraps iterators and answers in
several lines.
"""

import functools
import inspect
import numbers
import os
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

Given = ParamSpec("Given")
Returned = TypeVar("Returned")
NUMBERS = {int: numbers.Integral, float: numbers.Real}


def checked(function: Callable[Given, Returned]) -> Callable[Given, Returned]:
    """The function, which raises TypeError, one line, for an argument that is not of its annotation.

    Of sequences and mappings every item is looked at; of iterables, which may be live, none; of what stands for a
    protocol, whether it has any of its calls.
    """
    hints: dict[str, Any] = {}
    signature = inspect.signature(function)

    @functools.wraps(function)
    def wrapped(*args: Given.args, **kwargs: Given.kwargs) -> Returned:
        if not hints:       # on first use: by then every name in them is known
            hints.update(typing.get_type_hints(function))
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            several = signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL
            for one in value if several else [value]:
                _check(function.__name__, name, one, hints[name])
        return function(*args, **kwargs)

    return wrapped


def check_fields(record: Any) -> None:
    """TypeError, one line, for a field of a dataclass that is not of its annotation."""
    hints = typing.get_type_hints(type(record))
    for field in fields(record):
        _check(type(record).__name__, field.name, getattr(record, field.name), hints[field.name])


def _check(owner: str, name: str, value: object, hint: Any) -> None:
    if not _fits(value, hint):
        raise TypeError(f"{owner}: {name} must be {_told(hint)}, got {_shown(value)}")


def _fits(value: object, hint: Any) -> bool:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is typing.Literal:
        return value in parts
    if hint in (None, type(None)):
        return value is None
    kind = origin or hint
    if kind in NUMBERS:
        return isinstance(value, NUMBERS[kind]) and not isinstance(value, bool)
    if kind is Path:
        return isinstance(value, os.PathLike)
    if not isinstance(kind, type):
        return True
    if getattr(kind, "_is_protocol", False):
        return any(callable(getattr(value, name, None)) for name in _calls(kind))
    if not isinstance(value, kind) or (kind in (Iterable, Sequence) and isinstance(value, str | bytes)):
        return False
    if kind is Sequence:
        return all(_fits(one, part) for part in parts for one in value)
    if kind is Mapping and parts:
        return all(_fits(key, parts[0]) and _fits(item, parts[1]) for key, item in value.items())
    return True


def _calls(protocol: type) -> list[str]:
    return [name for name, member in vars(protocol).items() if inspect.isfunction(member) and not name.startswith("_")]


def _told(hint: Any) -> str:
    """An annotation as people say it."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        words = list(dict.fromkeys(_told(part) for part in parts))
        return " or ".join([", ".join(words[:-1]), words[-1]])
    if origin is typing.Literal:
        return " or ".join(map(repr, parts))
    if hint in (None, type(None)):
        return "None"
    if (origin or hint) in (Sequence, Iterable):
        return f"several of ({', '.join(map(_told, parts))})"
    return getattr(origin or hint, "__name__", str(hint))


def _shown(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} {value.shape}"
    if not isinstance(value, str | bytes | numbers.Number | list | tuple):
        return type(value).__name__
    return f"{type(value).__name__} {' '.join(repr(value).split())[:60]}"
