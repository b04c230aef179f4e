"""The schema stage finds everything at once, and says it in words, at the key or the value."""

from __future__ import annotations

# Whole terminal lines are compared, and they are as long as they are.
# ruff: noqa: E501
import pytest
from answers import answer

CASES = {
    "choices of a mapping": (
        """
nodes: {rx: {type: RXGlobal}}
training: {optimizer: {scheduler: {name: cosin}}}
""",
        """
s.yaml:2:42: error[E105]: `training.optimizer.scheduler.name` wants one of cosine, none; got text "cosin"
    2 | training: {optimizer: {scheduler: {name: cosin}}}
      |                                          ^^^^^ did you mean `cosine`?
1 error
""",
    ),
    "parameters": (
        """
nodes:
  a: {type: RXGlobal, epss: 1e-6}
  b: {type: RXGlobal, eps: "1e-6", cache_inverse: "yes"}
  c: {type: TrainablePCA, n_components: 3.0}
  d: {type: TrainablePCA, n_components: 0, init: svdd}
  e: {type: TrainablePCA, n_componets: 3}
  f: {type: Labels, ids: 3}
  g: {type: Labels, ids: []}
  h: {type: Labels, ids: [1, two]}
  i: {type: RXGlobal, eps: true, cache_inverse: 1}
  j: {type: RXGlobal, eps: {a: 1}, colour: red}
  k: {type: RXGlobal, eps: }
""",
        """
s.yaml:2:23: error[E101]: `nodes.a.epss`: unknown parameter of RXGlobal
    2 |   a: {type: RXGlobal, epss: 1e-6}
      |                       ^^^^ did you mean `eps`?
s.yaml:3:28: error[E103]: `nodes.b.eps` wants a number > 0, got text "1e-6"
    3 |   b: {type: RXGlobal, eps: "1e-6", cache_inverse: "yes"}
      |                            ^^^^^^ remove the quotes
s.yaml:3:51: error[E103]: `nodes.b.cache_inverse` wants true or false, got text "yes"
    3 |   b: {type: RXGlobal, eps: "1e-6", cache_inverse: "yes"}
      |                                                   ^^^^^ write true
s.yaml:4:41: error[E103]: `nodes.c.n_components` wants a whole number >= 1, got 3.0
    4 |   c: {type: TrainablePCA, n_components: 3.0}
      |                                         ^^^ write 3
s.yaml:5:41: error[E104]: `nodes.d.n_components` wants a whole number >= 1, got 0
    5 |   d: {type: TrainablePCA, n_components: 0, init: svdd}
      |                                         ^
s.yaml:5:50: error[E105]: `nodes.d.init` wants one of random, svd; got text "svdd"
    5 |   d: {type: TrainablePCA, n_components: 0, init: svdd}
      |                                                  ^^^^ did you mean `svd`?
s.yaml:6:27: error[E101]: `nodes.e.n_componets`: unknown parameter of TrainablePCA
    6 |   e: {type: TrainablePCA, n_componets: 3}
      |                           ^^^^^^^^^^^ did you mean `n_components`?
s.yaml:7:26: error[E103]: `nodes.f.ids` wants a list that is not empty, got 3
    7 |   f: {type: Labels, ids: 3}
      |                          ^ write [3]
s.yaml:8:26: error[E104]: `nodes.g.ids` wants a list that is not empty, got an empty list
    8 |   g: {type: Labels, ids: []}
      |                          ^^
s.yaml:9:30: error[E103]: `nodes.h.ids[1]` wants a whole number, got text "two"
    9 |   h: {type: Labels, ids: [1, two]}
      |                              ^^^
s.yaml:10:28: error[E103]: `nodes.i.eps` wants a number > 0, got true
   10 |   i: {type: RXGlobal, eps: true, cache_inverse: 1}
      |                            ^^^^
s.yaml:10:49: error[E103]: `nodes.i.cache_inverse` wants true or false, got 1
   10 |   i: {type: RXGlobal, eps: true, cache_inverse: 1}
      |                                                 ^
s.yaml:11:28: error[E103]: `nodes.j.eps` wants a number > 0, got a mapping
   11 |   j: {type: RXGlobal, eps: {a: 1}, colour: red}
      |                            ^^^^^^
s.yaml:11:36: error[E101]: `nodes.j.colour`: unknown parameter of RXGlobal
   11 |   j: {type: RXGlobal, eps: {a: 1}, colour: red}
      |                                    ^^^^^^ known here: parent, inputs, cache_inverse
s.yaml:12:23: error[E103]: `nodes.k.eps` wants a number > 0, got nothing
   12 |   k: {type: RXGlobal, eps: }
      |                       ^^^
15 errors
""",
    ),
    "types": (
        """
nodes:
  a: {type: RXGlobl}
  b: {_target_: subprocess.Popen}
  c: {type: OrthogonalityLoss}
  d: {_target_: cuvis_ai.anywhere.RXGlobal}
  e: {_target_: old_library.nodes.Rx}
  f: {_target_: other.RXGlobal}
  g: {eps: 1}
  h: {typ: RXGlobal}
  i: {type: RXGlobal, _target_: cuvisc.RXGlobal}
  j: {type: 3}
  k: {type: EarlyStopping}
  l: RXGlobal
  m:
""",
        """
s.yaml:2:13: error[E106]: `nodes.a.type`: there is no node `RXGlobl`
    2 |   a: {type: RXGlobl}
      |             ^^^^^^^ did you mean `RXGlobal`?
s.yaml:3:17: error[E106]: `nodes.b._target_`: there is no node `subprocess.Popen`
    3 |   b: {_target_: subprocess.Popen}
      |                 ^^^^^^^^^^^^^^^^ `cuvisc nodes` lists what there is
s.yaml:4:13: error[E106]: `nodes.c.type`: there is no node `OrthogonalityLoss`
    4 |   c: {type: OrthogonalityLoss}
      |             ^^^^^^^^^^^^^^^^^ `OrthogonalityLoss` is a loss: it belongs under `loss_leaves`
s.yaml:7:17: error[E106]: `nodes.f._target_`: there is no node `other.RXGlobal`
    7 |   f: {_target_: other.RXGlobal}
      |                 ^^^^^^^^^^^^^^ did you mean `RXGlobal`?
s.yaml:8:3: error[E102]: `nodes.g.type` is missing
    8 |   g: {eps: 1}
      |   ^ add `type: …`
s.yaml:9:7: error[E101]: `nodes.h.typ`: unknown key
    9 |   h: {typ: RXGlobal}
      |       ^^^ did you mean `type`?
s.yaml:10:23: error[E101]: `nodes.i` has both `type` and `_target_`
   10 |   i: {type: RXGlobal, _target_: cuvisc.RXGlobal}
      |                       ^^^^^^^^ keep one of them
s.yaml:11:13: error[E103]: `nodes.j.type` wants the name of a node, got 3
   11 |   j: {type: 3}
      |             ^
s.yaml:12:13: error[E106]: `nodes.k.type`: there is no node `EarlyStopping`
   12 |   k: {type: EarlyStopping}
      |             ^^^^^^^^^^^^^ `EarlyStopping` is a callback: it belongs under `training.trainer.callbacks`
s.yaml:13:6: error[E103]: `nodes.l` wants to be a mapping with a `type`, got text "RXGlobal"
   13 |   l: RXGlobal
      |      ^^^^^^^^ write {type: RXGlobal}
s.yaml:14:3: error[E103]: `nodes.m` wants to be a mapping with a `type`, got nothing
   14 |   m:
      |   ^ write {type: …}
11 errors
""",
    ),
    "names": (
        """
nodes:
  input: {type: RXGlobal}
  a.b: {type: RXGlobal}
  1x: {type: RXGlobal}
  "": {type: RXGlobal}
  ok-1_: {type: RXGlobal}
  é: {type: RXGlobal}
loss_leaves:
  a/b: {type: OrthogonalityLoss, wieght: 1}
""",
        """
s.yaml:2:3: error[E108]: `input` cannot name a node
    2 |   input: {type: RXGlobal}
      |   ^^^^^ choose another name: `input` is the cube that the graph reads
s.yaml:3:3: error[E108]: `a.b` cannot name a node
    3 |   a.b: {type: RXGlobal}
      |   ^^^ use letters, digits, `_` and `-`
s.yaml:4:3: error[E108]: `1x` cannot name a node
    4 |   1x: {type: RXGlobal}
      |   ^^ use letters, digits, `_` and `-`
s.yaml:5:3: error[E108]: `` cannot name a node
    5 |   "": {type: RXGlobal}
      |   ^^ use letters, digits, `_` and `-`
s.yaml:7:3: error[E108]: `é` cannot name a node
    7 |   é: {type: RXGlobal}
      |   ^ use letters, digits, `_` and `-`
s.yaml:9:3: error[E108]: `a/b` cannot name a loss
    9 |   a/b: {type: OrthogonalityLoss, wieght: 1}
      |   ^^^ use letters, digits, `_` and `-`
s.yaml:9:34: error[E101]: `loss_leaves.a/b.wieght`: unknown parameter of OrthogonalityLoss
    9 |   a/b: {type: OrthogonalityLoss, wieght: 1}
      |                                  ^^^^^^ did you mean `weight`?
7 errors
""",
    ),
    "newer version": (
        """
version: 2
nodes: []
""",
        """
s.yaml:1:10: error[E107]: the spec is version 2; this cuvisc reads up to version 1
    1 | version: 2
      |          ^ upgrade cuvisc
1 error
""",
    ),
    "sections": (
        """
version: '1'
nodes: []
node: {}
zzz: 1
""",
        """
s.yaml:1:10: error[E103]: `version` wants 1, got text "1"
    1 | version: '1'
      |          ^^^ remove the quotes
s.yaml:2:8: error[E103]: `nodes` wants to be a mapping of names to entries, got an empty list
    2 | nodes: []
      |        ^^ name each node, as in `my_node: {type: …}`
s.yaml:3:1: error[E101]: `node`: unknown section
    3 | node: {}
      | ^^^^ did you mean `nodes`?
s.yaml:4:1: error[E101]: `zzz`: unknown section
    4 | zzz: 1
      | ^^^ known here: defaults, graph, loss_leaves, metric_leaves, visualization_leaves, monitoring, datamodule, training
4 errors
""",
    ),
    "no nodes": (
        """
graph: {name: x}
""",
        """
s.yaml:1:1: error[E102]: `nodes` is missing
    1 | graph: {name: x}
      | ^^^^^^^^^^^^^^^^ add `nodes: …`
1 error
""",
    ),
    "list": (
        """
[1]
""",
        """
s.yaml:1:1: error[E103]: a spec wants to be a mapping of sections, got a list
    1 | [1]
      | ^^^
1 error
""",
    ),
    "text": (
        """
just text
""",
        """
s.yaml:1:1: error[E103]: a spec wants to be a mapping of sections, got text "just text"
    1 | just text
      | ^^^^^^^^^
1 error
""",
    ),
    "graph and training": (
        """
nodes: {rx: {type: RXGlobal}}
graph: {name: '', input: {dtype: uint17, channels: 0, bands: 3}, outputs: []}
training:
  seed: -1
  trainr: {}
  trainer: {max_epochs: 1.5, precision: 32, callbacks: [{type: EarlyStoping}, {type: EarlyStopping, patience: x}, 3, {monitor: y}]}
  optimizer: {name: adamm, lr: 0, scheduler: {name: cosine, factor: 2}}
""",
        """
s.yaml:2:15: error[E104]: `graph.name` wants text that is not empty, got text ""
    2 | graph: {name: '', input: {dtype: uint17, channels: 0, bands: 3}, outputs: []}
      |               ^^
s.yaml:2:34: error[E105]: `graph.input.dtype` wants one of uint16, float32; got text "uint17"
    2 | graph: {name: '', input: {dtype: uint17, channels: 0, bands: 3}, outputs: []}
      |                                  ^^^^^^ did you mean `uint16`?
s.yaml:2:52: error[E104]: `graph.input.channels` wants a whole number >= 1, got 0
    2 | graph: {name: '', input: {dtype: uint17, channels: 0, bands: 3}, outputs: []}
      |                                                    ^
s.yaml:2:55: error[E101]: `graph.input.bands`: unknown key
    2 | graph: {name: '', input: {dtype: uint17, channels: 0, bands: 3}, outputs: []}
      |                                                       ^^^^^ leave it out
s.yaml:2:75: error[E104]: `graph.outputs` wants a list that is not empty, got an empty list
    2 | graph: {name: '', input: {dtype: uint17, channels: 0, bands: 3}, outputs: []}
      |                                                                           ^^
s.yaml:4:9: error[E104]: `training.seed` wants a whole number >= 0, got -1
    4 |   seed: -1
      |         ^^
s.yaml:5:3: error[E101]: `training.trainr`: unknown key
    5 |   trainr: {}
      |   ^^^^^^ did you mean `trainer`?
s.yaml:6:25: error[E103]: `training.trainer.max_epochs` wants a whole number >= 0, got 1.5
    6 |   trainer: {max_epochs: 1.5, precision: 32, callbacks: [{type: EarlyStoping}, {type: EarlyStopping, …
      |                         ^^^
s.yaml:6:41: error[E103]: `training.trainer.precision` wants text, got 32
    6 |   trainer: {max_epochs: 1.5, precision: 32, callbacks: [{type: EarlyStoping}, {type: EarlyStopping, …
      |                                         ^^ write "32"
s.yaml:6:64: error[E106]: `training.trainer.callbacks[0].type`: there is no callback `EarlyStoping`
    6 | …ax_epochs: 1.5, precision: 32, callbacks: [{type: EarlyStoping}, {type: EarlyStopping, patience: x},…
      |                                                    ^^^^^^^^^^^^ did you mean `EarlyStopping`?
s.yaml:6:79: error[E102]: `training.trainer.callbacks[1].monitor` is missing
    6 | … precision: 32, callbacks: [{type: EarlyStoping}, {type: EarlyStopping, patience: x}, 3, {monitor: y…
      |                                                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ add `monitor: …`
s.yaml:6:111: error[E103]: `training.trainer.callbacks[1].patience` wants a whole number, got text "x"
    6 | …e: EarlyStoping}, {type: EarlyStopping, patience: x}, 3, {monitor: y}]}
      |                                                    ^
s.yaml:6:115: error[E103]: `training.trainer.callbacks[2]` wants to be a mapping with a `type`, got 3
    6 | …arlyStoping}, {type: EarlyStopping, patience: x}, 3, {monitor: y}]}
      |                                                    ^ write {type: …}
s.yaml:6:118: error[E102]: `training.trainer.callbacks[3].type` is missing
    6 | …yStoping}, {type: EarlyStopping, patience: x}, 3, {monitor: y}]}
      |                                                    ^^^^^^^^^^^^ add `type: …`
s.yaml:7:21: error[E105]: `training.optimizer.name` wants one of adam, adamw, sgd; got text "adamm"
    7 |   optimizer: {name: adamm, lr: 0, scheduler: {name: cosine, factor: 2}}
      |                     ^^^^^ did you mean `adam`?
s.yaml:7:32: error[E104]: `training.optimizer.lr` wants a number > 0, got 0
    7 |   optimizer: {name: adamm, lr: 0, scheduler: {name: cosine, factor: 2}}
      |                                ^
s.yaml:7:69: error[E104]: `training.optimizer.scheduler.factor` wants a number > 0 and < 1, got 2
    7 |   optimizer: {name: adamm, lr: 0, scheduler: {name: cosine, factor: 2}}
      |                                                                     ^
17 errors
""",
    ),
    "monitors and data": (
        """
nodes: {rx: {type: RXGlobal}}
training: {optimizer: {scheduler: cosin}, trainer: []}
datamodule: {type: Folder}
monitoring: {a: {type: DummyMonitor, enabled: perhaps, output_dir: x}, b: {type: WandB, enabled: false}}
""",
        """
s.yaml:2:35: error[E105]: `training.optimizer.scheduler` wants null, one of cosine, none or a mapping; got text "cosin"
    2 | training: {optimizer: {scheduler: cosin}, trainer: []}
      |                                   ^^^^^ did you mean `cosine`?
s.yaml:2:52: error[E103]: `training.trainer` wants a mapping, got an empty list
    2 | training: {optimizer: {scheduler: cosin}, trainer: []}
      |                                                    ^^
s.yaml:3:1: error[E102]: `datamodule.data_dir` is missing
    3 | datamodule: {type: Folder}
      | ^^^^^^^^^^ add `data_dir: …`
s.yaml:4:47: error[E103]: `monitoring.a.enabled` wants true or false, got text "perhaps"
    4 | monitoring: {a: {type: DummyMonitor, enabled: perhaps, output_dir: x}, b: {type: WandB, enabled: fal…
      |                                               ^^^^^^^
s.yaml:4:82: error[E106]: `monitoring.b.type`: there is no monitor `WandB`
    4 | …itor, enabled: perhaps, output_dir: x}, b: {type: WandB, enabled: false}}
      |                                                    ^^^^^ `cuvisc nodes` lists what there is
5 errors
""",
    ),
    "alternatives": (
        """
nodes: {rx: {type: RXGlobal}}
training: {optimizer: {scheduler: 3}, trainer: {callbacks: {type: x}}}
""",
        """
s.yaml:2:35: error[E103]: `training.optimizer.scheduler` wants null, one of cosine, none or a mapping, got 3
    2 | training: {optimizer: {scheduler: 3}, trainer: {callbacks: {type: x}}}
      |                                   ^
s.yaml:2:60: error[E103]: `training.trainer.callbacks` wants a list, got a mapping
    2 | training: {optimizer: {scheduler: 3}, trainer: {callbacks: {type: x}}}
      |                                                            ^^^^^^^^^
2 errors
""",
    ),
    "parents": (
        """
nodes:
  a: {type: RXGlobal}
  b: {type: RXGlobal, parent: [a, 3, .x]}
  e: {type: RXGlobal, parent: }
""",
        """
s.yaml:3:35: error[E103]: `nodes.b.parent[1]` wants text that is not empty, got 3
    3 |   b: {type: RXGlobal, parent: [a, 3, .x]}
      |                                   ^ write "3"
s.yaml:4:23: error[E103]: `nodes.e.parent` wants text that is not empty or a list that is not empty, got nothing
    4 |   e: {type: RXGlobal, parent: }
      |                       ^^^^^^
2 errors
""",
    ),
    "references": (
        """
nodes:
  a: {type: RXGlobal, parent: rx.scores.first}
  b: {type: RXGlobal, parent: [a, .x]}
  d: {type: RXGlobal, inputs: {cube: a b}}
graph: {outputs: [a, "a..b"]}
""",
        """
s.yaml:2:31: error[E109]: `nodes.a.parent`: `rx.scores.first` is not a reference
    2 |   a: {type: RXGlobal, parent: rx.scores.first}
      |                               ^^^^^^^^^^^^^^^ write node, or node.port
s.yaml:3:35: error[E109]: `nodes.b.parent[1]`: `.x` is not a reference
    3 |   b: {type: RXGlobal, parent: [a, .x]}
      |                                   ^^ write node, or node.port
s.yaml:4:38: error[E109]: `nodes.d.inputs.cube`: `a b` is not a reference
    4 |   d: {type: RXGlobal, inputs: {cube: a b}}
      |                                      ^^^ write node, or node.port
s.yaml:5:22: error[E109]: `graph.outputs[1]`: `a..b` is not a reference
    5 | graph: {outputs: [a, "a..b"]}
      |                      ^^^^^^ write node, or node.port
4 errors
""",
    ),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES.keys())
def test_every_violation_is_answered_at_its_place(text: str, expected: str) -> None:
    assert answer(text) == expected
