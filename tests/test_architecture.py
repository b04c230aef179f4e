"""What ARCHITECTURE.md says of the code is so."""

from __future__ import annotations

import re
from pathlib import Path

import cuvisc
from cuvisc.compiler.lowering import PASSES

PAGE = (Path(cuvisc.__file__).parents[1] / "ARCHITECTURE.md").read_text("utf-8")


def test_it_names_the_passes_of_an_export_in_order() -> None:
    listed = re.search(r"in order:(.*?)`ir.verify`", PAGE, re.DOTALL)
    assert listed is not None
    passes = [rewrite.__name__ for rewrite in PASSES]
    assert re.findall(r"`(\w+)`", listed[1]) == ["strip_leaves", *passes, "certify_affine"]


def test_it_names_files_that_there_are() -> None:
    places = set(re.findall(r"`((?:compiler|language|schema|runtime|nodes|leaves|cli)/[\w/.]*)`", PAGE))
    assert len(places) > 10
    assert [place for place in sorted(places) if not (Path(cuvisc.__file__).parent / place).exists()] == []
