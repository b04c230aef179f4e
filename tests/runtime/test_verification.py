"""`verify` passes what was exported and names the file, digest or output of anything else."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from small_artifacts import SmallArtifact

from cuvisc.runtime.artifact import Artifact
from cuvisc.runtime.verification import verify_artifact
from cuvisc.schema.errors import CuviscError, DataError, VerificationError


def refusal(small: SmallArtifact, kind: type[CuviscError] = VerificationError) -> str:
    with pytest.raises(kind) as caught:
        verify_artifact(Artifact.open(small.folder))
    return str(caught.value)


def test_an_intact_artifact_passes(small: SmallArtifact) -> None:
    found = verify_artifact(Artifact.open(small.folder))
    assert (found.files, found.checker, found.cases, found.outputs) == (3, True, 1, 2)
    assert 0 <= found.worst <= 1
    assert found.provider == "CPUExecutionProvider"


@pytest.mark.parametrize("name", ["model.onnx", "parity.npz", "parity.json"])
def test_any_changed_file_is_named_with_both_digests(small: SmallArtifact, name: str) -> None:
    path = small.folder / name
    changed = path.read_bytes() + b"\0"
    path.write_bytes(changed)
    assert refusal(small) == (
        f"{path} is not the file that was exported\n"
        f"  expected sha256 {small.manifest['files'][name]}\n"
        f"  found    sha256 {hashlib.sha256(changed).hexdigest()}"
    )


@pytest.mark.parametrize("name", ["model.onnx", "parity.npz", "parity.json"])
def test_a_missing_file_is_named(small: SmallArtifact, name: str) -> None:
    (small.folder / name).unlink()
    assert refusal(small) == f"{small.folder / name} is missing; the manifest lists it"


def test_a_file_the_manifest_does_not_list_does_not_count(small: SmallArtifact) -> None:
    small.rewrite(lambda manifest: manifest["files"].pop("parity.npz"))
    assert refusal(small) == f"{small.folder / 'manifest.json'} lists no parity.npz"


def test_a_model_that_computes_something_else_is_named_with_the_size_of_the_error(
    small: SmallArtifact,
) -> None:
    with np.load(small.folder / "parity.npz") as arrays:
        changed = dict(arrays)
    changed["2x3x4/rx.scores"][0, 0, 0, 0] = 5000.0
    got = small.scores(changed["2x3x4/input"])[0, 0, 0, 0]
    np.savez(small.folder / "parity.npz", **changed)
    small.replace("parity.npz", (small.folder / "parity.npz").read_bytes())
    text = refusal(small)
    assert text.startswith(
        f"{small.folder / 'model.onnx'} does not compute on CPUExecutionProvider what it was exported to compute: "
        f"`rx.scores` of the case `2x3x4` differs by {5000 - got:.3g} ("
    )
    assert text.endswith(" instead of 5000); allowed 0.5; 1 of 24 values are beyond it")


def test_flipped_decisions_are_counted(small: SmallArtifact) -> None:
    with np.load(small.folder / "parity.npz") as arrays:
        changed = dict(arrays)
    changed["2x3x4/decider.decisions"][0, 0, :3] ^= True
    np.savez(small.folder / "parity.npz", **changed)
    small.replace("parity.npz", (small.folder / "parity.npz").read_bytes())
    assert refusal(small).endswith("`decider.decisions` of the case `2x3x4` differs in 3 of 24 values")


def test_a_model_that_the_onnx_checker_refuses_is_refused(small: SmallArtifact) -> None:
    model = onnx.load_from_string((small.folder / "model.onnx").read_bytes())
    model.graph.output[0].type.tensor_type.shape.dim[3].dim_value = 2
    small.replace("model.onnx", model.SerializeToString())
    assert refusal(small).startswith(f"{small.folder / 'model.onnx'} is not valid ONNX: ")


def test_bytes_that_are_no_model_are_refused(small: SmallArtifact) -> None:
    small.replace("model.onnx", b"no model")
    assert refusal(small) == f"{small.folder / 'model.onnx'} is not an ONNX model"


def test_a_model_that_onnxruntime_cannot_load_is_refused(small: SmallArtifact) -> None:
    model = onnx.load_from_string((small.folder / "model.onnx").read_bytes())
    model.graph.node[2].input[1] = "nowhere"
    small.replace("model.onnx", model.SerializeToString())
    version = onnxruntime.__version__
    assert refusal(small).startswith(f"ONNX Runtime {version} cannot load the model: ")


def test_a_wrong_dtype_offset_is_refused(small: SmallArtifact) -> None:
    right = small.manifest["input"]["dtype_offset"]
    small.rewrite(lambda manifest: manifest["input"].update(dtype_offset=3))
    assert refusal(small) == (
        f"{small.folder / 'manifest.json'}: `input.dtype_offset` is 3; the model has its input's dtype at {right}"
    )


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b"{}", b'{"tolerance": {"relative": -1}}', b'{"tolerance": {"x": 1}}']
)
def test_parity_without_a_tolerance_is_refused(small: SmallArtifact, content: bytes) -> None:
    small.replace("parity.json", content)
    assert refusal(small) == f"{small.folder / 'parity.json'} is damaged: it has no tolerance"


@pytest.mark.parametrize(
    ("arrays", "fact"),
    [
        ({}, "it has no case"),
        ({"a/input": np.zeros(5)}, "the case `a` has no input or no expected output"),
        ({"a/rx.scores": np.zeros(5)}, "the case `a` has no input or no expected output"),
    ],
)
def test_parity_without_cases_is_refused(small: SmallArtifact, arrays: dict[str, Any], fact: str) -> None:
    np.savez(small.folder / "parity.npz", **arrays)
    small.replace("parity.npz", (small.folder / "parity.npz").read_bytes())
    assert refusal(small) == f"{small.folder / 'parity.npz'} is damaged: {fact}"


@pytest.mark.parametrize("name", ["../model.onnx", "/etc/passwd", "a/b", "", "..", "a\\b"])
def test_a_manifest_cannot_name_files_elsewhere(small: SmallArtifact, name: str) -> None:
    small.rewrite(lambda manifest: manifest["files"].update({name: "0" * 64}))
    path = small.folder / "manifest.json"
    assert refusal(small) == f"{path} is damaged: `files` names {name!r}, which is not a plain file name"


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "\0"])
def test_a_manifest_that_is_not_json_is_damaged(small: SmallArtifact, content: str) -> None:
    (small.folder / "manifest.json").write_text(content)
    assert refusal(small) == f"{small.folder / 'manifest.json'} is damaged: it is not JSON"


@pytest.mark.parametrize("key", ["format", "name", "files", "input", "outputs"])
@pytest.mark.parametrize("value", [None, True, 1.5])
def test_a_manifest_with_a_wrong_value_names_the_key(small: SmallArtifact, key: str, value: Any) -> None:
    small.rewrite(lambda manifest: manifest.update({key: value}))
    path = small.folder / "manifest.json"
    assert refusal(small) == f"{path} is damaged: `{key}` is missing or of the wrong kind"


@pytest.mark.parametrize(
    ("section", "key", "value", "fact"),
    [
        ("input", "wavelengths", ["400"], "`input.wavelengths` is not a number"),
        ("input", "wavelengths", [10**400], "`input.wavelengths` is not a number"),
        ("thresholds", "default", 10**400, "`thresholds.default` is not a number"),
        ("thresholds", "default", True, "`thresholds.default` is not a number"),
        ("", "thresholds", None, "`thresholds` is missing or of the wrong kind"),
    ],
)
def test_a_manifest_without_its_numbers_names_the_key(
    small: SmallArtifact, section: str, key: str, value: Any, fact: str
) -> None:
    def change(manifest: Any) -> None:
        holder = manifest[section] if section else manifest
        (holder[0] if isinstance(holder, list) else holder)[key] = value

    small.rewrite(change)
    assert refusal(small) == f"{small.folder / 'manifest.json'} is damaged: {fact}"


@pytest.mark.parametrize("key", ["name", "type"])
def test_an_output_without_name_or_type_names_the_key(small: SmallArtifact, key: str) -> None:
    small.rewrite(lambda manifest: manifest["outputs"][0].pop(key))
    path = small.folder / "manifest.json"
    assert refusal(small) == f"{path} is damaged: `outputs.{key}` is missing or of the wrong kind"


def test_a_newer_format_says_what_to_do(small: SmallArtifact) -> None:
    small.rewrite(lambda manifest: manifest.update(format=2))
    path = small.folder / "manifest.json"
    assert refusal(small) == f"{path} has format 2; this cuvisc reads up to 1: install a newer cuvisc"


def test_a_folder_that_is_no_artifact_says_so(tmp_path: Path) -> None:
    for folder, fact in ((tmp_path, "has no manifest.json"), (tmp_path / "no", "does not exist")):
        with pytest.raises(DataError) as caught:
            Artifact.open(folder)
        assert str(caught.value) == f"{folder} {fact}; an artifact is the folder that `cuvisc export` writes"


def test_the_manifest_may_say_more_than_is_read(small: SmallArtifact) -> None:
    small.rewrite(lambda manifest: manifest.update(onnx={"opset": 21}, later="more"))
    assert Artifact.open(small.folder).manifest.raw["later"] == "more"
    assert json.loads((small.folder / "manifest.json").read_text())["onnx"] == {"opset": 21}
