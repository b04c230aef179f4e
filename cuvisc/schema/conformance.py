"""The schema stage: a resolved document against the catalogue, every violation a diagnostic at its place.

The type an entry names decides which schema it must fit; the type is looked up, never imported. What is
disabled is checked like everything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from cuvisc.schema.acceptance import accepts, violations
from cuvisc.schema.catalogue import KIND_NAMES, SECTION_KINDS, Catalogue, Json
from cuvisc.schema.diagnostics import Diagnostics, closest, did_you_mean
from cuvisc.schema.document import Document, Marked, Path
from cuvisc.schema.interpolation import Resolved
from cuvisc.schema.places import CALLBACKS, ENABLED, schemas_at, written_type
from cuvisc.schema.scalars import defect, parse_scalar
from cuvisc.schema.spec import is_name
from cuvisc.schema.trees import put
from cuvisc.schema.violations import Reporter
from cuvisc.schema.wording import dotted, shortened, written

_NOT_PARAMETERS = ("type", "_target_", "enabled")


def check_conformance(
    document: Document, resolved: Resolved, catalogue: Catalogue, diagnostics: Diagnostics
) -> tuple[Marked, bool]:
    """Check a document whose interpolations were resolved; returns the tree, and whether it can be checked further.

    Environment texts in it are of the types that the schema wants at their places. Entries of a known type that are
    wrong otherwise are left with their type alone, unread; errors elsewhere leave nothing clear.
    """
    root = _fit_texts(resolved, catalogue)
    if not isinstance(root.value, Mapping):
        fact = f"a spec wants to be a mapping of sections, got {written(root.plain())}"
        diagnostics.error("E103", fact, root.span)
        return root, False
    if _is_newer(root, catalogue, document, diagnostics):
        return root, False
    checker = _Checker(document, resolved, root, catalogue, diagnostics)
    checker.sections()
    for path, entry in checker.wrong.items():
        root = put(root, path, entry)
    return root, checker.elsewhere == 0


def is_enabled(entry: Marked) -> bool:
    """Whether an entry of a checked tree takes part."""
    enabled = entry.child("enabled")
    return enabled is None or enabled.value is not False


def _fit_texts(resolved: Resolved, catalogue: Catalogue) -> Marked:
    """Texts from the environment as numbers or truth values where nothing else is wanted."""
    root = resolved.root
    for place in sorted(resolved.places - resolved.failed, key=str):
        found: Marked | None = root
        for key in place:
            found = found.child(key) if found is not None else None
        if found is None or not isinstance(found.value, str):
            continue
        schemas = schemas_at(catalogue, root, place)
        value = parse_scalar(found.value)
        if defect(value):
            continue
        if schemas and not accepts(catalogue, schemas, found.value) and accepts(catalogue, schemas, value):
            root = put(root, place, Marked(value, found.span, found.key_span))
    return root


def _is_newer(root: Marked, catalogue: Catalogue, document: Document, diagnostics: Diagnostics) -> bool:
    version = root.child("version")
    newest = (catalogue.section("version") or {}).get("maximum", 1)
    if version is None or isinstance(version.value, bool) or not isinstance(version.value, int):
        return False
    if version.value <= newest:
        return False
    fact = f"the spec is version {version.value}; this cuvisc reads up to version {newest}"
    diagnostics.error("E107", fact, document.value_span(("version",)), help="upgrade cuvisc")
    return True


def _words(catalogue: Catalogue, section: str) -> Json:
    """What a section is for, without what it may hold."""
    return {"description": (catalogue.section(section) or {}).get("description", "")}


class _Checker:
    def __init__(
        self,
        document: Document,
        resolved: Resolved,
        root: Marked,
        catalogue: Catalogue,
        diagnostics: Diagnostics,
    ) -> None:
        self.document = document
        self.resolved = resolved
        self.root = root
        self.catalogue = catalogue
        self.diagnostics = diagnostics
        self.wrong: dict[Path, Marked] = {}
        self._inside = 0

    @property
    def elsewhere(self) -> int:
        """How many errors are not in one of the entries that are wrong."""
        return self.diagnostics.errors - self._inside

    def known_entry(self, path: Path, entry: Marked, kind: str) -> None:
        """One entry; where its type is clear, what else is wrong with it stays its own."""
        before = self.diagnostics.errors
        self.entry(path, entry, kind)
        found = self.diagnostics.errors - before
        named = written_type(entry) if isinstance(entry.value, Mapping) else None
        if found and named is not None and self.catalogue.resolve_target(kind, str(named.value)) is not None:
            self._inside += found
            self.wrong[path] = replace(entry, value={"type": named}, reading="unread")

    def sections(self) -> None:
        assert isinstance(self.root.value, Mapping)
        names = dict.fromkeys(self.root.value)
        shallow = {
            **self.catalogue.schema,
            "properties": {section: _words(self.catalogue, section) for section in self.catalogue.sections},
        }
        self.fit((), shallow, names, "section")
        for name, section in self.root.value.items():
            if section.value is None or name not in self.catalogue.sections:
                continue
            if name == "datamodule":
                self.entry((name,), section, "datamodule")
            elif name in SECTION_KINDS:
                self.entries((name,), section, SECTION_KINDS[name])
            else:
                self.plain_section((name,), section)

    def entries(self, path: Path, section: Marked, kind: str) -> None:
        if not isinstance(section.value, Mapping):
            fact = (
                f"`{dotted(path)}` wants to be a mapping of names to entries, got {written(section.plain())}"
            )
            help = f"name each {KIND_NAMES[kind]}, as in `my_{kind}: {{type: …}}`"
            self.diagnostics.error("E103", fact, self.document.value_span(path), help=help)
            return
        for name, entry in section.value.items():
            if self.diagnostics.full:
                return
            here = (*path, name)
            if not is_name(name) or (kind == "node" and name == "input"):
                reserved = "choose another name: `input` is the cube that the graph reads"
                help = reserved if name == "input" else "use letters, digits, `_` and `-`"
                fact = f"`{name}` cannot name a {KIND_NAMES[kind]}"
                self.diagnostics.error("E108", fact, self.document.key_span(here), help=help)
            elif kind == "loss" and name == "total":
                fact = "`total` cannot name a loss: `train/loss/total` is the sum of all losses"
                self.diagnostics.error("E108", fact, self.document.key_span(here), help="choose another name")
            self.known_entry(here, entry, kind)

    def entry(self, path: Path, entry: Marked, kind: str) -> None:
        """One node, leaf, monitor, data module or callback."""
        if path in self.resolved.failed:
            return
        if not isinstance(entry.value, Mapping):
            fact = f"`{dotted(path)}` wants to be a mapping with a `type`, got {written(entry.plain())}"
            known = isinstance(entry.value, str) and self.catalogue.resolve_target(kind, entry.value)
            help = f"write {{type: {entry.value if known else '…'}}}"
            self.diagnostics.error("E103", fact, self.document.value_span(path), help=help)
            return
        name = self.type_name(path, entry, kind)
        definition = self.catalogue.definition(kind, name) if name is not None else None
        if definition is None:
            return
        values = {k: child.plain() for k, child in entry.value.items() if k not in _NOT_PARAMETERS}
        for parameter, inner in definition["x-cuvisc"].get("entries", {}).items():
            values |= self.inner_entries((*path, parameter), entry.child(parameter), inner)
        properties = {k: v for k, v in definition["properties"].items() if k not in _NOT_PARAMETERS}
        self.fit(path, {**definition, "properties": properties}, values, f"parameter of {name}")
        enabled = entry.child("enabled")
        if enabled is not None:
            self.fit((*path, "enabled"), ENABLED, enabled.value)

    def inner_entries(self, path: Path, entries: Marked | None, kind: str) -> dict[str, object]:
        """Entries in a list that is a parameter of another; they read what that one reads. The list without them."""
        if entries is None or not isinstance(entries.value, list):
            return {}
        if not entries.value:
            self.diagnostics.error(
                "E104",
                f"`{dotted(path)}` is an empty list",
                self.document.value_span(path),
                help="name at least one",
            )
        for index, item in enumerate(entries.value):
            here = (*path, index)
            parent = item.child("parent")
            if parent is not None:
                fact = f"`{dotted(here)}` has a `parent`, but reads what `{dotted(path[:-1])}` reads"
                span = self.document.key_span((*here, "parent"))
                self.diagnostics.error("E101", fact, span, label="leave it out")
            self.entry(here, item, kind)
        return {str(path[-1]): []}

    def type_name(self, path: Path, entry: Marked, kind: str) -> str | None:
        """The registered name of an entry's type, None after a diagnostic."""
        assert isinstance(entry.value, Mapping)
        found = written_type(entry)
        if found is None:
            misspelt = closest("type", list(entry.value))
            if misspelt is not None:
                here = (*path, misspelt)
                fact = f"`{dotted(here)}`: unknown key"
                self.diagnostics.error(
                    "E101", fact, self.document.key_span(here), help="did you mean `type`?"
                )
            else:
                fact = f"`{dotted(path)}.type` is missing"
                self.diagnostics.error("E102", fact, self.document.key_span(path), help="add `type: …`")
            return None
        key = "type" if "type" in entry.value else "_target_"
        here = (*path, key)
        if here in self.resolved.failed:
            return None
        if "type" in entry.value and "_target_" in entry.value:
            fact = f"`{dotted(path)}` has both `type` and `_target_`"
            span = self.document.key_span((*path, "_target_"))
            self.diagnostics.error("E101", fact, span, help="keep one of them")
            return None
        if not isinstance(found.value, str):
            fact = f"`{dotted(here)}` wants the name of a {KIND_NAMES[kind]}, got {written(found.plain())}"
            self.diagnostics.error("E103", fact, self.document.value_span(here))
            return None
        name = self.catalogue.resolve_target(kind, found.value)
        if name is None:
            self.unknown_type(here, found.value, kind)
        return name

    def unknown_type(self, path: Path, text: str, kind: str) -> None:
        last = text.rpartition(".")[2]
        homes = [other for other in self.catalogue.kinds_of(last) if other != kind]
        if homes:
            sections = [section for section, home in SECTION_KINDS.items() if home == homes[0]]
            place = f"`{sections[0]}`" if sections else f"`{dotted(CALLBACKS)}`"
            help = f"`{last}` is a {KIND_NAMES[homes[0]]}: it belongs under {place}"
        else:
            help = did_you_mean(last, self.catalogue.names(kind)) or "`cuvisc nodes` lists what there is"
        if path in self.resolved.places:
            source = self.document.find(path)
            text = str(source.value) if source is not None else "…"
        fact = f"`{dotted(path)}`: there is no {KIND_NAMES[kind]} `{shortened(text)}`"
        self.diagnostics.error("E106", fact, self.document.value_span(path), help=help)

    def plain_section(self, path: Path, section: Marked) -> None:
        """A section without types of its own, but for the callbacks among the trainer's options."""
        schema = self.catalogue.section(str(path[0])) or {}
        callbacks = self.callbacks() if path[0] == CALLBACKS[0] else {}
        for here, callback in callbacks.items():
            self.entry(here, callback, "callback")
        tree = put(self.root, CALLBACKS, Marked([], self.root.span)) if callbacks else self.root
        plain = tree.child(str(path[0]))
        self.fit(path, schema, plain.plain() if plain is not None else None)

    def callbacks(self) -> dict[Path, Marked]:
        found: Marked | None = self.root
        for key in CALLBACKS:
            found = found.child(key) if found is not None else None
        if found is None or not isinstance(found.value, list):
            return {}
        return {(*CALLBACKS, index): item for index, item in enumerate(found.value)}

    def fit(self, path: Path, schema: Json, instance: object, noun: str = "key") -> None:
        """Report everything a schema has against the value at a path."""
        reporter = Reporter(self.document, self.catalogue, self.diagnostics, self.resolved.places, path, noun)
        for violation in self.violations(path, schema, instance):
            if self.diagnostics.full:
                return
            reporter.report(violation)

    def violations(self, path: Path, schema: Json, instance: object) -> Iterator[object]:
        for violation in violations(self.catalogue, schema, instance):
            if (*path, *violation.absolute_path) not in self.resolved.failed:
                yield violation
