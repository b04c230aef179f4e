"""Command-line overrides in Hydra's grammar, applied to the tree of a spec.

An override becomes part of the document: its spans point into the pseudo file `<override>`, one override a
line. Hydra parses; it is imported only when there are overrides, and never composes or instantiates anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cuvisc.schema.acceptance import accepts
from cuvisc.schema.catalogue import Catalogue
from cuvisc.schema.diagnostics import Diagnostics, closest
from cuvisc.schema.document import Marked, Path, Span, marked
from cuvisc.schema.places import STRUCTURE, TYPE_KEYS, keys_at, kind_at, schemas_at, written_type
from cuvisc.schema.trees import put, refuse_defects, remove

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override as HydraOverride

OVERRIDE_FILE = "<override>"
MAX_LENGTH = 4096
MAX_OVERRIDES = 1000
_MAX_BRACKETS = 64


@dataclass(frozen=True)
class Override:
    """One parsed override; `action` is change, add, force or remove; `value` is None for `~key`."""

    action: str
    path: Path
    value: Marked | None
    key_span: Span

    @property
    def group(self) -> str:
        """The group of files this override may choose an option of, as in `training/optimizer=sgd`."""
        return ".".join(str(key) for key in self.path)


def parse_overrides(texts: Sequence[str], diagnostics: Diagnostics) -> list[Override]:
    """The overrides that could be read, in order; a diagnostic for every other."""
    if not texts:
        return []
    diagnostics.sources[OVERRIDE_FILE] = tuple(text.replace("\n", " ").replace("\r", " ") for text in texts)
    parsed = (_parse(text, line, diagnostics) for line, text in enumerate(texts[:MAX_OVERRIDES], start=1))
    if len(texts) > MAX_OVERRIDES:
        diagnostics.error("E005", f"there are more than {MAX_OVERRIDES} overrides", None)
    return [override for override in parsed if override is not None]


def apply_overrides(
    tree: Marked, overrides: Sequence[Override], catalogue: Catalogue, diagnostics: Diagnostics
) -> Marked:
    """The tree with every override applied in order; one that fits nothing is answered and left out.

    What is no mapping has no keys to change: that it should be one is said where the spec is checked.
    """
    if not isinstance(tree.value, dict):
        return tree
    for override in overrides:
        tree = _apply(tree, override, catalogue, diagnostics)
    return tree


def _parse(text: str, line: int, diagnostics: Diagnostics) -> Override | None:
    whole = Span(OVERRIDE_FILE, line, 1, len(text))
    if len(text) > MAX_LENGTH or sum(text.count(bracket) for bracket in "[{(") > _MAX_BRACKETS:
        diagnostics.error("E005", "the override is too long, or has too many brackets", whole)
        return None
    parsed = _parse_with_hydra(text)
    if isinstance(parsed, str):
        help = _with_quotes(text) if "=" in text else "write key=value"
        diagnostics.error("E020", f"not an override in Hydra's grammar: {parsed}", whole, help=help)
        return None
    if parsed.package is not None or not parsed.key_or_group:
        diagnostics.error("E020", "the key of an override is a dotted path", whole)
        return None
    if parsed.is_sweep_override():
        fact = "several values for one key (a sweep) have no meaning here"
        help = "`cuvisc sweep` makes a run for each; one value that is a list is key=[1,2]"
        diagnostics.error("E020", fact, whole, help=help)
        return None
    begin = len(text) - len(text.lstrip("+~"))
    equals = text.find("=")
    key_span = Span(OVERRIDE_FILE, line, begin + 1, (equals if equals >= 0 else len(text)) - begin)
    path = tuple(int(key) if key.isdecimal() else key for key in parsed.key_or_group.split("."))
    if equals < 0:
        return Override("remove", path, None, key_span)
    value_span = Span(OVERRIDE_FILE, line, equals + 2, len(text) - equals - 1)
    value = marked(parsed.value(), value_span, key_span)
    if refuse_defects(value, diagnostics):
        return None
    actions = {"ADD": "add", "FORCE_ADD": "force", "DEL": "remove"}
    return Override(actions.get(parsed.type.name, "change"), path, value, key_span)


def _parse_with_hydra(text: str) -> HydraOverride | str:
    """Hydra's reading of an override, or its complaint in one line."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_override(text)
    except (HydraException, ValueError, RecursionError) as error:
        return str(error).split("\n")[0] or "it cannot be read"


def _with_quotes(text: str) -> str:
    """What to do about a value that Hydra's grammar cannot read as it is."""
    key, _, value = text.partition("=")
    quoted = f'{key}="{value}"'
    is_text = value.isprintable() and not set(value) & set("'\"\\[")
    if not is_text or isinstance(_parse_with_hydra(quoted), str):
        return "put the value in quotes"
    return f"put the value in quotes, within those for the shell: '{quoted}'"


def _apply(tree: Marked, override: Override, catalogue: Catalogue, diagnostics: Diagnostics) -> Marked:
    path, value = override.path, override.value
    there = _find(tree, path)
    shown = ".".join(str(key) for key in path)
    if override.action == "remove":
        if there is None:
            return _unknown(tree, override, catalogue, diagnostics)
        if value is not None and value.plain() != there.plain():
            diagnostics.error(
                "E021", f"`{shown}` has another value, so that it is not removed", override.key_span
            )
            return tree
        return remove(tree, path)
    assert value is not None
    if override.action == "add" and there is not None and not isinstance(value.value, dict):
        help = f"`{shown}=…` changes it"
        diagnostics.error("E022", f"`{shown}` is already there", override.key_span, help=help)
        return tree
    if override.action == "change" and there is None and not schemas_at(catalogue, tree, path):
        return _unknown(tree, override, catalogue, diagnostics)
    value = _as_wanted(value, path, tree, catalogue, diagnostics)
    if there is not None and override.action != "force":
        value = _joined(there, value, path, catalogue)
    try:
        return put(tree, path, value)
    except KeyError:
        return _unknown(tree, override, catalogue, diagnostics)


def _joined(base: Marked, over: Marked, path: Path, catalogue: Catalogue) -> Marked:
    """Mappings joined key by key, as Hydra joins them; everything else is replaced.

    Of an entry that becomes one of another type only its place in the graph stays: parameters are those of a type.
    """
    if not isinstance(base.value, Mapping) or not isinstance(over.value, Mapping):
        return over
    kept = dict(base.value)
    kind = kind_at(path)
    if kind is not None and written_type(over) is not None:
        replaced = _type_of(base, kind, catalogue) != _type_of(over, kind, catalogue)
        stays = STRUCTURE if replaced else kept
        kept = {key: child for key, child in kept.items() if key in stays and key not in TYPE_KEYS}
    for key, child in over.value.items():
        kept[key] = _joined(kept[key], child, (*path, key), catalogue) if key in kept else child
    return replace(over, value=kept)


def _type_of(entry: Marked, kind: str, catalogue: Catalogue) -> object:
    written = written_type(entry)
    text = written.value if written is not None else None
    return (catalogue.resolve_target(kind, text) or text) if isinstance(text, str) else text


def _as_wanted(
    value: Marked, path: Path, tree: Marked, catalogue: Catalogue, diagnostics: Diagnostics
) -> Marked:
    """The value as text where the language wants text: `precision=32` cannot be quoted conveniently in a
    shell."""
    if isinstance(value.value, bool) or not isinstance(value.value, (int, float)):
        return value
    schemas = schemas_at(catalogue, tree, path)
    text = diagnostics.sources[OVERRIDE_FILE][value.span.line - 1][value.span.column - 1 :].strip()
    if not schemas or accepts(catalogue, schemas, value.value) or not accepts(catalogue, schemas, text):
        return value
    return Marked(text, value.span, value.key_span)


def _find(tree: Marked, path: Path) -> Marked | None:
    found: Marked | None = tree
    for key in path:
        found = found.child(key) if found is not None else None
    return found


def _unknown(tree: Marked, override: Override, catalogue: Catalogue, diagnostics: Diagnostics) -> Marked:
    """Say which key of an override's path is the first that nothing knows.

    Returns the tree as it was, but for the key that was meant: it is no longer said to be missing.
    """
    path = override.path
    depth = next(
        (
            depth
            for depth in range(1, len(path) + 1)
            if _find(tree, path[:depth]) is None and not schemas_at(catalogue, tree, path[:depth])
        ),
        len(path),
    )
    before = sum(len(str(key)) + 1 for key in path[: depth - 1])
    wrong = str(path[depth - 1])
    span = Span(OVERRIDE_FILE, override.key_span.line, override.key_span.column + before, len(wrong))
    shown = ".".join(str(key) for key in path)
    above = path[: depth - 1]
    parent = f"`{'.'.join(str(key) for key in above)}`" if above else "the spec"
    holder = _find(tree, above)
    if holder is not None and not isinstance(holder.value, (dict, list)):
        diagnostics.error("E021", f"override `{shown}`: {parent} is no mapping", span)
        return tree
    meant = closest(wrong, keys_at(catalogue, tree, above))
    help = f"did you mean `{meant}`?" if meant is not None else ""
    if not help and override.action == "change" and holder is not None and isinstance(holder.value, dict):
        help = f"+{shown}=… adds it"
    diagnostics.error("E021", f"override `{shown}`: {parent} has no `{wrong}`", span, help=help)
    if (
        meant is None
        or depth < len(path)
        or override.value is None
        or _find(tree, (*above, meant)) is not None
    ):
        return tree
    return put(tree, (*above, meant), Marked(None, span, span, "unread"))
