"""Every small change to a shipped spec that makes it wrong is refused, where it was changed; no other is refused.

What is wrong is told by an oracle that shares nothing with the front end. All mutants in steps of `STRIDE`, which
another `CUVISC_MUTANTS` makes finer; `make fuzz` takes all, and many at random.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from mutants.edits import Mutant, mutants
from mutants.oracle import is_wrong

from cuvisc.compiler.check import check_graph
from cuvisc.schema.catalogue import load
from cuvisc.schema.diagnostics import Diagnostic
from cuvisc.schema.front_end import read_string

SPECS = Path(__file__).parents[2] / "specs"
SHIPPED = sorted(path for path in SPECS.glob("*.yaml") if "\nnodes:" in path.read_text(encoding="utf-8"))
STRIDE = int(os.environ.get("CUVISC_MUTANTS", "3"))


@cache
def errors(text: str, name: str) -> list[Diagnostic]:
    """The errors that `cuvisc validate` would print."""
    spec, found = read_string(text, name, environment={})
    if spec is not None:
        check_graph(spec, load(), found)
    return [finding for finding in found if finding.severity == "error"]


@cache
def all_mutants(path: Path) -> list[Mutant]:
    return list(mutants(path.read_text(encoding="utf-8")))


def wrong_by_oracle(mutant: Mutant) -> bool:
    if mutant.kind == "duplicate":
        return True
    data: Any = yaml.safe_load(mutant.text)
    return is_wrong(data)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_specs_are_right(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not is_wrong(yaml.safe_load(text))
    assert errors(text, str(path)) == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_mutants_are_refused_exactly_if_they_are_wrong(path: Path) -> None:
    for mutant in all_mutants(path)[::STRIDE]:
        found = errors(mutant.text, str(path))
        assert bool(found) == wrong_by_oracle(mutant), f"{mutant}: {[finding.message for finding in found]}"


def test_findings_are_where_the_mutation_is() -> None:
    hits = count = 0
    for path in SHIPPED:
        for mutant in all_mutants(path)[::STRIDE]:
            for finding in errors(mutant.text, str(path)):
                count += 1
                hits += finding.span is not None and finding.span.line in mutant.lines
    assert count > 200
    assert hits / count >= 0.95
