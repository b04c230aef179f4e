"""Nodes written in plain torch train, export through torch's exporter, and leave their neighbours fusible."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from fitted_graphs import fitted, moments, run_onnx, spectra

from cuvisc.compiler.backends.onnx_model import generate_onnx
from cuvisc.compiler.backends.opaque_onnx import NotExportable
from cuvisc.compiler.backends.torch_program import ProgramModule
from cuvisc.compiler.backends.torchscript import generate_torchscript
from cuvisc.compiler.lowering import lower
from cuvisc.compiler.tracing import BodyError, NotAffine, affine_image, trace
from cuvisc.language import ops
from cuvisc.language.declare import In, Out, Param, State
from cuvisc.language.node import Fitted, Node
from cuvisc.language.statistics import BandMoments, Moments, Result

CUBE = spectra(2, 8, 9, 6, seed="opaque")


class Angle(Node):
    """Spectral angle to the mean of the training data, and the brightest band, in plain torch."""

    cube = In("float32[B,H,W,C]", "spectra")
    angle = Out("float32[B,H,W,1]", "radians", unit="scores")
    brightest = Out("int64[B,H,W,1]", "band index")
    reference = State("float32[C]", "unit vector")
    statistics = Moments(of="cube")

    def solve(self, measured: Result | None) -> Fitted:
        assert isinstance(measured, BandMoments)
        return {"reference": measured.mean / np.linalg.norm(measured.mean)}

    def forward(self, cube: Any) -> Any:
        ops.at_least(cube, 0.0, setting="forgotten")
        unit = cube / torch.linalg.vector_norm(cube, dim=-1, keepdim=True)
        cosine = torch.matmul(unit, self.reference)[..., None]
        return torch.acos(cosine.clamp(-1.0, 1.0)), cube.argmax(dim=-1, keepdim=True)


class Mixed(Node):
    """Two inputs, one of them weighed by a layer of its own; one body for any image size."""

    first = In("float32[B,H,W,C]", "spectra")
    second = In("float32[B,H,W,K]", "codes")
    mixed = Out("float32[B,H,W,width]", "mixed")
    width: int = Param(4, "bands out", ge=1)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        torch.manual_seed(0)
        self.layer = torch.nn.LazyLinear(self.width)

    def bind(self, dims: Any) -> None:
        super().bind(dims)
        self.layer(torch.zeros(1, dims["C"]))

    def forward(self, first: Any, second: Any) -> Any:
        return torch.tanh(self.layer(first)) + second.mean(dim=(1, 2), keepdim=True).sum(-1, keepdim=True)


class Factor(Node):
    """A factorisation that no ONNX exporter knows."""

    cube = In("float32[B,H,W,C]", "spectra")
    root = Out("float32[B,H,W,C]", "whitened by itself")

    def forward(self, cube: Any) -> Any:
        x = cube.flatten(1, 2)
        eye = torch.eye(cube.shape[-1], dtype=cube.dtype)
        return torch.linalg.cholesky(x.mT @ x + eye).sum() * cube


class Lying(Node):
    """Gives fewer bands than it declares."""

    cube = In("float32[B,H,W,C]", "spectra")
    same = Out("float32[B,H,W,C]", "not the same")

    def forward(self, cube: Any) -> Any:
        return ops.squared_norm(cube)


OWN = (Angle, Mixed, Factor, Lying)
CHAIN = """
nodes:
  normalizer: {type: MinMaxNormalizer}
  pca: {type: TrainablePCA, n_components: 4, parent: normalizer}
  angle: {type: Angle, parent: pca}
  head: {type: RXLogitHead, parent: angle.angle}
  decider: {type: BinaryDecider, apply_sigmoid: true}
graph: {outputs: [angle.angle, angle.brightest, decider]}
"""


def reference(program: Any, cube: np.ndarray) -> dict[str, np.ndarray]:
    run = ProgramModule(program, torch.float64)
    with torch.no_grad():
        values = run(torch.from_numpy(cube.astype(np.float32).astype(np.float64)))
    return {name: value.numpy() for name, value in values.items()}


def assert_close(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert set(found) == set(expected)
    for name, value in expected.items():
        if value.dtype.kind in "bi":
            assert (found[name] == value).all()
        else:
            assert value.dtype == np.float64
            np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-5 * np.abs(value).max())


def test_neighbours_fuse_around_it() -> None:
    """Normaliser and projection before it are one map, head and decision after it one comparison."""
    module = fitted(CHAIN, CUBE, OWN)
    lowered = lower(module, moments(CUBE))
    names = [operation.op.name for operation in lowered.fused.operations]
    assert names == ["affine", "opaque", "logit", "affine", "at_least"]
    assert [s.value.name for s in lowered.fused.settings] == ["decider.threshold"]
    assert not lowered.fused.pixelwise


def test_the_reference_is_float64() -> None:
    """What a plain torch body computes for the reference, it computes in float64, against numpy."""
    module = fitted(CHAIN.replace("n_components: 4", "n_components: 6"), CUBE, OWN)
    found = reference(trace(module), CUBE)["angle.angle"]
    x = CUBE.astype(np.float64)
    low, high = x.min(), x.max()
    pca = module.node("pca")
    z = ((x - low) / (high - low) - pca.mean.numpy()) @ pca.components.numpy().T.astype(np.float64)
    mean = module.node("angle").reference.numpy().astype(np.float64)
    cosine = (z / np.linalg.norm(z, axis=-1, keepdims=True)) @ mean
    np.testing.assert_allclose(found[..., 0], np.arccos(cosine.clip(-1, 1)), rtol=1e-9)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 4)])
def test_every_target(shape: tuple[int, int, int]) -> None:
    """ONNX, through torch's exporter and inlined, and TorchScript agree, for images of any size."""
    lowered = lower(fitted(CHAIN, CUBE, OWN), moments(CUBE))
    cube = spectra(*shape, 6, seed="opaque cube")
    expected = reference(lowered.plain, cube)
    model = generate_onnx(lowered.fused, "float32", {})
    onnx.checker.check_model(onnx.load_from_string(model.data), full_check=True)
    assert_close(run_onnx(model.data, cube), expected)
    with torch.no_grad():
        found = ProgramModule(lowered.fused)(torch.from_numpy(cube))
    assert_close({name: value.numpy() for name, value in found.items()}, expected)


def test_several_inputs_and_its_own_layers() -> None:
    text = """
    nodes:
      pca: {type: TrainablePCA, n_components: 2}
      mixed: {type: Mixed, inputs: {first: input, second: pca}}
    """
    lowered = lower(fitted(text, CUBE, OWN))
    expected = reference(lowered.plain, CUBE)
    model = generate_onnx(lowered.fused, "float32", {})
    assert_close(run_onnx(model.data, CUBE), expected)
    assert len(generate_torchscript(lowered.fused, "float32")) > 0


def test_same_bytes_and_no_source_paths() -> None:
    """What torch's exporter adds about this machine does not reach the model."""
    program = lower(fitted(CHAIN, CUBE, OWN)).fused
    first, second = (generate_onnx(program, "uint16", {}).data for _ in range(2))
    assert first == second
    for text in (b"/home", b"/usr", b"/root", b"site-packages", b".py", b"forward"):
        assert text not in first
    model = onnx.load_from_string(first)
    assert {node.domain for node in model.graph.node} <= {""}
    assert not model.functions
    inlined = [node.name for node in model.graph.node if node.name.startswith("angle/")]
    assert inlined


def test_torch_s_exporter_is_not_heard() -> None:
    """In a process of its own: torch speaks to the stream that was there when it was imported."""
    program = "from test_opaque import *; generate_onnx(lower(fitted(CHAIN, CUBE, OWN)).fused, 'float32', {})"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, Path(__file__).parents[:2]), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_a_body_that_torch_cannot_export() -> None:
    """The error names the node by the user's own id."""
    text = "nodes: {scale: {type: MinMaxNormalizer}, root: {type: Factor}}"
    program = lower(fitted(text, CUBE, OWN)).fused
    with pytest.raises(NotExportable) as caught:
        generate_onnx(program, "float32", {})
    assert str(caught.value) == (
        "`root` is written in plain torch and torch cannot export it to ONNX: No ONNX function found for "
        "<OpOverload(op='aten.linalg_cholesky_ex', overload='default')>. "
        "Failure message: No decompositions registered for the real-valued input"
    )


def test_a_body_that_contradicts_its_declaration() -> None:
    module = fitted("nodes: {short: {type: Lying}}", CUBE, OWN)
    with pytest.raises(BodyError) as caught:
        trace(module)
    assert str(caught.value) == (
        "short.same is declared float32[B,H,W,6], but the body of Lying gives float32[B,H,W,1]"
    )


def test_statistics_do_not_pass_through_it() -> None:
    module = fitted(CHAIN, CUBE, OWN)
    node = module.graph.by_id["angle"]
    with pytest.raises(NotAffine, match=r"^angle.angle is computed with"):
        affine_image(module, [node.output], list(node.reads()))
