"""Looks through a dataset before anything is computed from it: ids, labels, spans, recordings.

Nothing is raised for what is wrong inside a dataset: it is collected, so that one look names all.
`manifest` turns a survey into an artifact or refuses it; `data check` prints it.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from .audiomemo import AudioMemo, Recording
from .errors import DataError, did_you_mean
from .kinds.dataset import Card, Dataset, Utterance
from .languages import language_code
from .paths import user_path
from .plugins import Registry
from .taxonomy import find_taxonomy

OnBadAudio = Literal["stop", "skip"]
Progress = Callable[[int, int, str], None]

SHORTEST = 0.1
"""Seconds below which a span is refused: a few analysis windows, shorter than any spoken word."""
SILENT_PEAK = 1e-4
"""Peak (full scale 1) below which a recording is counted as silent: −80 dBFS."""
CLIPPED_SHARE = 1e-3
"""Share of samples at full scale from which a recording is counted as clipped; a recording that was
brought to full scale has a few without being clipped."""
SLACK = 0.02
"""Seconds by which a span may pass the end of its recording: what rounding in a table makes."""
SHOWN = 5
"""How many findings of one sort a sentence names before it only counts the rest."""


@dataclass(frozen=True)
class Problem:
    """Something worth telling about one utterance."""

    utterance: str
    file: str
    """Relative to the dataset's folder where it lies inside it."""
    problem: str
    kind: Literal["bad audio", "duplicate", "re-encoded", "silent", "clipped"]


@dataclass
class Survey:
    """What a look through a dataset found."""

    dataset: str
    card: Card
    rows: list[dict[str, Any]] = field(default_factory=list)
    """Usable utterances, in order, with the columns of `utterances.SCHEMA`."""
    paths: dict[str, Path] = field(default_factory=dict)
    """SHA-256 of a recording's bytes → where it lies."""
    problems: list[Problem] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """Sentences that forbid using the dataset; empty if it is usable."""
    counts: dict[str, Any] = field(default_factory=dict)

    def of_kind(self, kind: str) -> list[Problem]:
        """Returns the problems of one kind."""
        return [problem for problem in self.problems if problem.kind == kind]


def survey_dataset(
    registry: Registry,
    name: str,
    plugin: Dataset[Any],
    root: Path | None,
    memo: AudioMemo,
    *,
    on_bad_audio: OnBadAudio = "stop",
    limit: int | None = None,
    progress: Progress | None = None,
) -> Survey:
    """Lists a dataset's utterances and checks every one, with its recording.

    Args:
        registry: where the taxonomy of the gold labels is looked up.
        name: the dataset's name; prefixed to its speakers.
        plugin: the dataset.
        root: its folder.
        memo: what is known of recordings seen before.
        on_bad_audio: ``stop`` makes unusable recordings a fault; ``skip`` leaves them out, counted
            and named.
        limit: keeps so many utterances, spread evenly over speakers and labels (see `spread`).
        progress: called with done, total and unit while recordings are read.

    Raises:
        DataError: the folder is missing or empty, or is not this dataset's.
    """
    folder = _checked_root(name, plugin, root)
    found = list(plugin.utterances(folder))
    if not found:
        raise DataError(
            f"Dataset '{name}' finds no utterance in {folder}. Check that it is the right folder "
            f"for '{name}' ({plugin.card.title})."
        )
    survey = Survey(name, plugin.card)
    survey.faults += _doubled(found, folder)
    survey.faults += _gold_faults(
        registry, name, plugin.card, found, folder, mapped=hasattr(plugin.options, "labels")
    )
    survey.faults += _language_faults(name, found, folder)
    if limit is not None:
        found = spread(found, limit)
    recordings = memo.look([u.audio for u in found if u.audio is not None], progress)
    _fill(survey, found, recordings, folder)
    bad = survey.of_kind("bad audio")
    if bad and on_bad_audio == "stop":
        survey.faults.append(
            f"{len(bad)} of {len(found)} utterances of dataset '{name}' cannot be used: "
            f"{_some(f'{p.utterance} ({p.file}) {p.problem}' for p in bad)}. Mend or remove them, "
            "or set `on_bad_audio: skip` to leave them out."
        )
    elif not survey.rows:
        survey.faults.append(
            f"None of the {len(found)} utterances of dataset '{name}' can be used: "
            f"{_some(f'{p.utterance} ({p.file}) {p.problem}' for p in bad)}."
        )
    survey.counts = _counts(survey, recordings)
    return survey


def spread(utterances: Sequence[Utterance], limit: int) -> list[Utterance]:
    """Keeps `limit` utterances spread evenly over speakers and, within each, over gold labels.

    The choice depends on ids only, not on the order or on chance, so that a trial run sees the same
    utterances everywhere; the order is kept.
    """

    def shuffled(u: Utterance) -> str:
        return hashlib.sha256(u.id.encode()).hexdigest()

    by_label: Counter[tuple[str | None, str]] = Counter()
    by_speaker: Counter[str | None] = Counter()
    rank: dict[int, tuple[int, str]] = {}
    turns: list[tuple[int, str, int]] = []
    for index in sorted(range(len(utterances)), key=lambda i: shuffled(utterances[i])):
        u = utterances[index]
        cell = (u.speaker, ",".join(sorted(u.gold)))
        turns.append((by_label[cell], shuffled(u), index))
        by_label[cell] += 1
    for _, text, index in sorted(turns):
        speaker = utterances[index].speaker
        rank[index] = (by_speaker[speaker], text)
        by_speaker[speaker] += 1
    kept = sorted(sorted(rank, key=lambda i: rank[i])[:limit])
    return [utterances[i] for i in kept]


def _checked_root(name: str, plugin: Dataset[Any], root: Path | None) -> Path:
    if root is None:
        raise DataError(
            f"Dataset '{name}' needs its folder: set `root` (`--corpus {name}=FOLDER` for "
            "`data leakage`)."
        )
    try:
        root = user_path(root)
        if not plugin.needs_root:
            return root.absolute()
        if not root.exists():
            raise DataError(f"The folder {root} of dataset '{name}' does not exist. Check `root`.")
        if not root.is_dir():
            raise DataError(f"{root} is not a folder; `root` of dataset '{name}' must name one.")
        if next(root.iterdir(), None) is None:
            raise DataError(f"The folder {root} of dataset '{name}' is empty. Check `root`.")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"Dataset '{name}': root {root} cannot be read: {reason}.") from None
    return root.absolute()


def _doubled(utterances: Iterable[Utterance], root: Path) -> list[str]:
    first: dict[str, Utterance] = {}
    found = []
    for u in utterances:
        other = first.setdefault(u.id, u)
        if other is not u:
            found.append(f"'{u.id}' at {_place(other, root)} and at {_place(u, root)}")
    if not found:
        return []
    return [
        f"Utterance ids must be unique, but these are there twice: {_some(found)}. Rename them."
    ]


def _gold_faults(
    registry: Registry,
    name: str,
    card: Card,
    utterances: Iterable[Utterance],
    root: Path,
    *,
    mapped: bool,
) -> list[str]:
    """What is wrong with gold labels; `mapped` says that the dataset has an option `labels`."""
    labelled = [u for u in utterances if u.gold]
    if not labelled:
        return []
    if card.taxonomy is None:
        return [
            f"Dataset '{name}' has gold labels (first at {_place(labelled[0], root)}) but names no "
            "taxonomy for them. Set its option `taxonomy`."
        ]
    taxonomy = find_taxonomy(registry, card.taxonomy)
    known = set(taxonomy.names)
    strange: dict[str, list[Utterance]] = {}
    faults = []
    for u in labelled:
        for label in u.gold.keys() - known:
            strange.setdefault(label, []).append(u)
        fault = _weights_fault(u)
        if fault:
            faults.append(f"{u.id} ({_place(u, root)}): {fault}")
    found = [
        f"{at[0].id} ({_place(at[0], root)}){f' and {len(at) - 1} more' if at[1:] else ''}: "
        f"'{label}' is not a label of {taxonomy.name}.{did_you_mean(label, known)}"
        for label, at in sorted(strange.items(), key=lambda item: -len(item[1]))
    ] + faults
    if strange and mapped:
        found.append("The option `labels` says what a label of the data is in the taxonomy.")
    return [f"Gold labels of dataset '{name}' are not valid. {_some(found, ' ')}"] if found else []


def _language_faults(name: str, utterances: Iterable[Utterance], root: Path) -> list[str]:
    """What is written as a language and is none."""
    first: dict[str, Utterance] = {}
    for u in utterances:
        first.setdefault(u.language or "", u)
    faults = []
    for written, u in first.items():
        try:
            language_code(written)
        except ValueError as error:
            faults.append(f"{u.id} ({_place(u, root)}): {error}")
    return [f"Languages of dataset '{name}' are not valid. {_some(faults, ' ')}"] if faults else []


def _weights_fault(u: Utterance) -> str:
    weights = u.gold.values()
    if not all(math.isfinite(w) and w > 0 for w in weights):
        return f"the weights {dict(u.gold)} must be positive numbers."
    if u.gold_kind == "single" and len(u.gold) != 1:
        return f"a single label is expected, found {', '.join(sorted(u.gold))}."
    if u.gold_kind == "distribution" and abs(sum(weights) - 1) > 1e-3:
        return f"the weights of a distribution must add up to 1, not {sum(weights):g}."
    return ""


def _fill(
    survey: Survey,
    utterances: Iterable[Utterance],
    recordings: Mapping[Path, Recording],
    root: Path,
) -> None:
    heard: dict[tuple[str, float | None, float | None], str] = {}
    decoded: dict[tuple[str, float | None, float | None], str] = {}
    for u in utterances:
        recording = recordings[u.audio] if u.audio is not None else None
        file = _relative(u.audio, root) if u.audio is not None else ""
        problem = _audio_problem(u, recording)
        if problem:
            survey.problems.append(Problem(u.id, file, problem, "bad audio"))
            continue
        survey.rows.append(_row(survey.dataset, u, recording))
        if recording is None or recording.facts is None or u.audio is None:
            continue
        survey.paths.setdefault(recording.sha, u.audio)
        other = heard.setdefault((recording.sha, u.start, u.end), u.id)
        twin = decoded.setdefault((recording.facts.samples, u.start, u.end), u.id)
        if other != u.id:
            survey.problems.append(Problem(u.id, file, f"same sound as {other}", "duplicate"))
        elif twin != u.id:
            survey.problems.append(Problem(u.id, file, f"same samples as {twin}", "re-encoded"))
        if recording.facts.peak < SILENT_PEAK:
            survey.problems.append(Problem(u.id, file, "is silent", "silent"))
        if recording.facts.clipped >= CLIPPED_SHARE:
            survey.problems.append(Problem(u.id, file, "is clipped", "clipped"))


def _audio_problem(u: Utterance, recording: Recording | None) -> str:
    if recording is None:
        return ""
    if recording.facts is None or recording.facts.problem:
        return recording.problem
    start, length = u.start or 0.0, recording.facts.seconds
    end = length if u.end is None else u.end
    if not (math.isfinite(start) and math.isfinite(end) and start >= 0):
        return f"has the span {start:g}–{end:g} s, which is not a span"
    if u.end is not None and end <= start:
        return f"has the span {start:g}–{end:g} s, which ends before it begins"
    if end > length + SLACK or start >= length > 0:
        return f"has the span {start:g}–{end:g} s, past the end of its recording ({length:.2f} s)"
    if end - start < SHORTEST:
        return f"lasts {end - start:.3f} s, shorter than {SHORTEST} s"
    return ""


def _row(dataset: str, u: Utterance, recording: Recording | None) -> dict[str, Any]:
    seconds: float | None = None
    if recording is not None and recording.facts is not None:
        end = recording.facts.seconds if u.end is None else u.end
        seconds = round(end - (u.start or 0.0), 6)
    return {
        "id": u.id,
        "audio_sha": recording.sha if recording is not None else None,
        "start": u.start,
        "end": u.end,
        "seconds": seconds,
        "speaker": f"{dataset}:{u.speaker}" if u.speaker else None,
        "dialogue_id": u.dialogue_id,
        "turn": u.turn,
        "sentence_id": u.sentence_id,
        "language": _language(u),
        "split": u.split,
        "transcript": u.transcript,
        "gold": {label: float(weight) for label, weight in sorted(u.gold.items())},
        "gold_kind": u.gold_kind,
        "extras": {key: _plain(value) for key, value in u.extras.items()},
    }


def _language(u: Utterance) -> str | None:
    try:
        return language_code(u.language or "")
    except ValueError:  # a fault of the survey, which `_language_faults` words
        return u.language


def _plain(value: Any) -> Any:
    """JSON has no NaN: what is not a number is not there."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _counts(survey: Survey, recordings: Mapping[Path, Recording]) -> dict[str, Any]:
    rows = survey.rows
    labels: Counter[str] = Counter(label for row in rows for label in row["gold"])
    kinds = Counter(problem.kind for problem in survey.problems)
    return {
        "utterances": len(rows),
        "recordings": len(recordings),
        "seconds": round(sum(row["seconds"] or 0.0 for row in rows), 3),
        "speakers": len({row["speaker"] for row in rows if row["speaker"]}),
        "without_speaker": sum(1 for row in rows if not row["speaker"]),
        "transcripts": sum(1 for row in rows if row["transcript"]),
        "labels": dict(sorted(labels.items())),
        "unlabelled": sum(1 for row in rows if not row["gold"]),
        "extras": sorted({name for row in rows for name in row["extras"]}),
        "bad_audio": kinds["bad audio"],
        "duplicates": kinds["duplicate"],
        "re_encoded": kinds["re-encoded"],
        "silent": kinds["silent"],
        "clipped": kinds["clipped"],
    }


def summary(survey: Survey) -> dict[str, Any]:
    """Returns what stands beside the utterances of a manifest."""
    return {
        "dataset": survey.dataset,
        "card": asdict(survey.card),
        "counts": survey.counts,
        "problems": [asdict(problem) for problem in survey.problems],
    }


def _place(u: Utterance, root: Path) -> str:
    if u.origin:
        return u.origin
    return _relative(u.audio, root) if u.audio is not None else "(no file)"


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _some(items: Iterable[str], joint: str = "; ") -> str:
    """Joins the first few and counts the rest."""
    listed = list(items)
    rest = len(listed) - SHOWN
    return joint.join(listed[:SHOWN]) + (f"{joint}and {rest} more" if rest > 0 else "")
