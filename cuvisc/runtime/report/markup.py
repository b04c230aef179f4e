"""HTML as text that is escaped unless it was made here; numbers as people read them. Pure Python."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape
from typing import TypeAlias

from cuvisc.schema.render import printable

NARROW = "\u202f"
MINUS = "\u2212"
_VOID = frozenset({"img", "meta"})


class Html(str):
    """Text that is markup already; every other text is escaped when it becomes part of an element."""

    __slots__ = ()


Child: TypeAlias = "str | Iterable[str] | None"


def tag(element: str, *children: Child, **attributes: str | float | bool | None) -> Html:
    """An element; `class_` is class, other underscores are dashes; attributes that are None or False are left out."""
    written = "".join(_attribute(name, value) for name, value in attributes.items())
    if element in _VOID:
        return Html(f"<{element}{written}>")
    return Html(f"<{element}{written}>{join(*children)}</{element}>")


def _attribute(name: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    written = name.rstrip("_").replace("_", "-")
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f" {written}" if value is True else f' {written}="{shown(text)}"'


def join(*children: Child) -> Html:
    """Pieces one after the other, text escaped."""
    parts: list[str] = []
    for child in children:
        if child is None:
            continue
        parts += [shown(child)] if isinstance(child, str) else map(shown, child)
    return Html("".join(parts))


def shown(text: str) -> str:
    """Text as markup: escaped, and what a browser would obey or hide made visible."""
    if isinstance(text, Html):
        return text
    return escape(NARROW.join(printable(part, keep_newlines=True) for part in text.split(NARROW)))


def code(text: str) -> Html:
    """A name as it is written in a spec."""
    return tag("code", text)


def marked(text: str) -> Html:
    """Text in which `names` stand between backticks, as they do in messages."""
    return join(code(part) if index % 2 else part for index, part in enumerate(text.split("`")))


def absent(reason: str | Html) -> Html:
    """Why something is not there."""
    return tag("p", reason if isinstance(reason, Html) else marked(reason), class_="absent")


def table(head: Iterable[str], rows: Iterable[Iterable[str]], caption: str, numeric: int = 0) -> Html:
    """A table in a frame that scrolls; the first cell of a row names it, cells from column `numeric` on are numbers."""
    columns = list(head)

    def kind(column: int) -> str | None:
        return "number" if numeric and column >= numeric else None

    body = (
        tag(
            "tr",
            (
                tag("td" if i else "th", c, class_=kind(i), scope=None if i else "row")
                for i, c in enumerate(row)
            ),
        )
        for row in rows
    )
    heads = (tag("th", text, scope="col", class_=kind(i)) for i, text in enumerate(columns))
    made = tag("table", tag("caption", caption), tag("thead", tag("tr", heads)), tag("tbody", body))
    return tag("div", made, class_="scroll", tabindex=0, role="region", aria_label=caption)


def pairs(rows: Iterable[tuple[str, str]]) -> Html:
    """Names and their values."""
    return tag("dl", (tag("div", tag("dt", name), tag("dd", value)) for name, value in rows))


def number(value: float | None, digits: int = 4) -> str:
    """A number to so many significant digits, `–` for None; thousands apart, a true minus."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    size = abs(value)
    if value == round(value) and size < 1e15:
        text = f"{value:,.0f}"
    elif 1e-4 <= size < 1e6:
        places = max(0, digits - 1 - math.floor(math.log10(size)))
        text = f"{value:,.{places}f}"
    else:
        text = f"{value:.{digits - 1}e}"
    return text.replace(",", NARROW).replace("-", MINUS)


def share(part: float, whole: float) -> str:
    """A part as a percentage, with as many digits as a small part needs."""
    return percent(part / whole) if whole else "–"


def percent(fraction: float) -> str:
    """A fraction as a percentage."""
    value = 100 * fraction
    places = 1 if value >= 1 or value == 0 else min(6, 1 - math.floor(math.log10(value)))
    return f"{value:.{places}f}{NARROW}%"


def count(value: int, noun: str, plural: str | None = None) -> str:
    """`1 pixel`, `21 025 pixels`."""
    return f"{number(value)} {noun if value == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
