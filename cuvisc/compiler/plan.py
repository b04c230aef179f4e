"""Which passes over the training data phase 1 makes: a typed graph to the fewest passes, what each measures and solves.

Moments of a value follow exactly from the moments of an upstream value through nodes whose mapping is `diagonal` or
`affine`; extrema only through `diagonal` ones. A value behind any other node is measured itself, once everything it
depends on is solved. Pure Python: never torch or numpy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cuvisc.compiler.graph import INPUT, TypedGraph, TypedNode, ValueRef

EXTREMA, MOMENTS = "extrema", "moments"
_CARRIERS: Mapping[str, frozenset[str]] = {
    EXTREMA: frozenset({"diagonal"}),
    MOMENTS: frozenset({"diagonal", "affine"}),
}


@dataclass(frozen=True)
class Share:
    """The training data that phase 1 reads: this `fraction` of the samples, evenly spread over them in order.

    Of each, every `stride`-th row and column is measured.
    """

    fraction: float = 1.0
    stride: int = 1

    @classmethod
    def of(cls, training: Mapping[str, Any]) -> Share:
        """The share that a spec's `training` section asks for."""
        return cls(training.get("fit_fraction", cls.fraction), training.get("fit_stride", cls.stride))

    def takes(self, index: int) -> bool:
        """Whether sample number `index`, from 0, is read; the first one always is."""
        return index == 0 or int(index * self.fraction) > int((index - 1) * self.fraction)

    def __str__(self) -> str:
        samples = "" if self.fraction == 1 else f"{100 * self.fraction:g} % of "
        pixels = "" if self.stride == 1 else f", one row and column in {self.stride},"
        return f"{samples}the training data{pixels}"


@dataclass(frozen=True)
class Tap:
    """One thing to measure: statistics of `value`, joined along the bands by the values `beside` it.

    Joined values are measured together because their joint moments do not follow from the moments of each.
    """

    value: ValueRef
    kinds: frozenset[str]
    beside: tuple[ValueRef, ...] = ()

    @property
    def parts(self) -> tuple[ValueRef, ...]:
        """All values measured, in the order in which they are joined."""
        return (self.value, *self.beside)

    def __str__(self) -> str:
        return f"{', '.join(sorted(self.kinds))} of {' with '.join(str(part) for part in self.parts)}"


@dataclass(frozen=True)
class Pass:
    """One reading of the training data, and the nodes that can be solved after it, in order."""

    taps: tuple[Tap, ...]
    solves: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """Where the statistic of one node comes from: `of` is what the node reads, joined along the bands.

    It follows from what pass number `index` (from 0) measured of `tap`: each value in `of` is an image of the tap's
    parts under the mappings of the nodes between, all of them solved before.
    """

    kind: str
    of: tuple[ValueRef, ...]
    index: int
    tap: Tap


@dataclass(frozen=True)
class Plan:
    """The passes of phase 1, and the sources of each node's statistic: one for moments, one a base for extrema."""

    passes: tuple[Pass, ...]
    sources: Mapping[str, tuple[Source, ...]] = field(default_factory=dict)
    share: Share = Share()

    def describe(self) -> tuple[str, ...]:
        """One line a pass."""
        if not self.passes:
            return ("no pass over the training data: nothing has to be fitted",)
        count = len(self.passes)
        return tuple(
            f"pass {number} of {count}: reads {self.share} once; "
            f"measures {'; '.join(str(tap) for tap in step.taps)}; solves {', '.join(step.solves)}"
            for number, step in enumerate(self.passes, start=1)
        )


def plan_statistics(graph: TypedGraph, share: Share | None = None) -> Plan:
    """The fewest passes that phase 1 can do with, over the spec's share of the training data unless one is given.

    Where there is a first pass, it measures extrema and moments of `input.cube` whether or not a node asks: the
    certificate that an export's rounding is harmless needs them, and they cost a fraction of reading the data.
    """
    planner = _Planner(graph)
    for node in graph.nodes:
        planner.visit(node)
    return replace(planner.plan(), share=share or Share.of(graph.spec.training))


class _Planner:
    """Visits the nodes in topological order and gives each the first pass after which it can be solved.

    `_ready` is the number of passes after which a value can be computed: 0 where nothing upstream needs the data.
    """

    def __init__(self, graph: TypedGraph) -> None:
        self._rank = {value: rank for rank, value in enumerate(graph.values())}
        self._bases: dict[str, dict[ValueRef, frozenset[ValueRef]]] = {
            kind: {INPUT: frozenset({INPUT})} for kind in _CARRIERS
        }
        self._ready: dict[ValueRef, int] = {INPUT: 0}
        self._needs: dict[str, tuple[str, tuple[ValueRef, ...], int]] = {}

    def visit(self, node: TypedNode) -> None:
        ready = max((self._ready[value] for value in node.reads()), default=0)
        if node.statistics is not None:
            kind = node.statistics["kind"]
            of = tuple(value for port in node.statistics["of"] for value in node.inputs[port])
            bases = self._bases_of(kind, of)
            ready = max(ready, 1 + max((self._ready[base] for base in bases), default=0))
            self._needs[node.id] = (kind, of, ready)
        for port in node.outputs:
            value = ValueRef(node.id, port)
            self._ready[value] = ready
            for kind, carriers in _CARRIERS.items():
                carried = value == node.output and node.mapping in carriers and len(node.inputs) == 1
                self._bases[kind][value] = (
                    self._bases_of(kind, node.reads()) if carried else frozenset({value})
                )

    def _bases_of(self, kind: str, values: Iterable[ValueRef]) -> frozenset[ValueRef]:
        """The values that have to be measured for this statistic of `values` joined along the bands."""
        return frozenset().union(*(self._bases[kind][value] for value in values))

    def plan(self) -> Plan:
        count = max((ready for _, _, ready in self._needs.values()), default=0)
        wanted: list[dict[tuple[ValueRef, ...], set[str]]] = [{} for _ in range(count)]
        solves: list[list[str]] = [[] for _ in range(count)]
        for name, (_, _, ready) in self._needs.items():
            solves[ready - 1].append(name)
            for kind, parts, index in self._measured_for(name):
                wanted[index].setdefault(parts, set()).add(kind)
        for index, step in enumerate(wanted):
            wanted[index] = _without_contained(step)
        if count:
            wanted[0][(INPUT,)] = {EXTREMA, MOMENTS}
        steps = zip(wanted, solves, strict=True)
        passes = tuple(Pass(tuple(self._taps(step)), tuple(solved)) for step, solved in steps)
        return Plan(passes, {name: tuple(self._sources(name, passes)) for name in self._needs})

    def _measured_for(self, name: str) -> Iterator[tuple[str, tuple[ValueRef, ...], int]]:
        """Statistic, values and pass (from 0) of everything that has to be measured for a node."""
        kind, of, _ = self._needs[name]
        bases = tuple(sorted(self._bases_of(kind, of), key=self._rank.__getitem__))
        groups = [bases] if kind == MOMENTS else [(base,) for base in bases]
        for group in groups:
            yield kind, group, max(self._ready[base] for base in group)

    def _taps(self, wanted: Mapping[tuple[ValueRef, ...], set[str]]) -> Iterator[Tap]:
        for parts in sorted(wanted, key=lambda parts: [self._rank[part] for part in parts]):
            yield Tap(parts[0], frozenset(wanted[parts]), parts[1:])

    def _sources(self, name: str, passes: tuple[Pass, ...]) -> Iterator[Source]:
        _, of, _ = self._needs[name]
        for kind, parts, index in self._measured_for(name):
            taps = (tap for tap in passes[index].taps if kind in tap.kinds and set(parts) <= set(tap.parts))
            yield Source(kind, of, index, next(taps))


def _without_contained(
    wanted: Mapping[tuple[ValueRef, ...], set[str]],
) -> dict[tuple[ValueRef, ...], set[str]]:
    """Drop the moments of values that are part of a wider measurement of the same pass."""
    kept: dict[tuple[ValueRef, ...], set[str]] = {}
    for parts, kinds in wanted.items():
        contained = any(set(parts) < set(wider) and MOMENTS in wanted[wider] for wider in wanted)
        own = kinds - {MOMENTS} if contained else kinds
        if own:
            kept[parts] = own
    return kept
