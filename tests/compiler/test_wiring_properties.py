"""Over random texts, right and wrong: the compiler always answers, and a graph it accepts is a graph."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from small_language import DEFINITIONS, SMALL, check, read_spec

from cuvisc.compiler.check import check_graph
from cuvisc.compiler.graph import INPUT, ValueRef
from cuvisc.compiler.plan import plan_statistics
from cuvisc.compiler.views.mermaid import draw_mermaid
from cuvisc.compiler.views.summary import Summary
from cuvisc.compiler.views.svg import draw_svg
from cuvisc.compiler.views.text import draw_text

NODE_TYPES = [name.removeprefix("node.") for name in DEFINITIONS if name.startswith("node.")]
PORTS = ["cube", "cubes", "first", "second", "values", "scores", "classes"]
REFERENCES = [
    "input",
    "n0",
    "n1",
    "n2",
    "n3",
    "n4",
    "n5",
    "n0.scores",
    "n1.normalized",
    "n2.rank",
    "input.cube",
    "n9",
]


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A spec of up to six nodes whose edges may or may not make sense, with a few leaves."""
    lines = []
    if draw(st.booleans()):
        outputs = draw(st.lists(st.sampled_from(REFERENCES), max_size=3))
        lines.append(
            f"graph: {{outputs: [{', '.join(outputs)}], input: {{channels: {draw(st.integers(1, 70))}}}}}"
        )
    lines.append("nodes:")
    for index in range(draw(st.integers(1, 6))):
        name = draw(st.sampled_from([*NODE_TYPES * 3, "Nothing"]))
        needs = {"PCA": ", n_components: 3", "Classes": ", class_count: 4"}.get(name, "")
        lines.append(f"  n{index}: {{type: {name}{needs}{draw(edges())}}}")
    for section, types in (
        ("loss_leaves", ["Orthogonality", "BCE"]),
        ("metric_leaves", ["Anything", "Nothing"]),
    ):
        lines.append(f"{section}:" if draw(st.booleans()) else f"{section}: {{}}")
        if lines[-1].endswith(":"):
            parent = draw(
                st.sampled_from(
                    ["", ", parent: n0", ", parent: n1", ", parent: n2.scores", ", parent: input"]
                )
            )
            lines.append(f"  {section[0]}: {{type: {draw(st.sampled_from(types))}{parent}}}")
    return "\n".join(lines)


@st.composite
def edges(draw: st.DrawFn) -> str:
    references = draw(st.lists(st.sampled_from(REFERENCES), max_size=2))
    match draw(st.sampled_from(["order", "order", "order", "parent", "parent", "inputs"])):
        case "parent":
            return f", parent: [{', '.join(references)}]" if references else ""
        case "inputs":
            return f", inputs: {{{', '.join(f'{port}: {ref}' for port, ref in zip(PORTS, references, strict=False))}}}"
    return ""


@given(texts())
@settings(max_examples=200)
def test_the_compiler_always_answers(text: str) -> None:
    """Whatever is written, the answer is a graph or an error, and the same one twice."""
    graph, said = check(text)
    assert (graph is None) == ("error[" in said)
    assert check(text)[1] == said


@given(texts())
@settings(max_examples=200)
def test_a_graph_keeps_its_promises(text: str) -> None:
    """Nodes stand behind what they read, every input of every node is connected and typed, and every view draws it."""
    spec, diagnostics = read_spec(text)
    graph = check_graph(spec, SMALL, diagnostics)
    if graph is None:
        return
    known = {INPUT}
    for node in graph.nodes:
        assert known.issuperset(node.reads())
        assert list(node.inputs) == list(node.input_types) == list(node.entry["inputs"])
        assert list(node.outputs) == list(node.entry["outputs"])
        known.update(ValueRef(node.id, port) for port in node.outputs)
        for port, values in node.inputs.items():
            given = [graph.port(value).type for value in values]
            assert {type_.dtype for type_ in given} == {node.input_types[port].type.dtype}
            if len(values) == 1:
                assert given[0] == node.input_types[port].type
    assert known.issuperset(graph.outputs)
    assert all(leaf.parent in known for leaf in graph.leaves)
    assert {name for step in plan_statistics(graph).passes for name in step.solves} == {
        node.id for node in graph.nodes if node.statistics is not None
    }
    summary = Summary(graph)
    assert all(node.id in draw_text(summary) for node in graph.nodes)
    assert draw_svg(summary).endswith("</svg>")
    assert draw_mermaid(summary)
