"""A typed graph to the values a report looks at: what is ranked, what is decided, and where the threshold lies.

Pure Python: never torch or numpy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cuvisc.compiler.graph import TypedGraph, TypedLeaf, TypedNode, ValueRef

SCORE_UNITS = ("scores", "logits", "probabilities")
DECISIONS = "decisions"
LOGITS = "logits"
_MOST = 6


@dataclass(frozen=True)
class Rule:
    """A threshold on a value: fixed, or `multiplier` deviations above the mean of all values; and who says so."""

    value: ValueRef
    threshold: float | None
    multiplier: float | None
    origin: str

    def at(self, mean: float, std: float) -> float | None:
        """The threshold for values of this mean and deviation."""
        return self.threshold if self.multiplier is None else mean + self.multiplier * std


@dataclass(frozen=True)
class Choice:
    """Values of one band: `ranked` by a detector, the main one first, and `decisions`; `outputs` leave the graph.

    `rule` is the threshold on the main ranked value, where something in the graph has one.
    """

    ranked: tuple[ValueRef, ...]
    decisions: tuple[ValueRef, ...]
    outputs: tuple[ValueRef, ...]
    rule: Rule | None

    @property
    def wanted(self) -> frozenset[ValueRef]:
        """Everything that has to be evaluated."""
        return frozenset((*self.ranked, *self.decisions, *self.outputs))


def choose(graph: TypedGraph, widths: Mapping[ValueRef, int]) -> Choice:
    """What is looked at; `widths` are the bands of every value.

    The main value is the one that the first decision is made of, else the first output in units of scores, logits or
    probabilities, else the first such value of the graph.
    """

    def find(units: tuple[str, ...]) -> list[ValueRef]:
        ordered = [*graph.outputs, *(value for value in graph.values() if value not in graph.outputs)]
        return [value for unit in units for value in ordered if _is_single(graph, widths, value, unit)]

    decisions = find((DECISIONS,))
    # Of several decisions those that leave the graph stand first; what nobody exports is looked at last.
    decider = graph.by_id[decisions[0].node] if decisions else None
    rule = _rule_of_decider(graph, decider) if decider is not None else None
    listed = [value for value in find(SCORE_UNITS) if value in graph.outputs] or find(SCORE_UNITS)[:1]
    if rule is not None and widths.get(rule.value) == 1:
        listed = [rule.value, *(value for value in listed if value != rule.value)]
    else:
        rule = None
    if rule is None and listed and not decisions:
        rule = next(_rules_of_metrics(graph, listed), None)
        if rule is not None:
            main = rule.value
            listed = [main, *(value for value in listed if value != main)]
    kept = [value for value in decisions if value in graph.outputs] or decisions[:1]
    return Choice(tuple(listed[:_MOST]), tuple(kept[:_MOST]), tuple(graph.outputs[:_MOST]), rule)


def _is_single(graph: TypedGraph, widths: Mapping[ValueRef, int], value: ValueRef, unit: str) -> bool:
    port = graph.port(value)
    return port.unit == unit and widths.get(value) == 1


def _rule_of_decider(graph: TypedGraph, decider: TypedNode) -> Rule | None:
    reads = list(decider.reads())
    threshold = decider.params.get("threshold")
    if len(reads) != 1 or isinstance(threshold, bool) or not isinstance(threshold, (int, float)):
        return None
    level = _level(graph, reads[0], float(threshold))
    return Rule(reads[0], level, None, f"node `{decider.id}`") if level is not None else None


def _rules_of_metrics(graph: TypedGraph, ranked: list[ValueRef]) -> Iterator[Rule]:
    """Thresholds of metrics that compare a ranked value with the mask."""
    for leaf in graph.leaves:
        if leaf.kind != "metric" or leaf.parent not in ranked or "mask" not in leaf.entry.get("needs", ()):
            continue
        multiplier, threshold = _number(leaf, "threshold_multiplier"), _number(leaf, "threshold")
        origin = f"metric `{leaf.id}`"
        if multiplier is not None:
            yield Rule(leaf.parent, None, multiplier, f"{origin}: mean + {multiplier:g} std")
        elif threshold is not None and (level := _level(graph, leaf.parent, threshold)) is not None:
            yield Rule(leaf.parent, level, None, origin)


def _number(leaf: TypedLeaf, name: str) -> float | None:
    value = leaf.params.get(name)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _level(graph: TypedGraph, value: ValueRef, threshold: float) -> float | None:
    """The threshold in the unit of the value: of logits it is given as a probability."""
    if graph.port(value).unit != LOGITS:
        return threshold
    return math.log(threshold / (1 - threshold)) if 0 < threshold < 1 else None
