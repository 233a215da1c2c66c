"""The gate sees probes of classes: more identity in the embeddings is worse, not better."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lanser_bench.reporting import gate

from .conftest import Project


def planted(results: Path, folder: Path, *, hits: bool) -> Path:
    """Copies records; the speaker is recognised always, or never."""
    shutil.copytree(results, folder)
    for path in folder.rglob("*.json"):
        record = json.loads(path.read_text())
        if not record.get("probe_hits"):
            continue
        file = path.parent / record["probe_hits"]["file"]
        table = pq.read_table(file)
        column = table["n"] if hits else pa.array([0] * len(table))
        place = table.column_names.index("hits")
        pq.write_table(table.set_column(place, "hits", column.cast(table["hits"].type)), file)
        record["probe_hits"]["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
        path.write_text(json.dumps(record))
    return folder


@pytest.mark.slow
def test_a_leak_of_identity_is_worse(finished: Project, tmp_path: Path) -> None:
    finished.settings["probes"] = ["speaker"]
    finished.run()
    results = finished.root / "results"
    verdicts = {}
    for hits in (True, False):
        found = gate([results], [planted(results, tmp_path / str(hits), hits=hits)])
        for row in found.compared:
            if row.metric == "identity:speaker" and row.cell.group == "logmel_stats":
                verdicts[hits] = row.verdict
    assert verdicts == {True: "worse", False: "better"}
