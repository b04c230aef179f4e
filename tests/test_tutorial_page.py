"""docs/tutorial.md is a real session: every command runs, on ENVI files, and answers what is printed there."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from cli_runs import run
from documented import ROOT, agree, shown_commands
from format_files import read_envi

TEXT = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
SPEC = "tarpaulins.yaml"


def put_own_files_in(spec: Path) -> None:
    """Do what the page asks for: its `datamodule` in place of the one of the template."""
    (wanted,) = re.findall(r"```yaml\n(datamodule: .*)\n```", TEXT)
    changed, count = re.subn(r"^datamodule: .*$", wanted, spec.read_text(), flags=re.MULTILINE)
    assert count == 1
    spec.write_text(changed)


def test_every_command_answers_what_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(ROOT / "examples" / "flight.py"), run_name="__main__")
    assert capsys.readouterr().out == "flight/  new/\n"
    commands = shown_commands(TEXT)
    assert [command.words[1] for command in commands] == [
        "inspect",
        "init",
        "schema",
        "validate",
        "train",
        "export",
        "predict",
        "predict",
        "evaluate",
    ]
    for command in commands:
        done = run(capsys, monkeypatch, *command.words[1:])
        assert done.code == 0, done.err
        agree(command.output, done.err + done.out)
        if command.words[1] == "init":
            put_own_files_in(Path(SPEC))
    for file in ("strip_1.png", "run/report.html", "artifact/model.onnx"):
        assert Path(file).is_file()
    # Every file that the prose names is there, and a stricter threshold decides for fewer pixels.
    for header in re.findall(r"`(maps/[\w.]+\.hdr)`", TEXT):
        assert read_envi(header)[0].shape == (80, 80, 1)
    name = "strip_4_decider.decisions.hdr"
    loose, strict = (read_envi(Path(folder) / name)[0].sum() for folder in ("maps", "strict"))
    assert 0 < strict < loose


def test_what_the_prose_tells_to_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(capsys, monkeypatch, "init", "rx").code == 0
    run(capsys, monkeypatch, "init", "anomaly", "-o", SPEC)
    assert run(capsys, monkeypatch, "show", SPEC).code == 0
    Path(SPEC).write_text(Path(SPEC).read_text().replace("n_components", "n_componets"))
    wrong = run(capsys, monkeypatch, "validate", SPEC)
    assert wrong.code == 2
    assert "did you mean `n_components`?" in wrong.err


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)", TEXT))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / "docs" / link).is_file()
