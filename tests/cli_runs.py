"""Runs the command line in this process and returns what a shell would see."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from cuvisc.cli.app import main


class Run(NamedTuple):
    """Exit code and the two streams."""

    code: int
    out: str
    err: str


#: What the fixture `cuvisc` gives: runs `cuvisc ARGS` in the test's own folder.
Cuvisc = Callable[..., Run]


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *args: object) -> Run:
    """`cuvisc ARGS`."""
    monkeypatch.setattr("sys.argv", ["cuvisc", *map(str, args)])
    capsys.readouterr()
    code = 0
    try:
        main()
    except SystemExit as left:
        code = int(left.code or 0)
    out, err = capsys.readouterr()
    return Run(code, out, err)
