"""A plain `validate` is answered without the command-line library, in the words that the whole command line has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_runs import Cuvisc
from typer.testing import CliRunner

from cuvisc.cli.app import build_app
from cuvisc.cli.checking import Format, plain_arguments

GOOD = "nodes:\n  rx: {type: RXGlobal}\n"
BAD = "nodes:\n  rx: {type: RXGlobal, epss: 1}\n"


@pytest.fixture
def cuvisc(cuvisc: Cuvisc) -> Cuvisc:
    Path("good.yaml").write_text(GOOD)
    Path("bad.yaml").write_text(BAD)
    Path("a folder").mkdir()
    Path("a folder/ü.yaml").write_text(BAD)
    return cuvisc


@pytest.mark.parametrize(
    "arguments",
    [
        ["good.yaml"],
        ["bad.yaml", "good.yaml"],
        ["good.yaml", "nodes.rx.eps=1e-3", "~nodes.rx"],
        ["good.yaml", "+nodes.b={type: RXGlobal}"],
        ["bad.yaml", "--format", "json"],
        ["--format=github", "bad.yaml"],
        ["bad.yaml", "--format", "text"],
        ["bad.yaml", "good.yaml", "--format=sarif"],
        ["none.yaml"],
        ["nodes.rx.eps=1"],
    ],
    ids=" ".join,
)
def test_both_paths_say_the_same(cuvisc: Cuvisc, arguments: list[str]) -> None:
    assert plain_arguments(arguments) is not None
    quick = cuvisc("validate", *arguments)
    whole = CliRunner().invoke(build_app(), ["validate", *arguments], prog_name="cuvisc")
    assert (whole.exit_code, whole.stdout, whole.stderr) == quick


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-h"],
        ["--help"],
        ["x", "--formatt=json"],
        ["x", "--format"],
        ["x", "--format=xml"],
        ["--", "x"],
        ["-x"],
    ],
    ids=" ".join,
)
def test_everything_else_is_left_to_the_whole_command_line(arguments: list[str]) -> None:
    assert plain_arguments(arguments) is None


def test_the_format_may_stand_anywhere() -> None:
    assert plain_arguments(["a", "--format", "json", "b=1"]) == (["a", "b=1"], Format.JSON)
    assert plain_arguments(["--format=github", "a"]) == (["a"], Format.GITHUB)


def test_debug_shows_the_traceback(cuvisc: Cuvisc) -> None:
    found = cuvisc("validate", "--debug", "nodes.rx.eps=1")
    assert found.code == 2
    assert found.err.startswith("Traceback (most recent call last):\n")
    assert found.err.endswith("error: name at least one spec file, as in: cuvisc validate specs/rx.yaml\n")


def test_sarif_for_code_scanning(cuvisc: Cuvisc) -> None:
    found = cuvisc("validate", "good.yaml", "a folder/ü.yaml", "none.yaml", "--format=sarif")
    log = json.loads(found.out)
    assert (found.code, found.err, log["version"]) == (2, "", "2.1.0")
    (run,) = log["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["E001", "E101"]
    typo, missing = run["results"]
    assert typo == {
        "ruleId": "E101",
        "ruleIndex": 1,
        "level": "error",
        "message": {"text": "`nodes.rx.epss`: unknown parameter of RXGlobal. did you mean `eps`?"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "a%20folder/%C3%BC.yaml"},
                    "region": {"startLine": 2, "startColumn": 24, "endColumn": 28},
                }
            }
        ],
    }
    assert missing == {
        "ruleId": "E001",
        "ruleIndex": 0,
        "level": "error",
        "message": {"text": "`none.yaml`: no such file. there is `bad.yaml`, `good.yaml`"},
    }


def test_sarif_of_what_is_right_has_no_results(cuvisc: Cuvisc) -> None:
    (run,) = json.loads(cuvisc("validate", "good.yaml", "--format=sarif").out)["runs"]
    assert (run["results"], run["tool"]["driver"]["rules"]) == ([], [])
