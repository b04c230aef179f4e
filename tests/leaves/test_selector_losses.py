"""Selector regularisers equal their formula, and push the selection where their documentation says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from parents import Scorer, selector

from cuvisc.language.leaf import IncompatibleParent
from cuvisc.leaves.selector_losses import (
    SelectorDiversityRegularizer,
    SelectorEntropyRegularizer,
    SelectorSpreadRegularizer,
)

UNREAD = torch.empty(0)
LOGITS = arrays(np.float32, 8, elements=st.floats(-5, 5, width=32))


def softmax(logits, temperature):
    shifted = np.asarray(logits, dtype=np.float64) / temperature
    exponentials = np.exp(shifted - shifted.max())
    return exponentials / exponentials.sum()


def value(loss, parent):
    loss.attach(parent)
    return float(loss.compute_loss(UNREAD, {}))


def entropy(p):
    return -(p * np.log(p)).sum()


@given(LOGITS, st.floats(0.5, 5))
def test_entropy(logits, temperature):
    p, parent = softmax(logits, temperature), selector(logits, temperature)
    assert value(SelectorEntropyRegularizer(), parent) == pytest.approx(-0.01 * entropy(p), rel=1e-4)
    found = value(SelectorEntropyRegularizer(weight=2, target_entropy=1.5), parent)
    assert found == pytest.approx(2 * (entropy(p) - 1.5) ** 2, rel=1e-3, abs=1e-5)


@given(LOGITS, st.floats(0.5, 5), st.integers(1, 8))
def test_diversity_keeps_the_published_formula(logits, temperature, n_select):
    weights = n_select * softmax(logits, temperature)
    found = value(SelectorDiversityRegularizer(weight=0.3), selector(logits, temperature, n_select))
    assert found == pytest.approx(-0.3 * np.var(weights), rel=1e-4, abs=1e-7)


@given(LOGITS, st.floats(0.5, 5), st.integers(1, 8))
def test_spread_is_the_relative_variance(logits, temperature, n_select):
    weights = n_select * softmax(logits, temperature)
    found = value(SelectorSpreadRegularizer(weight=0.3), selector(logits, temperature, n_select))
    assert found == pytest.approx(0.3 * np.var(weights) / np.mean(weights) ** 2, rel=1e-4, abs=1e-6)


def test_one_band_alone_costs_finite_amounts():
    alone = selector([1e4, 0, 0, 0], temperature=0.1)
    assert value(SelectorEntropyRegularizer(weight=1), alone) == 0
    assert value(SelectorSpreadRegularizer(weight=1), alone) == pytest.approx(3)


@pytest.mark.parametrize(
    "loss",
    [
        SelectorEntropyRegularizer(weight=1),
        SelectorEntropyRegularizer(weight=1, target_entropy=1.0),
        SelectorDiversityRegularizer(weight=1),
        SelectorSpreadRegularizer(weight=1),
    ],
)
def test_gradients(loss):
    loss.attach(selector(np.zeros(6)))

    def of(logits, temperature):
        loss.parent.logits, loss.parent.temperature = logits, temperature
        return loss.compute_loss(UNREAD, {})

    logits = torch.tensor([0.3, -1.0, 0.5, 2.0, 0.0, -0.2], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(of, (logits, torch.tensor(0.7, dtype=torch.float64, requires_grad=True)))


@pytest.mark.parametrize(
    ("loss", "concentrates"),
    [
        (SelectorEntropyRegularizer(weight=1), False),
        (SelectorDiversityRegularizer(weight=1), True),
        (SelectorSpreadRegularizer(weight=1), False),
    ],
)
def test_minimising_concentrates_only_where_documented(loss, concentrates):
    parent = selector([0.5, 0.2, 0.0, -0.3])
    loss.attach(parent)
    logits = parent.logits.clone().requires_grad_()
    parent.logits = logits
    before = entropy(softmax(logits.detach(), 1))
    for _ in range(50):
        (gradient,) = torch.autograd.grad(loss.compute_loss(UNREAD, {}), logits)
        logits.data -= 0.5 * gradient
    assert (entropy(softmax(logits.detach(), 1)) < before) == concentrates


def test_a_parent_that_selects_nothing_is_refused():
    with pytest.raises(IncompatibleParent) as caught:
        SelectorSpreadRegularizer().attach(Scorer())
    assert str(caught.value) == (
        "SelectorSpreadRegularizer reads `logits`, `temperature` of its parent; Scorer has none"
    )
