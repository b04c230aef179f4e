"""A chart to an SVG file that stands alone, light, its title and legend inside; any viewer draws it. Pure Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

from cuvisc.runtime.report.charts import Band, Chart, Line, Mark, Steps
from cuvisc.runtime.report.markup import Html, join, tag

_TITLE, _ROW = 26.0, 17.0
_LETTER, _MARGIN = 6.4, 6.0
_VARIABLE = re.compile(r"--([a-z]+):([^;}]+)")
_USE = re.compile(r"var\(--([a-z]+)\)")


def svg_file(title: str, chart: Chart) -> str:
    """The file; as wide as the chart, and higher by its title and legend."""
    keys = list(_keys(chart))
    top = _TITLE + _ROW * len(keys)
    drawing = tag(
        "svg",
        Html(f"<style>{_style()}</style>"),
        tag("rect", x=-_MARGIN, width=chart.width + _MARGIN, height=chart.height + top, fill="#fff"),
        tag("text", title, x=0, y=18, class_="label title"),
        (tag("g", row, transform=f"translate(60 {_TITLE + _ROW * i:g})") for i, row in enumerate(keys)),
        tag("g", chart.body(), transform=f"translate(0 {top:g})"),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"{-_MARGIN:g} 0 {chart.width + _MARGIN:g} {chart.height + top:g}",
        role="img",
        aria_label=f"{title}: {chart.says}",
        class_="chart",
    )
    return f"{drawing}\n"


def _style() -> str:
    """The style of charts, light colours put in: few viewers but browsers know variables."""
    room = files("cuvisc.runtime.report")
    light, _, _ = room.joinpath("colors.css").read_text(encoding="utf-8").partition("@media")
    colors = dict(_VARIABLE.findall(light))
    rules = room.joinpath("chart.css").read_text(encoding="utf-8")
    own = ".chart{font-family:sans-serif}.chart .title{font-size:14px;font-weight:600}"
    return _USE.sub(lambda found: colors[found[1]], rules) + own


def _keys(chart: Chart) -> Iterator[Html]:
    """The legend in rows that are as wide as the chart."""
    row: list[Html] = []
    x = 0.0
    for item in chart.items:
        if not item.label:
            continue
        width = 26 + _LETTER * len(item.label) + 14
        if row and 60 + x + width > chart.width:
            yield join(row)
            row, x = [], 0.0
        row += [_key(item, x), tag("text", item.label, x=x + 26, y=11)]
        x += width
    if row:
        yield join(row)


def _key(item: Line | Band | Steps | Mark, x: float) -> Html:
    if isinstance(item, (Band, Steps)):
        return tag("rect", x=x + 2, y=2, width=18, height=10, class_=f"steps fill-{item.color}")
    if isinstance(item, Mark) and item.y is not None:
        return tag("circle", cx=x + 11, cy=7, r=5, class_=f"fill-{item.color}")
    if isinstance(item, Mark):
        return tag("path", d=f"M{x + 11:g} 0v14", class_=f"mark stroke-{item.color}")
    kind = " dashed" if item.dashed else " dotted" if item.dotted else ""
    return tag("path", d=f"M{x:g} 7h22", class_=f"line stroke-{item.color}{kind}")
