"""`lanser-bench report`: results as one page that opens anywhere."""

from __future__ import annotations

from pathlib import Path

from ..printing import echo
from . import _shared as shared
from ._shared import in_output, many_small_tables, note


def report(
    folders: list[Path] = shared.FOLDERS,
    output: Path = in_output(Path("report.html"), "--output", "-o", help="The page."),
    store: Path = shared.STORE,
    with_audio: list[str] = in_output(
        [],
        "--with-audio",
        metavar="DATASET",
        help="A dataset whose transcripts and sound you may pass on, though its licence does not "
        "let everybody do so; repeatable.",
    ),
    pictures: Path | None = in_output(
        None, "--pictures", help="Also draw every picture here for a paper: PDF and SVG."
    ),
) -> None:
    """Write results as one self-contained HTML page: finding, tables, curves, provenance.

    Transcripts and sound of the surest wrong weak labels and of the hardest clips come from the
    store of the run, where the dataset's licence allows it.

    Examples:
        lanser-bench report results/study -o study.html
        lanser-bench report results/study --pictures figures
    """
    many_small_tables()
    from ..reporting.report.report import write_report

    page = write_report(
        folders or [shared.RESULTS], output, report=note, store=store, with_audio=with_audio
    )
    echo(f"{page} ({page.stat().st_size / 1e6:.1f} MB): open it in a browser.")
    if pictures is not None:
        from ..reporting.report.pictures import write_pictures

        written = write_pictures(folders or [shared.RESULTS], pictures)
        echo(f"{len(written)} pictures are in {pictures}.")
