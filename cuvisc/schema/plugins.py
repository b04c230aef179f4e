"""Packages that add types to the language: the entry-point group `cuvisc.nodes` to definitions for the catalogue.

A package ships its header, `cuvisc.schema.json` beside its code; reading that imports nothing. A package without one
is imported by a child process that prints what its header would be, so that the front end itself never imports it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cuvisc.language.types import parse_type

GROUP = "cuvisc.nodes"
HEADER = "cuvisc.schema.json"
HEADER_FORMAT = 1
PLUGIN_KINDS = ("node", "loss", "metric", "visualization", "monitor", "datamodule")
_MAX_BYTES = 20_000_000
_TIMEOUT_S = 120
_MODULE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


class PluginError(Exception):
    """A package that announces types and does not say which; the message says why."""


@dataclass(frozen=True)
class Plugin:
    """An installed package that announces types: `package` is what its entry point names."""

    package: str
    folder: Path | None

    @property
    def header(self) -> Path | None:
        """The header it ships, None when it ships none."""
        path = self.folder / HEADER if self.folder is not None else None
        return path if path is not None and path.is_file() else None


def find_plugins(path: Sequence[str] | None = None) -> list[Plugin]:
    """The packages that installed distributions announce, each once, in the order of the search path."""
    found: dict[str, Plugin] = {}
    for folder in sys.path if path is None else path:
        for package in _announced(Path(folder or ".")):
            found.setdefault(package, Plugin(package, _package_folder(package, path)))
    return list(found.values())


def read_header(plugin: Plugin) -> Mapping[str, Any]:
    """The definitions of a package that ships its header. Raises PluginError."""
    assert plugin.header is not None
    if plugin.header.stat().st_size > _MAX_BYTES:
        raise PluginError(f"its {HEADER} is larger than 20 MB")
    return _definitions(plugin, plugin.header.read_bytes(), f"its {HEADER}")


def import_header(plugin: Plugin) -> Mapping[str, Any]:
    """The definitions of a package without a header, imported by a child process. Raises PluginError."""
    import subprocess

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    command = [sys.executable, "-m", "cuvisc.runtime.header", plugin.package]
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise PluginError(f"importing it took longer than {_TIMEOUT_S} s") from None
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise PluginError(f"it cannot be imported: {' '.join(last) or 'no reason given'}")
    return _definitions(plugin, done.stdout, "what it declares")


def sound(key: str, definition: Any, package: str) -> bool:
    """Whether a definition has everything that the front end reads, and implements its type in its own package."""
    try:
        facts = definition["x-cuvisc"]
        ports = [*facts.get("inputs", {}).values(), *facts.get("outputs", {}).values()]
        for text in (text for port in ports for text in _texts(port["type"])):
            parse_type(text)
        return (
            facts["kind"] in PLUGIN_KINDS
            and key == f"{facts['kind']}.{facts['name']}"
            and facts["name"].isidentifier()
            and facts["implementation"].startswith((f"{package}:", f"{package}."))
            and (facts["kind"] != "node" or {"inputs", "outputs"} <= set(facts))
            and (facts["kind"] not in ("loss", "metric", "visualization") or "inputs" in facts)
            and set(facts["params"]) <= set(definition["properties"])
            and isinstance(facts["summary"], str)
            and isinstance(definition["required"], list)
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def with_definitions(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """A schema of the language with more definitions, which its sections then offer as well."""
    merged = {**schema["$defs"], **definitions}
    for kind in PLUGIN_KINDS:
        names = sorted(key.removeprefix(f"{kind}.") for key in definitions if key.startswith(f"{kind}."))
        offered = schema["$defs"].get(kind)
        if not names or offered is None:
            continue
        known = [*offered["properties"]["type"]["enum"], *names]
        cases = [
            {
                "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
                "then": {"$ref": f"#/$defs/{kind}.{name}"},
            }
            for name in names
        ]
        merged[kind] = {
            **offered,
            "properties": {**offered["properties"], "type": {**offered["properties"]["type"], "enum": known}},
            "allOf": [*offered["allOf"], *cases],
        }
    return {**schema, "$defs": merged}


def _announced(folder: Path) -> Iterator[str]:
    """The packages that the distributions in one folder of the search path announce."""
    try:
        names = sorted(
            entry.name for entry in os.scandir(folder) if entry.name.endswith((".dist-info", ".egg-info"))
        )
    except OSError:
        return
    for name in names:
        try:
            text = (folder / name / "entry_points.txt").read_text(encoding="utf-8")
        except (OSError, ValueError):
            continue
        yield from _packages_in(text)


def _packages_in(entry_points: str) -> Iterator[str]:
    if GROUP not in entry_points:
        return
    group = ""
    for line in map(str.strip, entry_points.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
        elif group == GROUP and "=" in line and not line.startswith(("#", ";")):
            package = line.partition("=")[2].partition("[")[0].partition(":")[0].strip()
            if _MODULE.fullmatch(package):
                yield package


def _package_folder(package: str, path: Sequence[str] | None) -> Path | None:
    """Where a package's files are, found without importing it or what it stands in; None for a single module."""
    from importlib.machinery import PathFinder
    from importlib.util import find_spec

    top, *inner = package.split(".")
    try:
        spec = find_spec(top) if path is None else PathFinder.find_spec(top, list(path))
    except (ImportError, ValueError):
        return None
    homes = list(spec.submodule_search_locations or ()) if spec is not None else []
    folders = (Path(home, *inner) for home in homes)
    return next((folder for folder in folders if folder.is_dir()), None)


def _definitions(plugin: Plugin, content: bytes, what: str) -> Mapping[str, Any]:
    again = f"`cuvisc schema --package {plugin.package}` writes it anew"
    try:
        header = json.loads(content)
    except (ValueError, RecursionError):
        raise PluginError(f"{what} is not JSON; {again}") from None
    if not isinstance(header, dict) or header.get("format") != HEADER_FORMAT:
        raise PluginError(f"{what} is not a header of format {HEADER_FORMAT}; {again}")
    definitions = header.get("$defs")
    if not isinstance(definitions, dict):
        raise PluginError(f"{what} has no definitions; {again}")
    wrong = [key for key, definition in definitions.items() if not sound(key, definition, plugin.package)]
    if wrong:
        raise PluginError(f"{what} has an unsound definition `{wrong[0]}`; {again}")
    return definitions


def _texts(fact: Any) -> Iterator[str]:
    """The texts of a fact that may depend on a parameter."""
    if isinstance(fact, Mapping):
        yield from (text for _, text in fact["cases"])
        yield fact["otherwise"]
    else:
        yield fact
