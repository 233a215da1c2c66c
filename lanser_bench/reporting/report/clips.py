"""Transcripts and sound of single utterances in the report, where their licence allows it.

Both are the work of others. They come from the store of the run, and are put into the page only if
the licence on the dataset's card lets everybody pass them on, or if the user declares it. Licences
for non-commercial use (NC) or research do not: the page cannot know who will read it. Sound is Ogg
Opus in data URIs, so the page needs no network.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import soundfile

from ...audio.decode import decode
from ...data.manifest import recording_paths
from ...data.utterances import UTTERANCES
from ...errors import DataError, StoreError
from ...kinds.speech import SAMPLE_RATE
from ...records.record import PluginAbout, ResultRecord
from ...stages.label.files import read_labels
from ...stages.transcribe.run import read_transcripts
from ...store import Artifact, Store, file_sha256

SHOWN = 12
"""Clips of a list."""
SECONDS = 6.0
"""Longer clips are cut."""
MOST_BYTES = 2_000_000
"""Sound of a page; clips beyond it have none."""
FREE = re.compile(
    r"(sentences )?(cc0|cc[ -]by([ -]sa)?[ -]\d|public domain|pddl|odc-by|odbl|apache-2|mit\b|bsd)",
    re.IGNORECASE,
)
"""Licences, as cards begin with them, that let everybody pass recordings on for any purpose. Only
the sentences of `synthetic` are anybody's work; its voice is a program's output."""
PARTIAL = re.compile(r"annotation|metadata|labels", re.IGNORECASE)
"""Licences that mention these may not be those of the sound."""


@dataclass(frozen=True)
class Clip:
    """What the page has of one utterance."""

    text: str
    """Words according to the recogniser, or to the dataset without one."""
    said: str | None
    """Words according to the dataset, if a recogniser wrote other ones."""
    audio: str | None
    """Data URI; None without a recording, or without room for it."""
    seconds: float
    """Duration of the utterance, of which the page has at most `SECONDS`."""


def may_pass_on(licence: str) -> bool:
    """Whether a licence lets everybody pass recordings and transcripts on."""
    return FREE.match(licence) is not None and PARTIAL.search(licence) is None


class Clips:
    """Finds utterances in the store of a run."""

    def __init__(self, store: Path | None, declared: Collection[str] = ()) -> None:
        """Opens the store without writing to it.

        Args:
            store: its folder; None for a page without transcripts and sound.
            declared: datasets that the user may pass on.
        """
        self._store = None if store is None else Store(store, read_only=True)
        self._declared = declared
        self._bytes = 0

    def of(
        self, record: ResultRecord, place: str, ids: Sequence[str]
    ) -> tuple[dict[str, Clip], str]:
        """Returns clips by utterance id, and sentences on their licence and on what is missing.

        Args:
            record: the record.
            place: of a corpus or target in it, such as ``corpora.0``.
            ids: the utterances.
        """
        role = f"manifest {place}: dataset"
        about, plugin = record.about.get(role, PluginAbout()), record.plugins.get(role)
        dataset = plugin.name if plugin else place
        licence, free = about.licence or "not stated", may_pass_on(about.licence)
        if not free and dataset not in self._declared:
            return {}, (
                f"Without transcripts and sound: the licence of {dataset} ({licence}) does not let "
                f"everybody pass them on. If you may, use `report --with-audio {dataset}`."
            )
        rows = self._rows(record, place, ids)
        if not rows:
            return {}, (
                f"Without transcripts and sound: no store was named that has the utterances of "
                f"{dataset}. Name that of the run with `report --store`."
            )
        clips, missing = self._clips(record, place, rows)
        by = "" if free else "; passed on by declaration"
        source = [about.facts.get("title", dataset), f"licence: {licence}{by}"]
        source += [about.facts["citation"]] if about.facts.get("citation") else []
        return clips, f"Transcripts and sound: {'; '.join(source)}. {missing}".rstrip()

    def scores(
        self, record: ResultRecord, place: str, ids: Sequence[str]
    ) -> dict[str, list[tuple[str, float, int]]]:
        """Returns utterance id → (label, score, number of its colour), the highest score first.

        It is empty without the store.
        """
        artifact = self._artifact(record, f"label {place}")
        if artifact is None:
            return {}
        labels = read_labels(artifact)
        names = [label["name"] for label in artifact.spec.params["taxonomy"]["labels"]]
        found = {}
        for name in ids:
            values = labels.scores[labels.ids.index(name)].tolist()
            lines = [(names[i], value, i % 8) for i, value in enumerate(values)]
            found[name] = sorted(lines, key=lambda line: -line[1])
        return found

    def _artifact(self, record: ResultRecord, stage: str) -> Artifact | None:
        use = record.stages.get(stage)
        try:
            return self._store.checked(use.key) if use and self._store else None
        except StoreError:
            return None

    def _rows(self, record: ResultRecord, place: str, ids: Sequence[str]) -> list[dict[str, Any]]:
        artifact = self._artifact(record, f"segment {place}")
        artifact = artifact or self._artifact(record, f"manifest {place}")
        if artifact is None:
            return []
        with pq.ParquetFile(artifact.path / UTTERANCES) as file:
            table = file.read(["id", "audio_sha", "start", "end", "seconds", "transcript"])
        rows: list[dict[str, Any]] = table.filter(
            pc.is_in(table["id"], pa.array(ids, pa.string()))
        ).to_pylist()
        return rows

    def _clips(
        self, record: ResultRecord, place: str, rows: Sequence[dict[str, Any]]
    ) -> tuple[dict[str, Clip], str]:
        """Returns the clips of some rows, and a sentence on missing recordings."""
        assert self._store is not None
        paths = recording_paths(self._store, record.stages[f"manifest {place}"].key)
        heard = self._heard(record, place)
        clips, lost, over = {}, 0, 0
        for row in rows:
            audio, room = None, self._bytes < MOST_BYTES
            if row["audio_sha"] is not None and room:
                audio = _sound(paths.get(row["audio_sha"]), row)
                self._bytes += len(audio or "")
                lost += audio is None
            over += row["audio_sha"] is not None and not room
            said = row["transcript"]
            text = heard.get(row["id"], said or "")
            other = said if said and said != text else None
            clips[row["id"]] = Clip(text, other, audio, row["seconds"] or 0.0)
        missing = f"{lost} recordings were moved, changed or removed." if lost else ""
        if over:
            missing = f"{over} clips have no sound: a page has at most {MOST_BYTES / 1e6:g} MB."
        return clips, missing

    def _heard(self, record: ResultRecord, place: str) -> dict[str, str]:
        """Returns utterance id → words of the recogniser; empty without one, or without them."""
        artifact = self._artifact(record, f"transcribe {place}")
        try:
            found = read_transcripts(self._store, artifact.key) if artifact and self._store else {}
        except StoreError:  # one of its shards is gone
            return {}
        return {name: transcript.text for name, transcript in found.items()}


def _sound(path: Path | None, row: dict[str, Any]) -> str | None:
    """Returns a recording's beginning as a data URI; None if it is not the one of the run."""
    try:
        if path is None or file_sha256(path) != row["audio_sha"]:
            return None
        samples = decode(path, row["start"], row["end"])[: int(SECONDS * SAMPLE_RATE)]
        file = io.BytesIO()
        soundfile.write(file, samples, SAMPLE_RATE, format="OGG", subtype="OPUS")
    except (DataError, soundfile.LibsndfileError):
        return None
    return f"data:audio/ogg;base64,{base64.b64encode(file.getvalue()).decode()}"
