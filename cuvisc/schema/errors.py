"""The errors a user can cause, each with the exit code of the command that meets it.

Every other exception is a defect of cuvisc, or of a plug-in or script that uses it (exit code 1). Imports nothing of
cuvisc at run time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from cuvisc.schema.diagnostics import Diagnostics


class CuviscError(Exception):
    """Something the user can mend; the message says what, in one or two sentences."""

    exit_code: ClassVar[int] = 1


class SpecError(CuviscError):
    """The spec, or the way a command was called, is wrong.

    `diagnostics` holds every finding with its position; it is None when there is no text to point into.
    """

    exit_code = 2

    def __init__(self, message: str = "", diagnostics: Diagnostics | None = None) -> None:
        super().__init__(
            message or (diagnostics.summary() if diagnostics is not None else "the spec is wrong")
        )
        self.diagnostics = diagnostics


class DataError(CuviscError):
    """The data is missing, damaged, or not what the spec says it is."""

    exit_code = 3


class VerificationError(CuviscError):
    """An artifact does not compute what its reference computes, or is not what was written."""

    exit_code = 4


class DeviceError(CuviscError):
    """The device that was asked for cannot be used."""

    exit_code = 5
