"""Who may import whom: the law of the rooms, read from the source, and proven in fresh interpreters.

That the front end stays light is proven in `schema/test_import_law.py`.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from small_artifacts import write_artifact

import cuvisc

SOURCE = Path(cuvisc.__file__).parent
ROOMS = ("cli", "compiler", "language", "leaves", "nodes", "runtime", "schema")
MAY_IMPORT = {
    "language": {"language"},
    "schema": {"schema", "language.types", "language.choose"},
    "nodes": {"nodes", "language"},
    "leaves": {"leaves", "language"},
    "compiler": {"compiler", "language", "schema"},
    "runtime": {"runtime", "compiler", "language", "schema", "nodes", "leaves", ""},
    "cli": {*ROOMS, ""},
}
"""Rooms and modules of cuvisc that each room may name; "" is the package itself, whose version everyone may."""
TORCH = {"torch", "lightning", "torchmetrics", "onnx", "onnxscript", "safetensors"}
NUMERICS = TORCH | {"numpy", "scipy", "onnxruntime", "matplotlib"}
NEVER = {
    "schema": NUMERICS,
    "language/types.py": NUMERICS,
    "language/choose.py": NUMERICS,
    "language/declare.py": NUMERICS,
    "language/affine.py": TORCH,
    "language/statistics.py": TORCH,
    "compiler/graph.py": NUMERICS,
    "compiler/check.py": NUMERICS,
    "compiler/plan.py": NUMERICS,
    "compiler/views": NUMERICS,
    "compiler/bands.py": NUMERICS,
    "compiler/spectra.py": NUMERICS,
    "language/selection.py": NUMERICS,
    "runtime/data/band_axis.py": NUMERICS,
    "runtime/data/envi_fields.py": NUMERICS,
    "runtime/data/first_bands.py": NUMERICS,
    "runtime/data/header_bands.py": NUMERICS,
    "compiler/ir.py": TORCH,
    "compiler/passes": TORCH,
    "runtime/inference.py": TORCH,
    "runtime/artifact.py": TORCH,
    "runtime/evaluation.py": TORCH,
    "runtime/verification.py": TORCH - {"onnx"},
    "runtime/session.py": TORCH,
    "runtime/comparison.py": TORCH,
    "runtime/data/readers": TORCH,
    "runtime/data/writers": TORCH,
    "runtime/prediction.py": TORCH,
    "runtime/batch.py": TORCH,
    "runtime/report/page.py": TORCH,
    "runtime/notebook": TORCH,
}
"""Packages that a room, folder or file never imports itself, not even inside a function."""


def imports(text: str, module: str) -> Iterator[str]:
    """Every module that a source text names in an import, wherever it stands; relative ones made absolute."""
    package = module.split(".")[:-1]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{prefix}.{alias.name}" for alias in node.names)


def sources() -> dict[str, str]:
    """Every source file by its path below the package."""
    return {path.relative_to(SOURCE).as_posix(): path.read_text("utf-8") for path in SOURCE.rglob("*.py")}


def crossings(files: Mapping[str, str]) -> list[str]:
    """Imports that leave a room through a wall."""
    found = []
    for path, text in files.items():
        room = path.partition("/")[0]
        if room not in ROOMS:
            continue
        for name in imports(text, "cuvisc." + path.removesuffix(".py").replace("/", ".")):
            head, _, target = name.partition(".")
            named = target if target.partition(".")[0] in ROOMS else ""
            allowed = any(named == may or (may and named.startswith(f"{may}.")) for may in MAY_IMPORT[room])
            if head == "cuvisc" and not allowed and name != "cuvisc.__version__":
                found.append(f"{path} imports {name}")
    return found


def loads(files: Mapping[str, str]) -> list[str]:
    """Imports of packages that a file must not name."""
    return [
        f"{path} imports {name}"
        for path, text in files.items()
        for place, packages in NEVER.items()
        if path == place or path.startswith(f"{place}/")
        for name in imports(text, "cuvisc." + path.removesuffix(".py").replace("/", "."))
        if name.partition(".")[0] in packages
    ]


def test_walls() -> None:
    assert crossings(sources()) == []


def test_weights() -> None:
    assert loads(sources()) == []


@pytest.mark.parametrize(
    ("path", "text", "finding"),
    [
        (
            "nodes/x.py",
            "from cuvisc.compiler.ir import verify",
            "nodes/x.py imports cuvisc.compiler.ir.verify",
        ),
        (
            "leaves/x.py",
            "def f():\n    import cuvisc.runtime.parity",
            "leaves/x.py imports cuvisc.runtime.parity",
        ),
        ("compiler/x.py", "from cuvisc.runtime import parity", "compiler/x.py imports cuvisc.runtime.parity"),
        ("runtime/x.py", "from ..cli import app", "runtime/x.py imports cuvisc.cli.app"),
        (
            "schema/x.py",
            "from cuvisc.language.node import Node",
            "schema/x.py imports cuvisc.language.node.Node",
        ),
        ("language/ops/x.py", "from ...nodes import rx", "language/ops/x.py imports cuvisc.nodes.rx"),
        ("nodes/x.py", "from cuvisc import Graph", "nodes/x.py imports cuvisc.Graph"),
    ],
)
def test_a_hole_in_a_wall_is_found(path: str, text: str, finding: str) -> None:
    assert crossings({path: text}) == [finding]


@pytest.mark.parametrize(
    ("path", "text", "finding"),
    [
        ("schema/x.py", "def f():\n    import numpy as np", "schema/x.py imports numpy"),
        ("runtime/inference.py", "from torch import nn", "runtime/inference.py imports torch.nn"),
        ("compiler/passes/x.py", "import torch.nn", "compiler/passes/x.py imports torch.nn"),
    ],
)
def test_a_weight_is_found(path: str, text: str, finding: str) -> None:
    assert loads({path: text}) == [finding]


def test_every_place_of_the_law_exists() -> None:
    """A law about a file that was renamed would hold of nothing."""
    assert all((SOURCE / place).exists() for place in NEVER)
    assert {path.name for path in SOURCE.iterdir() if (path / "__init__.py").is_file()} == set(ROOMS)


def modules_after(program: str, folder: Path) -> set[str]:
    """The modules of a fresh interpreter after a program has run."""
    code = f"{program}\nimport json, sys\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def packages(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


CHECK = """
from cuvisc.compiler.check import check_graph
from cuvisc.compiler.plan import plan_statistics
from cuvisc.schema.catalogue import load
from cuvisc.schema.front_end import load_text
spec, diagnostics = load_text("nodes: {n: {type: MinMaxNormalizer}, rx: {type: RXGlobal}}", "graph.yaml")
plan_statistics(check_graph(spec, load(), diagnostics))
"""


def test_checking_and_planning_need_no_numerics(tmp_path: Path) -> None:
    assert packages(modules_after(CHECK, tmp_path)) & NUMERICS == set()


PREDICT = """
from pathlib import Path
import numpy as np
from cuvisc.runtime.artifact import Artifact
from cuvisc.runtime.inference import Predictor
outputs = Predictor(Artifact.open(Path("artifact")), device="cpu").predict(np.load("cube.npy"))
assert outputs
"""


EVALUATE = """
from pathlib import Path
import numpy as np
from cuvisc.runtime.evaluation import Evaluator
from cuvisc.runtime.inference import Predictor
from cuvisc.runtime.judging import Judge
np.save("cube_mask.npy", np.eye(4, 5, dtype=np.uint8)[np.newaxis])
Evaluator(Predictor(Path("artifact")), judge=Judge()).run(Path("cube.npy"))
"""
VERIFY = """
from pathlib import Path
from cuvisc.runtime.artifact import Artifact
from cuvisc.runtime.verification import verify_artifact
verify_artifact(Artifact.open(Path("artifact")))
"""


@pytest.mark.parametrize(("program", "more"), [(PREDICT, set()), (EVALUATE, set()), (VERIFY, {"onnx"})])
def test_what_runs_an_artifact_needs_numpy_and_onnxruntime_alone(
    tmp_path: Path, program: str, more: set[str]
) -> None:
    made = write_artifact(tmp_path / "artifact")
    np.save(tmp_path / "cube.npy", np.ones((1, 4, 5, len(made.mean)), np.uint16))
    assert packages(modules_after(program, tmp_path)) & (TORCH | {"scipy", "matplotlib"}) <= more


def test_nodes_come_without_the_compiler(tmp_path: Path) -> None:
    program = "from cuvisc.nodes import RXGlobal\nfrom cuvisc.leaves import OrthogonalityLoss"
    rooms = {name.split(".")[1] for name in modules_after(program, tmp_path) if name.startswith("cuvisc.")}
    assert rooms == {"language", "leaves", "nodes"}


def test_the_package_itself_loads_nothing(tmp_path: Path) -> None:
    modules = modules_after("import cuvisc", tmp_path)
    assert not any(name.startswith("cuvisc.") for name in modules)
    assert packages(modules) & NUMERICS == set()


def test_the_proofs_can_fail(tmp_path: Path) -> None:
    """The same programs with one import more are caught."""
    assert packages(modules_after(CHECK + "import numpy", tmp_path)) & NUMERICS == {"numpy"}
