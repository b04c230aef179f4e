"""A spec and the files its `defaults` name, to one tree in which every value still knows the file it came
from.

The list is walked in order and what comes later wins; `_self_` is the file's own content, last when it is not
written. `optimizer: adam` reads `optimizer/adam.yaml` to the key `optimizer`; `name@key` chooses the key,
and so does a first line `# @package key`. Follows Hydra's rules for these forms; its other forms are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.document import Marked, Span
from cuvisc.schema.loader import load_tree
from cuvisc.schema.reading import read_text
from cuvisc.schema.trees import merge, nest

MAX_FILES = 100
_NAME = re.compile(r"/?[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_PACKAGE_LINE = re.compile(r"#\s*@package\s+(\S+)\s*$")


@dataclass(frozen=True)
class _Include:
    """One element of a `defaults` list; `group` is None for a file named without one."""

    span: Span
    path: str
    package: str | None = None
    optional: bool = False
    own: bool = False


def compose(
    tree: Marked, folder: Path, choices: Mapping[str, str], diagnostics: Diagnostics
) -> Marked | None:
    """The tree with its `defaults` read and merged, None when a part of it could not be read.

    `choices` replace the options of groups (an override `group=x`).
    """
    composer = _Composer(folder, choices, diagnostics)
    whole = composer.file(tree, "", (), ())
    return whole if composer.complete else None


def chosen_groups(tree: Marked) -> frozenset[str]:
    """The groups that a spec's own `defaults` choose an option of."""
    defaults = tree.child("defaults")
    items = defaults.value if defaults is not None and isinstance(defaults.value, list) else []
    return frozenset(
        key.partition("@")[0].removeprefix("optional ")
        for item in items
        if isinstance(item.value, Mapping)
        for key in item.value
    )


class _Composer:
    def __init__(self, folder: Path, choices: Mapping[str, str], diagnostics: Diagnostics) -> None:
        self.folder = folder
        self.choices = choices
        self.diagnostics = diagnostics
        self.files = 0
        self.complete = True

    def file(self, tree: Marked, group: str, package: tuple[str, ...], chain: tuple[str, ...]) -> Marked:
        """One file's content under its package, merged with the files it names."""
        defaults = tree.child("defaults")
        if defaults is None or not isinstance(tree.value, Mapping):
            return nest(tree, package, tree.span)
        own = replace(tree, value={k: v for k, v in tree.value.items() if k != "defaults"})
        includes = list(self.includes(defaults))
        if not any(include.own for include in includes):
            includes.append(_Include(defaults.span, "", own=True))
        whole = Marked({}, tree.span)
        for include in includes:
            if include.own:
                part: Marked | None = nest(own, package, tree.span)
            else:
                part = self.included(include, group, package, chain)
            whole = merge(whole, part) if part is not None else whole
        return whole

    def included(
        self, include: _Include, group: str, package: tuple[str, ...], chain: tuple[str, ...]
    ) -> Marked | None:
        """What a named file adds, None when it adds nothing."""
        path = include.path[1:] if include.path.startswith("/") else f"{group}/{include.path}".lstrip("/")
        if path in chain:
            ring = " → ".join([*chain[chain.index(path) :], path])
            fact = f"the defaults form a loop: {ring}"
            self.lost("E031", fact, include.span, "take one of them out")
            return None
        self.files += 1
        if self.files > MAX_FILES:
            fact = f"the defaults read more than {MAX_FILES} files"
            self.lost("E005", fact, include.span, "join some of them")
            return None
        file = self.folder / f"{path}.yaml"
        if not file.exists() and file.with_name(f"{file.stem}.yml").exists():
            file = file.with_name(f"{file.stem}.yml")
        if include.optional and not file.exists():
            return None
        text = read_text(file, self.diagnostics, include.span)
        tree = load_tree(text, str(file), self.diagnostics) if text is not None else None
        if text is None or tree is None:
            self.complete = False
            return None
        if tree.value is None:
            return None
        if not isinstance(tree.value, Mapping):
            self.lost("E103", f"`{file}` wants to be a mapping", tree.span, "write `key: value`")
            return None
        below = path.rpartition("/")[0]
        return self.file(tree, below, self.package(include, text, package), (*chain, path))

    def package(self, include: _Include, text: str, parent: tuple[str, ...]) -> tuple[str, ...]:
        """The keys under which a file's content belongs: as the include says, else its first line, else its
        group."""
        if include.package is None:
            header = _PACKAGE_LINE.match(text.lstrip().partition("\n")[0])
            if header is None:
                return (*parent, *include.path.strip("/").split("/")[:-1])
            parent, named = (), header.group(1)
        else:
            named = include.package
        keys = named.split(".")
        if keys[0] == "_global_":
            return tuple(keys[1:])
        return parent if named in ("", "_here_") else (*parent, *keys)

    def includes(self, defaults: Marked) -> Iterator[_Include]:
        """The elements of a `defaults` list, each wrong one answered and left out."""
        if not isinstance(defaults.value, list):
            self.wrong("`defaults` is a list of file names", defaults, "write [general, _self_]")
            return
        seen_own = False
        for item in defaults.value:
            if item.value == "_self_":
                if seen_own:
                    self.wrong("`_self_` stands twice in `defaults`", item, "keep one")
                else:
                    yield _Include(item.span, "", own=True)
                seen_own = True
            elif isinstance(item.value, str):
                yield from self.named(item.value, item, False)
            elif isinstance(item.value, Mapping) and len(item.value) == 1:
                yield from self.grouped(*next(iter(item.value.items())))
            else:
                self.wrong("a default is a file name or one `group: option`", item, "write one of the two")

    def grouped(self, key: str, option: Marked) -> Iterator[_Include]:
        words = key.split()
        optional = words[:1] == ["optional"]
        group, _, package = (words[1] if optional and len(words) == 2 else key).partition("@")
        chosen = self.choices.get(group, option.value)
        names = [child.value for child in chosen] if isinstance(chosen, list) else [chosen]
        for name in names:
            if name is None:
                continue
            if not isinstance(name, str):
                self.wrong(
                    f"the option of `{group}` must be a name", option, "write the name of a file in it"
                )
                continue
            yield from self.named(f"{group}/{name}" + (f"@{package}" if package else ""), option, optional)

    def named(self, text: str, item: Marked, optional: bool) -> Iterator[_Include]:
        path, at, package = text.partition("@")
        path = path.removesuffix(".yaml").removesuffix(".yml")
        if not _NAME.fullmatch(path) or ".." in path:
            help = "write its name, as in `general` or `data/lentils`; files stay in the spec's folder"
            self.wrong(f"`{text}` is not a name of a file beside the spec", item, help)
            return
        yield _Include(item.span, path, package if at else None, optional)

    def wrong(self, message: str, item: Marked, help: str = "") -> None:
        self.lost("E030", message, item.span, help)

    def lost(self, code: str, message: str, span: Span, help: str) -> None:
        """Say why a part is missing."""
        self.diagnostics.error(code, message, span, help=help)
        self.complete = False
