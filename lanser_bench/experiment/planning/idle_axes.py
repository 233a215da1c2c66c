"""Refuses an axis that cannot change a result: equal numbers would look like a finding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...errors import SettingsError
from ...kinds import FeatureExtractor
from ...records.names import OF_LABELS
from ..settings.grid import Point
from ..settings.model import PluginRef
from .corpus_steps import IN_NO_KEY, TEXT_FIELDS
from .memo import Parts

Results = Sequence[tuple[str, ...]]
"""Per point the keys of its main cells, without controls."""
_ROWS = (
    "controls, which are separate rows. Switch on the controls you want in 'controls', and remove "
    "the axis."
)


def check_axes(parts: Parts, points: Sequence[Point], results: Results) -> None:
    """Looks for an axis along which no main cell ever changes, everything else being equal.

    An axis may matter for some points only: the cells of the others are merged. Axes that never
    change alone, such as those of `zip`, are checked together.

    Raises:
        SettingsError: there is one; the sentence says why.
    """
    if len({tuple(point.axes.items()) for point in points}) < len(points):
        raise SettingsError(f"{parts.label}: two points differ only in {_ROWS}")
    together = []
    for axis in points[0].axes:
        changes = _changes([axis], points, results)
        if changes is None:
            together.append(axis)
        elif not changes:
            raise SettingsError(_sentence([axis], parts, points))
    varying = [axis for axis in together if len({p.axes[axis] for p in points}) > 1]
    if varying and _changes(varying, points, results) is False:
        raise SettingsError(_sentence(varying, parts, points))
    idle = [axis for axis in varying if axis.partition(".")[0] in IN_NO_KEY]
    if idle:
        raise SettingsError(_sentence(idle[:1], parts, points))


def _changes(axes: Sequence[str], points: Sequence[Point], results: Results) -> bool | None:
    """Whether points that differ in these axes alone differ in results; None without any."""
    first: dict[tuple[str, ...], tuple[tuple[str, ...], tuple[str, ...]]] = {}
    others = [axis for axis in points[0].axes if axis not in axes]
    changes = None
    for point, keys in zip(points, results, strict=True):
        own = tuple(point.axes[axis] for axis in axes)
        rest = tuple(point.axes[axis] for axis in others)
        values, before = first.setdefault(rest, (own, keys))
        if before != keys:
            return True
        if values != own:
            changes = False
    return changes


def _sentence(axes: Sequence[str], parts: Parts, points: Sequence[Point]) -> str:
    names = " and ".join(f"'{axis}'" for axis in axes)
    what = f"axis {names}" if len(axes) == 1 else f"axes {names} together"
    why = next((w for w in (_why(axis, parts, points) for axis in axes) if w), "")
    why = why or "all cells along it have the same keys. Remove the axis."
    return f"{parts.label}: {what} cannot change a result: {why}"


def _why(axis: str, parts: Parts, points: Sequence[Point]) -> str:
    head = axis.partition(".")[0]
    settings = [point.settings for point in points]
    encoders = [parts.plugin("encoder", s.encoder)[0] for s in settings]
    frozen = all(isinstance(encoder, FeatureExtractor) for encoder in encoders)
    if head in IN_NO_KEY:
        return f"'{head}' is about the run, not a cell. Remove the axis, and run once for each."
    if head == "controls":
        return _ROWS
    if head in OF_LABELS | {"devices"} and frozen:
        return (
            f"the encoder {_names(s.encoder for s in settings)} is frozen, so nothing is trained "
            "on labels. Remove the axis, or name a trainable encoder."
        )
    labelers = [parts.plugin("labeler", s.labeler)[0] for s in settings]
    reads_text = any(labeler.reads & TEXT_FIELDS for labeler in labelers)
    if head in ("asr", "transcribe") and not reads_text:
        return (
            f"the labeler {_names(s.labeler for s in settings)} reads no transcripts. Remove the "
            "axis, or name another labeler."
        )
    if head == "probe" and not any(s.probes for s in settings):
        return "'probes' is empty. Remove the axis, or name a probe."
    if head == "seed":
        return "'evaluate.seed' and 'probe.seed' are set, and nothing else uses it."
    if head == "threads":
        return "the stage's numbers do not depend on its threads. Remove the axis."
    return ""


def _names(refs: Iterable[PluginRef]) -> str:
    return ", ".join(dict.fromkeys(f"'{ref.name}'" for ref in refs))
