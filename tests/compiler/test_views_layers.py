"""The layered layout of drawings, over random graphs: boxes apart, readers below what they read, edges around boxes."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from cuvisc.compiler.views.layers import Layout, Shape, lay_out


@st.composite
def layouts(draw: st.DrawFn) -> tuple[list[tuple[str, str]], Layout]:
    count = draw(st.integers(1, 9))
    shapes = {}
    for index in range(count):
        width = draw(st.floats(20, 300))
        shapes[f"n{index}"] = Shape(width, draw(st.floats(20, 120)), width * draw(st.floats(0.1, 0.9)))
    pairs = [(f"n{i}", f"n{j}") for i, j in combinations(range(count), 2)]
    edges = draw(st.lists(st.sampled_from(pairs), max_size=14)) if pairs else []
    return edges, lay_out(shapes, edges)


@given(layouts())
def test_boxes_are_apart_and_inside(drawn: tuple[list[tuple[str, str]], Layout]) -> None:
    """No two boxes overlap, and all lie within the size that is given."""
    _, layout = drawn
    for box in layout.boxes.values():
        assert box.x >= -1e-6
        assert box.x + box.shape.width <= layout.width + 1e-6
        assert box.y >= 0
        assert box.bottom <= layout.height + 1e-6
    for a, b in combinations(layout.boxes.values(), 2):
        beside = a.x + a.shape.width <= b.x or b.x + b.shape.width <= a.x
        assert beside or a.bottom <= b.y or b.bottom <= a.y


@given(layouts())
def test_edges_go_down_and_around(drawn: tuple[list[tuple[str, str]], Layout]) -> None:
    """An edge leaves the box below its source and ends on top of its reader; where it passes a row it meets no box."""
    edges, layout = drawn
    for (source, reader), route in zip(edges, layout.routes, strict=True):
        first, last = layout.boxes[source], layout.boxes[reader]
        assert route[0] == (first.anchor, first.bottom)
        assert route[-1] == (last.anchor, last.y)
        assert [y for _, y in route] == sorted(y for _, y in route)
        for x, y in route[1:-1]:
            inside = (
                b for b in layout.boxes.values() if b.x < x < b.x + b.shape.width and b.y < y < b.bottom
            )
            assert not list(inside)
