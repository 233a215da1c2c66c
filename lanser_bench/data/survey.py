"""Looks through a dataset before anything is computed from it: ids, labels, spans, recordings.

A survey raises nothing for faults inside a dataset: it collects them, so that one look names all.
`manifest` turns a survey into an artifact or refuses it; `data check` prints it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..kinds.dataset import Card, Dataset, Utterance
from ..kinds.speech import READ_SUFFIXES
from ..languages import language_code
from ..plugins.discovery import Registry
from .audio_memo import AudioMemo, Recording
from .checks import Kind, audio_problem, gold_faults, language_faults, oddities
from .duplicates import without_copies
from .listing import Part, checked_root, listed_utterances, packed, spread
from .naming import SHOWN, by_fault, relative, some
from .traits import recording_traits

OnBadAudio = Literal["stop", "skip"]
_MISSING = {"na", "n/a", "#n/a", "nan", "nat", "<na>", "null", "none", "\\n", "?", "unknown"}
"""Common texts of empty cells, in lower case."""
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Problem:
    """A fault or an oddity of one utterance."""

    utterance: str
    file: str
    """Relative to the dataset's folder, if it is inside."""
    problem: str
    kind: Kind


@dataclass
class Survey:
    """The result of a look through a dataset."""

    dataset: str
    card: Card
    rows: list[dict[str, Any]] = field(default_factory=list)
    """Usable utterances, in order, with the columns of `utterances.SCHEMA`."""
    paths: dict[str, Path] = field(default_factory=dict)
    """SHA-256 of a recording's bytes → its path."""
    converted: dict[str, Path] = field(default_factory=dict)
    """The same, of conversions in the store, which are decoded instead."""
    problems: list[Problem] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """Sentences that forbid using the dataset; empty if it is usable."""
    counts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """Sentences of the dataset on how it read its files; in no key."""

    def of_kind(self, kind: str) -> list[Problem]:
        """Returns the problems of one kind."""
        return [problem for problem in self.problems if problem.kind == kind]

    def named(self, kind: str, shown: int = SHOWN) -> str:
        """Returns the first problems of one kind in words, and the number of the others."""
        problems = self.of_kind(kind)
        return by_fault(((f"{p.utterance} ({p.file})", p.problem) for p in problems), shown)


def survey_dataset(
    registry: Registry,
    name: str,
    plugin: Dataset[Any],
    root: Path | None,
    memo: AudioMemo,
    *,
    on_bad_audio: OnBadAudio = "stop",
    part: Part = Part(),  # noqa: B008 - frozen
    progress: Progress | None = None,
) -> Survey:
    """Lists a dataset's utterances and checks every one, with its recording.

    Args:
        registry: for the taxonomy of the gold labels.
        name: the dataset's name, the prefix of its speakers.
        plugin: the dataset.
        root: its folder.
        memo: facts of recordings seen before.
        on_bad_audio: ``stop`` makes unusable recordings a fault; ``skip`` leaves them out, counted
            and named.
        part: how much to keep, spread evenly over speakers and labels (see `spread`).
        progress: called with done, total and unit while recordings are read.

    Raises:
        DataError: the folder is missing or empty, or is not this dataset's.
    """
    folder = checked_root(name, plugin, root)
    listed = listed_utterances(name, plugin, folder)
    utterances, notes, faults = without_copies(listed, folder, memo, progress)
    options = type(plugin.options).model_fields
    faults += gold_faults(registry, name, plugin.card, utterances, folder, options=options)
    faults += language_faults(name, utterances, folder)
    survey = Survey(name, plugin.card, notes=[*plugin.notes, *notes], faults=faults)
    if part.limit is not None:
        utterances = spread(utterances, part.limit)
    if part.hours is None:  # else hours of the whole come first, and need all recordings
        utterances = _shared(survey, utterances, part, folder)
    recordings = memo.look([u.audio for u in utterances if u.audio is not None], progress)
    if part.hours is not None:
        utterances = _within_hours(survey, utterances, recordings, part.hours)
        utterances = _shared(survey, utterances, part, folder)
    _fill(survey, utterances, recordings, folder)
    if survey.of_kind("bad audio") and on_bad_audio == "stop":
        survey.faults.append(
            f"{len(survey.of_kind('bad audio'))} of {len(utterances)} utterances of dataset "
            f"'{name}' cannot be used: {survey.named('bad audio')}. Fix or remove them, or set "
            "`on_bad_audio: skip` to leave them out."
        )
    elif utterances and not survey.rows:
        survey.faults.append(
            f"None of the {len(utterances)} utterances of dataset '{name}' can be used: "
            f"{survey.named('bad audio')}."
        )
    survey.counts = _counts(survey, recordings)
    survey.notes += _notes(survey.counts, utterances, recordings, folder)
    survey.notes += filter(None, [packed(folder, "*").strip()])
    return survey


def _shared(
    survey: Survey, utterances: Sequence[Utterance], part: Part, folder: Path
) -> list[Utterance]:
    found = part.shared(utterances, folder)
    if utterances and not found:
        survey.faults.append(
            f"Share {part.share} of dataset '{survey.dataset}' has no utterance. Use fewer shares."
        )
    return found


def _within_hours(
    survey: Survey,
    utterances: Sequence[Utterance],
    recordings: Mapping[Path, Recording],
    hours: float,
) -> list[Utterance]:
    """Keeps `hours` of usable speech, and all unusable recordings: these must be named."""
    usable, seconds, kept = [], [], []
    for u in utterances:
        recording = recordings[u.audio] if u.audio is not None else None
        if audio_problem(u, recording):
            kept.append(u.id)
        elif (length := _seconds(u, recording)) is None:
            survey.faults.append(
                f"Dataset '{survey.dataset}' has texts without recordings, such as {u.id}, whose "
                "hours cannot be counted. Use `limit` instead of `hours`."
            )
            return []
        else:
            usable.append(u)
            seconds.append(length)
    chosen = spread(usable, 3600 * hours, seconds)
    total = sum(seconds) / 3600
    if usable and not chosen:
        survey.faults.append(
            f"Dataset '{survey.dataset}': hours is {hours:g}, which is less than its first "
            "utterance. Use more."
        )
    elif total < hours:
        survey.notes.append(f"hours is {hours:g}, but there are only {total:.3g}: all are used.")
    wanted = {*kept, *(u.id for u in chosen)}
    return [u for u in utterances if u.id in wanted]


def _fill(
    survey: Survey,
    utterances: Iterable[Utterance],
    recordings: Mapping[Path, Recording],
    root: Path,
) -> None:
    """Adds rows, paths and problems of the utterances to a survey."""
    first: dict[tuple[str, float | None, float | None], str] = {}
    for u in utterances:
        names = "".join([u.id, u.speaker or "", u.split or "", *u.gold])
        if not names.isascii() and any("\ud800" <= letter <= "\udfff" for letter in names):
            survey.faults.append(f"{names!a} is a name that is not UTF-8. Rename the file.")
            return
        recording = recordings[u.audio] if u.audio is not None else None
        file = relative(u.audio, root) if u.audio is not None else ""
        problem = audio_problem(u, recording)
        if problem:
            survey.problems.append(Problem(u.id, file, problem, "bad audio"))
            continue
        survey.rows.append(_row(survey.dataset, u, recording))
        if recording is None or recording.facts is None or u.audio is None:
            continue
        survey.paths.setdefault(recording.sha, u.audio)
        if recording.path != u.audio:
            survey.converted[recording.sha] = recording.path
        same_bytes = first.setdefault((recording.sha, u.start, u.end), u.id)
        same_samples = first.setdefault((recording.facts.samples, u.start, u.end), u.id)
        odd = list(oddities(u, recording.facts))
        if same_bytes != u.id:
            odd.insert(0, ("duplicate", f"same sound as {same_bytes}"))
        elif same_samples != u.id:
            odd.insert(0, ("re-encoded", f"same samples as {same_samples}"))
        survey.problems += [Problem(u.id, file, text, kind) for kind, text in odd]


def _row(dataset: str, u: Utterance, recording: Recording | None) -> dict[str, Any]:
    """Returns the columns of `utterances.SCHEMA`."""
    return {
        "id": u.id,
        "audio_sha": recording.sha if recording is not None else None,
        "start": u.start,
        "end": u.end,
        "seconds": _seconds(u, recording),
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


def _seconds(u: Utterance, recording: Recording | None) -> float | None:
    """Length of an utterance; None without a recording."""
    if recording is None or recording.facts is None:
        return None
    end = recording.facts.seconds if u.end is None else u.end
    return round(end - (u.start or 0.0), 6)


def _language(u: Utterance) -> str | None:
    try:
        return language_code(u.language or "")
    except ValueError:  # already one of the `language_faults`
        return u.language


def _plain(value: Any) -> Any:
    """Returns None for NaN and infinity, which JSON does not have."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _counts(survey: Survey, recordings: Mapping[Path, Recording]) -> dict[str, Any]:
    rows = survey.rows
    labels = Counter(label for row in rows for label in row["gold"])
    kinds = Counter(problem.kind for problem in survey.problems)
    facts = {one.sha: one.facts for one in recordings.values() if one.facts is not None}
    return {
        "utterances": len(rows),
        "recordings": len(recordings),
        "seconds": round(sum(row["seconds"] or 0.0 for row in rows), 3),
        "speakers": len({row["speaker"] for row in rows if row["speaker"]}),
        "without_speaker": sum(not row["speaker"] for row in rows),
        "transcripts": sum(bool(row["transcript"]) for row in rows),
        "labels": dict(sorted(labels.items())),
        "unlabelled": sum(not row["gold"] for row in rows),
        "single_label": sum(len(row["gold"]) == 1 for row in rows),
        "extras": sorted({name for row in rows for name in row["extras"]}),
        "bad_audio": kinds["bad audio"],
        "duplicates": kinds["duplicate"],
        "re_encoded": kinds["re-encoded"],
        "silent": kinds["silent"],
        "odd_channels": kinds["odd channels"],
        "clipped": kinds["clipped"],
        **recording_traits(rows, facts, survey.paths),
    }


VOTED = (
    " In an experiment, `evaluate.votes: majority` uses the label with most votes, and `soft: {}` "
    "all votes."
)


def _notes(
    counts: Mapping[str, Any],
    utterances: Sequence[Utterance],
    recordings: Mapping[Path, Recording],
    root: Path,
) -> list[str]:
    """Returns facts about labels, speakers and file names that matter for a run."""
    notes = []
    labelled, single = counts["utterances"] - counts["unlabelled"], counts["single_label"]
    if single < labelled:
        notes.append(
            f"{single:,} of {labelled:,} labelled utterances have a single gold label. Training on "
            "human labels and scores by class use only these."
            + (VOTED if any(u.gold_kind == "distribution" for u in utterances) else "")
        )
    if len(counts["labels"]) == 1:
        notes.append(f"All labels are '{next(iter(counts['labels']))}': evaluation needs two.")
    lost = sorted({label for u in utterances for label in u.gold} - counts["labels"].keys())
    if lost:
        notes.append(f"No usable recording is left of: {', '.join(lost)}.")
    alike: dict[str, list[str]] = {}
    for speaker in sorted({u.speaker for u in utterances if u.speaker}):
        alike.setdefault(speaker.casefold(), []).append(speaker)
    pairs = [" and ".join(names) for names in alike.values() if names[1:]]
    if pairs:
        notes.append(
            f"Speakers that differ only in upper and lower case count as two: {some(pairs)}."
        )
    for column in ("speaker", "dialogue_id", "split"):
        names = Counter(getattr(u, column) for u in utterances)
        notes += [
            f"'{name}' is a {column.removesuffix('_id')} of {count:,} utterances. If it means an "
            "empty cell, empty it; datasets of tables have the option `missing`."
            for name, count in names.items()
            if name and name.casefold() in _MISSING
        ]
    read = (path for path, one in recordings.items() if one.path == path and not one.problem)
    odd = sorted(relative(path, root) for path in read if path.suffix.lower() not in READ_SUFFIXES)
    if odd:
        notes.append(
            f"{len(odd)} {'recordings are' if odd[1:] else 'recording is'} read by content, "
            f"although the name does not end in {', '.join(READ_SUFFIXES)}: {some(odd)}."
        )
    return notes


def summary(survey: Survey) -> dict[str, Any]:
    """Returns the content of a manifest's summary file."""
    return {
        "dataset": survey.dataset,
        "card": asdict(survey.card),
        "counts": survey.counts,
        "problems": [asdict(problem) for problem in survey.problems],
        "notes": survey.notes,
    }
