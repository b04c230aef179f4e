"""Loads a spec of the small language and gives back everything a user would read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import dedent

from small_catalogue import CATALOGUE

from cuvisc.schema.front_end import load_text
from cuvisc.schema.render import render_text
from cuvisc.schema.spec import Spec


def answer(text: str, *overrides: str, environment: Mapping[str, str] | None = None) -> str:
    """The whole terminal text for a spec, "" when nothing is wrong; blank first and last lines do not count."""
    _, diagnostics = load_text(dedent(text).lstrip("\n"), "s.yaml", overrides, CATALOGUE, environment or {})
    return "\n" + render_text(diagnostics) + "\n" if len(diagnostics) else ""


def load(text: str, overrides: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> Spec:
    """The spec of a text that has no errors."""
    spec, diagnostics = load_text(dedent(text), "s.yaml", overrides, CATALOGUE, environment or {})
    assert spec is not None, render_text(diagnostics)
    return spec
