"""Unification of tensor types: what a port wants against what it is given, with where every size comes from.

B, H and W are the images of one batch and never anything else. Every other symbol is an unknown size, which the first
number it meets decides. Pure Python: never torch or numpy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cuvisc.language.types import Dim, TensorType
from cuvisc.schema.document import Span

IMAGE_DIMS = ("B", "H", "W")


@dataclass(frozen=True)
class Origin:
    """Where a size was said: a parameter, or `graph.input.channels`."""

    name: str
    span: Span | None = None


@dataclass(frozen=True)
class Size:
    """One dimension: a number, a symbol, or a sum such as `C+3`; and who said so."""

    value: Dim
    origin: Origin | None = field(default=None, compare=False)

    @property
    def terms(self) -> list[str]:
        """The parts of a sum; a number or a symbol has one."""
        return str(self.value).split("+")


@dataclass(frozen=True)
class Value:
    """What is known of a value while types are inferred."""

    dtype: str
    sizes: tuple[Size, ...]
    unit: str | None = None

    @property
    def type(self) -> TensorType:
        """The type as text shows it."""
        return TensorType(self.dtype, tuple(size.value for size in self.sizes))


class Sizes:
    """What the unknown sizes have turned out to be.

    A symbol of a node's own declaration is written `node:symbol` until a symbol or number of the graph takes its place.
    """

    def __init__(self, before: Sizes | None = None) -> None:
        self._before = before
        self._known: dict[str, Size] = {}
        self._taken: set[str] = set(IMAGE_DIMS)

    def trial(self) -> Sizes:
        """All that is known, to which a trial adds without changing this."""
        return Sizes(self)

    def accept(self, tried: Sizes) -> None:
        """Keep what a trial has found out."""
        self._known.update(tried._known)

    def _lookup(self, symbol: Dim) -> Size | None:
        if symbol in self._known:
            return self._known[str(symbol)]
        return self._before._lookup(symbol) if self._before is not None else None

    def fresh(self, symbol: str) -> Size:
        """A symbol of the graph that no other size has: the one asked for, or with a number behind it."""
        name, count = symbol, 1
        while name in self._taken:
            count += 1
            name = f"{symbol}{count}"
        self._taken.add(name)
        return Size(name)

    def find(self, size: Size) -> Size:
        """What a size is known to be today."""
        if isinstance(size.value, int):
            return size
        while (known := self._lookup(size.value)) is not None:
            size = known
        if len(size.terms) > 1:
            return self.total([Size(int(term) if term.isdecimal() else term) for term in size.terms])
        return size

    def resolve(self, value: Value) -> Value:
        """The value with every size as it is known today."""
        return Value(value.dtype, tuple(self.find(size) for size in value.sizes), value.unit)

    def total(self, sizes: list[Size]) -> Size:
        """The sum of sizes: a number where all are known, else symbols and the rest, such as `C+3`."""
        found = [self.find(size) for size in sizes]
        if len(found) == 1:
            return found[0]
        terms = [term for size in found for term in size.terms]
        number = sum(int(term) for term in terms if term.isdecimal())
        symbols = sorted(term for term in terms if not term.isdecimal())
        if not symbols:
            return Size(number)
        return Size("+".join([*symbols, str(number)] if number else symbols))

    def unify(self, wanted: Size, given: Size) -> bool:
        """Make two sizes equal if they can be; an unknown size takes the value of the other."""
        a, b = self.find(wanted), self.find(given)
        if a.value == b.value:
            return True
        own_first = ((a, b), (b, a)) if ":" in str(a.value) else ((b, a), (a, b))
        for unknown, other in own_first:
            if _is_open(unknown) and other.value not in IMAGE_DIMS and unknown.value not in other.terms:
                self._known[str(unknown.value)] = other
                return True
        return self._unify_sum(a, b) or self._unify_sum(b, a)

    def _unify_sum(self, total: Size, number: Size) -> bool:
        """`C+3` with 64 says that C is 61; sums with more unknowns wait for the data."""
        if len(total.terms) < 2:
            return False
        symbols = [term for term in total.terms if not term.isdecimal()]
        if not isinstance(number.value, int):
            return number.value not in (*IMAGE_DIMS, *symbols)
        rest = number.value - sum(int(term) for term in total.terms if term.isdecimal())
        if len(symbols) > 1:
            return rest >= len(symbols)
        if rest >= 1:
            self._known[symbols[0]] = Size(rest, number.origin)
        return rest >= 1

    @property
    def assumes(self) -> bool:
        """Whether this trial decides anything about the graph's own symbols."""
        return any(":" not in symbol for symbol in self._known)


@dataclass(frozen=True)
class Fit:
    """Whether a given value fits what is wanted, and what is known of sizes if it does.

    `differs` holds the positions of the sizes that are not equal, None where dtype or number of dimensions differ
    already. `assumes` says that it fits only if an unknown size of the graph has a certain value.
    """

    sizes: Sizes
    differs: tuple[int, ...] | None
    unit: bool
    assumes: bool

    @property
    def type(self) -> bool:
        """Whether dtype and sizes fit."""
        return self.differs == ()

    @property
    def ok(self) -> bool:
        """Whether type and unit fit."""
        return self.type and self.unit


def fit(sizes: Sizes, wanted: Value, given: Value) -> Fit:
    """Hold a value against what is wanted, without deciding anything."""
    tried = sizes.trial()
    differs: tuple[int, ...] | None = None
    if wanted.dtype == given.dtype and len(wanted.sizes) == len(given.sizes):
        pairs = enumerate(zip(wanted.sizes, given.sizes, strict=True))
        differs = tuple(index for index, (want, have) in pairs if not tried.unify(want, have))
    return Fit(tried, differs, accepts_unit(wanted.unit, given.unit), tried.assumes)


def accepts_unit(wanted: str | None, given: str | None) -> bool:
    """Whether one of the units in `scores|logits` is among those wanted; None on either side says nothing."""
    return wanted is None or given is None or bool(set(wanted.split("|")) & set(given.split("|")))


def size_of(value: object) -> int | None:
    """What a parameter whose name stands in a type is as a size: a whole number, or how many a list has."""
    if isinstance(value, (list, tuple)):
        return len(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _is_open(size: Size) -> bool:
    """Whether a size is a single unknown symbol."""
    return isinstance(size.value, str) and len(size.terms) == 1 and size.value not in IMAGE_DIMS
