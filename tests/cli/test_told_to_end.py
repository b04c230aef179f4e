"""A process that is told to end ends as by Ctrl-C: with 130, a word, and nothing half-written."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_artifacts import write_artifact

_CHILD = """
import os, signal, sys
from cuvisc.runtime.inference import Predictor

name = sys.argv.pop()
number = getattr(signal, name)
# As in a terminal: what runs these tests may have been asked to ignore it.
signal.signal(number, signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)
right, calls = Predictor._infer, []

def told(self, *given):
    calls.append(given)
    if len(calls) == 3:
        assert [name for name in os.listdir("out") if name.startswith(".")]
        os.kill(os.getpid(), number)
    return right(self, *given)

Predictor._infer = told
Predictor._block_pixels = lambda self, source: 64
from cuvisc.cli.app import main
main()
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
@pytest.mark.parametrize("form", ["npz", "geotiff"])
def test_a_prediction_that_is_told_to_end_leaves_nothing(tmp_path: Path, name: str, form: str) -> None:
    if not hasattr(signal, name):
        pytest.skip(f"this system has no {name}")
    write_artifact(tmp_path / "artifact")
    np.save(tmp_path / "cube.npy", np.random.default_rng(0).integers(0, 99, (40, 16, 5)).astype(np.uint16))
    words = ["predict", "artifact", "cube.npy", "-o", "out", "--format", form, "--threads", "1", name]
    ran = subprocess.run(
        [sys.executable, "-c", _CHILD, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "interrupted\n")
    assert list((tmp_path / "out").iterdir()) == []


_IMPORTING = """
import sys

module, kind = sys.argv[1:3]
del sys.argv[1:3]

class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            if kind == "plain":
                raise KeyboardInterrupt
            # As of a compiled package, whose loading an interrupt ended.
            raise ImportError("initialization failed") from KeyboardInterrupt()

sys.meta_path.insert(0, Interrupted())
from cuvisc.cli.app import main
main()
"""


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        ("cuvisc.cli.answers", "plain"),
        ("typer", "plain"),
        ("pydantic", "plain"),
        ("cuvisc.cli.predict", "plain"),
        ("numpy", "plain"),
        ("onnxruntime", "plain"),
        ("onnxruntime", "compiled"),
    ],
)
def test_an_interrupt_while_something_is_imported(tmp_path: Path, module: str, kind: str) -> None:
    write_artifact(tmp_path / "artifact")
    np.save(tmp_path / "cube.npy", np.zeros((2, 2, 5), np.uint16))
    words = [module, kind, "predict", "artifact", "cube.npy", "-o", "out.npz"]
    ran = subprocess.run(
        [sys.executable, "-c", _IMPORTING, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "interrupted\n")
    assert not (tmp_path / "out.npz").exists()
