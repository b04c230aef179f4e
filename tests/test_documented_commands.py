"""What documents and `--help` tell people to type works: every example runs, every mention names what exists."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
from cli_runs import run
from documented import ROOT, mentioned_commands, pages
from format_files import write_envi
from typer.main import get_command

from cuvisc.cli.command import build_command
from cuvisc.runtime.data.scenes import Scene, indian_pines

VERBS: dict[str, Any] = get_command(build_command()).commands  # type: ignore[attr-defined]
# What these write is what the examples of the others read.
MAKERS = ("init", "data", "train", "export")
SHORTER = {"sweep": ["training.trainer.max_epochs=0"]}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def example(verb: str) -> tuple[list[str], str | None]:
    """The words of a verb's example after `cuvisc`, and the file that its output is sent to."""
    (text,) = re.findall(r"Example: cuvisc (.+)", VERBS[verb].help)
    command, _, target = text.partition(" > ")
    return shlex.split(command), target or None


def outputs(words: list[str], target: str | None) -> list[str]:
    """The files that an example says it writes."""
    named = [words[i + 1] for i, word in enumerate(words) if word in ("-o", "--png")]
    return [*named, *([target] if target else [])]


def prepare(folder: Path, scene: Scene) -> None:
    """What a user of the examples has: the specs, the scene as an ENVI pair and as NumPy's files with a mask."""
    shutil.copytree(ROOT / "specs", folder / "specs")
    assert scene.wavelengths is not None
    fields = {"wavelength units": "Nanometers", "wavelength": scene.wavelengths.tolist()}
    write_envi(folder / "scene.hdr", scene.cube, "bil", **fields)
    arrays = {"cube": scene.cube, "mask": scene.mask(16), "wavelengths": scene.wavelengths}
    (folder / "scenes").mkdir()
    for place in (folder / "scene.npz", folder / "scenes" / "first.npz", folder / "scenes" / "second.npz"):
        np.savez(place, **arrays)


def cuvisc(words: list[str], folder: Path) -> None:
    """Run the command as a user does; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "cuvisc", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the examples are run, those that others build on first; the run has the name that examples give it."""
    pytest.importorskip("tensorly", reason="the scene comes with the package tensorly")
    folder = tmp_path_factory.mktemp("examples")
    prepare(folder, indian_pines())
    for verb in MAKERS:
        cuvisc([verb, *example(verb)[0][1:]], folder)
        if verb == "train":
            (made,) = (folder / "runs" / "anomaly").iterdir()
            made.rename(folder / example("export")[0][1])
    shutil.copytree(folder / outputs(*example("export"))[0], folder / "artifact")
    return folder


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in MAKERS])
def test_the_example_of_a_verb_runs(
    verb: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, target = example(verb)
    assert words[0] == verb
    monkeypatch.chdir(folder)
    done = run(capsys, monkeypatch, *words, *SHORTER.get(verb, []))
    if "cuda" in words and done.code == 5:
        pytest.skip("the example needs a CUDA device")
    assert done.code == 0, done.err
    if target is not None:
        Path(target).write_text(done.out)
    for written in outputs(words, target):
        assert written_files(folder / written), f"{written} was not written"


def written_files(named: Path) -> list[Path]:
    """A file or folder by its name, or files by the name with the output's name in it."""
    return [*named.parent.glob(named.name), *named.parent.glob(f"{named.stem}_*{named.suffix}")]


@pytest.mark.parametrize("verb", MAKERS)
def test_the_examples_that_others_build_on_wrote_what_they_name(verb: str, folder: Path) -> None:
    words, target = example(verb)
    assert words[0] == verb
    for written in outputs(words, target):
        assert (folder / written).exists()


MENTIONED = sorted(
    {
        (path.relative_to(ROOT).as_posix(), shlex.join(words))
        for path in pages()
        for words in mentioned_commands(path.read_text(encoding="utf-8"))
    }
)


@pytest.mark.parametrize(("page", "command"), MENTIONED)
def test_a_mentioned_command_has_its_verb_and_options(page: str, command: str) -> None:
    _, verb, *rest = shlex.split(command)
    assert verb in VERBS
    known = {name for parameter in VERBS[verb].params for name in parameter.opts} | {"--help", "--debug"}
    assert {word.partition("=")[0] for word in rest if word.startswith("-") and word != "-"} <= known


@pytest.mark.parametrize(
    ("page", "target"),
    sorted(
        {
            (path.name, target)
            for path in pages()
            for target in re.findall(
                r"(?:^ {4}|`)make ([a-z-]+)", path.read_text(encoding="utf-8"), re.MULTILINE
            )
        }
    ),
)
def test_a_mentioned_target_is_in_the_makefile(page: str, target: str) -> None:
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)


def test_extras_that_pages_and_messages_name_exist() -> None:
    known = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    texts = [*pages(), *(ROOT / "examples").glob("*.ipynb"), *(ROOT / "cuvisc").rglob("*.py")]
    named = {
        (path.name, extra)
        for path in texts
        for extras in re.findall(r"'(?:cuvisc|\.)\[([a-z,]+)\]'", path.read_text(encoding="utf-8"))
        for extra in extras.split(",")
    }
    assert len(named) > 5
    assert {(name, extra) for name, extra in named if extra not in known} == set()


def test_files_that_pages_name_exist() -> None:
    """Paths of the repository in backticks; what a reader is to make or bring has no folder of the repository."""
    folders = "|".join(sorted(path.name for path in ROOT.iterdir() if path.is_dir()))
    named = {
        (path.name, found)
        for path in pages()
        for found in re.findall(rf"`((?:{folders})/[\w./-]+\.\w+)`", path.read_text(encoding="utf-8"))
    }
    assert {(page, name) for page, name in named if not (ROOT / name).exists()} == set()


FORMATS = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "target", sorted(set(re.findall(r"`(out\.\w+)`", FORMATS.partition("## Outputs")[2])))
)
def test_predict_writes_the_files_that_the_page_on_formats_names(
    target: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["predict", folder / "artifact", folder / "scene.hdr", "-o", target]
    done = run(capsys, monkeypatch, *words)
    assert done.code == 0, done.err
    promised = re.findall(rf"`(out[\w.]*{Path(target).suffix})`", FORMATS.partition("## Outputs")[2])
    named = [name for name in promised if name != target or target == "out.npz"]
    if target != "out.hdr":  # the page names the files of one kind of raster
        assert sorted(
            path.name for path in tmp_path.iterdir() if path.suffix == Path(target).suffix
        ) == sorted(named)


def test_arrays_are_named_as_the_page_on_formats_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    cube = np.arange(60.0).reshape(3, 4, 5)
    named = re.findall(r"`(\w+\.\w+)::([\w/]+)`", FORMATS)
    assert named
    for name, array in named:
        if name.endswith(".h5"):
            with h5py.File(name, "w") as file:
                file[array] = cube
        else:
            scipy.io.savemat(name, {array: cube})
        done = run(capsys, monkeypatch, "inspect", f"{name}::{array}", "--json")
        assert done.code == 0, done.err
        assert json.loads(done.out)["shape"] == [3, 4, 5]
