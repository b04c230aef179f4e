"""An artifact is kept when it computes what the reference computes, and only then."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from fitted_graphs import CHAIN, fitted, moments, run_onnx, spectra

from cuvisc.compiler.backends import onnx_model
from cuvisc.runtime import export as exporting
from cuvisc.runtime.artifact import Artifact
from cuvisc.runtime.export import Source, export
from cuvisc.runtime.inference import Predictor
from cuvisc.runtime.verification import verify_artifact
from cuvisc.schema.errors import SpecError, VerificationError

CUBE = spectra(2, 20, 25, 9, seed="export", dtype="uint16")
WAVELENGTHS = tuple(float(w) for w in np.linspace(400, 1000, 9))
FILES = {"model.onnx", "model.ts", "parity.json", "parity.npz", "README.md"}


def source(cube: np.ndarray = CUBE, text: str = CHAIN) -> Source:
    return Source(
        module=fitted(text, cube),
        spec_sha256="ab" * 32,
        input_dtype=str(cube.dtype),
        sample=cube.reshape(-1, cube.shape[-1])[::7],
        profile=moments(cube),
        wavelengths=WAVELENGTHS,
    )


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "artifact"
    export(source(), folder)
    return folder


def manifest_of(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return read


def test_files_and_checksums(artifact: Path) -> None:
    assert {path.name for path in artifact.iterdir()} == FILES | {"manifest.json"}
    listed = manifest_of(artifact)["files"]
    assert set(listed) == FILES
    for name, digest in listed.items():
        assert hashlib.sha256((artifact / name).read_bytes()).hexdigest() == digest


def test_manifest(artifact: Path) -> None:
    manifest = manifest_of(artifact)
    assert manifest["format"] == 1
    assert manifest["name"] == "graph"
    assert manifest["spec_sha256"] == "ab" * 32
    assert manifest["pixelwise"] is True
    offset = manifest["input"].pop("dtype_offset")
    assert (artifact / "model.onnx").read_bytes()[offset] == onnx.TensorProto.UINT16
    assert manifest["input"] == {
        "name": "cube",
        "type": "uint16[B,H,W,9]",
        "dtype": "uint16",
        "channels": 9,
        "wavelengths": list(WAVELENGTHS),
        "bands": None,
        "range": None,
    }
    assert manifest["outputs"] == [
        {"name": "rx.scores", "type": "float32[B,H,W,1]", "unit": "scores"},
        {"name": "decider.decisions", "type": "bool[B,H,W,1]", "unit": "decisions"},
    ]
    assert manifest["thresholds"] == [
        {"input": "decider.threshold", "output": "decider.decisions", "default": 0.5, "unit": "probabilities"}
    ]


@pytest.mark.parametrize("decider", ["LogitDecider", "BinaryDecider, apply_sigmoid: true"])
def test_a_threshold_of_probabilities_stays_one(tmp_path: Path, decider: str) -> None:
    text = f"""
    graph: {{outputs: [head.logits, decider.decisions]}}
    nodes:
      rx: {{type: RXGlobal}}
      head: {{type: RXLogitHead}}
      decider: {{type: {decider}}}
    """
    export(source(text=text), tmp_path / "artifact")
    predictor = Predictor(tmp_path / "artifact")
    (facts,) = predictor.manifest.thresholds
    assert (facts.unit, facts.default) == ("probabilities", 0.5)
    for value in (20.84, -3.0):
        with pytest.raises(SpecError) as caught:
            predictor.predict(CUBE, {"decider": value})
        assert str(caught.value) == (
            f"`decider` decides by probabilities: its threshold lies between 0 and 1, got {value:g}; "
            "thresholds that an evaluation lists are scores"
        )
    found = predictor.predict(CUBE, {"decider": 0.25})
    np.testing.assert_array_equal(found["decider.decisions"], found["head.logits"] >= np.log(1 / 3))


def test_manifest_agrees_with_the_model(artifact: Path) -> None:
    manifest, model = manifest_of(artifact), onnx.load(artifact / "model.onnx")
    assert [output.name for output in model.graph.output] == [o["name"] for o in manifest["outputs"]]
    assert model.ir_version == manifest["onnx"]["ir_version"]
    assert [(o.domain, o.version) for o in model.opset_import] == [("", manifest["onnx"]["opset"])]
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties["cuvisc.spec_sha256"] == manifest["spec_sha256"]
    assert [float(w) for w in properties["cuvisc.wavelengths_nm"].split(",")] == list(WAVELENGTHS)
    assert properties["cuvisc.threshold.decider.threshold"] == "0.5"


def swap(key: str, value: Any) -> Any:
    """A change of one value of a manifest, by a dotted path."""

    def change(manifest: Any) -> None:
        *above, last = (int(part) if part.isdecimal() else part for part in key.split("."))
        for part in above:
            manifest = manifest[part]
        manifest[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (swap("thresholds.0.default", 0.9), "`thresholds.0.default` is 0.9, the model says 0.5"),
        (swap("outputs.0.unit", None), '`outputs.0.unit` is null, the model says "scores"'),
        (
            swap("outputs.1.name", "rx.mean"),
            '`outputs.1.name` is "rx.mean", the model says "decider.decisions"',
        ),
        (swap("input.wavelengths.1", 1.0), "`input.wavelengths.1` is 1.0, the model says 475.0"),
        (
            swap("input.wavelengths", None),
            f"`input.wavelengths` is null, the model says {json.dumps(WAVELENGTHS)}",
        ),
        (swap("input.channels", None), "`input.channels` is null, the model says 9"),
        (swap("input.dtype", "uint8"), '`input.dtype` is "uint8", the model says "uint16"'),
        (swap("input.dtype_offset", 3), "`input.dtype_offset` is 3, the model says {offset}"),
        (swap("pixelwise", False), "`pixelwise` is false, the model says true"),
        (swap("spec_sha256", "cd"), f'`spec_sha256` is "cd", the model says "{"ab" * 32}"'),
        (swap("name", "other"), '`name` is "other", the model says "graph"'),
        (swap("more", 1), "`more` is 1, the model says not there"),
        (
            lambda manifest: manifest["files"].pop("model.ts"),
            f"`files` is {json.dumps(sorted(FILES - {'model.ts'}))}, the model says {json.dumps(sorted(FILES))}",
        ),
    ],
)
def test_a_changed_manifest_is_noticed_before_anything_is_computed(
    change: Any, fact: str, artifact: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(artifact, tmp_path / "artifact")
    manifest = manifest_of(folder)
    offset = manifest["input"]["dtype_offset"]
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for use in (Predictor, verify_artifact):
        with pytest.raises(VerificationError) as caught:
            use(Artifact.open(folder))
        lines = str(caught.value).splitlines()
        assert lines[0] == f"{folder / 'manifest.json'} is not the manifest that was exported with its model"
        assert lines[1:] == [f"  {fact.format(offset=offset)}"]


def test_what_the_manifest_says_of_other_machines_may_change(artifact: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(artifact, tmp_path / "artifact")
    manifest = manifest_of(folder)
    manifest["versions"]["torch"] = "0"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    verify_artifact(Artifact.open(folder))


def test_evidence(artifact: Path) -> None:
    """Every target on every size, within 1e-4 and without a flipped decision."""
    evidence = json.loads((artifact / "parity.json").read_text())
    assert evidence["passed"] is True
    assert evidence["max_relative_error"] < 1e-4
    assert evidence["flipped_decisions"] == 0
    tried = {(result["target"], result["case"]) for result in evidence["results"]}
    assert tried == {(t, c) for t in ("onnx", "torchscript") for c in ("1x1x1", "1x7x5", "2x12x16")}
    assert [c["form"] for c in evidence["certificates"]] in (["folded"], ["centered"])


def test_the_model_scores_the_raw_cube(artifact: Path) -> None:
    """The raw integers in, scores of numpy.linalg in float64 out."""
    x = CUBE.reshape(-1, 9).astype(np.float64)
    scaled = (x - x.min()) / (x.max() - x.min())
    z = (scaled - scaled.mean(axis=0)) @ np.linalg.svd(scaled - scaled.mean(axis=0), full_matrices=False)[2][
        :3
    ].T
    scores = np.einsum("nc,cd,nd->n", z, np.linalg.inv(np.cov(z, rowvar=False)), z)
    found = run_onnx((artifact / "model.onnx").read_bytes(), CUBE)
    np.testing.assert_allclose(found["rx.scores"].ravel(), scores, rtol=1e-4)


def test_torchscript_needs_no_cuvisc_class(artifact: Path) -> None:
    script = torch.jit.load(io.BytesIO((artifact / "model.ts").read_bytes()))
    found = script(torch.from_numpy(CUBE))
    expected = run_onnx((artifact / "model.onnx").read_bytes(), CUBE)
    np.testing.assert_allclose(found["rx.scores"], expected["rx.scores"], rtol=1e-4)
    assert (found["decider.decisions"].numpy() == expected["decider.decisions"]).all()


def test_readme_names_every_input_and_output(artifact: Path) -> None:
    text = (artifact / "README.md").read_text()
    for line in (
        "- input `cube`: uint16[B,H,W,9]",
        "- optional input `decider.threshold`: float32[1], default 0.5",
        "- `rx.scores`: float32[B,H,W,1]",
        "- `decider.decisions`: bool[B,H,W,1]",
    ):
        assert line in text.splitlines()


def test_it_verifies(artifact: Path) -> None:
    found = verify_artifact(Artifact.open(artifact))
    assert found.worst <= 1


def test_exporting_twice(artifact: Path, tmp_path: Path) -> None:
    """The same training gives the same files, byte for byte, whatever the process has exported before."""
    export(source(text=CHAIN.replace("n_components: 3", "n_components: 2")), tmp_path / "other")
    export(source(), tmp_path / "again")
    for path in artifact.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_no_machine_in_the_files(artifact: Path) -> None:
    """Neither paths nor user names of this machine are anywhere in an artifact."""
    words = {
        str(Path.home()),
        str(Path(__file__).parents[2]),
        str(Path(torch.__file__).parents[1]),
        str(artifact),
    }
    for path in artifact.iterdir():
        content = path.read_bytes()
        for word in words - {"/"}:
            assert word.encode() not in content, f"{word} is in {path.name}"


def test_an_existing_artifact_stays(tmp_path: Path) -> None:
    folder = tmp_path / "artifact"
    folder.mkdir()
    (folder / "mine").write_text("keep")
    with pytest.raises(SpecError) as caught:
        export(source(), folder)
    assert str(caught.value) == f"{folder} exists; give --force to replace it"
    assert [path.name for path in folder.iterdir()] == ["mine"]
    with pytest.raises(SpecError):
        export(source(), folder, force=True)
    assert [path.name for path in folder.iterdir()] == ["mine"]
    (folder / "mine").unlink()
    export(source(), folder, force=True)
    export(source(), folder, force=True)
    assert {path.name for path in folder.iterdir()} > FILES


def damage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the ONNX generator change one weight by half a percent."""
    generate = onnx_model.generate_onnx

    def damaged(*arguments: Any) -> onnx_model.OnnxModel:
        made = generate(*arguments)
        model = onnx.load_from_string(made.data)
        matrix = next(t for t in model.graph.initializer if t.name.endswith(".matrix"))
        values = onnx.numpy_helper.to_array(matrix).copy()
        values[np.unravel_index(np.abs(values).argmax(), values.shape)] *= 1.005
        matrix.CopyFrom(onnx.numpy_helper.from_array(values, matrix.name))
        return onnx_model.OnnxModel(model.SerializeToString(deterministic=True), made.dtype_offset)

    monkeypatch.setattr(exporting, "generate_onnx", damaged)


def test_a_target_that_computes_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One wrong weight is a refusal with exit code 4 that says where, and leaves nothing behind."""
    damage(monkeypatch)
    with pytest.raises(VerificationError) as caught:
        export(source(), tmp_path / "artifact")
    lines = str(caught.value).splitlines()
    assert caught.value.exit_code == 4
    assert lines[0] == (
        "the exported model does not compute what its float64 reference computes; nothing was kept"
    )
    assert lines[1].startswith("  onnx, ")
    assert "`rx.scores` differs by " in lines[1]
    assert not any("torchscript" in line for line in lines)
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_keeps_the_artifact_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "artifact"
    export(source(), folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    damage(monkeypatch)
    with pytest.raises(VerificationError):
        export(source(), folder, force=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def almost_alike() -> np.ndarray:
    """Six bands that differ by a hundred-thousandth of what they share: more than float32 can whiten."""
    random = np.random.default_rng(0)
    common = random.standard_normal((1, 40, 40, 1))
    return (common + 1e-5 * random.standard_normal((1, 40, 40, 6))).astype(np.float32)


def test_statistics_close_to_singular(tmp_path: Path) -> None:
    """Where float32 cannot hold the scores, the whitening is computed in float64."""
    evidence = export(source(almost_alike(), "nodes: {rx: {type: RXGlobal}}"), tmp_path / "artifact")
    assert [certificate["form"] for certificate in evidence["certificates"]] == ["float64"]
    assert evidence["max_relative_error"] < 1e-6


def test_rounding_between_two_outputs(tmp_path: Path) -> None:
    """Scores of spectra that were rounded to float32 on their way out: the refusal says which map and what to do."""
    spec = "nodes: {scaled: {type: StandardNormalizer}, rx: {type: RXGlobal}}\ngraph: {outputs: [scaled, rx]}"
    with pytest.raises(VerificationError) as caught:
        export(source(almost_alike(), spec), tmp_path / "artifact")
    last = str(caught.value).splitlines()[-1]
    assert last.startswith("  `rx/affine` amplifies float32 rounding to ")
    assert last.endswith("raise eps, reduce the bands before it, or ask for fewer outputs between")


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "uint8", "int16", "int32", "uint32", "int64", "uint64"]
)
def test_every_input_dtype(dtype: str, tmp_path: Path) -> None:
    cube = spectra(1, 12, 12, 5, seed=dtype, dtype=dtype)
    if dtype == "uint8":
        cube = (spectra(1, 12, 12, 5, seed=dtype) * 100).astype(np.uint8)
    evidence = export(
        source(cube, "nodes: {n: {type: StandardNormalizer}, rx: {type: RXGlobal}}"), tmp_path / "a"
    )
    assert evidence["max_relative_error"] < 1e-4
    assert manifest_of(tmp_path / "a")["input"]["dtype"] == dtype


@pytest.mark.parametrize("fifths", [1, 2, 3, 4])
def test_whole_numbers_that_meet_a_threshold_are_no_obstacle(fifths: int, tmp_path: Path) -> None:
    """102 of 0 to 255 is 0.4: exactly in the mathematics, to the last digits in the float64 of the reference."""
    cube = np.resize(np.arange(256, dtype=np.uint8), (1, 32, 24, 2))
    text = f"nodes: {{n: {{type: MinMaxNormalizer}}, d: {{type: BinaryDecider, threshold: {fifths / 5}}}}}"
    source = Source(fitted(text, cube), "0" * 64, "uint8", cube.reshape(-1, 2), moments(cube))
    assert export(source, tmp_path / "artifact")["flipped_decisions"] == 0
    found = Predictor(tmp_path / "artifact").predict(cube)["d.decisions"]
    np.testing.assert_array_equal(found, 5 * cube.astype(int) >= fifths * 255)


@pytest.mark.parametrize("smallest", [False, True])
def test_bands_that_are_equal_once_scaled_are_no_obstacle(smallest: bool, tmp_path: Path) -> None:
    """1/3 of one range and 1/3 of another are equal in the mathematics; which is larger is a matter of rounding."""
    ranges = np.array([3, 30, 69, 99, 201, 255])
    random = np.random.default_rng(0)
    cube = (random.choice([0, 1 / 3, 2 / 3, 1], (1, 40, 40, 6)) * ranges).round().astype(np.uint8)
    cube[0, 0] = random.integers(0, ranges + 1, (40, 6))
    text = (
        "nodes: {n: {type: MinMaxNormalizer, per_channel: true}, "
        f"d: {{type: MultiClassDecider, class_count: 6, use_min: {str(smallest).lower()}}}}}"
    )
    source = Source(fitted(text, cube), "0" * 64, "uint8", cube.reshape(-1, 6), moments(cube))
    assert export(source, tmp_path / "artifact")["flipped_decisions"] == 0
    found = Predictor(tmp_path / "artifact").predict(cube)["d.classes"].astype(int)
    # In whole numbers: the band that won is as good as the best.
    scaled = cube.astype(int) * (np.lcm.reduce(ranges) // ranges)
    best = scaled.min(axis=-1) if smallest else scaled.max(axis=-1)
    np.testing.assert_array_equal(np.take_along_axis(scaled, found, axis=-1)[..., 0], best)
