"""The evidence of an export: what counts as the same, and what does not."""

import io

import numpy as np
import pytest
import torch
from fitted_graphs import CHAIN, fitted, spectra

from cuvisc.compiler.tracing import trace
from cuvisc.runtime import parity
from cuvisc.runtime.comparison import Tolerance

CUBE = spectra(2, 10, 12, 7, seed="parity", dtype="uint16")
SAMPLE = CUBE.reshape(-1, 7)


def cases(sample: np.ndarray = SAMPLE) -> list[parity.ParityCase]:
    return parity.make_cases(trace(fitted(CHAIN, CUBE)), sample)


def replay(target: parity.Target) -> dict[str, object]:
    return parity.replay(cases(), {"target": target}, Tolerance())


def exactly(change: str = "") -> parity.Target:
    """A target that gives what is expected, but for one change."""
    known = {case.cube.shape: case.expected for case in cases()}

    def run(cube: np.ndarray) -> dict[str, np.ndarray]:
        outputs = {name: value.copy() for name, value in known[cube.shape].items()}
        if change == "nudge":
            outputs["rx.scores"] *= 1 + 1e-3
        elif change == "flip":
            outputs["decider.decisions"][0, 0, 0, 0] ^= True
        elif change == "drop":
            del outputs["rx.scores"]
        elif change == "drop all":
            outputs.clear()
        elif change == "shape":
            outputs["rx.scores"] = outputs["rx.scores"][..., 0]
        elif change == "nan":
            outputs["rx.scores"][0, 0, 0, 0] = np.nan
        return outputs

    return run


def test_sizes() -> None:
    """Three sizes, filled with real pixels in the model's own dtype, one of them a single pixel."""
    made = cases()
    assert [case.name for case in made] == ["1x1x1", "1x7x5", "2x12x16"]
    assert [case.cube.shape for case in made] == [(1, 1, 1, 7), (1, 7, 5, 7), (2, 12, 16, 7)]
    known = {tuple(pixel) for pixel in SAMPLE.tolist()}
    for case in made:
        assert case.cube.dtype == np.uint16
        assert {tuple(pixel) for pixel in case.cube.reshape(-1, 7).tolist()} <= known


def test_the_reference_is_the_definition() -> None:
    """Scores are those of numpy in float64, decisions those of sigmoid(score - bias) >= 0.5."""
    module = fitted(CHAIN, CUBE)
    x = CUBE.reshape(-1, 7).astype(np.float64)
    scaled = (x - x.min()) / (x.max() - x.min())
    axes = np.linalg.svd(scaled - scaled.mean(axis=0), full_matrices=False)[2][:3]
    z = (scaled - scaled.mean(axis=0)) @ axes.T
    scores = np.einsum("nc,cd,nd->n", z, np.linalg.inv(np.cov(z, rowvar=False)), z)
    bias = scores.mean() + 2 * scores.std(ddof=1)
    (case,) = (c for c in parity.make_cases(trace(module), SAMPLE) if c.name == "1x7x5")
    np.testing.assert_allclose(case.expected["rx.scores"].ravel(), scores[:35], rtol=1e-5)
    assert (case.expected["decider.decisions"].ravel() == (scores[:35] >= bias)).all()


def test_float_cubes_carry_a_pixel_that_is_not_a_number() -> None:
    made = cases(SAMPLE.astype(np.float32))
    for case in made[1:]:
        assert np.isnan(case.cube[0, 0, 0, 0])
        assert np.isnan(case.expected["rx.scores"][0, 0, 0]).all()
        assert not case.expected["decider.decisions"][0, 0, 0].any()
    assert np.isfinite(made[0].cube).all()


def test_the_same() -> None:
    evidence = replay(exactly())
    assert (evidence["passed"], evidence["max_relative_error"], evidence["flipped_decisions"]) == (True, 0, 0)
    assert parity.problems(evidence) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("flip", "target, 1x1x1: `decider.decisions` differs in 1 of 1 values"),
        ("drop", "target, 1x1x1: `rx.scores` is missing"),
        ("drop all", "target, 1x1x1: `rx.scores` is missing"),
        ("shape", "target, 1x1x1: `rx.scores` has shape 1x1x1, the reference 1x1x1x1"),
        (
            "nan",
            "target, 1x1x1: `rx.scores` is finite where the reference is not, or the reverse, in 1 of 1 values",
        ),
    ],
)
def test_not_the_same(change: str, problem: str) -> None:
    evidence = replay(exactly(change))
    assert evidence["passed"] is False
    assert parity.problems(evidence)[0] == problem


def test_a_relative_error_of_a_thousandth() -> None:
    evidence = replay(exactly("nudge"))
    assert evidence["passed"] is False
    assert evidence["max_relative_error"] == pytest.approx(1e-3, rel=1e-6)
    assert evidence["flipped_decisions"] == 0


def test_every_flip_is_counted() -> None:
    assert replay(exactly("flip"))["flipped_decisions"] == 3


def test_cases_are_kept_as_arrays() -> None:
    """What is written is what verification replays: no pickles, every input and output."""
    made = cases()
    with np.load(io.BytesIO(parity.pack_cases(made)), allow_pickle=False) as archive:
        assert set(archive) == {f"{case.name}/{name}" for case in made for name in ("input", *case.expected)}
        for case in made:
            assert (archive[f"{case.name}/input"] == case.cube).all()
            np.testing.assert_array_equal(archive[f"{case.name}/rx.scores"], case.expected["rx.scores"])


def test_what_a_float32_model_sees() -> None:
    """Integers beyond 2^24 are rounded for the reference as the model's cast rounds them."""
    cube = np.array([[[[2**24 + 1]]]], np.int32)
    assert parity.exact_cube(cube).item() == 2.0**24


def test_evaluation_of_a_torch_module() -> None:
    class Double(torch.nn.Module):
        def forward(self, cube: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"y": cube * 2}

    found = parity.evaluate(Double(), np.ones((1, 1, 1, 1), np.float32))
    assert found["y"].tolist() == [[[[2.0]]]]
