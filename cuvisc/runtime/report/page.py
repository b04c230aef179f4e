"""A run folder to one HTML page that stands alone: no script, no request, readable on paper and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import cuvisc
from cuvisc.runtime.report.epochs import training
from cuvisc.runtime.report.maps import maps, other_outputs
from cuvisc.runtime.report.markup import Html, absent, join, tag
from cuvisc.runtime.report.quality import quality
from cuvisc.runtime.report.run_files import RunFiles
from cuvisc.runtime.report.samples import samples
from cuvisc.runtime.report.spectra import spectra
from cuvisc.runtime.report.structure import graph, phase_one
from cuvisc.runtime.report.trust import environment, figures, parity, spec
from cuvisc.runtime.report.verdict import head

REPORT = "report.html"
SECTIONS: tuple[tuple[str, str, Callable[[RunFiles], Html]], ...] = (
    ("quality", "Detection", lambda run: join(quality(run), samples(run), other_outputs(run))),
    ("spectra", "Spectra", spectra),
    ("training", "Training", training),
    ("graph", "Graph", graph),
    ("phase-1", "Phase 1", phase_one),
    ("parity", "Export", parity),
    ("figures", "Figures", figures),
    ("environment", "Environment", environment),
    ("spec", "Spec", spec),
)
# What is on a page wherever it stands, then the page itself.
_STYLES = ("colors.css", "parts.css", "chart.css", "page.css")
# Nothing may load and nothing may run, whatever a name in a run folder says.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def make_page(folder: Path) -> str:
    """The page of a run folder; raises :class:`cuvisc.schema.errors.DataError` where there is no run."""
    return render(RunFiles.read(folder))


def render(run: RunFiles) -> str:
    """The page of a run that has been read."""
    sections = (
        tag("section", tag("h2", title), _shown(make, run), id=name, aria_label=title)
        for name, title, make in SECTIONS
    )
    links = (tag("a", title, href=f"#{name}") for name, title, _ in SECTIONS)
    body = tag(
        "body",
        tag("a", "Skip to the pictures", href="#pictures", class_="skip"),
        _shown(head, run),
        tag(
            "main",
            tag(
                "section",
                tag("h2", "Pictures", class_="unseen"),
                _shown(maps, run),
                id="pictures",
                aria_label="Pictures",
            ),
            tag("nav", links, aria_label="Sections"),
            sections,
        ),
        tag(
            "footer", f"Written by cuvisc {cuvisc.__version__}; everything on this page is inside this file."
        ),
    )
    styles = (files("cuvisc.runtime.report").joinpath(name).read_text(encoding="utf-8") for name in _STYLES)
    top = tag(
        "head",
        tag("meta", charset="utf-8"),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{run.name}: cuvisc report"),
        Html(f"<style>{''.join(styles)}</style>"),
    )
    return f'<!doctype html>\n<html lang="en">\n{top}\n{body}\n</html>\n'


def _shown(make: Callable[[RunFiles], Html], run: RunFiles) -> Html:
    """A part of the page; files that somebody changed cost the part that reads them, not the page."""
    try:
        return make(run)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        fact = f"{type(error).__name__}: {error}"
        return absent(f"Cannot be shown, a file of the run folder is not as it was written ({fact}).")
