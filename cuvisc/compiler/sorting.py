"""Nodes and what they read to a topological order, and to the circles that have none. Pure Python, knows no specs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush


def sort_nodes(names: Sequence[str], reads: Mapping[str, Iterable[str]]) -> tuple[list[str], list[list[str]]]:
    """Order nodes so that each stands behind everything it reads; among those that could be next, the first named.

    The second result holds circles, each once, in the direction of the data and beginning with its first-named node.
    Their nodes are in the order as well, where they stand once the circle is cut.
    """
    rank = {name: index for index, name in enumerate(names)}
    waits_for = {name: set(reads[name]) for name in names}
    readers: dict[str, list[str]] = {name: [] for name in names}
    for name, sources in waits_for.items():
        for source in sources:
            readers[source].append(name)
    ready = [rank[name] for name in names if not waits_for[name]]
    heapify(ready)
    order: dict[str, None] = {}
    circles: list[list[str]] = []
    while len(order) < len(names):
        if ready:
            done = [names[heappop(ready)]]
        else:
            done = _circle(next(name for name in names if name not in order), waits_for, rank)
            circles.append(done)
        order.update(dict.fromkeys(done))
        for name in done:
            for reader in readers[name]:
                waits_for[reader].discard(name)
                if not waits_for[reader] and reader not in order:
                    heappush(ready, rank[reader])
    return list(order), circles


def _circle(start: str, waits_for: Mapping[str, set[str]], rank: Mapping[str, int]) -> list[str]:
    """Walk from reader to what it still waits for until a node returns."""
    path: dict[str, None] = {}
    step = start
    while step not in path:
        path[step] = None
        step = min(waits_for[step], key=rank.__getitem__)
    walked = list(path)
    circle = walked[walked.index(step) :][::-1]
    first = min(range(len(circle)), key=lambda index: rank[circle[index]])
    return circle[first:] + circle[:first]
