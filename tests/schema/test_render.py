"""Diagnostics read well wherever they are read, and never do what the spec's author wrote into them."""

from __future__ import annotations

from cuvisc.schema.diagnostics import MAX_FINDINGS, Diagnostics, closest
from cuvisc.schema.document import Span
from cuvisc.schema.render import as_dicts, render_github, render_text

LINES = ("nodes:", "  größe: {漢字: [1, 2]}  # x", "\tz: \x1b[31m", "x" * 300)


def one(span: Span | None, label: str = "", help: str = "", message: str = "wrong") -> Diagnostics:
    """A single error in a known text."""
    diagnostics = Diagnostics({"s.yaml": LINES})
    diagnostics.error("E101", message, span, label, help)
    return diagnostics


def test_label_and_help() -> None:
    span = Span("s.yaml", 1, 1, 5)
    head = "s.yaml:1:1: error[E101]: wrong\n    1 | nodes:\n"
    assert render_text(one(span)) == head + "      | ^^^^^\n1 error"
    assert render_text(one(span, "here")) == head + "      | ^^^^^ here\n1 error"
    assert render_text(one(span, "", "do this")) == head + "      | ^^^^^ do this\n1 error"
    assert render_text(one(span, "here", "do this")) == head + "      | ^^^^^ here\n   help: do this\n1 error"


def test_without_a_text_the_answer_is_one_line() -> None:
    assert render_text(one(Span("other.yaml", 3, 4, 1), "here", "do this")) == (
        "other.yaml:3:4: error[E101]: wrong. here. do this\n1 error"
    )
    assert (
        render_text(one(Span("<graph>", 0, 0, 0), help="do this"))
        == "<graph>: error[E101]: wrong. do this\n1 error"
    )
    assert render_text(one(None)) == "error[E101]: wrong\n1 error"


def test_carets_stand_under_wide_characters_tabs_and_long_lines() -> None:
    assert render_text(one(Span("s.yaml", 2, 18, 1))).splitlines()[1:3] == [
        "    2 |   größe: {漢字: [1, 2]}  # x",
        "      |                    ^",
    ]
    assert render_text(one(Span("s.yaml", 2, 11, 2))).splitlines()[2] == "      |           ^^^^"
    assert render_text(one(Span("s.yaml", 3, 5, 4))).splitlines()[1:3] == [
        "    3 |  z: \\x1b[31m",
        "      |     ^^^^^^^",
    ]
    long = render_text(one(Span("s.yaml", 4, 200, 3))).splitlines()
    assert long[1] == "    4 | …" + "x" * 100 + "…"
    assert long[2] == "      | " + " " * 51 + "^^^"


def test_spans_beyond_the_text_do_no_harm() -> None:
    assert render_text(one(Span("s.yaml", 99, 1, 1))) == "s.yaml:99:1: error[E101]: wrong\n1 error"
    assert render_text(one(Span("s.yaml", 1, 50, 9))).splitlines()[2].endswith("^")


def test_nothing_in_a_spec_reaches_the_terminal_as_a_command() -> None:
    hostile = "\x1b]0;title\x07\r\n\u202e\u200b"
    diagnostics = Diagnostics({hostile: (hostile,)})
    diagnostics.error(
        "E101", hostile, Span(hostile, 1, 1, 3), hostile, hostile, ((Span(hostile, 1, 1, 1), hostile),)
    )
    text = render_text(diagnostics)
    assert not set(text) & {"\x1b", "\x07", "\r", "\u202e", "\u200b"}
    assert len(text.splitlines()) == 8
    assert len(render_github(diagnostics).splitlines()) == 1


def test_color() -> None:
    assert render_text(one(Span("s.yaml", 1, 1, 5)), color=True) == (
        "s.yaml:1:1: \x1b[31m\x1b[1merror[E101]\x1b[0m: wrong\n    1 | nodes:\n      | \x1b[31m^^^^^\x1b[0m\n1 error"
    )


def test_source_order_and_counts() -> None:
    diagnostics = Diagnostics({"s.yaml": LINES, "<override>": ("a=1",)})
    diagnostics.error("E021", "override", Span("<override>", 1, 1, 1))
    diagnostics.warning("W301", "late", Span("s.yaml", 3, 1, 1))
    diagnostics.error("E101", "early", Span("s.yaml", 1, 4, 1))
    diagnostics.error("E101", "early", Span("s.yaml", 1, 4, 1))
    assert [found.message for found in diagnostics] == ["early", "late", "override"]
    assert diagnostics.summary() == "2 errors, 1 warning"
    assert Diagnostics().summary() == "no errors"
    assert render_text(Diagnostics()) == ""


def test_there_is_a_limit_to_answers() -> None:
    diagnostics = Diagnostics()
    for index in range(1000):
        diagnostics.error("E101", str(index), None)
    assert len(diagnostics) == MAX_FINDINGS
    assert diagnostics.full


def test_plain_data() -> None:
    diagnostics = Diagnostics({"s.yaml": LINES})
    diagnostics.error("E011", "twice", Span("s.yaml", 2, 3, 5), notes=((Span("s.yaml", 1, 1, 5), "first"),))
    assert as_dicts(diagnostics) == [
        {
            "code": "E011",
            "severity": "error",
            "message": "twice",
            "label": "",
            "help": "",
            "file": "s.yaml",
            "line": 2,
            "column": 3,
            "length": 5,
            "notes": [{"message": "first", "file": "s.yaml", "line": 1, "column": 1, "length": 5}],
        }
    ]


def test_github_annotations_escape_what_means_something() -> None:
    diagnostics = Diagnostics()
    diagnostics.warning("W301", "100%: a, b\n::error::", Span("a,b:c.yaml", 2, 3, 5), help="do this")
    diagnostics.error("E001", "missing", None)
    assert render_github(diagnostics) == (
        "::error title=error[E001]::missing\n"
        "::warning title=warning[W301],file=a%2Cb%3Ac.yaml,line=2,col=3,endColumn=8::"
        "100%25: a, b%0A::error::. do this"
    )


def test_did_you_mean_is_close_or_silent() -> None:
    assert closest("epss", ["eps", "steps"]) == "eps"
    assert closest("rxglobal", ["RXGlobal", "RXPerBatch"]) == "RXGlobal"
    assert closest("colour", ["eps", "cache_inverse"]) is None
    assert closest("x" * 10_000, ["x" * 9_999]) is None
