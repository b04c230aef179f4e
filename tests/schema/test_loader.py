"""The loader reads YAML 1.2 and nothing else, knows where everything stands, and gives up early on hostile texts."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.document import Document, Marked
from cuvisc.schema.loader import MAX_DEPTH, load_tree
from cuvisc.schema.render import render_text


def read(text: str) -> tuple[Marked | None, str]:
    """The tree and the whole terminal text."""
    diagnostics = Diagnostics()
    tree = load_tree(text, "s.yaml", diagnostics)
    return tree, "\n" + render_text(diagnostics) + "\n" if len(diagnostics) else ""


def value(text: str) -> Any:
    """What `x: <text>` says about x."""
    tree, errors = read(f"x: {text}\n")
    assert errors == ""
    assert tree is not None
    plain = tree.plain()
    assert isinstance(plain, dict)
    return plain["x"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-6", 1e-6),
        ("1E+3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-0.25", -0.25),
        ("010", 10),
        ("+7", 7),
        ("0o10", 8),
        ("0x1F", 31),
        ("no", "no"),
        ("off", "off"),
        ("y", "y"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("2026-01-01", "2026-01-01"),
        ("true", True),
        ("FALSE", False),
        ("tRue", "tRue"),
        ("null", None),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ('"true"', "true"),
        ("'-'", "-"),
        ("1.2.3", "1.2.3"),
        ("1e", "1e"),
        ("e5", "e5"),
        ("val/loss", "val/loss"),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, expected: object) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


_TEXT = st.text(
    st.characters(
        exclude_categories=["Cs", "Cc"],
        exclude_characters="\x7f\x85\u2028\u2029\ufeff\ufffe\uffff",
        max_codepoint=0x10FFFD,
    ).filter(lambda char: ord(char) & 0xFFFE != 0xFFFE),
    max_size=20,
)
_KEYS = _TEXT
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_KEYS, inner, max_size=5),
    max_leaves=30,
)


@given(st.dictionaries(_KEYS, _JSON, max_size=6), st.booleans(), st.sampled_from([None, 1, 4]))
def test_json_reads_as_json_does(data: dict[str, Any], ascii_only: bool, indent: int | None) -> None:
    if ascii_only and any(ord(char) > 0xFFFF for char in json.dumps(data, ensure_ascii=False)):
        ascii_only = (
            False  # JSON writes these as two escapes of half a character each, which YAML does not have
        )
    text = json.dumps(data, ensure_ascii=ascii_only, indent=indent)
    tree, errors = read(text)
    assert errors == ""
    assert tree is not None
    assert same(tree.plain(), json.loads(text))


def same(left: object, right: object) -> bool:
    """Equal in value and in type, all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and isinstance(right, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    return left == right


@given(st.dictionaries(_KEYS, _JSON, min_size=1, max_size=6), st.sampled_from([None, 1, 4]))
def test_every_span_covers_the_text_it_speaks_of(data: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(data, ensure_ascii=False, indent=indent)
    tree, _ = read(text)
    assert tree is not None
    lines = text.split("\n")

    def check(node: Marked) -> None:
        shown = lines[node.span.line - 1][node.span.column - 1 :][: node.span.length]
        if isinstance(node.value, dict):
            assert shown.startswith("{")
            for key, child in node.value.items():
                assert child.key_span is not None
                place = child.key_span
                assert json.loads(lines[place.line - 1][place.column - 1 :][: place.length]) == key
                check(child)
        elif isinstance(node.value, list):
            assert shown.startswith("[")
            for item in node.value:
                check(item)
        else:
            assert same(json.loads(shown), node.value)

    check(tree)


def test_positions_of_block_style() -> None:
    tree, _ = read(
        "nodes:\n  größe: {eps: 1e-3}   # é\n  rx:\n    list:\n      - one\n      - 'two'\n  nil:\n"
    )
    assert tree is not None
    document = Document(tree, "s.yaml")

    def place(span: Any) -> tuple[int, int, int]:
        return (span.line, span.column, span.length)

    assert place(document.key_span(("nodes", "größe"))) == (2, 3, 5)
    assert place(document.value_span(("nodes", "größe", "eps"))) == (2, 16, 4)
    assert place(document.value_span(("nodes", "rx", "list", 1))) == (6, 9, 5)
    assert place(document.key_span(("nodes", "rx", "list", 1))) == (6, 9, 5)
    assert place(document.key_span(("nodes", "rx", "absent", "deeper"))) == (3, 3, 2)
    assert place(document.value_span(("nodes", "nil"))) == (7, 3, 3)


def test_aliases_stand_where_they_are_used() -> None:
    tree, errors = read("a: &x {eps: 1}\nb: *x\n")
    assert errors == ""
    assert tree is not None
    assert tree.plain() == {"a": {"eps": 1}, "b": {"eps": 1}}
    span = Document(tree, "s.yaml").value_span(("b",))
    assert (span.line, span.column, span.length) == (2, 4, 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "rx:\n  eps: 1\n  eps: 2\n",
            """
s.yaml:3:3: error[E011]: `eps` stands twice in this mapping
    3 |   eps: 2
      |   ^^^ remove one, or give it another name
   note: s.yaml:2:3: it stands here first
    2 |   eps: 1
      |   ^^^
1 error
""",
        ),
        (
            "a: !!python/object/apply:os.system ['true']\n",
            """
s.yaml:1:4: error[E012]: tag `!!python/object/apply:os.system` is not part of the spec language
    1 | a: !!python/object/apply:os.system ['true']
      |    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ remove it
1 error
""",
        ),
        (
            "a: &x {b: 1}\nc: {<<: *x}\n1: d\n? [e]\n: f\n",
            """
s.yaml:2:5: error[E012]: merge keys (`<<`) are not part of the spec language
    2 | c: {<<: *x}
      |     ^^ repeat the keys, or alias a whole mapping
s.yaml:3:1: error[E012]: key `1` is not text
    3 | 1: d
      | ^ write "1"
s.yaml:4:3: error[E012]: a key must be text
    4 | ? [e]
      |   ^^^
3 errors
""",
        ),
        (
            "a: 1\n---\nb: 2\n",
            """
s.yaml:2:1: error[E012]: a second document begins here; a spec is one document
    2 | ---
      | ^^^ put it in a file of its own
1 error
""",
        ),
        (
            "a: .nan\nb: -.inf\nc: 1e999\nd: 9223372036854775808\n",
            """
s.yaml:1:4: error[E013]: `.nan` is not a finite number
    1 | a: .nan
      |    ^^^^ write another number
s.yaml:2:4: error[E013]: `-.inf` is not a finite number
    2 | b: -.inf
      |    ^^^^^ write another number
s.yaml:3:4: error[E013]: `1e999` is not a finite number
    3 | c: 1e999
      |    ^^^^^ write another number
s.yaml:4:4: error[E013]: `9223372036854775808` does not fit in 64 bits
    4 | d: 9223372036854775808
      |    ^^^^^^^^^^^^^^^^^^^ write another number
4 errors
""",
        ),
        (
            "nodes:\n\trx: 1\n",
            """
s.yaml:2:1: error[E010]: a tab where YAML wants spaces
    2 |  rx: 1
      | ^ indent with spaces
1 error
""",
        ),
        (
            "nodes: {rx: {eps: 1}\n",
            """
s.yaml:1:8: error[E010]: this `{` is not closed
    1 | nodes: {rx: {eps: 1}
      |        ^ add the `}`, or a `,` that is missing after it
1 error
""",
        ),
        (
            "a: 'open\n",
            """
s.yaml:1:4: error[E010]: this quote is not closed
    1 | a: 'open
      |    ^ add the closing quote
1 error
""",
        ),
        (
            "a: b: c\n",
            """
s.yaml:1:5: error[E010]: a `:` where no key can be
    1 | a: b: c
      |     ^ check the indentation, or quote text that contains `: `
1 error
""",
        ),
        (
            "a: @home\n",
            """
s.yaml:1:4: error[E010]: `@` cannot begin a value
    1 | a: @home
      |    ^ put the value in quotes
1 error
""",
        ),
        (
            "a:\n  - 1\n  b: 2\n",
            """
s.yaml:3:3: error[E010]: this fits no list above it
    3 |   b: 2
      |   ^ check the indentation
1 error
""",
        ),
        (
            "a: *nowhere\n",
            """
s.yaml:1:4: error[E010]: alias `*nowhere` has no anchor `&nowhere` before it
    1 | a: *nowhere
      |    ^^^^^^^^ write `&nowhere` before the value that is meant
1 error
""",
        ),
        (
            "a: &x [*x]\n",
            """
s.yaml:1:8: error[E010]: alias `*x` stands inside its own anchor
    1 | a: &x [*x]
      |        ^^ write what is meant, without an alias
1 error
""",
        ),
    ],
    ids=lambda text: text[:12].strip(),
)
def test_what_is_no_yaml_of_ours_is_answered_at_its_place(text: str, expected: str) -> None:
    assert read(text)[1] == expected


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "first_line"),
    [
        ("a: " + "[" * 200_000, "s.yaml:1:68: error[E005]: values are nested more than 64 deep"),
        ("a: " + "{a: " * 200_000, "s.yaml:1:257: error[E005]: values are nested more than 64 deep"),
        ("- " * 400_000, "s.yaml:1:131: error[E005]: values are nested more than 64 deep"),
        (BOMB, "s.yaml:5:8: error[E005]: aliases expand to more than 10000 values"),
        ("[" + "1," * 400_000 + "1]", "s.yaml:1:200000: error[E005]: the spec has more than 100000 values"),
        (
            "[" + "!!int 1," * 100_000 + "]",
            "s.yaml:1:2: error[E012]: tag `!!int` is not part of the spec language",
        ),
        ("k" * 200 + ": 1", "s.yaml:1:1: error[E005]: a key is longer than 128 characters"),
        ("a: " + "x" * 20_000, "s.yaml:1:4: error[E005]: a text is longer than 10000 characters"),
        ("a: " + "9" * 9_999, "s.yaml:1:4: error[E013]: `" + "9" * 60 + "…` is not a finite number"),
    ],
    ids=["lists", "mappings", "dashes", "aliases", "values", "tags", "key", "text", "digits"],
)
def test_hostile_texts_meet_a_limit(text: str, first_line: str) -> None:
    assert read(text)[1].split("\n")[1] == first_line


def test_the_greatest_depth_is_allowed() -> None:
    tree, errors = read("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert errors == ""
    assert tree is not None


@given(st.text(st.sampled_from("ab:-[]{}&*!|>'\"#%@`?, \n0<~.\\é"), max_size=60))
def test_any_text_gives_a_tree_or_an_answer(text: str) -> None:
    tree, errors = read(text)
    assert tree is not None or errors
