"""What an examination of an installation found: each thing's state, what was seen, and what to do about it.

Nothing here, and nothing at the top of this package's files, imports more than Python brings: any of it may be missing.
"""

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

OK, OPTIONAL, MISSING = "ok", "optional", "MISSING"
AGAIN = "install headsync again, with pip's options --force-reinstall --no-deps"


class Finding(NamedTuple):
    """One thing that was looked for."""

    name: str
    state: str          # OK; OPTIONAL: not there, and not needed for making videos; MISSING: needed
    detail: str           # what was seen, one line
    remedy: str = ""    # what to do, "" where nothing is to be done


def found(name: str, look: Callable[[], str], remedy: str, *, absent: str = MISSING) -> Finding:
    """The finding of one look: what `look()` tells, or the reason of its exception, whatever kind, and the remedy."""
    try:
        return Finding(name, OK, look())
    except Exception as error:      # what is broken may raise anything; that it is said is all that counts
        reason = " ".join(str(error).split()) or "no reason given"
        return Finding(name, absent, f"{type(error).__name__}: {reason}", remedy)


def verdict(findings: Sequence[Finding]) -> str:
    """One line naming what is needed and not there, "" when nothing is."""
    missing = [one for one in findings if one.state == MISSING]
    if not missing:
        return ""
    first = missing[0]
    more = f"; also {', '.join(one.name for one in missing[1:])}" if missing[1:] else ""
    return f"not ready: {first.name}: {first.detail}; {first.remedy}{more}"


def as_lines(findings: Sequence[Finding]) -> list[str]:
    """The findings for people: a line each, the remedy in the next."""
    width = max((len(one.name) for one in findings), default=0)
    lines = []
    for one in findings:
        lines.append(f"{one.state:<8}  {one.name:<{width}}  {one.detail}")
        if one.remedy:
            lines.append(f"{'':<8}  {'':<{width}}  -> {one.remedy}")
    return lines


def as_json(findings: Sequence[Finding]) -> str:
    """The findings for programs: `ready`, and `findings` with name, state, detail and remedy."""
    detail = {"ready": not verdict(findings), "findings": [one._asdict() for one in findings]}
    return json.dumps(detail, indent=1, ensure_ascii=False)
