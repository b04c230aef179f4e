"""Frames of a `.cu3s` session file to arrays, through the vendor's package `cuvis`.

The package and the SDK below it are proprietary, and imported when the first session is opened. A session is a handle
of that SDK: every process that reads opens its own.
"""

from __future__ import annotations

import io
import os
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cuvisc.schema.errors import DataError

SUFFIX = ".cu3s"
MODES = ("Reflectance", "Raw", "DarkSubtract", "SpectralRadiance")


class Frame(NamedTuple):
    """One measurement: cube [H,W,C] and band centres in nanometres, where the camera says them."""

    cube: NDArray[Any]
    wavelengths: tuple[float, ...] | None


class Session:
    """A session file whose frames are read by index, processed to one of MODES."""

    def __init__(self, path: Path, mode: str) -> None:
        self.path, self.mode = path, mode
        self._opened: tuple[int, Any, Any] | None = None
        self._context: Any = None

    def __len__(self) -> int:
        sdk, session = self._open()
        try:
            return len(session)
        except _refusals(sdk) as error:
            raise DataError(f"{self.path} cannot be read: {error}") from error

    def read(self, index: int) -> Frame:
        """One frame; raises :class:`DataError`."""
        sdk, session = self._open()
        try:
            measurement = session.get_measurement(index)
            if measurement is None:
                raise DataError(f"{self.path} has no frame {index}")
            mode = getattr(sdk.ProcessingMode, self.mode)
            if "cube" not in measurement.data or measurement.processing_mode != mode:
                measurement = self._processing(sdk, session, mode).apply(measurement)
            image = measurement.data["cube"]
            # The array is a view of memory that the measurement owns.
            cube, centers = np.array(image.array, order="C"), image.wavelength
        except _refusals(sdk) as error:
            raise DataError(f"{self.path}: frame {index} cannot be read: {error}") from error
        if cube.ndim != 3:
            raise DataError(f"{self.path}: frame {index} has the shape {cube.shape}; [H,W,C] is wanted")
        wavelengths = None if centers is None else tuple(float(c) for c in np.ravel(centers))
        return Frame(cube, wavelengths)

    def _open(self) -> tuple[Any, Any]:
        if self._opened is None or self._opened[0] != os.getpid():
            sdk = _load_sdk(self.path)
            try:
                self._opened = os.getpid(), sdk, sdk.SessionFile(str(self.path))
            except _refusals(sdk) as error:
                raise DataError(f"{self.path} cannot be opened: {error}") from error
            self._context = None
        return self._opened[1:]

    def _processing(self, sdk: Any, session: Any, mode: Any) -> Any:
        if self._context is None:
            references = (sdk.ReferenceType.White, sdk.ReferenceType.Dark)
            if self.mode == "Reflectance" and None in [session.get_reference(0, r) for r in references]:
                raise DataError(
                    f"{self.path} has no white and dark reference, which reflectance is computed from; "
                    "`processing_mode: Raw` reads counts"
                )
            context = sdk.ProcessingContext(session)
            context.processing_mode = mode
            self._context = context
        return self._context

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_opened": None, "_context": None}


def _load_sdk(path: Path) -> Any:
    try:
        # Without the variable CUVIS the package prints, and leaves the program.
        with redirect_stdout(io.StringIO()):
            return import_module("cuvis")
    except (ImportError, OSError, NotImplementedError, SystemExit) as error:
        reason = "the variable CUVIS is not set" if isinstance(error, SystemExit) else str(error)
        raise DataError(
            f"{path} is read by the Cuvis SDK of Cubert GmbH, which does not load ({reason}): install the SDK, set "
            "CUVIS to its folder, and pip install cuvis; frames that are saved as .npz are read without it"
        ) from error


def _refusals(sdk: Any) -> tuple[type[BaseException], ...]:
    """What the vendor's package raises when it cannot do what was asked."""
    return (sdk.cuvis_aux.SDKException, RuntimeError, KeyError, ValueError, OSError)
