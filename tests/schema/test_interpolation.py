"""Interpolations resolve as OmegaConf resolves them, stay unresolved in what is written, and give nothing away."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from answers import answer, load
from omegaconf import OmegaConf

from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.document import Document
from cuvisc.schema.interpolation import resolve
from cuvisc.schema.spec import spec_hash

ENVIRONMENT = {"ROOT": "/data", "EMPTY": "", "COUNT": "4"}


@pytest.mark.parametrize(
    "data",
    [
        {"a": "${oc.env:ROOT}"},
        {"a": "${oc.env:ROOT,./here}"},
        {"a": "${oc.env:NONE,./here}"},
        {"a": "${oc.env:EMPTY,x}"},
        {"a": "${oc.env:NONE,'a, b'}"},
        {"a": "${oc.env:NONE,${oc.env:ROOT}}"},
        {"a": "x/${oc.env:ROOT}/y${oc.env:COUNT}"},
        {"a": {"b": 3}, "c": "${a.b}"},
        {"a": {"b": [1, 2]}, "c": "${a}", "d": "${a.b}"},
        {"a": 0.5, "b": "lr ${a}", "c": "${d}", "d": "${a}"},
        {"a": True, "b": "${a}", "c": "is ${a}"},
        {"a": "\\${b}"},
        {"a": "price $5 {x}"},
    ],
    ids=lambda data: json.dumps(data),
)
def test_values_are_those_of_omegaconf(data: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NONE", raising=False)
    expected = OmegaConf.to_container(OmegaConf.create(data), resolve=True)
    if data == {"a": True, "b": "${a}", "c": "is ${a}"}:
        expected = {"a": True, "b": True, "c": "is true"}  # ours writes truth values as YAML does
    diagnostics = Diagnostics()
    assert resolve(Document.from_data(data, "s").root, ENVIRONMENT, diagnostics).root.plain() == expected
    assert list(diagnostics) == []


SPEC = """
nodes: {rx: {type: RXGlobal}}
datamodule: {type: Folder, data_dir: "${oc.env:ROOT}", batch_size: "${oc.env:COUNT,2}"}
training: {seed: "${datamodule.batch_size}"}
"""


def test_the_spec_has_values_and_what_is_written_has_not() -> None:
    spec = load(SPEC, environment=ENVIRONMENT)
    assert spec.datamodule is not None
    assert spec.datamodule.params == {"data_dir": "/data", "batch_size": 4}
    assert spec.training == {"seed": 4}
    assert spec.to_dict()["datamodule"] == {
        "type": "Folder",
        "data_dir": "${oc.env:ROOT}",
        "batch_size": "${oc.env:COUNT,2}",
    }
    assert spec_hash(spec) == spec_hash(load(SPEC, environment={**ENVIRONMENT, "ROOT": "/elsewhere"}))


SWITCH = """
nodes: {rx: {type: RXGlobal}}
monitoring: {m: {type: DummyMonitor, output_dir: x, enabled: "${oc.env:ON}"}}
"""


def test_a_switch_can_come_from_the_environment() -> None:
    assert load(SWITCH, environment={"ON": "false"}).monitors == ()
    assert len(load(SWITCH, environment={"ON": "true"}).monitors) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            """
nodes: {rx: {type: RXGlobal}}
datamodule:
  type: Folder
  data_dir: ${oc.env:DATA_ROT}
  batch_size: ${training.sead}
training: {seed: 1}
""",
            """
s.yaml:4:13: error[E041]: environment variable `DATA_ROT` is not set
    4 |   data_dir: ${oc.env:DATA_ROT}
      |             ^^^^^^^^^^^^^^^^^^ set it, or give a default: ${oc.env:DATA_ROT,…}
s.yaml:5:15: error[E040]: the spec has no `training.sead`
    5 |   batch_size: ${training.sead}
      |               ^^^^^^^^^^^^^^^^ did you mean `seed`?
2 errors
""",
        ),
        (
            """
nodes: {rx: {type: RXGlobal, eps: "${eval:1+1}"}, a: {type: RXGlobal, eps: "${oc.env:A"}}
graph: {name: "${oc.env:A-B}"}
training: {seed: "x${nodes}"}
""",
            """
s.yaml:1:35: error[E040]: `${eval:1+1}` is not an interpolation
    1 | nodes: {rx: {type: RXGlobal, eps: "${eval:1+1}"}, a: {type: RXGlobal, eps: "${oc.env:A"}}
      |                                   ^^^^^^^^^^^^^ ${oc.env:NAME,default} and ${section.key} are known
s.yaml:1:76: error[E040]: this `${` has no `}`
    1 | nodes: {rx: {type: RXGlobal, eps: "${eval:1+1}"}, a: {type: RXGlobal, eps: "${oc.env:A"}}
      |                                                                            ^^^^^^^^^^^^
s.yaml:2:15: error[E040]: `A-B` is not the name of an environment variable
    2 | graph: {name: "${oc.env:A-B}"}
      |               ^^^^^^^^^^^^^^^
s.yaml:3:18: error[E040]: `${eval:1+1}` is not an interpolation
    3 | training: {seed: "x${nodes}"}
      |                  ^^^^^^^^^^^ ${oc.env:NAME,default} and ${section.key} are known
4 errors
""",
        ),
        (
            """
nodes: {rx: {type: RXGlobal, eps: "${training.seed}"}}
training: {seed: "${nodes.rx.eps}", trainer: {precision: "${training}"}}
""",
            """
s.yaml:1:35: error[E040]: the interpolation leads back to itself: nodes.rx.eps → training.seed → nodes.rx.eps
    1 | nodes: {rx: {type: RXGlobal, eps: "${training.seed}"}}
      |                                   ^^^^^^^^^^^^^^^^^^
s.yaml:2:18: error[E040]: the interpolation leads back to itself: training.seed → nodes.rx.eps → training.seed
    2 | training: {seed: "${nodes.rx.eps}", trainer: {precision: "${training}"}}
      |                  ^^^^^^^^^^^^^^^^^
s.yaml:2:58: error[E040]: the interpolation leads back to itself: training.trainer.precision → training
    2 | training: {seed: "${nodes.rx.eps}", trainer: {precision: "${training}"}}
      |                                                          ^^^^^^^^^^^^^
3 errors
""",
        ),
    ],
    ids=["unset and unknown", "malformed", "loops"],
)
def test_what_cannot_be_resolved_is_answered_at_its_place(text: str, expected: str) -> None:
    assert answer(text, environment={}) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "nodes: {rx: {type: RXGlobal, eps: '${oc.env:KEY}'}}\n",
            """
s.yaml:1:35: error[E103]: `nodes.rx.eps` wants a number > 0, got text from `${oc.env:KEY}`
    1 | nodes: {rx: {type: RXGlobal, eps: '${oc.env:KEY}'}}
      |                                   ^^^^^^^^^^^^^^^
1 error
""",
        ),
        (
            "nodes: {rx: {type: '${oc.env:KEY}'}}\ntraining: {optimizer: {name: 'a${oc.env:KEY}'}}\n",
            """
s.yaml:1:20: error[E106]: `nodes.rx.type`: there is no node `${oc.env:KEY}`
    1 | nodes: {rx: {type: '${oc.env:KEY}'}}
      |                    ^^^^^^^^^^^^^^^ `cuvisc nodes` lists what there is
s.yaml:2:30: error[E105]: `training.optimizer.name` wants one of adam, adamw, sgd; got text from `a${oc.env:KEY}`
    2 | training: {optimizer: {name: 'a${oc.env:KEY}'}}
      |                              ^^^^^^^^^^^^^^^^
2 errors
""",
        ),
        (
            "nodes: {rx: {type: RXGlobal, parent: '${oc.env:KEY}'}}\n",
            """
s.yaml:1:38: error[E109]: `nodes.rx.parent`: `${oc.env:KEY}` is not a reference
    1 | nodes: {rx: {type: RXGlobal, parent: '${oc.env:KEY}'}}
      |                                      ^^^^^^^^^^^^^^^ write node, or node.port
1 error
""",
        ),
    ],
    ids=["number", "type and choice", "reference"],
)
def test_no_answer_shows_a_secret(text: str, expected: str) -> None:
    found = answer(text, environment={"KEY": "hunter 2"})
    assert "hunter" not in found
    assert found == expected


def test_a_number_from_the_environment_must_be_finite() -> None:
    found = answer("nodes: {rx: {type: RXGlobal, eps: '${oc.env:KEY}'}}\n", environment={"KEY": ".nan"})
    assert "`nodes.rx.eps` wants a number > 0, got text from `${oc.env:KEY}`" in found


def doubling(levels: int, width: int) -> Mapping[str, object]:
    """A document whose values each name the next `width` times."""
    steps = {f"k{level}": f"${{k{level + 1}}}" * width for level in range(levels)}
    return {**steps, f"k{levels}": ""}


def test_interpolations_that_multiply_meet_a_limit() -> None:
    for data in (doubling(14, 100), doubling(40, 2), {**doubling(14, 2), "k14": "x" * 100}):
        diagnostics = Diagnostics()
        resolve(Document.from_data(data, "s").root, {}, diagnostics)
        assert "E005" in {found.code for found in diagnostics}
