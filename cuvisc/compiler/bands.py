"""How many bands the data of a spec has, as its data module declares it. Pure Python: never torch or numpy."""

from __future__ import annotations

from collections.abc import Mapping

from cuvisc.compiler.declared import Use
from cuvisc.compiler.sizes import Origin, Size
from cuvisc.schema.catalogue import Catalogue
from cuvisc.schema.spec import Spec


def data_use(spec: Spec, catalogue: Catalogue) -> Use | None:
    """The data module as the spec uses it; None without one, or where it could not be read."""
    data = spec.datamodule
    if data is None or any(section == "datamodule" for section, _ in spec.doubtful):
        return None
    return Use(catalogue, "datamodule", data.type, data.params, spec.document, ("datamodule",))


def bands_are_in_files(spec: Spec, catalogue: Catalogue) -> bool:
    """Whether the number of bands is what the files of the data module say."""
    use = data_use(spec, catalogue)
    return use is not None and isinstance(use.fact("channels"), Mapping)


def asks_for_spectrum(spec: Spec, catalogue: Catalogue) -> bool:
    """Whether some node asks what the bands are."""
    entries = (catalogue.entry("node", node.type) for node in spec.nodes)
    return any(entry is not None and entry.get("reads_spectrum", False) for entry in entries)


def declared_bands(spec: Spec, catalogue: Catalogue) -> Size | None:
    """The number of bands that the data module declares; None where that depends on its files."""
    use = data_use(spec, catalogue)
    declared = use.fact("channels") if use is not None else None
    if use is None or not isinstance(declared, int):
        return None
    return Size(declared, Origin(f"`datamodule` ({use.name})", spec.document.key_span(("datamodule",))))
