"""Types and units: what flows where, and what is said about what does not fit."""

# ruff: noqa: E501 - terminal text is compared line by line, whole

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from small_language import findings, says

import cuvisc.compiler
from cuvisc.schema.codes import CODES


def test_wrong_dtype() -> None:
    """A value of another type is answered with both types and a node that fits."""
    assert findings("""
        nodes:
          normalizer: {type: MinMax}
          local: {type: Local}
          decider: {type: Decider}
          pca:
            type: PCA
            n_components: 3
            inputs: {cube: decider}
    """) == says("""
        graph.yaml:8:20: error[E201]: `nodes.pca.inputs.cube` wants float32[B,H,W,C], got bool[B,H,W,1] from `decider.decisions`
            8 |     inputs: {cube: decider}
              |                    ^^^^^^^ did you mean `normalizer`?  it gives float32[B,H,W,C]
        1 error
    """)


def test_wrong_dtype_by_order() -> None:
    """An edge that nobody wrote is reported where the node begins."""
    assert findings("""
        nodes:
          rx: {type: RX}
          decider: {type: Decider}
          pca: {type: PCA, n_components: 3}
    """) == says("""
        graph.yaml:4:3: error[E201]: `cube` of `nodes.pca` wants float32[B,H,W,C], got bool[B,H,W,1] from `decider.decisions`, which stands before it
            4 |   pca: {type: PCA, n_components: 3}
              |   ^^^ did you mean `input`?  it gives float32[B,H,W,C]
        1 error
    """)


def test_sizes_say_where_they_come_from() -> None:
    """A size that does not fit is traced to who said it."""
    assert findings("""
        graph:
          name: sizes
          input: {channels: 61}
        nodes:
          normalizer: {type: MinMax}
          classes: {type: Classes, class_count: 4}
    """) == says("""
        graph.yaml:6:3: error[E201]: `cube` of `nodes.classes` wants float32[B,H,W,4], got float32[B,H,W,61] from `normalizer.normalized`, which stands before it
            6 |   classes: {type: Classes, class_count: 4}
              |   ^^^^^^^ set `class_count: 61`
           note: graph.yaml:6:41: the 4 comes from `nodes.classes.class_count`
            6 |   classes: {type: Classes, class_count: 4}
              |                                         ^
           note: graph.yaml:3:21: the 61 comes from `graph.input.channels`
            3 |   input: {channels: 61}
              |                     ^^
        1 error
    """)


def test_two_inputs_of_different_size() -> None:
    """One symbol has one size in all inputs of a node."""
    assert findings("""
        graph: {input: {channels: 61}}
        nodes:
          pca: {type: PCA, n_components: 3}
          fuse: {type: Fuse, inputs: {first: input, second: pca}}
    """) == says("""
        graph.yaml:4:53: error[E203]: `nodes.fuse.inputs.second` wants float32[B,H,W,61], got float32[B,H,W,3] from `pca.scores`
            4 |   fuse: {type: Fuse, inputs: {first: input, second: pca}}
              |                                                     ^^^ did you mean `input`?  it gives float32[B,H,W,61]
           note: graph.yaml:4:38: `first` makes C 61
            4 |   fuse: {type: Fuse, inputs: {first: input, second: pca}}
              |                                      ^^^^^
           note: graph.yaml:1:27: the 61 comes from `graph.input.channels`
            1 | graph: {input: {channels: 61}}
              |                           ^^
           note: graph.yaml:3:34: the 3 comes from `nodes.pca.n_components`
            3 |   pca: {type: PCA, n_components: 3}
              |                                  ^
        1 error
    """)


def test_parameter_beyond_the_bands() -> None:
    """A declared relation between a parameter and a size is held."""
    assert findings("""
        graph: {input: {channels: 61}}
        nodes:
          pca: {type: PCA, n_components: 80}
    """) == says("""
        graph.yaml:3:34: error[E204]: `nodes.pca`: PCA needs n_components <= C, but n_components is 80 and C is 61
            3 |   pca: {type: PCA, n_components: 80}
              |                                  ^^ at most 61
           note: graph.yaml:1:27: its 61 comes from `graph.input.channels`
            1 | graph: {input: {channels: 61}}
              |                           ^^
        1 error
    """)


def test_parameter_beyond_the_components_before() -> None:
    """The limit may come from a parameter of another node."""
    assert findings("""
        nodes:
          small: {type: PCA, n_components: 3}
          large: {type: PCA, n_components: 5}
    """) == says("""
        graph.yaml:3:36: error[E204]: `nodes.large`: PCA needs n_components <= C, but n_components is 5 and C is 3
            3 |   large: {type: PCA, n_components: 5}
              |                                    ^ at most 3
           note: graph.yaml:2:36: its 3 comes from `nodes.small.n_components`
            2 |   small: {type: PCA, n_components: 3}
              |                                    ^
        1 error
    """)


def test_logits_for_probabilities() -> None:
    """The help is a parameter of the node itself where one accepts the unit."""
    assert findings("""
        nodes:
          rx: {type: RX}
          head: {type: Head}
          decider: {type: Decider, parent: head}
    """) == says("""
        graph.yaml:4:36: error[E202]: `nodes.decider.parent` wants scores or probabilities, got logits from `head.logits`
            4 |   decider: {type: Decider, parent: head}
              |                                    ^^^^ set `apply_sigmoid: true` to read logits
        1 error
    """)


def test_scores_for_logits() -> None:
    """A parameter that is set wrongly is set back."""
    assert findings("""
        nodes:
          rx: {type: RX}
          decider: {type: Decider, apply_sigmoid: true}
    """) == says("""
        graph.yaml:3:3: error[E202]: `values` of `nodes.decider` wants logits, got scores from `rx.scores`, which stands before it
            3 |   decider: {type: Decider, apply_sigmoid: true}
              |   ^^^^^^^ set `apply_sigmoid: false` to read scores
        1 error
    """)


def test_logits_for_risk() -> None:
    """Else the help is a node that turns one unit into the other."""
    assert findings("""
        nodes:
          rx: {type: RX}
          head: {type: Head}
          risk: {type: Risk}
    """) == says("""
        graph.yaml:4:3: error[E202]: `values` of `nodes.risk` wants probabilities, got logits from `head.logits`, which stands before it
            4 |   risk: {type: Risk}
              |   ^^^^ put `Sigmoid` between: it reads logits and gives probabilities
        1 error
    """)


def test_a_wrong_node_silences_what_reads_it() -> None:
    """One mistake is one error, however much depends on it."""
    assert findings("""
        nodes:
          rx: {type: RX}
          head: {type: Head}
          decider: {type: Decider}
          relabel: {type: Relabel}
          rx2: {type: RX, parent: [relabel, decider]}
        loss_leaves:
          bce: {type: BCE}
        metric_leaves:
          any: {type: Anything, parent: decider}
    """) == says("""
        graph.yaml:4:3: error[E202]: `values` of `nodes.decider` wants scores or probabilities, got logits from `head.logits`, which stands before it
            4 |   decider: {type: Decider}
              |   ^^^^^^^ set `apply_sigmoid: true` to read logits
        1 error
    """)


def test_labels_are_not_joined() -> None:
    """Only cubes of floats are joined along the bands."""
    assert findings("""
        nodes:
          local: {type: Local}
          relabel: {type: Relabel, parent: [local.rank, local.rank]}
    """) == says("""
        graph.yaml:3:37: error[E205]: `nodes.relabel.parent` names 2 values, but `classes` wants int32[B,H,W,1]: only cubes of floats are joined along the bands
            3 |   relabel: {type: Relabel, parent: [local.rank, local.rank]}
              |                                     ^^^^^^^^^^ name one
        1 error
    """)


def test_joined_parts_have_one_dtype() -> None:
    """Every part of a joined cube is a cube."""
    assert findings("""
        nodes:
          local: {type: Local}
          rx: {type: RX, parent: [input, local.rank]}
    """) == says("""
        graph.yaml:3:34: error[E205]: `nodes.rx.parent` joins float32 cubes along the bands, got int32[B,H,W,1] from `local.rank`
            3 |   rx: {type: RX, parent: [input, local.rank]}
              |                                  ^^^^^^^^^^
        1 error
    """)


def test_joined_parts_have_one_unit() -> None:
    """Scores and logits do not go into one cube."""
    assert findings("""
        nodes:
          rx: {type: RX}
          head: {type: Head}
          rx2: {type: RX, parent: [rx, head]}
    """) == says("""
        graph.yaml:4:32: error[E205]: `nodes.rx2.parent` would join scores from `rx.scores` and logits from `head.logits` in one cube
            4 |   rx2: {type: RX, parent: [rx, head]}
              |                                ^^^^ name values of one unit
        1 error
    """)


def test_joined_bands_add_up() -> None:
    """The sum of the bands is what is compared."""
    assert findings("""
        graph: {input: {channels: 61}}
        nodes:
          pca: {type: PCA, n_components: 3}
          classes: {type: Classes, class_count: 61, parent: [pca, input]}
    """) == says("""
        graph.yaml:4:54: error[E201]: `nodes.classes.parent` wants float32[B,H,W,61], got float32[B,H,W,64] from `pca.scores` and `input.cube`
            4 |   classes: {type: Classes, class_count: 61, parent: [pca, input]}
              |                                                      ^^^
           note: graph.yaml:4:41: the 61 comes from `nodes.classes.class_count`
            4 |   classes: {type: Classes, class_count: 61, parent: [pca, input]}
              |                                         ^^
           note: graph.yaml:3:34: the 3 comes from `nodes.pca.n_components`
            3 |   pca: {type: PCA, n_components: 3}
              |                                  ^
           note: graph.yaml:1:27: the 61 comes from `graph.input.channels`
            1 | graph: {input: {channels: 61}}
              |                           ^^
        1 error
    """)


def test_a_target_that_cannot_express_a_node() -> None:
    """What cannot be exported is said before any training; what no output needs is not exported."""
    assert findings("""
        graph: {outputs: [local]}
        nodes:
          local: {type: Local}
          unused: {type: Local, parent: input}
        metric_leaves:
          any: {type: Anything, parent: unused}
    """) == says("""
        graph.yaml:3:3: warning[W401]: `nodes.local`: Local cannot be exported to onnx: it factors a matrix for every image
            3 |   local: {type: Local}
              |   ^^^^^ export to another target, or replace it
        1 warning
    """)


def test_values_that_nobody_reads() -> None:
    """A node without reader, leaf or output is most likely a mistake."""
    assert findings("""
        graph: {outputs: [rx]}
        nodes:
          rx: {type: RX}
          pca: {type: PCA, n_components: 3, parent: input}
    """) == says("""
        graph.yaml:4:3: warning[W301]: `nodes.pca`: nothing reads `pca.scores`
            4 |   pca: {type: PCA, n_components: 3, parent: input}
              |   ^^^ name it in `graph.outputs`, or leave the node out
        1 warning
    """)


def test_training_without_effect() -> None:
    """Losses without weight, without trainable nodes, and trainable nodes without loss."""
    assert findings("""
        nodes:
          pca: {type: PCA, n_components: 3}
          trained: {type: PCA, n_components: 2, trainable: true}
        loss_leaves:
          nothing: {type: Orthogonality, parent: pca, weight: 0}
    """) == says("""
        graph.yaml:3:3: warning[W304]: `nodes.trained` is trainable, but no loss depends on it
            3 |   trained: {type: PCA, n_components: 2, trainable: true}
              |   ^^^^^^^ add a loss behind it, or set `trainable: false`
        graph.yaml:5:3: warning[W302]: `loss_leaves.nothing`: nothing to train: no trainable node leads to `pca.scores`
            5 |   nothing: {type: Orthogonality, parent: pca, weight: 0}
              |   ^^^^^^^ set `trainable: true` on `pca`
        graph.yaml:5:55: warning[W303]: `loss_leaves.nothing`: a loss of weight 0 has no effect
            5 |   nothing: {type: Orthogonality, parent: pca, weight: 0}
              |                                                       ^ give it a weight, or leave the loss out
        3 warnings
    """)


def test_a_target_that_is_asked_for_must_express_every_node() -> None:
    """The same fact is an error where the user wants that target."""
    said = findings("nodes: {local: {type: Local}}", targets=["onnx"])
    assert said == says("""
        graph.yaml:1:9: error[E401]: `nodes.local`: Local cannot be exported to onnx: it factors a matrix for every image
            1 | nodes: {local: {type: Local}}
              |         ^^^^^
        1 error
    """)


def test_every_code_can_be_explained() -> None:
    """`cuvisc explain` knows each code that the compiler uses."""
    sources = Path(cuvisc.compiler.__file__).parent.glob("*.py")
    used = {
        code
        for source in sources
        for code in re.findall(r'"([EW]\d{3})"', source.read_text(encoding="utf-8"))
    }
    assert len(used) > 15
    assert used <= set(CODES)


def test_nothing_heavy_is_imported() -> None:
    """A graph is checked, planned and drawn without torch or NumPy."""
    program = (
        "import sys\n"
        "import cuvisc.compiler.graph, cuvisc.compiler.check, cuvisc.compiler.plan, cuvisc.cli.show\n"
        "print(sorted({'torch', 'numpy', 'lightning', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
