"""Looks through a dataset before anything is computed from it: ids, labels, spans, recordings.

Nothing is raised for what is wrong inside a dataset: it is collected, so that one look names all.
`manifest` turns a survey into an artifact or refuses it; `data check` prints it.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..audio import AudioFacts
from ..audio.check import SHORTEST
from ..errors import did_you_mean
from ..kinds.dataset import Card, Dataset, Utterance
from ..languages import language_code
from ..plugins.discovery import Registry
from ..plugins.taxonomies import find_taxonomy
from .audio_memo import AudioMemo, Recording
from .duplicates import SHOWN, by_fault, place, relative, some, without_copies
from .listing import checked_root, listed_utterances
from .traits import recording_traits

OnBadAudio = Literal["stop", "skip"]
Progress = Callable[[int, int, str], None]
Kind = Literal["bad audio", "duplicate", "re-encoded", "silent", "odd channels", "clipped"]

CLIPPED_SHARE = 1e-3
"""Share of samples at full scale from which a recording is counted as clipped; a recording that was
brought to full scale has a few without being clipped."""
SLACK = 0.02
"""Seconds by which a span may pass the end of its recording: what rounding in a table makes."""
_LABEL_HINTS = {
    "labels": "The option `labels` says what a label of the data is in the taxonomy.",
    "leave_out": "The option `leave_out` leaves out the utterances of a label.",
    "missing": "The option `missing` lists texts that stand for no label, such as NA.",
}


@dataclass(frozen=True)
class Problem:
    """Something worth telling about one utterance."""

    utterance: str
    file: str
    """Relative to the dataset's folder where it lies inside it."""
    problem: str
    kind: Kind


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
    folder = checked_root(name, plugin, root)
    found, notes, faults = without_copies(
        listed_utterances(name, plugin, folder), folder, memo, progress
    )
    survey = Survey(name, plugin.card, notes=[*plugin.notes, *notes], faults=faults)
    survey.faults += _gold_faults(
        registry, name, plugin.card, found, folder, options=type(plugin.options).model_fields
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
            f"{survey.named('bad audio')}. Fix or remove them, "
            "or set `on_bad_audio: skip` to leave them out."
        )
    elif not survey.rows:
        survey.faults.append(
            f"None of the {len(found)} utterances of dataset '{name}' can be used: "
            f"{survey.named('bad audio')}."
        )
    survey.counts = _counts(survey, recordings)
    survey.notes += _label_notes(survey.counts, {label for u in found for label in u.gold})
    survey.notes += _speaker_notes({u.speaker for u in found if u.speaker})
    survey.notes += _suffix_notes(recordings, folder)
    return survey


def _label_notes(counts: Mapping[str, Any], labels: set[str]) -> list[str]:
    """What a user must know of gold labels before a run."""
    notes = []
    labelled, single = counts["utterances"] - counts["unlabelled"], counts["single_label"]
    if single < labelled:
        notes.append(
            f"{single:,} of {labelled:,} labelled utterances have a single gold label. Training on "
            "human labels and scores by class use only these."
        )
    if len(counts["labels"]) == 1:
        notes.append(f"All labels are '{next(iter(counts['labels']))}': evaluation needs two.")
    lost = sorted(labels - counts["labels"].keys())
    if lost:
        notes.append(f"No usable recording is left of: {', '.join(lost)}.")
    return notes


_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")


def _speaker_notes(speakers: set[str]) -> list[str]:
    alike: dict[str, list[str]] = {}
    for speaker in sorted(speakers):
        alike.setdefault(speaker.casefold(), []).append(speaker)
    pairs = [" and ".join(names) for names in alike.values() if names[1:]]
    sentence = f"Speakers that differ in upper and lower case only count as two: {some(pairs)}."
    return [sentence] if pairs else []


def _suffix_notes(recordings: Mapping[Path, Recording], root: Path) -> list[str]:
    read = (path for path, recording in recordings.items() if not recording.problem)
    odd = sorted(relative(path, root) for path in read if path.suffix.lower() not in _SUFFIXES)
    sentence = (
        f"{len(odd)} {'recordings are' if odd[1:] else 'recording is'} read by content, although "
        f"the name does not end in {', '.join(_SUFFIXES)}: {some(odd)}."
    )
    return [sentence] if odd else []


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


def _gold_faults(
    registry: Registry,
    name: str,
    card: Card,
    utterances: Iterable[Utterance],
    root: Path,
    *,
    options: Container[str],
) -> list[str]:
    """What is wrong with gold labels, and which of the dataset's `options` may mend it."""
    labelled = [u for u in utterances if u.gold]
    if not labelled:
        return []
    if card.taxonomy is None:
        return [
            f"Dataset '{name}' has gold labels (first at {place(labelled[0], root)}) but names no "
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
            faults.append(f"{u.id} ({place(u, root)}): {fault}")
    found = [
        f"{at[0].id} ({place(at[0], root)}){f' and {len(at) - 1} more' if at[1:] else ''}: "
        f"'{label}' is not a label of {taxonomy.name}.{did_you_mean(label, known)}"
        for label, at in sorted(strange.items(), key=lambda item: -len(item[1]))
    ] + faults
    hints = [hint for option, hint in _LABEL_HINTS.items() if strange and option in options]
    text = " ".join([some(found, " "), *hints])
    return [f"Gold labels of dataset '{name}' are not valid. {text}"] if found else []


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
            faults.append(f"{u.id} ({place(u, root)}): {error}")
    return [f"Languages of dataset '{name}' are not valid. {some(faults, ' ')}"] if faults else []


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
        names = "".join([u.id, u.speaker or "", u.split or "", *u.gold])
        if not names.isascii() and any("\ud800" <= letter <= "\udfff" for letter in names):
            survey.faults.append(f"{names!a} is a name that is not UTF-8. Rename the file.")
            return
        recording = recordings[u.audio] if u.audio is not None else None
        file = relative(u.audio, root) if u.audio is not None else ""
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
        survey.problems += [
            Problem(u.id, file, text, kind) for kind, text in _oddities(u, recording.facts)
        ]


def _oddities(u: Utterance, facts: AudioFacts) -> Iterator[tuple[Kind, str]]:
    """Yields what is odd but usable in a recording: kind and words."""
    if facts.silent_in(u.start or 0.0, facts.seconds if u.end is None else u.end):
        yield "silent", facts.silent or "is silent in its span"
    if facts.odd_channels:
        yield "odd channels", facts.odd_channels
    if facts.clipped >= CLIPPED_SHARE:
        over = facts.peak > 1
        yield "clipped", f"exceeds full scale (peak {facts.peak:.3g})" if over else "is clipped"


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
    facts = {one.sha: one.facts for one in recordings.values() if one.facts is not None}
    return {
        "utterances": len(rows),
        "recordings": len(recordings),
        "seconds": round(sum(row["seconds"] or 0.0 for row in rows), 3),
        "speakers": len({row["speaker"] for row in rows if row["speaker"]}),
        "without_speaker": sum(1 for row in rows if not row["speaker"]),
        "transcripts": sum(1 for row in rows if row["transcript"]),
        "labels": dict(sorted(labels.items())),
        "unlabelled": sum(1 for row in rows if not row["gold"]),
        "single_label": sum(1 for row in rows if len(row["gold"]) == 1),
        "extras": sorted({name for row in rows for name in row["extras"]}),
        "bad_audio": kinds["bad audio"],
        "duplicates": kinds["duplicate"],
        "re_encoded": kinds["re-encoded"],
        "silent": kinds["silent"],
        "odd_channels": kinds["odd channels"],
        "clipped": kinds["clipped"],
        **recording_traits(rows, facts, survey.paths),
    }


def summary(survey: Survey) -> dict[str, Any]:
    """Returns what stands beside the utterances of a manifest."""
    return {
        "dataset": survey.dataset,
        "card": asdict(survey.card),
        "counts": survey.counts,
        "problems": [asdict(problem) for problem in survey.problems],
        "notes": survey.notes,
    }
