"""`lanser-bench audit`: does this installation find the faults that it should find?"""

from __future__ import annotations

from dataclasses import asdict

import typer

from ..printing import echo
from . import _shared as shared
from ._shared import echo_json


def audit(as_json: bool = shared.AS_JSON) -> None:
    """Plant leaks, false labels, damage and broken plugins, and show what finds them.

    Runs a small experiment on generated sound in a temporary folder, which takes less than a
    minute. Each check must find the planted fault, and nothing in the copy without it.

    Exit code 0: all faults are found; 1: some are missed.

    Examples:
        lanser-bench audit
    """
    from ._audit import audited
    from ._console import plain_table, wide_console

    outcomes = list(audited())
    missed = [outcome for outcome in outcomes if not outcome.caught]
    if as_json:
        echo_json([asdict(one) | {"caught": one.caught} for one in outcomes], indent=1)
    else:
        rows = []
        for one in outcomes:
            said = f"false alarm: {one.false_alarm}" if one.false_alarm else one.sentence
            row = (one.fault, one.planted, one.by, said or "missed")
            rows.append(("✓" if one.caught else "✗", *row))
        columns = ("", "fault", "planted in", "found by", "sentence")
        wide_console().print(plain_table(columns, rows))
        echo(f"{len(outcomes) - len(missed)} of {len(outcomes)} planted faults were found.")
    if missed:
        raise typer.Exit(1)
