"""`defaults` compose as Hydra composes them, and every value keeps its place in the file that wrote it."""

from __future__ import annotations

# Whole terminal lines are compared, and they are as long as they are.
# ruff: noqa: E501
from pathlib import Path
from typing import Any

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import OmegaConf
from small_catalogue import CATALOGUE

from cuvisc.schema.composition import compose
from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.document import Document
from cuvisc.schema.front_end import load_spec
from cuvisc.schema.loader import load_tree
from cuvisc.schema.render import render_text


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(**files: str) -> None:
    """Write YAML files; `__` in a name stands for a folder."""
    for name, text in files.items():
        path = Path(*name.split("__")).with_suffix(".yaml")
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)


def composed(**choices: str) -> tuple[Any, str]:
    """The composed data of s.yaml and the whole terminal text."""
    diagnostics = Diagnostics()
    tree = load_tree(Path("s.yaml").read_text(), "s.yaml", diagnostics)
    assert tree is not None
    return compose(tree, Path(), choices, diagnostics).plain(), render_text(diagnostics)


CASES = {
    "own last": {"s": "defaults: [general, _self_]\na: {x: 1}\n", "general": "a: {x: 0, y: 0}\nb: 1\n"},
    "own first": {
        "s": "defaults: [_self_, general]\na: {x: 1}\nb: [1]\n",
        "general": "a: {x: 0, y: 0}\nb: [2, 3]\n",
    },
    "own unsaid": {"s": "defaults: [general]\na: {x: 1}\n", "general": "a: {x: 0, y: 0}\n"},
    "two files": {"s": "defaults: [one, two, _self_]\nc: 3\n", "one": "a: 1\nb: 1\n", "two": "b: 2\nc: 2\n"},
    "group": {
        "s": "defaults: [{optimizer: adam}, _self_]\noptimizer: {lr: 1}\n",
        "optimizer__adam": "name: adam\nlr: 0.1\n",
    },
    "nested group": {
        "s": "defaults: [{training/optimizer: sgd}, _self_]\ntraining: {seed: 1}\n",
        "training__optimizer__sgd": "lr: 2\n",
    },
    "group as path": {"s": "defaults: [optimizer/adam, _self_]\nx: 1\n", "optimizer__adam": "lr: 2\n"},
    "several options": {
        "s": "defaults: [{part: [a, b]}, _self_]\nx: 1\n",
        "part__a": "k: 1\nl: 1\n",
        "part__b": "k: 2\n",
    },
    "package": {
        "s": "defaults: [{optimizer@training.optimizer: adam}, _self_]\nx: 1\n",
        "optimizer__adam": "lr: 2\n",
    },
    "global package": {"s": "defaults: [{part@_global_: a}, _self_]\nx: 1\n", "part__a": "k: 1\n"},
    "here package": {"s": "defaults: [{part@_here_: a}, _self_]\nx: 1\n", "part__a": "k: 1\n"},
    "header": {"s": "defaults: [{part: a}, _self_]\nx: 1\n", "part__a": "# @package deep.er\nk: 1\n"},
    "global header": {
        "s": "defaults: [{part: a}, _self_]\nx: 1\n",
        "part__a": "# @package _global_\nk: 1\nx: 2\n",
    },
    "optional": {"s": "defaults: [{optional part: none}, _self_]\nx: 1\n"},
    "null option": {"s": "defaults: [{part: null}, _self_]\nx: 1\n", "part__a": "k: 1\n"},
    "files of files": {
        "s": "defaults: [{part: a}, _self_]\nx: 1\n",
        "part__a": "defaults: [b, {sub: c}, _self_]\nk: 1\n",
        "part__b": "k: 0\nl: 0\n",
        "part__sub__c": "m: 1\n",
    },
    "absolute": {
        "s": "defaults: [{part: a}, _self_]\nx: 1\n",
        "part__a": "defaults: [/general, _self_]\nk: 1\n",
        "general": "g: 1\n",
    },
    "empty file": {"s": "defaults: [general, _self_]\nx: 1\n", "general": "# nothing yet\n"},
    "null wins": {"s": "defaults: [general, _self_]\na: null\n", "general": "a: {x: 1}\n"},
}


@pytest.mark.filterwarnings("ignore:.*missing `_self_`")
@pytest.mark.parametrize("files", CASES.values(), ids=CASES.keys())
def test_composition_is_hydras(files: dict[str, str], tmp_path: Path) -> None:
    write(**files)
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        expected = OmegaConf.to_container(hydra_compose("s"))
    data, errors = composed()
    assert errors == ""
    assert data == expected


def test_an_override_chooses_the_option_of_a_group(tmp_path: Path) -> None:
    write(s="defaults: [{part: a}, _self_]\nx: 1\n", part__a="k: 1\n", part__b="k: 2\n")
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        expected = OmegaConf.to_container(hydra_compose("s", overrides=["part=b"]))
    assert composed(part="b") == (expected, "")


def test_values_keep_the_place_in_their_own_file() -> None:
    write(s="defaults: [general, _self_]\na: {x: 1}\n", general="a:\n  x: 0\n  y: 0\n")
    diagnostics = Diagnostics()
    tree = load_tree(Path("s.yaml").read_text(), "s.yaml", diagnostics)
    assert tree is not None
    document = Document(compose(tree, Path(), {}, diagnostics), "s.yaml", diagnostics.sources)
    places = [document.value_span(("a", key)) for key in ("x", "y")]
    assert [(span.file, span.line, span.column) for span in places] == [
        ("s.yaml", 2, 8),
        ("general.yaml", 3, 6),
    ]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"s": "defaults:\n  - generl\n  - _self_\nnodes: {}\n", "general": ""},
            (
                "s.yaml:2:5: error[E001]: `generl.yaml`: no such file\n"
                "    2 |   - generl\n"
                "      |     ^^^^^^ did you mean `general.yaml`?\n"
                "1 error"
            ),
        ),
        (
            {
                "s": "defaults: [../secret, /etc/passwd/.., _self_, _self_, 3, {a: 1, b: 2}, {g: 4}]\nnodes: {}\n"
            },
            (
                "s.yaml:1:12: error[E030]: `../secret` is not a name of a file beside the spec\n"
                "    1 | defaults: [../secret, /etc/passwd/.., _self_, _self_, 3, {a: 1, b: 2}, {g: 4}]\n"
                "      |            ^^^^^^^^^ write its name, as in `general` or `data/lentils`; files stay in the spec's folder\n"
                "s.yaml:1:23: error[E030]: `/etc/passwd/..` is not a name of a file beside the spec\n"
                "    1 | defaults: [../secret, /etc/passwd/.., _self_, _self_, 3, {a: 1, b: 2}, {g: 4}]\n"
                "      |                       ^^^^^^^^^^^^^^ write its name, as in `general` or `data/lentils`; files stay in the spec's folder\n"
                "s.yaml:1:47: error[E030]: `_self_` stands twice in `defaults`\n"
                "    1 | defaults: [../secret, /etc/passwd/.., _self_, _self_, 3, {a: 1, b: 2}, {g: 4}]\n"
                "      |                                               ^^^^^^ keep one\n"
                "s.yaml:1:55: error[E030]: a default is a file name or one `group: option`\n"
                "    1 | defaults: [../secret, /etc/passwd/.., _self_, _self_, 3, {a: 1, b: 2}, {g: 4}]\n"
                "      |                                                       ^ write one of the two\n"
                "s.yaml:1:58: error[E030]: a default is a file name or one `group: option`\n"
                "    1 | defaults: [../secret, /etc/passwd/.., _self_, _self_, 3, {a: 1, b: 2}, {g: 4}]\n"
                "      |                                                          ^^^^^^^^^^^^ write one of the two\n"
                "s.yaml:1:76: error[E030]: the option of `g` must be a name\n"
                "    1 | defaults: [../secret, /etc/passwd/.., _self_, _self_, 3, {a: 1, b: 2}, {g: 4}]\n"
                "      |                                                                            ^ write the name of a file in it\n"
                "6 errors"
            ),
        ),
        (
            {"s": "defaults: general\nnodes: {}\n"},
            (
                "s.yaml:1:11: error[E030]: `defaults` is a list of file names\n"
                "    1 | defaults: general\n"
                "      |           ^^^^^^^ write [general, _self_]\n"
                "1 error"
            ),
        ),
        (
            {"s": "defaults: [a]\nnodes: {}\n", "a": "defaults: [b]\n", "b": "x: 1\ndefaults: [a]\n"},
            (
                "b.yaml:2:12: error[E031]: the defaults form a loop: a → b → a\n"
                "    2 | defaults: [a]\n"
                "      |            ^ take one of them out\n"
                "1 error"
            ),
        ),
        (
            {
                "s": "defaults: [general]\nnodes: {rx: {type: RXGlobal}}\n",
                "general": "nodes: {rx: {epss: 1}}\n",
            },
            (
                "general.yaml:1:14: error[E101]: `nodes.rx.epss`: unknown parameter of RXGlobal\n"
                "    1 | nodes: {rx: {epss: 1}}\n"
                "      |              ^^^^ did you mean `eps`?\n"
                "1 error"
            ),
        ),
        (
            {"s": "defaults: [general]\nnodes: {}\n", "general": "a: 'x\n"},
            (
                "general.yaml:1:4: error[E010]: this quote is not closed\n"
                "    1 | a: 'x\n"
                "      |    ^ add the closing quote\n"
                "1 error"
            ),
        ),
        (
            {"s": "defaults: [general]\nnodes: {}\n", "general": "[1]\n"},
            (
                "general.yaml:1:1: error[E103]: `general.yaml` wants to be a mapping\n"
                "    1 | [1]\n"
                "      | ^^^ write `key: value`\n"
                "1 error"
            ),
        ),
    ],
    ids=["missing", "names", "no list", "loop", "error inside", "syntax inside", "list inside"],
)
def test_wrong_defaults_are_answered_at_their_place(files: dict[str, str], expected: str) -> None:
    write(**files)
    _, diagnostics = load_spec(Path("s.yaml"), (), CATALOGUE, {})
    assert render_text(diagnostics) == expected


def test_files_that_name_each_other_many_times_meet_a_limit() -> None:
    write(s="defaults: [f0]\nnodes: {}\n", f6="x: 1\n")
    for level in range(6):
        write(**{f"f{level}": f"defaults: [{', '.join([f'f{level + 1}'] * 20)}]\n"})
    _, diagnostics = load_spec(Path("s.yaml"), (), CATALOGUE, {})
    assert {found.code for found in diagnostics} == {"E005"}
