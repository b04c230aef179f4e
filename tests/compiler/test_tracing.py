"""Tracing records what bodies do: names from the user's ids, constants in float64, only what outputs need."""

import numpy as np
import pytest
import torch
from fitted_graphs import CHAIN, fitted, moments, spectra

from cuvisc.compiler.backends.torch_program import ProgramModule
from cuvisc.compiler.graph import INPUT, ValueRef
from cuvisc.compiler.lowering import lower
from cuvisc.compiler.passes.strip_leaves import strip_leaves
from cuvisc.compiler.tracing import NotAffine, affine_image, trace

CUBE = spectra(2, 12, 13, 7, seed="tracing") * 10 + 100
WITH_LEAVES = """
nodes:
  normalizer: {type: MinMaxNormalizer}
  pca: {type: TrainablePCA, n_components: 3}
  decoder: {type: LinearDecoder, inputs: {codes: pca, cube: normalizer}}
  rx: {type: RXGlobal, parent: pca}
loss_leaves:
  orthogonality: {type: OrthogonalityLoss, parent: pca}
graph: {outputs: [rx]}
"""


def exact(module: torch.nn.Module, ref: ValueRef) -> np.ndarray:
    with torch.no_grad():
        return module.evaluate(torch.from_numpy(CUBE.astype(np.float64)), {ref})[ref].numpy()


def test_names_and_types() -> None:
    program = trace(fitted(CHAIN, CUBE))
    assert [(op.name, str(op.output.type)) for op in program.operations] == [
        ("normalizer/affine", "float32[B,H,W,7]"),
        ("pca/affine", "float32[B,H,W,3]"),
        ("rx/affine", "float32[B,H,W,3]"),
        ("rx/squared_norm", "float32[B,H,W,1]"),
        ("head/affine", "float32[B,H,W,1]"),
        ("decider/sigmoid", "float32[B,H,W,1]"),
        ("decider/at_least", "bool[B,H,W,1]"),
    ]
    assert program.outputs == {"rx.scores": "rx/squared_norm", "decider.decisions": "decider/at_least"}
    assert [(s.value.name, s.default) for s in program.settings] == [("decider.threshold", 0.5)]


def test_constants_are_the_fitted_state_in_float64() -> None:
    """No rounding between phase 1 and the program: the certificate and the folding see what was fitted."""
    module = fitted(CHAIN, CUBE)
    constants = trace(module).operations[2].constants
    assert (constants["matrix"] == module.node("rx").whitening.numpy()).all()
    assert (constants["center"] == module.node("rx").mu.numpy()).all()
    assert all(value.dtype == np.float64 for value in constants.values())


def test_tracing_follows_training() -> None:
    """After a step of an optimizer the program computes what the module now computes."""
    module = fitted(CHAIN.replace("n_components: 3", "n_components: 3, trainable: true"), CUBE)
    module.prepare_for_train()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(1.1)
    found = ProgramModule(trace(module), torch.float64)(torch.from_numpy(CUBE.astype(np.float64)))
    np.testing.assert_allclose(found["rx.scores"], exact(module, ValueRef("rx", "scores")), rtol=1e-9)


def test_leaves_and_what_only_they_read_are_stripped() -> None:
    module = fitted(WITH_LEAVES, CUBE)
    kept = strip_leaves(module.graph)
    assert [node.id for node in kept.nodes] == ["normalizer", "pca", "rx"]
    assert kept.leaves == ()
    nodes = {node for operation in lower(module).plain.operations for node in operation.origin}
    assert "decoder" not in nodes


def test_fused_operations_name_every_node_they_came_from() -> None:
    fused = lower(fitted(CHAIN, CUBE), moments(CUBE)).fused
    assert fused.operations[0].name == "normalizer+pca+rx/affine"
    assert fused.operations[0].origin == ("normalizer", "pca", "rx")


def test_several_outputs_of_one_value() -> None:
    """Nodes that change nothing leave nothing behind but their names."""
    nodes = "{first: {type: IdentityNormalizer}, second: {type: IdentityNormalizer}}"
    program = lower(fitted(f"{{nodes: {nodes}, graph: {{outputs: [first, second]}}}}", CUBE)).fused
    assert program.outputs == {"first.normalized": "cube", "second.normalized": "cube"}
    assert program.operations == ()


BRANCHES = """
nodes:
  normalizer: {type: MinMaxNormalizer}
  pca: {type: TrainablePCA, n_components: 2, parent: normalizer}
  z: {type: StandardNormalizer, parent: [pca, normalizer]}
  selector: {type: SoftChannelSelector, n_select: 2, reduce: true, parent: z}
  rx: {type: RXGlobal, parent: selector}
"""


@pytest.mark.parametrize(
    "value", ["normalizer.normalized", "pca.scores", "z.normalized", "selector.selected"]
)
def test_maps_of_the_cube(value: str) -> None:
    """Along branches, joins and selections, a value's map of the cube gives that value."""
    module = fitted(BRANCHES, CUBE)
    ref = ValueRef(*value.split("."))
    found = affine_image(module, [ref], [INPUT])(CUBE.astype(np.float64))
    expected = exact(module, ref)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


def test_maps_of_several_values_joined() -> None:
    """From two values side by side to two others."""
    module = fitted(BRANCHES, CUBE)
    parts = [ValueRef("pca", "scores"), ValueRef("normalizer", "normalized")]
    of = [ValueRef("z", "normalized"), ValueRef("pca", "scores")]
    joined = np.concatenate([exact(module, part) for part in parts], axis=-1)
    expected = np.concatenate([exact(module, value) for value in of], axis=-1)
    found = affine_image(module, of, parts)(joined)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


def test_moments_follow_through_the_map() -> None:
    """What the planner infers instead of another pass over the data is what measuring would give."""
    module = fitted(BRANCHES, CUBE)
    ref = ValueRef("selector", "selected")
    followed = moments(CUBE).through(affine_image(module, [ref], [INPUT]))
    measured = moments(exact(module, ref))
    np.testing.assert_allclose(followed.mean, measured.mean, atol=1e-9)
    np.testing.assert_allclose(followed.covariance, measured.covariance, rtol=1e-7)


def test_a_detector_is_not_a_map() -> None:
    module = fitted(BRANCHES, CUBE)
    with pytest.raises(NotAffine) as caught:
        affine_image(module, [ValueRef("rx", "scores")], [INPUT])
    assert str(caught.value) == "rx.scores is computed with squared_norm"
