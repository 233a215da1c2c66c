"""Recordings of any length are labelled in pieces; an unreadable one does not stop the others."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from lanser_bench import Span, Speech, load_model
from lanser_bench.audio import decode
from lanser_bench.cli import main
from lanser_bench.errors import DataError
from lanser_bench.kinds import PluginOptions, Segmenter
from lanser_bench.model import SERModel, export_cell
from lanser_bench.model import predict as module
from lanser_bench.model.predict import find_audio

from .conftest import Finished


@pytest.fixture(scope="module")
def folder(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("model") / "m"
    return export_cell(finished.records["main"], place, finished.store)


@pytest.fixture(scope="module")
def model(folder: Path) -> SERModel:
    return load_model(folder)


def noise(path: Path, seconds: float, rate: int = 16_000) -> Path:
    rng = np.random.default_rng(int(seconds))
    level = np.repeat(rng.uniform(0.01, 0.3, int(seconds) + 1), rate)[: int(seconds * rate)]
    sf.write(path, level * rng.normal(size=len(level)).clip(-3, 3) / 3, rate)
    return path


def test_a_short_recording_is_one_segment(model: SERModel, tmp_path: Path) -> None:
    path = noise(tmp_path / "a.wav", 3)
    found = model.predict(path)
    assert [(s.start, s.end) for s in found.segments] == [(0, 3)]
    [row] = model.scores([decode(path)])
    np.testing.assert_allclose(list(found.scores.values()), row, atol=1e-6)
    assert found.label == model.labels[int(row.argmax())]


def test_a_long_recording_is_cut_and_its_scores_are_weighted_by_length(
    model: SERModel, tmp_path: Path
) -> None:
    path = noise(tmp_path / "a.flac", 44, 22_050)
    found = model.predict(path)
    assert [(s.start, s.end) for s in found.segments] == [
        (0, 10),
        (10, 20),
        (20, 30),
        (30, 40),
        (40, 44),
    ]
    alone = model.scores([decode(path, s.start, s.end) for s in found.segments])
    np.testing.assert_allclose([list(s.scores.values()) for s in found.segments], alone, atol=1e-5)
    np.testing.assert_allclose(
        list(found.scores.values()), np.average(alone, 0, [10, 10, 10, 10, 4]), atol=1e-5
    )


class Bursts(Segmenter[PluginOptions]):
    """Finds what is loud, with the longest stretch it was ever given kept."""

    version = "1"
    longest = 0.0

    def segment(self, recording: Speech) -> list[Span]:
        type(self).longest = max(self.longest, recording.seconds)
        loud = np.abs(recording.samples.reshape(-1, 1600)).max(1) > 0.1
        edges = np.flatnonzero(np.diff(np.r_[0, loud, 0]))
        return [Span(a / 10, b / 10) for a, b in edges.reshape(-1, 2)]


def test_an_utterance_across_two_stretches_is_not_cut(
    model: SERModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK_S", 10.0)
    samples = np.zeros(45 * 16_000, np.float32)
    spans = [(1, 3), (8, 12), (19.5, 20.5), (30, 33), (44, 45)]
    for begin, end in spans:
        samples[int(begin * 16_000) : int(end * 16_000)] = 0.5
    sf.write(tmp_path / "a.wav", samples, 16_000)
    found = model.predict(tmp_path / "a.wav", Bursts(PluginOptions()))
    assert [(round(s.start, 2), round(s.end, 2)) for s in found.segments] == spans
    assert Bursts.longest == 10.0


def test_a_recording_without_speech_has_no_label(model: SERModel, tmp_path: Path) -> None:
    sf.write(tmp_path / "a.wav", np.zeros(16_000), 16_000)
    found = model.predict(tmp_path / "a.wav", Bursts(PluginOptions()))
    assert (found.label, found.segments) == (None, [])


UNHEARD = {
    "zeros": (np.zeros(16_000), "is silent"),
    "constant": (np.full(16_000, 0.2), "is silent: all its samples have the same value"),
    "one": (np.full(1, 0.01), "lasts 0.000 s, shorter than 0.1 s"),
    "short": (0.3 * np.sin(np.arange(800)), "lasts 0.050 s, shorter than 0.1 s"),
    "cancelling": (
        np.sin(np.arange(16_000))[:, None] * [0.3, -0.3],
        "its channels cancel each other",
    ),
}


@pytest.mark.parametrize("kind", UNHEARD)
def test_a_recording_in_which_a_model_gets_nothing_has_no_label(
    model: SERModel, tmp_path: Path, kind: str
) -> None:
    samples, reason = UNHEARD[kind]
    sf.write(tmp_path / "a.wav", samples, 16_000)
    found = model.predict(tmp_path / "a.wav")
    assert (found.label, found.scores, found.segments) == (None, {}, [])
    assert reason in found.reason
    assert reason in found.as_json()["reason"]


def test_a_silent_segment_has_no_label_and_no_weight(model: SERModel, tmp_path: Path) -> None:
    path = noise(tmp_path / "a.wav", 40)
    samples, rate = sf.read(path)
    samples[10 * rate : 20 * rate] = 0
    sf.write(path, samples, rate)
    found = model.predict(path)
    assert [s.label is None for s in found.segments] == [False, True, False, False]
    assert found.segments[1].reason == "is silent"
    heard = [list(s.scores.values()) for s in found.segments if s.label is not None]
    np.testing.assert_allclose(list(found.scores.values()), np.mean(heard, 0), atol=1e-6)


def test_files_folders_and_patterns_are_found_once_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("b.wav", "in/c.MP3", "in/d.txt"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    found = find_audio(["b.wav", "*.wav", "in", str(tmp_path / "in" / "*.MP3"), "gone.wav"])
    assert [str(p.relative_to(tmp_path) if p.is_absolute() else p) for p in found] == [
        "b.wav",
        "in/c.MP3",
        "in/c.MP3",
        "gone.wav",
    ]
    with pytest.raises(DataError, match="No recording"):
        find_audio(["*.flac"])


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["predict", *map(str, arguments)])
    return int(caught.value.code or 0)


def test_an_unreadable_file_is_named_and_the_others_are_labelled(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.wav").write_text("no sound")
    noise(tmp_path / "b.wav", 1)
    assert run(folder, tmp_path, "--format", "jsonl") == 1
    printed = capsys.readouterr()
    [line] = printed.out.splitlines()
    assert json.loads(line)["file"].endswith("b.wav")
    assert "a.wav" in printed.err
    assert "1 recordings could not be labelled" in printed.err


def test_every_format_says_why_there_is_no_label(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.wav"
    sf.write(path, np.zeros(8_000), 16_000)
    assert run(folder, path) == 0
    assert capsys.readouterr().out == f"{path}  →  no label: it is silent\n"
    assert run(folder, path, "--format", "jsonl") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["label"], found["reason"]) == (None, "is silent")
    assert run(folder, path, "--format", "csv") == 0
    [row] = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["start"], row["end"], row["label"]) == ("0.000", "0.500", "")
    assert row["reason"] == "is silent"
    assert {row[name] for name in ("glad", "sad", "plain")} == {""}


def test_sound_of_other_formats_in_a_folder_is_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x1cftypM4A " + bytes(99))
    assert run(folder, tmp_path) == 1
    assert "a.m4a is in MPEG-4" in capsys.readouterr().err


def test_odd_names_of_recordings_are_shown_in_every_format(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (b"a\x1b[31m\x07.wav", b"b\xff.wav", b"=1+1.wav"):
        noise(tmp_path / "x.wav", 1).rename(tmp_path / os.fsdecode(name))
    sf.write(tmp_path / "silent\x1b[31m.wav", np.zeros(8_000), 16_000)
    for form in ("text", "jsonl", "csv"):
        assert run(folder, tmp_path, "--format", form, "-o", tmp_path / "out") == 0
        text = (tmp_path / "out").read_text(encoding="utf-8")
        assert text.replace("\n", "").isprintable()
        assert len(text.splitlines()) == 4 + (form == "csv")
    assert capsys.readouterr().out == ""


def test_csv_has_a_row_per_segment(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = noise(tmp_path / "a,b.wav", 21)
    options = ("--segmenter", "windows", "--option", "length_s=7", "-o", tmp_path / "out.csv")
    assert run(folder, path, "--format", "csv", *options) == 0
    assert capsys.readouterr().out == ""
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert [r["start"] for r in rows] == ["0.000", "7.000", "14.000"]
    assert {r["file"] for r in rows} == {str(path)}
    for row in rows:
        scores = {k: float(v) for k, v in row.items() if k in ("glad", "sad", "plain")}
        assert row["label"] == max(scores, key=lambda name: scores[name])
    assert run(folder, path, "--option", "length_s=7") == 2
