"""Rewriting never changes what is computed: any graph of maps, before and after every pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from fitted_graphs import moments, run_onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import record

from cuvisc.compiler.backends.onnx_model import generate_onnx
from cuvisc.compiler.backends.torch_program import ProgramModule
from cuvisc.compiler.ir import Program, verify
from cuvisc.compiler.lowering import PASSES
from cuvisc.compiler.passes.certify_affine import certify_affine
from cuvisc.compiler.passes.fold_constants import fold_constants
from cuvisc.compiler.passes.fold_decisions import fold_decisions
from cuvisc.compiler.passes.fuse_affine import fuse_affine
from cuvisc.compiler.passes.hoist_selection import hoist_selection
from cuvisc.language import ops

BANDS = 5


@dataclass(frozen=True)
class Step:
    """One op of a random program: what it is and which earlier values it reads."""

    kind: str
    reads: int
    seed: int


KINDS = ("scalar", "diagonal", "full", "narrow", "identity", "select", "norm", "concat", "sigmoid", "decide")
STEPS = st.lists(
    st.builds(Step, st.sampled_from(KINDS), st.integers(0, 3), st.integers(0, 2**16)), min_size=1, max_size=8
)


def bands(x: Any) -> int:
    return int(x.type.dims[-1])


def apply(step: Step, x: Any, other: Any) -> Any:
    random, width = np.random.default_rng(step.seed), bands(x)
    center = random.standard_normal(width if step.seed % 2 else 1)
    if step.kind == "scalar":
        return ops.affine(x, random.uniform(0.5, 2) * (-1) ** step.seed, center=center[0])
    if step.kind == "diagonal":
        return ops.affine(
            x, random.standard_normal(width), center=center, offset=random.standard_normal(width)
        )
    if step.kind in ("full", "narrow"):
        shape = (width, width if step.kind == "full" else max(1, width // 2))
        return ops.affine(x, random.standard_normal(shape), center=center, offset=0.5)
    if step.kind == "select":
        return ops.gather_bands(x, random.integers(0, width, 1 + step.seed % width).tolist())
    if step.kind == "concat":
        return ops.concat([x, other])
    return {
        "identity": lambda: ops.affine(x, 1.0, center=0.25, offset=0.25),
        "norm": lambda: ops.squared_norm(x),
        "sigmoid": lambda: ops.sigmoid(x),
        "decide": lambda: ops.at_least(x, 0.25, setting=f"t{step.seed}"),
    }[step.kind]()


def program_of(steps: list[Step], shown: list[int]) -> Program:
    """A random straight-line program with branches; settings are named once, decisions are never read.

    After two squared norms a third would leave the range of float32: it becomes a sigmoid.
    """

    def body(cube: Any) -> dict[str, Any]:
        values = [cube]
        for index, step in enumerate(steps):
            numbers = [value for value in values if value.type.dtype == "float32"]
            x, other = numbers[-1 - step.reads % len(numbers)], numbers[-1]
            norms = sum(earlier.kind == "norm" for earlier in steps[:index])
            kind = "sigmoid" if step.kind == "norm" and norms > 1 else step.kind
            unique = Step(kind, step.reads, step.seed * 10 + index)
            values.append(apply(unique, x, other))
        wanted = {index % len(values) for index in shown} | {len(values) - 1}
        return {f"v{index}": values[index] for index in sorted(wanted)}

    return record(body, BANDS)


CUBE = np.random.default_rng(3).standard_normal((2, 3, 4, BANDS))


def evaluate(program: Program, cube: np.ndarray, dtype: torch.dtype = torch.float64) -> dict[str, np.ndarray]:
    run = ProgramModule(program, dtype)
    return {name: value.numpy() for name, value in run(torch.from_numpy(cube)).items()}


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], tolerance: float) -> None:
    assert list(found) == list(expected)
    for name, value in expected.items():
        if value.dtype == np.bool_:
            assert (found[name] == value).mean() > (0.999 if tolerance < 1e-9 else 0.9)
        else:
            scale = np.abs(value).max()
            np.testing.assert_allclose(found[name], value, rtol=tolerance, atol=tolerance * scale)


@settings(max_examples=300)
@given(STEPS, st.lists(st.integers(0, 8), max_size=3))
def test_every_pass_keeps_every_value(steps: list[Step], shown: list[int]) -> None:
    """In float64, to rounding, whatever the order of maps, selections, branches and outputs."""
    program = program_of(steps, shown)
    expected = evaluate(program, CUBE)
    for rewrite in PASSES:
        program = verify(rewrite(program))
        assert_same(evaluate(program, CUBE), expected, 1e-11)
    centered, _ = certify_affine(program, moments(CUBE))
    assert_same(evaluate(verify(centered), CUBE), expected, 1e-11)


@settings(max_examples=300)
@given(STEPS, st.lists(st.integers(0, 8), max_size=3))
def test_passes_find_everything_at_once(steps: list[Step], shown: list[int]) -> None:
    """A second run of the passes has nothing left to do, and no pass adds operations."""
    program = program_of(steps, shown)
    for rewrite in PASSES:
        program = rewrite(program)
    again = program
    for rewrite in PASSES:
        again = rewrite(again)
    assert [op.op.name for op in again.operations] == [op.op.name for op in program.operations]


@settings(max_examples=300)
@given(STEPS)
def test_fused_float32_and_onnx(steps: list[Step]) -> None:
    """The fused program in float32, and in ONNX Runtime, stays close to the plain one in float64."""
    program = program_of(steps, [])
    expected = evaluate(program, CUBE.astype(np.float32).astype(np.float64))
    for rewrite in PASSES:
        program = rewrite(program)
    assert_same(evaluate(program, CUBE, torch.float32), expected, 2e-4)
    model = generate_onnx(program, "float32", {}).data
    assert_same(run_onnx(model, CUBE.astype(np.float32)), expected, 2e-4)


def operators(program: Program) -> list[str]:
    for rewrite in PASSES:
        program = rewrite(program)
    return [operation.op.name for operation in program.operations]


def full(width: int = BANDS, out: int = BANDS) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((width, out))


def test_a_chain_becomes_one_map() -> None:
    """Normalise, project and whiten are one matrix."""
    chain = record(
        lambda x: ops.squared_norm(
            ops.affine(ops.affine(ops.affine(x, np.ones(BANDS), center=2.0), full(5, 3)), full(3, 3))
        ),
        BANDS,
    )
    assert operators(chain) == ["affine", "squared_norm"]


def test_a_value_that_is_shown_stays() -> None:
    program = record(
        lambda x: (lambda y: {"y": y, "z": ops.affine(y, full())})(ops.affine(x, np.arange(5.0))), BANDS
    )
    assert operators(program) == ["affine", "affine"]


def test_a_normalizer_is_folded_into_both_branches() -> None:
    def body(x: Any) -> dict[str, Any]:
        y = ops.affine(x, np.arange(1.0, 6.0), center=1.0)
        return {"a": ops.squared_norm(ops.affine(y, full())), "b": ops.affine(y, full(5, 2))}

    assert sorted(operators(record(body, BANDS))) == ["affine", "affine", "squared_norm"]


def test_a_projection_is_not_computed_twice() -> None:
    """A map that mixes bands and has two readers is computed once."""

    def body(x: Any) -> dict[str, Any]:
        y = ops.affine(x, full(5, 2))
        return {"a": ops.affine(y, full(2, 2)), "b": ops.affine(y, full(2, 2))}

    assert operators(record(body, BANDS)) == ["affine", "affine", "affine"]


def test_a_bottleneck_is_kept() -> None:
    """Through few components and back is cheaper in two steps than as one full matrix."""
    wide = 40
    program = record(lambda x: ops.affine(ops.affine(x, full(wide, 2)), full(2, wide)), wide)
    assert operators(program) == ["affine", "affine"]


def test_chained_identities_vanish() -> None:
    program = record(
        lambda x: ops.squared_norm(ops.affine(ops.affine(ops.affine(x, 1.0), 1.0, center=3, offset=3), 1.0)),
        BANDS,
    )
    assert [op.op.name for op in fold_constants(program).operations] == ["squared_norm"]


@pytest.mark.parametrize("order", [PASSES, (fuse_affine, fold_constants, fold_decisions, hoist_selection)])
def test_what_nothing_reads_goes(order: tuple[Any, ...]) -> None:
    def body(x: Any) -> Any:
        ops.at_least(ops.affine(x, full()), 0.5, setting="unused")
        return ops.squared_norm(x)

    program = record(body, BANDS)
    for rewrite in order:
        program = verify(rewrite(program))
    assert [op.op.name for op in program.operations] == ["squared_norm"]
    assert program.settings == ()
