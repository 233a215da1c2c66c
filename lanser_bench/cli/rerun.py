"""`lanser-bench rerun`: run the cell of a result record again and compare both results."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..printing import echo
from . import _shared as shared
from ._shared import in_data, in_output, in_store

if TYPE_CHECKING:
    from ..reporting.rerun.rerun import Rerun


RECORD = typer.Argument(
    ...,
    metavar="RECORD [KEY=VALUE]...",
    help="A result record, then settings to change, such as taxonomy=mood.yaml if the record hides "
    "a path.",
)
ROOT = in_data(
    [],
    metavar="NAME=DIR",
    help="Folder of a dataset of the record, by its name or by its place, such as targets.0; "
    "repeatable.",
)


def rerun(
    arguments: list[str] = RECORD,
    root: list[str] = ROOT,
    data: Path | None = in_data(
        None, envvar="LANSER_DATA_ROOT", help="Folder with one folder per dataset, by name."
    ),
    tolerance: float = typer.Option(1e-6, min=0, help="Largest difference that counts as equal."),
    within_interval: bool = typer.Option(
        False, "--within-interval", help="Also count a score inside its interval as equal."
    ),
    results: Path = in_output(Path("results/rerun"), help="Folder for the new record."),
    store: Path = in_store(
        Path(".lanser/rerun"), help="Folder of the store to compute in; its results are reused."
    ),
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
) -> None:
    """Run the cell of a result record again and compare every number.

    A separate store is used, so that no result of the first run is reused. Exit code 0: all numbers
    are equal within the tolerance; 1: some are not, or the cell failed; 2: an option, the record or
    a dataset is not valid.

    Examples:
        lanser-bench rerun results/study/cell.json --data data
        lanser-bench rerun results/study/cell.json --root ravdess=data/ravdess --within-interval
    """
    from ..reporting.rerun.rerun import CellFailedError
    from ..reporting.rerun.rerun import rerun as run_again
    from ._display import displayed_run

    folders = shared.plugins_in(plugins_dir).plugin_dirs
    with displayed_run() as display:
        try:
            compared = run_again(
                Path(arguments[0]),
                arguments[1:],
                store=store,
                results=results,
                roots=_roots(root),
                data=data,
                plugin_dirs=folders,
                listener=display,
            )
        except CellFailedError as error:
            echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from None
    _show(compared, tolerance, within_interval)
    if not compared.is_equal(tolerance, within_interval=within_interval):
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


def _show(compared: Rerun, tolerance: float, within_interval: bool) -> None:
    from ._console import plain_table, wide_console

    console = wide_console()
    rows, verdicts = [], Counter[str]()
    for n in compared.numbers:
        same = abs(n.difference) <= tolerance
        verdict = "equal" if same else "in its interval" if n.is_inside else "differs"
        verdicts[verdict] += 1
        rows.append((n.metric, f"{n.then:.4f}", f"{n.now:.4f}", f"{n.difference:+.2g}", verdict))
    columns = ("metric", "then", "now", "difference", "")
    title = f"{compared.then.experiment}: {compared.then.name}"
    console.print(plain_table(columns, rows, title, right="then now difference"))
    for name in compared.missing:
        console.print(f"{name} is missing from the new record.", markup=False)
    for title, lines in (("Environment", compared.environment), ("Keys", compared.keys)):
        console.print(f"{title}: {'' if lines else 'the same'}")
        for line in lines:
            console.print(f"  {line}", markup=False, soft_wrap=True)
    ran = len(compared.outcome.executed)
    console.print(f"{ran} stages run, {len(compared.outcome.plan.nodes) - ran} reused.")
    inside = f", {verdicts['in its interval']} more are within their intervals"
    line = f"{verdicts['equal']} of {len(rows)} numbers are equal within {tolerance:g}"
    console.print(f"{line}{inside if within_interval else ''}.")
