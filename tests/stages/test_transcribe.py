"""Transcribe: rows are named by sound and language, silence is gated, failures are named."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from speech_bench import Bench, tone

from lanser_bench.errors import DataError, PluginError, SettingsError
from lanser_bench.stages.transcribe import spec as transcribe
from lanser_bench.stages.transcribe.run import read_transcripts, rms_db
from lanser_bench.stages.transcribe.spec import Params
from lanser_bench.stages.transcribe.wer import normalised, word_errors
from lanser_bench.validation import validated


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def rows(bench: Bench, lengths: Sequence[int]) -> list[dict[str, Any]]:
    return [
        {"id": f"u{i}", "audio_sha": bench.clip(f"u{i}", tone(n)), "seconds": n / 16_000}
        for i, n in enumerate(lengths)
    ]


def test_transcripts_come_back_in_the_manifests_order(bench: Bench) -> None:
    lengths = [4000, 12000, 8000, 16000, 2000, 6000, 3000]
    spec, report = bench.run(bench.manifest(rows(bench, lengths)), bench.asr(), shard_rows=3)
    found = read_transcripts(bench.store, spec.key)
    assert list(found) == [f"u{i}" for i in range(7)]
    assert [t.text for t in found.values()] == [f"heard {n}" for n in lengths]
    assert found["u0"].avg_logprob == -0.5
    assert report.counts["shards"] > 1
    for call in bench.calls():
        given = json.loads(call.partition("]")[0] + "]")
        assert given == sorted(given)
        assert len(given) <= 3


def test_equal_sound_is_heard_once_whatever_its_id(bench: Bench) -> None:
    (row,) = rows(bench, [4000])
    table = [row, row | {"id": "again"}, row | {"id": "german", "language": "de"}]
    _, report = bench.run(bench.manifest(table), bench.asr())
    assert report.counts["distinct"] == 2
    renamed = [{**one, "id": f"new-{one['id']}"} for one in table]
    before = bench.calls()
    spec, report = bench.run(bench.manifest(renamed), bench.asr())
    assert not report.reused
    assert report.counts["shards_reused"] == report.counts["shards"]
    assert bench.calls() == before
    assert list(read_transcripts(bench.store, spec.key)) == ["new-u0", "new-again", "new-german"]


def test_the_recogniser_never_sees_the_manifests_words(bench: Bench) -> None:
    (row,) = rows(bench, [4000])
    bench.run(bench.manifest([row | {"transcript": "the answer"}]), bench.asr())
    assert bench.calls() == ["[4000] [None]"]


def test_silence_is_not_given_to_the_recogniser(bench: Bench) -> None:
    table = rows(bench, [4000])
    for name, level in (("digital", 0.0), ("quiet", 1e-4)):
        sha = bench.clip(name, tone(8000, level))
        table.append({"id": name, "audio_sha": sha, "seconds": 0.5})
    spec, report = bench.run(bench.manifest(table), bench.asr())
    found = read_transcripts(bench.store, spec.key)
    assert [t.text for t in found.values()] == ["heard 4000", "", ""]
    assert math.isnan(found["quiet"].no_speech_prob)
    assert (report.counts["silent"], report.counts["empty"]) == (2, 2)
    spec, report = bench.run(bench.manifest(table), bench.asr(), min_rms_db=-90.0)
    assert report.counts["silent"] == 1


def test_all_silent_batches_need_no_recogniser(bench: Bench) -> None:
    row = {"id": "a", "audio_sha": bench.clip("a", np.zeros(8000)), "seconds": 0.5}
    bench.run(bench.manifest([row]), bench.asr(fault="short"))
    assert bench.calls() == []


def test_word_errors_are_counted_against_the_references(bench: Bench) -> None:
    table = rows(bench, [4000, 8000, 6000])
    table[0]["transcript"] = "Heard: 4000!"
    table[1]["transcript"] = "she heard 9000"
    spec, report = bench.run(bench.manifest(table), bench.asr())
    wer = bench.summary(spec)["wer"]
    assert wer["utterances"] == 2
    assert (wer["words"], wer["substitutions"], wer["deletions"]) == (5, 1, 1)
    assert report.counts["wer"] == pytest.approx(2 / 5)
    # "she " goes and 9 becomes 8, of the 10 and 14 characters of the references.
    assert report.counts["cer"] == pytest.approx(5 / 24)


def test_doubtful_answers_are_counted(bench: Bench) -> None:
    table = rows(bench, [4000, 8000, 6000])
    spec, report = bench.run(bench.manifest(table), bench.asr())
    found = read_transcripts(bench.store, spec.key)
    assert [t.retried for t in found.values()] == [False, True, False]
    assert report.counts["retried"] == 1
    assert [t.truncated for t in found.values()] == [False, False, True]
    assert report.counts["truncated"] == 1


def test_reference_reads_the_manifest_and_opens_no_file(bench: Bench) -> None:
    table = [
        {"id": "a", "transcript": "one two three", "audio_sha": "f" * 64},
        {"id": "b", "transcript": None},
    ]
    spec, report = bench.run(bench.manifest(table), bench.asr("reference"))
    found = read_transcripts(bench.store, spec.key)
    assert [t.text for t in found.values()] == ["one two three", ""]
    assert bench.summary(spec) == {
        "utterances": 2,
        "empty": 1,
        "silent": 0,
        "retried": 0,
        "truncated": 0,
        "mean_words": 1.5,
        "wer": None,
    }
    table[0]["transcript"] = "another text"
    spec, report = bench.run(bench.manifest(table), bench.asr("reference"))
    assert read_transcripts(bench.store, spec.key)["a"].text == "another text"
    assert report.counts["shards_reused"] == 0


def test_utterances_without_sound_are_refused(bench: Bench) -> None:
    with pytest.raises(DataError, match="'b'"):
        bench.run(bench.manifest([*rows(bench, [4000]), {"id": "b"}]), bench.asr())


@pytest.mark.parametrize(
    ("fault", "kind", "sentence"),
    [
        ("crash", PluginError, r"failed on utterance 'u1': RuntimeError: no idea"),
        ("language", DataError, r"on utterance 'u\d': The speech is in 'de'"),
        ("crowd", PluginError, r"3 utterances together .* none alone"),
        ("short", PluginError, r"returned 0 results for 3 utterances"),
    ],
)
def test_a_failure_names_the_utterance(
    bench: Bench, fault: str, kind: type[Exception], sentence: str
) -> None:
    table = rows(bench, [4000, 8000, 6000])
    with pytest.raises(kind, match=sentence):
        bench.run(bench.manifest(table), bench.asr(fault=fault))


def test_what_was_finished_before_a_failure_is_kept(bench: Bench) -> None:
    lengths = [4000, 8000, 6000, 5000, 7000, 3000]
    utterances = bench.manifest(rows(bench, lengths))
    with pytest.raises(PluginError):
        bench.run(utterances, bench.asr(fault="crash"), shard_rows=1)
    first = len(bench.calls())
    with pytest.raises(PluginError):
        bench.run(utterances, bench.asr(fault="crash"), shard_rows=1)
    assert len(bench.calls()) == first + 1


def test_a_changed_setting_changes_the_key(bench: Bench) -> None:
    asr = bench.asr()
    base = {"utterances": "m" * 32, "asr": asr, "params": Params(), "threads": 2}
    changed = [
        {**base, "utterances": "n" * 32},
        {**base, "asr": bench.asr("reference")},
        {**base, "asr": asr.model_copy(update={"weights": "other"})},
        {**base, "params": Params(min_rms_db=-50)},
        {**base, "threads": 1},
    ]
    keys = {transcribe.spec(**kwargs).key for kwargs in [base, *changed]}
    assert len(keys) == 6


def test_settings_are_checked() -> None:
    with pytest.raises(SettingsError, match="Did you mean 'min_rms_db'"):
        validated(Params, {"min_rms": -50}, "transcribe")


def test_level_is_relative_to_full_scale() -> None:
    assert rms_db(np.full(100, 0.1, np.float32)) == pytest.approx(-20)
    assert rms_db(np.zeros(10, np.float32)) == -math.inf


def test_words_are_compared_without_case_and_signs() -> None:
    assert (
        normalised("“Don’t,” said the well-known KING_— Ça 3'!")
        == "don't said the well known king ça 3"
    )
    assert word_errors(["", "..."], ["a", "b"]) is None
    errors = word_errors(["one two", ""], ["", "invented"])
    assert errors is not None
    assert (errors.wer, errors.deletions, errors.utterances) == (1.0, 2, 1)
