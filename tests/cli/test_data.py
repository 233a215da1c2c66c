"""`lanser-bench data check`: what it prints, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lanser_bench.cli import main


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    root = tmp_path / "corpus"
    root.mkdir()
    (root / "manifest.csv").write_text(
        "id,audio,speaker\n" + "".join(f"u{i},{i}.wav,s{i}\n" for i in range(6))
    )
    for i in range(6):
        tone = 0.2 * np.sin(np.arange(8_000) * (i + 1) / 20)
        soundfile.write(root / f"{i}.wav", tone, 16_000)
    return root


def check(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["data", "check", *map(str, arguments)])
    return int(ended.value.code or 0)


def test_a_good_set_is_counted(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check("manifest", corpus, "--store", tmp_path / "store") == 0
    printed = capsys.readouterr().out
    for line in ("utterances: 6", "speakers: 6", "bad audio: 0", "usable: yes"):
        assert line in printed.splitlines()


def test_bad_recordings_are_named_and_exit_with_2(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(5):
        (corpus / f"{i}.wav").write_bytes(b"")
    assert check("manifest", corpus, "--store", tmp_path / "store") == 2
    captured = capsys.readouterr()
    assert "bad audio: 5: u0 (0.wav)" in captured.out
    assert captured.out.count("is empty") == 1, "one problem of many files is given once"
    assert "and 2 more: each is empty" in captured.out
    assert "usable: no" in captured.out
    assert "5 of 6 utterances" in captured.err
    assert "on_bad_audio: skip" in captured.err


def test_a_path_in_place_of_a_name_is_read_or_refused_with_the_command(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(corpus / "manifest.csv", "--store", corpus / "store") == 0
    assert f"command: lanser-bench data check manifest {corpus}" in capsys.readouterr().out
    assert leakage(corpus) == 2
    assert f"`lanser-bench data check {corpus}` proposes both" in capsys.readouterr().err


def test_skipping_makes_the_rest_usable(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (corpus / "0.wav").unlink()
    assert check("manifest", corpus, "on_bad_audio=skip", "--store", tmp_path / "s") == 0
    assert "bad audio: 1: u0 (0.wav) is missing" in capsys.readouterr().out


def test_notes_of_the_dataset_are_shown(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = corpus / "manifest.csv"
    table.write_text(table.read_text().replace("s3", "nan").replace("id,", "ID ,"))
    assert check("manifest", corpus, "--store", tmp_path / "store") == 0
    assert "note: manifest.csv: 'nan' in the column speaker counts" in capsys.readouterr().out
    assert check("manifest", corpus, "--json", "--store", tmp_path / "store") == 0
    assert len(json.loads(capsys.readouterr().out)["notes"]) == 1


def test_a_dry_run_shows_notes_of_datasets(
    corpus: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(corpus)
    rows = [f"{i}.wav,s{i},{label}\n" for i, label in enumerate(["joy", "anger", "NaT"] * 2)]
    (corpus / "manifest.csv").write_text("audio,speaker,label\n" + "".join(rows))
    target = "{dataset: manifest, root: ., options: {taxonomy: ekman-6}}"
    (corpus / "e.yaml").write_text(
        f"name: e\ncorpora: [{target}]\ntargets: [{target}]\nlabeler: random\n"
        "taxonomy: ekman-6\nencoder: logmel-stats\nevaluate: {folds: 2}\n"
    )
    with pytest.raises(SystemExit):
        main(["run", "e.yaml", "--dry-run"])
    assert "! manifest: manifest.csv: 'NaT' in the column label" in capsys.readouterr().out


def test_json_has_problems_and_counts(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (corpus / "1.wav").write_bytes((corpus / "0.wav").read_bytes())
    assert check("manifest", corpus, "--json", "--store", tmp_path / "store") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["usable"] is True
    assert found["counts"]["duplicates"] == 1
    assert found["problems"][0]["problem"] == "same sound as u0"


def test_rates_channels_and_formats_are_shown_with_a_warning(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tone = 0.2 * np.sin(np.arange(8_000) / 20)
    for i in range(8):
        soundfile.write(corpus / f"{i}.wav", tone * (1 + i / 8), 8_000 if i % 2 else 16_000)
    rows = (f"u{i},{i}.wav,{'joy' if i % 2 else 'anger'}" for i in range(8))
    (corpus / "manifest.csv").write_text("id,audio,label\n" + "\n".join(rows) + "\n")
    arguments = ("manifest", corpus, "taxonomy=ekman-6", "--store", tmp_path / "store")
    assert check(*arguments) == 0
    printed = capsys.readouterr().out.splitlines()
    for line in (
        "sample rates (Hz): 16000 (4), 8000 (4)",
        "channels: 1 (8)",
        "formats: WAV PCM_16 (8)",
    ):
        assert line in printed
    assert any(line.startswith("warning: The sample rate follows the labels") for line in printed)
    assert check(*arguments, "--json") == 0
    counts = json.loads(capsys.readouterr().out)["counts"]
    assert counts["sample_rates"] == {"16000": 4, "8000": 4}
    assert len(counts["warnings"]) == 1


def test_json_is_printed_even_if_the_folder_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("ravdess", tmp_path / "none", "--json", "--store", tmp_path / "store")
    assert check(*arguments) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["usable"] is False
    assert "does not exist" in found["faults"][0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ravdes", "x"], "Did you mean 'ravdess'"),
        (["ravdess"], "needs its folder"),
        (["manifest", ".", "taxonomi=x"], "Did you mean 'taxonomy'"),
        (["manifest", ".", "on_bad_audio=drop"], "'stop' or 'skip'"),
        (["manifest", ".", "limit=none"], "'limit' is 'none'"),
        (["manifest", ".", "oops"], "not of the form key=value"),
        (["manifest", ".", "columns={"], "Quote a text"),
    ],
)
def test_a_wrong_call_gets_a_sentence_and_2(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(*arguments, "--store", tmp_path / "store") == 2
    assert message in capsys.readouterr().err


@pytest.mark.data
def test_the_identical_pair_of_ravdess_is_found(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check("ravdess", data_root / "ravdess", "--store", tmp_path / "store") == 0
    printed = capsys.readouterr().out
    assert "utterances: 1080" in printed
    assert "speakers: 18" in printed
    assert "same sound as 03-01-03-01-02-01-07" in printed


def leakage(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["data", "leakage", *map(str, arguments)])
    return int(ended.value.code or 0)


@pytest.fixture
def two_speakers(corpus: Path) -> Path:
    table = corpus / "manifest.csv"
    speakers = ["anna", "anna", "anna", "ben", "ben", "ben"]
    labels = ["joy", "anger", "joy", "anger", "joy", "anger"]
    rows = (f"u{i},{i}.wav,{speakers[i]},{labels[i]},s{i % 3}" for i in range(6))
    table.write_text("id,audio,speaker,label,sentence_id\n" + "\n".join(rows) + "\n")
    return corpus


def test_the_same_sound_of_two_speakers_is_refused_by_name(
    two_speakers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("manifest", two_speakers, "taxonomy=ekman-6", "--folds", 2, "--store", tmp_path)
    assert leakage(*arguments) == 0
    assert "say a scripted sentence that the training side says too" in capsys.readouterr().out
    (two_speakers / "4.wav").write_bytes((two_speakers / "0.wav").read_bytes())
    assert leakage(*arguments, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["identical"] == [["u0", "u4"]]
    assert "the same recorded sound is on both sides" in found["refused"][0]
    assert {"u0", "u4"} <= set(found["refused"][0].replace(",", "").split())


def test_too_few_speakers_are_said_of_the_dataset(
    two_speakers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leakage("manifest", two_speakers, "taxonomy=ekman-6", "--store", tmp_path) == 2
    assert "dataset 'manifest': 5 speaker folds need" in capsys.readouterr().err


def test_a_corpus_that_holds_the_test_speakers_is_refused(
    two_speakers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("manifest", two_speakers, "taxonomy=ekman-6", "--folds", 2, "--store", tmp_path)
    unlabelled = tmp_path / "unlabelled"
    unlabelled.mkdir()
    audio = two_speakers / "5.wav"
    (unlabelled / "manifest.csv").write_text(f"id,audio,speaker\nx,{audio},anna\n")
    assert leakage(*arguments, "--corpus", f"manifest={unlabelled}") == 1
    assert "`--corpus manifest=" in capsys.readouterr().err
    assert leakage(*arguments, "--corpus", "it's") == 2
    assert "cannot be split: No closing quotation" in capsys.readouterr().err
    assert leakage(*arguments, "--corpus", f"manifest '{unlabelled}'") == 1
    refused = "refused: pre-training on manifest uses 1 of 6 utterances (u5) and 1 of 2 speakers"
    assert refused in capsys.readouterr().out


@pytest.mark.data
def test_the_one_identical_pair_of_ravdess_is_found(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leakage("ravdess", data_root / "ravdess", "--store", tmp_path) == 0
    pair = "same sound: 03-01-03-01-02-01-07, 03-01-03-01-02-02-07"
    assert pair in capsys.readouterr().out
