"""Transcripts and sound of single utterances in the report, from the store of the run.

Both are the work of others. The page has them only if the licence on the dataset's card lets
everybody pass them on for any purpose, or if the user declares it. Sound is Ogg Opus in data URIs.
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

SHOWN = 10
"""Clips of a list."""
SECONDS = 6.0
"""Longer clips are cut."""
MOST_BYTES = 2_000_000
"""Sound of a page; clips beyond it have none."""
FREE = re.compile(
    r"(?!.*(annotation|metadata))(sentences )?"
    r"(cc0|cc[ -]by([ -]sa)?[ -]\d|public domain|pddl|odc-by|odbl|apache-2|mit\b|bsd)",
    re.IGNORECASE,
)
"""How such licences begin. Those of annotations or metadata alone do not cover the sound; of
`synthetic`, only the sentences are somebody's work."""


@dataclass(frozen=True)
class Clip:
    """What the page has of one utterance."""

    text: str
    """Words according to the recogniser, or to the dataset without one."""
    said: str | None
    """Other words according to the dataset."""
    audio: str | None
    """Data URI."""
    seconds: float
    """Duration of the utterance, of which the page has at most `SECONDS`."""


def may_pass_on(licence: str) -> bool:
    """Whether a licence lets everybody pass recordings and transcripts on."""
    return FREE.match(licence) is not None


class Clips:
    """Finds utterances in the store of a run."""

    def __init__(self, store: Path | None, declared: Collection[str] = ()) -> None:
        """Opens the store without writing to it; the user may pass on `declared` datasets."""
        self._store = None if store is None else Store(store, read_only=True)
        self._declared = declared
        self._bytes = 0

    def of(
        self, record: ResultRecord, place: str, ids: Sequence[str]
    ) -> tuple[dict[str, Clip], str]:
        """Returns clips by utterance id, and sentences on their licence or on why there are none.

        `place` is that of a corpus or target in the record, such as ``corpora.0``.
        """
        role = f"manifest {place}: dataset"
        about, plugin = record.about.get(role, PluginAbout()), record.plugins.get(role)
        dataset = plugin.name if plugin else place
        licence, free = about.licence or "not stated", may_pass_on(about.licence)
        if not free and dataset not in self._declared:
            return {}, (
                f"Without transcripts and sound: the licence of {dataset} ({licence}) does not let "
                "everybody pass them on. If you may, use lanser-bench report --with-audio "
                f"{dataset}."
            )
        rows = self._rows(record, place, ids)
        if self._store is None or not rows:
            return {}, (
                "Without transcripts and sound: no store was named that has the utterances of "
                f"{dataset}. Name that of the run with lanser-bench report --store."
            )
        heard = self._heard(self._store, record, place)
        paths = recording_paths(self._store, record.stages[f"manifest {place}"].key)
        clips = {row["id"]: self._clip(row, heard, paths) for row in rows}
        facts = [about.facts.get("title", dataset), f"licence: {licence}"]
        facts += [] if free else ["passed on by declaration"]
        facts += [about.facts["citation"]] if about.facts.get("citation") else []
        note = f"Transcripts and sound: {'; '.join(facts)}."
        if silent := sum(bool(row["audio_sha"]) and not clips[row["id"]].audio for row in rows):
            note += (
                f" {silent} clips have no sound: their recordings were moved, changed or removed, "
                f"or the page has its {MOST_BYTES / 1e6:g} MB of sound."
            )
        return clips, note

    def scores(
        self, record: ResultRecord, place: str, ids: Sequence[str]
    ) -> dict[str, list[tuple[str, float, int]]]:
        """Returns utterance id → (label, score, position), by falling score; empty if unknown."""
        artifact = self._artifact(record, f"label {place}")
        if artifact is None:
            return {}
        labels = read_labels(artifact)
        names = [label["name"] for label in artifact.spec.params["taxonomy"]["labels"]]
        rows = {name: labels.scores[labels.ids.index(name)].tolist() for name in ids}
        return {
            name: sorted(zip(names, row, range(len(row)), strict=True), key=lambda own: -own[1])
            for name, row in rows.items()
        }

    def _artifact(self, record: ResultRecord, stage: str) -> Artifact | None:
        use = record.stages.get(stage)
        try:
            return self._store.checked(use.key) if use and self._store else None
        except StoreError:
            return None

    def _rows(self, record: ResultRecord, place: str, ids: Sequence[str]) -> list[dict[str, Any]]:
        stage = "segment" if f"segment {place}" in record.stages else "manifest"
        artifact = self._artifact(record, f"{stage} {place}")
        if artifact is None:
            return []
        with pq.ParquetFile(artifact.path / UTTERANCES) as file:
            table = file.read(["id", "audio_sha", "start", "end", "seconds", "transcript"])
        rows = table.filter(pc.is_in(table["id"], pa.array(ids, pa.string())))
        return list(rows.to_pylist())

    def _heard(self, store: Store, record: ResultRecord, place: str) -> dict[str, str]:
        """Returns utterance id → words of the recogniser; empty if unknown."""
        artifact = self._artifact(record, f"transcribe {place}")
        try:
            found = read_transcripts(store, artifact.key) if artifact else {}
        except StoreError:  # one of its shards is missing
            return {}
        return {name: transcript.text for name, transcript in found.items()}

    def _clip(self, row: dict[str, Any], heard: dict[str, str], paths: dict[str, Path]) -> Clip:
        path, said = paths.get(row["audio_sha"]), row["transcript"]
        audio = _sound(path, row) if path and self._bytes < MOST_BYTES else None
        self._bytes += len(audio or "")
        text = heard.get(row["id"], said or "")
        return Clip(text, said if said != text else None, audio, row["seconds"] or 0.0)


def _sound(path: Path, row: dict[str, Any]) -> str | None:
    """Returns a recording's beginning as a data URI; None if it is not the one of the run."""
    try:
        if file_sha256(path) != row["audio_sha"]:
            return None
        samples = decode(path, row["start"], row["end"])[: int(SECONDS * SAMPLE_RATE)]
        file = io.BytesIO()
        soundfile.write(file, samples, SAMPLE_RATE, format="OGG", subtype="OPUS")
    except (DataError, soundfile.LibsndfileError):
        return None
    return f"data:audio/ogg;base64,{base64.b64encode(file.getvalue()).decode()}"
