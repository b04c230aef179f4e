"""What every verb that reads specs needs: specs told from overrides, and a spec compiled to its typed graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cuvisc.schema.errors import SpecError

if TYPE_CHECKING:
    from cuvisc.compiler.graph import TypedGraph
    from cuvisc.compiler.sizes import Size
    from cuvisc.language.spectrum import Spectrum
    from cuvisc.schema.diagnostics import Diagnostics
    from cuvisc.schema.spec import Spec


def split_arguments(arguments: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Spec files and overrides, in the order they stand.

    Whatever has a `=`, or begins with `~` or `+`, and is no file that exists, is an override.
    """
    paths: list[Path] = []
    overrides: list[str] = []
    for argument in arguments:
        looks_like_override = "=" in argument or argument.startswith(("~", "+"))
        if looks_like_override and not _exists(argument):
            overrides.append(argument)
        else:
            paths.append(Path(argument))
    return paths, overrides


def one_spec(arguments: Sequence[str]) -> tuple[Path, list[str]]:
    """The only spec file among the arguments, and the overrides. Raises SpecError when it is not one."""
    paths, overrides = split_arguments(arguments)
    if len(paths) != 1:
        named = ", ".join(str(path) for path in paths) or "none"
        raise SpecError(f"name one spec file and any overrides (key=value); got {named}")
    return paths[0], overrides


def check_file(path: Path, overrides: Sequence[str] = ()) -> tuple[TypedGraph | None, Diagnostics]:
    """The typed graph of a spec file, None when there are errors, and everything there is to say about it."""
    from cuvisc.schema.catalogue import load
    from cuvisc.schema.front_end import read_spec

    spec, diagnostics = read_spec(path, overrides)
    if spec is None:
        return None, diagnostics
    from cuvisc.compiler.check import check_graph

    graph = check_graph(
        spec, load(), diagnostics, channels=_bands(spec, diagnostics), spectrum=_spectrum(spec)
    )
    _look_at_files(spec, graph, diagnostics)
    return (None if diagnostics.has_errors else graph), diagnostics


def _look_at_files(spec: Spec, graph: TypedGraph | None, diagnostics: Diagnostics) -> None:
    """What can be seen of the files that the spec's data names, where it is files."""
    from cuvisc.compiler.bands import bands_are_in_files
    from cuvisc.schema.catalogue import load

    if bands_are_in_files(spec, load()):
        from cuvisc.runtime.data.named_files import look_at_files

        look_at_files(spec, graph, load(), diagnostics)


def _bands(spec: Spec, diagnostics: Diagnostics) -> Size | None:
    """The number of bands by the header of the first file, where the spec's data is files."""
    from cuvisc.compiler.bands import bands_are_in_files
    from cuvisc.schema.catalogue import load

    if not bands_are_in_files(spec, load()):
        return None
    from cuvisc.runtime.data.first_bands import look_at_bands

    return look_at_bands(spec, load(), diagnostics)


def _spectrum(spec: Spec) -> Spectrum | None:
    """What the header of the first file says of its bands, where a node asks."""
    from cuvisc.compiler.bands import asks_for_spectrum, bands_are_in_files
    from cuvisc.schema.catalogue import load

    if not bands_are_in_files(spec, load()) or not asks_for_spectrum(spec, load()):
        return None
    from cuvisc.runtime.data.first_bands import look_at_spectrum

    return look_at_spectrum(spec, load())


def compile_file(path: Path, overrides: Sequence[str] = ()) -> tuple[TypedGraph, Diagnostics]:
    """The typed graph of a spec file and its warnings. Raises SpecError with every diagnostic otherwise."""
    graph, diagnostics = check_file(path, overrides)
    if graph is None:
        raise SpecError(diagnostics=diagnostics)
    return graph, diagnostics


def _exists(argument: str) -> bool:
    try:
        return Path(argument).exists()
    except (OSError, ValueError):
        return False
