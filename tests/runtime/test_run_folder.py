"""What a run leaves on disk: complete, consistent, readable without what trained it, and free of secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from memory_data import ANOMALY, MemoryScene, scene
from safetensors.numpy import load_file

from cuvisc.compiler.check import check_graph
from cuvisc.compiler.module import build_module
from cuvisc.runtime.environment import without_secrets
from cuvisc.runtime.lock import locked
from cuvisc.runtime.run_folder import RunFolder, load_module, load_source, read_run
from cuvisc.runtime.training import Run, train
from cuvisc.runtime.weights import load_weights
from cuvisc.schema.catalogue import load
from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.errors import DataError, SpecError, VerificationError
from cuvisc.schema.front_end import load_text
from cuvisc.schema.spec import Spec, spec_hash

SECRET = "hunter2-hunter2"
TEXT = (
    ANOMALY
    + """
monitoring: {dummy: {type: DummyMonitor, output_dir: "${oc.env:PLACE}"}}
datamodule: {type: IndianPines, data_dir: "${oc.env:PLACE}/data"}
training: {trainer: {max_epochs: 1, accelerator: cpu}}
"""
)


def spec_of(text: str = TEXT) -> Spec:
    spec, diagnostics = load_text(text, "small.yaml", environment={"PLACE": SECRET})
    assert spec is not None, list(diagnostics)
    return spec


def run(folder: Path, spec: Spec | None = None, **given: Any) -> Run:

    graph = check_graph(spec or spec_of(), load(), Diagnostics())
    assert graph is not None
    return train(graph, MemoryScene(), run_dir=folder, **given)


def test_a_finished_run_holds_what_it_promises(tmp_path: Path) -> None:
    spec = spec_of()
    run(tmp_path / "run", spec, overrides=["training.seed=42"])
    files = {
        str(file.relative_to(tmp_path / "run")) for file in (tmp_path / "run").rglob("*") if file.is_file()
    }
    assert files == {
        "spec.yaml",
        "spec.resolved.yaml",
        "run.json",
        "metrics.jsonl",
        "report.html",
        "report.npz",
        "weights.safetensors",
        "sample.safetensors",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        "checkpoints/resume.safetensors",
    }
    facts = read_run(tmp_path / "run")
    assert facts["spec_sha256"] == spec_hash(spec)
    assert (facts["name"], facts["status"], facts["seed"], facts["epochs"]) == ("small", "finished", 42, 1)
    assert set(facts["versions"]) == {"python", "torch", "lightning", "numpy"}
    assert facts["input"]["channels"] == 6
    assert facts["phase1"]["nodes"]["pca"]["type"] == "TrainablePCA"
    assert facts["trained"] == ["pca", "head"]
    assert facts["seconds"]["total"] >= facts["seconds"]["phase1"]
    written = (tmp_path / "run" / "spec.yaml").read_text()
    assert written == "# override: training.seed=42\n" + TEXT.rstrip("\n") + "\n"


def test_the_resolved_spec_reads_back_as_the_same_spec(tmp_path: Path) -> None:
    spec = spec_of()
    run(tmp_path / "run", spec)
    text = (tmp_path / "run" / "spec.resolved.yaml").read_text()
    again = spec_of(text)
    assert again == spec
    assert spec_hash(again) == spec_hash(spec)


def test_no_value_from_the_environment_reaches_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLACE", SECRET)

    class Leaky(MemoryScene):
        def val_dataloader(self) -> Any:
            raise DataError(f"cannot read {SECRET}/data/cube.npy")

    run(tmp_path / "good")

    graph = check_graph(spec_of(), load(), Diagnostics())
    assert graph is not None
    with pytest.raises(DataError):
        train(graph, Leaky(), run_dir=tmp_path / "bad")
    error = read_run(tmp_path / "bad")["error"]
    assert error == {"type": "DataError", "message": "cannot read ${oc.env:PLACE}/data/cube.npy"}
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or SECRET.encode() not in file.read_bytes(), file


def test_messages_lose_the_longest_secret_first(monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'nodes: {rx: {type: RXGlobal}}\ndatamodule: {type: IndianPines, data_dir: "${oc.env:A}${oc.env:B,x}"}\n'
    monkeypatch.setenv("A", "abc")
    monkeypatch.setenv("B", "abcdef")
    spec, _ = load_text(text, "a.yaml", environment={"A": "abc", "B": "abcdef"})
    assert spec is not None
    assert without_secrets("abcdef abc x", spec) == "${oc.env:B} ${oc.env:A} x"


def test_the_module_of_a_run_computes_what_the_trained_one_computes(tmp_path: Path) -> None:
    done = run(tmp_path / "run")
    loaded = load_module(tmp_path / "run")
    cube = torch.from_numpy(scene()[0])
    with torch.no_grad():
        wanted, found = done.module(cube), loaded(cube)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_an_export_has_the_profile_and_a_sample_of_the_training_cubes(tmp_path: Path) -> None:
    run(tmp_path / "run")
    source = load_source(tmp_path / "run")
    cubes, _ = scene()
    pixels = cubes.reshape(-1, cubes.shape[-1])
    assert (source.input_dtype, source.spec_sha256) == ("uint16", spec_hash(spec_of()))
    assert source.sample.dtype == np.uint16
    assert source.profile is not None
    assert source.profile.count == len(pixels)
    np.testing.assert_allclose(source.profile.mean, pixels.mean(0))
    np.testing.assert_allclose(source.profile.covariance, np.cov(pixels.T.astype(np.float64)))
    arrays = load_file(tmp_path / "run" / "sample.safetensors")
    np.testing.assert_array_equal(arrays["minimum"], pixels.min(0))


def test_only_a_finished_run_is_exported(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_source(tmp_path)
    assert str(caught.value) == f"{tmp_path} is no run folder: it holds no run.json"
    folder = RunFolder.create(spec_of(), tmp_path / "run")
    folder.finish("failed")
    with pytest.raises(DataError) as caught:
        load_source(tmp_path / "run")
    assert str(caught.value) == f"{tmp_path / 'run'} cannot be exported: the run is failed, not finished"
    folder.finish("finished", trial=True)
    with pytest.raises(DataError) as caught:
        load_source(tmp_path / "run")
    assert str(caught.value) == (
        f"{tmp_path / 'run'} cannot be exported: the run is a trial (fast_dev_run), not finished"
    )


def test_an_unfinished_run_says_how_to_go_on(tmp_path: Path) -> None:
    path = tmp_path / "my run"
    run(path)
    folder = RunFolder.reopen(path)
    remedy = f"; to go on: cuvisc train --resume '{path}'"
    for status, fact in (
        ("interrupted", "the run is interrupted, not finished"),
        ("running", "the run is not finished: it is running, or was killed"),
    ):
        folder.record(status=status)
        with pytest.raises(DataError) as caught:
            load_source(path)
        assert str(caught.value) == f"{path} cannot be exported: {fact}{remedy}"


@pytest.mark.parametrize("name", ["weights.safetensors", "sample.safetensors", "spec.resolved.yaml"])
def test_a_file_that_is_not_the_runs_is_not_exported(name: str, tmp_path: Path) -> None:
    run(tmp_path / "run")
    load_source(tmp_path / "run")
    file = tmp_path / "run" / name
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(VerificationError) as caught:
        load_source(tmp_path / "run")
    assert str(caught.value) == f"{file} is not the file that the run ended with; train again"
    file.unlink()
    with pytest.raises(DataError) as lost:
        load_source(tmp_path / "run")
    assert str(lost.value) == f"cannot read {file}: No such file or directory"


def test_force_leaves_nothing_of_an_older_run(tmp_path: Path) -> None:
    run(tmp_path / "run")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "theirs").touch()
    (tmp_path / "run/wandb").symlink_to(elsewhere)
    (tmp_path / "run/export.json").touch()
    for left in ("figures/scores-val-000003.png", "artifact/manifest.json", "tensorboard/events"):
        (tmp_path / "run" / left).parent.mkdir()
        (tmp_path / "run" / left).touch()
    (tmp_path / "run/notes.txt").write_text("mine")
    RunFolder.create(spec_of(), tmp_path / "run", force=True)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"notes.txt", "run.json"}
    assert (elsewhere / "theirs").exists()


def test_force_spares_folders_where_no_run_was(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/mine.png").touch()
    RunFolder.create(spec_of(), tmp_path, force=True)
    assert (tmp_path / "figures/mine.png").exists()


def test_force_does_not_touch_a_run_that_is_being_written(tmp_path: Path) -> None:
    run(tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with locked(tmp_path / "run"), pytest.raises(SpecError) as caught:
        RunFolder.create(spec_of(), tmp_path / "run", force=True)
    assert str(caught.value) == f"{tmp_path / 'run'} is being written by another process"
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def test_a_folder_in_use_is_refused_without_force(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "weights.safetensors").write_text("old")
    with pytest.raises(SpecError) as caught:
        RunFolder.create(spec_of(), tmp_path)
    assert str(caught.value) == f"{tmp_path} exists and is not empty; give --force to write into it"
    RunFolder.create(spec_of(), tmp_path, force=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "weights.safetensors").exists()
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "running"


@pytest.mark.parametrize("left", ["weights.safetensors", "notes.txt", ""])
def test_a_run_that_failed_before_it_measured_anything_makes_way(tmp_path: Path, left: str) -> None:
    folder = RunFolder.create(spec_of(), tmp_path / "run")
    folder.write_spec(spec_of())
    (folder.path / "metrics.jsonl").touch()
    with pytest.raises(SpecError, match="give --force"):
        RunFolder.create(spec_of(), folder.path)
    folder.finish("failed", error={"type": "DataError", "message": "no file matches gone.npz"})
    if left:
        (folder.path / left).write_text("some")
        with pytest.raises(SpecError, match="give --force"):
            RunFolder.create(spec_of(), folder.path)
    else:
        RunFolder.create(spec_of(), folder.path)
        assert [path.name for path in folder.path.iterdir()] == ["run.json"]


def test_runs_get_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = [RunFolder.create(spec_of()).path for _ in range(3)]
    assert len(set(made)) == 3
    assert {path.parent for path in made} == {Path("runs/small")}
    assert all(spec_hash(spec_of())[:8] in path.name for path in made)


@pytest.mark.parametrize(
    ("name", "folder"),
    [("../../etc", "etc"), ("a b/c", "a_b_c"), ("...", "graph"), ("${oc.env:PLACE}", "graph")],
)
def test_the_name_of_a_graph_cannot_leave_the_runs_folder(
    name: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = RunFolder.create(spec_of(f'graph: {{name: "{name}"}}\nnodes: {{rx: {{type: RXGlobal}}}}\n'))
    assert made.path.parent == Path("runs") / folder
    assert SECRET not in str(made.path)


def test_weights_of_another_graph_are_refused(tmp_path: Path) -> None:
    done = run(tmp_path / "run")
    other = spec_of("nodes: {rx: {type: RXGlobal}}")

    graph = check_graph(other, load(), Diagnostics())
    assert graph is not None
    path = done.folder / "weights.safetensors"
    with pytest.raises(DataError) as caught:
        load_weights(build_module(graph), path)
    assert str(caught.value).startswith(f"{path} holds the weights of another graph: ")
    path.write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ")
    with pytest.raises(DataError) as caught:
        load_weights(build_module(graph), path)
    assert str(caught.value) == f"{path} does not hold weights of a cuvisc graph"
    path.write_bytes(b"not safetensors")
    with pytest.raises(DataError):
        load_weights(build_module(graph), path)


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"status": 3}, "run.json is damaged: `status` is of the wrong kind"),
        ({"files": None}, "run.json is damaged: `files` is of the wrong kind"),
        ({"input": None}, "run.json is damaged: `input` is of the wrong kind"),
        ({"spec_sha256": []}, "run.json is damaged: `spec_sha256` is of the wrong kind"),
        *[
            (
                {"input": {"dtype": "float32", "pixels": 64, **wrong}},
                "sample.safetensors cannot be read: what is noted of the input beside it is damaged",
            )
            for wrong in (
                {"dtype": None},
                {"dtype": "x"},
                {"pixels": "x"},
                {"pixels": 10**400},
                {"minimum": []},
                {"wavelengths": ["x"]},
                {"wavelengths": "x"},
            )
        ],
    ],
)
def test_an_edited_run_json_is_answered(tmp_path: Path, change: dict[str, Any], fact: str) -> None:
    run(tmp_path)
    facts = read_run(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps(facts | change))
    with pytest.raises(DataError) as caught:
        load_source(tmp_path)
    assert str(caught.value) == f"{tmp_path}/{fact}"


@pytest.mark.parametrize(
    ("missing", "fact"),
    [
        ("status", " cannot be exported: the run is not finished: it is running, or was killed"),
        ("spec_sha256", "/run.json is damaged: it has no `spec_sha256`"),
    ],
)
def test_a_run_json_that_lacks_something_is_answered(tmp_path: Path, missing: str, fact: str) -> None:
    run(tmp_path)
    facts = read_run(tmp_path)
    del facts[missing]
    (tmp_path / "run.json").write_text(json.dumps(facts))
    with pytest.raises(DataError) as caught:
        load_source(tmp_path)
    assert str(caught.value).partition(";")[0] == f"{tmp_path}{fact}"
