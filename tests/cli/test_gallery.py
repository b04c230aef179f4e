"""Every mistake of the gallery is answered word for word as its page says."""

from __future__ import annotations

import re

import pytest
from gallery.cases import PAGES, STAGES, Case, pages, read

from cuvisc.schema.codes import CODES

CASES = [(stage, case) for stage in STAGES for case in read(stage)]
# Of files that are no text, by other verbs, of a damaged installation, or of types that are not shipped.
_ELSEWHERE = {"E003", "E203", "E312", "E401", "E501", "W106", "W401"}


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[f"{s}: {c.title}" for s, c in CASES])
def test_the_answer(case: Case) -> None:
    assert case.run() == case.answer


def test_the_pages_are_fresh() -> None:
    made = dict(pages())
    assert {path: path.read_text(encoding="utf-8") for path in PAGES.glob("*.md")} == made, (
        "run `python -m tests.gallery`"
    )


def test_every_code_is_shown() -> None:
    shown = {code for _, case in CASES for code in re.findall(r"\[([EW]\d{3})\]", case.answer)}
    assert set(CODES) - shown == _ELSEWHERE


def test_there_are_many_different_mistakes() -> None:
    assert len({case.title for _, case in CASES}) == len(CASES) >= 40


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[f"{s}: {c.title}" for s, c in CASES])
def test_every_finding_says_what_to_do(case: Case) -> None:
    """Beside the caret or in the message stands something to do, or what would have been right."""
    blocks = re.split(r"\n(?=\S)", case.answer.rstrip("\n"))
    for block in blocks:
        head, *below = block.split("\n")
        if not re.search(r"(error|warning)\[", head):
            continue
        caret = next((line for line in below if re.match(r" +\| *\^", line)), "")
        said = re.sub(r"^.*\^+ ?", "", caret)
        assert said or re.search(r" wants |\. \S", head), block


def test_ten_mistakes_of_one_stage_are_answered_in_one_run() -> None:
    (case,) = (case for _, case in CASES if case.title == "Ten mistakes at once")
    lines = [int(number) for number in re.findall(r"(?m)^spec\.yaml:(\d+):", case.answer)]
    text = case.files["spec.yaml"].split("\n")
    marked = [number for number, line in enumerate(text, start=1) if "# <-" in line]
    assert lines == marked
    assert len(lines) == 10
