"""The `manifest` dataset: one table in four formats, with faults named by file and line."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lanser_bench import DataError, SettingsError, Utterance
from lanser_bench.plugins.discovery import load_plugins

ROWS: list[dict[str, Any]] = [
    {
        "id": "a",
        "audio": "a.wav",
        "start": 0.5,
        "speaker": "ann",
        "turn": 3,
        "label": "happy",
        "snr": 20,
    },
    {"id": "b", "audio": "sub/b.wav", "transcript": "hello, you", "language": "de", "snr": 3.5},
]


def read(root: Path, **options: Any) -> list[Utterance]:
    plugin = load_plugins(only="").create("dataset", "manifest", options)
    return list(plugin.utterances(root))


def write(root: Path, suffix: str) -> None:
    path = root / f"manifest.{suffix}"
    columns = list(dict.fromkeys(column for row in ROWS for column in row))
    if suffix == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in ROWS))
    elif suffix == "parquet":
        full = [{column: row.get(column) for column in columns} for row in ROWS]
        pq.write_table(pa.Table.from_pylist(full), path)
    else:
        sign = {"csv": ",", "tsv": "\t"}[suffix]
        quoted = [[f'"{row.get(column, "")}"' for column in columns] for row in ROWS]
        path.write_text("\n".join(sign.join(cells) for cells in [columns, *quoted]) + "\n")


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_all_formats_give_the_same_utterances(tmp_path: Path, suffix: str) -> None:
    write(tmp_path, suffix)
    first, second = read(tmp_path, language="en")
    assert first.audio == tmp_path / "a.wav"
    assert (first.start, first.end, first.turn) == (0.5, None, 3)
    assert first.gold == {"happy": 1.0}
    assert (first.speaker, first.language, second.language) == ("ann", "en", "de")
    assert second.transcript == "hello, you"
    assert second.gold == {}
    assert (first.extras, second.extras) == ({"snr": 20.0}, {"snr": 3.5})
    assert first.origin is not None
    assert first.origin.startswith(str(tmp_path / f"manifest.{suffix}"))


def table(root: Path, text: str, name: str = "manifest.csv") -> Path:
    (root / name).write_text(text, encoding="utf-8")
    return root


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    table(tmp_path, "wav,feeling,who\na.wav,joy,7\n")
    (only,) = read(tmp_path, columns={"audio": "wav", "label": "feeling", "speaker": "who"})
    assert (only.id, only.gold, only.speaker, only.extras) == ("a", {"joy": 1.0}, "7", {})


def test_labels_of_the_table_are_renamed_into_the_taxonomys(tmp_path: Path) -> None:
    text = 'id,transcript,gold\na,x,"{""glad"": 1, ""merry"": 2, ""sad"": 1}"\nb,y,sad\n'
    (tmp_path / "manifest.csv").write_text(text)
    labels = {"glad": "joy", "merry": "joy", "sad": "sadness"}
    a, b = read(tmp_path, labels=labels)
    assert a.gold == {"joy": 3.0, "sadness": 1.0}
    assert b.gold == {"sadness": 1.0}


def test_extras_become_numbers_by_column(tmp_path: Path) -> None:
    table(tmp_path, "id,transcript,score,code\na,x,1.5,07\nb,y,,8\n")
    first, second = read(tmp_path)
    assert first.extras == {"score": 1.5, "code": "07"}
    assert second.extras == {"code": "8"}


def test_gold_may_be_weights(tmp_path: Path) -> None:
    table(tmp_path, 'id,transcript,gold\na,x,"{""joy"": 0.7, ""fear"": 0.3}"\n')
    (only,) = read(tmp_path, gold_kind="distribution")
    assert only.gold == {"joy": 0.7, "fear": 0.3}
    assert only.gold_kind == "distribution"


def test_a_data_frame_with_gaps_is_read_as_it_was_meant(tmp_path: Path) -> None:
    gaps = {
        "id": ["a", "b"],
        "audio": ["a.wav"] * 2,
        "speaker": [7.0, None],
        "end": [1.5, math.nan],
    }
    pq.write_table(pa.table(gaps), tmp_path / "manifest.parquet")
    first, second = read(tmp_path)
    assert (first.speaker, first.end) == ("7", 1.5)
    assert (second.speaker, second.end) == (None, None)


def test_a_name_keeps_speakers_of_two_tables_apart(tmp_path: Path) -> None:
    table(tmp_path, "id,transcript,speaker\na,x,1\n")
    assert read(tmp_path, name="calls")[0].speaker == "calls/1"


def test_the_table_may_lie_deeper_and_paths_follow_it(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    table(tmp_path, "path\nx.wav\n", "lists/dev.csv")
    assert read(tmp_path, table="lists/dev.csv")[0].audio == tmp_path / "lists/x.wav"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no header line"),
        ("id,id,audio\n", "line 1: duplicate column 'id'"),
        ("id,audio\na,a.wav,oops\n", "line 2: 3 cells, but the header has 2"),
        ("id,audio,start\na,a.wav,0\nb,b.wav,soon\n", "line 3: start is 'soon'"),
        ("id,audio,end\na,a.wav,inf\n", "line 2: end is 'inf'"),
        ("id,audio,turn\na,a.wav,1.5\n", "line 2: turn is '1.5'; it must be a whole number"),
        ("id,speaker\na,s\n", "line 2: there is neither audio nor a transcript"),
        ("transcript\nhello\n", "line 2: there is no id"),
        ("id,audio,path\na,a.wav,b.wav\n", "line 2: two columns mean 'audio'"),
        ("id,audio,label,gold\na,a.wav,joy,fear\n", "line 2: there is both a label and gold"),
        ("id,audio,gold\na,a.wav,[1]\n", "line 2: gold must be a JSON object"),
        ("id,audio,gold_kind\na,a.wav,many\n", "line 2: gold_kind is 'many'"),
        ('id,audio\n"a,a.wav\n', "line 2: unexpected end of data"),
    ],
)
def test_a_fault_of_a_table_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=r"manifest\.csv.*" + message.replace("[", r"\[")):
        read(table(tmp_path, text))


def test_a_table_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_bytes("id,transcript\na,caf\xe9\n".encode("latin-1"))
    with pytest.raises(DataError, match="is not UTF-8"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"), [("{oops", "line 2: not JSON"), ("[1]", "line 2: expected a JSON object")]
)
def test_a_fault_of_json_lines_is_named_with_its_line(
    tmp_path: Path, line: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(table(tmp_path, f'{{"id": "a", "transcript": "x"}}\n{line}\n', "manifest.jsonl"))


def test_a_parquet_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read(table(tmp_path, "id", "manifest.parquet"))


def test_a_folder_without_a_table_says_which_it_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"manifest.csv or manifest.tsv"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"columns": {"sound": "wav"}}, SettingsError, "'sound' is not one of"),
        ({"columns": {"audio": "wav"}}, DataError, "has no column 'wav'"),
        ({"table": "list.xls"}, SettingsError, "must end in .csv, .jsonl, .parquet, .tsv"),
        ({"taxonomi": "x"}, SettingsError, "Did you mean 'taxonomy'"),
    ],
)
def test_a_wrong_option_is_named(
    tmp_path: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    table(tmp_path, "id,audio\na,a.wav\n")
    table(tmp_path, "", "list.xls")
    with pytest.raises(error, match=message):
        read(tmp_path, **options)


def test_counts_of_votes_are_a_distribution_and_its_number_of_votes(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "manifest.jsonl").write_text(
        '{"id": "a", "audio": "a.wav", "gold": {"joy": 3, "fear": 2, "anger": 0}}\n'
        '{"id": "b", "audio": "a.wav", "gold": {"joy": 0.75, "fear": 0.25}}\n'
        '{"id": "c", "audio": "a.wav", "gold": {"joy": 1}}\n'
        '{"id": "d", "audio": "a.wav"}\n'
    )
    counted, shared, single, none = read(tmp_path, gold_kind="distribution")
    assert counted.gold == {"joy": 0.6, "fear": 0.4}
    assert counted.extras == {"votes": 5}
    assert shared.gold == {"joy": 0.75, "fear": 0.25}
    assert (single.gold, none.gold) == ({"joy": 1.0}, {})
    assert not any(u.extras for u in (shared, single, none))
