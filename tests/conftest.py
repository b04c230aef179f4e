"""What every test runs under: one thread, no display, no network logger, reproducible property tests."""

from __future__ import annotations

import os
from pathlib import Path

for _name, _value in {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "WANDB_MODE": "disabled"}.items():
    os.environ.setdefault(_name, _value)

# ruff: noqa: E402 - the environment comes first
import pytest
from cli_runs import Cuvisc, run
from hypothesis import HealthCheck, settings
from small_artifacts import SmallArtifact, write_artifact

settings.register_profile(
    "cuvisc",
    deadline=None,
    derandomize=True,
    print_blob=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("cuvisc")


@pytest.fixture
def cuvisc(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cuvisc:
    """The command line, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *args: run(capsys, monkeypatch, *args)


@pytest.fixture
def small(tmp_path: Path) -> SmallArtifact:
    """An artifact that scores and decides, made without the exporter."""
    return write_artifact(tmp_path / "artifact")
