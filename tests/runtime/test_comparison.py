"""An output passes exactly when every value is within the tolerance; every failure says by how much."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cuvisc.runtime.comparison import Tolerance, compare_outputs

TOLERANCE = Tolerance(relative=1e-3, absolute=0.0)


def problem(expected: Any, got: Any, tolerance: Tolerance = TOLERANCE) -> str:
    (found,) = compare_outputs({"o": np.asarray(expected)}, {"o": np.asarray(got)}, tolerance)
    assert found.ok == (not found.problem) == (found.error <= 1)
    return found.problem


def test_equal_outputs_pass_without_error() -> None:
    value = np.array([1.0, -2.0, np.nan, np.inf, -np.inf])
    (found,) = compare_outputs({"o": value}, {"o": value.astype(np.float32)}, TOLERANCE)
    assert (found.ok, found.error, found.largest, found.differing, found.count) == (True, 0.0, 0.0, 0, 5)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20), st.floats(1e-7, 1e-1), st.data())
def test_the_limit_is_relative_to_the_value_or_the_rms(
    values: list[float], relative: float, data: Any
) -> None:
    reference = np.array(values)
    index = data.draw(st.integers(0, len(values) - 1))
    allowed = 1e-6 + relative * max(abs(reference[index]), np.sqrt(np.mean(reference**2)))
    tolerance = Tolerance(relative, 1e-6)
    for factor, passes in ((0.99, True), (1.01, False)):
        changed = reference.copy()
        changed[index] += factor * allowed
        assert (problem(reference, changed, tolerance) == "") == passes


def test_the_worst_value_is_told() -> None:
    assert problem([100.0, 200.0, 0.0], [100.0, 203.0, 1.0]) == (
        "differs by 3 (203 instead of 200); allowed 0.2; 2 of 3 values are beyond it"
    )


def test_decisions_are_counted() -> None:
    expected, got = np.zeros(200, bool), np.zeros(200, bool)
    got[:2] = True
    assert problem(expected, got) == "differs in 2 of 200 values"
    assert problem(expected, got, Tolerance(flipped=0.01)) == ""
    assert (
        problem(expected, got, Tolerance(flipped=0.001)) == "differs in 2 of 200 values; allowed 0.001 of all"
    )


def test_class_indices_are_counted_not_measured() -> None:
    assert problem(np.array([100000, 2]), np.array([100001, 2], np.int32)) == "differs in 1 of 2 values"


@pytest.mark.parametrize("got", [[np.nan, 1.0], [np.inf, 1.0]])
def test_a_number_that_is_lost_is_told(got: list[float]) -> None:
    fact = "is finite where the reference is not, or the reverse, in 1 of 2 values"
    assert problem([2.0, 1.0], got) == fact
    assert problem(got, [2.0, 1.0]) == fact


def test_infinities_have_signs() -> None:
    assert (
        problem([np.inf], [-np.inf])
        == "is finite where the reference is not, or the reverse, in 1 of 1 values"
    )


def test_shapes_missing_and_unexpected_outputs_are_told() -> None:
    expected = {"a": np.zeros((1, 2)), "b": np.zeros(1)}
    got = {"a": np.zeros((2, 1)), "c": np.zeros(1)}
    assert [(found.output, found.problem) for found in compare_outputs(expected, got, TOLERANCE)] == [
        ("a", "has shape 2x1, the reference 1x2"),
        ("b", "is missing"),
        ("c", "is not in the reference"),
    ]


@pytest.mark.parametrize("data", [{"relative": -1}, {"relative": True}, {"relative": "1"}, {"other": 1}])
def test_what_is_no_tolerance_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a tolerance has absolute, flipped, relative, numbers >= 0"):
        Tolerance.from_json(data)


def test_a_tolerance_survives_json() -> None:
    tolerance = Tolerance(1e-3, 1e-5, 0.01)
    assert Tolerance.from_json(tolerance.to_json()) == tolerance
