"""Result records: one JSON file per cell, with predictions and probe sums beside it.

`record` is the model, `reading` reads files and folders, `attachments` are the files beside a
record, `upgrades` and `migrate` read older versions, and `checks` validates a folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._face import face

if TYPE_CHECKING:
    from .attachments import classified as classified
    from .attachments import labelled_predictions as labelled_predictions
    from .attachments import read_attached as read_attached
    from .checks import check_records as check_records
    from .merge import merge_records as merge_records
    from .reading import load_record as load_record
    from .reading import load_records as load_records
    from .record import ResultRecord as ResultRecord

__getattr__, __dir__, __all__ = face(__name__)
