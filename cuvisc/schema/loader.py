"""YAML text to a tree of marked values, by YAML 1.2, strictly and within limits.

Reads parser events one by one, so that a limit stops a hostile text before anything is built from it. Syntax
that the language leaves out (tags, merge keys, several documents) is answered, never obeyed.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, NoReturn

import yaml

from cuvisc.schema.diagnostics import Diagnostics, did_you_mean
from cuvisc.schema.document import Marked, Reading, Span
from cuvisc.schema.reading import split_lines
from cuvisc.schema.scalars import defect, parse_scalar
from cuvisc.schema.syntax import explain_syntax
from cuvisc.schema.wording import shortened

try:
    from yaml._yaml import CParser as _Parser
except ImportError:

    class _Parser(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser):  # type: ignore[no-redef]
        """The same events, slower, where PyYAML was built without libyaml."""

        def __init__(self, stream: str) -> None:
            yaml.reader.Reader.__init__(self, stream)
            yaml.scanner.Scanner.__init__(self)
            yaml.parser.Parser.__init__(self)


MAX_DEPTH = 64
MAX_VALUES = 100_000
MAX_ALIASED = 10_000
MAX_KEY = 128
MAX_TEXT = 10_000
_TAG = re.compile(r"[^\s,\[\]{}]+")


def load_tree(text: str, file: str, diagnostics: Diagnostics) -> Marked | None:
    """The tree of a text whose characters were checked; None when it is no tree (its errors say why).

    The tree of an empty text is null.

    Errors that leave the tree readable (duplicate keys, tags, numbers out of range) are all collected, and what they
    make uncertain is marked as not sound.
    """
    diagnostics.sources[file] = split_lines(text)
    reader = _TreeReader(text, file, diagnostics)
    try:
        return reader.read()
    except _Refused:
        return None
    except yaml.MarkedYAMLError as error:
        explain_syntax(error, file, diagnostics)
        return None


class _Refused(Exception):
    """Reading stops here; the diagnostic is already written."""


class _TreeReader:
    def __init__(self, text: str, file: str, diagnostics: Diagnostics) -> None:
        self.file = file
        self.lines = diagnostics.sources[file]
        self.diagnostics = diagnostics
        self.parser: Any = _Parser(text)
        self.anchors: dict[str, tuple[Marked, int] | None] = {}
        self.values = 0
        self.aliased = 0

    def read(self) -> Marked:
        self.parser.get_event()
        first = self.parser.get_event()
        if isinstance(first, yaml.StreamEndEvent):
            return Marked(None, Span(self.file, 1, 1, 0))
        root = self.value(self.parser.get_event(), depth=0)
        self.parser.get_event()
        after = self.parser.get_event()
        if not isinstance(after, yaml.StreamEndEvent):
            fact = "a second document begins here; a spec is one document"
            self.refuse(
                "E012", fact, self.span(after.start_mark, after.end_mark), help="put it in a file of its own"
            )
        return root

    def value(self, event: Any, depth: int) -> Marked:
        """The value that starts with an event; consumes all of its events."""
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event)
        self.values += 1
        span = self.span(event.start_mark, event.end_mark)
        if self.values > MAX_VALUES:
            self.refuse("E005", f"the spec has more than {MAX_VALUES} values", span)
        if self.diagnostics.full:
            raise _Refused
        if depth > MAX_DEPTH:
            self.refuse("E005", f"values are nested more than {MAX_DEPTH} deep", span)
        if event.tag is not None:
            found = _TAG.match(self.lines[span.line - 1], span.column - 1)
            written = found.group() if found is not None else event.tag
            fact = f"tag `{written}` is not part of the spec language"
            place = Span(self.file, span.line, span.column, len(written))
            self.diagnostics.error("E012", fact, place, help="remove it")
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        before = self.values + self.aliased
        if isinstance(event, yaml.ScalarEvent):
            made = self.scalar(event, span)
        elif isinstance(event, yaml.SequenceStartEvent):
            made = self.sequence(event, depth)
        else:
            made = self.mapping(event, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = (made, self.values + self.aliased - before + 1)
        return made

    def scalar(self, event: Any, span: Span) -> Marked:
        if len(event.value) > MAX_TEXT:
            self.refuse("E005", f"a text is longer than {MAX_TEXT} characters", span)
        if event.tag is not None:
            return Marked(None, span, reading="unread")
        value = parse_scalar(event.value) if event.implicit[0] else event.value
        wrong = defect(value)
        if wrong:
            self.diagnostics.error(
                "E013", f"`{shortened(event.value)}` {wrong}", span, help="write another number"
            )
            return Marked(None, span, reading="unread")
        return Marked(value, span)

    def sequence(self, start: Any, depth: int) -> Marked:
        items: list[Marked] = []
        while not isinstance(event := self.parser.get_event(), yaml.SequenceEndEvent):
            items.append(self.value(event, depth + 1))
        return Marked(items, self.span(start.start_mark, event.end_mark))

    def mapping(self, start: Any, depth: int) -> Marked:
        items: dict[str, Marked] = {}
        reading: Reading = "sound"
        while not isinstance(event := self.parser.get_event(), yaml.MappingEndEvent):
            key = self.value(event, depth + 1)
            child = self.value(self.parser.get_event(), depth + 1)
            name = self.key_name(key, event)
            if name is None:
                reading = "unread"
                continue
            child = child.under(key.span)
            items[name] = self.second(name, items[name], child, depth) if name in items else child
        return Marked(items, self.span(start.start_mark, event.end_mark), reading=reading)

    def second(self, name: str, first: Marked, again: Marked, depth: int) -> Marked:
        """What a key stands for that stands twice: a section for what both hold, anything else for its last value."""
        notes = ((first.key_span, "it stands here first"),) if first.key_span is not None else ()
        self.diagnostics.error(
            "E011",
            f"`{name}` stands twice in this mapping",
            again.key_span,
            help="remove one, or give it another name",
            notes=notes,
        )
        if depth > 0 or not isinstance(first.value, dict) or not isinstance(again.value, dict):
            return replace(again, reading="doubled")
        twice = {
            key: replace(again.value[key], reading="doubled") for key in first.value if key in again.value
        }
        return replace(again, value={**first.value, **again.value, **twice})

    def key_name(self, key: Marked, event: Any) -> str | None:
        """The text of a key, None (with a diagnostic) when the key is no text or has another meaning."""
        if key.reading == "unread":
            return None
        if isinstance(key.value, str):
            if len(key.value) > MAX_KEY:
                self.refuse("E005", f"a key is longer than {MAX_KEY} characters", key.span)
            if key.value == "<<" and event.implicit[0]:
                fact = "merge keys (`<<`) are not part of the spec language"
                self.diagnostics.error(
                    "E012", fact, key.span, help="repeat the keys, or alias a whole mapping"
                )
                return None
            return key.value
        if isinstance(event, yaml.ScalarEvent) and event.value:
            fact = f"key `{event.value}` is not text"
            self.diagnostics.error("E012", fact, key.span, help=f'write "{event.value}"')
        else:
            self.diagnostics.error("E012", "a key must be text", key.span)
        return None

    def alias(self, event: Any) -> Marked:
        span = self.span(event.start_mark, event.end_mark)
        name = event.anchor
        if name not in self.anchors:
            known = did_you_mean(name, list(self.anchors))
            help = known or f"write `&{name}` before the value that is meant"
            self.refuse("E010", f"alias `*{name}` has no anchor `&{name}` before it", span, help)
        target = self.anchors[name]
        if target is None:
            fact = f"alias `*{name}` stands inside its own anchor"
            self.refuse("E010", fact, span, "write what is meant, without an alias")
        value, size = target
        self.aliased += size
        if self.aliased > MAX_ALIASED:
            self.refuse("E005", f"aliases expand to more than {MAX_ALIASED} values", span)
        return replace(value, span=span, key_span=None)

    def span(self, start: Any, end: Any) -> Span:
        """The part of the first line that lies between two marks."""
        if start.line == end.line:
            length = end.column - start.column
        else:
            line = self.lines[start.line] if start.line < len(self.lines) else ""
            length = max(len(line.rstrip()) - start.column, 0)
        return Span(self.file, start.line + 1, start.column + 1, length)

    def refuse(self, code: str, message: str, span: Span, help: str = "") -> NoReturn:
        help = help or ("`cuvisc explain E005` lists the limits" if code == "E005" else "")
        self.diagnostics.error(code, message, span, help=help)
        raise _Refused
