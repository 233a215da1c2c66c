"""`lanser-bench rerun`: the cell of a result record once more, and what came out then and now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._shared import PluginsDirs

if TYPE_CHECKING:
    from ..reporting.rerun.rerun import Rerun


def rerun(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="RECORD [KEY=VALUE]...",
            help="A result record, then settings to change, such as taxonomy=mood.yaml where the "
            "record hides a path.",
        ),
    ],
    store: Annotated[
        Path,
        typer.Option(
            "--store", help="Where to compute; what is there already is not computed again."
        ),
    ] = Path(".lanser/rerun"),
    results: Annotated[
        Path, typer.Option("--results", help="Where the new record is written.")
    ] = Path("results/rerun"),
    root: Annotated[
        list[str] | None,
        typer.Option(
            "--root",
            metavar="NAME=DIR",
            help="Folder of a dataset of the record, by its name or its place such as targets.0; "
            "may be repeated.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            envvar="LANSER_DATA_ROOT",
            help="A folder that holds the datasets' folders by their names.",
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0.0, help="Largest difference that counts as equal.")
    ] = 1e-6,
    within_interval: Annotated[
        bool,
        typer.Option(
            "--within-interval", help="A number inside the record's interval counts as equal too."
        ),
    ] = False,
    plugins_dir: PluginsDirs = None,
) -> None:
    """Run the cell of a result record again and compare every number.

    It computes in a store of its own, so that nothing made then is used. Exit code 0: all numbers
    are equal within the tolerance; 1: some are not, or the cell failed; 2: something needs mending.
    """
    from ..plugins.discovery import registry
    from ..reporting.rerun.rerun import CellFailedError
    from ..reporting.rerun.rerun import rerun as run_again
    from ._display import Display
    from ._interrupt import stoppable

    folders = tuple(folder.resolve() for folder in plugins_dir or ())
    registry(folders)
    with Display() as display, stoppable():
        try:
            found = run_again(
                Path(arguments[0]),
                arguments[1:],
                store=store,
                results=results,
                roots=_roots(root or []),
                data=data,
                plugin_dirs=folders,
                listener=display,
                progress=display.reading,
            )
        except CellFailedError as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            display.note(
                "Stopped. What is finished is kept: start the same command again to go on."
            )
            raise typer.Exit(130) from None
    _show(found, tolerance, within_interval)
    if not found.is_equal(tolerance, within_interval=within_interval):
        raise typer.Exit(1)


def _roots(pairs: list[str]) -> dict[str, Path]:
    from ..errors import SettingsError

    roots = {}
    for pair in pairs:
        name, equals, folder = pair.partition("=")
        if not (name and equals and folder):
            raise SettingsError(f"--root is '{pair}'; write it as NAME=DIR.")
        roots[name] = Path(folder).resolve()
    return roots


def _show(found: Rerun, tolerance: float, within_interval: bool) -> None:
    from rich.table import Table

    from ._console import wide_console

    console = wide_console()
    table = Table(title=f"{found.then.experiment}: {found.then.name}", title_justify="left")
    for column in ("metric", "then", "now", "difference", ""):
        table.add_column(column, justify="left" if column in ("metric", "") else "right")
    equal = 0
    for number in found.numbers:
        same = abs(number.difference) <= tolerance
        equal += same
        verdict = "equal" if same else "in its interval" if number.is_inside else "differs"
        table.add_row(
            number.metric,
            f"{number.then:.4f}",
            f"{number.now:.4f}",
            f"{number.difference:+.2g}",
            verdict,
        )
    console.print(table)
    for name in found.missing:
        console.print(f"{name} is not there any more.", markup=False)
    for title, lines in (("Environment", found.environment), ("Keys", found.keys)):
        console.print(f"{title}: {'the same' if not lines else ''}")
        for line in lines:
            console.print(f"  {line}", markup=False, soft_wrap=True)
    ran = len(found.outcome.executed)
    console.print(f"{ran} stages run, {len(found.outcome.plan.nodes) - ran} reused.")
    said = f"{equal} of {len(found.numbers)} numbers are equal within {tolerance:g}"
    if within_interval:
        inside = sum(n.is_inside and abs(n.difference) > tolerance for n in found.numbers)
        said += f", {inside} more lie in their intervals"
    console.print(f"{said}.")
