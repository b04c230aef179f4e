"""Every op computes in torch, in ONNX Runtime and in TorchScript what NumPy computes, NaN and infinities included."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from fitted_graphs import run_onnx
from recorded import record
from scipy.special import logit

from cuvisc.compiler.backends.onnx_model import generate_onnx
from cuvisc.compiler.backends.torch_program import ProgramModule
from cuvisc.compiler.backends.torchscript import generate_torchscript
from cuvisc.language import ops
from cuvisc.language.ops.elementwise import AT_MOST, LOGIT
from cuvisc.language.ops.op import OpError, apply

BANDS = 4
MATRIX = np.random.default_rng(0).standard_normal((BANDS, 3))
GAINS = np.array([0.5, -2.0, 0.0, 3.0])
CENTER = np.array([1e4, -1.0, 0.25, 0.1])


@dataclass(frozen=True)
class Case:
    """A body, the same in NumPy, and how exactly float32 can compute it."""

    body: Callable[[Any], Any]
    oracle: Callable[[np.ndarray], np.ndarray]
    rtol: float = 2e-6


def per_image(function: Callable[..., np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """A statistic of the pixels whose bands are all finite, NaN for an image without any."""

    def body(x: np.ndarray) -> np.ndarray:
        found = np.full((len(x), 1, 1, x.shape[-1]), np.nan)
        for image, out in zip(x, found, strict=True):
            known = image[np.isfinite(image).all(axis=-1)]
            out[...] = function(known) if len(known) else np.nan
        return found

    return body


def lower_median(pixels: np.ndarray) -> np.ndarray:
    return np.sort(pixels, axis=0)[(len(pixels) - 1) // 2]


def mahalanobis(x: np.ndarray, eps: float) -> np.ndarray:
    """Of the pixels whose bands are all finite, NaN for others."""
    scores = np.full((*x.shape[:-1], 1), np.nan)
    for image, out in zip(x, scores, strict=True):
        known = np.isfinite(image).all(axis=-1)
        pixels = image[known]
        if not len(pixels):
            continue
        centered = pixels - pixels.mean(axis=0)
        covariance = centered.T @ centered / max(len(pixels) - 1, 1)
        ridge = eps**2 * np.trace(covariance) / x.shape[-1] + 1e-30
        inverse = np.linalg.inv(covariance + ridge * np.eye(x.shape[-1]))
        out[known] = np.einsum("nc,cd,nd->n", centered, inverse, centered)[:, None]
    return scores


def ranked(x: np.ndarray, loser: float) -> np.ndarray:
    return np.where(np.isnan(x), loser, x)


CASES = {
    "add": Case(lambda x: ops.add(x, ops.squared_norm(x)), lambda x: x + (x**2).sum(-1, keepdims=True)),
    "affine": Case(lambda x: ops.affine(x, MATRIX), lambda x: x @ MATRIX),
    "affine centred": Case(
        lambda x: ops.affine(x, MATRIX, center=CENTER, offset=2.5), lambda x: (x - CENTER) @ MATRIX + 2.5
    ),
    "affine diagonal": Case(
        lambda x: ops.affine(x, GAINS, center=CENTER, offset=[1.0, 2, 3, 4]),
        lambda x: (x - CENTER) * GAINS + [1.0, 2, 3, 4],
    ),
    "affine scalar": Case(lambda x: ops.affine(x, -3.0, center=0.1), lambda x: (x - 0.1) * -3),
    "affine scalar, center by band": Case(
        lambda x: ops.affine(x, -3.0, center=CENTER), lambda x: (x - CENTER) * -3
    ),
    "affine identity": Case(lambda x: ops.affine(x, 1.0), lambda x: x, 0.0),
    "arg_maximum": Case(ops.arg_maximum, lambda x: ranked(x, -np.inf).argmax(-1)[..., None], 0.0),
    "arg_minimum": Case(ops.arg_minimum, lambda x: ranked(x, np.inf).argmin(-1)[..., None], 0.0),
    "at_least": Case(lambda x: ops.at_least(x, 0.25, setting="threshold"), lambda x: x >= 0.25, 0.0),
    "at_most": Case(
        lambda x: apply(AT_MOST, (x, ops.squared_norm(x))), lambda x: x <= (x**2).sum(-1, keepdims=True), 0.0
    ),
    "concat": Case(
        lambda x: ops.concat([x, ops.squared_norm(x), x]),
        lambda x: np.concatenate([x, (x**2).sum(-1, keepdims=True), x], axis=-1),
    ),
    "concat of one": Case(lambda x: ops.affine(ops.concat([x]), 1.0), lambda x: x, 0.0),
    "divide": Case(
        lambda x: ops.divide(x, ops.squared_norm(x)), lambda x: x / (x**2).sum(-1, keepdims=True)
    ),
    "floor_at": Case(lambda x: ops.floor_at(x, 0.25), lambda x: np.maximum(x, 0.25), 0.0),
    "gather_bands": Case(lambda x: ops.gather_bands(x, [3, 0, 0]), lambda x: x[..., [3, 0, 0]], 0.0),
    "image_deviation": Case(ops.image_deviation, per_image(lambda pixels: np.std(pixels, axis=0)), 1e-5),
    "image_mahalanobis": Case(
        lambda x: ops.image_mahalanobis(x, 1e-3), lambda x: mahalanobis(x, 1e-3), 1e-5
    ),
    "image_maximum": Case(ops.image_maximum, per_image(lambda pixels: np.max(pixels, axis=0)), 0.0),
    "image_median": Case(ops.image_median, per_image(lower_median), 0.0),
    "image_minimum": Case(ops.image_minimum, per_image(lambda pixels: np.min(pixels, axis=0)), 0.0),
    "keep_pixels": Case(
        lambda x: ops.keep_pixels(x, ops.valid_pixels(x, saturation=1.0)),
        lambda x: np.where((np.isfinite(x) & (x < 1)).all(-1, keepdims=True), x, np.nan),
        0.0,
    ),
    "logit": Case(
        lambda x: apply(LOGIT, (ops.affine(x, 0.4, offset=0.5),)),
        lambda x: logit((0.4 * x + 0.5).clip(0, 1)),
        1e-4,
    ),
    "multiply": Case(
        lambda x: ops.multiply(x, ops.squared_norm(x)), lambda x: x * (x**2).sum(-1, keepdims=True)
    ),
    "sigmoid": Case(ops.sigmoid, lambda x: 1 / (1 + np.exp(-x)), 1e-5),
    "squared_norm": Case(ops.squared_norm, lambda x: (x**2).sum(-1, keepdims=True)),
    "subtract": Case(lambda x: ops.subtract(x, ops.squared_norm(x)), lambda x: x - (x**2).sum(-1, keepdims=True)),
    "valid_pixels": Case(
        lambda x: ops.valid_pixels(x, -9999.0, 2.0),
        lambda x: (np.isfinite(x) & (x != -9999) & (x < 2)).all(-1, keepdims=True),
        0.0,
    ),
}  # fmt: skip
SPECIAL = {
    "finite": (),
    "no data": (-9999.0,),
    "nan": (np.nan,),
    "inf": (np.inf,),
    "-inf": (-np.inf,),
    "all": (np.nan, np.inf, -np.inf),
}


def test_every_op_stands_here() -> None:
    """A new word of the vocabulary needs its oracle."""
    assert set(ops.__all__) <= set(CASES)


def cubes(kind: str) -> list[np.ndarray]:
    random = np.random.default_rng(2)
    made = [
        random.standard_normal(shape).astype(np.float32) for shape in ((2, 3, 4, BANDS), (1, 1, 1, BANDS))
    ]
    for value in SPECIAL[kind]:
        for cube in made:
            cube[0, 0, -1, random.integers(BANDS)] = value
    return made


def exact(case: Case, cube: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return case.oracle(cube.astype(np.float64))


def assert_close(found: np.ndarray, expected: np.ndarray, rtol: float) -> None:
    assert found.shape == expected.shape
    finite = expected[np.isfinite(expected)] if expected.dtype.kind == "f" else expected
    atol = rtol * float(np.abs(finite).max(initial=0.0))
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("name", CASES)
def test_targets_agree_with_numpy(name: str, kind: str) -> None:
    case = CASES[name]
    program = record(case.body, BANDS)
    model = generate_onnx(program, "float32", {})
    onnx.checker.check_model(onnx.load_from_string(model.data), full_check=True)
    script = torch.jit.load(io.BytesIO(generate_torchscript(program, "float32")))
    for cube in cubes(kind):
        expected, tensor = exact(case, cube), torch.from_numpy(cube)
        found = {
            "body": case.body(tensor).numpy(),
            "float64": ProgramModule(program, torch.float64)(tensor)["test.y"].numpy(),
            "float32": ProgramModule(program)(tensor)["test.y"].numpy(),
            "script": script(tensor)["test.y"].numpy(),
            "onnx": run_onnx(model.data, cube)["test.y"],
        }
        for target, value in found.items():
            tight = target == "float64" and name not in ("affine diagonal", "logit")
            assert_close(value, expected, min(case.rtol, 1e-9) if tight else case.rtol)


@pytest.mark.parametrize("name", CASES)
def test_type_rule(name: str) -> None:
    """What the type rule promises is what comes out."""
    program = record(CASES[name].body, BANDS)
    cube = cubes("finite")[0]
    value = ProgramModule(program)(torch.from_numpy(cube))["test.y"]
    declared = program.operations[-1].output.type
    sizes = dict(zip("BHW", cube.shape, strict=False))
    assert tuple(declared.substitute(sizes).dims) == tuple(value.shape)
    assert str(value.dtype) == f"torch.{declared.dtype}"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (lambda x: ops.affine(x, np.eye(3)), "the matrix holds 3 bands where the cube has 4"),
        (lambda x: ops.affine(x, np.ones(3)), "the gains holds 3 bands where the cube has 4"),
        (lambda x: ops.affine(x, 1.0, center=np.ones(5)), "the center holds 5 bands where the cube has 4"),
        (lambda x: ops.affine(x, MATRIX, offset=np.ones(4)), "the offset holds 4 bands where the cube has 3"),
        (
            lambda x: ops.add(x, ops.affine(x, MATRIX)),
            "float32[B,H,W,4] and float32[B,H,W,3] do not broadcast",
        ),
        (
            lambda x: ops.concat([x, ops.image_minimum(x)]),
            "float32[B,H,W,4] and float32[B,1,1,4] differ in more than bands",
        ),
    ],
)
def test_wrong_operands(body: Callable[[Any], Any], message: str) -> None:
    """A body that does not fit is refused when it is traced, in words."""
    with pytest.raises(OpError) as caught:
        record(body, BANDS)
    assert str(caught.value) == message
