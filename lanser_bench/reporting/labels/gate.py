"""The gate for labels alone: a labeler and a taxonomy on a dataset with human labels, no training.

A baseline is one Parquet file: sums over speakers of the labels' quality, and what made them.
"""

from __future__ import annotations

import io
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from ..._version import __version__
from ...errors import DataError
from ...evaluation.label_quality import QualitySums
from ...experiment.labelling import LabelledCorpus
from ...experiment.running.cell_record import commit, host, portable
from ...paths import read_whole
from ...records.sheets import SHEETS
from ...records.stage_sums import stage_sums, sums_of, sums_table
from ...store import write_atomic
from ...taxonomy import Taxonomy
from ..comparing.changes import Origin, changes, environment_of, slower
from ..comparing.gate import SLOWER, GateResult, NotCompared
from ..comparing.gate_stages import StagePair
from ..comparing.verdicts import ScoreTest, compared

_ORIGIN, _CORPUS = b"origin", "labels"


@dataclass(frozen=True)
class LabelSide:
    """The quality of one labeling of a dataset, and what made it."""

    dataset: str
    sums: QualitySums
    origin: Origin
    seconds: Mapping[str, float]
    """Stage → wall time when it ran."""


def label_side(corpus: LabelledCorpus, compare_in: Taxonomy | None = None) -> LabelSide:
    """Returns the quality of a corpus' labels, as `label_corpus` made them.

    Weak and human labels are compared in `compare_in`, as for `stage_sums`.

    Raises:
        DataError: weak labels and human labels cannot be compared.
        TaxonomyError: there is no map to `compare_in`.
    """
    store = corpus.store
    sums = stage_sums(store, corpus.labels, corpus.transcripts, compare_in)
    if "agreement" not in sums.parts:
        raise DataError(
            f"The labels of '{corpus.dataset}' cannot be compared with human labels: it has none, "
            f"or no map leads from {corpus.taxonomy.name} to their taxonomy. Name a labelled "
            "dataset, or a taxonomy that both are mapped to with --compare-in."
        )
    keys = {"label": corpus.labels, "transcribe": corpus.transcripts}
    made = {stage: store.checked(key) for stage, key in keys.items() if key is not None}
    plugins = {
        f"{stage}: {role}": plugin.model_copy(update={"options": portable(plugin.options)})
        for stage, artifact in [("manifest", corpus.manifest.artifact), *made.items()]
        for role, plugin in artifact.spec.plugins.items()
    }
    libraries = {n: v for plugin in plugins.values() for n, v in plugin.libraries.items()}
    versions = {"python": platform.python_version(), "lanser-bench": __version__, **libraries}
    origin = Origin(
        plugins,
        {"label": made["label"].spec.params["label"]},
        (corpus.taxonomy.name, corpus.taxonomy.hash),
        environment_of(versions, commit(), host()),
        {f"manifest {corpus.dataset}": corpus.manifest.key},
    )
    seconds = {stage: float(artifact.meta["seconds"]) for stage, artifact in made.items()}
    return LabelSide(corpus.dataset, sums, origin, seconds)


def write_baseline(side: LabelSide, path: Path) -> None:
    """Writes a baseline for later gates; may raise an `OSError`."""
    table = sums_table({_CORPUS: side.sums})
    content: dict[str, Any] = {"dataset": side.dataset, "seconds": dict(side.seconds)}
    origin = asdict(side.origin)
    origin["plugins"] = {n: p.model_dump(mode="json") for n, p in side.origin.plugins.items()}
    text = json.dumps({**content, "origin": origin}, ensure_ascii=False)
    metadata = {**table.schema.metadata, _ORIGIN: text.encode()}
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), buffer, compression="zstd")
    write_atomic(path, buffer.getvalue())


class _Made(BaseModel):
    dataset: str
    seconds: dict[str, float]
    origin: Origin


def read_baseline(path: Path) -> LabelSide:
    """Reads a baseline; a missing or another file is a `DataError`."""
    try:
        table = SHEETS["stages"].read(read_whole(path), path)
        made = _Made.model_validate_json(table.schema.metadata.get(_ORIGIN, b""))
        return LabelSide(made.dataset, sums_of(table)[_CORPUS], made.origin, made.seconds)
    except OSError as error:
        raise DataError(
            f"The baseline {path} cannot be read: {error.strerror}. Write it with --write."
        ) from None
    except (DataError, KeyError, ValidationError):
        raise DataError(
            f"{path} is no baseline of labels, or a damaged one. Write one with --write."
        ) from None


def gate_labels(
    candidate: LabelSide, baseline: LabelSide, *, tolerance: float = 0.01
) -> GateResult:
    """Compares two labelings of the same utterances; verdicts are those of `reporting.gate`.

    `tolerance` is the largest negligible difference, as a share (0.01 is one point).
    """
    found = GateResult(None, tolerance, changes=changes([(baseline.origin, candidate.origin)]))
    machine = baseline.origin.environment != candidate.origin.environment
    words = " on another machine or with other versions" if machine else ""
    found.warnings = slower(baseline.seconds, candidate.seconds, SLOWER, words)
    tests: list[ScoreTest] = []
    for what in ("labels", "transcripts"):
        sides = baseline.sums, candidate.sums
        pair = StagePair("labels", candidate.dataset, what, *sides, [_axes(candidate)])
        if pair.why is None:
            tests += [ScoreTest.of((pair.cell, name), c) for name, c in pair.contrasts().items()]
        elif what == "labels":
            found.not_compared.append(NotCompared(pair.cell, pair.why))
    found.compared = compared(tests, tolerance)
    return found


def _axes(side: LabelSide) -> set[tuple[str, str]]:
    labeler = side.origin.plugins["label: labeler"].name
    return {("labeler", labeler), ("taxonomy", str(side.origin.taxonomy[0]))}
