"""Tables as strangers have them: headers, quotes, encodings, cells, times and paths."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Callable
from datetime import datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lanser_bench import DataError, Dataset, LanserError, SettingsError, Utterance
from lanser_bench.data.manifest import build_manifest
from lanser_bench.data.proposal import propose
from lanser_bench.data.utterances import read_summary
from lanser_bench.plugins.discovery import registry
from lanser_bench.store import Store

WriteClip = Callable[[Path], None]


def dataset(name: str = "manifest", **options: Any) -> Dataset[Any]:
    return registry().create("dataset", name, options)


def read(root: Path, **options: Any) -> list[Utterance]:
    return list(dataset(**options).utterances(root))


def noted(root: Path, **options: Any) -> tuple[list[Utterance], str]:
    plugin = dataset(**options)
    return list(plugin.utterances(root)), "\n".join(plugin.notes)


def write(root: Path, text: str | bytes, name: str = "manifest.csv") -> Path:
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def parquet(root: Path, columns: dict[str, Any]) -> Path:
    pq.write_table(pa.table(columns), root / "manifest.parquet")
    return root


@pytest.mark.parametrize(
    "header",
    [
        "ID,Audio,Speaker,Label,Transcript",
        "id, audio, speaker, label, transcript",
        "ID,path,SPEAKER,Emotion,Text",
        "id,file_name,speaker_id,emotion,transcription",
        "id,File Name,Speaker-ID,EMOTION,transcript",
        '\ufeffid,"audio","speaker","label","transcript"',
    ],
)
def test_headers_fold_case_blanks_and_common_names(tmp_path: Path, header: str) -> None:
    [only] = read(write(tmp_path, f'{header}\nc1,a.wav,s0,joy,"Hello, you."\n'))
    found = (only.id, only.audio, only.speaker, only.gold, only.transcript, only.extras)
    assert found == ("c1", tmp_path / "a.wav", "s0", {"joy": 1.0}, "Hello, you.", {})


def test_a_better_name_leaves_the_other_columns_extras(tmp_path: Path) -> None:
    [only] = read(write(tmp_path, "id,audio,wav,speaker,client_id\na,a.wav,b.wav,s,c\n"))
    assert (only.audio, only.speaker) == (tmp_path / "a.wav", "s")
    assert only.extras == {"wav": "b.wav", "client_id": "c"}
    write(tmp_path, "id,text,transcription\na,x,y\n")
    with pytest.raises(DataError, match="'text' and 'transcription' may both be 'transcript'"):
        read(tmp_path)
    [only] = read(tmp_path, columns={"transcript": "text"})
    assert only.transcript == "x"


def test_a_column_that_the_options_name_is_never_another_one(tmp_path: Path) -> None:
    write(tmp_path, "text,text_clean,emotion,rater2\nA!,a,joy,fear\n", "two.csv")
    with pytest.raises(DataError, match=r"no column 'text_claen'.* Did you mean 'text_clean'"):
        read(tmp_path, name="text", columns={"text": "text_claen"})
    with pytest.raises(DataError, match=r"no column 'ratter2'.* Did you mean 'rater2'"):
        read(tmp_path, name="text", columns={"text": "text_clean", "label": "ratter2"})
    [only] = read(tmp_path, name="text", columns={"text": "text_clean", "label": "rater2"})
    assert (only.transcript, only.gold) == ("a", {"fear": 1.0})


def test_columns_that_look_like_others_are_told(tmp_path: Path) -> None:
    _, notes = noted(write(tmp_path, "id,audio,speeker,emotoin,start_time\na,a.wav,s,joy,1\n"))
    for ours, theirs in (("speaker", "speeker"), ("label", "emotoin"), ("start", "start_time")):
        assert f"the column '{theirs}' is not read as {ours}" in notes


def test_a_table_without_a_header_shows_its_columns_and_takes_names(tmp_path: Path) -> None:
    write(tmp_path, "c1,a/1.wav,joy\nc2,a/2.wav,fear\n")
    with pytest.raises(DataError, match=r"neither audio nor a transcript \(columns: c1, a/1.wav"):
        read(tmp_path)
    assert [u.id for u in read(tmp_path, names=["id", "audio", "label"])] == ["c1", "c2"]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("id;audio;speaker\na;a.wav;s, 1\n", {}),
        ("id\taudio\tspeaker\na\ta.wav\ts, 1\n", {}),
        ("sep=;\nid;audio;speaker\na;a.wav;s, 1\n", {}),
        ("id|audio|speaker\na|a.wav|s, 1\n", {"delimiter": "pipe"}),
        ("\n\nid,audio,speaker\n,,\na,a.wav,'s, 1'\n".replace("'", '"'), {}),
        ("id,audio,speaker\ra,a.wav,'s, 1'\r".replace("'", '"'), {}),
    ],
)
def test_delimiters_blank_rows_and_line_ends(
    tmp_path: Path, text: str, options: dict[str, Any]
) -> None:
    [only] = read(write(tmp_path, text), **options)
    assert (only.id, only.audio, only.speaker) == ("a", tmp_path / "a.wav", "s, 1")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_with_a_mark_are_read(tmp_path: Path, encoding: str) -> None:
    table = "id\taudio\tspeaker\na\ta.wav\tZoë\n".encode(encoding)
    assert read(write(tmp_path, table, "manifest.tsv"))[0].speaker == "Zoë"


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("manifest.csv", "cp1252"), ("manifest.csv", "utf-16-le"), ("manifest.jsonl", "cp1252")],
)
def test_other_encodings_are_named_with_file_and_line(
    tmp_path: Path, name: str, encoding: str
) -> None:
    write(tmp_path, 'id,audio\n{"id": "Zoë"}\n'.encode(encoding), name)
    with pytest.raises(DataError, match=rf"{name} is not UTF-8 \(.*line [12].*Save it as UTF-8"):
        read(tmp_path)


COMMON_VOICE = [
    "c0\tc0.wav\tPlain words.\ts0",
    'c1\tc1.wav\t"Go now, he said\ts0',
    "c2\tc2.wav\tWe are late.\ts1",
    'c3\tc3.wav\tand then she left."\ts1',
    'c4\tc4.wav\t"""Stop""" he said\ts2',
]


@pytest.mark.parametrize(
    "rows",
    [COMMON_VOICE, COMMON_VOICE[:4], COMMON_VOICE[:2], [*COMMON_VOICE[:2], "", *COMMON_VOICE[2:4]]],
)
def test_a_tsv_that_quotes_nothing_keeps_all_rows(tmp_path: Path, rows: list[str]) -> None:
    write(tmp_path, "\n".join(["id\tpath\ttext\tspeaker", *rows]) + "\n", "manifest.tsv")
    found, notes = noted(tmp_path)
    assert [u.transcript for u in found] == [row.split("\t")[2] for row in rows if row]
    assert "quotes are read as ordinary characters" in notes


def test_a_table_of_common_voice_is_known_by_its_columns(tmp_path: Path) -> None:
    text = 'client_id\tpath\tsentence\nx\ta.mp3\t"Quoted."\n'
    write(tmp_path, text, "validated.tsv")
    [only] = read(tmp_path, table="validated.tsv", audio_root=".")
    assert (only.speaker, only.transcript) == ("x", '"Quoted."')
    assert read(tmp_path, name="text")[0].transcript == '"Quoted."'


def test_quotes_that_may_join_rows_are_refused_in_csv(tmp_path: Path) -> None:
    write(tmp_path, 'id,text\na,"one\nb,two"\nc,three\n')
    with pytest.raises(DataError, match=r"lines 2 to 3: a quote joins these lines"):
        read(tmp_path)
    assert [u.id for u in read(tmp_path, quoted=False)] == ["a", "b", "c"]
    assert [u.id for u in read(tmp_path, quoted=True)] == ["a", "c"]


def test_cells_of_several_lines_and_quotes_inside_are_read(tmp_path: Path) -> None:
    assert (
        "span several lines, such as lines 2 to 3 (1 row)"
        in noted(write(tmp_path, 'id,text,n\na,"two\nlines",1\n'))[1]
    )
    write(tmp_path, 'id,text,n\na,"two\nlines, and ""more""",1\nb,5" disc,2\n')
    a, b = read(tmp_path)
    assert (a.transcript, b.transcript) == ('two\nlines, and "more"', '5" disc')
    assert (a.origin, b.origin) == tuple(f"{tmp_path}/manifest.csv, line {n}" for n in (2, 4))
    write(tmp_path, 'id\ttext\na\t"a\ttab"\nb\t"say ""x"""\n', "t.tsv")
    assert [u.transcript for u in read(tmp_path, table="t.tsv")] == ["a\ttab", 'say "x"']


@pytest.mark.parametrize("last", ['"Wait," she said.', '"open'])
def test_a_quote_that_does_not_pair_up_is_named_with_its_line(tmp_path: Path, last: str) -> None:
    write(tmp_path, f"id,text\na,x\nb,{last}\nc,y\n")
    with pytest.raises(DataError, match=r"line 3: .*A quote opens a cell here.*`quoted: false`"):
        read(tmp_path)


def test_what_pandas_writes_for_missing_values_is_missing(tmp_path: Path) -> None:
    text = "id,audio,end,speaker,label,transcript\na,a.wav,nan,nan,None,<NA>\nb,a.wav,1,NaT,joy,x\n"
    (a, b), notes = noted(write(tmp_path, text))
    assert (a.end, a.speaker, a.gold, a.transcript, b.speaker) == (None, None, {}, None, None)
    assert "'None' in the column label counts as empty (1 cell; option `missing`)" in notes
    assert read(tmp_path, missing=["<NA>", "nan"])[1].speaker == "NaT"


def test_one_sentence_none_among_many_is_a_sentence(tmp_path: Path) -> None:
    rows = [f"s{i}" for i in range(150)] + ["None"]
    write(tmp_path, "text\n" + "\n".join(rows) + "\n", "a.csv")
    assert read(tmp_path, name="text")[-1].transcript == "None"


def test_names_and_columns_that_are_hardly_meant_so_are_noted(tmp_path: Path) -> None:
    rows = "a,x,NA,joy\nb,y,NA,joy\nc,NULL,s,joy\n"
    write(tmp_path, f"id,transcript,speaker,emotionLabel\n{rows}")
    built = build_manifest(registry(), Store(tmp_path / "s"), "manifest", {}, tmp_path)
    assert "set the option `columns: {label: emotionLabel}`" in built.notes[0]
    [speaker] = built.notes[1:]
    assert speaker.startswith("'NA' is a speaker of 2 utterances. If it means an empty cell")


def test_a_label_na_is_explained(tmp_path: Path) -> None:
    write(tmp_path, "id,transcript,label\na,x,joy\nb,y,NA\n")
    options = {"taxonomy": "ekman-6"}
    with pytest.raises(DataError, match=r"'NA' is not a label.*`missing` lists texts that mean"):
        build_manifest(registry(), Store(tmp_path / "s"), "manifest", options, tmp_path)
    assert read(tmp_path, missing=["NA"])[1].gold == {}
    assert read(tmp_path, labels={"NA": "neutral"})[1].gold == {"neutral": 1.0}


def test_a_number_column_may_have_missing_cells(tmp_path: Path) -> None:
    head = "id,transcript,arousal,room,raters\n"
    write(tmp_path, head + 'a,x,1.5,1,"1,5"\nb,y,NA,2,"1,7"\nc,z,2,hall,"1,8"\n')
    (a, b, c), notes = noted(tmp_path)
    assert [u.extras.get("arousal") for u in (a, b, c)] == [1.5, None, 2.0]
    assert (
        "'NA' in the number column 'arousal' counts as missing (1 cell, the first in line 3)"
        in notes
    )
    assert "the column 'room' is text because of 'hall' in line 4" in notes
    assert "'raters' is text, because its numbers have decimal commas" in notes
    write(tmp_path, "id,transcript,age\na,x,1.5\nb,y,007\nc,z,2.5\n")
    assert "the column 'age' is text because of '007' in line 3" in noted(tmp_path)[1]


@pytest.mark.parametrize(
    ("cell", "seconds"),
    [
        ("62.5", 62.5),
        ("0:01:02.5", 62.5),
        ("1:02.5", 62.5),
        ("0 days 00:01:02.500000", 62.5),
        ('"00:01:02,500"', 62.5),
        ('"62,5"', 62.5),
        ("1 days 00:00:01", 86401.0),
    ],
)
def test_times_are_numbers_or_clocks(tmp_path: Path, cell: str, seconds: float) -> None:
    assert read(write(tmp_path, f"id,audio,end\na,a.wav,{cell}\n"))[0].end == seconds


@pytest.mark.parametrize("cell", ["soon", '"1,250"', "1_0", "0:75", "0:61:00", "62500ms", "inf"])
def test_other_times_are_refused(tmp_path: Path, cell: str) -> None:
    with pytest.raises(DataError, match=r"line 2: end is .*number of seconds"):
        read(write(tmp_path, f"id,audio,end\na,a.wav,{cell}\n"))


def test_parquet_types_are_read_or_named(tmp_path: Path) -> None:
    columns = {
        "id": pa.array([7], pa.int64()),
        "audio": pa.array(["a.wav"], pa.large_string()),
        "start": pa.array([timedelta(milliseconds=1500)], pa.duration("us")),
        "end": pa.array([time(0, 0, 2)], pa.time64("us")),
        "speaker": pa.array([b"s1"], pa.binary()),
        "label": pa.array(["joy"]).dictionary_encode(),
        "split": pa.nulls(1),
        "day": pa.array([datetime(2024, 1, 1)], pa.timestamp("us")),
        "price": pa.array([Decimal("1.5")]),
        "blob": pa.array([b"\x00\xff"]),
        "votes": pa.array([[1, 2]]),
        "took": pa.array([timedelta(seconds=3)], pa.duration("us")),
    }
    [only], notes = noted(parquet(tmp_path, columns))
    assert (only.id, only.start, only.end, only.speaker) == ("7", 1.5, 2.0, "s1")
    assert (only.gold, only.split) == ({"joy": 1.0}, None)
    expected = {"day": "2024-01-01T00:00:00", "price": 1.5, "votes": [1, 2], "took": 3.0}
    assert only.extras == expected
    assert "the column 'blob' is ignored: it has bytes" in notes
    assert "the column 'day' is read as text" in notes


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"audio": [{"bytes": b"RIFF", "path": "a.wav"}]}, "row 1: .*dataset `huggingface`"),
        ({"audio": ["{'bytes': b'RIFF', 'path': None}"]}, "row 1: .*dataset `huggingface`"),
        ({"audio": ["a.wav"], "start": [datetime(2024, 1, 1)]}, "row 1: start is"),
        ({"audio": ["a.wav"], "speaker": [["x"]]}, "row 1: speaker has a list"),
        ({"audio": ["a.wav"], "speaker": [b"\xff"]}, "row 1: speaker has bytes"),
        ({"audio": ["a.wav"], "turn": [2**40]}, "row 1: turn is"),
        ({"audio": ["a.wav"], "turn": [True]}, "row 1: turn is"),
        ({"audio": [[0.1, 0.2]]}, "row 1: .*contains sound"),
        ({"audio": ["a.wav"], "gold": [[["joy", "1", "2"]]]}, "row 1: gold must be"),
    ],
)
def test_parquet_cells_that_cannot_be_used_are_named(
    tmp_path: Path, columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(parquet(tmp_path, {"id": ["a"], **columns}))


def test_zero_and_false_are_values(tmp_path: Path) -> None:
    rows = [{"id": 0, "text": "x", "speaker": 0, "label": False, "turn": 0, "n": 0}]
    write(tmp_path, "\n".join(map(json.dumps, rows)), "manifest.jsonl")
    [only] = read(tmp_path)
    assert (only.id, only.speaker, only.gold, only.turn) == ("0", "0", {"False": 1.0}, 0)
    assert only.extras == {"n": 0}
    [only] = read(tmp_path, name="text")
    assert (only.id, only.speaker, only.turn) == ("0", "0", 0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "b", "id": "c"}', "line 2: not JSON .duplicate key 'id'"),
        ('[{"id": "b"}]', "line 2: expected a JSON object"),
        ("[", "line 2: not JSON .* not an array"),
        ('{"id": "b", "n": Infinity}', "line 2: not JSON .Infinity"),
        (r'{"id": "\ud800"}', "line 2: contains half of a surrogate pair"),
        ("[" * 100_000, "line 2: not JSON"),
        ('{"id": ' + "9" * 5000 + "}", "line 2: not JSON"),
    ],
)
def test_json_lines_that_cannot_be_read_are_named(tmp_path: Path, line: str, message: str) -> None:
    write(tmp_path, '{"id": "a", "text": "x", "m": NaN}\n' + line + "\n", "manifest.jsonl")
    with pytest.raises(DataError, match=message):
        read(tmp_path)


@pytest.mark.parametrize(
    "audio",
    [
        "sub\\a.wav",
        "./sub/a.wav",
        " sub/a.wav ",
        "sub//a.wav",
        "{root}/sub/a.wav",
        "file://{root}/sub/a.wav",
        "Sub\\A.WAV",
    ],
)
def test_paths_are_found_as_strangers_write_them(
    tmp_path: Path, write_clip: WriteClip, audio: str
) -> None:
    write_clip(tmp_path / "sub" / "a.wav")
    row = {"audio": audio.format(root=tmp_path)}
    [only] = read(write(tmp_path, json.dumps(row), "manifest.jsonl"))
    assert (only.audio, only.id) == (tmp_path / "sub" / "a.wav", "sub/a")


def test_a_name_in_other_case_that_could_be_two_files_is_missing(
    tmp_path: Path, write_clip: WriteClip
) -> None:
    for name in ("a.wav", "A.wav"):
        write_clip(tmp_path / name)
    [only] = read(write(tmp_path, "audio\nA.WAV\n"))
    assert only.audio == tmp_path / "A.WAV"


@pytest.mark.parametrize("name", ["manifest.csv", "manifest.jsonl", "manifest.parquet"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "is a Git LFS pointer"),
        ("\ufeff\n<!DOCTYPE html>\n<html>Sign in", "is a web page"),
    ],
)
def test_a_pointer_or_a_web_page_in_place_of_a_table_is_named(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    with pytest.raises(DataError, match=f"{name} {message}"):
        read(write(tmp_path, content, name), table=name)


@pytest.mark.parametrize("name", ["manifest.csv", "manifest.jsonl", "manifest.parquet"])
def test_a_pipe_in_place_of_a_table_is_named(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)  # to open it would wait for ever
    with pytest.raises(DataError, match=f"{name} is a pipe or a device"):
        read(tmp_path, table=name)


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl", "train.parquet"])
def test_a_pipe_in_a_folder_is_named_when_the_folder_is_looked_at(
    tmp_path: Path, write_clip: WriteClip, name: str
) -> None:
    os.mkfifo(tmp_path / name)
    write_clip(tmp_path / "clips" / "a.wav")
    try:
        said = " ".join(propose(registry(), tmp_path, {}).findings)
    except DataError as error:
        said = str(error)
    assert f"{name} is a pipe or a device" in said


def test_names_in_two_spellings_are_one(tmp_path: Path, write_clip: WriteClip) -> None:
    nfd = unicodedata.normalize("NFD", "Zoë")
    write_clip(tmp_path / nfd / "x.wav")
    write_clip(tmp_path / "Zoë.wav")
    rows = f"audio,speaker,label\nZoë/x.wav,Zoë,frölich\n{nfd}.wav,{nfd},frölich\n"
    labels = {unicodedata.normalize("NFD", "frölich"): "joy"}
    a, b = read(write(tmp_path, rows), labels=labels)
    assert (a.speaker, a.gold, b.gold) == (b.speaker, {"joy": 1.0}, {"joy": 1.0})
    assert (a.id, b.id) == ("Zoë/x", "Zoë")
    assert a.audio is not None
    assert b.audio is not None
    assert a.audio.is_file()
    assert b.audio.is_file()


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        ("https://example.org/a.wav", "is an address on the network"),
        ("s3://bucket/a.wav", "is an address on the network"),
        ("x" * 400, "is not the path of a recording"),
        ("a\nb.wav", "is not the path of a recording"),
        ("a\0.wav", "is not the path of a recording"),
        (".", "is not the path of a recording"),
    ],
)
def test_an_audio_cell_that_is_no_path_is_named(tmp_path: Path, audio: str, message: str) -> None:
    with pytest.raises(DataError, match=f"line 1: .*{message}"):
        read(write(tmp_path, json.dumps({"audio": audio}), "manifest.jsonl"))


def test_ids_name_no_folder_of_this_machine(
    tmp_path: Path, write_clip: WriteClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "set").mkdir()
    for name in ("one/a.wav", "two/b.wav", "two/a.wav"):
        write_clip(tmp_path / name)
    monkeypatch.setenv("HOME", str(tmp_path))
    root = write(tmp_path / "set", f"audio\n{tmp_path}/one/a.wav\n~/two/b.wav\nC:\\x\\c.wav\n")
    assert [u.id for u in read(root)] == ["a", "b", "c"]
    assert [u.id for u in read(root, audio_root="~")][:2] == ["one/a", "two/b"]
    write(root, f"audio\n{tmp_path}/one/a.wav\n{tmp_path}/two/a.wav\n")
    with pytest.raises(DataError, match=r"have the same name.*Add a column `id`"):
        read(root)


def test_spans_of_a_recording_need_no_ids(tmp_path: Path) -> None:
    found = read(write(tmp_path, "audio,start,end\na.wav,,1\na.wav,1,2.5\nb.wav,1,2\n"))
    assert [u.id for u in found] == ["a@0.000", "a@1.000", "b"]


def test_paths_may_begin_elsewhere_and_splits_may_be_tables(
    tmp_path: Path, write_clip: WriteClip
) -> None:
    (tmp_path / "lists").mkdir()
    for i, part in enumerate(("train", "val", "test")):
        write_clip(tmp_path / f"wav/{i}.wav")
        row = {"key": f"k{i}", "wav": f"wav/{i}.wav", "emo": "hap", "num_frame": 8000.0}
        write(tmp_path / "lists", json.dumps(row), f"mini_{part}.jsonl")
    table = {part: f"lists/mini_{part}.jsonl" for part in ("train", "val", "test")}
    options = {"table": table, "columns": {"id": "key"}, "labels": {"hap": "joy"}}
    found = read(tmp_path, audio_root=".", **options)
    assert [(u.id, u.split) for u in found] == [("k0", "train"), ("k1", "dev"), ("k2", "test")]
    assert all(u.audio and u.audio.is_file() and u.gold == {"joy": 1.0} for u in found)
    assert "set the option `audio_root`" in noted(tmp_path, **options)[1]
    with pytest.raises(DataError, match="Check the option `audio_root`"):
        read(tmp_path, audio_root="wavs", **options)


def test_several_tables_keep_their_ids_apart_and_missing_ones_are_named(tmp_path: Path) -> None:
    for part in ("train", "test"):
        write(tmp_path, f"id,text\n1,{part}\n", f"{part}.csv")
    found = read(tmp_path, table=["train.csv", "test.csv"])
    assert [(u.id, u.split) for u in found] == [("train/1", "train"), ("test/1", "test")]
    with pytest.raises(
        DataError, match=r"contains no manifest.csv.* It contains test.csv, train.csv"
    ):
        read(tmp_path)
    with pytest.raises(DataError, match=r"contains no dev.csv"):
        read(tmp_path, table={"dev": "dev.csv"})


def test_dialogues_that_begin_again_in_each_split_stay_apart(tmp_path: Path) -> None:
    rows = ["a,train,1,0", "b,train,1,1", "c,test,1,0", "d,train,2,0", "e,test,2,1"]
    head = "id,split,dialogue_id,turn,text\n"
    found, notes = noted(write(tmp_path, head + "".join(f"{row},x\n" for row in rows)))
    assert [u.dialogue_id for u in found] == ["train/1", "train/1", "test/1", "2", "2"]
    assert "Dialogue ids such as '1' start over" in notes
    for part in ("train", "test"):
        write(tmp_path, "text,dialogue_id,turn\nx,1,0\ny,1,1\n", f"{part}.tsv")
    tables = ["train.tsv", "test.tsv"]
    found = read(tmp_path, name="text", tables=tables)
    assert [u.dialogue_id for u in found] == ["train/1"] * 2 + ["test/1"] * 2


def test_a_dialogue_whose_turns_begin_again_is_refused(tmp_path: Path) -> None:
    def turns(*pairs: tuple[str, int]) -> Path:
        rows = [f"{i},{dialogue},{turn},x\n" for i, (dialogue, turn) in enumerate(pairs)]
        return write(tmp_path, "id,dialogue_id,turn,text\n" + "".join(rows))

    for wrong in ([("1", 0), ("1", 1), ("1", 0)], [("1", 0), ("2", 0), ("1", 0)]):
        with pytest.raises(DataError, match=r"turn 0 of dialogue '1' occurs again"):
            read(turns(*wrong))
    for right in ([("1", 0), ("1", 0), ("1", 1)], [("1", 1), ("2", 0), ("1", 0)]):
        assert len(read(turns(*right))) == 3


def test_labels_are_left_out_and_counted(tmp_path: Path, write_clip: WriteClip) -> None:
    write(tmp_path, "id,text,label\na,x,joy\nb,y,other\nc,z,\n")
    for name in ("manifest", "text"):
        found, notes = noted(tmp_path, name=name, leave_out=["other"])
        assert [u.id for u in found] == ["a", "c"]
        assert "Left out by label (option `leave_out`): other 1." in notes
        with pytest.raises(SettingsError, match=r"No utterance has the label 'othr'.*'other'"):
            read(tmp_path, name=name, leave_out=["othr"])
    for label in ("joy", "other"):
        write_clip(tmp_path / "clips" / label / "1.wav")
    found, notes = noted(tmp_path / "clips", name="audiofolder", leave_out=["other"])
    assert [u.id for u in found] == ["joy/1"]
    assert "other 1" in notes


def test_notes_reach_the_summary_and_no_key(tmp_path: Path) -> None:
    root = tmp_path / "set"
    root.mkdir()
    store = Store(tmp_path / "store")
    write(root, "id,text,speaker\na,x,nan\n")
    built = build_manifest(registry(), store, "manifest", {}, root)
    assert built.notes == read_summary(built.artifact)["notes"]
    assert "'nan' in the column speaker counts as empty" in built.notes[0]
    write(root, "id,text,speaker\na,x,\n")
    again = build_manifest(registry(), store, "manifest", {}, root)
    assert (again.key, again.notes) == (built.key, [])


@pytest.mark.parametrize("suffix", [".xls", ".json", ".ndjson"])
def test_other_suffixes_are_refused(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(LanserError, match="must end in"):
        read(write(tmp_path, "id", f"t{suffix}"), table=f"t{suffix}")


def test_where_paths_begin_is_in_no_key(tmp_path: Path, write_clip: WriteClip) -> None:
    keys = set()
    for folder in ("one", "two"):
        root = tmp_path / folder
        write_clip(root / "wav" / "a.wav")
        write(root, "id,audio,speaker\na,a.wav,s\n")
        options = {"audio_root": str(root / "wav")}
        built = build_manifest(registry(), Store(tmp_path / "s"), "manifest", options, root)
        keys.add(built.key)
    assert len(keys) == 1


def test_a_root_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, "id,text\na,x\n")
    built = build_manifest(registry(), Store(tmp_path / "s"), "manifest", {}, Path("~"))
    assert built.counts["utterances"] == 1
