"""`cuvisc sweep`: every combination is checked before any run, becomes a run folder, and is compared in one table."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runs import Cuvisc
from meeting import Meeting
from memory_data import ANOMALY, scene

from cuvisc.runtime.hydra_jobs import configure, drive, settings_for

NO_EPOCH = "training.trainer.max_epochs=0"
NO_SETTING = (
    "is no setting of a sweep: those begin with hydra.launcher. or hydra.sweeper., "
    "as in hydra.sweeper.n_trials=20"
)
needs_joblib = pytest.mark.skipif(
    importlib.util.find_spec("hydra_plugins") is None
    or importlib.util.find_spec("hydra_plugins.hydra_joblib_launcher") is None,
    reason="hydra-joblib-launcher is not installed",
)


@pytest.fixture
def cuvisc(cuvisc: Cuvisc) -> Cuvisc:
    cubes, masks = scene(images=1)
    np.savez("scene.npz", cube=cubes[0], mask=masks[0])
    rest = "datamodule: {type: CubeFiles, train: scene.npz}\ntraining: {trainer: {max_epochs: 2}}\n"
    Path("small.yaml").write_text(textwrap.dedent(ANOMALY) + rest)
    return cuvisc


def read(path: str | Path) -> Any:
    return json.loads(Path(path).read_text())


def test_two_by_two_makes_four_runs_and_a_table(cuvisc: Cuvisc) -> None:
    found = cuvisc(
        "sweep", "small.yaml", "training.optimizer.lr=1e-3,1e-2", "training.seed=1,2", "--out", "all", "-q"
    )
    assert (found.code, found.err) == (0, "")
    runs = [read(f"all/{number}/run.json") for number in range(4)]
    assert [run["overrides"] for run in runs] == [
        ["training.optimizer.lr=0.001", "training.seed=1"],
        ["training.optimizer.lr=0.001", "training.seed=2"],
        ["training.optimizer.lr=0.01", "training.seed=1"],
        ["training.optimizer.lr=0.01", "training.seed=2"],
    ]
    assert [(run["seed"], run["epochs"], run["status"]) for run in runs] == [
        (seed, 2, "finished") for seed in (1, 2, 1, 2)
    ]
    assert sorted(path.name for path in Path("all").iterdir()) == ["0", "1", "2", "3", "sweep.json"]
    losses = [run["metrics"]["val/loss/total"] for run in runs]
    best = int(np.argmin(losses))
    lines = [line.split() for line in found.out.splitlines() if "finished" in line]
    for number, (line, run, loss) in enumerate(zip(lines, runs, losses, strict=True)):
        assert (line[0] == "best") == (number == best)
        cells = line[number == best :]
        assert cells[:3] == [*(text.partition("=")[2] for text in run["overrides"]), "finished"]
        assert cells[3] == f"{loss:.4g}"
        assert cells[4] == f"{run['metrics']['val/metric/anomaly_f1']:.4g}"
        assert cells[-1] == f"all/{number}"
    header = next(line for line in found.out.splitlines() if "status" in line).split()
    assert header[:5] == ["lr", "seed", "status", "val/loss/total", "anomaly_f1"]
    assert header[-2:] == ["run", "folder"]


def test_a_run_of_a_sweep_is_the_run_that_train_makes(cuvisc: Cuvisc) -> None:
    swept = cuvisc(
        "sweep", "small.yaml", "training.seed=3,4", "training.optimizer.lr=0.01", "-o", "all", "-q"
    )
    trained = cuvisc(
        "train", "small.yaml", "training.optimizer.lr=0.01", "training.seed=4", "-o", "one", "-q"
    )
    assert (swept.code, trained.code) == (0, 0)
    assert Path("all/1/weights.safetensors").read_bytes() == Path("one/weights.safetensors").read_bytes()
    assert Path("all/1/spec.yaml").read_text() == Path("one/spec.yaml").read_text()
    assert cuvisc("export", "all/1").code == 0


def test_json_is_what_sweep_json_holds(cuvisc: Cuvisc) -> None:
    found = cuvisc("sweep", "small.yaml", "nodes.pca.n_components=1,2,3", "-o", "all", "--json", "-q")
    assert (found.code, found.err) == (0, "")
    printed = json.loads(found.out)
    assert printed.pop("sweep") == "all"
    assert printed == read("all/sweep.json")
    assert {key: printed[key] for key in ("format", "spec", "fixed", "swept", "objective")} == {
        "format": 1,
        "spec": "small.yaml",
        "fixed": [],
        "swept": ["nodes.pca.n_components=1,2,3"],
        "objective": {"name": "val/loss/total", "mode": "min"},
    }
    for run in printed["runs"]:
        facts = read(f"all/{run['run']}/run.json")
        assert run["metrics"] == facts["metrics"]
        assert (run["status"], run["exit_code"], run["error"]) == ("finished", 0, None)
    losses = [run["metrics"]["val/loss/total"] for run in printed["runs"]]
    assert printed["best"] == str(int(np.argmin(losses)))


def test_the_best_run_is_by_the_objective(cuvisc: Cuvisc) -> None:
    name = "val/metric/anomaly_auroc"
    args = ["sweep", "small.yaml", "nodes.pca.n_components=1,2,3", "--objective", name, "--maximize"]
    found = cuvisc(*args, "--json", "-q", "-o", "all")
    printed = json.loads(found.out)
    assert printed["best"] == str(int(np.argmax([run["metrics"][name] for run in printed["runs"]])))
    assert printed["objective"] == {"name": name, "mode": "max"}


def test_all_combinations_are_checked_before_any_run(cuvisc: Cuvisc) -> None:
    found = cuvisc(
        "sweep", "small.yaml", "training.optimizer.lr=1e-3,-1", "nodes.pca.n_components=2,0", "-o", "all"
    )
    assert found.code == 2
    assert not Path("all").exists()
    assert found.out == ""
    assert found.err == (
        "<override>:1:24: error[E104]: `nodes.pca.n_components` wants a whole number >= 1, got 0\n"
        "    1 | nodes.pca.n_components=0\n"
        "      |                        ^\n"
        "<override>:2:23: error[E104]: `training.optimizer.lr` wants a number > 0, got -1\n"
        "    2 | training.optimizer.lr=-1\n"
        "      |                       ^^\n"
        "2 errors\n"
    )


def test_combinations_that_do_not_fit_the_data_are_found_before_any_run(cuvisc: Cuvisc) -> None:
    found = cuvisc("sweep", "small.yaml", "nodes.pca.n_components=2,99", "-o", "all")
    assert (found.code, found.out, Path("all").exists()) == (2, "", False)
    assert found.err == (
        "<override>:1:24: error[E204]: `nodes.pca`: TrainablePCA needs n_components <= C, but n_components is 99 and "
        "C is 6\n"
        "    1 | nodes.pca.n_components=99\n"
        "      |                        ^^ at most 6\n"
        "   note: small.yaml:14:38: its 6 comes from the first file of `datamodule.train`\n"
        "   14 | datamodule: {type: CubeFiles, train: scene.npz}\n"
        "      |                                      ^^^^^^^^^\n"
        "1 error\n"
    )


def test_a_failed_run_is_reported_and_the_rest_are_made(cuvisc: Cuvisc) -> None:
    found = cuvisc(
        "sweep",
        "small.yaml",
        "datamodule.train=scene.npz,missing.npz",
        "training.seed=1,2",
        "-o",
        "all",
        "-q",
    )
    assert found.code == 3
    statuses = [read(f"all/{number}/run.json")["status"] for number in range(4)]
    assert statuses == ["finished", "finished", "failed", "failed"]
    fact = "CubeFiles: no file matches missing.npz in ."
    assert found.err == (
        "<override>:1:18: warning[W501]: `datamodule.train` finds no file: no `missing.npz` in `.`\n"
        "    1 | datamodule.train=missing.npz\n"
        "      |                  ^^^^^^^^^^^ paths are relative to the folder that the command is run in\n"
        "1 warning\n"
        f"error: all/2: {fact}\nerror: all/3: {fact}\n"
    )
    runs = read("all/sweep.json")["runs"]
    assert [run["exit_code"] for run in runs] == [0, 0, 3, 3]
    assert runs[2]["error"] == {"type": "DataError", "message": fact}
    assert [line.split()[2] for line in found.out.splitlines() if "failed" in line] == ["failed", "failed"]


def test_a_run_that_cannot_be_fitted_is_a_failed_run(cuvisc: Cuvisc) -> None:
    cubes, masks = scene(images=1)
    np.savez("flat.npz", cube=np.ones_like(cubes[0]), mask=masks[0])
    found = cuvisc("sweep", "small.yaml", "datamodule.train=scene.npz,flat.npz", "-o", "all", "-q")
    assert [run["status"] for run in read("all/sweep.json")["runs"]] == ["finished", "failed"]
    assert found.code == read("all/1/run.json")["exit_code"] != 0
    assert found.err == (
        "error: all/1: small.yaml:5:3: `nodes.pca` (TrainablePCA): the training data does not vary at all: every pixel "
        "has the same spectrum\n"
    )


def test_what_is_taken_from_the_environment_is_not_written(
    cuvisc: Cuvisc, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy("scene.npz", "hidden.npz")
    monkeypatch.setenv("SECRET_FILE", "hidden.npz")
    found = cuvisc(
        "sweep", "small.yaml", "datamodule.train='${oc.env:SECRET_FILE}',scene.npz", "-o", "all", "-q"
    )
    assert found.code == 0, found.err
    for path in Path("all").rglob("*"):
        assert path.is_dir() or b"hidden.npz" not in path.read_bytes(), path
    assert read("all/0/run.json")["overrides"] == ["datamodule.train='${oc.env:SECRET_FILE}'"]


@needs_joblib
def test_joblib_makes_the_same_runs_in_processes_of_its_own(tmp_path: Path, cuvisc: Cuvisc) -> None:
    args = ["training.seed=1,2", "training.optimizer.lr=0.01,0.02"]
    parallel = [*args, "--launcher", "joblib", "--jobs", "2", "-o", "two", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "cuvisc", "sweep", "small.yaml", *parallel],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert cuvisc("sweep", "small.yaml", *args, "-o", "one", "-q").code == 0
    for number in range(4):
        weights = [Path(f"{folder}/{number}/weights.safetensors").read_bytes() for folder in ("one", "two")]
        assert weights[0] == weights[1]


@needs_joblib
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_joblib_makes_two_runs_at_a_time(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    settings = settings_for("basic", "joblib", 2, [])
    drive(Meeting(tmp_path / "pipe"), ["side=read,write"], configure(tmp_path / "all", settings))
    assert (tmp_path / "all/0/met").exists()
    assert (tmp_path / "all/1/met").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["training.seed=1,2", "--jobs", "2"],
            "the launcher `basic` makes one run at a time; add --launcher joblib",
        ),
        (
            ["training.seed=1,2", "--launcher", "ray"],
            "the launcher `ray` is not installed: pip install hydra-ray-launcher",
        ),
        (
            ["training.seed=1,2", "--sweeper", "optuna"],
            "the sweeper `optuna` is not installed: pip install hydra-optuna-sweeper",
        ),
        (
            ["training.seed=1,2", "--sweeper", "basics"],
            "Hydra has no sweeper `basics`; installed: basic. did you mean `basic`?",
        ),
        (
            ["training.optimizer.lr=interval(0.1,1)"],
            "interval(…) is for a sweeper that searches, such as --sweeper optuna; or list values: key=1,2",
        ),
        (
            ["training.seed=1,2", "--objective", "nope"],
            (
                "--objective: `nope` is never logged; logged are `train/loss/bce`, `train/loss/orthogonality`, "
                "`train/loss/total`, `val/loss/bce`, `val/loss/orthogonality`, `val/loss/total`, "
                "`val/metric/anomaly_precision`, `val/metric/anomaly_recall` and 4 more"
            ),
        ),
        (
            ["training.seed=1,2", "--objective", "anomaly_aucroc"],
            "--objective: `anomaly_aucroc` is never logged; did you mean `val/metric/anomaly_auroc`?",
        ),
        (
            ["training.seed=1,2", "~loss_leaves", NO_EPOCH],
            (
                "there is nothing to rank the runs by: `val/loss/total` is never logged; choose with --objective, and "
                "--maximize where more is better: `val/metric/anomaly_f1`, `val/metric/anomaly_auroc`, "
                "`val/metric/anomaly_average_precision`, `val/metric/anomaly_precision`, "
                "`val/metric/anomaly_recall` and `val/metric/anomaly_iou`"
            ),
        ),
        (
            ["training.seed=1,2", "~loss_leaves", "~metric_leaves", NO_EPOCH],
            (
                "there is nothing to rank the runs by: `val/loss/total` is never logged, nor anything else; "
                "add a loss or a metric to the spec"
            ),
        ),
        (["training.seed=range(1,99999)"], "the sweep has more than 10000 combinations"),
        (
            ["training.seed=1,2", "hydra.launcher._target_=os.system"],
            f"`hydra.launcher._target_=os.system` {NO_SETTING}",
        ),
        (
            ["training.seed=1,2", "hydra.launcher.nonsense=2"],
            "Hydra refuses the sweep: Could not override 'hydra.launcher.nonsense'.",
        ),
    ],
)
def test_mistakes_are_answered(cuvisc: Cuvisc, args: list[str], message: str) -> None:
    found = cuvisc("sweep", "small.yaml", *args, "-o", "all")
    assert (found.code, found.out, found.err) == (2, "", f"error: {message}\n")
    assert not Path("all").exists()


def test_where_not_all_log_the_objective_those_that_do_are_ranked(cuvisc: Cuvisc) -> None:
    name = "val/metric/anomaly_f1"
    swept = "metric_leaves.detection.enabled=false,true"
    found = cuvisc("sweep", "small.yaml", swept, "--objective", name, "--maximize", "-o", "all", "-q")
    assert (found.code, found.err) == (
        0,
        f"warning: not every combination logs `{name}`: those that do not are not ranked\n",
    )
    assert read("all/sweep.json")["best"] == "1"


def test_runs_that_finish_without_the_objective_are_an_error(cuvisc: Cuvisc) -> None:
    name = "train/loss/total"
    args = ["training.seed=1,2", NO_EPOCH, "--objective", name, "-o", "all", "-q"]
    found = cuvisc("sweep", "small.yaml", *args)
    assert found.code == 3
    assert found.err.startswith(
        f"error: no run has a finite `{name}`, so that none is the best; logged are `"
    )
    assert [run["status"] for run in read("all/sweep.json")["runs"]] == ["finished", "finished"]


def test_a_folder_in_use_is_not_written_into(cuvisc: Cuvisc) -> None:
    found = cuvisc("sweep", "small.yaml", "training.seed=1,2", "-o", ".")
    assert (found.code, found.err) == (2, "error: . exists and is not empty; choose another --out\n")
    assert not Path("sweep.json").exists()


def test_without_a_folder_runs_stand_under_the_name_of_the_graph(cuvisc: Cuvisc) -> None:
    found = cuvisc("sweep", "small.yaml", "training.trainer.max_epochs=0,1", "--json", "-q")
    folder = Path(json.loads(found.out)["sweep"])
    assert folder.parent == Path("runs/small")
    assert folder.name.startswith("sweep-")
    assert sorted(path.name for path in folder.iterdir()) == ["0", "1", "sweep.json"]


def test_an_interrupted_sweep_keeps_what_was_done(cuvisc: Cuvisc, monkeypatch: pytest.MonkeyPatch) -> None:
    from cuvisc.runtime import training

    real = training.train

    def interrupted(graph: Any, *args: Any, **kwargs: Any) -> Any:
        if graph.spec.training["seed"] == 2:
            raise KeyboardInterrupt
        return real(graph, *args, **kwargs)

    monkeypatch.setattr(training, "train", interrupted)
    found = cuvisc("sweep", "small.yaml", "training.seed=1,2,3", "-o", "all", "-q")
    assert (found.code, found.out, found.err) == (130, "", "interrupted\n")
    assert [(run["run"], run["status"]) for run in read("all/sweep.json")["runs"]] == [
        ("0", "finished"),
        ("1", "lost"),
    ]
