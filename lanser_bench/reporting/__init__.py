"""Reporting: from records to what people read.

`groups` puts records together that may be compared. `leaderboard` ranks them, `comparing` tests
differences (compare, gate, dose, power), `labels` reports weak labels and taxonomies, `report` is
the HTML page, `rerun` makes records again, and `tables` draws for all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._face import face

if TYPE_CHECKING:
    from .comparing.compare import compare as compare
    from .comparing.compare_views import comparison_markdown as comparison_markdown
    from .comparing.gate import gate as gate
    from .comparing.gate import judged as judged
    from .comparing.power import plan_power as plan_power
    from .labels.report import read_material as read_material
    from .labels.report import write_label_report as write_label_report
    from .leaderboard.boards import rank as rank
    from .leaderboard.table import comma_separated as comma_separated
    from .leaderboard.table import leaderboard_markdown as leaderboard_markdown
    from .report.report import render as render
    from .report.report import write_report as write_report
    from .rerun.replay import track_results as track_results

__getattr__, __all__ = face(
    __name__,
    {
        "comma_separated": "leaderboard.table",
        "compare": "comparing.compare",
        "comparison_markdown": "comparing.compare_views",
        "gate": "comparing.gate",
        "judged": "comparing.gate",
        "leaderboard_markdown": "leaderboard.table",
        "plan_power": "comparing.power",
        "rank": "leaderboard.boards",
        "read_material": "labels.report",
        "render": "report.report",
        "track_results": "rerun.replay",
        "write_label_report": "labels.report",
        "write_report": "report.report",
    },
)
