"""What drawings say beside a node: what phase 1 measures there, and what an export makes of it.

Pure Python: never torch or numpy.
"""

from __future__ import annotations

from collections.abc import Iterator

from cuvisc.compiler.graph import INPUT_NODE
from cuvisc.compiler.views.summary import Summary


def marks_of(summary: Summary, node: str) -> Iterator[str]:
    """One line a fact about a node, or about the graph's input."""
    passes = summary.plan.passes
    for number, step in enumerate(passes, start=1):
        kinds = {
            kind for tap in step.taps if any(part.node == node for part in tap.parts) for kind in tap.kinds
        }
        if kinds:
            yield f"pass {number} measures {', '.join(sorted(kinds))}"
    for number, step in enumerate(passes, start=1):
        if node in step.solves:
            yield f"fitted after pass {number} of {len(passes)}"
    for chain in summary.folds:
        if node in chain[:-1]:
            yield f"folds into {chain[-1]}"
    if is_stripped(summary, node):
        yield "left out of an export"
    for blocking, target, _ in summary.blocked:
        if blocking == node:
            yield f"blocks {target}"


def is_stripped(summary: Summary, node: str) -> bool:
    """Whether an export leaves a node out."""
    return node != INPUT_NODE and node not in summary.graph.live


def facts(summary: Summary) -> Iterator[str]:
    """What a drawing as a whole does not show: passes, training, and why a target is blocked."""
    yield from summary.plan.describe()
    yield f"phase 2: {summary.training}"
    for node, target, reason in summary.blocked:
        yield f"{node} blocks {target}: {reason}"
