"""The list of verbs is read at a glance: one whole sentence each, on a terminal of 80 columns."""

from __future__ import annotations

import pytest
from cli_runs import run


def test_no_summary_is_cut(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, _, verbs = run(capsys, monkeypatch, "--help").out.partition("Commands:\n")
    lines = verbs.splitlines()
    assert len(lines) > 10
    assert [line for line in lines if not line.endswith(".") or line.endswith("...") or len(line) > 80] == []
