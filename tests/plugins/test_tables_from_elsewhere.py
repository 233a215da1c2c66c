"""Labels, scores and transcripts made elsewhere: equal to the part that wrote them, or refused."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from lanser_bench import DataError, LanserError, SettingsError, TextRecord
from lanser_bench.experiment import label_corpus
from lanser_bench.plugins import find_taxonomy
from lanser_bench.plugins.discovery import registry
from lanser_bench.stages.label.files import LABELS, read_labels
from lanser_bench.stages.transcribe.run import read_transcripts
from lanser_bench.store import file_sha256
from lanser_bench.testing import LabelerSuite

pytestmark = pytest.mark.slow

TEXTS = {
    "a": "I was so happy today",
    "b": "The bus leaves at nine",
    "c": "What a terrible fright",
    "d": "You idiot, I hate you",
}


def written(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> dict[str, Any]:
    """A manifest with sound and text."""
    folder = tmp_path / "set"
    folder.mkdir()
    rows = []
    for number, (name, text) in enumerate(TEXTS.items()):
        noise = np.random.default_rng(number).normal(0, 0.1, 8000)
        soundfile.write(folder / f"{name}.wav", noise, 16_000)
        rows.append({"id": name, "audio": f"{name}.wav", "speaker": "s", "transcript": text})
    written(folder / "manifest.csv", rows)
    return {"dataset": "manifest", "root": str(folder)}


def labelled(corpus: Any, labeler: Any, tmp_path: Path, *overrides: str) -> Any:
    here = ("executor.inline=true", "threads.label=1", f"paths.store={tmp_path / 'store'}")
    return label_corpus(corpus, labeler, "ekman-6", overrides=[*here, *overrides])[0]


def table(path: Path, **options: Any) -> Any:
    return registry().create("labeler", "table", {"file": str(path), **options})


def scored(labeler: Any, *ids: str, taxonomy: str = "ekman-6") -> Any:
    records = [TextRecord(id=name, text=TEXTS.get(name, "")) for name in ids]
    return labeler.score(records, find_taxonomy(registry(), taxonomy))


@pytest.mark.parametrize("by", ["id", "text", "recording"])
def test_scores_of_a_built_in_labeler_come_back_to_the_bit(
    by: str, corpus: dict[str, Any], tmp_path: Path
) -> None:
    """What `lexicon` labelled, as a table by any key, gives the same file of labels."""
    first = labelled(corpus, "lexicon", tmp_path)
    labels = read_labels(first.store.checked(first.labels))
    keys = {
        "id": lambda name: name,
        "text": TEXTS.__getitem__,
        "recording": lambda name: file_sha256(tmp_path / "set" / f"{name}.wav").upper(),
    }[by]
    rows = [
        {by: keys(name), "label": label or "", "confidence": str(confidence)}
        | {f"score_{n}": repr(float(s)) for n, s in zip(first.taxonomy.names, row, strict=True)}
        for name, label, confidence, row in zip(
            labels.ids, labels.labels, labels.confidence, labels.scores, strict=True
        )
    ]
    file = written(tmp_path / "labels.csv", rows)
    second = labelled(corpus, {"name": "table", "file": str(file), "by": by}, tmp_path)
    ours, theirs = (
        pq.read_table(run.store.checked(run.labels).path / LABELS) for run in (first, second)
    )
    assert None in labels.labels
    assert set(labels.labels) != {None}
    assert ours.equals(theirs)


def test_transcripts_from_a_table_give_the_word_errors_of_the_reference(
    corpus: dict[str, Any], tmp_path: Path
) -> None:
    """The recogniser `table` returns its texts, and they are compared with the manifest's."""
    texts = {**TEXTS, "a": "I was so happy"}
    file = written(tmp_path / "asr.csv", [{"id": n, "text": t} for n, t in texts.items()])
    run = labelled(corpus, "lexicon", tmp_path, f"asr={{name: table, file: {file}}}")
    transcripts = read_transcripts(run.store, run.transcripts)
    assert {name: one.text for name, one in transcripts.items()} == texts
    counts = run.store.checked(run.transcripts).meta["counts"]
    assert counts["wer"] == pytest.approx(1 / sum(len(t.split()) for t in TEXTS.values()))


def test_utterances_without_a_row_are_counted_and_named_before_anything_runs(
    corpus: dict[str, Any], tmp_path: Path
) -> None:
    file = written(tmp_path / "few.csv", [{"id": "a", "label": "joy"}])
    with pytest.raises(DataError, match=r"no row for 3 of the 4 .*\('b', 'c', 'd'\)"):
        labelled(corpus, {"name": "table", "file": str(file)}, tmp_path)
    run = labelled(corpus, {"name": "table", "file": str(file), "absent": "skip"}, tmp_path)
    assert read_labels(run.store.checked(run.labels)).labels == ["joy", None, None, None]
    other = written(tmp_path / "other.csv", [{"id": "x", "label": "joy"}])
    with pytest.raises(DataError, match=r"any of the 4 .*'a', 'b', 'c', … in the corpus and 'x'"):
        labelled(corpus, {"name": "table", "file": str(other), "absent": "skip"}, tmp_path)
    with pytest.raises(DataError, match="no row for 3 of the 4"):
        labelled(corpus, "lexicon", tmp_path, f"asr={{name: table, file: {file}}}")


REFUSED = {
    "repeated": (
        [("a", "joy"), ("a", "fear"), ("b", "joy"), ("b", "fear")],
        "2 rows repeat the id",
    ),
    "nameless": ([("", "joy")], "line 2: id is empty"),
    "unknown label": ([("a", "bliss")], r"labels bliss \(1 ×\), which are not labels of ekman-6"),
}


@pytest.mark.parametrize(("rows", "message"), REFUSED.values(), ids=REFUSED)
def test_unusable_labels_are_refused(
    rows: list[tuple[str, str]], message: str, tmp_path: Path
) -> None:
    file = written(tmp_path / "t.csv", [{"id": i, "label": label} for i, label in rows])
    with pytest.raises(LanserError, match=message):
        scored(table(file), "a")


UNLIKE = {
    "not a number": ({"joy": "x", "fear": "0"}, {}, "score of 'joy' is 'x'"),
    "NaN": ({"joy": "nan", "fear": "0"}, {}, "score of 'joy' is 'nan'"),
    "too large": ({"joy": "1.5", "fear": "0"}, {}, "score of 'joy' is '1.5'"),
    "half empty": ({"joy": "", "fear": "1"}, {}, "score of 'joy' is empty"),
    "further scores": ({"joy": "0.5", "calm": "0.5"}, {}, "numbers from 0 to 1 in calm"),
    "no scores": ({"mood": "good"}, {}, "no column 'label'"),
    "wrong name": ({"joy": "1"}, {"scores": ["bliss"]}, "no column 'bliss'"),
    "no distribution": (
        {"joy": "0.5", "fear": "0.2"},
        {"kind": "distribution"},
        "1 rows of .* do not add up to 1",
    ),
}


@pytest.mark.parametrize(("cells", "options", "message"), UNLIKE.values(), ids=UNLIKE)
def test_unusable_scores_are_refused(
    cells: dict[str, str], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    file = written(tmp_path / "t.csv", [{"id": "a", **cells}])
    with pytest.raises(LanserError, match=message):
        scored(table(file, **options), "a")


def test_scores_are_read_by_their_kind_and_through_a_map(tmp_path: Path) -> None:
    file = written(
        tmp_path / "t.csv",
        [
            {"id": "a", "HAP": "0.75", "ANG": "0.25", "OTHER": "0"},
            {"id": "b", "HAP": "0.25", "ANG": "0.25", "OTHER": "0.5"},
        ],
    )
    given = {"map": {"HAP": "joy", "ANG": "anger"}, "scores": ["HAP", "ANG", "OTHER"]}
    scores = scored(table(file, **given), "a", "b", "absent")
    names = list(find_taxonomy(registry(), "ekman-6").names)
    assert scores.kind == "distribution"
    assert scores.values[0, [names.index("joy"), names.index("anger")]].tolist() == [0.75, 0.25]
    # Half of b's mass has no counterpart, more than its best label.
    assert scores.abstained.tolist() == [False, True, True]
    alone = scored(table(file, **given, kind="independent"), "a")
    assert alone.kind == "independent"
    assert alone.values[0].sum() == 1.0


def test_labels_go_through_the_written_map_of_their_taxonomy(tmp_path: Path) -> None:
    file = written(tmp_path / "t.csv", [{"id": "a", "label": "annoyance"}])
    scores = scored(table(file, taxonomy="goemotions-28"), "a", taxonomy="goemotions-ekman")
    names = list(find_taxonomy(registry(), "goemotions-ekman").names)
    assert names[int(scores.values[0].argmax())] == "anger"


def test_a_missing_table_and_its_content_are_in_the_identity(tmp_path: Path) -> None:
    """A table with other content is another labeler, whatever its name."""
    file = written(tmp_path / "t.csv", [{"id": "a", "label": "joy"}])
    before = table(file).fingerprint()
    copy = tmp_path / "copy.csv"
    copy.write_bytes(file.read_bytes())
    assert table(copy).fingerprint() == before
    written(file, [{"id": "a", "label": "fear"}])
    assert table(file).fingerprint() != before
    with pytest.raises(SettingsError, match=re.escape("none.csv does not exist")):
        table(tmp_path / "none.csv").fingerprint()


class TestTableContract(LabelerSuite):
    """The suite's texts are its keys."""

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        labels = ["anger", "joy", "sadness"]
        rows = [{"text": t, "label": labels[i % 3]} for i, t in enumerate(self.texts)]
        self.file = written(tmp_path / "suite.csv", rows)

    def make(self) -> Any:
        return table(self.file, by="text")

    def test_taxonomies_of_two_and_of_500_labels_are_scored(self) -> None:
        """Its labels are those of the table; others are refused, as tested above."""
