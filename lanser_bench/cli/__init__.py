"""The command line: one file per command, loaded when it is called."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from inspect import getdoc
from io import TextIOWrapper
from typing import Any

import typer

from ..errors import LanserError
from ..printing import echo
from . import _shared as shared
from ._app import TRACEBACK, App
from ._complete import COMPLETE
from ._deprecated import current_spelling
from ._stdout import reserved_stdout

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("command", "Run an experiment or a grid, from audio to leaderboard."),
    "rerun": ("command", "Run a result record's cell again and compare every number."),
    "leaderboard": ("command", "Show result records as a table, with intervals and controls."),
    "compare": ("group", "Compare runs, labelers or recognisers, paired."),
    "dose": ("command", "Show how a score depends on a number or on label accuracy."),
    "power": ("command", "Print the smallest difference that a design can detect."),
    "gate": ("group", "Fail if a candidate's records are worse than a baseline's."),
    "results": ("group", "Check, merge, publish and upgrade result records."),
    "predictions": ("group", "Score predictions made elsewhere, or export a record's."),
    "report": ("command", "Write results as one self-contained page."),
    "site": ("command", "Write results as a static site, with a page per experiment."),
    "track": ("command", "Send finished results to W&B or another tracker."),
    "export": ("command", "Export a cell's model, with a card of its scores."),
    "predict": ("command", "Label recordings with an exported model."),
    "label": ("group", "Label sentences, a table of texts or a dataset."),
    "taxonomy": ("group", "List, show, check and compare taxonomies."),
    "data": ("group", "Check a dataset before using it."),
    "cache": ("group", "Explain, list, measure, verify and clean the store."),
    "new": ("command", "Write a small working plugin to start from."),
    "plugins": ("group", "List all plugins, show one with its options, or check one."),
    "doctor": ("group", "Check the installation, or which plugins can open a model."),
    "completion": ("command", "Print the completion script of bash or zsh."),
    "audit": ("command", "Plant faults in a small experiment and show what finds them."),
    "schema": ("command", "Print the JSON Schema of experiment files, for editors."),
}
"""Command → whether its module has a function of its name or an `App`, and its short help."""

UNUSABLE = {
    *(errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.EINVAL),
}
"""System errors that are caused by a path of the user's, not by the program."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits.

    Exit codes: 0 success; 1 some cells failed; 2 an error that the user can fix (its message goes
    to stderr); 130 stopped by Ctrl-C, 143 by SIGTERM.
    """
    if COMPLETE in os.environ:
        _complete()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # in an ASCII locale, most symbols cannot be written
            stream.reconfigure(errors="backslashreplace")
    argv = list(sys.argv[1:] if arguments is None else arguments)
    end = argv.index("--") if "--" in argv else len(argv)
    shared.tracebacks = TRACEBACK in argv[:end]
    argv = [word for word in argv[:end] if word != TRACEBACK] + argv[end:]
    try:
        argv = current_spelling(argv)
        with reserved_stdout(argv):
            build_app(argv)(args=argv, prog_name="lanser-bench")
    except LanserError as error:
        if shared.tracebacks:
            traceback.print_exception(error)
        echo(f"Error: {error}", err=True)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        echo("Stopped.", err=True)
        raise SystemExit(130) from None
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has stopped reading
        raise SystemExit(0) from None
    except OSError as error:
        if error.errno not in UNUSABLE or error.filename is None:
            raise
        echo(f"Error: {error.filename} cannot be used: {error.strerror}.", err=True)
        raise SystemExit(2) from None
    finally:
        _flush()


def _flush() -> None:
    """Prints the rest, unless the reader of a pipe has stopped reading.

    Python would try again at its end, and exit with 120.
    """
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None if closed
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _complete() -> None:
    """Prints the completions of the command line that the shell passes, and exits."""
    import_module("typer.completion").completion_init()
    words = os.environ["COMP_WORDS"].split("\n")[1 : int(os.environ["COMP_CWORD"])]
    build_app(words)(args=[], prog_name="lanser-bench", complete_var=COMPLETE)


def build_app(argv: Sequence[str]) -> typer.Typer:
    """Returns the application with the called command loaded and the others as names only."""
    app = App(name="lanser-bench")
    app.callback()(_root)
    called = next((a for a in argv if not a.startswith("-")), None)
    for name, (sort, help_text) in COMMANDS.items():
        if name != called:
            app.command(name, help=help_text)(_not_called)
            continue
        module: Any = import_module(f".{name}", __name__)
        if sort == "group":
            # A group that is also a command has its own help.
            own = module.app.registered_callback
            about = getdoc(own.callback) if own else module.app.info.help
            app.add_typer(module.app, name=name, help=about)
        else:
            app.command(name)(getattr(module, name))
    if called not in COMMANDS:
        _add_plugin_commands(app)
    return app


def _root(
    # Eager: it must answer before a missing command is noticed.
    version: bool = typer.Option(
        False,
        "--version",
        help="Print the version and exit.",
        is_eager=True,
        callback=lambda requested: _print_version() if requested else None,
    ),
) -> None:
    """Benchmark plugins for speech emotion recognition from weak labels (LanSER).

    Examples:
        lanser-bench doctor
        lanser-bench run quickstart
        lanser-bench run --help
    """


def _print_version() -> None:
    from .. import __version__

    echo(__version__)
    raise typer.Exit


def _not_called() -> None:
    """Takes the place of a command whose module is not loaded."""


def _add_plugin_commands(app: typer.Typer) -> None:
    """Lets plugins add commands; an error of one plugin leaves out its commands only."""
    from ..plugins.discovery import registry

    for plugin in registry().manager.get_plugins():
        add: Callable[[typer.Typer], None] | None = getattr(plugin, "register_commands", None)
        if add is None or not hasattr(add, "lanser_bench_impl"):
            continue
        try:
            add(app)
        # The boundary of a third-party hook: the other commands must still work.
        except Exception as error:  # noqa: BLE001
            name = getattr(plugin, "__name__", "?")
            echo(f"Commands of plugin {name} are not available: {error}", err=True)
