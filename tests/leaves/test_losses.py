"""Losses equal their formula in NumPy float64, and their gradients are those of finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from parents import Scorer, pca

from cuvisc.language.declare import ParameterError
from cuvisc.language.leaf import BatchError, IncompatibleParent
from cuvisc.leaves.losses import AnomalyBCEWithLogits, MSEReconstructionLoss, OrthogonalityLoss

RNG = np.random.default_rng(7)
UNREAD = torch.empty(0)


def bce(logits, target, pos_weight=1.0):
    """Binary cross-entropy by its definition, with logaddexp for the logarithms of the sigmoid."""
    return pos_weight * target * np.logaddexp(0, -logits) + (1 - target) * np.logaddexp(0, logits)


def orthogonality(rows, weight=1.0):
    return weight * ((rows @ rows.T - np.eye(len(rows))) ** 2).sum()


def attached_orthogonality(rows, weight=1.0):
    loss = OrthogonalityLoss(weight=weight)
    loss.attach(pca(rows))
    return loss


@given(arrays(np.float64, (3, 7), elements=st.floats(-2, 2)))
def test_orthogonality_is_the_squared_frobenius_norm(rows):
    found = attached_orthogonality(rows, weight=2.5).compute_loss(UNREAD, {})
    assert float(found) == pytest.approx(
        orthogonality(rows.astype(np.float32).astype(float), 2.5), rel=1e-5, abs=1e-5
    )


def test_orthonormal_components_cost_nothing():
    rows = np.linalg.qr(RNG.normal(size=(9, 4)))[0].T
    assert float(attached_orthogonality(rows).compute_loss(UNREAD, {})) < 1e-12


def test_orthogonality_gradient():
    loss = attached_orthogonality(RNG.normal(size=(3, 5)))

    def of(components):
        loss.parent.components = components
        return loss.compute_loss(UNREAD, {})

    assert torch.autograd.gradcheck(of, torch.tensor(RNG.normal(size=(3, 5)), requires_grad=True))


def test_orthogonality_reaches_the_trained_components():
    loss = OrthogonalityLoss()
    parent = pca(RNG.normal(size=(2, 4)), trainable=True)
    loss.attach(parent)
    parent.prepare_for_train()
    loss.compute_loss(UNREAD, {}).backward()
    rows = parent.components.detach().double().numpy()
    expected = 4 * (rows @ rows.T - np.eye(2)) @ rows
    np.testing.assert_allclose(parent.components.grad.numpy(), expected, rtol=1e-4)


def test_orthogonality_keeps_its_digits_under_mixed_precision():
    rows = np.linalg.qr(RNG.normal(size=(61, 3)))[0].T
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert float(attached_orthogonality(rows).compute_loss(UNREAD, {})) < 1e-12


def test_orthogonality_refuses_a_parent_without_components():
    with pytest.raises(IncompatibleParent) as caught:
        OrthogonalityLoss().attach(Scorer())
    assert str(caught.value) == "OrthogonalityLoss reads `components` of its parent; Scorer has none"


@pytest.mark.parametrize("pos_weight", [None, 10.0])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3, 4, 1)])
def test_bce_is_its_definition(pos_weight, reduction, shape):
    logits, mask = RNG.normal(scale=4, size=(2, 3, 4, 1)), RNG.integers(0, 3, size=shape)
    loss = AnomalyBCEWithLogits(weight=0.5, pos_weight=pos_weight, reduction=reduction)
    found = loss.compute_loss(torch.tensor(logits), {"mask": torch.tensor(mask)})
    each = bce(logits, (mask > 0).reshape(logits.shape), pos_weight or 1.0)
    assert float(found) == pytest.approx(0.5 * getattr(np, reduction)(each))


def test_bce_takes_labels_where_there_is_no_mask_and_the_mask_where_there_is():
    logits = torch.tensor([[[[2.0]]]])
    one, zero = torch.ones(1, 1, 1), torch.zeros(1, 1, 1)
    loss = AnomalyBCEWithLogits()
    assert float(loss.compute_loss(logits, {"labels": one})) == pytest.approx(bce(2.0, 1))
    assert float(loss.compute_loss(logits, {"mask": None, "labels": one})) == pytest.approx(bce(2.0, 1))
    assert float(loss.compute_loss(logits, {"mask": zero, "labels": one})) == pytest.approx(bce(2.0, 0))


def test_bce_gradient():
    batch = {"mask": torch.tensor(RNG.integers(0, 2, size=(2, 2, 3)))}
    logits = torch.tensor(RNG.normal(size=(2, 2, 3, 1)), requires_grad=True)
    loss = AnomalyBCEWithLogits(pos_weight=3.0)
    assert torch.autograd.gradcheck(lambda z: loss.compute_loss(z, batch), logits)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("key", ["cube", "x", "name"])
def test_bce_leaves_out_pixels_without_data(bad, key):
    logits = torch.tensor([[[[1.0], [bad], [-2.0]]]], requires_grad=True)
    cube = torch.tensor([[[[0.0, 1.0], [bad, 1.0], [1.0, 0.0]]]])
    loss = AnomalyBCEWithLogits().compute_loss(logits, {"mask": torch.tensor([[[1, 1, 0]]]), key: cube})
    loss.backward()
    assert loss.item() == pytest.approx(bce(np.array([1.0, -2.0]), np.array([1, 0])).mean())
    assert logits.grad[0, 0, 1, 0] == 0
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("cube", [torch.zeros(1, 1, 2, 3), torch.zeros(1, 1, 2, 3, dtype=torch.uint16)])
def test_a_logit_that_is_not_finite_for_a_pixel_with_data_shows_in_the_loss(cube):
    batch = {"mask": torch.zeros(1, 1, 2), "cube": cube}
    assert AnomalyBCEWithLogits().compute_loss(torch.tensor([[[[1.0], [torch.nan]]]]), batch).isnan()


def test_bce_of_nothing_is_zero_with_a_zero_gradient():
    logits = torch.full((1, 1, 2, 1), torch.nan, requires_grad=True)
    loss = AnomalyBCEWithLogits().compute_loss(logits, {"mask": torch.ones(1, 1, 2)})
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


@given(st.floats(-(2.0**100), 2.0**100, width=32), st.booleans())
def test_bce_never_overflows(logit, anomalous):
    batch = {"mask": torch.tensor([[[anomalous]]])}
    found = AnomalyBCEWithLogits().compute_loss(torch.tensor([[[[logit]]]]), batch)
    assert float(found) == pytest.approx(bce(logit, anomalous), rel=1e-6, abs=3e-7 * max(1.0, abs(logit)))


def test_bce_without_a_mask_says_what_the_batch_holds():
    with pytest.raises(BatchError) as caught:
        AnomalyBCEWithLogits().compute_loss(
            torch.zeros(1, 2, 2, 1), {"cube": UNREAD, "name": "a", "mask": None}
        )
    assert str(caught.value) == (
        "AnomalyBCEWithLogits reads `mask` (or `labels`) of the batch, which holds cube, name"
    )


def test_bce_with_another_size_says_both():
    with pytest.raises(BatchError) as caught:
        AnomalyBCEWithLogits().compute_loss(torch.zeros(1, 2, 2, 1), {"mask": torch.zeros(1, 2, 3)})
    assert str(caught.value) == (
        "AnomalyBCEWithLogits: `mask` is [1, 2, 3], but the output it is compared with is [1, 2, 2, 1]; "
        "they must agree in B, H and W"
    )


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("key", ["cube", "x"])
def test_reconstruction_is_the_squared_error_of_the_cube(reduction, key):
    output, cube = RNG.normal(size=(2, 3, 2, 5)), RNG.normal(size=(2, 3, 2, 5))
    loss = MSEReconstructionLoss(weight=0.5, reduction=reduction)
    found = loss.compute_loss(torch.tensor(output), {key: torch.tensor(cube)})
    assert float(found) == pytest.approx(0.5 * getattr(np, reduction)((output - cube) ** 2))


def test_reconstruction_of_an_integer_cube_does_not_wrap_around():
    cube = torch.tensor([[[[60000, 1]]]], dtype=torch.uint16)
    found = MSEReconstructionLoss().compute_loss(torch.tensor([[[[60001.0, 0.0]]]]), {"cube": cube})
    assert float(found) == 1


def test_reconstruction_of_labels():
    output, labels = RNG.normal(size=(2, 3, 2, 1)), RNG.normal(size=(2, 3, 2))
    batch = {"cube": torch.zeros(2, 3, 2, 9), "labels": torch.tensor(labels)}
    found = MSEReconstructionLoss(use_labels_as_target=True).compute_loss(torch.tensor(output), batch)
    assert float(found) == pytest.approx(((output[..., 0] - labels) ** 2).mean())


def test_reconstruction_gradient_and_missing_values():
    cube = torch.tensor(RNG.normal(size=(1, 2, 3, 2)))
    cube[0, 0, 0, 0] = torch.nan
    output = torch.tensor(RNG.normal(size=(1, 2, 3, 2)), requires_grad=True)
    loss = MSEReconstructionLoss()
    assert torch.autograd.gradcheck(lambda x: loss.compute_loss(x, {"cube": cube}), output)
    found = loss.compute_loss(output, {"cube": cube})
    assert found.item() == pytest.approx(np.nanmean((output.detach().numpy() - cube.numpy()) ** 2))


def test_reconstruction_leaves_out_whole_pixels_without_data_but_shows_divergence():
    cube = torch.tensor([[[[torch.nan, 1.0], [1.0, 2.0]]]])
    spread = torch.tensor([[[[torch.nan, torch.nan], [1.0, 4.0]]]])
    assert MSEReconstructionLoss().compute_loss(spread, {"cube": cube}).item() == 2
    diverged = torch.tensor([[[[torch.nan, torch.nan], [torch.nan, 4.0]]]])
    assert MSEReconstructionLoss().compute_loss(diverged, {"cube": cube}).isnan()


def test_reconstruction_of_another_shape_says_both():
    with pytest.raises(BatchError) as caught:
        MSEReconstructionLoss().compute_loss(torch.zeros(1, 2, 2, 3), {"cube": torch.zeros(1, 2, 2, 4)})
    assert str(caught.value) == (
        "MSEReconstructionLoss: the target `cube` is [1, 2, 2, 4], but the output is [1, 2, 2, 3]"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OrthogonalityLoss(weight=-1), "OrthogonalityLoss: `weight` must be >= 0, got -1"),
        (lambda: AnomalyBCEWithLogits(pos_weight=0), "AnomalyBCEWithLogits: `pos_weight` must be > 0, got 0"),
        (
            lambda: MSEReconstructionLoss(reduction="none"),
            "MSEReconstructionLoss: `reduction` is one of mean, sum, got 'none'",
        ),
    ],
)
def test_bounds(make, message):
    with pytest.raises(ParameterError) as caught:
        make()
    assert str(caught.value) == message
