"""A graph in a file is the graph: complete, the same bytes every time, and read without running anything in it."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from memory_data import MemoryScene, scene
from safetensors.torch import save

from cuvisc import Graph, OptimizerConfig, TrainerConfig, TrainingConfig
from cuvisc.cli.app import main
from cuvisc.language.declare import In, Out
from cuvisc.language.leaf import LeafNode
from cuvisc.language.node import Node, NotFittedError
from cuvisc.leaves import (
    AnomalyBCEWithLogits,
    AnomalyDetectionMetrics,
    OrthogonalityLoss,
    SelectorStabilityPlot,
    WeightedMultiLoss,
)
from cuvisc.nodes import (
    LogitDecider,
    MinMaxNormalizer,
    RXGlobal,
    RXLogitHead,
    SoftChannelSelector,
    TrainablePCA,
)
from cuvisc.runtime import DummyMonitor
from cuvisc.schema.errors import DataError, SpecError

CONFIG = TrainingConfig(
    seed=3,
    trainer=TrainerConfig(max_epochs=2, accelerator="cpu"),
    optimizer=OptimizerConfig(name="sgd", lr=0.05, scheduler="none"),
)


def detector(monitor: Path) -> Graph:
    graph = Graph("detector", outputs=["head.logits", "decider.decisions"])
    graph.add_node(MinMaxNormalizer(per_channel=True), name="normalizer")
    selector = graph.add_node(SoftChannelSelector(n_select=4), name="selector")
    pca = graph.add_node(TrainablePCA(n_components=2, trainable=True), name="pca")
    graph.add_node(RXGlobal(trainable_stats=True), name="rx")
    head = graph.add_node(RXLogitHead(), name="head")
    graph.add_node(LogitDecider(), name="decider")
    graph.add_leaf_node(AnomalyBCEWithLogits(pos_weight=5.0), parent=head, name="bce")
    children = [{"type": "OrthogonalityLoss"}, {"type": "OrthogonalityLoss", "weight": 2.0}]
    graph.add_leaf_node(WeightedMultiLoss(child_losses=children, learnable=True), parent=pca, name="multi")
    graph.add_leaf_node(AnomalyDetectionMetrics(reads="logits"), parent=head, name="detection")
    graph.add_leaf_node(SelectorStabilityPlot(log_frequency=2), parent=selector, name="stability")
    graph.register_monitor(DummyMonitor(output_dir=str(monitor)), name="files")
    return graph


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    folder = tmp_path_factory.mktemp("trained")
    graph = detector(folder / "monitor")
    graph.train(MemoryScene(), CONFIG, run_dir=folder / "run")
    return graph


def outputs(graph: Graph) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        return graph.module(torch.from_numpy(scene(seed=5)[0]))


def plain(item: Node | LeafNode) -> dict[str, torch.Tensor]:
    """State in float64, whatever it is trained in."""
    state = dict(item.state_dict())
    return {
        name: torch.as_tensor(value).double()
        for name, value in (state.pop("_extra_state", {}) | state).items()
    }


def test_a_loaded_graph_computes_what_was_saved_bit_for_bit(trained: Graph, tmp_path: Path) -> None:
    trained.save_to_file(tmp_path / "graph.zip")
    loaded = Graph.load_from_file(tmp_path / "graph.zip")
    wanted, found = outputs(trained), outputs(loaded)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_everything_of_the_graph_is_in_the_file(trained: Graph, tmp_path: Path) -> None:
    trained.save_to_file(str(tmp_path / "graph.zip"))
    loaded = Graph.load_from_file(str(tmp_path / "graph.zip"))
    assert loaded.to_spec(CONFIG) == trained.to_spec(CONFIG)
    assert loaded.training_config == CONFIG
    assert list(loaded.monitors) == ["files"]
    for held, again in ((trained.nodes, loaded.nodes), (trained.leaves, loaded.leaves)):
        assert list(held) == list(again)
        for name in held:
            before, after = plain(held[name]), plain(again[name])
            assert before.keys() == after.keys()
            assert all(torch.equal(after[key], before[key]) for key in before), name
    assert float(loaded.nodes["selector"].temperature) == pytest.approx(5.0 * 0.9)
    assert len(loaded.leaves["stability"].state_dict()["_extra_state"]["steps"]) == 1


def test_the_same_graph_is_the_same_bytes_and_so_is_what_was_loaded(trained: Graph, tmp_path: Path) -> None:
    trained.save_to_file(tmp_path / "one.zip")
    trained.save_to_file(tmp_path / "one.zip")
    Graph.load_from_file(tmp_path / "one.zip").save_to_file(tmp_path / "other.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "other.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist() == [
            "manifest.json",
            "leaves.safetensors",
            "sample.safetensors",
            "spec.yaml",
            "weights.safetensors",
        ]


def test_export_writes_the_artifact_of_the_run_before_and_after_loading(
    trained: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert trained.run is not None
    trained.save_to_file(tmp_path / "graph.zip")
    evidence = trained.export(tmp_path / "graph")
    Graph.load_from_file(tmp_path / "graph.zip").export(tmp_path / "loaded")
    monkeypatch.setattr(
        "sys.argv", ["cuvisc", "export", str(trained.run.folder), "-o", str(tmp_path / "run")]
    )
    with pytest.raises(SystemExit):
        main()
    assert evidence["passed"]
    names = {"model.onnx", "model.ts", "manifest.json", "parity.json", "parity.npz", "README.md"}
    for kind in ("graph", "loaded", "run"):
        assert {file.name for file in (tmp_path / kind).iterdir()} == names
    # torch numbers the classes that one process traces, so model.ts and its checksum differ here.
    for name in names - {"model.ts", "manifest.json"}:
        files = {(tmp_path / kind / name).read_bytes() for kind in ("graph", "loaded", "run")}
        assert len(files) == 1, name


def test_the_report_of_the_run_shows_the_export_as_after_the_verb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    graph, run = detector(tmp_path / "monitor"), tmp_path / "run"
    graph.train(MemoryScene(), CONFIG, run_dir=run)
    assert "exported, parity passed" not in (run / "report.html").read_text()
    graph.export(tmp_path / "artifact")
    page, facts = (run / "report.html").read_text(), (run / "export.json").read_text()
    assert "exported, parity passed" in page
    monkeypatch.setattr(
        "sys.argv", ["cuvisc", "export", str(run), "-o", str(tmp_path / "artifact"), "--force"]
    )
    with pytest.raises(SystemExit):
        main()
    assert ((run / "report.html").read_text(), (run / "export.json").read_text()) == (page, facts)


def test_weights_of_an_earlier_training_say_nothing_about_the_run(tmp_path: Path) -> None:
    graph, run = detector(tmp_path / "monitor"), tmp_path / "run"
    graph.train(MemoryScene(), CONFIG, run_dir=run)
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, "ended": "2030-01-01T00:00:00Z"}))
    with pytest.MonkeyPatch.context() as patch:
        told: list[str] = []
        patch.setattr(
            "cuvisc.runtime.report.exported.log.warning", lambda text, *given: told.append(text % given)
        )
        graph.export(tmp_path / "artifact")
    assert told == [f"the report of {run} does not show the export: the run was trained again since"]
    assert not (run / "export.json").exists()


def test_a_loaded_graph_trains_on_as_configured(trained: Graph, tmp_path: Path) -> None:
    trained.save_to_file(tmp_path / "graph.zip")
    loaded = Graph.load_from_file(tmp_path / "graph.zip")
    loaded.monitors.clear()
    loaded.train(MemoryScene(), run_dir=tmp_path / "run")
    assert trained.run is not None
    assert loaded.run is not None
    assert (loaded.run.facts["seed"], loaded.run.facts["epochs"]) == (3, 2)
    assert loaded.run.facts["trained"] == trained.run.facts["trained"]
    assert len(loaded.run.facts["metrics"]) == len(trained.run.facts["metrics"])


def test_a_graph_that_was_never_fitted_is_saved_as_it_is(tmp_path: Path) -> None:
    detector(tmp_path / "monitor").save_to_file(tmp_path / "graph.zip")
    loaded = Graph.load_from_file(tmp_path / "graph.zip")
    assert loaded.training_config is None
    with pytest.raises(NotFittedError):
        loaded(np.zeros((1, 2, 2, 6), np.float32))
    with pytest.raises(SpecError) as caught:
        loaded.export(tmp_path / "artifact")
    assert str(caught.value) == "the graph has not been trained: train it, then export it"


class Doubled(Node):
    """Twice the cube."""

    cube = In("float32[B,H,W,C]", "spectra")
    doubled = Out("float32[B,H,W,C]", "twice the spectra")

    def forward(self, cube: Any) -> Any:
        return cube * 2


def test_a_class_that_nothing_registers_cannot_be_named_in_a_file(tmp_path: Path) -> None:
    graph = Graph("own")
    graph.add_node(Doubled())
    with pytest.raises(SpecError) as caught:
        graph.save_to_file(tmp_path / "graph.zip")
    assert str(caught.value) == (
        "a file names registered types only, and Doubled is a class of this program; register it in a package, "
        "see `cuvisc schema --help`"
    )
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def parts(trained: Graph, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("parts") / "graph.zip"
    trained.save_to_file(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def consistent(parts: dict[str, bytes], **changed: bytes) -> bytes:
    """A file whose members were changed by someone who knows how digests work."""
    members = {**parts, **{name.replace("_", "."): content for name, content in changed.items()}}
    manifest = json.loads(members.pop("manifest.json"))
    manifest["files"] = {name: hashlib.sha256(part).hexdigest() for name, part in members.items()}
    return zipped({"manifest.json": json.dumps(manifest).encode(), **members})


def edited(parts: dict[str, bytes], **facts: Any) -> bytes:
    manifest = {**json.loads(parts["manifest.json"]), **facts}
    return zipped({**parts, "manifest.json": json.dumps(manifest).encode()})


def lying(parts: dict[str, bytes]) -> bytes:
    """A spec that says it is larger than the whole file."""
    content = bytearray(zipped(parts))
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(b"spec.yaml"))
    content[entry + 24 : entry + 28] = (2**31).to_bytes(4, "little")
    return bytes(content)


OTHER = "is no file of a graph"
HOSTILE: dict[str, tuple[Callable[[dict[str, bytes]], bytes], str]] = {
    "not a zip": (lambda p: b"hello", f"{OTHER}: File is not a zip file"),
    "empty": (lambda p: zipped({}), f"{OTHER}: it has no manifest.json"),
    "traversal": (
        lambda p: zipped({**p, "../../evil.py": b"x"}),
        f"{OTHER}: it holds '../../evil.py'",
    ),
    "absolute": (lambda p: zipped({"/etc/passwd": b"", **p}), f"{OTHER}: it holds '/etc/passwd'"),
    "pickle": (
        lambda p: zipped({**p, "data.pkl": pickle.dumps(1)}),
        f"{OTHER}: it holds 'data.pkl'",
    ),
    "bomb": (
        lambda p: zipped({**p, "spec.yaml": b" " * 10**8}, zipfile.ZIP_DEFLATED),
        f"{OTHER}: manifest.json is compressed, which cuvisc never does",
    ),
    "lying size": (lying, f"{OTHER}: spec.yaml is compressed, which cuvisc never does"),
    "digest": (
        lambda p: zipped({**p, "spec.yaml": p["spec.yaml"] + b"# more\n"}),
        "is damaged: spec.yaml is not what was written",
    ),
    "missing member": (
        lambda p: zipped({name: part for name, part in p.items() if name != "weights.safetensors"}),
        f"{OTHER}: its members are not those of its manifest",
    ),
    "no manifest": (
        lambda p: zipped({**p, "manifest.json": b"[[["}),
        f"{OTHER}: it has no manifest.json",
    ),
    "other manifest": (
        lambda p: zipped({**p, "manifest.json": b'{"format": 1, "files": 3}'}),
        f"{OTHER}: manifest.json is not one of cuvisc",
    ),
    "newer": (
        lambda p: edited(p, format=9, cuvisc="7.0"),
        "was written by a newer cuvisc (7.0); this is 0.1.0",
    ),
    "composed": (
        lambda p: consistent(p, spec_yaml=b"defaults: [/etc/hosts]\nnodes: {rx: {type: RXGlobal}}\n"),
        f"{OTHER}: spec.yaml is no whole spec",
    ),
    "state that is a pickle": (
        lambda p: consistent(p, leaves_safetensors=pickle.dumps({"multi": {}})),
        "/leaves.safetensors holds the state of other leaves",
    ),
    "weights of another graph": (
        lambda p: consistent(
            p,
            spec_yaml=p["spec.yaml"].replace(b"n_components: 2", b"n_components: 3"),
        ),
        (
            "/weights.safetensors holds the weights of another graph: `pca.components` is [2, 6], "
            "[3, 6] is wanted"
        ),
    ),
    "weights of nothing": (
        lambda p: consistent(p, weights_safetensors=save({"a": torch.zeros(1)})),
        "/weights.safetensors does not hold weights of a cuvisc graph",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(
    name: str, parts: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, message = HOSTILE[name]
    path = tmp_path / "graph.zip"
    path.write_bytes(make(parts))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a pickle was read")

    for loader in ("torch.load", "pickle.load", "pickle.loads"):
        monkeypatch.setattr(loader, refuse)
    with pytest.raises(DataError) as caught:
        Graph.load_from_file(path)
    assert str(caught.value) == f"{path}{'' if message.startswith('/') else ' '}{message}"
    assert [file.name for file in tmp_path.iterdir()] == ["graph.zip"]


def test_a_name_that_stands_twice_is_refused(parts: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "graph.zip"
    path.write_bytes(zipped(parts))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("spec.yaml", b"nodes: {}")
    with pytest.raises(DataError) as caught:
        Graph.load_from_file(path)
    assert str(caught.value) == f"{path} is no file of a graph: it holds a name twice"


def test_a_foreign_spec_is_a_spec_error(parts: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "graph.zip"
    path.write_bytes(consistent(parts, spec_yaml=b"nodes: {x: {type: subprocess.Popen, args: [ls]}}\n"))
    with pytest.raises(SpecError) as caught:
        Graph.load_from_file(path)
    assert "`nodes.x.type`" in str(caught.value)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        Graph.load_from_file(tmp_path / "graph.zip")
    assert str(caught.value) == f"{tmp_path / 'graph.zip'} does not exist"


def test_no_flipped_bit_goes_unnoticed(parts: dict[str, bytes], tmp_path: Path) -> None:
    whole = zipped(parts)
    random = np.random.default_rng(0)
    path = tmp_path / "graph.zip"
    graph = detector(tmp_path)
    path.write_bytes(whole)
    wanted = outputs(Graph.load_from_file(path))
    for position in random.integers(0, len(whole), 60):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        try:
            found = outputs(Graph.load_from_file(path))
        except (DataError, SpecError):
            continue
        assert all(torch.equal(found[name], wanted[name]) for name in wanted), position
    assert graph.run is None


def test_orthogonality_can_be_read_off_a_loaded_graph(trained: Graph, tmp_path: Path) -> None:
    trained.save_to_file(tmp_path / "graph.zip")
    loaded = Graph.load_from_file(tmp_path / "graph.zip")
    loaded.add_leaf_node(OrthogonalityLoss(), parent="pca")
    components = loaded.nodes["pca"].components
    np.testing.assert_allclose((components @ components.T).detach().numpy(), np.eye(2), atol=0.5)
