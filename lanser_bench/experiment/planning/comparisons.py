"""Comparisons declared in the experiment file must name cells of the plan."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import SettingsError, did_you_mean
from ...evaluation.families import Declared, filters
from ...measurements.metrics import check_metric
from .plan import Cell


def check_comparisons(comparisons: Sequence[Declared], cells: Sequence[Cell], label: str) -> None:
    """Refuses a declared comparison that no record of this run could answer.

    Raises:
        SettingsError: a side names an axis or values that no cell of the plan has, or a metric is
            unknown.
    """
    for number, declared in enumerate(comparisons):
        try:
            check_metric(declared.metric)
        except SettingsError as error:
            raise SettingsError(f"{label}: 'comparisons.{number}.metric': {error}") from None
    known = [_values(cell) for cell in cells]
    axes = {axis for values in known for axis in values}
    sides = ((n, name, getattr(c, name)) for n, c in enumerate(comparisons) for name in ("a", "b"))
    for number, name, side in sides:
        where = f"{label}: 'comparisons.{number}.{name}' ({side})"
        wanted = filters(side)
        for axis, _ in wanted:
            if axis not in axes:
                raise SettingsError(
                    f"{where}: unknown axis '{axis}'.{did_you_mean(axis, axes)} Known: "
                    f"{', '.join(sorted(axes))}."
                )
        if not any(all(values.get(a) == v for a, v in wanted) for values in known):
            raise SettingsError(f"{where}: no cell of the plan fits it.")


def _values(cell: Cell) -> dict[str, str]:
    parts = {name: getattr(cell, name) for name in ("encoder", "role", "experiment", "group")}
    plugins = {"asr": cell.settings.asr.name, "labeler": cell.settings.labeler.name}
    taxonomy = {} if cell.taxonomy is None else {"taxonomy": cell.taxonomy}
    return {**plugins, **parts, **taxonomy, "control": cell.control or "none", **cell.axes}
