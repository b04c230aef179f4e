"""A package of types, installed by pip, serves a whole run: validate, train, export."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import plugin_packages
import pytest
from cli_runs import run
from memory_data import scene

from cuvisc.schema.catalogue import load

SPEC = """\
graph: {name: extras, outputs: [ratio, rx.scores]}
nodes:
  mean: {type: MeanRemover}
  pca: {type: TrainablePCA, n_components: 3, trainable: true}
  rx: {type: RXGlobal}
  ratio: {type: BandRatio, first: 0, second: 3, parent: input}
loss_leaves: {small: {type: SmallComponents, parent: pca}}
datamodule: {type: CubeFiles, train: [scene.npz]}
training: {trainer: {max_epochs: 1, accelerator: cpu}}
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "site")
    yield tmp_path / "site"
    load.cache_clear()
    for name in [name for name in sys.modules if name.startswith("spectral_extras")]:
        del sys.modules[name]


def test_train_and_export(
    installed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin_packages.install(installed)
    load.cache_clear()
    cubes, masks = scene()
    np.savez("scene.npz", cube=cubes[0], mask=masks[0])
    Path("extras.yaml").write_text(SPEC)
    trained = run(capsys, monkeypatch, "train", "extras.yaml", "-q")
    assert (trained.code, trained.err) == (0, ""), trained.err
    exported = run(capsys, monkeypatch, "export", trained.out.strip(), "-o", "artifact", "--json")
    assert exported.code == 0, exported.err
    assert json.loads(exported.out)["flipped_decisions"] == 0
    predicted = run(capsys, monkeypatch, "verify", "artifact")
    assert predicted.code == 0, predicted.err


def test_what_its_code_raises_is_not_called_a_defect_of_cuvisc(
    installed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin_packages.install(installed)
    losses = installed / "spectral_extras" / "losses.py"
    text = losses.read_text().replace("parent_output.square().mean()", "parent_output.view(7)")
    losses.write_text(text)
    line = text[: text.index("view(7)")].count("\n") + 1
    load.cache_clear()
    cubes, masks = scene()
    np.savez("scene.npz", cube=cubes[0], mask=masks[0])
    Path("extras.yaml").write_text(SPEC)
    found = run(capsys, monkeypatch, "train", "extras.yaml", "-q")
    assert found.code == 1
    assert found.err == (
        f"error: spectral_extras.losses, line {line}: RuntimeError: shape '[7]' is invalid for input of size "
        f"{np.prod(cubes.shape[1:3]) * 3}\nThis is not code of cuvisc; `--debug` shows the traceback.\n"
    )


def test_pip_installs_the_header_and_the_entry_point(installed: Path) -> None:
    pytest.importorskip("setuptools", reason="the package's build backend is not installed")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    source = installed.parent / "source"
    plugin_packages.install(source)
    (source / "pyproject.toml").write_bytes((plugin_packages.PROJECT / "pyproject.toml").read_bytes())
    subprocess.run([*command, "--target", str(installed), str(source)], check=True, capture_output=True)
    importlib.invalidate_caches()
    load.cache_clear()
    entry = load().entry("node", "BandRatio")
    assert load().problems == []
    assert entry is not None
    assert entry["implementation"] == "spectral_extras.nodes:BandRatio"
    assert "spectral_extras" not in sys.modules
