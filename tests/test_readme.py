"""What README.md shows is what happens: every block is run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from documented import ROOT, mentioned_commands

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)


def block(language: str, containing: str) -> str:
    """The one block of a language that holds a text."""
    (found,) = [text for kind, text in BLOCKS if kind == language and containing in text]
    return found


def cuvisc(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    command = [sys.executable, "-m", "cuvisc", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


def commands() -> list[list[str]]:
    """The verbs of the section that leads from a spec to a model, in order."""
    section = README.split("## From a spec to a model")[1].split("\n## ")[0]
    lines = [line.split("#")[0].split() for line in section.splitlines() if line.startswith("    cuvisc ")]
    return [line[1:] for line in lines]


def commands_in_prose() -> list[list[str]]:
    """The commands that the same section mentions; the scene stands for the reader's own file."""
    section = README.split("## From a spec to a model")[1].split("\n## ")[0]
    scene = section.replace("FILE", "scene.npz")
    return [words[1:] for words in mentioned_commands(re.sub(r"^ {4}.*$", "", scene, flags=re.MULTILINE))]


def test_first_spec_validates(tmp_path: Path) -> None:
    (tmp_path / "tower.yaml").write_text(block("yaml", "# tower.yaml"))
    result = cuvisc("validate", "tower.yaml", cwd=tmp_path)
    assert (result.stdout, result.stderr, result.returncode) == (
        "tower.yaml: ok  (5 nodes, 2 leaves)\n",
        "",
        0,
    )


def test_broken_spec_gets_the_answer_shown(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text(block("yaml", "n_components: 300"))
    result = cuvisc("validate", "broken.yaml", cwd=tmp_path)
    assert result.stderr == block("text", "2 errors")
    assert (result.stdout, result.returncode) == ("", 2)


def test_commands_lead_from_spec_to_scores(tmp_path: Path) -> None:
    (tmp_path / "specs").symlink_to(ROOT / "specs")
    verbs = commands()
    assert [line[0] for line in verbs] == [
        "validate",
        "show",
        "train",
        "export",
        "verify",
        "data",
        "predict",
        "evaluate",
    ]
    for line in verbs:
        few_epochs = ["training.trainer.max_epochs=2"] if line[0] == "train" else []
        result = cuvisc(*line, *few_epochs, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
    assert (tmp_path / "scores.npz").is_file()
    for line in commands_in_prose():
        result = cuvisc(*line, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
    draw = [sys.executable, str(ROOT / "examples" / "heatmap.py"), "scores.npz", "heatmap.png"]
    assert subprocess.run(draw, cwd=tmp_path, check=False).returncode == 0
    assert (tmp_path / "heatmap.png").read_bytes().startswith(b"\x89PNG")


def test_sweep_runs(tmp_path: Path) -> None:
    pytest.importorskip(
        "hydra_plugins.hydra_joblib_launcher", reason="hydra-joblib-launcher is not installed"
    )
    (tmp_path / "specs").symlink_to(ROOT / "specs")
    (line,) = [line.split()[1:] for line in README.splitlines() if line.startswith("    cuvisc sweep ")]
    result = cuvisc(*line, "training.trainer.max_epochs=0", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert len(list(tmp_path.rglob("weights.safetensors"))) == 4


def test_python_example_runs(tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(block("python", "graph.train"))
    result = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == "torch.Size([3, 200])\n"


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", README))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
