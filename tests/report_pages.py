"""An HTML page as a test reads it: parsed strictly, its texts by section, every address that it names."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = frozenset({"img", "meta", "link", "br", "hr", "input"})
INLINE = frozenset({"code", "strong", "span", "a"})
LOADING = frozenset({"src", "href", "srcset", "data", "poster", "action", "background", "xlink:href"})


class Page(HTMLParser):
    """Raises AssertionError where elements are not closed in the order they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = text
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.sections: dict[str, str] = {}
        self._open: list[tuple[str, str | None]] = []
        self.feed(text)
        self.close()
        assert self._open == [], f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append((tag, dict(attrs).get("id") if tag in ("section", "header") else None))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        opened, _ = self._open.pop()
        assert opened == tag, f"</{tag}> closes <{opened}>"
        if tag not in INLINE:
            self._say(" ")

    def handle_data(self, data: str) -> None:
        if not {name for name, _ in self._open} & {"style", "title"}:
            self._say(data)

    def _say(self, data: str) -> None:
        for tag, name in self._open:
            if tag in ("section", "header"):
                key = name or tag
                self.sections[key] = self.sections.get(key, "") + data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    def says(self, section: str) -> str:
        """The words of a section, spaces made one; narrow spaces too."""
        return re.sub(r"\s+", " ", self.sections[section].replace("\u202f", " "))

    def addresses(self) -> list[str]:
        """Everything that a browser would load or a reader could follow, in elements and in styles."""
        found = [
            v or "" for _, attributes in self.elements for name, v in attributes.items() if name in LOADING
        ]
        return found + re.findall(r"url\(([^)]*)\)", self.text) + re.findall(r"@import[^;]*", self.text)
