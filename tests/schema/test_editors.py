"""What an editor with the schema does as a person types: it offers a type's own parameters with their words, and marks
a typo. Driven through yaml-language-server, where that is installed: `make language-server`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from language_server import Client, server

from cuvisc.schema.catalogue import SCHEMA_PATH, SECTION_KINDS, load

PROGRAM = server()
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="yaml-language-server is not installed: make language-server"
)
TYPES = [
    (section, name)
    for section, kind in SECTION_KINDS.items()
    if section != "datamodule"
    for name in load().names(kind)
]
# What stands beside parameters: edges, switches, and the snippet that writes all required keys, named like the type.
BESIDE = {"_target_", "parent", "inputs", "enabled"}


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    assert PROGRAM is not None
    with Client(PROGRAM, SCHEMA_PATH, tmp_path_factory.mktemp("specs")) as client:
        yield client


def offered(editor: Client, name: str, text: str) -> dict[str, Any]:
    """What is offered at the end of the text, by label."""
    editor.open(name, text)
    lines = text.split("\n")
    return {item["label"]: item for item in editor.complete(name, len(lines) - 1, len(lines[-1]))}


@pytest.mark.parametrize(("section", "name"), TYPES, ids=[".".join(entry) for entry in TYPES])
def test_exactly_the_parameters_of_the_type_are_offered(editor: Client, section: str, name: str) -> None:
    definition = load().definition(SECTION_KINDS[section], name)
    assert definition is not None
    found = offered(editor, f"{section}.{name}.yaml", f"{section}:\n  mine:\n    type: {name}\n    ")
    params = definition["x-cuvisc"]["params"]
    assert set(found) - BESIDE - {name} == set(params)
    for parameter in params:
        assert definition["properties"][parameter]["description"] in str(found[parameter]["documentation"])


def test_types_of_a_section_are_offered(editor: Client) -> None:
    assert set(offered(editor, "types.yaml", "nodes:\n  mine:\n    type: ")) == set(load().names("node"))


def test_parameters_of_the_chosen_scheduler_are_offered(editor: Client) -> None:
    text = "nodes: {}\ntraining:\n  optimizer:\n    scheduler:\n      name: cosine\n      "
    assert set(offered(editor, "scheduler.yaml", text)) == {"t_max", "min_lr"}


def test_parameters_of_a_callback_are_offered(editor: Client) -> None:
    text = "nodes: {}\ntraining:\n  trainer:\n    callbacks:\n      - type: Timer\n        "
    assert set(offered(editor, "callback.yaml", text)) - BESIDE - {"Timer"} == {"duration", "interval"}


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("nodes:\n  rx:\n    type: RXGlobal\n    epss: 1\n", (3, 4), "Property epss is not allowed."),
        ("nodes:\n  pca: {type: TrainablePCA}\n", (1, 2), 'Missing property "n_components".'),
        ("nodes:\n  rx: {type: RXGlobl}\n", (1, 13), "Value is not accepted."),
        ("nodes:\n  rx: {type: RXGlobal, eps: 2}\n", (1, 28), "Value is above the exclusive maximum of 1."),
        ("nodes: {rx: {type: RXGlobal}}\nloss_leafs: {}\n", (1, 0), "Property loss_leafs is not allowed."),
    ],
)
def test_a_typo_is_marked(editor: Client, text: str, place: tuple[int, int], message: str) -> None:
    (found,) = editor.open(f"typo{place[0]}{place[1]}{len(text)}.yaml", text)
    start = found["range"]["start"]
    assert (start["line"], start["character"]) == place
    assert found["message"].startswith(message)


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "specs").glob("*.yaml")), ids=lambda p: p.stem
)
def test_nothing_is_marked_in_a_shipped_spec(editor: Client, path: Path) -> None:
    found = [finding["message"] for finding in editor.open(str(path), path.read_text(encoding="utf-8"))]
    fragment = "\nnodes:" not in path.read_text(encoding="utf-8")
    assert found == (['Missing property "nodes".'] if fragment else [])


def test_words_are_shown_about_a_parameter(editor: Client) -> None:
    editor.open("hover.yaml", "nodes:\n  pca: {type: TrainablePCA, n_components: 3}\n")
    assert "number of components kept" in editor.hover("hover.yaml", 1, 32)
