"""The whole command line: every verb of this package under one Typer command.

A verb is a module here with `register(app)`; adding the file adds the verb. Verbs import what they need when they run,
so that `cuvisc --help` costs nothing.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import cuvisc
from cuvisc.cli.answers import answer, without_debug


class AnsweringGroup(TyperGroup):
    """The group of all verbs: runs one, and answers for whatever goes wrong in it."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> Any:
        make = super().make_context
        debug = without_debug(args)[1]
        return answer(lambda: make(info_name, args, *rest, **extra), debug, _is_of_the_command_line)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        rest, ctx.meta["debug"] = without_debug(args)
        return super().parse_args(ctx, rest)

    def invoke(self, ctx: Any) -> Any:
        run = super().invoke
        return answer(lambda: run(ctx), ctx.meta["debug"], _is_of_the_command_line)


def _is_of_the_command_line(error: Exception) -> bool:
    """Whether an exception is how Typer leaves, or says that the command was called wrongly."""
    leaves = isinstance(error, (typer.Exit, typer.Abort))
    return leaves or (hasattr(error, "format_message") and hasattr(error, "exit_code"))


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


def build_command() -> typer.Typer:
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
        if module.name in ("app", "command"):
            continue
        register = getattr(importlib.import_module(f"cuvisc.cli.{module.name}"), "register", None)
        if register is not None:
            register(app)
    return app
