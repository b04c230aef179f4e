"""What a report needs of the data and the trained module, as one `report.npz`: facts as JSON, and arrays. Never torch.

Nothing in the file can execute, and nothing in it is trusted: a report says so when it cannot be read.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.atomic import write_bytes
from cuvisc.runtime.json_values import finite
from cuvisc.schema.errors import DataError

FORMAT = 1
EVIDENCE = "report.npz"
_FACTS = "facts"
_LARGEST = 2**28
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass
class Evidence:
    """Plain facts, and arrays by name such as `picture/main` or `spectra/normal`."""

    facts: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    def group(self, prefix: str) -> dict[str, NDArray[Any]]:
        """The arrays under a prefix, by the rest of their names."""
        start = f"{prefix}/"
        return {name[len(start) :]: a for name, a in self.arrays.items() if name.startswith(start)}

    def write(self, path: Path) -> None:
        """Write the file whole; equal evidence makes equal bytes."""
        text = json.dumps({"format": FORMAT, **finite(self.facts)}, ensure_ascii=False, allow_nan=False)
        arrays = {_FACTS: np.frombuffer(text.encode(), np.uint8), **self.arrays}
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, values in arrays.items():
                piece = io.BytesIO()
                np.lib.format.write_array(piece, np.ascontiguousarray(values), allow_pickle=False)
                info = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, piece.getvalue())
        write_bytes(path, buffer.getvalue())

    @classmethod
    def read(cls, path: Path) -> Evidence:
        """Read the file; raises FileNotFoundError where there is none, :class:`DataError` for one that is damaged."""
        try:
            with zipfile.ZipFile(path) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > _LARGEST:
                    raise DataError(f"{path} is larger than any report needs")
            with np.load(path, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            facts = json.loads(arrays.pop(_FACTS).tobytes())
        except FileNotFoundError:
            raise
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{path} cannot be read: {error}") from error
        if not isinstance(facts, dict) or facts.get("format") != FORMAT:
            raise DataError(f"{path} was not written by this version of cuvisc")
        return cls(facts, arrays)
