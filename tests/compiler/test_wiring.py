"""Wiring: what every edge means, and what is said about one that means nothing."""

# ruff: noqa: E501 - terminal text is compared line by line, whole

from __future__ import annotations

from small_language import checked, findings, says


def test_unknown_node() -> None:
    """An unknown reference is answered with the name that was meant."""
    assert findings("""
        nodes:
          normalizer: {type: MinMax}
          pca: {type: PCA, n_components: 3, parent: normaliser}
    """) == says("""
        graph.yaml:3:45: error[E301]: `nodes.pca.parent` refers to `normaliser`, which is not a node of this graph
            3 |   pca: {type: PCA, n_components: 3, parent: normaliser}
              |                                             ^^^^^^^^^^ did you mean `normalizer`?
        1 error
    """)


def test_unknown_node_without_a_close_name() -> None:
    """Where no name is close, the names there are are listed."""
    assert findings("""
        nodes:
          normalizer: {type: MinMax}
          rx: {type: RX, inputs: {cube: qqq}}
    """) == says("""
        graph.yaml:3:33: error[E301]: `nodes.rx.inputs.cube` refers to `qqq`, which is not a node of this graph
            3 |   rx: {type: RX, inputs: {cube: qqq}}
              |                                 ^^^ there are `input`, `normalizer` and `rx`
        1 error
    """)


def test_reference_to_a_leaf() -> None:
    """A leaf is named for what it is, not called unknown."""
    assert findings("""
        nodes:
          pca: {type: PCA, n_components: 3}
          rx: {type: RX, parent: orthogonality}
        loss_leaves:
          orthogonality: {type: Orthogonality}
    """) == says("""
        graph.yaml:3:26: error[E301]: `nodes.rx.parent` refers to `orthogonality`, which is a leaf (`loss_leaves.orthogonality`): leaves look at nodes and give nothing
            3 |   rx: {type: RX, parent: orthogonality}
              |                          ^^^^^^^^^^^^^ there are `input`, `pca` and `rx`
        1 error
    """)


def test_unknown_output_port() -> None:
    """An output that does not exist is answered with the one that does."""
    assert findings("""
        nodes:
          rx: {type: RX}
          head: {type: Head, parent: rx.score}
          odd: {type: RX, parent: input.cubes}
    """) == says("""
        graph.yaml:3:30: error[E302]: `nodes.head.parent` refers to `rx.score`, but `rx` (RX) has no output `score`
            3 |   head: {type: Head, parent: rx.score}
              |                              ^^^^^^^^ did you mean `rx.scores`?
        graph.yaml:4:27: error[E302]: `nodes.odd.parent` refers to `input.cubes`, but `input` has no output `cubes`
            4 |   odd: {type: RX, parent: input.cubes}
              |                           ^^^^^^^^^^^ did you mean `input.cube`?
        2 errors
    """)


def test_unknown_input_port() -> None:
    """An input that does not exist is reported once, not again as the one left open."""
    assert findings("""
        nodes:
          normalizer: {type: MinMax}
          fuse: {type: Fuse, inputs: {first: normalizer, secnd: input}}
    """) == says("""
        graph.yaml:3:50: error[E302]: `nodes.fuse.inputs.secnd`: Fuse has no input `secnd`
            3 |   fuse: {type: Fuse, inputs: {first: normalizer, secnd: input}}
              |                                                  ^^^^^ did you mean `second`?
        1 error
    """)


def test_ports_left_open() -> None:
    """Every input needs a value, however the edges are written."""
    assert findings("""
        nodes:
          normalizer: {type: MinMax}
          by_order: {type: Fuse}
          by_name: {type: Fuse, inputs: {second: normalizer}}
    """) == says("""
        graph.yaml:3:3: error[E304]: `nodes.by_order` leaves `first` and `second` of Fuse open
            3 |   by_order: {type: Fuse}
              |   ^^^^^^^^ say what each input reads: `inputs: {first: …, second: …}`
        graph.yaml:4:25: error[E304]: `nodes.by_name` leaves `first` of Fuse open
            4 |   by_name: {type: Fuse, inputs: {second: normalizer}}
              |                         ^^^^^^ say what each input reads: `inputs: {first: …, second: normalizer}`
        2 errors
    """)


def test_parent_of_a_node_with_several_inputs() -> None:
    """`parent` feeds one input; the help writes the `inputs` that would do."""
    assert findings("""
        nodes:
          normalizer: {type: MinMax}
          fuse: {type: Fuse, parent: [input, normalizer]}
    """) == says("""
        graph.yaml:3:22: error[E309]: `nodes.fuse.parent`: Fuse has the inputs `first` and `second`, and `parent` does not say which
            3 |   fuse: {type: Fuse, parent: [input, normalizer]}
              |                      ^^^^^^ write `inputs: {first: input, second: normalizer}`
        1 error
    """)


def test_parent_and_inputs() -> None:
    """Edges are written one way or the other."""
    assert findings("""
        nodes:
          rx: {type: RX, parent: input, inputs: {cube: input}}
    """) == says("""
        graph.yaml:2:18: error[E308]: `nodes.rx` has both `parent` and `inputs`
            2 |   rx: {type: RX, parent: input, inputs: {cube: input}}
              |                  ^^^^^^ keep one of the two
        1 error
    """)


def test_parent_of_a_source() -> None:
    """A node that reads nothing has no parent."""
    assert findings("""
        nodes:
          rx: {type: RX}
          source: {type: Source, parent: rx}
    """) == says("""
        graph.yaml:3:26: error[E312]: `nodes.source.parent`: Source reads nothing
            3 |   source: {type: Source, parent: rx}
              |                          ^^^^^^ leave it out
        1 error
    """)


def test_a_node_reading_itself() -> None:
    """A node cannot wait for itself."""
    assert findings("""
        nodes:
          rx: {type: RX, parent: rx}
    """) == says("""
        graph.yaml:2:26: error[E303]: `nodes.rx.parent` reads `rx`, the node itself
            2 |   rx: {type: RX, parent: rx}
              |                          ^^ name another node; without a `parent` a node reads the one before it
        1 error
    """)


def test_a_circle_is_named_whole() -> None:
    """A circle is reported once, with every edge, and what hangs on it stays silent."""
    assert findings("""
        nodes:
          first: {type: MinMax, parent: third.normalized}
          second: {type: MinMax}
          third: {type: MinMax, inputs: {cube: second}}
          decider: {type: Decider, parent: third}
          classes: {type: Relabel, parent: decider}
    """) == says("""
        graph.yaml:2:33: error[E303]: 3 nodes wait for each other: `first` → `second` → `third` → `first`
            2 |   first: {type: MinMax, parent: third.normalized}
              |                                 ^^^^^^^^^^^^^^^^ here `first` reads `third`
           note: graph.yaml:4:40: `third` reads `second`
            4 |   third: {type: MinMax, inputs: {cube: second}}
              |                                        ^^^^^^
           note: graph.yaml:3:3: `second` reads `first`, declared before it
            3 |   second: {type: MinMax}
              |   ^^^^^^
        1 error
    """)


def test_two_circles() -> None:
    """Every circle is reported."""
    assert findings("""
        nodes:
          a: {type: MinMax, parent: b}
          b: {type: MinMax, parent: a}
          c: {type: MinMax, parent: d}
          d: {type: MinMax, parent: c}
    """) == says("""
        graph.yaml:2:29: error[E303]: 2 nodes wait for each other: `a` → `b` → `a`
            2 |   a: {type: MinMax, parent: b}
              |                             ^ here `a` reads `b`
           note: graph.yaml:3:29: `b` reads `a`
            3 |   b: {type: MinMax, parent: a}
              |                             ^
        graph.yaml:4:29: error[E303]: 2 nodes wait for each other: `c` → `d` → `c`
            4 |   c: {type: MinMax, parent: d}
              |                             ^ here `c` reads `d`
           note: graph.yaml:5:29: `d` reads `c`
            5 |   d: {type: MinMax, parent: c}
              |                             ^
        2 errors
    """)


def test_input_is_reserved() -> None:
    """No node takes the name of the cube."""
    assert findings("""
        nodes:
          input: {type: RX}
          rx: {type: RX, parent: input}
    """) == says("""
        graph.yaml:2:3: error[E108]: `nodes.input`: the name `input` is taken: it stands for the cube that the graph reads
            2 |   input: {type: RX}
              |   ^^^^^ choose another name
        1 error
    """)


def test_unknown_type() -> None:
    """A graph built in Python hears of a type that is not registered; what reads it is silent."""
    assert findings("""
        nodes:
          rx: {type: RXX}
          head: {type: Head}
    """) == says("""
        graph.yaml:2:14: error[E106]: `nodes.rx`: there is no node type `RXX`
            2 |   rx: {type: RXX}
              |              ^^^ did you mean `RX`?
        1 error
    """)


def test_no_nodes() -> None:
    """An empty graph is refused."""
    assert findings("""
        graph: {name: empty}
        nodes: {}
    """) == says("""
        graph.yaml:2:1: error[E311]: the graph has no nodes
            2 | nodes: {}
              | ^^^^^ add one
        1 error
    """)


def test_outputs() -> None:
    """Outputs are values of nodes, each named once."""
    assert findings("""
        graph: {outputs: [rx, rx.scores, input, rxx]}
        nodes:
          rx: {type: RX}
    """) == says("""
        graph.yaml:1:23: error[E310]: `graph.outputs` names `rx.scores`, a second time
            1 | graph: {outputs: [rx, rx.scores, input, rxx]}
              |                       ^^^^^^^^^ leave it out
        graph.yaml:1:34: error[E310]: `graph.outputs` names `input.cube`, the cube that the graph reads
            1 | graph: {outputs: [rx, rx.scores, input, rxx]}
              |                                  ^^^^^ leave it out
        graph.yaml:1:41: error[E301]: `graph.outputs` refers to `rxx`, which is not a node of this graph
            1 | graph: {outputs: [rx, rx.scores, input, rxx]}
              |                                         ^^^ did you mean `rx`?
        3 errors
    """)


def test_no_outputs() -> None:
    """A list of outputs names at least one."""
    assert findings("""
        graph: {outputs: []}
        nodes:
          rx: {type: RX}
    """) == says("""
        graph.yaml:1:18: error[E310]: `graph.outputs` names no output
            1 | graph: {outputs: []}
              |                  ^^ leave it out, or name one
        1 error
    """)


def test_all_errors_at_once() -> None:
    """Independent errors are all reported, in the order of the text, and nothing else is."""
    assert findings("""
        nodes:
          normalizer: {type: MinMax}
          fuse: {type: Fuse, inputs: {first: normalizer, secnd: normalizer}}
          rx: {type: RX, parent: fuse}
          head: {type: Head, parent: rxx}
          decider: {type: Decider}
    """) == says("""
        graph.yaml:3:50: error[E302]: `nodes.fuse.inputs.secnd`: Fuse has no input `secnd`
            3 |   fuse: {type: Fuse, inputs: {first: normalizer, secnd: normalizer}}
              |                                                  ^^^^^ did you mean `second`?
        graph.yaml:5:30: error[E301]: `nodes.head.parent` refers to `rxx`, which is not a node of this graph
            5 |   head: {type: Head, parent: rxx}
              |                              ^^^ did you mean `rx`?
        2 errors
    """)


def test_edges_follow_the_order_of_declaration() -> None:
    """The first node reads the cube, every other the first output of the one before it, unless it says otherwise."""
    graph = checked("""
        nodes:
          normalizer: {type: MinMax}
          local: {type: Local}
          head: {type: Head}
          pca: {type: PCA, n_components: 3, parent: normalizer}
    """)
    reads = {node.id: [str(value) for value in node.reads()] for node in graph.nodes}
    assert reads == {
        "normalizer": ["input.cube"],
        "local": ["normalizer.normalized"],
        "head": ["local.scores"],
        "pca": ["normalizer.normalized"],
    }


def test_nodes_are_sorted_by_what_they_read() -> None:
    """A node may be declared before what it reads; otherwise the order of declaration is kept."""
    graph = checked("""
        nodes:
          fuse: {type: Fuse, inputs: {first: b, second: a}}
          a: {type: MinMax, parent: input}
          c: {type: MinMax, parent: input}
          b: {type: MinMax, parent: a}
    """)
    assert [node.id for node in graph.nodes] == ["a", "c", "b", "fuse"]


def test_default_outputs_are_those_of_every_sink() -> None:
    """Without `graph.outputs`, every output of every node that no node reads leaves the graph; leaves do not count."""
    graph = checked("""
        nodes:
          normalizer: {type: MinMax}
          local: {type: Local}
          pca: {type: PCA, n_components: 3, parent: normalizer}
        metric_leaves:
          any: {type: Anything, parent: pca}
    """)
    assert [str(value) for value in graph.outputs] == ["local.scores", "local.rank", "pca.scores"]


def test_diamonds_are_graphs() -> None:
    """A value may be read twice, and meet itself again."""
    graph = checked("""
        nodes:
          normalizer: {type: MinMax}
          left: {type: MinMax, parent: normalizer}
          right: {type: MinMax, parent: normalizer}
          fuse: {type: Fuse, inputs: {second: left, first: right}}
    """)
    fuse = graph.by_id["fuse"]
    assert {port: [str(value) for value in values] for port, values in fuse.inputs.items()} == {
        "first": ["right.normalized"],
        "second": ["left.normalized"],
    }
    assert list(fuse.inputs) == ["first", "second"]


def test_several_parents_keep_their_order() -> None:
    """Several parents are joined along the bands in the order in which they are written."""
    graph = checked("""
        graph: {input: {channels: 61}}
        nodes:
          pca: {type: PCA, n_components: 3}
          rx: {type: RX, parent: [pca, input]}
    """)
    rx = graph.by_id["rx"]
    assert [str(value) for value in rx.reads()] == ["pca.scores", "input.cube"]
    assert str(rx.input_types["cube"]) == "float32[B,H,W,64]"
    assert rx.dims == {"C": 64}


def test_live_nodes_are_those_an_output_depends_on() -> None:
    """What no output needs is not exported."""
    graph = checked("""
        graph: {outputs: [rx]}
        nodes:
          normalizer: {type: MinMax}
          pca: {type: PCA, n_components: 3}
          rx: {type: RX, parent: normalizer}
        metric_leaves:
          any: {type: Anything, parent: pca}
    """)
    assert graph.live == {"normalizer", "rx"}


def test_large_graphs_are_sorted_quickly_enough_to_be_checked() -> None:
    """Wiring does not recurse and does not grow with the square of the graph: a chain declared backwards is fine."""
    count = 2000
    lines = [f"  n{index}: {{type: MinMax, parent: n{index + 1}}}" for index in range(count)]
    graph = checked("\n".join(["nodes:", *lines, f"  n{count}: {{type: MinMax, parent: input}}"]))
    assert [node.id for node in graph.nodes] == [f"n{index}" for index in range(count, -1, -1)]
