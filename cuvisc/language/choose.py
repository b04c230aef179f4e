"""A declared fact that depends on the value of one parameter. Pure Python; imports nothing of cuvisc."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Choose(Generic[T]):
    """``Choose("reduce", {True: A}, otherwise=B)`` is A where the parameter ``reduce`` is true, else B."""

    param: str
    cases: Mapping[Any, T]
    otherwise: T

    def resolve(self, params: Mapping[str, Any]) -> T:
        """The fact that holds for these parameters."""
        return self.cases.get(params[self.param], self.otherwise)


def resolve(fact: T | Choose[T], params: Mapping[str, Any]) -> T:
    """The fact itself, or the case of a :class:`Choose` that the parameters select."""
    return fact.resolve(params) if isinstance(fact, Choose) else fact


def choice_to_json(fact: Any, encode: Callable[[Any], Any]) -> Any:
    """JSON form of a fact, plain or a :class:`Choose`; ``encode`` turns one plain fact into JSON."""
    if not isinstance(fact, Choose):
        return encode(fact)
    return {
        "choose": fact.param,
        "cases": [[value, encode(case)] for value, case in fact.cases.items()],
        "otherwise": encode(fact.otherwise),
    }


def read_choice(data: Any, params: Mapping[str, Any]) -> Any:
    """Resolve the JSON form: a plain fact is returned as it is."""
    if not (isinstance(data, dict) and "choose" in data):
        return data
    chosen = params[data["choose"]]
    for value, case in data["cases"]:
        if value == chosen and isinstance(value, bool) == isinstance(chosen, bool):
            return case
    return data["otherwise"]
