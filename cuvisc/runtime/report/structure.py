"""The typed graph, what phase 1 measured and solved, and the variance that components explain."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from cuvisc.compiler.views.summary import Summary
from cuvisc.compiler.views.svg import draw_svg
from cuvisc.runtime.report.markup import (
    Html,
    absent,
    code,
    count,
    duration,
    join,
    number,
    percent,
    table,
    tag,
)
from cuvisc.runtime.report.run_files import RunFiles

_OWN_STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)
_HEAD = re.compile(r' xmlns="[^"]*"(?= viewBox)')
_SHOWN_VALUES = 4


def graph(run: RunFiles) -> Html:
    """The drawing of the graph, coloured by the page."""
    if run.summary is None:
        return absent(f"Not drawn: {run.problems.get('graph', 'no spec')}.")
    says = "The typed graph: nodes with the types of their outputs, losses, metrics and figures beside them"
    shown = drawing(run.summary)
    return tag("div", shown, class_="scroll graph", tabindex=0, role="region", aria_label=says)


def drawing(summary: Summary) -> Html:
    """The drawing of a graph, to be coloured by the page it becomes part of."""
    # It escapes what the user named; its own style would reach the rest of the page.
    made = _HEAD.sub("", _OWN_STYLE.sub("", draw_svg(summary), count=1), count=1)
    return Html(made.replace('role="img"', 'role="img" aria-label="The typed graph"', 1))


def phase_one(run: RunFiles) -> Html:
    """The passes over the training data, and what they left in the nodes."""
    facts = run.fact("phase1")
    if not isinstance(facts, Mapping):
        return absent("Phase 1 was not reached: nothing was measured.")
    pixels, excluded = run.fact("input", "pixels"), run.fact("input", "excluded_pixels")
    seconds = facts.get("seconds")
    told = [f"{count(pixels, 'training pixel')}" if isinstance(pixels, int) else ""]
    told += [f"{number(excluded)} of them left out"] if excluded else []
    told += [duration(seconds)] if isinstance(seconds, (int, float)) else []
    steps = passes(map(str, facts.get("passes") or ()))
    nodes = facts.get("nodes")
    rows = (
        [(code(name), str(found.get("type", "")), _state(found)) for name, found in nodes.items()]
        if nodes
        else []
    )
    fitted = table(("node", "type", "state (small values)"), rows, "What phase 1 solved") if rows else None
    return join(
        tag("p", ", ".join(part for part in told if part), class_="about"), steps, fitted, _explained(run)
    )


def passes(lines: Iterable[str]) -> Html:
    """The passes over the training data, one a line of the plan."""
    return tag("ol", (tag("li", _told(line)) for line in lines), class_="passes")


def _told(line: str) -> str:
    """A pass without its number, which the list gives."""
    return re.sub(r"^pass \d+ of \d+: ", "", line)


def _state(found: Mapping[str, Any]) -> str:
    parts = []
    for name, value in found.items():
        if name == "type":
            continue
        values = _flat(value)
        shown = ", ".join(number(v) for v in values[:_SHOWN_VALUES]) + (
            ", …" if len(values) > _SHOWN_VALUES else ""
        )
        parts.append(f"{name} {shown}")
    return "; ".join(parts) or "larger than is shown here"


def _flat(value: Any) -> list[float | None]:
    if isinstance(value, list):
        return [item for part in value for item in _flat(part)]
    return [float(value) if isinstance(value, (int, float)) else None]


def _explained(run: RunFiles) -> Html | None:
    """Bars of the explained variance of every node that has components."""
    stored = run.evidence.group("explained") if run.evidence is not None else {}
    nodes = run.fact("phase1", "nodes") or {}
    found = {name: [float(v) for v in values] for name, values in stored.items()} or {
        name: [v or 0.0 for v in _flat(facts["explained_variance_ratio"])]
        for name, facts in nodes.items()
        if isinstance(facts, Mapping) and isinstance(facts.get("explained_variance_ratio"), list)
    }
    return join(_bars(name, shares) for name, shares in sorted(found.items())) if found else None


def _bars(name: str, shares: list[float]) -> Html:
    rows = []
    total = 0.0
    for index, part in enumerate(shares, start=1):
        total += part
        width = f"width:{max(0.0, min(100.0, 100 * part)):.2f}%"
        bar = tag("div", tag("div", class_="bar-fill", style=width), class_="bar-track", aria_hidden="true")
        rows.append((f"{index}", bar, percent(part), percent(total)))
    caption = f"Variance explained by the components of {name}, of the training data"
    return tag(
        "div", table(("component", "share", "variance", "together"), rows, caption, numeric=2), class_="bars"
    )
