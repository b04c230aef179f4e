"""One violation of a JSON Schema to one diagnostic at the key or the value that earns it, in plain words."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from cuvisc.schema.acceptance import accepts
from cuvisc.schema.catalogue import Catalogue, Json
from cuvisc.schema.diagnostics import Diagnostics, closest, did_you_mean
from cuvisc.schema.document import Document, Path
from cuvisc.schema.overrides import OVERRIDE_FILE
from cuvisc.schema.places import TYPE_KEYS
from cuvisc.schema.scalars import parse_scalar
from cuvisc.schema.wording import dotted, wanted, written

_CHOICES = ("enum", "const")
_SWITCHES = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_MAX_LISTED = 12


@dataclass(frozen=True)
class Reporter:
    """Writes diagnostics about the entry at `base`; `noun` is what its keys are ("parameter of RXGlobal").

    `interpolated` are the places whose values came from elsewhere: those values are never shown.
    """

    document: Document
    catalogue: Catalogue
    diagnostics: Diagnostics
    interpolated: frozenset[Path]
    base: Path
    noun: str = "key"

    def report(self, violation: Any) -> None:
        """Add the diagnostics for one violation found by jsonschema."""
        path = (*self.base, *violation.absolute_path)
        keyword = violation.validator
        if keyword == "additionalProperties":
            self._unknown_keys(violation, path)
        elif keyword == "required":
            self._missing_keys(violation, path)
        elif keyword in ("anyOf", "oneOf"):
            self._no_alternative(violation, path)
        elif keyword in _CHOICES:
            self._no_choice(violation, path)
        elif keyword == "type":
            self._wrong_type(violation, path)
        elif keyword == "pattern" and "patternErrorMessage" in violation.schema:
            words = violation.schema["patternErrorMessage"]
            fact = f"`{dotted(path)}` wants {words}, got {self._shown(violation.instance, path)}"
            self.diagnostics.error("E104", fact, self.document.value_span(path))
        else:
            fact = f"`{dotted(path)}` wants {wanted(violation.schema)}, got {self._shown(violation.instance, path)}"
            self.diagnostics.error("E104", fact, self.document.value_span(path))

    def _unknown_keys(self, violation: Any, path: Path) -> None:
        known = list(violation.schema.get("properties", {}))
        title = violation.schema.get("title")
        noun = self.noun if path == self.base else f"parameter of {title}" if title else "key"
        open_keys = [key for key in known if key not in violation.instance]
        for key in violation.instance:
            if self.diagnostics.full:
                return
            if key in known:
                continue
            here = (*path, key)
            help = self._left_behind(here) or did_you_mean(key, open_keys) or did_you_mean(key, known)
            if not help:
                more = f" and {len(open_keys) - _MAX_LISTED} more" if len(open_keys) > _MAX_LISTED else ""
                listing = f"known here: {', '.join(open_keys[:_MAX_LISTED])}{more}"
                help = listing if open_keys else "leave it out"
            self.diagnostics.error(
                "E101", f"`{dotted(here)}`: unknown {noun}", self.document.key_span(here), help=help
            )

    def _left_behind(self, path: Path) -> str:
        """Help for a key that was right until an override changed the type beside it, else nothing."""
        types = [self.document.find((*path[:-1], key)) for key in TYPE_KEYS]
        changed = any(found is not None and found.span.file == OVERRIDE_FILE for found in types)
        if not changed or self.document.key_span(path).file == OVERRIDE_FILE:
            return ""
        return f"an override changed the type: add ~{dotted(path)} to the overrides, which leaves this out"

    def _missing_keys(self, violation: Any, path: Path) -> None:
        properties = violation.schema.get("properties", {})
        misspelt = _misspelt(violation.schema, violation.instance)
        for key in violation.validator_value:
            if key not in violation.instance and key not in misspelt:
                about = properties.get(key, {}).get("description", "")
                fact = f"`{dotted((*path, key))}` is missing"
                help = f"add `{key}: …`" + (f" ({about})" if about else "")
                self.diagnostics.error("E102", fact, self.document.key_span(path), help=help)

    def _no_alternative(self, violation: Any, path: Path) -> None:
        branches: dict[int, list[Any]] = defaultdict(list)
        for inner in violation.context:
            branches[inner.schema_path[0]].append(inner)
        # A branch is out when the value is of another type, or when the key that tells branches apart says another.
        for excludes in (_is_of_another_type, _is_another_choice):
            kept = {index: found for index, found in branches.items() if not any(map(excludes, found))}
            if len(kept) == 1:
                self._alternative(violation, path, next(iter(kept.values())))
                return
            branches = kept or branches
        self._no_named_branch(violation, path, branches)

    def _alternative(self, violation: Any, path: Path, inner: list[Any]) -> None:
        """The one branch that the value may be meant for; of a plain value all branches are told."""
        for one in inner:
            if one.path or isinstance(one.instance, (dict, list)):
                self.report(one)
            elif one.validator in _CHOICES:
                self._no_choice_of(one.schema, one.instance, path, wanted(violation.schema))
            else:
                fact = f"`{dotted(path)}` wants {wanted(violation.schema)}, got {self._shown(one.instance, path)}"
                self.diagnostics.error("E104", fact, self.document.value_span(path))

    def _no_named_branch(self, violation: Any, path: Path, branches: dict[int, list[Any]]) -> None:
        """Several branches are left: those that a name tells apart are told apart by it, be it wrong or left out."""
        schemas = {index: violation.schema[violation.validator][index] for index in branches}
        names = {index: _name_of_branch(schema) for index, schema in schemas.items()}
        key = next((key for key, _ in names.values() if key), "")
        if not isinstance(violation.instance, dict) or {key for key, _ in names.values()} != {key} or not key:
            self._wrong_type(violation, path)
            return
        if key in violation.instance:
            choices = {"enum": [name for _, name in names.values()]}
            instance = violation.instance[key]
            self._no_choice_of(choices, instance, (*path, key))
            return
        unnamed = [index for index, schema in schemas.items() if key not in schema.get("required", ())]
        for inner in branches[unnamed[0] if unnamed else min(branches)]:
            self.report(inner)

    def _no_choice(self, violation: Any, path: Path) -> None:
        self._no_choice_of(violation.schema, violation.instance, path)

    def _no_choice_of(self, schema: Json, instance: object, path: Path, words: str = "") -> None:
        choices = schema.get("enum", [schema.get("const")])
        words = words or wanted(schema)
        fact = f"`{dotted(path)}` wants {words}; got {self._shown(instance, path)}"
        help = schema.get("errorMessage", "")
        if not help and isinstance(instance, str) and path not in self.interpolated:
            help = did_you_mean(instance, [text for text in choices if isinstance(text, str)])
        self.diagnostics.error("E105", fact, self.document.value_span(path), help=help)

    def _wrong_type(self, violation: Any, path: Path) -> None:
        schema, instance = violation.schema, violation.instance
        fact = f"`{dotted(path)}` wants {wanted(schema)}, got {self._shown(violation.instance, path)}"
        help = ""
        if path in self.interpolated:
            pass
        elif isinstance(instance, str):
            value = parse_scalar(instance.strip())
            if not isinstance(value, str) and value is not None and accepts(self.catalogue, [schema], value):
                help = "remove the quotes"
            elif instance.lower() in _SWITCHES and accepts(self.catalogue, [schema], True):
                help = f"write {_SWITCHES[instance.lower()]}"
        elif isinstance(instance, (bool, int, float)):
            text = str(instance).lower() if isinstance(instance, bool) else str(instance)
            if accepts(self.catalogue, [schema], text):
                help = f'write "{text}"'
            elif accepts(self.catalogue, [schema], [instance]):
                help = f"write [{text}]"
            elif (
                isinstance(instance, float)
                and instance.is_integer()
                and accepts(self.catalogue, [schema], int(instance))
            ):
                help = f"write {int(instance)}"
        span = self.document.value_span(path)
        self.diagnostics.error("E103", fact, span, help=help)

    def _shown(self, instance: object, path: Path) -> str:
        if path in self.interpolated:
            source = self.document.find(path)
            text = source.value if source is not None and isinstance(source.value, str) else ""
            kind = "text" if isinstance(instance, str) else "a value"
            return f"{kind} from `{text}`"
        return written(instance)


def _misspelt(schema: Json, instance: Json) -> set[str | None]:
    """The keys that are meant by unknown ones: those are answered as such."""
    if schema.get("additionalProperties") is not False:
        return set()
    known = schema.get("properties", {})
    open_keys = [key for key in known if key not in instance]
    return {closest(key, open_keys) for key in instance if key not in known}


def _is_of_another_type(violation: Any) -> bool:
    """Whether a branch is out because its whole value is of another type."""
    if violation.path:
        return False
    if violation.validator in _CHOICES:
        choices = violation.schema.get("enum", [violation.schema.get("const")])
        return not any(isinstance(violation.instance, type(choice)) for choice in choices)
    return bool(violation.validator == "type")


def _name_of_branch(schema: Json) -> tuple[str, object]:
    """The key that tells a branch apart, and the name it wants there; ("", None) where there is none."""
    for key, below in schema.get("properties", {}).items():
        if "const" in below:
            return key, below["const"]
    return "", None


def _is_another_choice(violation: Any) -> bool:
    """Whether a branch is out because the value, or the key that tells branches apart, says another."""
    return violation.validator in _CHOICES and len(violation.path) <= 1
