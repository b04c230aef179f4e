"""The front end: a spec's text and its overrides to a `Spec` and everything there is to say about it.

Stages, each collecting all of its errors before the next begins: syntax (files, YAML, composition, overrides),
interpolation and schema, references. Types and wiring are `cuvisc.compiler.check`. What a stage answered and could read
around (a doubled key, a number out of range, an entry of a known type) does not keep the others from their say.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cuvisc.schema.catalogue import Catalogue, load
from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.document import Document, Marked
from cuvisc.schema.loader import load_tree
from cuvisc.schema.places import is_detail
from cuvisc.schema.reading import check_characters, read_text
from cuvisc.schema.spec import Spec
from cuvisc.schema.trees import refuse_defects
from cuvisc.schema.wording import dotted

if TYPE_CHECKING:
    from cuvisc.schema.interpolation import Resolved


def load_spec(
    path: Path,
    overrides: Sequence[str] = (),
    catalogue: Catalogue | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[Spec | None, Diagnostics]:
    """The spec in a file, composed with the files its `defaults` name; None when anything is wrong with it."""
    spec, diagnostics = read_spec(path, overrides, catalogue, environment)
    return (None if diagnostics.has_errors else spec), diagnostics


def read_spec(
    path: Path,
    overrides: Sequence[str] = (),
    catalogue: Catalogue | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[Spec | None, Diagnostics]:
    """The spec in a file as far as it can be checked further: in spite of errors that leave the rest of it clear.

    `Spec.doubtful` names the entries that are not clear. Never for use: `load_spec` answers what is right.
    """
    diagnostics = Diagnostics()
    text = read_text(path, diagnostics)
    if text is None:
        return None, diagnostics
    return _compile(text, str(path), path.parent, overrides, catalogue, environment, diagnostics)


def load_text(
    text: str,
    name: str,
    overrides: Sequence[str] = (),
    catalogue: Catalogue | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[Spec | None, Diagnostics]:
    """The spec in a text; `name` stands for the file in messages, and its folder is where `defaults` are looked for."""
    spec, diagnostics = read_string(text, name, overrides, catalogue, environment)
    return (None if diagnostics.has_errors else spec), diagnostics


def read_string(
    text: str,
    name: str,
    overrides: Sequence[str] = (),
    catalogue: Catalogue | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[Spec | None, Diagnostics]:
    """The spec in a text as far as it can be checked further; see `read_spec`."""
    diagnostics = Diagnostics()
    if not check_characters(text, name, diagnostics):
        return None, diagnostics
    return _compile(text, name, Path(name).parent, overrides, catalogue, environment, diagnostics)


def load_data(
    data: Mapping[str, object],
    name: str,
    catalogue: Catalogue | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[Spec | None, Diagnostics]:
    """The spec in plain data, such as a graph built in Python; messages name `name` and no line."""
    diagnostics = Diagnostics()
    document = Document.from_data(data, name)
    if refuse_defects(document.root, diagnostics):
        return None, diagnostics
    return _check(document, catalogue or load(), environment, diagnostics)


def load_spelled(
    data: Mapping[str, object], name: str, catalogue: Catalogue | None = None
) -> tuple[Spec | None, Diagnostics]:
    """The spec in plain data with every `${oc.env:…}` left as it is written: to be shown, never to be run."""
    from cuvisc.schema.interpolation import resolve, spelled_places

    diagnostics = Diagnostics()
    document = Document.from_data(data, name)
    if refuse_defects(document.root, diagnostics):
        return None, diagnostics
    resolved = resolve(document.root, None, diagnostics)
    spelled = spelled_places(resolved.root)
    for path in sorted((path for path in spelled if not is_detail(path)), key=str):
        fact = f"what the graph is depends on the environment, by `{dotted(path)}`"
        diagnostics.error("E041", fact, document.value_span(path))
    unknown = replace(resolved, failed=resolved.failed | spelled)
    return _conform(document, unknown, catalogue or load(), diagnostics)


def _compile(
    text: str,
    name: str,
    folder: Path,
    overrides: Sequence[str],
    catalogue: Catalogue | None,
    environment: Mapping[str, str] | None,
    diagnostics: Diagnostics,
) -> tuple[Spec | None, Diagnostics]:
    tree = load_tree(text, name, diagnostics)
    if tree is not None and tree.value is None:
        diagnostics.error("E006", f"`{name}` is empty", None, help="a spec has at least `nodes:`")
    catalogue = catalogue or load()
    root = _edit(tree, folder, overrides, catalogue, diagnostics)
    if root is None or root.value is None:
        return None, diagnostics
    return _check(Document(root, name, diagnostics.sources), catalogue, environment, diagnostics)


def _edit(
    tree: Marked | None,
    folder: Path,
    overrides: Sequence[str],
    catalogue: Catalogue,
    diagnostics: Diagnostics,
) -> Marked | None:
    """The tree composed with its defaults and changed by its overrides, None when a part of it is missing."""
    from cuvisc.schema.composition import chosen_groups, compose

    parsed = []
    if overrides:
        from cuvisc.schema.overrides import apply_overrides, parse_overrides

        parsed = parse_overrides(overrides, diagnostics)
    if tree is None:
        return None
    groups = chosen_groups(tree)
    choices = {
        override.group: override.value.value
        for override in parsed
        if override.group in groups and override.value is not None and isinstance(override.value.value, str)
    }
    root = compose(tree, folder, choices, diagnostics)
    if parsed and root is not None:
        rest = [override for override in parsed if override.group not in choices]
        root = apply_overrides(root, rest, catalogue, diagnostics)
    return root


def _check(
    document: Document, catalogue: Catalogue, environment: Mapping[str, str] | None, diagnostics: Diagnostics
) -> tuple[Spec | None, Diagnostics]:
    from cuvisc.schema.interpolation import resolve

    resolved = resolve(document.root, os.environ if environment is None else environment, diagnostics)
    return _conform(document, resolved, catalogue, diagnostics)


def _conform(
    document: Document, resolved: Resolved, catalogue: Catalogue, diagnostics: Diagnostics
) -> tuple[Spec | None, Diagnostics]:
    from cuvisc.schema.build import build_spec
    from cuvisc.schema.conformance import check_conformance

    own = Diagnostics(diagnostics.sources)
    root, clear = check_conformance(document, resolved, catalogue, own)
    for problem in catalogue.problems:
        own.warning("W106", problem, None)
    clear = clear and all(map(is_detail, resolved.failed))
    built = Diagnostics(diagnostics.sources)
    spec = build_spec(document, root, catalogue, built) if clear else None
    for finding in (*own, *built):
        diagnostics.add(finding)
    return spec, diagnostics
