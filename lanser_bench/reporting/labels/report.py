"""Writes the weak labels of a corpus, and a report on them, into a folder."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..._face import Tabled
from ...data.manifest import recording_paths
from ...data.utterances import read_scales, read_utterances
from ...experiment.labelling import LabelledCorpus
from ...kinds.asr import Transcript
from ...stages.label.files import read_labels
from ...stages.label.spec import SUMMARY
from ...stages.transcribe.run import read_transcripts
from ...stages.transcribe.spec import SUMMARY as TRANSCRIPTS
from ...store import write_atomic
from ...taxonomy import Taxonomy
from ..tables.pictures import save_picture
from . import views as label_views
from .quality import Material, quality

LABELS, REPORT, PAGE = "labels.parquet", "report.json", "report.md"


@dataclass(frozen=True)
class LabelReport(Tabled):
    """A written report."""

    folder: Path
    report: dict[str, Any]
    """The content of ``report.json``."""


def read_material(corpus: LabelledCorpus) -> Material:
    """Reads the utterances, transcripts and labels of a corpus from the store."""
    store = corpus.store
    table = read_utterances(store.checked(corpus.utterances))
    transcripts: Mapping[str, Transcript] | None = None
    texts = [text or "" for text in table.transcripts]
    if corpus.transcripts is not None:
        transcripts = read_transcripts(store, corpus.transcripts)
        texts = [transcripts[name].text for name in table.ids]
    labels = read_labels(store.checked(corpus.labels))
    heard = transcripts if corpus.asr != "reference" else None
    scales = read_scales(corpus.manifest.artifact)
    taxonomies = corpus.taxonomy, corpus.gold_taxonomy
    return Material(table, texts, heard, labels, *taxonomies, scales)


def write_label_report(
    corpus: LabelledCorpus, folder: Path, compare_in: Taxonomy | None = None
) -> LabelReport:
    """Writes ``labels.parquet``, pictures, ``report.md`` and, last, ``report.json``.

    Args:
        corpus: result of `label_corpus`.
        folder: where to write; existing files are replaced.
        compare_in: taxonomy in which weak labels and gold are compared, see `quality`.

    Raises:
        TaxonomyError: there is no map to `compare_in`.
    """
    material = read_material(corpus)
    report = {"made_with": _made_with(corpus), **quality(material, compare_in)}
    path = corpus.store.checked(corpus.labels).path / SUMMARY
    summary = json.loads(path.read_text(encoding="utf-8"))
    report |= {name: summary[name] for name in ("odd_texts", "wordings") if name in summary}
    if corpus.transcripts is not None and corpus.asr != "reference":
        text = (corpus.store.checked(corpus.transcripts).path / TRANSCRIPTS).read_text("utf-8")
        report["transcripts"] = json.loads(text)
    folder.mkdir(parents=True, exist_ok=True)
    paths = recording_paths(corpus.store, corpus.manifest.key)
    _write_labels(material, paths, folder / LABELS)
    pictures = _pictures(report, folder)
    write_atomic(folder / PAGE, label_views.markdown(report, pictures))
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(folder / REPORT, text + "\n")
    return LabelReport(folder, report)


def _made_with(corpus: LabelledCorpus) -> dict[str, Any]:
    spec = corpus.store.checked(corpus.labels).spec
    return {
        "dataset": corpus.dataset,
        "counts": dict(corpus.manifest.counts),
        "labeler": corpus.labeler,
        "labeler_options": spec.plugins["labeler"].options,
        "label_settings": spec.params["label"],
        "asr": corpus.asr if corpus.transcripts is not None else None,
        "taxonomy": corpus.taxonomy.name,
        "taxonomy_hash": corpus.taxonomy.hash,
        "gold_taxonomy": corpus.gold_taxonomy.name if corpus.gold_taxonomy else None,
        "keys": {
            "utterances": corpus.utterances,
            "transcripts": corpus.transcripts,
            "labels": corpus.labels,
        },
    }


def _write_labels(material: Material, paths: Mapping[str, Path], path: Path) -> None:
    """Writes one row per utterance; the dataset `manifest` reads the table where it is.

    `file` is relative to the table, as in a manifest, so that it has no folder of this machine.
    """
    labels, table = material.labels, material.table
    files: dict[str | None, str] = {
        sha: os.path.relpath(file, path.parent) for sha, file in paths.items()
    }
    columns: dict[str, Any] = {
        "id": pa.array(labels.ids, pa.string()),
        "file": pa.array([files.get(sha) for sha in table.audio_sha], pa.string()),
        "start": pa.array(table.start, pa.float64()),
        "end": pa.array(table.end, pa.float64()),
        "speaker": pa.array(table.speakers, pa.string()),
        "text": pa.array(material.texts, pa.string()),
        "label": pa.array(labels.labels, pa.string()),
        "confidence": pa.array(labels.confidence, pa.float32()),
    }
    for position, name in enumerate(material.taxonomy.names):
        columns[f"score_{name}"] = pa.array(labels.scores[:, position].copy(), pa.float32())
    columns["reason"] = pa.array(labels.reasons, pa.string())
    draft = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        pq.write_table(pa.table(columns), draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _pictures(report: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Draws the pictures and returns title → file."""
    drawn = {"How often each label was given": ("labels.png", label_views.label_picture(report))}
    gold = report["gold"]
    if gold is not None and gold["compared"]:
        drawn["Weak labels by gold label"] = ("confusion.png", label_views.confusion_picture(gold))
        if (risk := gold["risk_coverage"]) is not None:
            drawn["Risk by coverage"] = ("risk-coverage.png", label_views.risk_picture(risk))
        if gold["calibration"] is not None:
            figure = label_views.reliability_picture(gold["calibration"]["reliability"])
            drawn["Reliability of the confidence"] = ("reliability.png", figure)
    for file, figure in drawn.values():
        save_picture(figure, folder / file)
    return {title: file for title, (file, _) in drawn.items()}
