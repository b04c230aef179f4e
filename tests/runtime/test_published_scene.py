"""A published number, reached through every target: global RX on Indian Pines, class 16, AUROC 0.9201."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from sklearn.metrics import roc_auc_score
from tensorly.datasets import load_indian_pines

from cuvisc.runtime.run_folder import load_module

ROOT = Path(__file__).parents[2]


def cuvisc(*arguments: object, cwd: Path) -> str:
    """The output of a command that must succeed."""
    command = [sys.executable, "-m", "cuvisc", *map(str, arguments)]
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`specs/rx.yaml` trained and exported as a user does."""
    place = tmp_path_factory.mktemp("rx")
    assert cuvisc("train", ROOT / "specs/rx.yaml", "--out", "run", cwd=place).splitlines()[-1] == "run"
    cuvisc("export", "run", "-o", "artifact", cwd=place)
    return place


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray]:
    """The raw counts [1,145,145,200] and where class 16 is."""
    data = load_indian_pines()
    return np.asarray(data.tensor)[None].astype(np.uint16), np.asarray(data.ticks[0]) == 16


def test_torch(folder: Path, scene: tuple[np.ndarray, np.ndarray]) -> None:
    cube, truth = scene
    with torch.no_grad():
        scores = load_module(folder / "run")(torch.from_numpy(cube))["rx.scores"].numpy()
    assert roc_auc_score(truth.ravel(), scores.ravel()) == pytest.approx(0.920055, abs=5e-5)


def test_torchscript(folder: Path, scene: tuple[np.ndarray, np.ndarray]) -> None:
    cube, truth = scene
    model = torch.jit.load(io.BytesIO((folder / "artifact/model.ts").read_bytes()))
    scores = model(torch.from_numpy(cube))["rx.scores"].numpy()
    assert roc_auc_score(truth.ravel(), scores.ravel()) == pytest.approx(0.920055, abs=5e-5)


def test_onnx_runtime_alone(folder: Path, scene: tuple[np.ndarray, np.ndarray]) -> None:
    cube, truth = scene
    model = (folder / "artifact/model.onnx").read_bytes()
    (scores,) = onnxruntime.InferenceSession(model).run(["rx.scores"], {"cube": cube})
    assert roc_auc_score(truth.ravel(), scores.ravel()) == pytest.approx(0.920055, abs=5e-5)


def test_evaluate(folder: Path) -> None:
    cuvisc("data", "indian-pines", "-o", "scene.npz", cwd=folder)
    result = json.loads(cuvisc("evaluate", "artifact", "scene.npz", "--json", cwd=folder))
    assert result["auroc"] == pytest.approx(0.920055, abs=5e-5)
    assert result["anomalies"] == 93
