"""Where the boxes of a drawing go: nodes in rows below everything they read, edges led around what lies between.

A small layered layout: rows by longest path, an invisible stop in each row that a long edge crosses, stops and nodes
ordered by where their neighbors above are. Pure Python, knows no specs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Shape:
    """A rectangle to place; its edges begin and end `anchor` from its left side."""

    width: float
    height: float
    anchor: float


@dataclass(frozen=True)
class Box:
    """A placed rectangle; `anchor` is where its edges begin and end."""

    x: float
    y: float
    shape: Shape

    @property
    def anchor(self) -> float:
        """Where edges begin and end, from left to right."""
        return self.x + self.shape.anchor

    @property
    def bottom(self) -> float:
        """The lower side."""
        return self.y + self.shape.height


@dataclass(frozen=True)
class Layout:
    """Boxes by name; for every edge, in the order given, the points where it passes a row; and the size of it all."""

    boxes: Mapping[str, Box]
    routes: tuple[tuple[tuple[float, float], ...], ...]
    width: float
    height: float


def lay_out(
    shapes: Mapping[str, Shape],
    edges: Sequence[tuple[str, str]],
    gap: float = 28.0,
    row_gap: float = 52.0,
) -> Layout:
    """Place these shapes, named in topological order, for these edges from source to reader."""
    rows, paths = _rows(shapes, edges)
    _order(rows, paths)
    boxes: dict[str, Box] = {}
    y = 0.0
    for row in rows:
        height = max(shapes[name].height if name in shapes else 0.0 for name in row)
        stop = Shape(1.0, height, 0.5)
        x = -_width(row, shapes, gap) / 2
        for name in row:
            boxes[name] = Box(x, y, shapes.get(name, stop))
            x += boxes[name].shape.width + gap
        y += height + row_gap
    left = min((box.x for box in boxes.values()), default=0.0)
    boxes = {name: Box(box.x - left, box.y, box.shape) for name, box in boxes.items()}
    routes = tuple(tuple(_route(path, boxes)) for path in paths)
    return Layout({name: boxes[name] for name in shapes}, routes, -2 * left, max(y - row_gap, 0.0))


def _width(row: Sequence[str], shapes: Mapping[str, Shape], gap: float) -> float:
    return sum(shapes[name].width if name in shapes else 1.0 for name in row) + gap * (len(row) - 1)


def _rows(names: Iterable[str], edges: Sequence[tuple[str, str]]) -> tuple[list[list[str]], list[list[str]]]:
    """Names and stops by row, and every edge as the names it passes, ends included."""
    level = dict.fromkeys(names, 0)
    sources: dict[str, list[str]] = {name: [] for name in level}
    for source, reader in edges:
        sources[reader].append(source)
    for name in level:
        level[name] = max((level[source] + 1 for source in sources[name]), default=0)
    rows: list[list[str]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for name, depth in level.items():
        rows[depth].append(name)
    paths = []
    for index, (source, reader) in enumerate(edges):
        stops = [f"{index}:{depth}" for depth in range(level[source] + 1, level[reader])]
        for depth, stop in enumerate(stops, start=level[source] + 1):
            rows[depth].append(stop)
        paths.append([source, *stops, reader])
    return rows, paths


def _order(rows: Sequence[list[str]], paths: Iterable[Sequence[str]]) -> None:
    """Sort every row by the mean place of what each item hangs on, downwards, then upwards, then downwards."""
    above: dict[str, list[str]] = {name: [] for row in rows for name in row}
    below: dict[str, list[str]] = {name: [] for row in rows for name in row}
    for path in paths:
        for upper, lower in pairwise(path):
            above[lower].append(upper)
            below[upper].append(lower)
    for neighbors, sweep in ((above, rows), (below, rows[::-1]), (above, rows)):
        place: dict[str, float] = {}
        for row in sweep:
            wanted = {
                name: sum(place[other] for other in neighbors[name]) / len(neighbors[name])
                if neighbors[name]
                else (index + 0.5) / len(row)
                for index, name in enumerate(row)
            }
            row.sort(key=wanted.__getitem__)
            place |= {name: (index + 0.5) / len(row) for index, name in enumerate(row)}


def _route(path: Sequence[str], boxes: Mapping[str, Box]) -> Iterable[tuple[float, float]]:
    source, *stops, reader = (boxes[name] for name in path)
    yield source.anchor, source.bottom
    for stop in stops:
        yield stop.anchor, stop.y
        yield stop.anchor, stop.bottom
    yield reader.anchor, reader.y
