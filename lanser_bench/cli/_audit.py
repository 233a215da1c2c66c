"""Planted faults of `lanser-bench audit`: each is put into a copy of a small experiment.

Every check also looks at the copy without the fault, where it must find nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from ..plugins.discovery import API
from ._audit_scratch import HARMLESS, Row, Scratch


@dataclass(frozen=True)
class Outcome:
    """What a check says on a planted fault, and on the copy without it."""

    fault: str
    planted: str
    """Where."""
    by: str
    """The check that should find it."""
    sentence: str
    """Empty if the fault is missed."""
    false_alarm: str
    """What the check says without the fault; empty as it should be."""

    @property
    def caught(self) -> bool:
        """Whether the check finds the fault, and nothing else."""
        return bool(self.sentence) and not self.false_alarm


def _split(row: Row) -> Row:
    """Tests the last speakers."""
    return row | {"split": "train" if row["speaker"] < "t3" else "test"}


def _crossing(row: Row) -> Row:
    """Puts some clips of a tested speaker into the training part."""
    return row | {"split": "train"} if row["id"] == "t3-joy-0" else _split(row)


def _copied(row: Row) -> Row:
    """Gives a test utterance the sound of a training utterance."""
    return _split(row) | ({"path": "t0-joy-0.wav"} if row["id"] == "t3-joy-0" else {})


def _told(row: Row) -> Row:
    """Writes the label into the transcript."""
    return _split(row) | {"transcript": f"{row['transcript']} {row['label']}"}


def _untouched(path: Path) -> None:
    """Leaves a file as it is."""


def _flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _raised(record: Path) -> None:
    """Adds five points to the UAR."""
    content = json.loads(record.read_text(encoding="utf-8"))
    for budget in content["datasets"][0]["evaluation"]["budgets"]:
        budget["uar"]["value"] += 0.05
    record.write_text(json.dumps(content), encoding="utf-8")


def _shuffled(record: Path) -> None:
    """Shuffles the gold labels beside a record, and writes the file's new checksum."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ..store.hashes import file_sha256

    content = json.loads(record.read_text(encoding="utf-8"))
    path = record.parent / content["predictions"]["file"]
    table = pq.read_table(path)
    place = table.schema.get_field_index("gold")
    gold = np.random.default_rng(0).permutation(table["gold"].to_numpy())
    column = pa.array(gold, table.schema.field(place).type)
    pq.write_table(table.set_column(place, table.schema.field(place), column), path)
    content["predictions"]["sha256"] = file_sha256(path)
    record.write_text(json.dumps(content), encoding="utf-8")


def _changed(record: Path) -> None:
    content = json.loads(record.read_text(encoding="utf-8"))
    _flipped(record.parent / content["predictions"]["file"])


SPLIT = "the split of the target"
RECORD = "a published record"
BROKEN = {
    "a plugin that prints": "print(end='')",
    "a plugin that changes directory": "os.chdir('/')",
    "a plugin that seeds": "np.random.seed(0)",
    "a plugin that exits": "sys.exit(1)",
    "a plugin that raises": "{}['missing']",
    "scores that are no numbers": "return Scores(np.full((len(records), len(taxonomy.names)), "
    "np.nan), 'distribution', np.zeros(len(records), bool))",
    "scores that depend on the batch": "WORDS = {'joy': records[0].text[:3] if records else ''}",
}
"""Fault → the line that `score` begins with."""


class Planted(NamedTuple):
    """A fault, where it is planted, and the check that should find it."""

    fault: str
    place: str
    by: str
    check: Callable[[Any], str]
    harmless: Any
    """What the check gets for the copy without the fault."""
    harmful: Any


def faults(scratch: Scratch) -> Iterator[Planted]:
    """Yields the faults to plant."""
    by, texts = "data leakage", "the target's transcripts"
    leak = partial(Planted, check=scratch.leakage, by=by, harmless=_split)
    yield leak("a speaker on both sides", SPLIT, harmful=_crossing)
    yield leak("one recording of two speakers", SPLIT, harmful=_copied)
    yield leak("gold in the transcripts", texts, harmful=_told)
    parts = "corpus", "target"
    yield Planted("test speech in pre-training", "a corpus", by, scratch.overlap, *parts)
    yield Planted("tested gold in pre-training", "a corpus", "run", scratch.gold_learnt, *parts)
    by, encoders = "results validate", ("cnn", "audit-knowing")
    yield Planted("gold in the features", "an encoder", by, scratch.noted, *encoders)
    saved = partial(Planted, place=RECORD, by=by, check=scratch.published, harmless=_untouched)
    yield saved("shuffled gold labels", harmful=_shuffled)
    yield saved("a gain that predictions lack", harmful=_raised)
    yield saved("changed predictions", harmful=_changed)
    check, artifact = scratch.stored, "an artifact"
    yield Planted("a flipped bit", artifact, "cache verify", check, _untouched, _flipped)
    yield Planted("a lost file", artifact, "cache verify", check, _untouched, Path.unlink)
    edits = (HARMLESS, f"{HARMLESS}  # as before"), ("9 * (", "8 * (")
    code = "a plugin's code"
    yield Planted("code changed, version kept", code, "run --dry-run", scratch.stale, *edits)
    for fault, line in BROKEN.items():
        by = "plugins check"
        yield Planted(fault, "a labeler's score()", by, scratch.suite, HARMLESS, line)
    yield Planted("a plugin for a newer version", code, "plugins", scratch.newer, API, API + 1)


def audited() -> Iterator[Outcome]:
    """Plants each fault in a scratch folder and yields what its check says."""
    with TemporaryDirectory(prefix="lanser-audit-") as folder:
        scratch = Scratch(Path(folder).resolve())
        silent: dict[Any, str] = {}
        for planted in faults(scratch):
            clean = planted.check, planted.harmless
            if clean not in silent:
                silent[clean] = planted.check(planted.harmless)
            sentence = planted.check(planted.harmful).replace(f"{scratch.root}/", "")
            sentence = " ".join(sentence.split())
            yield Outcome(planted.fault, planted.place, planted.by, sentence, silent[clean])
