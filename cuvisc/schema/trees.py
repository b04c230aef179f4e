"""Changes to trees of marked values; each returns a new tree and leaves the old one, which aliases may
share, alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.document import Marked, Path, Span
from cuvisc.schema.scalars import defect
from cuvisc.schema.wording import shortened


def merge(base: Marked, over: Marked) -> Marked:
    """Mappings joined key by key, everything else replaced: what stands in `over` wins."""
    if not isinstance(base.value, Mapping) or not isinstance(over.value, Mapping):
        return over
    joined = dict(base.value)
    for key, child in over.value.items():
        joined[key] = merge(joined[key], child) if key in joined else child
    return replace(over, value=joined)


def nest(tree: Marked, keys: tuple[str, ...], span: Span) -> Marked:
    """A tree under a chain of new keys, which stand at `span`."""
    for key in reversed(keys):
        tree = Marked({key: tree.under(span)}, span)
    return tree


def put(tree: Marked, path: Path, value: Marked) -> Marked:
    """The tree with a value at a path; missing mappings on the way are made where the value stands.

    The key of a value that was there keeps its place. Raises KeyError where the path runs through a scalar
    or past the end of a list.
    """
    if not path:
        return value
    key, rest = path[0], path[1:]
    old = tree.child(key)
    if isinstance(tree.value, Mapping) and isinstance(key, str):
        if old is None:
            old = Marked({}, value.span, value.key_span)
        new = put(old, rest, value)
        return replace(tree, value={**tree.value, key: new})
    if isinstance(tree.value, list) and isinstance(key, int) and old is not None:
        items = list(tree.value)
        items[key] = put(old, rest, value)
        return replace(tree, value=items)
    raise KeyError(key)


def remove(tree: Marked, path: Path) -> Marked:
    """The tree without the value at a path. Raises KeyError when there is none."""
    key, rest = path[0], path[1:]
    old = tree.child(key)
    if old is None:
        raise KeyError(key)
    if isinstance(tree.value, Mapping):
        kept = dict(tree.value)
        if rest:
            kept[str(key)] = remove(old, rest)
        else:
            del kept[str(key)]
        return replace(tree, value=kept)
    assert isinstance(tree.value, list)
    assert isinstance(key, int)
    items = list(tree.value)
    items[key : key + 1] = [remove(old, rest)] if rest else []
    return replace(tree, value=items)


def scalars(tree: Marked) -> Iterator[Marked]:
    """The values of a tree that hold no others, in order."""
    if isinstance(tree.value, Mapping):
        for child in tree.value.values():
            yield from scalars(child)
    elif isinstance(tree.value, list):
        for child in tree.value:
            yield from scalars(child)
    else:
        yield tree


def refuse_defects(tree: Marked, diagnostics: Diagnostics) -> bool:
    """Whether a tree holds numbers that cannot stand in a spec; a diagnostic for each."""
    found = False
    for leaf in scalars(tree):
        value = leaf.value
        if isinstance(value, (int, float)) and (wrong := defect(value)):
            diagnostics.error(
                "E013", f"`{shortened(str(value))}` {wrong}", leaf.span, help="write another number"
            )
            found = True
    return found
