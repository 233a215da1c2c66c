"""`lanser-bench completion`: what the shell evaluates to complete commands, names and settings."""

from __future__ import annotations

from enum import StrEnum

import typer

from ..printing import echo
from ._complete import COMPLETE, SCRIPTS


class Shell(StrEnum):
    """Shells with a script in `SCRIPTS`."""

    bash = "bash"
    zsh = "zsh"


def completion(shell: Shell = typer.Argument(..., help="Your shell.")) -> None:
    """Print the completion script of a shell.

    Tab then completes commands, options, plugins, taxonomies, experiments, settings and values.
    Add this line to ~/.bashrc: eval "$(lanser-bench completion bash)". For zsh, add the same with
    zsh to ~/.zshrc, after `compinit`.

    Examples:
        lanser-bench completion bash > ~/.local/share/bash-completion/completions/lanser-bench
        lanser-bench completion zsh > ~/.lanser-bench.zsh
    """
    echo(SCRIPTS[shell] % COMPLETE, nl=False)
