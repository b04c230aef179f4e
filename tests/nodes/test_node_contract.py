"""What every node promises by being declared, whatever it computes; a new node is held to it without a new test."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch
from fitted_graphs import run_onnx
from torch import nn
from variants import NODES, Variant, variants

from cuvisc.compiler.backends.onnx_model import generate_onnx
from cuvisc.compiler.backends.torch_program import ProgramModule
from cuvisc.compiler.graph import INPUT
from cuvisc.compiler.lowering import lower
from cuvisc.compiler.module import CompiledGraph
from cuvisc.compiler.tracing import NotAffine, affine_image, trace
from cuvisc.language.node import Node, NotFittedError
from cuvisc.language.types import parse_type

every_node = pytest.mark.parametrize("cls", NODES, ids=lambda cls: cls.__name__)
every_variant = pytest.mark.parametrize("variant", variants(), ids=str)
FEW_ULPS = 3e-5
"""Of float32, relative to the largest output: room for sums over bands of a well conditioned cube."""


def outputs(module: CompiledGraph, cube: np.ndarray) -> dict[str, np.ndarray]:
    module.eval()
    with torch.no_grad():
        values = module(torch.from_numpy(cube))
    return {name: value.numpy() for name, value in values.items() if name != "input.cube"}


def assert_close(found: np.ndarray, expected: np.ndarray, tolerance: float = FEW_ULPS) -> None:
    assert found.shape == expected.shape
    if expected.dtype.kind in "bi":
        assert (found == expected).all()
    else:
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * scale)


@every_node
def test_docstring(cls: type[Node]) -> None:
    """One sentence, then a formula; every parameter, port and state has words."""
    doc = inspect.cleandoc(cls.__doc__ or "")
    summary, _, rest = doc.partition("\n\n")
    assert summary.endswith((".", ":"))
    assert "=" in rest or "x'" in rest, "the formula is missing"
    declaration = cls.declaration
    for group in (declaration.params, declaration.inputs, declaration.outputs, declaration.state):
        for name, declared in group.items():
            assert declared.doc, f"{name} is not documented"


@every_node
def test_ports(cls: type[Node]) -> None:
    """A node reads and gives images; its statistics are of ports it has, its switches parameters it has."""
    declaration = cls.declaration
    assert declaration.inputs
    assert declaration.outputs
    for port in (*declaration.inputs.values(), *declaration.outputs.values()):
        texts = (
            [port.type] if isinstance(port.type, str) else [*port.type.cases.values(), port.type.otherwise]
        )
        assert all(parse_type(text).dims[:3] == ("B", "H", "W") for text in texts)
    if cls.trained_by is not None:
        assert declaration.params[cls.trained_by].annotation is bool
        assert any(state.trainable for state in declaration.state.values())
    for left, relation, right, *_ in cls.constraints:
        assert {left, right} & set(declaration.params)
        assert relation in ("<", "<=", "==", ">=", ">", "disjoint", "as many as")


@every_variant
def test_types(variant: Variant) -> None:
    """Values and state have the declared dtype and shape."""
    module = variant.fitted()
    (node,) = module.graph.nodes
    instance, cube = module.node("node"), variant.cube(1, 3, 4)
    sizes = dict(zip("BHW", cube.shape, strict=False)) | dict(node.params) | dict(instance.dims)
    found = outputs(module, cube)
    for port, typed in node.outputs.items():
        declared = typed.type.substitute(sizes)
        value = found[f"node.{port}"]
        assert (str(value.dtype), value.shape) == (declared.dtype, declared.dims)
    for name, value in instance.state_values().items():
        if instance.requires_initial_fit:
            declared = parse_type(instance.declaration.state[name].type).substitute(sizes)
            assert (str(value.dtype), tuple(value.shape)) == (f"torch.{declared.dtype}", declared.dims)


@every_variant
def test_declared_mapping(variant: Variant) -> None:
    """How the output follows from the input is what the body really does: the planner carries statistics by it."""
    module = variant.fitted()
    (node,) = module.graph.nodes
    if node.mapping is None:
        with pytest.raises(NotAffine):
            affine_image(module, [node.output], [INPUT])
        return
    image = affine_image(module, [node.output], [INPUT])
    assert image.elementwise or node.mapping == "affine"
    cube = variant.cube().astype(np.float64)
    assert_close(image(cube), outputs(module, cube)[str(node.output)], 1e-12)


@every_variant
def test_one_body_for_every_target(variant: Variant) -> None:
    """The traced program in float64 and ONNX Runtime in float32 compute what the node computes."""
    module, cube = variant.fitted(), variant.cube(3, 4, 5)
    lowered = lower(module)
    expected = outputs(module, cube.astype(np.float64))
    reference = ProgramModule(lowered.plain, torch.float64)(torch.from_numpy(cube.astype(np.float64)))
    model = generate_onnx(lowered.fused, "float32", {})
    found = run_onnx(model.data, cube)
    assert set(found) == set(reference) == set(expected)
    for name, value in expected.items():
        assert_close(reference[name].detach().numpy(), value, 1e-12)
        assert_close(found[name], value)


@every_variant
def test_float32_is_close_to_float64(variant: Variant) -> None:
    module, cube = variant.fitted(), variant.cube()
    exact = outputs(module, cube.astype(np.float64))
    for name, value in outputs(module, cube).items():
        assert_close(value, exact[name])


@every_variant
def test_strips(variant: Variant) -> None:
    """A program that says its pixels are independent may be computed in pieces of an image."""
    module, cube = variant.fitted(), variant.cube(1, 6, 5)
    program = trace(module)
    if not program.pixelwise:
        return
    run = ProgramModule(program)
    whole = run(torch.from_numpy(cube))
    part = run(torch.from_numpy(cube[:, 2:4]))
    for name, value in part.items():
        assert_close(value.numpy(), whole[name].numpy()[:, 2:4])


@every_variant
def test_cubes_that_are_not_contiguous(variant: Variant) -> None:
    """Channel-first arrays seen channel-last, and every second pixel of a larger cube, are cubes like others."""
    module, cube = variant.fitted(), variant.cube()
    expected = outputs(module, cube)
    planes = np.ascontiguousarray(np.moveaxis(cube, -1, 1))
    doubled = cube.repeat(2, axis=2)
    for view in (np.moveaxis(planes, 1, -1), doubled[:, :, ::2]):
        assert view.shape == cube.shape
        for name, value in outputs(module, view).items():
            assert_close(value, expected[name])


@every_variant
def test_state_survives_saving(variant: Variant) -> None:
    """A fresh node with the saved state is the fitted node, frozen or trainable, as a buffer or a parameter."""
    for prepared in (False, True):
        module, fresh = variant.fitted(), variant.build()
        if prepared:
            module.prepare_for_train()
        fresh.load_state_dict(module.state_dict())
        assert fresh.fitted
        expected = outputs(module, variant.cube())
        for name, value in outputs(fresh, variant.cube()).items():
            assert_close(value, expected[name], 1e-6)


@every_variant
def test_an_unfitted_state_does_not_count_as_fitted(variant: Variant) -> None:
    saved, fresh = variant.build(), variant.build()
    fresh.load_state_dict(saved.state_dict())
    instance = fresh.node("node")
    assert not (instance.fitted and instance.requires_initial_fit)


@every_variant
def test_gradients(variant: Variant) -> None:
    """Phase 2 moves the trainable state of a trainable node, all of it, and nothing else."""
    module = variant.fitted()
    instance = module.train().node("node")
    module.prepare_for_train()
    trainable = {
        name
        for name, state in instance.declaration.state.items()
        if state.trainable and instance.is_trainable
    }
    parameters = dict(instance.named_parameters())
    assert set(parameters) == trainable
    declared = {name: state.type.partition("[")[0] for name, state in instance.declaration.state.items()}
    assert all(value.dtype == getattr(torch, declared[name]) for name, value in parameters.items())
    cube = torch.from_numpy(variant.cube()).requires_grad_()
    if not trainable:
        return
    moving = [value for name, value in module(cube).items() if name != "input.cube" and value.requires_grad]
    sum((value * torch.linspace(-1, 1, value.shape[-1])).square().sum() for value in moving).backward()
    for name, parameter in parameters.items():
        assert parameter.grad is not None, f"no gradient reaches {name}"
        assert torch.isfinite(parameter.grad).all()
    assert all(not isinstance(value, nn.Parameter) for name, value in instance.named_buffers())


@every_variant
def test_preparing_for_training_changes_nothing(variant: Variant) -> None:
    module, cube = variant.fitted(), variant.cube()
    before = outputs(module, cube)
    module.prepare_for_train()
    module.prepare_for_train()
    for name, value in outputs(module, cube).items():
        np.testing.assert_array_equal(value, before[name])


@every_variant
def test_asked_before_phase_1(variant: Variant) -> None:
    """A node without its statistics says so; it never falls back to anything in silence."""
    module = variant.build()
    instance: Any = module.node("node")
    if not instance.requires_initial_fit:
        return
    assert not module.fitted
    with pytest.raises(NotFittedError) as caught:
        module(torch.from_numpy(variant.cube()))
    assert str(caught.value) == (
        f"{variant.cls.__name__} has not been fitted: run phase 1 (`cuvisc train`, `graph.train`) "
        "before asking for its output"
    )
