"""A typed graph as an SVG drawing: nodes with the types of their outputs, top down, leaves dashed beside them.

Whatever the user named is escaped. Pure Python: never torch or numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.sax.saxutils import escape

from cuvisc.compiler.graph import INPUT, INPUT_NODE, TypedNode, ValueRef
from cuvisc.compiler.views.layers import Box, Shape, lay_out
from cuvisc.compiler.views.marks import facts, is_stripped, marks_of
from cuvisc.compiler.views.summary import Summary, edges
from cuvisc.schema.render import printable

_CHARACTER, _LINE, _PADDING, _MARGIN, _GAP = 7.3, 18.0, 12.0, 20.0, 24.0
_STYLE = (
    "text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#1b1f24}"
    ".name{font-weight:bold}.quiet{fill:#59636e}"
    "rect{fill:#f6f8fa;stroke:#59636e}.trainable{stroke:#8250df;stroke-width:2.5}.end{fill:#ddf4ff}"
    ".stripped{opacity:.5}.blocked{stroke:#d1242f}.mark{fill:#0550ae}"
    ".leaf{fill:#fff;stroke-dasharray:4 3}path{fill:none;stroke:#59636e}.attach{stroke-dasharray:4 3}"
)
_HEAD = (
    '<marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0L8 4L0 8" style="fill:#59636e;stroke:none"/></marker>'
)

_NAMESPACE = "http://www.w3.org/2000/svg"

Line = tuple[str, str]


def draw_svg(summary: Summary) -> str:
    """The whole drawing, a text of XML that stands alone."""
    figures = {figure.name: figure for figure in _figures(summary)}
    links = list(_links(summary))
    layout = lay_out({name: figure.shape for name, figure in figures.items()}, [link[:2] for link in links])
    width, height = layout.width + 2 * _MARGIN, layout.height + 2 * _MARGIN
    frame = f"{-_MARGIN:g} {-_MARGIN:g} {width:.1f} {height:.1f}"
    title = escape(printable(summary.graph.name))
    about = escape(printable("; ".join(facts(summary))))
    return "\n".join(
        [
            f'<svg xmlns="{_NAMESPACE}" viewBox="{frame}" width="{width:.0f}" height="{height:.0f}" role="img">',
            f"<title>{title}</title><desc>{about}</desc><style>{_STYLE}</style><defs>{_HEAD}</defs>",
            *(_edge(route, *link[2:]) for route, link in zip(layout.routes, links, strict=True)),
            *(_stem(figures[name], layout.boxes[name]) for name in sorted({link[0] for link in links})),
            *(_drawn(figure, layout.boxes[name]) for name, figure in figures.items()),
            "</svg>",
        ]
    )


@dataclass(frozen=True)
class _Figure:
    """A box of text, and the leaves that stand in a column beside it."""

    name: str
    style: str
    lines: Sequence[Line]
    leaves: Sequence[Sequence[Line]] = ()

    @property
    def shape(self) -> Shape:
        """Room for the box and its leaves; edges hang on the box."""
        width, height = _size(self.lines)
        leaves = [_size(leaf) for leaf in self.leaves]
        column = sum(high + _PADDING for _, high in leaves) - _PADDING
        room = max((_GAP + wide for wide, _ in leaves), default=0.0)
        return Shape(width + room, max(height, column), width / 2)


def _figures(summary: Summary) -> Iterator[_Figure]:
    """Every box in topological order; outputs of the graph are boxes of their own."""
    graph = summary.graph
    cast = [("quiet", f"cast from {summary.cast}")] if summary.cast else []
    marks = [("mark", mark) for mark in marks_of(summary, INPUT_NODE)]
    yield _Figure(INPUT_NODE, "end", [("name", str(INPUT)), *cast, ("type", str(graph.input)), *marks])
    for node in graph.nodes:
        title = [("name", node.id), ("quiet", node.type + ("  trainable" if node.trainable else ""))]
        ports = [("type", f"→ {port}  {type_}") for port, type_ in node.outputs.items()]
        leaves = [
            [("name", leaf.id), ("quiet", f"{leaf.kind}: {leaf.type}")] for leaf in summary.leaves_of(node)
        ]
        marks = [("mark", mark) for mark in marks_of(summary, node.id)]
        yield _Figure(node.id, _style(summary, node), [*title, *ports, *marks], leaves)
    for value in graph.outputs:
        yield _Figure(f"output {value}", "end", [("name", str(value)), ("type", str(graph.port(value)))])


def _style(summary: Summary, node: TypedNode) -> str:
    blocks = any(blocking == node.id for blocking, _, _ in summary.blocked)
    found = {"trainable": node.trainable, "stripped": is_stripped(summary, node.id), "blocked": blocks}
    return " ".join(name for name, holds in found.items() if holds) or "node"


def _links(summary: Summary) -> Iterator[tuple[str, str, str, str]]:
    """Source, reader, label and type of every edge; the label tells apart ports where there are several."""
    graph = summary.graph
    for edge in edges(graph):
        reader = graph.by_id[edge.reader]
        port = edge.port if len(reader.inputs) > 1 else ""
        yield (
            edge.value.node,
            edge.reader,
            " to ".join(part for part in (_source(summary, edge.value), port) if part),
            f"{edge.value} to {edge.reader}.{edge.port}: {graph.port(edge.value)}",
        )
    for value in graph.outputs:
        yield value.node, f"output {value}", "", f"{value}: {graph.port(value)}"


def _source(summary: Summary, value: ValueRef) -> str:
    several = value != INPUT and len(summary.graph.by_id[value.node].outputs) > 1
    return value.port if several else ""


def _size(lines: Sequence[Line]) -> tuple[float, float]:
    longest = max(len(text) for _, text in lines)
    return longest * _CHARACTER + 2 * _PADDING, len(lines) * _LINE + _PADDING


def _drawn(figure: _Figure, box: Box) -> str:
    width, height = _size(figure.lines)
    parts = [_rectangle(box.x, box.y, figure.lines, figure.style)]
    x, y = box.x + width, box.y
    for lines in figure.leaves:
        middle = y + _size(lines)[1] / 2
        side = min(middle, box.y + height - _PADDING)
        bend = x + _GAP / 2
        curve = f"C{bend:.1f} {side:.1f} {bend:.1f} {middle:.1f} {x + _GAP:.1f} {middle:.1f}"
        parts.append(f'<path class="attach" d="M{x:.1f} {side:.1f}{curve}"/>')
        parts.append(_rectangle(x + _GAP, y, lines, "leaf"))
        y += _size(lines)[1] + _PADDING
    return f"<g>{''.join(parts)}</g>"


def _stem(figure: _Figure, box: Box) -> str:
    """From the box down to where its edges begin, where its leaves reach lower than the box."""
    return f'<path d="M{box.anchor:.1f} {box.y + _size(figure.lines)[1]:.1f}V{box.bottom:.1f}"/>'


def _rectangle(x: float, y: float, lines: Sequence[Line], style: str) -> str:
    width, height = _size(lines)
    frame = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="6"'
    rows = (
        f'<text class="{kind}" x="{x + _PADDING:.1f}" y="{y + _PADDING / 2 + (row + 0.72) * _LINE:.1f}">'
        f"{escape(printable(text))}</text>"
        for row, (kind, text) in enumerate(lines)
    )
    return f'<rect class="{style}" {frame}/>{"".join(rows)}'


def _edge(route: Sequence[tuple[float, float]], label: str, type_: str) -> str:
    path = "".join(_curve(start, end) for start, end in pairwise(route))
    tip = f"<title>{escape(printable(type_))}</title>"
    drawn = f'<path d="M{route[0][0]:.1f} {route[0][1]:.1f}{path}" marker-end="url(#tip)">{tip}</path>'
    if not label:
        return drawn
    (x0, y0), (x1, y1) = route[-2], route[-1]
    return f'{drawn}<text class="quiet" x="{(x0 + x1) / 2 + 4:.1f}" y="{(y0 + y1) / 2:.1f}">{escape(label)}</text>'


def _curve(start: tuple[float, float], end: tuple[float, float]) -> str:
    """From point to point, leaving and arriving upright."""
    (x0, y0), (x1, y1) = start, end
    bend = (y1 - y0) / 2
    return f"C{x0:.1f} {y0 + bend:.1f} {x1:.1f} {y1 - bend:.1f} {x1:.1f} {y1:.1f}"
