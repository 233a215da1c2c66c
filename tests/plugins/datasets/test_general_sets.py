"""Datasets of no particular corpus: `audiofolder`, `huggingface` and `audformat`."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from lanser_bench import DataError, SettingsError, Utterance
from lanser_bench.data.manifest import build_manifest
from lanser_bench.plugins.discovery import registry
from lanser_bench.store import Store

WriteClip = Callable[[Path], None]


def read(name: str, root: Path, **options: Any) -> list[Utterance]:
    return list(registry().create("dataset", name, options).utterances(root))


def test_folders_are_labels_and_a_pattern_reads_the_rest(
    tmp_path: Path, write_clip: WriteClip
) -> None:
    write_clip(tmp_path / "joy" / "anna_1.wav")
    write_clip(tmp_path / "rage" / "ben_1.wav")
    found = read(
        "audiofolder",
        tmp_path,
        pattern=r"(?P<label>\w+)/(?P<speaker>[a-z]+)_\d+\.wav",
        taxonomy="ekman-6",
        labels={"rage": "anger"},
    )
    assert [(u.speaker, u.gold) for u in found] == [
        ("anna", {"joy": 1.0}),
        ("ben", {"anger": 1.0}),
    ]
    assert [u.gold for u in read("audiofolder", tmp_path)] == [{}, {}]


def test_a_path_that_does_not_fit_and_a_bad_pattern_are_refused(
    tmp_path: Path, write_clip: WriteClip
) -> None:
    write_clip(tmp_path / "stray.wav")
    with pytest.raises(DataError, match=r"stray\.wav"):
        read("audiofolder", tmp_path)
    with pytest.raises(SettingsError, match="'emotion' is no column"):
        read("audiofolder", tmp_path, pattern="(?P<emotion>.+)")


def wave(hertz: float) -> bytes:
    raw = io.BytesIO()
    samples = 0.3 * np.sin(2 * np.pi * hertz * np.arange(8_000) / 16_000)
    soundfile.write(raw, samples, 16_000, format="WAV")
    return raw.getvalue()


@pytest.fixture
def saved_set(tmp_path: Path) -> Path:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "audio": {"bytes": datasets.Value("binary"), "path": datasets.Value("string")},
            "emotion": datasets.ClassLabel(names=["joy", "anger"]),
            "spk": datasets.Value("int64"),
        }
    )

    def part(hertz: float) -> Any:
        sound = {"bytes": wave(hertz), "path": "a.wav"}
        columns = {"audio": [sound, sound], "emotion": [0, 1], "spk": [7, 8]}
        found = datasets.Dataset.from_dict(columns, features=features)
        return found.cast_column("audio", datasets.Audio())

    datasets.DatasetDict({"train": part(100), "test": part(200)}).save_to_disk(
        str(tmp_path / "set")
    )
    return tmp_path / "set"


def test_a_saved_set_is_read_with_its_class_names_and_parts(
    saved_set: Path, tmp_path: Path
) -> None:
    columns = {"audio": "audio", "label": "emotion", "speaker": "spk"}
    options = {"path": str(saved_set), "columns": columns, "taxonomy": "ekman-6"}
    found = read("huggingface", tmp_path / "own", **options)
    assert [u.split for u in found] == ["train", "train", "test", "test"]
    assert [u.gold for u in found[:2]] == [{"joy": 1.0}, {"anger": 1.0}]
    assert [u.speaker for u in found[:2]] == ["7", "8"]
    assert found[0].audio is not None
    assert found[0].audio.read_bytes() == wave(100)
    built = build_manifest(registry(), Store(tmp_path / "store"), "huggingface", options, None)
    assert built.counts["utterances"] == 4


def test_a_table_replaced_under_its_name_and_time_is_read_again(
    tmp_path: Path, write_clip: WriteClip
) -> None:
    pytest.importorskip("datasets")
    write_clip(tmp_path / "a.wav")
    (tmp_path / "set").mkdir()
    names = {"audio": "audio", "label": "label"}
    for label in ("fear", "calm"):
        table = tmp_path / "set" / "train.parquet"
        rows = {"audio": [str(tmp_path / "a.wav")], "label": [label]}
        pq.write_table(pa.table(rows), table)
        os.utime(table, (1e9, 1e9))
        options = {"path": str(tmp_path / "set"), "columns": names, "taxonomy": "ravdess-8"}
        [only] = read("huggingface", tmp_path / "own", **options)
        assert only.gold == {label: 1.0}


def test_decoded_samples_count_and_not_the_file_that_they_come_from(
    tmp_path: Path, write_clip: WriteClip
) -> None:
    datasets = pytest.importorskip("datasets")
    write_clip(tmp_path / "a.wav")
    samples = (0.3 * np.sin(np.arange(4_000) / 9)).tolist()
    sounds = [
        {"path": str(tmp_path / "a.wav"), "array": array, "sampling_rate": 8_000}
        for array in ([samples], [samples, samples])
    ]
    columns = {"audio": sounds, "label": ["joy", "other"], "speaker": ["Zoe\u0308", "Zoë"]}
    datasets.Dataset.from_dict(columns).save_to_disk(str(tmp_path / "set"))
    names = {"audio": "audio", "label": "label", "speaker": "Speaker"}
    mono, stereo = read("huggingface", tmp_path / "own", path=str(tmp_path / "set"), columns=names)
    for found, shape in ((mono, (4_000,)), (stereo, (4_000, 2))):
        assert found.audio is not None
        heard, rate = soundfile.read(found.audio)
        assert (heard.shape, rate) == (shape, 8_000)
        assert np.allclose(heard.T, samples, atol=1e-6)
    assert mono.speaker == stereo.speaker
    plugin = registry().create(
        "dataset", "huggingface", {"path": str(tmp_path / "set"), "leave_out": ["other"]}
    )
    assert len(list(plugin.utterances(tmp_path / "own"))) == 1
    assert "other 1" in plugin.notes[0]


def test_an_array_of_whole_numbers_is_refused(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    sound = {"path": None, "array": [1, 2], "sampling_rate": 8_000}
    datasets.Dataset.from_dict({"audio": [sound]}).save_to_disk(str(tmp_path / "set"))
    with pytest.raises(DataError, match=r"row 0: its audio must be an array of floats"):
        read("huggingface", tmp_path, path=str(tmp_path / "set"), columns={"audio": "audio"})


def test_a_set_that_is_not_here_is_not_fetched(saved_set: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no column 'mood'"):
        read("huggingface", tmp_path, path=str(saved_set), columns={"label": "mood"})
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="cannot be loaded"):
        read("huggingface", tmp_path, path=str(tmp_path / "empty"))


@pytest.fixture
def database(tmp_path: Path, write_clip: WriteClip) -> Path:
    audformat = pytest.importorskip("audformat")
    import pandas

    db = audformat.Database("calls", source="our hotline", license="internal", languages=["deu"])
    db.schemes["emotion"] = audformat.Scheme("str", labels=["joy", "anger"])
    db.schemes["speaker"] = audformat.Scheme("int")
    files = ["audio/a.wav", "audio/b.wav"]
    for file in files:
        write_clip(tmp_path / file)
    db["files"] = audformat.Table(audformat.filewise_index(files))
    db["files"]["speaker"] = audformat.Column(scheme_id="speaker")
    db["files"]["speaker"].set([3, 4])
    index = audformat.segmented_index(
        files, [pandas.Timedelta(0), "100ms"], [pandas.Timedelta("300ms"), pandas.NaT]
    )
    db["emotion.test"] = audformat.Table(index)
    db["emotion.test"]["emotion"] = audformat.Column(scheme_id="emotion")
    db["emotion.test"]["emotion"].set(["joy", "anger"])
    db.save(str(tmp_path), storage_format="csv")
    return tmp_path


# audformat itself calls pandas in a way that pandas has begun to warn of.
@pytest.mark.filterwarnings("ignore:The inplace keyword")
def test_an_audformat_table_gives_spans_and_looks_speakers_up_by_file(database: Path) -> None:
    plugin = registry().create(
        "dataset",
        "audformat",
        {
            "tables": ["emotion.test"],
            "columns": {"label": "emotion", "speaker": "speaker"},
            "taxonomy": "ekman-6",
        },
    )
    first, second = plugin.utterances(database)
    assert (first.start, first.end, first.speaker) == (None, 0.3, "3")
    assert (second.start, second.end, second.speaker) == (0.1, None, "4")
    assert (first.gold, second.gold) == ({"joy": 1.0}, {"anger": 1.0})
    assert (first.split, first.language) == ("test", "de")
    assert (plugin.card.title, plugin.card.licence) == ("calls", "internal")


@pytest.mark.filterwarnings("ignore:The inplace keyword")
def test_a_pickled_table_and_an_unknown_table_are_refused(database: Path) -> None:
    with pytest.raises(SettingsError, match="no table 'mood'"):
        read("audformat", database, tables=["mood"])
    (database / "db.emotion.test.pkl").write_bytes(b"")
    with pytest.raises(DataError, match="is a pickle"):
        read("audformat", database, tables=["emotion.test"])
