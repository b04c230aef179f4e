"""`-v` says what a verb decides, `-q` that nobody wants to know; results on stdout are the same."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from cli_runs import Cuvisc, Run
from fitted_graphs import typed
from memory_data import ANOMALY, FROZEN, MemoryScene
from small_artifacts import write_artifact

from cuvisc import TrainingConfig
from cuvisc.runtime.training import train


@pytest.fixture
def scene(cuvisc: Cuvisc, tmp_path: Path) -> str:
    write_artifact(tmp_path / "artifact")
    np.savez("scene.npz", cube=np.arange(240).reshape(6, 8, 5).astype("u2"), mask=np.eye(6, 8))
    return "scene.npz"


def spoken(found: Run) -> list[str]:
    """The lines on stderr, times and versions left out."""
    return [re.sub(r"\d+\.\d+(\.\d+)?", "N", line) for line in found.err.splitlines()]


def test_evaluate_says_what_it_reads_and_what_it_runs_on(cuvisc: Cuvisc, scene: str) -> None:
    found = cuvisc("evaluate", "artifact", scene, "-v")
    assert spoken(found) == [
        "[DEBUG] Model `small` of artifact: exported by cuvisc N, spec 00000000",
        "[DEBUG] Runs on CPUExecutionProvider of ONNX Runtime N",
        "[DEBUG] scene.npz: npz, `cube`, 6 x 8 x 5 uint16; a mask of 6 pixels",
        "[DEBUG]   read, run and compared: N s",
    ]
    assert found.out == cuvisc("evaluate", "artifact", scene).out
    assert cuvisc("evaluate", "artifact", scene, "-q").err == ""


def test_predict_says_what_it_writes(cuvisc: Cuvisc, scene: str) -> None:
    found = cuvisc("predict", "artifact", scene, "-o", "out.npz", "--verbose")
    assert spoken(found)[2:] == [
        "[DEBUG] scene.npz: npz, `cube`, 6 x 8 x 5 uint16",
        "[DEBUG]   `rx.scores` to out.npz",
        "[DEBUG]   `decider.decisions` to out.npz",
    ]


def test_verify_says_what_it_replays(cuvisc: Cuvisc, scene: str) -> None:
    assert cuvisc("verify", "artifact", "-v").err == "[DEBUG] parity case 2x3x4: 2 x 3 x 4 x 5 uint16\n"


@pytest.mark.parametrize(
    "verb", [("evaluate", "artifact"), ("predict", "artifact", "-o", "out.npz"), ("train",)]
)
def test_loud_and_quiet_exclude_each_other(cuvisc: Cuvisc, scene: str, verb: tuple[str, ...]) -> None:
    for given in (("-v", "-q"), ("-q", "-v")):
        found = cuvisc(*verb, scene, *given)
        assert found == (2, "", "error: --verbose and --quiet exclude each other\n")


def test_nothing_is_said_twice_after_a_verb_that_was_asked_for_more(cuvisc: Cuvisc, scene: str) -> None:
    first = cuvisc("verify", "artifact", "-v")
    assert cuvisc("verify", "artifact", "-v") == first
    assert cuvisc("verify", "artifact").err == ""


def test_train_says_passes_cache_times_and_files(cuvisc: Cuvisc) -> None:
    scene = MemoryScene().samples("train")[0]
    np.savez("scene.npz", cube=scene["cube"], mask=scene["mask"])
    Path("small.yaml").write_text(
        ANOMALY.lstrip()
        + "datamodule: {type: CubeFiles, train: [scene.npz]}\n"
        + "training: {trainer: {max_epochs: 23, accelerator: cpu, enable_checkpointing: false}}\n"
    )
    found = cuvisc("train", "small.yaml", "-v", "-o", "run")
    said = [line for line in spoken(found) if line.startswith("[DEBUG]")]
    passes = [line for line in said if line.startswith("[DEBUG]   pass ")]
    assert passes[0].startswith("[DEBUG]   pass 1 of 2: reads the training data once; measures ")
    assert all(line.endswith(": N s") for line in passes)
    assert any(re.match(r"\[DEBUG\] Cache: off; run again in every epoch: `normalizer`", s) for s in said)
    epochs = [int(number) for number in re.findall(r"Epoch (\d+)/23", found.err)]
    assert epochs == list(range(1, 24))
    assert len(re.findall(r"\[INFO\] Epoch", found.err)) <= 12
    assert "[DEBUG] Report: measured: N s" in said
    assert any(line.startswith("[DEBUG] run/weights.safetensors: N kB") for line in said)


def test_export_says_what_became_of_the_graph(cuvisc: Cuvisc) -> None:
    config = TrainingConfig(trainer={"max_epochs": 0, "accelerator": "cpu"})
    train(typed(FROZEN), MemoryScene(), config, run_dir=Path("run"))
    said = spoken(cuvisc("export", "run", "-v"))
    assert said[0] == "[DEBUG] Lowered: N s"
    assert re.match(
        r"\[DEBUG\]   \d+ operations as the nodes spell them, \d+ after passes: affine, ", said[1]
    )
    assert said[2] == "[DEBUG] Compared model.onnx and model.ts with the float64 reference: N s"
    assert "[DEBUG] run/artifact/model.onnx: N kB" in said
