"""The command `cuvisc`: finds the verbs of this package and runs the one that was asked for.

A verb is a module here with `register(app)`; adding the file adds the verb. Verbs import what they need when
they run, so that `cuvisc --help` costs nothing.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Annotated

import typer

import cuvisc
from cuvisc.cli.answers import AnsweringGroup
from cuvisc.cli.terminal import tolerate_narrow_encodings


def _print_version(asked: bool) -> None:
    if asked:
        print(f"cuvisc {cuvisc.__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Compile, train, export and run hyperspectral graphs written in YAML.

    Start with: cuvisc validate SPEC
    """


def build_app() -> typer.Typer:
    """The command with every verb of this package."""
    app = typer.Typer(
        cls=AnsweringGroup,
        name="cuvisc",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for module in pkgutil.iter_modules(importlib.import_module("cuvisc.cli").__path__):
        if module.name == "app":
            continue
        register = getattr(importlib.import_module(f"cuvisc.cli.{module.name}"), "register", None)
        if register is not None:
            register(app)
    return app


def main() -> None:
    """Run the command line and leave with its exit code."""
    tolerate_narrow_encodings()
    build_app()(prog_name="cuvisc")
