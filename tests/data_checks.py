"""Runs the check of data on a spec or a module, and what it says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fitted_graphs import typed
from memory_data import ANOMALY

from cuvisc.runtime.data_check import check
from cuvisc.runtime.data_check.check import DataCheck, check_data


@contextmanager
def no_bar(total: float) -> Iterator[Any]:
    yield lambda done: None


def checked(data: str, text: str = ANOMALY) -> DataCheck:
    return check_data(typed(f"{text}\ndatamodule: {{{data}}}\n"), no_bar)


def checked_module(monkeypatch: pytest.MonkeyPatch, module: Any, text: str = ANOMALY) -> DataCheck:
    monkeypatch.setattr(check, "make_datamodule", lambda spec: module)
    return check_data(typed(text), no_bar)


def said(found: DataCheck, *severities: str) -> list[str]:
    wanted = severities or ("error", "warning")
    return [f"{f.severity}: {f.message}" for f in found.findings if f.severity in wanted]
