"""Band selection: softmax weights, annealing, hard and reduced selections."""

import numpy as np
import pytest
import torch
from fitted_graphs import fitted, moments, run_onnx, spectra
from scipy.special import softmax

from cuvisc.compiler.backends.onnx_model import generate_onnx
from cuvisc.compiler.lowering import lower
from cuvisc.language.node import FitError
from cuvisc.nodes import SoftChannelSelector

CUBE = spectra(2, 6, 7, 8, seed="selector")
LOGITS = np.array([0.3, 2.0, -1.0, 2.0, 0.5, 1.0, -2.0, 0.0])


def selector(logits: np.ndarray = LOGITS, **params: object) -> SoftChannelSelector:
    node = SoftChannelSelector(n_select=3, **params)
    node.bind({"C": len(logits)})
    node.fit(moments(CUBE) if params.get("init_method") == "variance" else None)
    if params.get("init_method") != "variance":
        node.load_fitted({"logits": logits})
    return node.eval()


def selected(node: SoftChannelSelector) -> np.ndarray:
    return node(torch.from_numpy(CUBE.astype(np.float64))).detach().numpy()


def test_soft_weights() -> None:
    """y = x n_select softmax(logits / T); all bands leave."""
    expected = CUBE * 3 * softmax(LOGITS / 5.0)
    np.testing.assert_allclose(selected(selector()), expected, rtol=1e-6)


def test_uniform_start_is_the_cube_scaled() -> None:
    np.testing.assert_allclose(selected(selector(np.zeros(8))), CUBE * 3 / 8, rtol=1e-6)


def test_variance_start() -> None:
    """logits = log(variance + eps)."""
    logits = selector(init_method="variance").logits.numpy()
    variance = CUBE.reshape(-1, 8).astype(np.float64).var(axis=0, ddof=1)
    np.testing.assert_allclose(logits, np.log(variance + 1e-6), rtol=1e-6)


def test_hard_selection() -> None:
    """Exactly the n_select bands of largest logit, untouched; the others are zero."""
    weights = np.isin(np.arange(8), [1, 3, 5])
    assert (selected(selector(hard=True)) == CUBE * weights).all()


@pytest.mark.parametrize("hard", [True, False])
def test_reduced_selection(hard: bool) -> None:
    """Only the selected bands leave, in the order of the cube, with the weights they have among all bands."""
    weights = np.ones(8) if hard else 3 * softmax(LOGITS / 5.0)
    expected = (CUBE * weights)[..., [1, 3, 5]]
    np.testing.assert_allclose(selected(selector(hard=hard, reduce=True)), expected, rtol=1e-6)


def test_equal_logits_select_the_first() -> None:
    assert selector(np.zeros(8)).get_selected_channels().tolist() == [0, 1, 2]


def test_annealing() -> None:
    """T(epoch) = max(T_min, T_init decay^epoch), saved with the state."""
    node = selector(temperature_init=4.0, temperature_decay=0.5, temperature_min=0.3)
    found = []
    for epoch in range(6):
        node.start_epoch(epoch)
        found.append(node.temperature.item())
    np.testing.assert_allclose(found, [4.0, 2.0, 1.0, 0.5, 0.3, 0.3], rtol=1e-6)
    fresh = SoftChannelSelector(n_select=3)
    fresh.load_state_dict(node.state_dict())
    assert fresh.temperature.item() == pytest.approx(0.3)
    np.testing.assert_allclose(node.get_selection_probabilities().numpy(), softmax(LOGITS / 0.3), rtol=1e-5)
    frozen = selector(trainable=False)
    frozen.start_epoch(6)
    assert frozen.temperature.item() == 5.0


def test_noise_only_while_training() -> None:
    """Gumbel noise moves the weights in training, and never an evaluation."""
    node, cube = selector(), torch.from_numpy(CUBE)
    torch.manual_seed(0)
    assert not torch.equal(node.train()(cube), node(cube))
    assert torch.equal(node.eval()(cube), node(cube))
    for quiet in (selector(gumbel=False), selector(trainable=False)):
        assert torch.equal(quiet.train()(cube), quiet(cube))


def test_hard_selection_passes_gradients_through_the_soft_weights() -> None:
    node = selector(hard=True, gumbel=False)
    node.prepare_for_train()
    node.train()
    loss = (node(torch.from_numpy(CUBE)) * torch.arange(8.0)).sum()
    loss.backward()
    logits = torch.tensor(LOGITS, dtype=torch.float32, requires_grad=True)
    soft = torch.from_numpy(CUBE) * 3 * torch.softmax(logits / 5.0, dim=0)
    (expected,) = torch.autograd.grad((soft * torch.arange(8.0)).sum(), logits)
    np.testing.assert_allclose(node.logits.grad, expected, rtol=1e-4)


def test_more_than_the_cube_has() -> None:
    node = SoftChannelSelector(n_select=9)
    node.bind({"C": 8})
    with pytest.raises(FitError) as caught:
        node.fit(None)
    assert str(caught.value) == "n_select is 9, but the cube has 8 bands"


def test_the_exported_model_reads_fewer_bands() -> None:
    """A reduced selection before a detector: bands that are not selected may hold anything."""
    text = """
    nodes:
      normalizer: {type: MinMaxNormalizer}
      selector: {type: SoftChannelSelector, n_select: 3, init_method: variance, reduce: true}
      rx: {type: RXGlobal}
    """
    module = fitted(text, CUBE)
    kept = module.node("selector").get_selected_channels().tolist()
    model = generate_onnx(lower(module, moments(CUBE)).fused, "float32", {}).data
    garbage = np.full_like(CUBE, np.nan)
    garbage[..., kept] = CUBE[..., kept]
    expected = module(torch.from_numpy(CUBE.astype(np.float64)))["rx.scores"].detach().numpy()
    np.testing.assert_allclose(run_onnx(model, garbage)["rx.scores"], expected, rtol=1e-4)
