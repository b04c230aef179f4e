"""What a spec's lists and patterns name in the folder of its data: what can be seen of it without reading a file.

All of it is a warning, for the data may lie on another machine. Never torch; NumPy only where formats are told apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cuvisc.compiler.bands import data_use
from cuvisc.compiler.declared import Use
from cuvisc.compiler.expectations import needs_of
from cuvisc.compiler.graph import TypedGraph
from cuvisc.runtime.data.first_bands import TRUTH, WILD, cubes_named, entries_in, similar_file
from cuvisc.runtime.data.header_bands import ENVI_DATA
from cuvisc.schema.catalogue import Catalogue
from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.spec import Spec

_STEM = "{stem}"
_BESIDE = "it is looked for beside the cube, then in `data_dir`"
_OF_ALL = ".json"
_ONE_ARRAY = (*ENVI_DATA, ".hdr", ".npy", ".tif", ".tiff")


def look_at_files(
    spec: Spec, graph: TypedGraph | None, catalogue: Catalogue, diagnostics: Diagnostics
) -> None:
    """Warn of lists that name no file, files in two lists, and ground truth that is not there or is of many cubes."""
    use = data_use(spec, catalogue)
    declared = use.fact("channels") if use is not None else None
    if use is None or not isinstance(declared, Mapping):
        return
    folder = use.params.get(declared["folder"])
    if isinstance(folder, str) and Path(folder).is_dir():
        look = _Look(spec, use, declared, diagnostics)
        try:
            look.at_lists()
            look.at_truth()
            if graph is not None:
                look.at_leaves(graph, catalogue)
        except (OSError, ValueError):
            # What is no path, or may not be looked at, is told when the first file is.
            return


class _Look:
    def __init__(self, spec: Spec, use: Use, declared: Mapping[str, Any], diagnostics: Diagnostics) -> None:
        self.spec, self.use, self.declared, self.diagnostics = spec, use, declared, diagnostics
        self.folder = Path(str(use.params[declared["folder"]]))
        self.truths = {name: use.params.get(name) for name in declared.get("besides", ())}
        self.besides = [text.replace(_STEM, "*") for text in self.truths.values() if isinstance(text, str)]

    def at_lists(self) -> None:
        """Patterns of stages that name nothing, and files that two stages name."""
        stage_of: dict[Path, str] = {}
        for stage in self.declared.get("lists", ()):
            for index, text in enumerate(self.patterns(stage)):
                found = self.named(text)
                if found == []:
                    self.warn(
                        "W501",
                        (stage, index),
                        f"`datamodule.{stage}` finds no file: no `{self.spelled(stage, index)}` there",
                        similar_file(self.folder / text),
                    )
                twice = [(path, stage_of[path]) for path in found or () if stage_of.get(path, stage) != stage]
                if twice and self.declared.get("apart"):
                    self.warn(
                        "W502",
                        (stage, index),
                        f"`datamodule.{stage}` names a file that `datamodule.{twice[0][1]}` names too",
                        "training refuses a file in two stages; name it once",
                    )
                stage_of |= {path: stage for path in found or () if path not in stage_of}

    def at_truth(self) -> None:
        """Patterns of ground truth that name no file, or one file for several cubes."""
        cubes = self.cubes()
        for name, text in self.truths.items():
            if not isinstance(text, str) or not cubes:
                continue
            if not any(self.truth_of(cube, text) for cube in cubes):
                stem = cubes[0].stem
                similar = similar_file(self.folder / text.replace(_STEM, stem), _BESIDE)
                self.warn(
                    "W501",
                    (name,),
                    f"`datamodule.{name}` finds no file: no cube has `{self.spelled(name)}` beside it",
                    re.sub(rf"`{re.escape(stem)}(?![^\W_])", f"`{_STEM}", similar)
                    if _STEM in text
                    else similar,
                )
            elif _STEM not in text and _are_several(cubes) and Path(text).suffix.lower() != _OF_ALL:
                self.warn(
                    "W502",
                    (name,),
                    f"`datamodule.{name}` names one file for several cubes",
                    f"put `{_STEM}` into it, which stands for the name of a cube",
                )

    def at_leaves(self, graph: TypedGraph, catalogue: Catalogue) -> None:
        """Leaves that read a mask, where the first file is of a kind that holds none and has none beside it."""
        cubes = self.cubes()
        if not cubes or any(self.truths.values()) or cubes[0].suffix.lower() not in _ONE_ARRAY:
            return
        stem = cubes[0].stem
        names = [Path(entry.name) for entry in entries_in(cubes[0].parent)]
        if any(name.name == f"{stem}.png" or TRUTH.sub("", name.stem) == stem != name.stem for name in names):
            return
        for leaf in graph.leaves:
            if "mask" in needs_of(leaf, catalogue):
                self.diagnostics.warning(
                    "W306",
                    f"`{leaf.section}.{leaf.id}` reads `mask` of every batch, "
                    f"and the first file of `datamodule.{self.source()}` has none beside it",
                    leaf.span,
                    help="give every cube a file such as NAME_mask.png, or leave the leaf out",
                )

    def cubes(self) -> list[Path]:
        """The cubes of all stages, none where that cannot be told from one folder."""
        parameters = [self.source(), *self.declared.get("lists", ())]
        found = [self.named(text) for name in dict.fromkeys(parameters) for text in self.patterns(name)]
        known = [paths for paths in found if paths is not None]
        return (
            list(dict.fromkeys(path for paths in known for path in paths)) if len(known) == len(found) else []
        )

    def source(self) -> str:
        """The parameter that names what is trained on."""
        instead = self.declared.get("instead")
        return str(
            instead if instead and self.use.params.get(instead) is not None else self.declared["files"]
        )

    def patterns(self, parameter: str) -> Iterator[str]:
        given = self.use.params.get(parameter)
        for text in given if isinstance(given, (list, tuple)) else [given]:
            if isinstance(text, str):
                yield text.partition("::")[0]

    def named(self, text: str) -> list[Path] | None:
        """The cubes that a pattern names; None for one through several folders, which is not followed."""
        path = self.folder / text
        return None if WILD.search(str(path.parent)) else cubes_named(path, self.besides)

    def truth_of(self, cube: Path, text: str) -> bool:
        name = text.replace(_STEM, cube.stem)
        return (cube.parent / name).is_file() or (self.folder / name).is_file()

    def warn(self, code: str, place: tuple[str | int, ...], fact: str, help: str) -> None:
        listed = isinstance(self.use.params[str(place[0])], (list, tuple))
        span = self.spec.document.value_span(("datamodule", *(place if listed else place[:1])))
        self.diagnostics.warning(code, fact, span, help=help)

    def spelled(self, parameter: str, index: int = 0) -> object:
        """A pattern as the spec spells it: what comes from the environment is shown in no message."""
        found = self.spec.document.find(("datamodule", parameter))
        if found is None:
            return self.use.params[parameter]
        return found.value[index].value if isinstance(found.value, list) else found.value


def _are_several(paths: list[Path]) -> bool:
    """Whether more than one of some files is of a format that is read."""
    if len(paths) < 2:
        return False
    from cuvisc.runtime.data.opening import holds_cube

    return sum(map(holds_cube, paths)) > 1
