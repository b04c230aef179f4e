"""The gallery of mistakes: one text file a stage, in which every case has its files, a command and all that it answers.

    === What is wrong
    --- spec.yaml
    nodes: …
    --- $ cuvisc validate spec.yaml
    spec.yaml:1:1: error…

A line `NAME=value cuvisc …` sets an environment variable. Tests compare the answers, and the pages are made from
these files.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

FOLDER = Path(__file__).parent
PAGES = FOLDER.parents[1] / "docs" / "errors"
STAGES: Mapping[str, str] = {
    "files": "Files, overrides and interpolations",
    "syntax": "YAML",
    "schema": "Keys, values and types",
    "wiring": "References and edges",
    "types": "Types, units and sizes",
    "leaves": "Losses, metrics and figures",
    "options": "Training options",
    "training": "Warnings: legal, and most likely not meant",
}


@dataclass(frozen=True)
class Case:
    """One mistake: the files there are, the command, and the whole answer."""

    title: str
    files: Mapping[str, str]
    command: str
    answer: str

    def run(self) -> str:
        """What a terminal shows."""
        variables, words = _split(self.command)
        out = io.StringIO()
        from cuvisc.cli.app import main

        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            for name, text in self.files.items():
                Path(name).parent.mkdir(parents=True, exist_ok=True)
                Path(name).write_text(text, encoding="utf-8")
            clean = {key: value for key, value in os.environ.items() if key not in ("DATA_ROOT", "SEED")}
            with (
                mock.patch.object(sys, "argv", words),
                mock.patch.dict(os.environ, {**clean, **variables}, clear=True),
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(out),
                contextlib.suppress(SystemExit),
            ):
                main()
        return out.getvalue()


def read(stage: str) -> list[Case]:
    """The cases of a stage, in order."""
    text = (FOLDER / f"{stage}.txt").read_text(encoding="utf-8")
    return [_case(part) for part in text.split("\n=== ")[1:]]


def write(stage: str, cases: list[Case]) -> None:
    """The file of a stage anew, with the answers of these cases."""
    about = (FOLDER / f"{stage}.txt").read_text(encoding="utf-8").split("\n=== ")[0]
    (FOLDER / f"{stage}.txt").write_text(about + "".join(map(_text, cases)), encoding="utf-8")


def pages() -> Iterator[tuple[Path, str]]:
    """Every page of the gallery and its text."""
    index: dict[str, list[str]] = {}
    for stage, title in STAGES.items():
        lines = [
            f"# {title}",
            "",
            "Made from `tests/gallery` by `python -m tests.gallery`; not to be edited.",
            "",
        ]
        for case in read(stage):
            codes = [word[:4] for word in case.answer.replace("warning[", "error[").split("error[")[1:]]
            for code in dict.fromkeys(codes):
                index.setdefault(code, []).append(f"[{case.title}]({stage}.md#{_anchor(case.title)})")
            lines += [f"## {case.title}", ""]
            for name, text in case.files.items():
                comment = f"# {name}\n" if len(case.files) > 1 else ""
                language = "yaml" if name.endswith(".yaml") else "text"
                lines += [f"```{language}", f"{comment}{text}".rstrip("\n"), "```", ""]
            lines += ["```text", f"$ {case.command}", case.answer.rstrip("\n"), "```", ""]
        yield PAGES / f"{stage}.md", "\n".join(lines)
    yield PAGES / "README.md", "\n".join(_index(index))


def _index(index: Mapping[str, list[str]]) -> Iterator[str]:
    from cuvisc.schema.codes import CODES

    yield "# Mistakes and answers\n"
    yield "What `cuvisc validate` says, mistake by mistake. `cuvisc explain CODE` prints the page of a code.\n"
    yield from (f"- [{title}]({stage}.md)" for stage, title in STAGES.items())
    yield "\n| code | meaning | seen in |\n|---|---|---|"
    for code, links in sorted(index.items()):
        yield f"| {code} | {CODES[code].title} | {', '.join(links)} |"
    yield ""


def _anchor(title: str) -> str:
    kept = "".join(char for char in title.lower() if char.isalnum() or char in " -_")
    return kept.replace(" ", "-")


def _split(command: str) -> tuple[dict[str, str], list[str]]:
    words = shlex.split(command)
    variables = list(words[: words.index("cuvisc")])
    return dict(word.split("=", 1) for word in variables), words[len(variables) :]


def _case(text: str) -> Case:
    title, *parts = text.split("\n--- ")
    *files, run = parts
    command, _, answer = run.partition("\n")
    named = (part.partition("\n") for part in files)
    return Case(
        title.strip(),
        {name: body + "\n" for name, _, body in named},
        command.removeprefix("$ "),
        answer.rstrip("\n") + "\n",
    )


def _text(case: Case) -> str:
    files = "".join(f"\n--- {name}\n{text.rstrip(chr(10))}" for name, text in case.files.items())
    return f"\n=== {case.title}{files}\n--- $ {case.command}\n{case.answer}"
