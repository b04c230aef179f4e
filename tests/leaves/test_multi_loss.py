"""Several losses as one: fixed weights, learned weights, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from parents import pca, selector

from cuvisc.language.declare import ParameterError
from cuvisc.language.leaf import IncompatibleParent
from cuvisc.leaves.losses import MSEReconstructionLoss, OrthogonalityLoss
from cuvisc.leaves.multi_loss import WeightedMultiLoss

RNG = np.random.default_rng(3)
ROWS = RNG.normal(size=(2, 4))
OUTPUT, CUBE = torch.tensor(RNG.normal(size=(2, 3, 3, 2))), torch.tensor(RNG.normal(size=(2, 3, 3, 2)))
DEFECT = ((ROWS @ ROWS.T - np.eye(2)) ** 2).sum()
ERROR = float(((OUTPUT - CUBE) ** 2).mean())


def attached(**params):
    loss = WeightedMultiLoss(**params)
    loss.attach(pca(ROWS))
    return loss


def value(loss):
    return loss.compute_loss(OUTPUT, {"cube": CUBE}).item()


def test_objects_and_mappings_mean_the_same():
    objects = attached(
        child_losses=[OrthogonalityLoss(weight=1.0), MSEReconstructionLoss(weight=0.5)], weights=[1.0, 0.5]
    )
    mappings = attached(
        child_losses=[
            {"type": "OrthogonalityLoss"},
            {"_target_": "cuvis_ai.training.losses.MSEReconstructionLoss", "weight": 0.5},
        ],
        weights=[1.0, 0.5],
    )
    assert value(objects) == pytest.approx(DEFECT + 0.5 * 0.5 * ERROR, rel=1e-6)
    assert value(mappings) == value(objects)
    assert mappings.params() == objects.params()
    assert WeightedMultiLoss(**objects.params()).params() == objects.params()


def test_weights_default_to_one_and_the_whole_has_a_weight():
    loss = attached(child_losses=[OrthogonalityLoss(), MSEReconstructionLoss()], weight=3)
    assert value(loss) == pytest.approx(3 * (DEFECT + ERROR), rel=1e-6)
    assert not list(loss.parameters())


def test_learned_weights_start_where_they_are_told():
    loss = attached(
        child_losses=[OrthogonalityLoss(), MSEReconstructionLoss()], weights=[2.0, 0.1], learnable=True
    )
    np.testing.assert_allclose(loss.current_weights().detach(), [2.0, 0.1], rtol=1e-5)
    assert value(loss) == pytest.approx(2 * DEFECT - np.log(2) + 0.1 * ERROR - np.log(0.1), rel=1e-5)


def test_learned_weights_become_the_inverse_of_their_losses():
    loss = attached(child_losses=[OrthogonalityLoss(), MSEReconstructionLoss()], learnable=True)
    optimizer = torch.optim.LBFGS(loss.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        total = loss.compute_loss(OUTPUT, {"cube": CUBE})
        total.backward()
        return total

    optimizer.step(closure)
    np.testing.assert_allclose(loss.current_weights().detach(), [1 / DEFECT, 1 / ERROR], rtol=1e-2)


def test_a_loss_that_reaches_zero_keeps_a_finite_weight():
    loss = attached(child_losses=[MSEReconstructionLoss()], learnable=True)
    loss.log_variances.data -= 1e3
    assert loss.current_weights().item() <= np.exp(10.001)
    assert np.isfinite(value(loss))


def test_the_log_variances_gradient():
    loss = attached(child_losses=[OrthogonalityLoss(), MSEReconstructionLoss()], learnable=True).double()

    del loss.log_variances

    def of(log_variances):
        loss.log_variances = log_variances
        return loss.compute_loss(OUTPUT, {"cube": CUBE})

    assert torch.autograd.gradcheck(of, torch.tensor([0.4, -3.0], dtype=torch.float64, requires_grad=True))


def test_a_child_that_cannot_read_the_parent_is_refused():
    loss = WeightedMultiLoss(child_losses=[OrthogonalityLoss()])
    with pytest.raises(IncompatibleParent) as caught:
        loss.attach(selector(np.zeros(3)))
    assert str(caught.value) == "OrthogonalityLoss reads `components` of its parent; Selector has none"


KNOWN = (
    "AnomalyBCEWithLogits, MSEReconstructionLoss, OrthogonalityLoss, SelectorDiversityRegularizer, "
    "SelectorEntropyRegularizer, SelectorSpreadRegularizer, WeightedMultiLoss"
)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"child_losses": []}, "WeightedMultiLoss: `child_losses` is empty"),
        (
            {"child_losses": [OrthogonalityLoss()], "weights": [1.0, 2.0]},
            "WeightedMultiLoss: `weights` has 2 entries for 1 child losses",
        ),
        (
            {"child_losses": [OrthogonalityLoss()], "weights": [-1.0]},
            "WeightedMultiLoss: a weight must be >= 0, got -1",
        ),
        (
            {"child_losses": [OrthogonalityLoss()], "weights": [0.0], "learnable": True},
            "WeightedMultiLoss: a learnable weight starts between 5e-05 and 2e+04, got 0",
        ),
        (
            {"child_losses": [{"type": "SelectorEntropyRegularizer"}], "learnable": True},
            (
                "WeightedMultiLoss: SelectorEntropyRegularizer can be negative, and a learned weight of such a loss "
                "grows without limit; use `learnable: false`"
            ),
        ),
        (
            {"child_losses": [{"type": "OrthogonalityLoss", "parent": "pca"}]},
            (
                "WeightedMultiLoss: `parent` of the child OrthogonalityLoss: children read the node that the "
                "WeightedMultiLoss is attached to; write losses of other nodes as separate loss leaves"
            ),
        ),
        (
            {"child_losses": [{"type": "OrthogonalityLoss", "wieght": 1}]},
            "OrthogonalityLoss: unknown parameter `wieght`; it has: weight",
        ),
    ],
)
def test_what_is_refused(params, message):
    with pytest.raises(ParameterError) as caught:
        WeightedMultiLoss(**params)
    assert str(caught.value) == message


@pytest.mark.parametrize("child", [{"type": "subprocess.Popen"}, {"weight": 1.0}])
def test_only_registered_losses_can_be_named(child):
    with pytest.raises(ParameterError) as caught:
        WeightedMultiLoss(child_losses=[child])
    name = child.get("type")
    assert str(caught.value) == (
        f"WeightedMultiLoss: each of `child_losses` names a loss with `type`, got {name!r}; there are: {KNOWN}"
    )
