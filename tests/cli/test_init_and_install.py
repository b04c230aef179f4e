"""What `cuvisc init` writes validates as it is; `cuvisc schema --install` leaves everybody else's settings alone."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runs import Cuvisc

from cuvisc.cli.init import Template


@pytest.mark.parametrize("template", list(Template))
def test_every_template_validates_without_a_warning(cuvisc: Cuvisc, template: str) -> None:
    assert cuvisc("init", template) == (0, f"{template}.yaml\n", "")
    found = cuvisc("validate", f"{template}.yaml")
    assert (found.code, found.err) == (0, "")
    text = Path(f"{template}.yaml").read_text()
    assert f"cuvisc validate {template}.yaml" in text
    assert cuvisc("init", template, "-o", "-").out == text


def test_the_data_of_ones_own_that_a_template_suggests_validates_too(cuvisc: Cuvisc) -> None:
    lines = cuvisc("init", "rx", "-o", "-").out.splitlines()
    own = [
        line.removeprefix("# ") if line.startswith("# datamodule:") else line
        for line in lines
        if not line.startswith("datamodule:")
    ]
    Path("own.yaml").write_text("\n".join(own))
    assert "CubeFiles" in "\n".join(line for line in own if not line.startswith("#"))
    assert cuvisc("validate", "own.yaml").code == 0


def test_nothing_is_overwritten_unasked(cuvisc: Cuvisc) -> None:
    assert cuvisc("init", "rx", "-o", "specs/mine.yaml") == (0, "specs/mine.yaml\n", "")
    Path("specs/mine.yaml").write_text("mine")
    assert cuvisc("init", "rx", "-o", "specs/mine.yaml") == (
        2,
        "",
        "error: specs/mine.yaml exists; give --force to replace it\n",
    )
    assert Path("specs/mine.yaml").read_text() == "mine"
    assert cuvisc("init", "rx", "-o", "specs/mine.yaml", "--force").code == 0
    assert Path("specs/mine.yaml").read_text() != "mine"
    assert cuvisc("init", "rx", "-o", "specs").err == "error: specs exists; give --force to replace it\n"
    assert cuvisc("init", "rx", "-o", "specs", "--force").err == "error: specs is a folder; name a file\n"


def on_a_full_disk(*args: str) -> tuple[int, str]:
    """What a verb answers where no file can be longer than 100 bytes."""
    found = subprocess.run(
        [sys.executable, "-m", "cuvisc", *args],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
    )
    assert found.stdout == ""
    return found.returncode, found.stderr


def test_what_cannot_be_written_leaves_nothing_behind(cuvisc: Cuvisc) -> None:
    assert on_a_full_disk("init", "rx", "-o", "mine.yaml") == (
        3,
        "error: cannot write mine.yaml: File too large\n",
    )
    assert os.listdir() == []


def test_settings_survive_a_disk_that_is_full(cuvisc: Cuvisc) -> None:
    Path(".vscode").mkdir()
    mine = json.dumps({"editor.rulers": [80]})
    Path(".vscode/settings.json").write_text(mine)
    assert on_a_full_disk("schema", "--install") == (
        3,
        "error: cannot write .vscode/cuvisc.schema.json: File too large\n",
    )
    assert os.listdir(".vscode") == ["settings.json"]
    assert Path(".vscode/settings.json").read_text() == mine


def test_install_writes_the_schema_and_the_settings(cuvisc: Cuvisc) -> None:
    found = cuvisc("schema", "--install")
    assert (found.code, found.err) == (0, "")
    assert json.loads(Path(".vscode/settings.json").read_text()) == {
        "yaml.schemas": {"./.vscode/cuvisc.schema.json": ["specs/**/*.yaml", "**/*.cuvisc.yaml"]}
    }
    assert Path(".vscode/cuvisc.schema.json").read_text() == cuvisc("schema").out


def test_install_keeps_what_is_there(cuvisc: Cuvisc) -> None:
    Path(".vscode").mkdir()
    mine = {
        "editor.rulers": [80],
        "yaml.schemas": {"other.json": "*.yml", "./.vscode/cuvisc.schema.json": "a.yaml"},
    }
    Path(".vscode/settings.json").write_text(json.dumps(mine))
    assert ".vscode/settings.json: used for a.yaml\n" in cuvisc("schema", "--install").out
    assert json.loads(Path(".vscode/settings.json").read_text()) == mine


def test_install_is_for_specs_that_are_named_too(cuvisc: Cuvisc) -> None:
    cuvisc("schema", "--install", "tower.yaml")
    again = cuvisc("schema", "--install", "mine/rx.yaml", "tower.yaml")
    files = ["specs/**/*.yaml", "**/*.cuvisc.yaml", "tower.yaml", "mine/rx.yaml"]
    settings = json.loads(Path(".vscode/settings.json").read_text())
    assert settings == {"yaml.schemas": {"./.vscode/cuvisc.schema.json": files}}
    assert again.out.splitlines()[1:] == [
        f".vscode/settings.json: used for {', '.join(files)}",
        "VS Code needs the extension redhat.vscode-yaml; other editors read the same schema through",
        (
            "yaml-language-server, from a first line such as: "
            "# yaml-language-server: $schema=../.vscode/cuvisc.schema.json"
        ),
    ]


@pytest.mark.parametrize(("file", "way"), [("rx.yaml", ""), ("deep/down/rx.yaml", "../../")])
def test_a_new_spec_names_the_schema_that_was_installed(cuvisc: Cuvisc, file: str, way: str) -> None:
    before = cuvisc("init", "rx", "-o", "-").out
    cuvisc("schema", "--install")
    cuvisc("init", "rx", "-o", file)
    first, rest = Path(file).read_text().split("\n", 1)
    assert first == f"# yaml-language-server: $schema={way}.vscode/cuvisc.schema.json"
    assert (Path(file).parent / first.partition("=")[2]).is_file()
    assert rest.replace(file, "rx.yaml").split() == before.split()
    assert cuvisc("validate", file).code == 0


def test_the_schema_is_no_matter_of_a_spec(cuvisc: Cuvisc) -> None:
    assert cuvisc("schema", "tower.yaml") == (
        2,
        "",
        "error: the schema is the same for every spec; --install tower.yaml sets up the editor for it\n",
    )


@pytest.mark.parametrize("text", ["// rulers\n{}", "[]", "{,"])
def test_install_leaves_settings_alone_that_are_not_plain_json(cuvisc: Cuvisc, text: str) -> None:
    Path(".vscode").mkdir()
    Path(".vscode/settings.json").write_text(text)
    assert cuvisc("schema", "--install") == (
        2,
        "",
        (
            "error: .vscode/settings.json is not plain JSON, so it is left alone; add to it: "
            '"yaml.schemas": {"./.vscode/cuvisc.schema.json": ["specs/**/*.yaml", "**/*.cuvisc.yaml"]}\n'
        ),
    )
    assert Path(".vscode/settings.json").read_text() == text
    assert not Path(".vscode/cuvisc.schema.json").exists()


def test_one_thing_at_a_time(cuvisc: Cuvisc) -> None:
    assert cuvisc("schema", "--path", "--install") == (
        2,
        "",
        "error: --path, --install and --package are three different things: ask for one\n",
    )


def test_the_header_of_what_is_no_package_of_types(cuvisc: Cuvisc) -> None:
    assert cuvisc("schema", "--package", "nowhere_at_all") == (
        2,
        "",
        "error: `nowhere_at_all` has no header: No module named 'nowhere_at_all'\n",
    )
    assert cuvisc("schema", "--package", "cuvisc.schema") == (
        2,
        "",
        "error: `cuvisc.schema` has no header: `cuvisc.schema` declares no node, leaf, monitor or data module\n",
    )
