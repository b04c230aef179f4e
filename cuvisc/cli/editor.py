"""The spec language for the editor of a folder: its JSON Schema and the settings that say which files it is for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cuvisc.schema.errors import SpecError

SETTINGS = Path(".vscode/settings.json")
SCHEMA = Path(".vscode/cuvisc.schema.json")
FILES = ["specs/**/*.yaml", "**/*.cuvisc.yaml"]


def install_schema(text: str) -> Iterator[str]:
    """Write both files below the current folder; yields what was done, line by line. Raises SpecError.

    Other settings stay as they are, and so do the files that an earlier call or the user named for the schema.
    """
    settings = _settings()
    schemas = settings.setdefault("yaml.schemas", {})
    name = f"./{SCHEMA.as_posix()}"
    if not isinstance(schemas, dict):
        raise SpecError(
            f"`yaml.schemas` in {SETTINGS} is not a mapping; write there: {json.dumps({name: FILES})}"
        )
    files = schemas.setdefault(name, FILES)
    try:
        SCHEMA.parent.mkdir(exist_ok=True)
        SCHEMA.write_text(text + "\n", encoding="utf-8")
        SETTINGS.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise SpecError(f"{error.filename} cannot be written: {error.strerror}") from error
    yield f"{SCHEMA}: the schema; install it again after an upgrade of cuvisc or of a package of types"
    yield f"{SETTINGS}: used for {', '.join(files) if isinstance(files, list) else files}"
    yield "VS Code needs the extension redhat.vscode-yaml; other editors read the same schema through"
    yield f"yaml-language-server, from a first line such as: # yaml-language-server: $schema=../{SCHEMA.as_posix()}"


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
