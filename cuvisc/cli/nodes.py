"""`cuvisc nodes`: the catalogue as a list, and one type as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cuvisc.schema.catalogue import Catalogue


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def nodes(
        name: Annotated[
            str | None, typer.Argument(help="A type such as RXGlobal; without one, all are listed.")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print for programs.")] = False,
    ) -> None:
        """List every type a spec can name, or show one.

        What is shown are its parameters, ports, state and statistics.

        Example: cuvisc nodes TrainablePCA
        """
        from cuvisc.schema.catalogue import load

        catalogue = load()
        print(_page(catalogue, name, as_json) if name is not None else _list(catalogue, as_json))


def _list(catalogue: Catalogue, as_json: bool) -> str:
    from cuvisc.schema.pages import list_types

    if not as_json:
        return list_types(catalogue)
    import json

    listed = [
        {"kind": kind, "name": name, "summary": (catalogue.entry(kind, name) or {}).get("summary", "")}
        for kind in catalogue.kinds
        for name in catalogue.names(kind)
    ]
    return json.dumps(listed, indent=2, ensure_ascii=False)


def _page(catalogue: Catalogue, name: str, as_json: bool) -> str:
    from cuvisc.schema.diagnostics import did_you_mean
    from cuvisc.schema.errors import SpecError
    from cuvisc.schema.pages import describe_type

    found = [
        definition
        for kind in catalogue.kinds
        if (resolved := catalogue.resolve_target(kind, name)) is not None
        and (definition := catalogue.definition(kind, resolved)) is not None
    ]
    if not found:
        known = [known for kind in catalogue.kinds for known in catalogue.names(kind)]
        help = did_you_mean(name, known) or "`cuvisc nodes` lists what there is"
        raise SpecError(f"there is no type `{name}`; {help}")
    if as_json:
        import json

        return json.dumps(found[0] if len(found) == 1 else found, indent=2, ensure_ascii=False)
    return "\n\n".join(describe_type(definition) for definition in found)
