"""Folding a decision into its threshold, and writing a map for float32, change no decision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from fitted_graphs import CHAIN, fitted, moments, run_onnx, spectra
from hypothesis import given
from hypothesis import strategies as st
from recorded import record

from cuvisc.compiler.backends.onnx_model import generate_onnx
from cuvisc.compiler.backends.torch_program import ProgramModule
from cuvisc.compiler.ir import Program, verify
from cuvisc.compiler.lowering import lower
from cuvisc.compiler.passes.certify_affine import LIMIT, certify_affine, rounding_bound
from cuvisc.compiler.passes.fold_decisions import fold_decisions
from cuvisc.language import ops

VALUES = np.array([-np.inf, -1e6, -3, -1, -0.25, 0, 0.1, 0.25, 0.5, 1, 3, 1e6, np.inf, np.nan], np.float32)
CUBE = VALUES[None, :, None, None]


def logit_decision(slope: float, bias: float, threshold: float) -> Program:
    return record(
        lambda x: ops.at_least(
            ops.sigmoid(ops.affine(x, slope, center=bias)), threshold, setting="threshold"
        ),
        1,
    )


def exact(slope: float, bias: float, threshold: float) -> np.ndarray:
    with np.errstate(all="ignore"):
        probability = 1 / (1 + np.exp(-(slope * (CUBE.astype(np.float64) - bias))))
        return probability >= np.float32(threshold)


@pytest.mark.parametrize("slope", [2.0, 0.01, -0.5, -30.0])
@pytest.mark.parametrize("threshold", [0.5, 0.1, 0.75, 0.001])
def test_sigmoid_scale_and_bias(slope: float, threshold: float) -> None:
    """A negative slope turns the comparison round; NaN is decided for under neither."""
    folded = verify(fold_decisions(logit_decision(slope, 0.3, threshold)))
    assert "sigmoid" not in [operation.op.name for operation in folded.operations]
    comparison = folded.operations[-1]
    assert comparison.op.name == ("at_least" if slope > 0 else "at_most")
    assert comparison.inputs[0] == "cube"
    expected = exact(slope, 0.3, threshold)
    found = ProgramModule(folded)(torch.from_numpy(CUBE))["test.y"].numpy()
    in_onnx = run_onnx(generate_onnx(folded, "float32", {}).data, CUBE)["test.y"]
    decided = ~np.isclose(exact_probability(slope), threshold, rtol=1e-5)
    assert (found == expected)[decided].all()
    assert (in_onnx == found).all()
    assert not found[0, -1].any()


def exact_probability(slope: float) -> np.ndarray:
    with np.errstate(all="ignore"):
        return 1 / (1 + np.exp(-(slope * (CUBE.astype(np.float64) - 0.3))))


@pytest.mark.parametrize("threshold", [-0.5, 0.0])
@pytest.mark.parametrize("slope", [1.0, -1.0])
def test_a_threshold_that_every_probability_reaches(threshold: float, slope: float) -> None:
    """Everything but NaN is at least 0, and NaN is not, folded or not."""
    plain = logit_decision(slope, 0.0, threshold)
    for program in (plain, fold_decisions(plain)):
        found = ProgramModule(program)(torch.from_numpy(CUBE))["test.y"].numpy().ravel()
        assert (found == ~np.isnan(VALUES)).all()


@pytest.mark.parametrize("slope", [1.0, -1.0])
def test_a_threshold_that_no_probability_reaches(slope: float) -> None:
    plain = logit_decision(slope, 0.0, 1.5)
    finite = torch.from_numpy(CUBE[:, np.isfinite(VALUES)])
    for program in (plain, fold_decisions(plain)):
        assert not ProgramModule(program)(finite)["test.y"].any()


def test_a_slope_of_zero_is_not_divided_by() -> None:
    program = record(lambda x: ops.at_least(ops.affine(x, 0.0, offset=1.0), 0.5, setting="threshold"), 1)
    folded = verify(fold_decisions(program))
    assert ProgramModule(folded)(torch.zeros(1, 1, 1, 1))["test.y"].item()
    assert [operation.op.name for operation in folded.operations] == ["affine", "at_least"]


def test_slopes_that_differ_by_band_stay() -> None:
    program = record(
        lambda x: ops.at_least(ops.affine(x, np.array([1.0, -1.0])), 0.5, setting="threshold"), 2
    )
    assert fold_decisions(program) == program


def test_a_value_that_is_shown_is_still_computed() -> None:
    def body(x: Any) -> dict[str, Any]:
        probability = ops.sigmoid(x)
        return {"p": probability, "d": ops.at_least(probability, 0.5, setting="threshold")}

    folded = fold_decisions(record(body, 1))
    assert [operation.op.name for operation in folded.operations] == ["sigmoid", "logit", "at_least"]


@given(
    st.floats(-5, 5).filter(lambda s: abs(s) > 1e-3), st.floats(-5, 5), st.floats(0.01, 0.99), st.integers(0, 999)
)  # fmt: skip
def test_folded_decisions(slope: float, bias: float, threshold: float, seed: int) -> None:
    """In float64 a folded decision is the decision, but for values at the threshold to rounding."""
    plain = logit_decision(slope, bias, threshold)
    cube = torch.from_numpy(np.random.default_rng(seed).standard_normal((1, 20, 10, 1)) * 5)
    found, expected = (
        ProgramModule(program, torch.float64)(cube)["test.y"].numpy()
        for program in (fold_decisions(plain), plain)
    )
    assert (found != expected).sum() == 0


def decisions(text: str, cube: np.ndarray) -> tuple[np.ndarray, np.ndarray, Any]:
    """Decisions of ONNX in float32 and of the plain program in float64, and the lowering."""
    module = fitted(text, cube)
    lowered = lower(module, moments(cube))
    exact_cube = torch.from_numpy(cube.astype(np.float64))
    reference = ProgramModule(lowered.plain, torch.float64)(exact_cube)["decider.decisions"].numpy()
    found = run_onnx(generate_onnx(lowered.fused, "float32", {}).data, cube)["decider.decisions"]
    return found, reference, lowered


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
@pytest.mark.parametrize("components", [3, 12])
def test_a_large_offset_flips_nothing(offset: float, components: int) -> None:
    """Data of range 1 around 1e4: the map is centred, and every decision is that of float64."""
    cube = (spectra(4, 40, 50, 12, seed="offset") + offset).astype(np.float32)
    text = CHAIN.replace("n_components: 3", f"n_components: {components}")
    found, reference, lowered = decisions(text, cube)
    (certificate,) = lowered.certificates
    assert reference.any()
    assert (found == reference).all()
    assert certificate.form == ("centered" if certificate.folded_bound > LIMIT else "folded")
    if offset == 1e4:
        assert certificate.form == "centered"
        assert certificate.centered_bound < certificate.folded_bound / 100


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
@pytest.mark.parametrize("form", ["folded_bound", "centered_bound"])
def test_the_certificate_is_about_the_median_error(offset: float, form: str) -> None:
    """The bound known at compile time is not below the measured median error, nor far above it."""
    cube = (spectra(4, 60, 60, 12, seed="certificate") + offset).astype(np.float32)
    profile = moments(cube)
    module = fitted("nodes: {n: {type: MinMaxNormalizer}, rx: {type: RXGlobal}}", cube)
    lowered = lower(module)
    (operation,) = (op for op in lowered.fused.operations if op.affine is not None)
    center = np.zeros(12) if form == "folded_bound" else profile.mean
    written = operation.affine.recentered(center)
    operations = [
        op if op is not operation else type(op)(**{**vars(op), "constants": vars(written)})
        for op in lowered.fused.operations
    ]
    program = lowered.fused.with_operations(operations)
    found = run_onnx(generate_onnx(program, "float32", {}).data, cube)["rx.scores"].astype(np.float64)
    reference = ProgramModule(lowered.plain, torch.float64)(torch.from_numpy(cube.astype(np.float64)))
    expected = reference["rx.scores"].numpy()
    median = float(np.median(np.abs(found - expected) / expected))
    bound = rounding_bound(written, profile)
    assert median <= bound <= 200 * median


def test_without_a_profile_nothing_changes() -> None:
    program = record(lambda x: ops.affine(x, np.ones((3, 2)), center=1e4), 3)
    assert certify_affine(program, None) == (program, ())


@pytest.mark.parametrize(
    "between",
    [
        "sel: {type: SoftChannelSelector, n_select: 6}",
        "std: {type: StandardNormalizer}, pca: {type: TrainablePCA, n_components: 5}",
    ],
)
def test_marking_pixels_without_data_keeps_a_large_offset_exact(between: str) -> None:
    """Moments do not follow through the mark; measured on some of the pixels, they centre the map behind it."""
    cube = (spectra(4, 40, 50, 12, seed="offset") + 1e4).astype(np.float32)
    cube[0, :8] = -999
    text = f"nodes: {{nd: {{type: NoDataMask, nodata: -999}}, {between}, rx: {{type: RXGlobal}}}}"
    module = fitted(text, cube)
    sample = cube.reshape(-1, 12)[::8]
    lowered = lower(module, moments(cube), sample)
    reference = ProgramModule(lowered.plain, torch.float64)(torch.from_numpy(cube.astype(np.float64)))
    expected = reference["rx.scores"].detach().numpy()
    found = run_onnx(generate_onnx(lowered.fused, "float32", {}).data, cube)["rx.scores"]
    assert [certificate.form for certificate in lowered.certificates] == ["centered"]
    assert np.isnan(found[0, :8]).all()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.nanmean(expected))
