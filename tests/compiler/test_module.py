"""The compiled module: every value by name, bound to the bands of its cube, doing no more than asked."""

import numpy as np
import pytest
import torch
from fitted_graphs import CHAIN, fitted, spectra, typed

from cuvisc.compiler.graph import INPUT, ValueRef
from cuvisc.compiler.module import ShapeError, build_module, load_class
from cuvisc.language.node import Node
from cuvisc.nodes import IdentityNormalizer, TrainablePCA

CUBE = spectra(2, 8, 9, 7, seed="module")
DIAMOND = """
nodes:
  normalizer: {type: MinMaxNormalizer}
  first: {type: TrainablePCA, n_components: 2, parent: normalizer}
  second: {type: StandardNormalizer, parent: normalizer}
  rx: {type: RXGlobal, parent: [first, second, input]}
"""


def tensors(module: torch.nn.Module, cube: np.ndarray = CUBE) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        return module(torch.from_numpy(cube))


def test_values_by_name() -> None:
    """The cube and every output of every node, in topological order."""
    module = fitted(CHAIN, CUBE)
    assert list(tensors(module)) == [
        "input.cube",
        "normalizer.normalized",
        "pca.scores",
        "rx.scores",
        "head.logits",
        "decider.decisions",
    ]


def test_a_diamond() -> None:
    """Branches that meet are each computed from their own parent, and joined along the bands in order."""
    module = fitted(DIAMOND, CUBE)
    values = {name: value.numpy() for name, value in tensors(module, CUBE.astype(np.float64)).items()}
    joined = np.concatenate([values["first.scores"], values["second.normalized"], CUBE], axis=-1)
    assert module.widths[ValueRef("rx", "scores")] == 1
    assert module.node("rx").dims["C"] == joined.shape[-1] == 16
    whitened = (joined - module.node("rx").mu.numpy()) @ module.node("rx").whitening.numpy()
    np.testing.assert_allclose(values["rx.scores"][..., 0], (whitened**2).sum(axis=-1), rtol=1e-9)


def test_only_what_is_wanted_is_computed() -> None:
    """Asked for the components, nothing behind them runs."""
    module = fitted(CHAIN, CUBE)
    calls: list[str] = []
    for name, node in module.nodes.items():
        node.register_forward_hook(lambda *_, name=name: calls.append(name))
    wanted = ValueRef("pca", "scores")
    found = module.evaluate(torch.from_numpy(CUBE), {wanted})
    assert calls == ["normalizer", "pca"]
    assert set(found) == {INPUT, ValueRef("normalizer", "normalized"), wanted}


@pytest.mark.parametrize("dtype", ["uint16", "int16", "uint8", "int32", "float32", "float64"])
def test_any_numeric_cube(dtype: str) -> None:
    """Integers become float32; float64 stays, as the reference needs it."""
    cube = (CUBE * 100).astype(dtype)
    values = tensors(fitted("nodes: {n: {type: IdentityNormalizer}}", CUBE), cube)
    wanted = torch.float64 if dtype == "float64" else torch.float32
    assert values["input.cube"].dtype == values["n.normalized"].dtype == wanted
    assert (values["n.normalized"].numpy() == cube).all()


def test_wrong_number_of_bands() -> None:
    module = fitted(CHAIN, CUBE)
    with pytest.raises(ShapeError) as caught:
        tensors(module, CUBE[..., :5])
    assert str(caught.value) == "the cube has 5 bands, but the graph was built for 7"


def test_bands_that_the_spec_gives() -> None:
    """`graph.input.channels` binds the module before any cube is seen."""
    module = build_module(typed("{graph: {input: {channels: 7}}, nodes: {n: {type: MinMaxNormalizer}}}"))
    assert module.channels == 7
    with pytest.raises(ShapeError, match=r"^the cube has 5 bands, but the graph was built for 7$"):
        module.bind(5)


@pytest.mark.parametrize("shape", [(3, 4, 7), (7,), (1, 2, 3, 4, 7)])
def test_not_a_batch_of_cubes(shape: tuple[int, ...]) -> None:
    module = fitted("nodes: {n: {type: IdentityNormalizer}}", CUBE)
    with pytest.raises(ShapeError) as caught:
        module(torch.zeros(shape))
    assert str(caught.value) == f"a batch of cubes is [B,H,W,C], got {list(shape)}"


def test_fitted_when_every_node_is() -> None:
    module = build_module(typed(CHAIN))
    module.bind(7)
    assert not module.fitted
    module.load_state_dict(fitted(CHAIN, CUBE).state_dict())
    assert module.fitted


def test_given_instances_take_their_place() -> None:
    """A graph built in Python trains the very objects the user holds."""
    mine = TrainablePCA(n_components=3)
    module = build_module(typed(CHAIN), {"pca": mine})
    assert module.node("pca") is mine
    assert isinstance(module.node("normalizer"), Node)


def test_only_trainable_nodes_get_parameters() -> None:
    module = fitted(CHAIN.replace("n_components: 3", "n_components: 3, trainable: true"), CUBE)
    module.prepare_for_train()
    assert {name for name, _ in module.named_parameters()} == {
        "nodes.pca.components",
        "nodes.head.scale",
        "nodes.head.bias",
    }


def test_a_class_of_the_wrong_kind_is_not_made() -> None:
    assert load_class("cuvisc.nodes.normalization:IdentityNormalizer", Node) is IdentityNormalizer
    with pytest.raises(TypeError) as caught:
        load_class("cuvisc.language.node:FitError", Node)
    assert str(caught.value) == "cuvisc.language.node:FitError is not a Node"
