"""What a checked graph knows: the type of every value, symbols made numbers, facts settled by parameters."""

from __future__ import annotations

from small_language import SMALL, checked, findings, read_spec, says

from cuvisc.compiler.check import check_graph
from cuvisc.compiler.sizes import Size


def test_types_flow_through_the_graph() -> None:
    """Every value has a type; symbols of a declaration become numbers and symbols of the graph."""
    graph = checked(
        """
        nodes:
          normalizer: {type: MinMax}
          pca: {type: PCA, n_components: 3}
          both: {type: PCA, n_components: 4, parent: [pca, input]}
          local: {type: Local, parent: normalizer}
        """
    )
    assert {str(value): str(graph.port(value)) for value in graph.values()} == {
        "input.cube": "float32[B,H,W,C]",
        "normalizer.normalized": "float32[B,H,W,C]",
        "pca.scores": "float32[B,H,W,3]",
        "both.scores": "float32[B,H,W,4]",
        "local.scores": "float32[B,H,W,1] scores",
        "local.rank": "int32[B,H,W,1]",
    }
    assert str(graph.by_id["both"].input_types["cube"]) == "float32[B,H,W,C+3]"


def test_the_data_may_say_how_many_bands_there_are() -> None:
    """`channels` of the call is used where the spec says nothing."""
    text = "nodes: {rx: {type: RX}}"
    assert str(checked(text, channels=Size(200)).input) == "float32[B,H,W,200]"


def test_the_data_may_contradict_the_spec() -> None:
    text = """
        graph: {input: {channels: 61}}
        nodes: {rx: {type: RX}}
    """
    assert findings(text, channels=Size(200)) == says("""
        graph.yaml:1:27: error[E502]: `graph.input.channels` is 61, but the data has 200 bands
            1 | graph: {input: {channels: 61}}
              |                           ^^ write 200, or leave it out
        1 error
    """)


def test_an_unknown_size_takes_the_first_number_it_meets() -> None:
    """A node for four bands says that the cube has four, also through a sum; a later contradiction is an error."""
    text = """
        nodes:
          classes: {type: Classes, class_count: 4}
          local: {type: Local, parent: input}
    """
    assert str(checked(text).input) == "float32[B,H,W,4]"
    summed = """
        nodes:
          pca: {type: PCA, n_components: 3}
          classes: {type: Classes, class_count: 10, parent: [input, pca]}
    """
    assert str(checked(summed).input) == "float32[B,H,W,7]"
    assert findings("""
        nodes:
          four: {type: Classes, class_count: 4}
          five: {type: Classes, class_count: 5, parent: input}
    """) == says("""
        graph.yaml:3:49: error[E201]: `nodes.five.parent` wants float32[B,H,W,5], got float32[B,H,W,4] from `input.cube`
            3 |   five: {type: Classes, class_count: 5, parent: input}
              |                                                 ^^^^^ set `class_count: 4`
           note: graph.yaml:3:38: the 5 comes from `nodes.five.class_count`
            3 |   five: {type: Classes, class_count: 5, parent: input}
              |                                      ^
           note: graph.yaml:2:38: the 4 comes from `nodes.four.class_count`
            2 |   four: {type: Classes, class_count: 4}
              |                                      ^
        1 error
    """)


def test_facts_are_resolved_by_the_parameters() -> None:
    """Defaults are filled in, and every fact that depends on a parameter is settled."""
    graph = checked(
        "nodes: {pca: {type: PCA, n_components: 3, trainable: true}, head: {type: PCA, n_components: 2}}"
    )
    first, second = graph.nodes
    assert (first.trainable, second.trainable) == (True, False)
    assert second.params == {"trainable": False, "n_components": 2}
    assert first.statistics == {"kind": "moments", "of": ["cube"]}
    assert first.mapping == "affine"
    assert second.dims == {"C": 3, "n_components": 2}


def test_earlier_findings_are_kept_and_do_not_stop_a_sound_graph() -> None:
    """Only its own errors make `check_graph` refuse."""
    spec, diagnostics = read_spec("nodes: {rx: {type: RX}}")
    diagnostics.error("E001", "something else", None)
    assert check_graph(spec, SMALL, diagnostics) is not None
    assert [found.code for found in diagnostics] == ["E001"]


def test_an_older_symbol_of_the_graph_stays() -> None:
    """Where two unknown sizes turn out to be one, it keeps the name that was there first."""
    graph = checked("""
        nodes:
          noise: {type: Source}
          fuse: {type: Fuse, inputs: {first: input, second: noise}}
    """)
    assert str(graph.input) == "float32[B,H,W,C]"
    assert str(graph.by_id["noise"].outputs["noise"]) == "float32[B,H,W,C]"
