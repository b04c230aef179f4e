"""Leaves: the node each looks at, and what is said where that is unclear."""

# ruff: noqa: E501 - terminal text is compared line by line, whole

from __future__ import annotations

from small_language import checked, findings, says


def test_no_node_for_a_leaf() -> None:
    """A leaf without a node it can stand on says what it looks for, and which types would do."""
    assert findings("""
        nodes:
          rx: {type: RX}
        loss_leaves:
          orthogonality: {type: Orthogonality}
          bce: {type: BCE}
    """) == says("""
        graph.yaml:4:3: error[E305]: `loss_leaves.orthogonality` finds no node to stand on: Orthogonality looks at nodes of type PCA
            4 |   orthogonality: {type: Orthogonality}
              |   ^^^^^^^^^^^^^ it stands on nodes of type `PCA`
        graph.yaml:5:3: error[E305]: `loss_leaves.bce` finds no node to stand on: BCE wants float32[B,H,W,1] in logits
            5 |   bce: {type: BCE}
              |   ^^^ it stands on nodes of type `Head`
        2 errors
    """)


def test_several_nodes_for_a_leaf() -> None:
    """A leaf that could stand on several nodes takes none of them."""
    assert findings("""
        nodes:
          rx: {type: RX}
          head: {type: Head}
        metric_leaves:
          statistics: {type: ScoreStatistics}
    """) == says("""
        graph.yaml:5:3: error[E306]: `metric_leaves.statistics` could stand on `rx` and `head`
            5 |   statistics: {type: ScoreStatistics}
              |   ^^^^^^^^^^ say which, such as `parent: head`
        1 error
    """)


def test_leaf_on_a_node_of_another_type() -> None:
    """A leaf on the wrong type of node names the right one."""
    assert findings("""
        nodes:
          pca: {type: PCA, n_components: 3}
          rx: {type: RX}
        loss_leaves:
          orthogonality: {type: Orthogonality, parent: rx}
        training: {trainer: {max_epochs: 0}}
    """) == says("""
        graph.yaml:5:48: error[E307]: `loss_leaves.orthogonality` cannot stand on `rx.scores`: Orthogonality looks at nodes of type PCA, and this is of type RX
            5 |   orthogonality: {type: Orthogonality, parent: rx}
              |                                                ^^ did you mean `pca`?
        1 error
    """)


def test_leaf_on_another_unit() -> None:
    """A loss on logits does not stand on scores."""
    assert findings("""
        nodes:
          rx: {type: RX}
          head: {type: Head}
        loss_leaves:
          bce: {type: BCE, parent: rx}
    """) == says("""
        graph.yaml:5:28: error[E307]: `loss_leaves.bce` cannot stand on `rx.scores`: BCE wants logits, and it is scores
            5 |   bce: {type: BCE, parent: rx}
              |                            ^^ did you mean `head`?
        1 error
    """)


def test_leaf_on_another_type() -> None:
    """A leaf on the wrong shape says both types."""
    assert findings("""
        graph: {input: {channels: 61}}
        nodes:
          normalizer: {type: MinMax}
        metric_leaves:
          statistics: {type: ScoreStatistics, parent: normalizer.normalized}
    """) == says("""
        graph.yaml:5:47: error[E307]: `metric_leaves.statistics` cannot stand on `normalizer.normalized`: ScoreStatistics wants float32[B,H,W,1], and it is float32[B,H,W,61]
            5 |   statistics: {type: ScoreStatistics, parent: normalizer.normalized}
              |                                               ^^^^^^^^^^^^^^^^^^^^^ it stands on nodes of type `Head`, `Local` and `RX`
        1 error
    """)


def test_leaf_on_the_cube() -> None:
    """A leaf looks at a node."""
    assert findings("""
        nodes:
          normalizer: {type: MinMax}
        metric_leaves:
          any: {type: Anything, parent: input}
    """) == says("""
        graph.yaml:4:33: error[E307]: `metric_leaves.any` cannot stand on `input.cube`: a leaf looks at a node, not at the cube that the graph reads
            4 |   any: {type: Anything, parent: input}
              |                                 ^^^^^ did you mean `normalizer`?
        1 error
    """)


def test_leaf_on_an_unknown_node() -> None:
    """The parent of a leaf is a reference like any other."""
    assert findings("""
        nodes:
          normalizer: {type: MinMax}
        metric_leaves:
          any: {type: Anything, parent: normaliser}
    """) == says("""
        graph.yaml:4:33: error[E301]: `metric_leaves.any.parent` refers to `normaliser`, which is not a node of this graph
            4 |   any: {type: Anything, parent: normaliser}
              |                                 ^^^^^^^^^^ did you mean `normalizer`?
        1 error
    """)


def test_leaf_of_an_unknown_type() -> None:
    """A leaf built in Python hears of a type that is not registered."""
    assert findings("""
        nodes:
          normalizer: {type: MinMax}
        metric_leaves:
          any: {type: Anythin}
    """) == says("""
        graph.yaml:4:15: error[E106]: `metric_leaves.any`: there is no metric `Anythin`
            4 |   any: {type: Anythin}
              |               ^^^^^^^ did you mean `Anything`?
        1 error
    """)


def test_leaves_of_a_wrong_node_are_silent() -> None:
    """A leaf whose node is wrong already is passed over, whether or not it names it."""
    assert findings("""
        nodes:
          normalizer: {type: MinMax}
          pca: {type: PCA, n_components: 3, parent: normaliser}
        loss_leaves:
          orthogonality: {type: Orthogonality}
        metric_leaves:
          any: {type: Anything, parent: pca}
    """) == says("""
        graph.yaml:3:45: error[E301]: `nodes.pca.parent` refers to `normaliser`, which is not a node of this graph
            3 |   pca: {type: PCA, n_components: 3, parent: normaliser}
              |                                             ^^^^^^^^^^ did you mean `normalizer`?
        1 error
    """)


def test_a_leaf_takes_the_one_node_it_can_stand_on() -> None:
    """Type, state, shape and unit of a node say whether a leaf can stand on it."""
    graph = checked("""
        nodes:
          normalizer: {type: MinMax}
          pca: {type: PCA, n_components: 3, trainable: true}
          rx: {type: RX}
          head: {type: Head}
        loss_leaves:
          orthogonality: {type: Orthogonality}
          bce: {type: BCE}
    """)
    assert {leaf.id: str(leaf.parent) for leaf in graph.leaves} == {
        "orthogonality": "pca.scores",
        "bce": "head.logits",
    }
    assert [leaf.params for leaf in graph.leaves] == [{"weight": 1.0}, {"weight": 1.0}]


def test_what_fits_for_certain_goes_before_what_the_data_may_allow() -> None:
    """A cube of unknown width could have one band; a leaf on one band is not attached to it while a better one exists."""
    graph = checked("""
        nodes:
          normalizer: {type: MinMax}
          rx: {type: RX}
        metric_leaves:
          statistics: {type: ScoreStatistics}
    """)
    assert [str(leaf.parent) for leaf in graph.leaves] == ["rx.scores"]
