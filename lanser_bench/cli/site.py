"""`lanser-bench site`: results as a static site."""

from __future__ import annotations

from pathlib import Path

from ..printing import echo
from . import _shared as shared
from ._shared import in_output, note


def site(
    folders: list[Path] = shared.FOLDERS,
    output: Path = in_output(Path("public"), "--output", "-o", help="Folder of the site."),
) -> None:
    """Write results as a static site: overview, report per experiment, history and plugins.

    The pages need no network and no server. Each experiment's page is its report.

    Examples:
        lanser-bench site results -o public
    """
    from ..reporting.report.site import write_site

    index = write_site(folders or [shared.RESULTS], output, report=note)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    echo(f"{index} (site: {size / 1e6:.1f} MB): open it in a browser.")
