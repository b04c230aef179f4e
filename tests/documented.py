"""Commands and outputs as documents show them, and whether an output is what is shown."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
ELLIPSIS = "..."
_NUMBER = re.compile(r"(?<![\w.])[-−]?\d[\d\u202f]*(?:\.\d+)?(?:e[-+]?\d+)?")
_TIME = re.compile(r"\d[\d.]* ?(?:s|seconds|Mpixel/s)\b")
_CONSOLE = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`(cuvisc [a-z][^`]*)`")
_LINE = re.compile(r"^(?: {4}|\$ )(cuvisc [a-z].*)$", re.MULTILINE)
# Kernels of other processors round differently, and training carries that on.
_RELATIVE, _COUNTED, _SMALL = 0.05, 8.0, 0.02


class Command(NamedTuple):
    """A command of a document, and the output that follows it there."""

    words: list[str]
    output: str


def pages() -> list[Path]:
    """Every document for people."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def shown_commands(text: str) -> list[Command]:
    """The commands of ```console blocks: what follows `$ `, and the lines up to the next one."""
    found = []
    for block in _CONSOLE.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append(Command(shlex.split(command), output))
    return found


def mentioned_commands(text: str) -> Iterator[list[str]]:
    """Every `cuvisc VERB …` of a document, in prose and in blocks, without comments."""
    for found in (*_INLINE.findall(text), *_LINE.findall(text)):
        yield shlex.split(found.replace("…", "").replace("'", "\\'"), comments=True)


def agree(shown: str, given: str) -> None:
    """Assert that an output is what a document shows: its words, its numbers nearly, times of any length.

    A line `...` stands for as many lines as can be.
    """
    wanted, lines = shown.rstrip("\n").split("\n"), given.rstrip("\n").split("\n")
    at, anywhere = 0, False
    for line in wanted:
        if line.strip() == ELLIPSIS:
            anywhere = True
            continue
        if anywhere:
            at = max((i for i in range(at, len(lines)) if _is_same(line, lines[i])), default=len(lines))
        assert at < len(lines), f"not in the output: {line}\n{given}"
        assert _is_same(line, lines[at]), f"shown {line}\ngiven {lines[at]}"
        at, anywhere = at + 1, False
    assert anywhere or at == len(lines), f"more than is shown: {lines[at:]}"


def _is_same(shown: str, given: str) -> bool:
    return _words(shown) == _words(given) and _numbers(shown) == [_near(value) for value in _numbers(given)]


def _words(text: str) -> list[str]:
    return _NUMBER.sub("#", _TIME.sub("#", text)).split()


def _numbers(text: str) -> list[float]:
    plain = _TIME.sub("", text).replace("−", "-")
    return [float(found.replace("\u202f", "")) for found in _NUMBER.findall(plain)]


def _near(value: float) -> object:
    counted = value == int(value) and value > 9
    return pytest.approx(value, rel=_RELATIVE, abs=_COUNTED if counted else _SMALL)
