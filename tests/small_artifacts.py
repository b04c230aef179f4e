"""A small artifact made with onnx.helper, independent of the exporter, and what NumPy says its outputs are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cuvisc.runtime.onnx_scan import ELEMENT_TYPES, input_dtype_offset

THRESHOLD = 300.0


@dataclass
class SmallArtifact:
    """``scores = |(cube - mean) matrix|^2``, ``decisions = scores >= threshold``."""

    folder: Path
    mean: NDArray[np.float64]
    matrix: NDArray[np.float64]
    manifest: dict[str, Any] = field(default_factory=dict)

    def scores(self, cube: NDArray[Any]) -> NDArray[np.float64]:
        """The scores in float64."""
        centered = cube.astype(np.float64) - self.mean
        return np.sum((centered @ self.matrix) ** 2, axis=-1, keepdims=True)

    def rewrite(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the manifest."""
        change(self.manifest)
        (self.folder / "manifest.json").write_text(json.dumps(self.manifest))

    def replace(self, name: str, content: bytes) -> None:
        """Replace a file and its checksum, as somebody who controls the whole folder could."""
        (self.folder / name).write_bytes(content)
        self.rewrite(lambda manifest: manifest["files"].update({name: hashlib.sha256(content).hexdigest()}))


def small_model(
    mean: NDArray[np.float64], matrix: NDArray[np.float64], dtype: str, decide: bool
) -> onnx.ModelProto:
    """The model as ONNX."""
    bands = len(mean)
    nodes = [
        helper.make_node("Cast", ["cube"], ["input"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["input", "rx.mean"], ["centered"]),
        helper.make_node("MatMul", ["centered", "rx.matrix"], ["white"]),
        helper.make_node("ReduceSumSquare", ["white", "axis"], ["rx.scores"], keepdims=1),
    ]
    outputs = [helper.make_tensor_value_info("rx.scores", TensorProto.FLOAT, ["B", "H", "W", 1])]
    inputs = [helper.make_tensor_value_info("cube", ELEMENT_TYPES[dtype], ["B", "H", "W", bands])]
    constants = [
        numpy_helper.from_array(mean.astype(np.float32), "rx.mean"),
        numpy_helper.from_array(matrix.astype(np.float32), "rx.matrix"),
        numpy_helper.from_array(np.array([-1]), "axis"),
    ]
    if decide:
        nodes.append(
            helper.make_node("GreaterOrEqual", ["rx.scores", "decider.threshold"], ["decider.decisions"])
        )
        outputs.append(
            helper.make_tensor_value_info("decider.decisions", TensorProto.BOOL, ["B", "H", "W", 1])
        )
        inputs.append(helper.make_tensor_value_info("decider.threshold", TensorProto.FLOAT, [1]))
        constants.append(numpy_helper.from_array(np.array([THRESHOLD], np.float32), "decider.threshold"))
    graph = helper.make_graph(nodes, "small", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def write_artifact(
    folder: Path, *, bands: int = 5, dtype: str = "uint16", decide: bool = True, pixelwise: bool = True
) -> SmallArtifact:
    """An artifact folder with every file that `verify` reads."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(7)
    made = SmallArtifact(folder, random.uniform(90, 110, bands), random.normal(size=(bands, bands)) / 20)
    model = small_model(made.mean, made.matrix, dtype, decide).SerializeToString()
    made.manifest = {
        "format": 1,
        "cuvisc": "0.1.0",
        "name": "small",
        "spec_sha256": "0" * 64,
        "files": {},
        "input": {
            "name": "cube",
            "dtype": dtype,
            "dtype_offset": input_dtype_offset(model, "cube"),
            "channels": bands,
            "wavelengths": None,
        },
        "outputs": [{"name": "rx.scores", "type": "float32[B,H,W,1]", "unit": "scores"}],
        "thresholds": [],
        "pixelwise": pixelwise,
    }
    if decide:
        made.manifest["outputs"].append(
            {"name": "decider.decisions", "type": "bool[B,H,W,1]", "unit": "decisions"}
        )
        made.manifest["thresholds"] = [
            {"input": "decider.threshold", "output": "decider.decisions", "default": THRESHOLD}
        ]
    made.replace("model.onnx", model)
    cube = random.integers(0, 200, (2, 3, 4, bands)).astype(dtype)
    arrays = {"2x3x4/input": cube, "2x3x4/rx.scores": made.scores(cube)}
    if decide:
        arrays["2x3x4/decider.decisions"] = made.scores(cube) >= THRESHOLD
    np.savez_compressed(folder / "parity.npz", **arrays)
    made.replace("parity.npz", (folder / "parity.npz").read_bytes())
    made.replace("parity.json", json.dumps({"tolerance": {"relative": 1e-4, "absolute": 1e-6}}).encode())
    return made
