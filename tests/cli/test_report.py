"""`cuvisc report`: a page for every run folder, its place on stdout, its key numbers as JSON."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cli_runs import run
from fitted_graphs import typed
from memory_data import ANOMALY, FROZEN, MemoryScene
from report_pages import Page
from small_artifacts import write_artifact

from cuvisc import TrainingConfig
from cuvisc.runtime.run_folder import RunFolder
from cuvisc.runtime.training import train
from cuvisc.schema.spec import Spec


def spec(text: str = ANOMALY) -> Spec:
    return typed(text).spec


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = TrainingConfig(trainer={"max_epochs": 0, "accelerator": "cpu"})
    return train(typed(FROZEN), MemoryScene(), config, run_dir=tmp_path_factory.mktemp("runs") / "run").folder


def test_the_page_of_a_run_is_written_into_it(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (trained / "report.html").read_text()
    (trained / "report.html").unlink()
    assert run(capsys, monkeypatch, "report", trained) == (0, f"{trained / 'report.html'}\n", "")
    assert (trained / "report.html").read_text() == before


def test_a_file_in_the_way_stays_without_force(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "page.html"
    place.write_text("mine")
    done = run(capsys, monkeypatch, "report", trained, "-o", place)
    assert done == (2, "", f"error: {place} exists; give --force to replace it\n")
    assert place.read_text() == "mine"
    assert run(capsys, monkeypatch, "report", trained, "-o", place, "--force").code == 0
    assert "frozen" in Page(place.read_text()).says("header")


def test_key_numbers_are_json(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = json.loads(run(capsys, monkeypatch, "report", trained, "--json").out)
    assert found["report"] == str(trained / "report.html")
    assert (found["name"], found["status"], found["score"], found["decision"]) == (
        "frozen",
        "finished",
        "rx.scores",
        None,
    )
    assert found["quality"]["pixels"] == 720
    assert 0.9 < found["quality"]["auroc"] <= 1
    assert found["quality"]["recall"] is None
    assert found["quality"]["reasons"]["recall"] == "nothing in the graph decides: it has no threshold"
    assert found["overlap"] == {"shared": 5, "of": 5, "against": 5, "complete": True}
    assert found["missing"] == {"parity": "the run folder holds no export.json, which `cuvisc export` leaves"}


def test_an_export_anywhere_is_added_to_the_page_of_its_run(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(trained, tmp_path / "run")
    artifact = tmp_path / "elsewhere"
    done = run(capsys, monkeypatch, "export", copy, "-o", artifact)
    assert (done.code, done.err) == (0, "")
    says = Page((copy / "report.html").read_text()).says("parity")
    assert "Passed: largest relative error" in says
    assert f"Exported to {artifact}." in says
    found = json.loads(run(capsys, monkeypatch, "report", copy, "--json").out)
    assert (found["parity"]["passed"], found["missing"]) == (True, {})
    assert found["parity"]["artifact"] == str(artifact)


def test_an_artifact_is_answered_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_artifact(Path("artifact"))
    done = run(capsys, monkeypatch, "report", "artifact")
    assert (done.code, done.out) == (3, "")
    assert done.err == (
        "error: artifact is an artifact, which says nothing about how it was trained: name the run it was exported "
        "from, whose page shows the parity too; or measure it: cuvisc evaluate artifact CUBE -o FOLDER\n"
    )


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("interrupted", "The run was interrupted before anything was logged."),
        (None, "The run has not finished before anything was logged: it is still going on, or was killed."),
    ],
)
def test_a_run_that_did_not_finish_has_a_page(
    status: str | None,
    verdict: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = RunFolder.create(spec(), tmp_path / "run")
    folder.write_spec(spec())
    if status is not None:
        folder.finish(status)
    assert run(capsys, monkeypatch, "report", folder.path).code == 0
    found = Page((folder.path / "report.html").read_text())
    assert verdict in found.says("header")
    assert "Phase 1 was not reached" in found.says("phase-1")


def test_what_is_no_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(capsys, monkeypatch, "report", tmp_path)
    assert done == (3, "", f"error: {tmp_path} is no run folder: it holds no run.json\n")
    assert list(tmp_path.iterdir()) == []
