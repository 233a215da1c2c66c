"""Results as data frames: the rows of their tables, with a column for every axis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import MissingDependencyError, SettingsError
from ..experiment.planning.plan import Plan
from ..experiment.running.outcome import DryRun, RunOutcome
from ..plugins.discovery import Registry
from . import run_views
from .comparing import compare_views, dose_views, gate_views
from .comparing.compare import Comparison
from .comparing.dose import DoseBoard
from .comparing.gate import GateResult
from .comparing.saved import SavedBoard, saved_sheet
from .labels import ladder_views, recogniser_views
from .labels import views as label_views
from .labels.ladder import Ladder
from .labels.recognisers import Recognisers
from .labels.report import LabelReport
from .leaderboard.boards import Board
from .leaderboard.by_axis import AxisBoard, axis_sheet
from .leaderboard.table import sheet as board_sheet
from .report.matrix import MatrixBoard
from .report.matrix_views import matrix_sheets
from .results import Results
from .tables.sheet import Sheet, html_tables, table_rows

if TYPE_CHECKING:
    import pandas as pd


def frame(results: Any) -> pd.DataFrame:
    """Returns a result, or several, as a data frame: numbers, not texts.

    A score has its interval in ``KEY_low`` and ``KEY_high``; axes have their values as in records.
    Results with several tables, such as `dose_response`, name them in the column ``table``.

    Args:
        results: what `rank`, `rank_by`, `compare`, `compare_labels`, `dose_response`, `gate`,
            `matrices`, `compare_labelers`, `compare_recognisers` or `write_label_report` returns,
            or a list of such.

    Raises:
        MissingDependencyError: pandas is not installed.
        SettingsError: there are no tables of such a result.
    """
    try:
        import pandas as pd
    except ImportError:
        raise MissingDependencyError(
            "Data frames need pandas. Install it: pip install pandas."
        ) from None
    several = list(results) if isinstance(results, list | tuple) else [results]
    return pd.DataFrame(table_rows(list(sheets_of(several))))


def html_of(result: Any) -> str:
    """Returns the tables of a result as HTML, for a notebook."""
    return html_tables(sheets_of(result))


def sheets_of(result: Any) -> Iterable[Sheet]:
    """Returns the tables of a result; anything else is a `SettingsError`."""
    match result:
        case Sheet():
            return [result]
        case list():
            return [sheet for one in result for sheet in sheets_of(one)]
        case Results():
            return result.sheets
        case RunOutcome() | DryRun() | Plan():
            return [run_views.sheet(result)]
        case Registry():
            return [run_views.registry_sheet(result)]
        case Board():
            return [board_sheet(result)]
        case AxisBoard():
            return [axis_sheet(result)]
        case Comparison():
            return [compare_views.sheet(result)]
        case SavedBoard():
            return [saved_sheet(result)]
        case DoseBoard():
            return dose_views.sheets(result)
        case GateResult():
            return [gate_views.sheet(result)]
        case MatrixBoard():
            return matrix_sheets(result)
        case Ladder():
            return ladder_views.sheets(result, {})
        case Recognisers():
            return recogniser_views.sheets(result, {})
        case LabelReport():
            return label_views.sheets(result.report)
        case Mapping() if "labels" in result and "made_with" in result:
            return label_views.sheets(result)
    raise SettingsError(f"A {type(result).__name__} has no tables: pass a result of reporting.")
