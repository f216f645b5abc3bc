"""Who is apart from whom: people dealt out to halves and folds by a hash of their name, pools of many people by clip."""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol, TypeVar

HALVES = ("first", "second")        # of the people


class OfPerson(Protocol):
    """A clip, or what has been read of one."""

    @property
    def name(self) -> str:
        """The clip's name."""

    @property
    def identity(self) -> str:
        """Who it shows."""


Item = TypeVar("Item", bound=OfPerson)


def pooled_codes(items: Sequence[OfPerson], folds: int = len(HALVES)) -> set[str]:
    """Identities that hold more than a fold's share of all items: codes of many people who are not distinguished."""
    return {name for name, count in Counter(one.identity for one in items).items() if count > len(items) / folds}


def fold_of(items: Sequence[OfPerson], folds: int) -> dict[str, int]:
    """A fold, 0 to `folds` - 1, per item's name. A person's items share one, so that nobody is measured by his own voice.

    A pool's are dealt out in blocks by name.
    """
    pools = pooled_codes(items, folds)
    dealt = {code: sorted(one.name for one in items if one.identity == code) for code in pools}
    found = {one.name: int.from_bytes(sha256(one.identity.encode()).digest()[:4], "big") % folds for one in items}
    return found | {name: number * folds // len(names) for names in dealt.values() for number, name in enumerate(names)}


def of_half(items: Sequence[Item], people: str) -> list[Item]:
    """The items of `all` people, or of the `first` or `second` half of them, as `fold_of` deals them out."""
    if people == "all":
        return list(items)
    halves = fold_of(items, len(HALVES))
    return [one for one in items if halves[one.name] == HALVES.index(people)]
