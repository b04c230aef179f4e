"""docs/plugins.md makes a package of types: its files are written, its program and its commands run as printed."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import onnxruntime
import plugin_packages
import pytest
from cli_runs import run
from documented import ROOT, agree, shown_commands

from cuvisc.schema.catalogue import load

TEXT = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
FILES = {
    name: text
    for text, name in re.findall(r"```(?:python|toml|yaml)\n(# ([\w./]+)\n.*?)```", TEXT, flags=re.DOTALL)
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The project of the page, as `pip install -e .` leaves it: importable and announced."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "meadow" / "__init__.py").touch()
    plugin_packages.announce(tmp_path, "meadow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    load.cache_clear()
    yield tmp_path
    load.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "meadow"]:
        del sys.modules[name]


def uninstall(project: Path) -> None:
    (project / "meadow-1.0.dist-info" / "entry_points.txt").unlink()
    load.cache_clear()


def test_every_file_that_the_page_lists_is_shown() -> None:
    listed = re.findall(r"^ {4}(.*)$", TEXT.split("## A node")[0], flags=re.MULTILINE)
    names = re.findall(r"[\w/]+\.\w+", " ".join(listed))
    shown = {Path(name).name for name in FILES}
    assert {Path(name).name for name in names} - {"__init__.py"} <= shown
    assert set(FILES) >= {"in_python.py", "meadow.yaml", "pyproject.toml"}


def test_the_program_runs_without_any_registration(project: Path) -> None:
    uninstall(project)
    done = subprocess.run(
        [sys.executable, "in_python.py"], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "True\n"
    assert "val/metric/score_spread" in (project / "values.txt").read_text()


def test_every_command_answers_what_is_printed(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = shown_commands(TEXT)
    assert [command.words[1] for command in commands] == [
        "schema",
        "validate",
        "nodes",
        "train",
        "export",
        "validate",
    ]
    *before, last = commands
    for command in before:
        words, target = command.words[1:], None
        if ">" in words:
            *words, _, target = words
        done = run(capsys, monkeypatch, *words)
        assert done.code == 0, done.err
        if target is None:
            agree(command.output, done.err + done.out)
        else:
            Path(target).write_text(done.out)
            load.cache_clear()
    schema = run(capsys, monkeypatch, "schema").out
    for name in re.findall(r"^class (\w+)", "".join(FILES.values()), flags=re.MULTILINE):
        assert f'.{name}"' in schema
    assert [value.name for value in onnxruntime.InferenceSession("artifact/model.onnx").get_outputs()] == [
        "ratio.ratio",
        "rx.scores",
    ]
    uninstall(project)
    missing = run(capsys, monkeypatch, *last.words[1:])
    assert missing.code == 2
    agree(last.output, missing.err)


def test_a_broken_header_is_answered_as_printed(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("meadow/cuvisc.schema.json").write_text("{")
    Path("other.yaml").write_text("nodes: {rx: {type: RXGlobal}}\n")
    (printed,) = re.findall(r"```text\n(warning.*?)\n```", TEXT, flags=re.DOTALL)
    found = run(capsys, monkeypatch, "validate", "other.yaml")
    assert (found.code, found.err) == (0, f"{printed}\n1 warning\n")


def test_the_project_is_what_pip_wants(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    pytest.importorskip("setuptools", reason="the package's build backend is not installed")
    facts = tomllib.loads(FILES["pyproject.toml"])["project"]
    assert facts["entry-points"] == {"cuvisc.nodes": {"meadow": "meadow"}}
    header = "import cuvisc.runtime.header as h, sys; sys.stdout.write(h.header_text('meadow'))"
    made = subprocess.run([sys.executable, "-c", header], capture_output=True, check=True)
    Path("meadow/cuvisc.schema.json").write_bytes(made.stdout)
    site = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "."], check=True, capture_output=True)
    assert (site / "meadow" / "cuvisc.schema.json").read_bytes() == made.stdout
    (announced,) = site.glob("meadow-*.dist-info/entry_points.txt")
    assert announced.read_text().split() == ["[cuvisc.nodes]", "meadow", "=", "meadow"]


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)", TEXT))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / "docs" / link).is_file()
