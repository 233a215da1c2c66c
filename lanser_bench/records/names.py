"""Names of rows, as short as possible: only what varies among the rows of a table names them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..store import canonical

if TYPE_CHECKING:
    from .record import ResultRecord

METHOD = ("asr", "labeler", "taxonomy", "encoder")
"""Parts of every cell that axes of the same name vary."""
OF_LABELS = frozenset(
    {"corpora", "segmenter", "asr", "transcribe", "labeler", "label", "taxonomy", "pretrain"}
)
"""Settings that take part only in weak labels and in training on them."""
NAMES_ENCODER = ("logmel_stats", "text")
"""Controls whose name says which encoder they have."""
MAIN = "main"
"""Name of a row that is no control, where no axis varies."""
LONGEST = 32
"""Characters of a value of an option; longer ones are cut."""
AXES_SHOWN = 3
"""Most axes that a table shows as columns; with more, names leave out the usual values."""


@dataclass(frozen=True)
class Value:
    """The value of an axis."""

    recorded: str
    """Its text in records and filters."""
    setting: Any
    """The same in the settings, if it is a mapping or a list: a shorter text is made from it."""

    @cached_property
    def identity(self) -> str:
        """What distinguishes it from other values of the axis."""
        text = self.recorded if self.setting is None else canonical(self.setting)
        # Settings in records have only the last part of absolute paths.
        return f"{text} {self.recorded}" if "…/" in text else text


class Names:
    """Names the rows of one table by what distinguishes them from the others.

    Rows of several experiments are named within their own, which precedes the name.
    """

    def __init__(self, records: Iterable[ResultRecord]) -> None:
        """Finds the axes that vary among records, at least one of each row of the table."""
        rows: dict[str, dict[str, ResultRecord]] = {}
        for record in records:
            rows.setdefault(record.experiment, {})[record.group] = record
        self._of = {experiment: _Names(own) for experiment, own in rows.items()}
        varying = dict.fromkeys(axis for names in self._of.values() for axis in names.heads)
        axes = [*(axis for axis in METHOD if axis in varying), *varying]
        several = {"experiment": "experiment"} if len(rows) > 1 else {}
        self.heads: dict[str, str] = several | short_axes(axes)
        """Axes that vary → their short names."""

    def values(self, record: ResultRecord) -> dict[str, str]:
        """Returns axis → short text of its value, or its title, of the axes that vary.

        Axes that take no part in a row are left out, such as the labeler of a frozen encoder.
        """
        return {axis: text for axis, text in self.shown(record).items() if axis in self.heads}

    def shown(self, record: ResultRecord) -> dict[str, str]:
        """Returns the same of all axes, also of those that do not vary."""
        return {"experiment": record.experiment, **self._of[record.experiment].shown(record)}

    def name(self, record: ResultRecord, without: Collection[str] = ()) -> str:
        """Returns a row's name: ``encoder=cnn, hours=2``, ``main``, ``shuffled (hours=2)``.

        The axes `without` are left out; ``control`` leaves out the control.
        """
        name = self._of[record.experiment].name(record, without)
        alone = "experiment" not in self.heads or "experiment" in without
        return name if alone else f"{record.experiment}: {name}"

    @property
    def captions(self) -> list[str]:
        """What the rows of each experiment share: ``encoder=cnn``.

        Values that names leave out because most rows have them follow after ``unless stated``.
        """
        if len(self._of) == 1:
            return [names.caption for names in self._of.values() if names.caption]
        return [f"{name}: {names.caption}" for name, names in self._of.items() if names.caption]


class _Names:
    """Names the rows of one experiment."""

    def __init__(self, rows: Mapping[str, ResultRecord]) -> None:
        self._own = {row: _taking_part(record) for row, record in rows.items()}
        self._records = rows
        self._whole: set[str] = set()
        self._decide()
        for same in self._alike():
            for axis in dict.fromkeys(a for row in same for a in rows[row].axes):
                if len({rows[row].axes.get(axis) for row in same}) > 1:
                    for row in same:
                        self._own[row].setdefault(axis, _value(rows[row], axis))
        self._decide()
        self._whole = {row for same in self._alike() for row in same}

    def _decide(self) -> None:
        values: dict[str, dict[str, Value]] = {}
        for own in self._own.values():
            for axis, value in own.items():
                values.setdefault(axis, {})[value.identity] = value
        heads = short_axes(values)
        self.heads = {axis: heads[axis] for axis, of in values.items() if len(of) > 1}
        self._texts = {axis: short_values(of) for axis, of in values.items()}
        self._constant = {a: heads[a] for a, of in values.items() if len(of) == 1}
        self._usual: dict[str, str] = {}
        for axis in self.heads if len(self.heads) > AXES_SHOWN else ():
            of = [own[axis].identity for own in self._own.values() if axis in own]
            most, times = Counter(of).most_common(1)[0]
            if 2 * times > len(of):
                self._usual[axis] = most

    def _alike(self) -> list[list[str]]:
        """Rows with the same name."""
        named: dict[str, list[str]] = {}
        for row, record in self._records.items():
            named.setdefault(self.name(record, ()), []).append(row)
        return [same for same in named.values() if len(same) > 1]

    def shown(self, record: ResultRecord) -> dict[str, str]:
        """Returns axis → short text of its value, or its title."""
        titles = record.settings.get("titles", {})
        shown = {}
        for axis, value in self._own[record.group].items():
            text = self._texts[axis][value.identity]
            given = titles.get(axis, {})
            shown[axis] = str(given.get(value.recorded, given.get(text, text)))
        return shown

    def name(self, record: ResultRecord, without: Collection[str]) -> str:
        """Returns a row's name within the experiment; its group if two have the same."""
        if record.group in self._whole and not without:
            return record.group
        own = self._own[record.group]
        axes = ", ".join(
            f"{self.heads[axis]}={text}"
            for axis, text in self.shown(record).items()
            if axis in self.heads
            and axis not in without
            and own[axis].identity != self._usual.get(axis)
        )
        if record.role == "main" or "control" in without:
            return axes or MAIN
        control = control_text(record.control)
        return f"{control} ({axes})" if axes else control

    @property
    def caption(self) -> str:
        """What rows share: ``encoder=cnn; rows trained on labels: labeler=entailment``."""
        shared: dict[str, str] = {}
        usual: dict[str, str] = {}
        for row, record in self._records.items():
            for axis, text in self.shown(record).items():
                if axis in self._constant:
                    shared[axis] = f"{self._constant[axis]}={text}"
                elif self._own[row][axis].identity == self._usual.get(axis):
                    usual[axis] = f"{self.heads[axis]}={text}"
        of_labels = [shared[axis] for axis in self._constant if axis in shared and _of_labels(axis)]
        parts = [", ".join(text for axis, text in shared.items() if not _of_labels(axis))]
        if of_labels:
            every = all(record.labeler is not None for record in self._records.values())
            parts.append(("" if every else "rows trained on labels: ") + ", ".join(of_labels))
        stated = ", ".join(usual[axis] for axis in self.heads if axis in usual)
        parts += [f"unless stated: {stated}"] if stated else []
        return "; ".join(filter(None, parts))


def control_text(control: str | None) -> str:
    """Returns a control's name in tables; ``main`` for a row that is none."""
    return MAIN if control is None else control.replace("_", " ")


def _of_labels(axis: str) -> bool:
    return axis.partition(".")[0] in OF_LABELS


def _taking_part(record: ResultRecord) -> dict[str, Value]:
    """Returns the axes that take part in a row, with their values."""
    trained = record.labeler is not None
    named = record.control in NAMES_ENCODER
    axes = [axis for axis in METHOD if getattr(record, axis) is not None]
    axes += [
        axis for axis in record.axes if axis not in METHOD and (trained or not _of_labels(axis))
    ]
    return {axis: _value(record, axis) for axis in axes if not (named and axis == "encoder")}


def _value(record: ResultRecord, axis: str) -> Value:
    part = getattr(record, axis) if axis in METHOD else None
    value = value_of(record.settings, axis, record.axes.get(axis, part or "–"))
    # The part is made of several plugins, or it is a control's own.
    return Value(part, None) if part and _name_of(value.setting) not in (None, part) else value


def value_of(settings: Mapping[str, Any], axis: str, recorded: str) -> Value:
    """Returns the value of an axis, a dotted key, in a cell's settings; `recorded` is its text."""
    setting: Any = settings
    for step in axis.split("."):
        setting = _flat_options(setting)
        if isinstance(setting, list):
            inside = step.isdecimal() and len(step) < 10 and int(step) < len(setting)
            setting = setting[int(step)] if inside else None
        else:
            setting = setting.get(step) if isinstance(setting, Mapping) else None
    return Value(recorded, setting if isinstance(setting, Mapping | list) else None)


def _flat_options(value: Any) -> Any:
    """Returns a plugin's name and options as one mapping, as in an experiment file."""
    if isinstance(value, Mapping) and isinstance(value.get("options"), Mapping):
        return {**{k: v for k, v in value.items() if k != "options"}, **value["options"]}
    return value


def _name_of(setting: Any) -> str | None:
    """Returns the name of a plugin; None for another setting."""
    name = setting.get("name", setting.get("dataset")) if isinstance(setting, Mapping) else None
    return None if name is None else str(name)


def short_axes(axes: Iterable[str]) -> dict[str, str]:
    """Returns axis → its last part that is no number, or as many parts as distinguish it."""
    parts = {axis: axis.split(".") for axis in dict.fromkeys(axes)}
    short = {}
    for axis, own in parts.items():
        for n in range(1, len(own) + 1):
            name = ".".join(own[-n:])
            others = (other for other in parts.values() if other is not own)
            if not own[-n].isdecimal() and all(other[-n:] != own[-n:] for other in others):
                break
        short[axis] = name
    return short


def short_values(values: Mapping[str, Value]) -> dict[str, str]:
    """Returns identity → text: a plugin's name, and the options that distinguish it from others.

    ``[librispeech(…), librispeech(…), ljspeech(…)]`` becomes ``librispeech ×2 + ljspeech``.
    """
    named: dict[str, list[str]] = {}
    for identity, value in values.items():
        named.setdefault(_base(value), []).append(identity)
    short = {}
    for base, same in named.items():
        options = {identity: dict(_options(values[identity].setting)) for identity in same}
        paths = dict.fromkeys(path for own in options.values() for path in own)
        varying = [p for p in paths if len({own.get(p) for own in options.values()}) > 1]
        heads = short_axes(varying)
        for identity, own in options.items():
            texts = [f"{heads[p]}={own[p]}" for p in varying if p in own]
            short[identity] = f"{base}({', '.join(texts)})" if texts else base
    times = Counter(short.values())
    return {
        identity: text if times[text] == 1 else values[identity].recorded
        for identity, text in short.items()
    }


def _base(value: Value) -> str:
    setting = value.setting
    if isinstance(setting, list) and setting and all(_name_of(one) for one in setting):
        times = Counter(_name_of(one) for one in setting)
        return " + ".join(f"{name} ×{n}" if n > 1 else str(name) for name, n in times.items())
    if isinstance(setting, Mapping):
        return _name_of(setting) or "custom"
    return value.recorded


def _options(setting: Any, path: str = "") -> Iterable[tuple[str, str]]:
    """Yields dotted path → text of each option that is set, without names of plugins."""
    setting = _flat_options(setting)
    entries: Iterable[tuple[str, Any]] = ()
    if isinstance(setting, Mapping):
        entries = ((str(k), v) for k, v in setting.items() if k not in ("name", "dataset"))
    elif isinstance(setting, list) and any(isinstance(one, Mapping) for one in setting):
        entries = ((str(i), one) for i, one in enumerate(setting))
    elif setting is not None and path:
        text = setting.rsplit("/", 1)[-1] if isinstance(setting, str) else canonical(setting)
        yield path, text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    for key, value in entries:
        yield from _options(value, f"{path}.{key}" if path else key)
