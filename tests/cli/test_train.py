"""`cuvisc train`: one run folder, named on stdout; everything else on stderr."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_runs import run
from memory_data import ANOMALY, scene


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    cubes, masks = scene()
    np.savez(tmp_path / "scene.npz", cube=cubes[0], mask=masks[0])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(
        ANOMALY.lstrip()
        + "datamodule: {type: CubeFiles, train: [scene.npz]}\n"
        + "training: {trainer: {max_epochs: 2, accelerator: cpu}}\n"
    )
    return "small.yaml"


def test_the_run_folder_is_the_last_line_of_stdout(
    spec: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(capsys, monkeypatch, "train", spec, "training.seed=7")
    assert done.code == 0, done.err
    folder = Path(done.out.rstrip("\n"))
    assert folder.parent == Path("runs/small")
    assert json.loads((folder / "run.json").read_text())["seed"] == 7
    assert (folder / "spec.yaml").read_text().startswith("# override: training.seed=7\n")
    lines = done.err.splitlines()
    assert lines[0].startswith("[INFO] train: 144 pixels, 5 anomalous")
    assert "[INFO] Phase 1: fitting statistics" in lines
    assert any(
        line.startswith("[INFO]   Initialized TrainablePCA `pca`; explained variance [") for line in lines
    )
    assert [line.split(":")[0] for line in lines if "Epoch" in line] == [
        "[INFO] Epoch 1/2",
        "[INFO] Epoch 2/2",
    ]
    assert lines[-2].startswith("[INFO] Best validation loss: ")
    assert lines[-1] == (
        "[INFO] Validation: 1 of 1 images are training images too, and its numbers better than on new data"
    )


@pytest.mark.parametrize(("rank", "times"), [("0", 1), ("1", 0)])
def test_of_several_processes_the_first_one_warns(
    spec: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, rank: str, times: int
) -> None:
    monkeypatch.setenv("LOCAL_RANK", rank)
    warned = ("metric_leaves.detection.reads=scores", "metric_leaves.detection.parent=rx")
    found = run(capsys, monkeypatch, "train", spec, "training.trainer.max_epochs=0", *warned)
    assert found.err.count("warning[W307]") == times


def test_quiet_says_nothing_and_json_says_all(
    spec: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(capsys, monkeypatch, "train", spec, "--json", "-q", "--out", "here")
    assert (done.code, done.err) == (0, "")
    answer = json.loads(done.out)
    assert answer["run"] == "here"
    assert (answer["name"], answer["status"], answer["epochs"], answer["steps"]) == (
        "small",
        "finished",
        2,
        2,
    )
    assert answer["trained"] == ["pca", "head"]
    assert set(answer["phase1"]) == {"seconds", "passes", "nodes"}
    assert "val/loss/total" in answer["metrics"]


def test_every_mistake_in_the_spec_is_answered_before_anything_runs(
    spec: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(capsys, monkeypatch, "train", spec, "nodes.rx.eps=-1", "training.optimizer.name=adamm")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "<override>:1:14: error[E104]: `nodes.rx.eps` wants a number > 0 and < 1, got -1\n"
        "    1 | nodes.rx.eps=-1\n"
        "      |              ^^\n"
        '<override>:2:25: error[E105]: `training.optimizer.name` wants one of adam, adamw, sgd; got text "adamm"\n'
        "    2 | training.optimizer.name=adamm\n"
        "      |                         ^^^^^ did you mean `adam`?\n"
        "2 errors\n"
    )
    assert not Path("runs").exists()


def test_a_folder_in_use_needs_force(
    spec: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("here").mkdir()
    Path("here/notes.txt").write_text("mine")
    refused = run(capsys, monkeypatch, "train", spec, "-o", "here")
    assert (refused.code, refused.err) == (
        2,
        "error: here exists and is not empty; give --force to write into it\n",
    )
    assert run(capsys, monkeypatch, "train", spec, "-o", "here", "--force", "-q").code == 0
    assert Path("here/notes.txt").read_text() == "mine"


def test_data_that_is_not_there_is_a_data_error(
    spec: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(capsys, monkeypatch, "train", spec, "datamodule.train=[nowhere.npz]", "-q", "-o", "here")
    assert (done.code, done.out) == (3, "")
    *warned, error = done.err.splitlines()
    assert "warning[W501]: `datamodule.train` finds no file: no `nowhere.npz` in `.`" in warned[0]
    assert error == "error: CubeFiles: no file matches nowhere.npz in ."
    assert json.loads(Path("here/run.json").read_text())["status"] == "failed"


def test_a_spec_without_data_says_what_to_add(
    spec: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(capsys, monkeypatch, "train", spec, "~datamodule")
    assert (done.code, done.err) == (
        2,
        "error: there is no data to train on: add a `datamodule`, such as `datamodule: {type: IndianPines}`\n",
    )


def test_epochs_without_a_loss_are_refused(
    spec: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(capsys, monkeypatch, "train", spec, "~loss_leaves")
    assert done.code == 2
    assert "error[E313]: `training.trainer.max_epochs` asks for gradients, but there is no loss\n" in done.err
    assert "^ add one under `loss_leaves`, or set `max_epochs: 0`\n" in done.err
    assert not Path("runs").exists()


def test_an_interrupt_leaves_with_130(
    spec: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cuvisc.runtime.lightning_module import CuvisLightningModule

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(CuvisLightningModule, "on_train_epoch_start", interrupt)
    done = run(capsys, monkeypatch, "train", spec, "-q", "-o", "here")
    assert (done.code, done.out, done.err) == (130, "", "interrupted\n")
    assert json.loads(Path("here/run.json").read_text())["status"] == "interrupted"


def test_a_run_is_resumed_with_the_spec_of_its_folder(
    spec: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(capsys, monkeypatch, "train", spec, "-q", "-o", "here").code == 0
    Path(spec).unlink()
    finished = run(capsys, monkeypatch, "train", "--resume", "here")
    assert (finished.code, finished.out) == (0, "here\n")
    assert finished.err == "[INFO] here is finished; to go on, raise training.trainer.max_epochs\n"
    more = run(capsys, monkeypatch, "train", "--resume", "here", "training.trainer.max_epochs=3")
    assert (more.code, more.out) == (0, "here\n")
    assert more.err.splitlines()[0] == (
        "[INFO] Resuming here after epoch 2 from its own checkpoints/resume.safetensors "
        "(plain tensors and numbers, no pickle)"
    )
    assert [line.split(":")[0] for line in more.err.splitlines() if "Epoch" in line] == ["[INFO] Epoch 3/3"]
    assert json.loads(Path("here/run.json").read_text())["epochs"] == 3


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ("small.yaml", "--resume", "here"),
            2,
            "--resume goes on with the spec of here; leave out small.yaml",
        ),
        (("--resume", "here", "-o", "there"), 2, "--resume writes into here; leave out --out"),
        (("--resume", "nowhere"), 3, "nowhere is no run folder: it holds no run.json"),
        ((), 2, "name one spec file and any overrides (key=value); got none"),
    ],
)
def test_a_resume_is_called_in_one_way(
    spec: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    done = run(capsys, monkeypatch, "train", *arguments)
    assert (done.code, done.out, done.err) == (code, "", f"error: {message}\n")


def test_the_specs_that_come_with_cuvisc_train(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    specs = sorted((Path(__file__).parents[2] / "specs").glob("*.yaml"))
    assert {path.stem for path in specs} >= {"anomaly", "rx", "trainable_pca"}
    monkeypatch.chdir(tmp_path)
    for path in specs:
        if path.stem in ("anomaly", "rx", "trainable_pca"):
            trial = run(
                capsys,
                monkeypatch,
                "train",
                path,
                "training.trainer.fast_dev_run=true",
                "-q",
                "-o",
                path.stem,
            )
            assert (trial.code, trial.err) == (0, ""), path
