"""Parts of a report as the output of a notebook's cell: styled, alone, in the colours of the notebook. Never torch."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from cuvisc.runtime.report.markup import Child, Html, tag


def frame(*children: Child) -> Html:
    """An element that brings its own style, which reaches nothing else of the notebook."""
    return tag("div", Html(f"<style>{_style()}</style>"), *children, class_="cuvisc")


@cache
def _style() -> str:
    report = files("cuvisc.runtime.report")
    parts = "".join(report.joinpath(name).read_text(encoding="utf-8") for name in ("parts.css", "chart.css"))
    own = files("cuvisc.runtime.notebook").joinpath("notebook.css").read_text(encoding="utf-8")
    return f".cuvisc{{\n{parts}{own}}}"
