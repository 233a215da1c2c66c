"""What all commands share: a help text with options in panels and examples at its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from ..errors import SettingsError
from ..paths import user_path

EXAMPLES = "\n\nExamples:\n"
"""Separates a command's help from its examples, one a line."""


TRACEBACK = "--traceback"
"""An option of all commands, which `main` takes."""


class _Help:
    """Formats the help of a command or a group of commands."""

    examples: list[str]

    def __init__(self, **settings: Any) -> None:
        """Takes the examples out of the help text."""
        text, _, examples = (settings.get("help") or "").partition(EXAMPLES)
        super().__init__(**settings | {"help": text})
        self.examples = [line.strip() for line in examples.splitlines()]

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Returns what follows the command's name in the line of its usage."""
        command: Any = self
        arguments = [_name(p) for p in command.get_params(ctx) if not p.opts[0].startswith("-")]
        subcommand = [command.subcommand_metavar] if isinstance(self, TyperGroup) else []
        return ["[OPTIONS]", *arguments, *subcommand]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes arguments, then options by panel; those without a panel come last."""
        command: Any = self
        panels: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for parameter in command.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            if parameter.param_type_name == "argument":
                panels["Arguments"].append((_name(parameter), record[1].partition("  [")[0]))
            else:
                panels[getattr(parameter, "rich_help_panel", None) or "Options"].append(record)
        rest = panels.pop("Options")
        rest.insert(-1, (TRACEBACK, "Show errors with their tracebacks."))
        for title, rows in [*panels.items(), ("Options", rest)]:
            with formatter.section(title):
                formatter.write_dl(rows)
        if isinstance(self, TyperGroup):
            self.format_commands(ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Writes the examples without line breaks; a group may show one of each command."""
        commands = getattr(self, "commands", {}).values()
        examples = self.examples or [
            line for c in commands for line in getattr(c, "examples", ())[:1]
        ]
        if examples:
            with formatter.section("Examples"):
                for line in examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def _bare(parameter: Any) -> str:
    name: str = parameter.metavar or parameter.name.upper()
    return name


def _name(parameter: Any) -> str:
    name = _bare(parameter)
    return name if parameter.required or name.startswith("[") else f"[{name}]"


class Command(_Help, TyperCommand):
    """A command whose errors name arguments as its usage line does."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        """Gives each argument without a metavar its name in capitals."""
        super().__init__(*arguments, **settings)
        for parameter in self.params:
            if parameter.param_type_name == "argument":
                parameter.metavar = _bare(parameter)


class Group(_Help, TyperGroup):
    """A group of commands."""


class App(typer.Typer):
    """An application whose commands show examples and panels in their help."""

    def __init__(self, **settings: Any) -> None:
        """Sets what all applications of the command line have in common."""
        super().__init__(
            cls=Group,
            add_completion=False,
            pretty_exceptions_enable=False,
            rich_markup_mode=None,
            context_settings={"help_option_names": ["-h", "--help"]},
            **{"no_args_is_help": True, **settings},
        )

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:
        """Registers a command, as `typer.Typer.command` does; it gets paths as users mean them."""
        register = super().command(name, **{"cls": Command, **settings})
        return lambda function: register(_with_paths(function))

    def callback(self, *arguments: Any, **settings: Any) -> Callable[[Any], Any]:
        """Registers what runs before the commands of a group; it gets paths likewise."""
        register = super().callback(*arguments, **settings)
        return lambda function: register(_with_paths(function))


_WRITTEN = frozenset({"into", "out", "output", "pictures", "results", "store"})
"""Parameters of commands that name a folder to write into."""


def _with_paths(function: Callable[..., Any]) -> Callable[..., Any]:
    def read(name: str, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [read(name, one) for one in value]
        if not isinstance(value, Path):
            return value
        try:
            if name in _WRITTEN and value.absolute() == Path(value.absolute().anchor):
                raise ValueError("it is the root of a disk; a variable may be unset")
            return user_path(value)
        except ValueError as error:
            shown = f"{str(value)[:100]}…" if len(str(value)) > 100 else value
            raise SettingsError(f"The path '{shown}' ({name}) cannot be used: {error}.") from None

    @wraps(function)
    def called(*values: Any, **given: Any) -> Any:
        return function(*values, **{name: read(name, value) for name, value in given.items()})

    return called
