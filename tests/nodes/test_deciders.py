"""Deciders: where a value reaches the threshold, and what is not a number never does."""

import numpy as np
import pytest
import torch

from cuvisc.language.declare import ParameterError
from cuvisc.nodes import BinaryDecider, LogitDecider, MultiClassDecider

SPECIAL = np.array([-np.inf, -1.0, 0.0, 0.25, 0.5, 1.0, 40.0, np.inf, np.nan], np.float32)[:, None]


def decide(node: torch.nn.Module, values: np.ndarray) -> list[object]:
    return node(torch.from_numpy(values)).ravel().tolist()


@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.25, 40.0])
def test_scores(threshold: float) -> None:
    """At the threshold is an anomaly; NaN is none."""
    assert decide(BinaryDecider(threshold=threshold), SPECIAL) == (threshold <= SPECIAL).ravel().tolist()


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("make", [LogitDecider, lambda **p: BinaryDecider(apply_sigmoid=True, **p)])
def test_logits(make: type[LogitDecider], threshold: float) -> None:
    """Logits are held against a probability."""
    with np.errstate(over="ignore", invalid="ignore"):
        expected = 1 / (1 + np.exp(-SPECIAL.astype(np.float64))) >= threshold
    assert decide(make(threshold=threshold), SPECIAL) == expected.ravel().tolist()


@pytest.mark.parametrize("threshold", [0.0, 1.0, 0.99999999, -0.5, 2.0])
def test_a_threshold_that_is_no_probability(threshold: float) -> None:
    with pytest.raises(ParameterError, match=r"^LogitDecider: `threshold` must be (> 0|<= 0\.9999999), got"):
        LogitDecider(threshold=threshold)
    probability = "^BinaryDecider: with `apply_sigmoid` the threshold is a probability between 0 and 1, got"
    with pytest.raises(ParameterError, match=probability):
        BinaryDecider(threshold=threshold, apply_sigmoid=True)
    assert BinaryDecider(threshold=threshold).threshold == threshold


def test_classes() -> None:
    """The first of the largest, or of the smallest; NaN never wins."""
    values = np.array([[1, 3, 3], [np.nan, 1, 0], [np.nan] * 3, [-np.inf, np.inf, 0]], np.float32)
    assert decide(MultiClassDecider(class_count=3), values) == [1, 1, 0, 1]
    assert decide(MultiClassDecider(class_count=3, use_min=True), values) == [0, 2, 0, 0]
