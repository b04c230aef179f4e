"""Lines, bands, steps and marks to inline SVG, coloured by the page's own style. NumPy only.

Classes, not colours: `stroke-blue`, `fill-orange` and so on follow light, dark and print.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.report.markup import Child, Html, join, tag
from cuvisc.runtime.report.scales import Axis

Floats = NDArray[np.float64]
Place = Callable[[float], float]
_LEFT, _RIGHT, _TOP, _BOTTOM = 60.0, 10.0, 10.0, 40.0
_FEW = 30


@dataclass(frozen=True)
class Line:
    """A curve through x [n], y [n], broken where y is not finite or x jumps farther than `gap`."""

    x: Floats
    y: Floats
    color: str
    label: str = ""
    dashed: bool = False
    dotted: bool = False
    gap: float = math.inf


@dataclass(frozen=True)
class Band:
    """The area between low [n] and high [n], broken like a line."""

    x: Floats
    low: Floats
    high: Floats
    color: str
    label: str = ""
    gap: float = math.inf


@dataclass(frozen=True)
class Steps:
    """Counts [n] between edges [n+1], filled down to the axis."""

    edges: Floats
    counts: NDArray[np.int64]
    color: str
    label: str = ""


@dataclass(frozen=True)
class Mark:
    """A vertical line at x, or a point at x and y."""

    x: float
    color: str
    label: str = ""
    y: float | None = None


@dataclass(frozen=True)
class Chart:
    """What is drawn on two axes; `says` is for those who cannot see it."""

    x: Axis
    y: Axis
    says: str
    items: Sequence[Line | Band | Steps | Mark] = field(default_factory=tuple)
    width: float = 400.0
    height: float = 250.0

    def body(self) -> Html:
        """The drawing without the element around it, `width` x `height`."""
        across = self.x.place(_LEFT, self.width - _RIGHT)
        down = self.y.place(self.height - _BOTTOM, _TOP)
        return join(self._frame(across, down), (_drawn(item, across, down, self) for item in self.items))

    def draw(self) -> Html:
        """The drawing."""
        return tag(
            "svg",
            self.body(),
            viewBox=f"0 0 {self.width:g} {self.height:g}",
            role="img",
            aria_label=self.says,
            class_="chart",
        )

    def legend(self) -> Html | None:
        """The labelled items as a list, None when there is none."""
        entries = [
            tag(
                "li",
                tag("span", class_=f"key {_shape(item)} fill-{item.color}", aria_hidden="true"),
                item.label,
            )
            for item in self.items
            if item.label
        ]
        return tag("ul", entries, class_="legend") if entries else None

    def _frame(self, across: Place, down: Place) -> Html:
        bottom, right = self.height - _BOTTOM, self.width - _RIGHT
        parts: list[str] = []
        for value, text in self.y.ticks(4):
            y = down(value)
            parts.append(tag("path", d=f"M{_LEFT:g} {y:.1f}H{right:g}", class_="grid"))
            parts.append(tag("text", text, x=_LEFT - 5, y=f"{y + 4:.1f}", class_="tick end"))
        for value, text in self.x.ticks(max(3, int(self.width / 75))):
            x = across(value)
            parts.append(tag("path", d=f"M{x:.1f} {bottom:g}v4", class_="axis"))
            parts.append(tag("text", text, x=f"{x:.1f}", y=bottom + 17, class_="tick middle"))
        parts.append(tag("path", d=f"M{_LEFT:g} {bottom:g}H{right:g}", class_="axis"))
        middle = (_LEFT + right) / 2
        parts.append(tag("text", self.x.label, x=f"{middle:g}", y=self.height - 5, class_="label middle"))
        turned = f"rotate(-90 9 {(_TOP + bottom) / 2:g})"
        parts.append(
            tag(
                "text",
                self.y.label,
                x=9,
                y=f"{(_TOP + bottom) / 2:g}",
                transform=turned,
                class_="label middle",
            )
        )
        return join(parts)


def figure(
    title: str, chart: Chart | Html, *notes: Child, class_: str = "panel", wide: Chart | None = None
) -> Html:
    """A chart with its title, legend and what is to be said about it; `wide` takes its place where there is room."""
    body: list[Child] = [chart] if isinstance(chart, Html) else [chart.legend(), tag("div", chart.draw())]
    if wide is not None and isinstance(chart, Chart):
        body = [
            chart.legend(),
            tag("div", chart.draw(), class_="when-narrow"),
            tag("div", wide.draw(), class_="when-wide"),
        ]
    caption = tag("figcaption", *notes) if notes else None
    return tag("figure", tag("h3", title), *body, caption, class_=class_)


def _drawn(item: Line | Band | Steps | Mark, across: Place, down: Place, chart: Chart) -> Html:
    if isinstance(item, Line):
        return _line(item, across, down)
    if isinstance(item, Band):
        return _band(item, across, down)
    if isinstance(item, Steps):
        return _steps(item, across, down, chart)
    x = across(item.x)
    if item.y is None:
        ends = f"M{x:.1f} {_TOP:g}V{chart.height - _BOTTOM:g}"
        return tag("path", d=ends, class_=f"mark stroke-{item.color}")
    return tag("circle", cx=f"{x:.1f}", cy=f"{down(item.y):.1f}", r=5, class_=f"point fill-{item.color}")


def _line(line: Line, across: Place, down: Place) -> Html:
    style = (
        f"line stroke-{line.color}" + (" dashed" if line.dashed else "") + (" dotted" if line.dotted else "")
    )
    pieces = list(_pieces(line.x, line.y, line.y, line.gap))
    path = "".join(_points(line.x[piece], line.y[piece], across, down) for piece in pieces)
    single = [piece for piece in pieces if piece.stop - piece.start == 1]
    # Few points are shown as such; so is one that has no neighbour to be joined with.
    dots = range(line.x.size) if line.x.size <= _FEW else [piece.start for piece in single]
    circles = (
        tag(
            "circle",
            cx=f"{across(float(line.x[i])):.1f}",
            cy=f"{down(float(line.y[i])):.1f}",
            r=2.2,
            class_=f"fill-{line.color}",
        )
        for i in dots
        if math.isfinite(line.y[i])
    )
    return join(tag("path", d=path, class_=style) if path else None, circles if not line.dashed else None)


def _band(band: Band, across: Place, down: Place) -> Html:
    path = ""
    for piece in _pieces(band.x, band.low, band.high, band.gap):
        there = _points(band.x[piece], band.high[piece], across, down)
        back = _points(band.x[piece][::-1], band.low[piece][::-1], across, down).replace("M", "L", 1)
        path += f"{there}{back}Z"
    return tag("path", d=path, class_=f"band fill-{band.color}")


def _steps(steps: Steps, across: Place, down: Place, chart: Chart) -> Html:
    bottom = chart.height - _BOTTOM
    path = f"M{across(float(steps.edges[0])):.1f} {bottom:g}"
    for right, counted in zip(steps.edges[1:].tolist(), steps.counts.tolist(), strict=True):
        y = min(down(counted), bottom) if counted > 0 or not chart.y.log else bottom
        path += f"V{y:.1f}H{across(right):.1f}"
    return tag("path", d=f"{path}V{bottom:g}Z", class_=f"steps stroke-{steps.color} fill-{steps.color}")


def _pieces(x: Floats, low: Floats, high: Floats, gap: float) -> Iterable[slice]:
    """Stretches of neighbours that are joined."""
    known = np.isfinite(low) & np.isfinite(high) & np.isfinite(x)
    begin: int | None = None
    for index in range(x.size):
        if not known[index]:
            if begin is not None:
                yield slice(begin, index)
            begin = None
        elif begin is None:
            begin = index
        elif x[index] - x[index - 1] > gap:
            yield slice(begin, index)
            begin = index
    if begin is not None:
        yield slice(begin, x.size)


def _points(x: Floats, y: Floats, across: Place, down: Place) -> str:
    at = (f"{across(a):.1f} {down(b):.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    return "M" + "L".join(at)


def _shape(item: Line | Band | Steps | Mark) -> str:
    if isinstance(item, Mark):
        return "key-bar" if item.y is None else "key-dot"
    if isinstance(item, Line):
        return "key-dashes" if item.dashed else "key-dots" if item.dotted else "key-line"
    return "key-band" if isinstance(item, Band) else "key-box"
