"""Relations between numbers that parameters hold: `overlap < tile`, `block >= tile + 2*buffer`.

A side is a number, the name of a parameter, or a sum of names with whole factors. Pure Python; imports nothing of
cuvisc.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

RELATIONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def names_in(side: object) -> tuple[str, ...]:
    """The names that a side of a relation mentions."""
    return tuple(name for _, name in _terms(side)) if isinstance(side, str) else ()


def is_sum(side: object) -> bool:
    """Whether a side is more than one name."""
    return isinstance(side, str) and any(sign in side for sign in "+*")


def sum_of(side: str, params: Mapping[str, object]) -> float | None:
    """What a side is with these parameters; None where one of them is no number."""
    total = 0.0
    for factor, name in _terms(side):
        value = params.get(name)
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return None
        total += factor * value
    return int(total) if total.is_integer() else total


def broken(constraints: Iterable[tuple[Any, ...]], params: Mapping[str, object]) -> str | None:
    """What is wrong with the first relation that does not hold; None where all do."""
    for left, relation, right, *condition in constraints:
        if condition and params.get(condition[0]) != condition[1]:
            continue
        a, b = (sum_of(side, params) if isinstance(side, str) else side for side in (left, right))
        if a is not None and b is not None and not RELATIONS[relation](a, b):
            said = " and ".join(
                f"{side} is {value:g}" for side, value in ((left, a), (right, b)) if isinstance(side, str)
            )
            return f"it needs {left} {relation} {right}, but {said}"
    return None


def _terms(side: str) -> Iterator[tuple[int, str]]:
    for term in side.split("+"):
        factor, star, name = term.rpartition("*")
        yield (int(factor) if star else 1), name.strip()
