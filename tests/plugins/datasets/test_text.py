"""Texts with gold: any tables, and two public sets in their own files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lanser_bench_plugins.datasets.text import Text, TextOptions

from lanser_bench import DataError, SettingsError, Utterance
from lanser_bench.data.manifest import build_manifest
from lanser_bench.data.utterances import read_utterances
from lanser_bench.plugins.discovery import registry
from lanser_bench.store import Store


def read(root: Path, **options: Any) -> list[Utterance]:
    return list(Text(TextOptions(**options)).utterances(root))


def write(root: Path, name: str, text: str) -> Path:
    (root / name).write_text(text, encoding="utf-8")
    return root


def test_a_table_gives_text_label_speaker_and_place(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "id,text,label,speaker,turn\nx,So glad!,joy,anna,2\ny,Well.,,ben,\n")
    first, second = read(tmp_path)
    assert (first.id, first.transcript, first.gold) == ("x", "So glad!", {"joy": 1.0})
    assert (first.speaker, first.turn, first.audio) == ("anna", 2, None)
    assert first.origin == f"{tmp_path / 'a.csv'}, line 2"
    assert (second.gold, second.turn) == ({}, None)


def test_columns_may_have_other_names_and_rows_no_id(tmp_path: Path) -> None:
    write(tmp_path, "a.tsv", "body\tmood\ttext\nHm.\tfear\tnot this\n")
    [one] = read(tmp_path, columns={"text": "body", "label": "mood"}, language="en")
    assert (one.id, one.transcript, one.gold, one.language) == (
        "a/000001",
        "Hm.",
        {"fear": 1},
        "en",
    )


def test_labels_of_the_table_become_those_of_the_taxonomy(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "text;label\na;froh,heiter\nb;Wut,froh\nc;?\n")
    options = {"delimiter": ";", "separator": ",", "leave_out": ["?"]}
    names = {"froh": "joy", "heiter": "joy", "Wut": "anger"}
    found = [u.gold for u in read(tmp_path, labels=names, **options)]
    assert found == [{"joy": 2.0}, {"anger": 1.0, "joy": 1.0}]


def test_several_tables_are_splits_and_their_ids_stay_apart(tmp_path: Path) -> None:
    write(tmp_path, "test.csv", "id,text\n1,a\n")
    write(tmp_path, "train.csv", "id,text\n1,b\n")
    assert [(u.id, u.split) for u in read(tmp_path)] == [("test/1", "test"), ("train/1", "train")]
    assert [u.transcript for u in read(tmp_path, splits=["train"])] == ["b"]
    assert [u.id for u in read(tmp_path, tables=["test.csv"])] == ["1"]
    with pytest.raises(DataError, match="no text of the splits dev"):
        read(tmp_path, splits=["dev"])


def test_gold_may_be_several_labels_numbers_weights_or_json(tmp_path: Path) -> None:
    names = ["anger", "joy"]
    write(tmp_path, "a.tsv", 'He said "no\t0,1\n')
    [one] = read(tmp_path, names=["text", "label"], quoted=False, separator=",", label_names=names)
    assert (one.transcript, one.gold, one.gold_kind) == (
        'He said "no',
        {"anger": 1, "joy": 1},
        "multi",
    )
    write(tmp_path, "votes.csv", "text,n_anger,n_joy\na,1,3\nb,0,0\n")
    votes = {"anger": "n_anger", "joy": "n_joy"}
    one, none = read(tmp_path, tables=["votes.csv"], weights=votes)
    assert (one.gold, one.gold_kind) == ({"anger": 0.25, "joy": 0.75}, "distribution")
    assert none.gold == {}
    lines = [{"text": "a", "gold": {"joy": 1}}, {"text": "b", "label": ["joy", "anger"]}]
    write(tmp_path, "c.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    assert [u.gold for u in read(tmp_path, tables=["c.jsonl"], gold_kind="multi")] == [
        {"joy": 1},
        {"joy": 1, "anger": 1},
    ]


def test_parquet_and_plain_lines_are_read(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"text": ["a", None], "label": ["joy", "fear"], "speaker": [7.0, 7.0]}),
        tmp_path / "a.parquet",
    )
    first, second = read(tmp_path)
    assert (first.speaker, second.transcript, second.gold) == ("7", None, {"fear": 1.0})
    write(tmp_path, "b.txt", "one\n\ntwo \u2028 lines\n")
    assert [u.transcript for u in read(tmp_path, tables=["b.txt"])] == ["one", "two \u2028 lines"]


def test_goemotions_is_read_as_released(tmp_path: Path) -> None:
    write(tmp_path, "emotions.txt", "anger\njoy\nneutral\n")
    write(tmp_path, "test.tsv", 'A "quoted text\t1,2\tabc\n')
    write(tmp_path, "dev.tsv", "Text\t0\tabc\n")
    one, two = read(tmp_path, layout="goemotions", splits=["test", "dev"])
    assert (one.id, one.split, one.gold_kind) == ("dev/abc", "dev", "multi")
    assert (two.transcript, two.gold) == ('A "quoted text', {"joy": 1, "neutral": 1})
    assert Text(TextOptions(layout="goemotions")).card.taxonomy == "goemotions-28"


def test_tweeteval_is_read_line_by_line(tmp_path: Path) -> None:
    write(tmp_path, "mapping.txt", "0\tanger\n1\tjoy")
    write(tmp_path, "val_text.txt", "a\n\nc\n")
    write(tmp_path, "val_labels.txt", "1\n0\n1\n")
    found = read(tmp_path, layout="tweeteval", splits=["dev"])
    assert [u.transcript for u in found] == ["a", None, "c"]
    assert [next(iter(u.gold)) for u in found] == ["joy", "anger", "joy"]
    write(tmp_path, "val_labels.txt", "1\n0\n")
    with pytest.raises(DataError, match=r"3 texts, but 2 lines in val_labels\.txt"):
        read(tmp_path, layout="tweeteval", splits=["dev"])


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("body\nx\n", {}, "line 2: there is no column 'text'; there are body"),
        ("text\nx\n", {"columns": {"label": "mood"}}, "no column 'mood', which the options name"),
        ("text\nx\n", {"weights": {"joy": "n"}}, "no column 'n', which the options name"),
        ("text,label\nx,9\n", {"label_names": ["a"]}, "label '9' is none of the numbers 0 to 0"),
        ("text,turn\nx,soon\n", {}, "turn is 'soon'"),
        ("text,n\nx,-1\n", {"weights": {"joy": "n"}}, "weight of 'joy' is '-1'"),
        ("text,gold\nx,joy\n", {}, "gold must be a JSON object"),
        ("text\nx,y\n", {}, "line 2: 2 cells"),
    ],
)
def test_a_fault_is_named_with_its_line(
    tmp_path: Path, text: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(write(tmp_path, "a.csv", text), **options)


def test_a_folder_without_texts_and_wrong_options_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="contains no table"):
        read(tmp_path)
    with pytest.raises(DataError, match=r"contains no file a\.csv"):
        read(tmp_path, tables=["a.csv"])
    with pytest.raises(DataError, match="must contain GoEmotions as released"):
        read(tmp_path, layout="goemotions")
    with pytest.raises(SettingsError, match="must end in"):
        read(write(tmp_path, "a.xls", "x"), tables=["a.xls"])
    with pytest.raises(ValueError, match="'body' is not one of"):
        TextOptions(columns={"body": "text"})


def test_text_only_rows_become_a_manifest(tmp_path: Path) -> None:
    root = tmp_path / "texts"
    root.mkdir()
    write(root, "a.csv", "text,label\nSo glad!,joy\n")
    built = build_manifest(
        registry(), Store(tmp_path / "store"), "text", {"taxonomy": "ekman-6"}, root
    )
    table = read_utterances(built.artifact)
    assert (table.transcripts, table.gold, table.audio_sha) == (
        ["So glad!"],
        [{"joy": 1.0}],
        [None],
    )


@pytest.mark.data
def test_the_real_sets(data_root: Path) -> None:
    comments = read(data_root / "text_goemotions", layout="goemotions", splits=["test"])
    assert len(comments) == 5427
    several = sum(len(u.gold) > 1 for u in comments)
    assert 0.14 < several / len(comments) < 0.18
    tweets = read(data_root / "text_tweeteval_emotion", layout="tweeteval")
    assert [sum(u.split == s for u in tweets) for s in ("train", "dev", "test")] == [
        3257,
        374,
        1421,
    ]
    assert {label for u in tweets for label in u.gold} == {"anger", "joy", "optimism", "sadness"}


def test_emobank_is_read_as_released(tmp_path: Path) -> None:
    rows = 'a_1,train,3.44,3.0,3.2,"Well, yes."\nb,test,1,5,2,No\n'
    write(tmp_path, "emobank.csv", "id,split,V,A,D,text\n" + rows)
    first, second = read(tmp_path, layout="emobank")
    assert first.extras == {"valence": 3.44, "arousal": 3.0, "dominance": 3.2}
    assert (first.id, first.split, first.transcript, first.gold) == (
        "a_1",
        "train",
        "Well, yes.",
        {},
    )
    assert [u.id for u in read(tmp_path, layout="emobank", splits=["test"])] == [second.id]
    card = Text(TextOptions(layout="emobank")).card
    assert card.dimensions == dict.fromkeys(("valence", "arousal", "dominance"), (1.0, 5.0))
    write(tmp_path, "emobank.csv", "id,split,V,A,D,text\na,train,x,3,3,Hm\n")
    with pytest.raises(DataError, match="line 2: V, A and D must be numbers"):
        read(tmp_path, layout="emobank")
    with pytest.raises(DataError, match=r"no emobank\.csv"):
        read(tmp_path / "..", layout="emobank")


def test_tables_of_texts_may_have_ratings(tmp_path: Path) -> None:
    write(tmp_path, "texts.csv", "id,text,valence,other\na,Fine,4.5,1\nb,Bad,,2\n")
    scales = {"valence": [1, 5]}
    assert [u.extras for u in read(tmp_path, dimensions=scales)] == [{"valence": 4.5}, {}]
    assert [u.extras for u in read(tmp_path)] == [{}, {}]
    with pytest.raises(DataError, match=r"valence is 4\.5; .* from 1 to 3"):
        read(tmp_path, dimensions={"valence": [1, 3]})


@pytest.mark.skipif("LANSER_DATA_ROOT" not in os.environ, reason="needs the development data")
def test_a_lexicon_follows_the_valence_of_emobank(tmp_path: Path) -> None:
    from lanser_bench.experiment import label_corpus
    from lanser_bench.reporting.labels.report import write_label_report

    corpus = label_corpus(
        {
            "dataset": "text",
            "root": str(Path(os.environ["LANSER_DATA_ROOT"]) / "text_emobank"),
            "layout": "emobank",
            "splits": ["test"],
        },
        {"name": "lexicon", "source": "vader"},
        "goemotions-ekman",
        overrides=[f"paths.store={tmp_path / 'store'}", "executor.inline=true"],
    )[0]
    valence, arousal = write_label_report(corpus, tmp_path / "report").report["rated"]
    assert valence["concordance"]["interval"]["low"] > 0.3
    assert arousal["concordance"]["value"] < 0.1
