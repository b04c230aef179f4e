"""Overrides follow Hydra's grammar, become part of the document, and are answered at their own text."""

from __future__ import annotations

import pytest
from answers import answer, load
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import OmegaConf
from small_catalogue import CATALOGUE

from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.loader import load_tree
from cuvisc.schema.overrides import apply_overrides, parse_overrides
from cuvisc.schema.spec import NodeSpec

SPEC = """\
graph: {name: rx}
nodes:
  norm: {type: MinMaxNormalizer}
  rx: {type: RXGlobal, eps: 1e-6}
monitoring: {disk: {type: DummyMonitor, output_dir: here}}
training:
  seed: 1
  trainer: {callbacks: [{type: EarlyStopping, monitor: x}]}
"""


@pytest.mark.parametrize(
    "overrides",
    [
        ["training.seed=3"],
        ["training.seed=3", "training.seed=4"],
        ["nodes.rx.eps=1e-3", "~nodes.norm"],
        ["+nodes.new={type: RXGlobal, eps: 1}"],
        ["++nodes.new.eps=2", "++training.seed=5"],
        ["~training.seed=1"],
        ["nodes.rx={eps: 5}"],
        ["training.trainer.callbacks=[]"],
        ["graph.name='a b: c'", 'monitoring.disk.output_dir="x"'],
        ["graph.name=no", "+graph.more=[1,2.5,true,null,text]"],
        ["graph.name=val/loss/total"],
    ],
    ids=" ".join,
)
def test_overrides_change_what_hydra_changes(
    overrides: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("hydra")
    # OmegaConf reads YAML 1.1, in which 1e-6 is text: both sides get the same number.
    (folder / "s.yaml").write_text(SPEC.replace("1e-6", "1.0e-6"))
    with initialize_config_dir(str(folder), version_base="1.3"):
        expected = OmegaConf.to_container(hydra_compose("s", overrides=overrides))
    diagnostics = Diagnostics()
    tree = load_tree(SPEC, "s.yaml", diagnostics)
    assert tree is not None
    changed = apply_overrides(tree, parse_overrides(overrides, diagnostics), CATALOGUE, diagnostics)
    assert list(diagnostics) == []
    assert changed.plain() == expected


def test_what_the_schema_knows_needs_no_plus() -> None:
    spec = load(SPEC, ["nodes.norm.eps=2e-6", "training.optimizer.lr=0.01", "monitoring.disk.enabled=false"])
    assert spec.nodes[0] == NodeSpec("norm", "MinMaxNormalizer", params={"eps": 2e-6})
    assert spec.training["optimizer"] == {"lr": 0.01}
    assert spec.monitors == ()


def test_items_of_lists_can_be_changed() -> None:
    spec = load(SPEC, ["training.trainer.callbacks.0.patience=7"])
    assert spec.training["trainer"]["callbacks"][0]["patience"] == 7  # type: ignore[index]


def test_numbers_are_text_where_the_language_wants_text() -> None:
    spec = load(SPEC, ["training.trainer.precision=32", "monitoring.disk.output_dir=1.50"])
    assert spec.training["trainer"]["precision"] == "32"  # type: ignore[index]
    assert spec.monitors[0].params["output_dir"] == "1.50"
    assert spec.to_dict()["monitoring"] == {"disk": {"type": "DummyMonitor", "output_dir": "1.50"}}


def test_an_entry_of_another_type_keeps_its_place_and_no_parameter() -> None:
    spec = load(
        SPEC.replace("eps: 1e-6", "eps: 1e-6, parent: norm"),
        [
            "nodes.rx={type: MinMaxNormalizer}",
            "nodes={norm: {_target_: cuvisc.nodes.MinMaxNormalizer, eps: 2}}",
        ],
    )
    norm, changed = spec.nodes
    assert norm == NodeSpec("norm", "MinMaxNormalizer", params={"eps": 2})
    assert (changed.type, changed.params) == ("MinMaxNormalizer", {})
    assert [str(parent.node) for parent in changed.parents] == ["norm"]
    assert load(SPEC, ["nodes.rx={type: RXGlobal}"]).nodes[1].params == {"eps": 1e-6}


def test_a_parameter_of_the_type_that_an_override_took_away_is_answered_with_a_way_out() -> None:
    text = "nodes: {a: {type: TrainablePCA, n_components: 3}}"
    assert (
        answer(text, "nodes.a.type=MinMaxNormalizer")
        == """
s.yaml:1:33: error[E101]: `nodes.a.n_components`: unknown parameter of MinMaxNormalizer
    1 | nodes: {a: {type: TrainablePCA, n_components: 3}}
      |                                 ^^^^^^^^^^^^ an override changed the type: add ~nodes.a.n_components to \
the overrides, which leaves this out
1 error
"""
    )
    assert answer(text, "nodes.a.type=MinMaxNormalizer", "~nodes.a.n_components") == ""
    assert "did you mean `eps`?" in answer("nodes: {}", "nodes={a: {type: MinMaxNormalizer, epss: 3}}")


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (
            ["nodes.rx.epss=1", "nodse.rx.eps=1", "nodes.rrx.eps=1", "training.qq=1", "training.seed.deep=1"],
            """
<override>:1:10: error[E021]: override `nodes.rx.epss`: `nodes.rx` has no `epss`
    1 | nodes.rx.epss=1
      |          ^^^^ did you mean `eps`?
<override>:2:1: error[E021]: override `nodse.rx.eps`: the spec has no `nodse`
    2 | nodse.rx.eps=1
      | ^^^^^ did you mean `nodes`?
<override>:3:7: error[E021]: override `nodes.rrx.eps`: `nodes` has no `rrx`
    3 | nodes.rrx.eps=1
      |       ^^^ did you mean `rx`?
<override>:4:10: error[E021]: override `training.qq`: `training` has no `qq`
    4 | training.qq=1
      |          ^^ +training.qq=… adds it
<override>:5:15: error[E021]: override `training.seed.deep`: `training.seed` is no mapping
    5 | training.seed.deep=1
      |               ^^^^
5 errors
""",
        ),
        (
            [
                "~training.sead",
                "~training.seed=5",
                "+training.seed=1",
                "training.trainer.callbacks.1.patience=1",
            ],
            """
<override>:1:11: error[E021]: override `training.sead`: `training` has no `sead`
    1 | ~training.sead
      |           ^^^^ did you mean `seed`?
<override>:2:2: error[E021]: `training.seed` has another value, so that it is not removed
    2 | ~training.seed=5
      |  ^^^^^^^^^^^^^
<override>:3:2: error[E022]: `training.seed` is already there
    3 | +training.seed=1
      |  ^^^^^^^^^^^^^ `training.seed=…` changes it
<override>:4:28: error[E021]: override `training.trainer.callbacks.1.patience`: `training.trainer.callbacks` has no `1`
    4 | training.trainer.callbacks.1.patience=1
      |                            ^
4 errors
""",
        ),
        (
            [
                "training.seed=[1",
                "training.seed",
                "training.seed=1,2",
                "a@b=1",
                "nodes.rx.eps=nan",
                "datamodule.mask={stem}.png",
            ],
            """
<override>:1:1: error[E020]: not an override in Hydra's grammar: no viable alternative at input '[1'
    1 | training.seed=[1
      | ^^^^^^^^^^^^^^^^ put the value in quotes
<override>:2:1: error[E020]: not an override in Hydra's grammar: missing EQUAL at '<EOF>'
    2 | training.seed
      | ^^^^^^^^^^^^^ write key=value
<override>:3:1: error[E020]: several values for one key (a sweep) have no meaning here
    3 | training.seed=1,2
      | ^^^^^^^^^^^^^^^^^ `cuvisc sweep` makes a run for each; one value that is a list is key=[1,2]
<override>:4:1: error[E020]: the key of an override is a dotted path
    4 | a@b=1
      | ^^^^^
<override>:5:14: error[E013]: `nan` is not a finite number
    5 | nodes.rx.eps=nan
      |              ^^^ write another number
<override>:6:1: error[E020]: not an override in Hydra's grammar: no viable alternative at input '{stem}'
    6 | datamodule.mask={stem}.png
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^ put the value in quotes, within those for the shell: 'datamodule.mask="{stem}.png"'
6 errors
""",
        ),
        (
            ["nodes.rx.eps=-1", "+nodes.x={type: RXGlobl}", "nodes.norm=1"],
            """
<override>:1:14: error[E104]: `nodes.rx.eps` wants a number > 0, got -1
    1 | nodes.rx.eps=-1
      |              ^^
<override>:2:10: error[E106]: `nodes.x.type`: there is no node `RXGlobl`
    2 | +nodes.x={type: RXGlobl}
      |          ^^^^^^^^^^^^^^^ did you mean `RXGlobal`?
<override>:3:12: error[E103]: `nodes.norm` wants to be a mapping with a `type`, got 1
    3 | nodes.norm=1
      |            ^ write {type: …}
3 errors
""",
        ),
        (
            ["graph.name=\x1b[31m"],
            """
<override>:1:1: error[E020]: not an override in Hydra's grammar: token recognition error at: '\\x1b'
    1 | graph.name=\\x1b[31m
      | ^^^^^^^^^^^^^^^^^^^ put the value in quotes
1 error
""",
        ),
    ],
    ids=["unknown", "actions", "grammar", "values", "terminal codes"],
)
def test_wrong_overrides_are_answered_at_their_own_text(overrides: list[str], expected: str) -> None:
    assert answer(SPEC, *overrides) == expected


@pytest.mark.parametrize(
    "override",
    ["graph.name=" + "[" * 5000, "graph.name=" + "x" * 5000, "a." * 3000 + "b=1", "graph.name=" + "9" * 4085],
    ids=["brackets", "value", "key", "digits"],
)
def test_hostile_overrides_meet_a_limit(override: str) -> None:
    found = answer(SPEC, override)
    assert len(found) < 500
    assert any(code in found for code in ("[E005]", "[E013]", "[E020]"))


def test_the_number_of_overrides_has_a_limit() -> None:
    found = answer(SPEC, *["training.seed=1"] * 1001)
    assert found == "\nerror[E005]: there are more than 1000 overrides\n1 error\n"


def test_what_is_no_mapping_has_no_keys_to_change() -> None:
    assert (
        answer("nodes: {rx: RXGlobal}", "nodes.rx.type=RXGlobal")
        == """
s.yaml:1:13: error[E103]: `nodes.rx` wants to be a mapping with a `type`, got text "RXGlobal"
    1 | nodes: {rx: RXGlobal}
      |             ^^^^^^^^ write {type: RXGlobal}
<override>:1:10: error[E021]: override `nodes.rx.type`: `nodes.rx` is no mapping
    1 | nodes.rx.type=RXGlobal
      |          ^^^^
2 errors
"""
    )
    assert (
        answer("text", "graph=null")
        == """
s.yaml:1:1: error[E103]: a spec wants to be a mapping of sections, got text "text"
    1 | text
      | ^^^^
1 error
"""
    )
    assert (
        answer("# nothing", "graph=null")
        == """
error[E006]: `s.yaml` is empty. a spec has at least `nodes:`
1 error
"""
    )
