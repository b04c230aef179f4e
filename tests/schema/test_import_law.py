"""The front end stays light: reading and checking a spec imports no numerics, and of cuvisc only its own rooms."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cuvisc

HEAVY = {
    "torch",
    "lightning",
    "numpy",
    "onnx",
    "onnxruntime",
    "hydra",
    "omegaconf",
    "rich",
    "scipy",
    "matplotlib",
}
ROOMS = {"cuvisc.cli", "cuvisc.runtime", "cuvisc.nodes", "cuvisc.leaves", "cuvisc.compiler"}
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(cuvisc.__file__).parents[1])}
SPEC = "nodes:\n  norm: {type: MinMaxNormalizer}\n  rx: {type: RXGlobal}\n"


def imported(program: str, folder: Path) -> set[str]:
    """The names of all modules a fresh interpreter has after running a program."""
    code = f"import json, sys\n{program}\nprint('\\n' + json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


def heavy(modules: set[str]) -> set[str]:
    """The top-level packages among them that the front end must not import."""
    return {name.partition(".")[0] for name in modules} & HEAVY


def run(*arguments: str) -> str:
    """A program that runs the command line and survives its exit."""
    return (
        f"sys.argv = {['cuvisc', *arguments]!r}\n"
        "from cuvisc.cli.app import main\n"
        "try:\n    main()\n"
        "except SystemExit as left:\n    assert left.code in (0, None), left.code"
    )


def test_schema_imports_only_itself(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SPEC)
    program = (
        "import importlib, pkgutil, cuvisc.schema\n"
        "for module in pkgutil.iter_modules(cuvisc.schema.__path__):\n"
        "    importlib.import_module('cuvisc.schema.' + module.name)\n"
        "from pathlib import Path\n"
        "from cuvisc.schema.front_end import load_spec\n"
        "spec, found = load_spec(Path('s.yaml'))\n"
        "assert spec is not None, list(found)"
    )
    modules = imported(program, tmp_path)
    assert heavy(modules) == set()
    assert modules & ROOMS == set()


@pytest.mark.parametrize(
    "verb", [["--help"], ["validate", "s.yaml"], ["nodes"], ["schema"], ["explain", "E101"]], ids=" ".join
)
def test_front_end_verbs_import_nothing_heavy(verb: list[str], tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SPEC)
    assert heavy(imported(run(*verb), tmp_path)) == set()


def test_a_look_at_the_data_imports_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(f"{SPEC}datamodule: {{type: CubeFiles, train: '*.hdr'}}\n")
    (tmp_path / "a.hdr").write_text("ENVI\nsamples = 3\nlines = 3\nbands = 5\n")
    assert heavy(imported(run("validate", "s.yaml"), tmp_path)) == set()


def test_hydra_comes_with_overrides_alone(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SPEC)
    assert heavy(imported(run("validate", "s.yaml", "nodes.rx.eps=1e-3"), tmp_path)) == {"hydra", "omegaconf"}


def test_a_right_spec_needs_neither_the_command_line_library_nor_jsonschema(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SPEC)
    modules = {name.partition(".")[0] for name in imported(run("validate", "s.yaml"), tmp_path)}
    assert modules & {"typer", "click", "pydantic", "jsonschema", "referencing", "difflib"} == set()


def test_the_test_can_fail(tmp_path: Path) -> None:
    assert heavy(imported("import numpy", tmp_path)) == {"numpy"}
