"""The spec language for the editor of a folder: its JSON Schema and the settings that say which files it is for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cuvisc.runtime.atomic import write_text
from cuvisc.schema.errors import SpecError

SETTINGS = Path(".vscode/settings.json")
SCHEMA = Path(".vscode/cuvisc.schema.json")
FILES = ["specs/**/*.yaml", "**/*.cuvisc.yaml"]
_EXAMPLE = Path("specs/any.yaml")


def modeline(spec: Path) -> str:
    """The first line by which any editor finds the schema from a spec, be it installed in the current folder or not."""
    return f"# yaml-language-server: $schema={_seen_from(spec.parent, SCHEMA)}"


def install_schema(text: str, specs: Sequence[Path] = ()) -> Iterator[str]:
    """Write both files below the current folder; yields what was done, line by line.

    The schema is used for `specs` too. Other settings stay as they are, and so do the files that an earlier call or the
    user named for the schema. Raises SpecError, and DataError where nothing can be written.
    """
    settings = _settings()
    schemas = settings.setdefault("yaml.schemas", {})
    name = f"./{SCHEMA.as_posix()}"
    if not isinstance(schemas, dict):
        raise SpecError(
            f"`yaml.schemas` in {SETTINGS} is not a mapping; write there: {json.dumps({name: FILES})}"
        )
    before = schemas.get(name, FILES)
    named = list(before) if isinstance(before, list) else [before]
    added = dict.fromkeys(_seen_from(Path(), spec) for spec in specs)
    files = [*named, *(file for file in added if file not in named)]
    schemas[name] = before if files == named else files
    write_text(SCHEMA, text + "\n")
    write_text(SETTINGS, json.dumps(settings, indent=2, ensure_ascii=False) + "\n")
    yield f"{SCHEMA}: the schema; install it again after an upgrade of cuvisc or of a package of types"
    yield f"{SETTINGS}: used for {', '.join(map(str, files))}"
    yield "VS Code needs the extension redhat.vscode-yaml; other editors read the same schema through"
    yield f"yaml-language-server, from a first line such as: {modeline(next(iter(specs), _EXAMPLE))}"


def _seen_from(folder: Path, file: Path) -> str:
    return Path(os.path.relpath(file, folder)).as_posix()


def _settings() -> dict[str, Any]:
    """The settings as they are; settings with comments are the user's to edit."""
    try:
        text = SETTINGS.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{SETTINGS} cannot be read: {error}") from error
    try:
        settings = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        settings = None
    if not isinstance(settings, dict):
        entry = json.dumps({"yaml.schemas": {f"./{SCHEMA.as_posix()}": FILES}})
        raise SpecError(f"{SETTINGS} is not plain JSON, so it is left alone; add to it: {entry[1:-1]}")
    return settings
