"""What a model says of its own manifest: the manifest lists the model's SHA-256, and the model holds the manifest.

Either file alone, changed or taken from another export, is noticed before anything is computed. Whoever changes both
is not: that takes a signature, which cuvisc does not make. Pure Python.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cuvisc.runtime.onnx_scan import ELEMENT_TYPES, MalformedModel, input_dtype_offset, properties
from cuvisc.schema.errors import VerificationError

IMPRINT = "cuvisc.manifest"
_DTYPES = {number: name for name, number in ELEMENT_TYPES.items()}


def imprint(manifest: Mapping[str, Any]) -> str:
    """All that a manifest says of the model, as JSON.

    Left out are digests, which cannot be known before, versions of packages, which change no byte of a model, and the
    dtype of the input, which stands in the model itself.
    """
    kept = {key: value for key, value in manifest.items() if key not in ("files", "versions")}
    cube = dict(kept["input"])
    dims = str(cube.pop("type", "")).partition("[")[2]
    kept["input"] = {**{key: cube[key] for key in cube if key not in ("dtype", "dtype_offset")}, "dims": dims}
    kept["files"] = sorted(manifest["files"])
    return json.dumps(kept, sort_keys=True, ensure_ascii=False)


def check_imprint(manifest: Mapping[str, Any], model: bytes, path: Path) -> None:
    """Compare a manifest with what its model says; raises :class:`VerificationError` naming every difference.

    A model without an imprint, such as one that another program wrote, says nothing; nor do bytes that are no model,
    which whoever loads them refuses.
    """
    try:
        written = properties(model).get(IMPRINT)
    except MalformedModel:
        return
    if written is None:
        return
    try:
        offset = input_dtype_offset(model, manifest["input"]["name"])
        told = json.loads(written)
        mine = json.loads(imprint(manifest))
        told["input"] |= {"dtype": _DTYPES.get(model[offset]), "dtype_offset": offset}
        mine["input"] |= {key: manifest["input"].get(key) for key in ("dtype", "dtype_offset")}
    except (MalformedModel, ValueError, KeyError, TypeError):
        raise VerificationError(f"{path} is damaged: it does not fit the model beside it") from None
    found = [
        f"  `{name}` is {_shown(here)}, the model says {_shown(there)}"
        for name, here, there in _differences(mine, told)
    ]
    if found:
        raise VerificationError(
            "\n".join([f"{path} is not the manifest that was exported with its model", *found])
        )


_ABSENT = object()


def _differences(here: Any, there: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(here, dict) and isinstance(there, dict):
        for key in sorted({*here, *there}):
            inner = f"{path}.{key}" if path else key
            yield from _differences(here.get(key, _ABSENT), there.get(key, _ABSENT), inner)
    elif isinstance(here, list) and isinstance(there, list) and len(here) == len(there):
        for index, (mine, told) in enumerate(zip(here, there, strict=True)):
            yield from _differences(mine, told, f"{path}.{index}")
    elif here != there or type(here) is not type(there):
        yield path, here, there


def _shown(value: Any) -> str:
    text = "not there" if value is _ABSENT else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."
