"""Every code the program can print has a page, and every page belongs to a code that can be printed."""

from __future__ import annotations

import re
from pathlib import Path

import cuvisc
from cuvisc.schema.codes import CODES, explain

ROOT = Path(cuvisc.__file__).parent
# Kept for the stages that read data, which say these in a DataError.
_SAID_ELSEWHERE = {"E501", "E502"}


def used_codes() -> set[str]:
    """The codes that stand in the program's text outside of the table."""
    sources = (path for path in ROOT.rglob("*.py") if path.name != "codes.py")
    return {
        code for path in sources for code in re.findall(r'"([EW]\d{3})"', path.read_text(encoding="utf-8"))
    }


def test_every_code_has_a_page() -> None:
    assert used_codes() - set(CODES) == set()


def test_every_page_has_a_use() -> None:
    assert set(CODES) - used_codes() - _SAID_ELSEWHERE == set()


def test_a_page() -> None:
    assert explain("E105") == (
        "E105: not one of the choices\n\n"
        "The parameter takes one of a few values and this is none of them.\n\n"
        "For example:\n\n"
        "    optimizer: {name: adamm}"
    )
    assert explain("E999") is None
    assert all(
        line == line.rstrip() and len(line) <= 100
        for code in CODES
        for line in (explain(code) or "").split("\n")
    )
