"""Reporting: from records to what people read.

`groups` puts records together that may be compared. `leaderboard` ranks them, `comparing` tests
differences (compare, gate, dose, power), `labels` reports weak labels and taxonomies, `report` is
the HTML page, `rerun` makes records again, and `tables` draws for all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._face import face

if TYPE_CHECKING:
    from .comparing.against_last import Past as Past
    from .comparing.against_last import gate_against_last as gate_against_last
    from .comparing.compare import compare as compare
    from .comparing.compare_views import comparison_markdown as comparison_markdown
    from .comparing.gate import gate as gate
    from .comparing.history import add_history as add_history
    from .comparing.history import read_history as read_history
    from .comparing.power import plan_power as plan_power
    from .comparing.verdicts import judged as judged
    from .frames import frame as frame
    from .labels.gate import gate_labels as gate_labels
    from .labels.gate import label_side as label_side
    from .labels.gate import read_baseline as read_baseline
    from .labels.gate import write_baseline as write_baseline
    from .labels.ladder import compare_labelers as compare_labelers
    from .labels.report import read_material as read_material
    from .labels.report import write_label_report as write_label_report
    from .leaderboard.boards import rank as rank
    from .leaderboard.table import comma_separated as comma_separated
    from .leaderboard.table import leaderboard_markdown as leaderboard_markdown
    from .report.report import render as render
    from .report.report import write_report as write_report
    from .report.site import write_site as write_site
    from .rerun.replay import track_results as track_results

__getattr__, __dir__, __all__ = face(__name__)
