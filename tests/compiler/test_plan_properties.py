"""Over random graphs: every statistic follows from what was measured in time, and no plan has fewer passes.

The oracle knows nothing of the planner's method. It plays phase 1 pass by pass, measures in each pass everything that
can be computed by then, and solves whatever follows; nobody needs fewer passes than somebody who measures everything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from hypothesis import given, settings
from hypothesis import strategies as st
from small_language import checked

from cuvisc.compiler.graph import INPUT, TypedGraph, TypedNode, ValueRef
from cuvisc.compiler.plan import Pass, Tap, plan_statistics

CARRIERS = {"extrema": {"diagonal"}, "moments": {"diagonal", "affine"}}
TYPES = ("MinMax", "PCA, n_components: 1", "RX", "Gain", "Mix", "Blur", "Pair")


@st.composite
def graphs(draw: st.DrawFn) -> TypedGraph:
    """Up to ten nodes, each reading any earlier values, several joined on most inputs."""
    values = ["input"]
    lines = []
    for index in range(draw(st.integers(1, 10))):
        kind = draw(st.sampled_from(TYPES))
        parents = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True))
        if kind == "Pair":
            edges = f"inputs: {{first: {parents[0]}, second: {draw(st.sampled_from(values))}}}"
        else:
            edges = f"parent: [{', '.join(parents)}]"
        lines.append(f"  n{index}: {{type: {kind}, {edges}}}")
        values += [f"n{index}", f"n{index}.rest"] if kind == "Mix" else [f"n{index}"]
    return checked("\n".join(["nodes:", *lines]))


def needed(node: TypedNode) -> tuple[str, list[ValueRef]] | None:
    """Statistic and values that a node needs."""
    if node.statistics is None:
        return None
    return node.statistics["kind"], [value for port in node.statistics["of"] for value in node.inputs[port]]


def follows(
    graph: TypedGraph, kind: str, value: ValueRef, measured: Collection[ValueRef], solved: Collection[str]
) -> bool:
    """Whether a statistic of a value follows from measured ones through solved nodes that carry it."""
    if value in measured:
        return True
    if value == INPUT:
        return False
    node = graph.by_id[value.node]
    return (
        value.port == next(iter(node.outputs))
        and node.mapping in CARRIERS[kind]
        and len(node.inputs) == 1
        and (node.statistics is None or node.id in solved)
        and all(follows(graph, kind, read, measured, solved) for read in node.reads())
    )


def computable(graph: TypedGraph, solved: Collection[str]) -> set[ValueRef]:
    """Every value that can be computed while these nodes are solved."""
    found = {INPUT}
    for node in graph.nodes:
        if (node.statistics is None or node.id in solved) and found.issuperset(node.reads()):
            found.update(ValueRef(node.id, port) for port in node.outputs)
    return found


def fewest_passes(graph: TypedGraph) -> int:
    """The passes of somebody who measures everything, jointly, in every pass."""
    to_solve = {node.id for node in graph.nodes if node.statistics is not None}
    solved: set[str] = set()
    passes = 0
    while to_solve - solved:
        passes += 1
        measured = computable(graph, solved)
        for node in graph.nodes:
            need = needed(node)
            if need is not None and all(follows(graph, need[0], v, measured, solved) for v in need[1]):
                solved.add(node.id)
    return passes


@given(graphs())
@settings(max_examples=300)
def test_no_plan_has_fewer_passes(graph: TypedGraph) -> None:
    """The number of passes is the least there can be."""
    assert len(plan_statistics(graph).passes) == fewest_passes(graph)


@given(graphs())
@settings(max_examples=300)
def test_every_statistic_follows_from_what_was_measured_in_time(graph: TypedGraph) -> None:
    """Taps are computable when they are read, every node is solved once, moments come from one tap."""
    plan = plan_statistics(graph)
    solved: list[str] = []
    for index, step in enumerate(plan.passes):
        available = computable(graph, solved)
        assert all(available.issuperset(tap.parts) for tap in step.taps)
        assert step.solves
        for name in step.solves:
            need = needed(graph.by_id[name])
            assert need is not None
            kind, values = need
            taps = [(at, tap) for at, tap in taps_until(plan.passes, index) if kind in tap.kinds]
            if kind == "moments":
                assert any(all(follows(graph, kind, v, tap.parts, solved) for v in values) for _, tap in taps)
            else:
                measured = {part for _, tap in taps for part in tap.parts}
                assert all(follows(graph, kind, v, measured, solved) for v in values)
            sources = plan.sources[name]
            assert all(
                (source.index, source.tap) in taps and source.of == tuple(values) for source in sources
            )
            reached = {part for source in sources for part in source.tap.parts}
            assert all(follows(graph, kind, v, reached, solved) for v in values)
            assert len(sources) == 1 or kind == "extrema"
            solved.append(name)
    assert sorted(solved) == sorted(node.id for node in graph.nodes if node.statistics is not None)


@given(graphs())
def test_the_cube_itself_is_always_measured(graph: TypedGraph) -> None:
    """Whatever nodes ask for, the first pass measures the cube; and planning is deterministic."""
    plan = plan_statistics(graph)
    assert plan == plan_statistics(graph)
    if plan.passes:
        first = plan.passes[0].taps[0]
        assert (first.parts, first.kinds) == ((INPUT,), {"extrema", "moments"})


def taps_until(passes: tuple[Pass, ...], index: int) -> Iterator[tuple[int, Tap]]:
    for at, step in enumerate(passes[: index + 1]):
        for tap in step.taps:
            yield at, tap
