"""A verb that needs a package which is not installed says which extra brings it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SPECS = Path(__file__).parents[2] / "specs"
WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
sys.argv = ["cuvisc", *sys.argv[1:]]
from cuvisc.cli.app import main
main()
"""


@pytest.mark.parametrize("arguments", [["train", str(SPECS / "rx.yaml")], ["export", "run"]])
def test_torch(arguments: list[str], tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.stderr == "error: this needs torch: pip install 'cuvisc[train]'\n"
    assert (result.stdout, result.returncode) == ("", 2)
    assert list(tmp_path.iterdir()) == []
