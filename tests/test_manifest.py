"""Manifests: what makes their key, what they refuse, what they keep."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from lanser_bench import DataError, SettingsError, Utterance
from lanser_bench.data.listing import Part, spread
from lanser_bench.data.manifest import BuiltManifest, build_manifest
from lanser_bench.data.utterances import (
    UtteranceTable,
    iter_utterances,
    read_summary,
    read_utterances,
)
from lanser_bench.errors import StoreError
from lanser_bench.plugins.discovery import Registry, load_plugins
from lanser_bench.store import LostError, Store
from lanser_bench.store.upkeep import garbage

RATE = 16_000


def tone(seconds: float = 0.5, hertz: float = 220.0, rate: int = RATE) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def write_table(root: Path, rows: list[Mapping[str, Any]]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with (root / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def plugins() -> Registry:
    return load_plugins(only="")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Four clips of two speakers, listed in a table, with gold labels."""
    root = tmp_path / "corpus"
    labels = ["anger", "joy", "fear", "neutral"]
    write_table(
        root,
        [
            {"id": f"u{i}", "audio": f"{i}.wav", "speaker": f"s{i % 2}", "label": label}
            for i, label in enumerate(labels)
        ],
    )
    for i in range(4):
        soundfile.write(root / f"{i}.wav", tone(hertz=200 + 50 * i), RATE)
    return root


Build = Callable[..., BuiltManifest]


@pytest.fixture
def build(plugins: Registry, store: Store) -> Build:
    def built(root: Path, options: Mapping[str, Any] | None = None, **more: Any) -> BuiltManifest:
        given = {"taxonomy": "goemotions-ekman", **(options or {})}
        return build_manifest(plugins, store, "manifest", given, root, **more)

    return built


def test_the_table_of_utterances_comes_back_as_it_was(build: Build, corpus: Path) -> None:
    built = build(corpus)
    table = read_utterances(built.artifact)
    assert table.ids == ["u0", "u1", "u2", "u3"]
    assert table.speakers == ["manifest:s0", "manifest:s1"] * 2
    assert table.seconds == [0.5] * 4
    assert table.start == [None] * 4
    assert table.labels(["joy", "anger"]).tolist() == [1, 0, -1, -1]
    assert built.counts["labels"] == {"anger": 1, "fear": 1, "joy": 1, "neutral": 1}
    assert read_summary(built.artifact)["card"]["taxonomy"] == "goemotions-ekman"


def test_the_same_set_in_another_folder_is_the_same_manifest(
    build: Build, corpus: Path, tmp_path: Path
) -> None:
    first = build(corpus)
    moved = shutil.copytree(corpus, tmp_path / "elsewhere")
    second = build(moved)
    assert second.key == first.key
    paths = json.loads(second.paths.read_text())
    assert {Path(path).parent for path in paths.values()} == {moved}


def test_no_path_of_this_machine_is_in_the_artifact(build: Build, corpus: Path) -> None:
    artifact = build(corpus).artifact
    for file in artifact.path.iterdir():
        assert str(corpus).encode() not in file.read_bytes(), file.name


def test_equal_file_names_with_other_sound_are_another_manifest(
    build: Build, corpus: Path, tmp_path: Path
) -> None:
    first = build(corpus)
    other = shutil.copytree(corpus, tmp_path / "other")
    soundfile.write(other / "0.wav", tone(hertz=999), RATE)
    second = build(other)
    assert second.key != first.key
    assert read_utterances(second.artifact).ids == read_utterances(first.artifact).ids


@pytest.mark.parametrize(
    "options", [{"language": "en"}, {"name": "calls"}, {"gold_kind": "distribution"}]
)
def test_an_option_that_changes_rows_changes_the_key(
    build: Build, corpus: Path, options: dict[str, str]
) -> None:
    assert build(corpus, options).key != build(corpus).key


def test_what_was_skipped_is_in_the_key(build: Build, corpus: Path) -> None:
    """The same rows are another set where something was left out of it."""
    (corpus / "3.wav").write_bytes(b"no sound")
    skipped = build(corpus, on_bad_audio="skip")
    table = corpus / "manifest.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    without = build(corpus)
    ids = [read_utterances(built.artifact).ids for built in (skipped, without)]
    assert ids[0] == ids[1] == ["u0", "u1", "u2"]
    assert skipped.key != without.key


def test_a_changed_label_changes_the_key(build: Build, corpus: Path) -> None:
    before = build(corpus).key
    table = corpus / "manifest.csv"
    table.write_text(table.read_text().replace("anger", "disgust"))
    assert build(corpus).key != before


def test_a_second_look_decodes_nothing(
    build: Build, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(corpus)

    def refuse(path: Path) -> None:
        raise AssertionError(f"{path} was decoded again")

    monkeypatch.setattr("lanser_bench.data.audio_memo.inspect", refuse)
    assert build(corpus).key == first.key


def test_a_replaced_recording_is_looked_at_again(build: Build, corpus: Path) -> None:
    first = read_utterances(build(corpus).artifact)
    soundfile.write(corpus / "2.wav", tone(seconds=0.75), RATE)
    second = read_utterances(build(corpus).artifact)
    assert first.seconds[2] == 0.5
    assert second.seconds[2] == 0.75


def test_a_set_replaced_by_one_of_equal_names_sizes_and_times_is_another(
    build: Build, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by ``unzip v1; run; rm -rf set; unzip v2; run``; file systems reuse inodes, too."""
    files = sorted(corpus.glob("*.wav"))

    def changed() -> int:
        for file in files:
            os.utime(file, ns=(10**18, 10**18))
        return max(file.stat().st_ctime_ns for file in files)

    now = changed() + 10**10  # as if the set had lain there for some time
    monkeypatch.setattr("lanser_bench.store.hashes.time.time_ns", lambda: now)
    first = build(corpus)
    inodes, last = [file.stat().st_ino for file in files], changed()
    for i, file in enumerate(files):
        size = file.stat().st_size
        soundfile.write(file, tone(hertz=310 + 50 * i), RATE)
        assert file.stat().st_size == size
    while changed() == last:
        pass  # until the kernel's clock ticks
    assert [file.stat().st_ino for file in files] == inodes
    second = build(corpus)
    assert second.key != first.key
    shas = [read_utterances(built.artifact).audio_sha for built in (first, second)]
    assert not set(shas[0]) & set(shas[1])


def test_facts_are_not_kept_of_a_recording_that_was_replaced_after_its_hash(
    build: Build, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lanser_bench.data import audio_memo as audiomemo

    really = audiomemo.inspect

    def late(path: Path) -> object:
        if path.name == "2.wav":
            soundfile.write(path, tone(seconds=0.75), RATE)
        return really(path)

    monkeypatch.setattr(audiomemo, "inspect", late)
    with pytest.raises(DataError, match=r"u2 \(2\.wav\) changed while it was being read"):
        build(corpus)
    monkeypatch.setattr(audiomemo, "inspect", really)
    assert read_utterances(build(corpus).artifact).seconds == [0.5, 0.5, 0.75, 0.5]


def test_a_missing_folder_is_named(build: Build, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere of dataset 'manifest' does not exist"):
        build(tmp_path / "nowhere")


def test_an_empty_folder_is_named(build: Build, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty of dataset 'manifest' is empty"):
        build(tmp_path / "empty")


def test_a_file_in_place_of_a_folder_is_named(build: Build, corpus: Path) -> None:
    with pytest.raises(DataError, match=r"manifest.csv is not a folder"):
        build(corpus / "manifest.csv")


def test_a_table_without_rows_is_refused(build: Build, tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "manifest.csv").write_text("id,audio\n")
    with pytest.raises(DataError, match="finds no utterance"):
        build(tmp_path / "corpus")


def test_a_doubled_id_is_named_with_both_places(build: Build, corpus: Path) -> None:
    rows = [{"id": "twin", "audio": "0.wav"}, {"id": "u", "audio": "1.wav"}]
    write_table(corpus, [*rows, {"id": "twin", "audio": "2.wav"}])
    with pytest.raises(DataError, match=r"'twin' at .*manifest.csv, line 2 and at .*, line 4"):
        build(corpus)


def test_a_row_that_occurs_twice_is_one_utterance(build: Build, corpus: Path) -> None:
    before = build(corpus)
    table = corpus / "manifest.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[1]]) + "\n")
    built = build(corpus)
    assert built.key == before.key
    (note,) = built.notes
    assert note.startswith("1 utterance occurs more than once with equal sound; one copy is used:")
    table.write_text("\n".join([*lines, lines[1].replace("anger", "joy")]) + "\n")
    with pytest.raises(DataError, match=r"\(different gold\)\. Rename them"):
        build(corpus)


def test_copies_count_once_before_a_limit(build: Build, corpus: Path) -> None:
    table = corpus / "manifest.csv"
    limited = build(corpus, part=Part(limit=3))
    table.write_text(table.read_text() + "".join(table.read_text().splitlines(True)[1:]))
    assert build(corpus, part=Part(limit=3)).key == limited.key


def test_an_unknown_label_is_named_with_line_and_suggestion(build: Build, corpus: Path) -> None:
    table = corpus / "manifest.csv"
    table.write_text(table.read_text().replace("anger", "angr"))
    expected = r"u0 \(.*manifest.csv, line 2\): 'angr' is not a label .* Did you mean 'anger'"
    with pytest.raises(DataError, match=expected):
        build(corpus)


def test_an_unknown_label_is_named_once_with_how_often_it_is_there(
    build: Build, corpus: Path
) -> None:
    table = corpus / "manifest.csv"
    table.write_text(re.sub("anger|joy|sadness", "froh", table.read_text()))
    with pytest.raises(
        DataError, match=r"u0 .* and \d more: 'froh' .*The option `labels`"
    ) as found:
        build(corpus)
    assert str(found.value).count("'froh' is not a label") == 1


def test_gold_without_a_taxonomy_is_refused(build: Build, corpus: Path) -> None:
    with pytest.raises(DataError, match=r"names no taxonomy.*option `taxonomy`"):
        build(corpus, {"taxonomy": None})


def test_weights_of_a_distribution_must_add_up_to_one(build: Build, corpus: Path) -> None:
    gold = json.dumps({"joy": 0.5, "fear": 0.2})
    write_table(corpus, [{"id": "u", "audio": "0.wav", "gold": gold, "gold_kind": "distribution"}])
    with pytest.raises(DataError, match=r"must add up to 1, not 0\.7"):
        build(corpus)


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ({"start": 0.4, "end": 0.2}, "ends before it begins"),
        ({"start": 0.2, "end": 0.2}, "ends before it begins"),
        ({"start": 0.1, "end": 0.9}, r"past the end of its recording \(0.50 s\)"),
        ({"start": 0.7, "end": ""}, "past the end"),
        ({"start": -0.1, "end": 0.3}, "is not a span"),
        ({"start": 0.1, "end": 0.15}, "lasts 0.050 s"),
    ],
)
def test_a_bad_span_is_named(
    build: Build, corpus: Path, span: dict[str, Any], message: str
) -> None:
    write_table(corpus, [{"id": "u", "audio": "0.wav", **span}])
    with pytest.raises(DataError, match=message):
        build(corpus)


def test_spans_of_one_recording_are_utterances_of_their_own(build: Build, corpus: Path) -> None:
    rows = [
        {"id": "a", "audio": "0.wav", "start": 0, "end": 0.2},
        {"id": "b", "audio": "0.wav", "start": 0.2, "end": ""},
    ]
    write_table(corpus, rows)
    built = build(corpus)
    table = read_utterances(built.artifact)
    assert table.seconds == [0.2, 0.3]
    assert table.audio_sha[0] == table.audio_sha[1]
    assert built.counts["recordings"] == 1
    assert built.counts["duplicates"] == 0


def write_nan(path: Path) -> None:
    samples = tone()
    samples[100] = np.nan
    soundfile.write(path, samples, RATE, "FLOAT")


def write_truncated(path: Path) -> None:
    flac = path.with_suffix(".flac")
    soundfile.write(flac, np.random.default_rng(0).normal(0, 0.1, RATE), RATE)
    path.write_bytes(flac.read_bytes()[: flac.stat().st_size // 2])


BAD: dict[str, Callable[[Path], object]] = {
    "unreadable": lambda path: path.write_text("this is no sound"),
    "empty file": lambda path: path.write_bytes(b""),
    "zero seconds": lambda path: soundfile.write(path, np.zeros(0), RATE),
    "too short": lambda path: soundfile.write(path, tone(seconds=0.01), RATE),
    "NaN": write_nan,
    "truncated": write_truncated,
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_recording_stops_with_its_name(build: Build, corpus: Path, fault: str) -> None:
    BAD[fault](corpus / "1.wav")
    with pytest.raises(DataError, match=r"1 of 4 utterances.*u1 \(1\.wav\).*on_bad_audio: skip"):
        build(corpus)


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_recording_is_skipped_counted_and_named(
    build: Build, corpus: Path, fault: str
) -> None:
    BAD[fault](corpus / "1.wav")
    built = build(corpus, on_bad_audio="skip")
    assert read_utterances(built.artifact).ids == ["u0", "u2", "u3"]
    assert built.counts["bad_audio"] == 1
    (problem,) = built.problems
    assert (problem["utterance"], problem["file"]) == ("u1", "1.wav")
    assert problem["problem"]
    assert read_summary(built.artifact)["problems"] == built.problems


def test_nothing_left_after_skipping_is_refused(build: Build, corpus: Path) -> None:
    for i in range(4):
        (corpus / f"{i}.wav").write_bytes(b"")
    with pytest.raises(DataError, match="None of the 4 utterances"):
        build(corpus, on_bad_audio="skip")


@pytest.mark.parametrize(
    ("rate", "channels", "subtype"),
    [(16_000, 2, "PCM_16"), (48_000, 1, "PCM_24"), (8_000, 1, "PCM_U8")],
)
def test_unusual_but_good_recordings_are_used(
    build: Build, corpus: Path, rate: int, channels: int, subtype: str
) -> None:
    samples = np.repeat(tone(rate=rate)[:, None], channels, axis=1)
    soundfile.write(corpus / "1.wav", samples, rate, subtype)
    built = build(corpus)
    assert built.counts["utterances"] == 4
    assert read_utterances(built.artifact).seconds[1] == pytest.approx(0.5)


def test_equal_sound_silence_and_clipping_are_counted_and_named(build: Build, corpus: Path) -> None:
    shutil.copy(corpus / "0.wav", corpus / "1.wav")
    soundfile.write(corpus / "2.wav", np.zeros(RATE), RATE)
    soundfile.write(corpus / "3.wav", np.clip(9 * tone(), -1, 1), RATE)
    built = build(corpus)
    found = {(p["utterance"], p["kind"]) for p in built.problems}
    assert found == {("u1", "duplicate"), ("u2", "silent"), ("u3", "clipped")}
    assert [built.counts[k] for k in ("utterances", "duplicates", "silent", "clipped")] == [
        4,
        1,
        1,
        1,
    ]
    assert "same sound as u0" in {p["problem"] for p in built.problems}


def test_silence_is_judged_on_what_a_model_gets(build: Build, corpus: Path) -> None:
    before = build(corpus).key
    soundfile.write(corpus / "1.wav", np.stack([tone(), -tone()], 1), RATE)
    soundfile.write(corpus / "2.wav", np.stack([tone(), 0 * tone()], 1), RATE)
    soundfile.write(corpus / "3.wav", np.full(RATE, 0.2), RATE)
    built = build(corpus)
    assert built.key != before
    assert {(p["utterance"], p["kind"]) for p in built.problems} == {
        ("u1", "silent"),
        ("u2", "odd channels"),
        ("u3", "silent"),
    }
    assert (built.counts["silent"], built.counts["odd_channels"]) == (2, 1)


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
def test_a_name_that_is_no_text_is_refused(
    plugins: Registry, store: Store, corpus: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "set" / "joy"
    folder.mkdir(parents=True)
    shutil.copy(corpus / "0.wav", os.fsencode(folder) + b"/caf\xe9.wav")
    with pytest.raises(DataError, match=r"joy/caf\\udce9\.wav' is not valid UTF-8"):
        build_manifest(plugins, store, "audiofolder", {}, tmp_path / "set")


def test_a_silent_span_of_a_loud_recording_is_counted(build: Build, corpus: Path) -> None:
    soundfile.write(corpus / "0.wav", np.r_[tone(), np.zeros(RATE), tone()], RATE)
    spans = [(0, 0.5), (0.5, 1.5), (1.5, ""), (0.4, 1.6)]
    rows = [{"id": f"{a}", "audio": "0.wav", "start": a, "end": b} for a, b in spans]
    write_table(corpus, rows)
    assert [p["utterance"] for p in build(corpus).problems] == ["0.5"]


def test_float_samples_beyond_full_scale_are_named(build: Build, corpus: Path) -> None:
    soundfile.write(corpus / "1.wav", 300 * tone(), RATE, "FLOAT")
    (problem,) = build(corpus).problems
    assert (problem["kind"], problem["problem"]) == ("clipped", "exceeds full scale (peak 90)")


def test_equal_samples_in_other_bytes_are_counted_by_themselves(build: Build, corpus: Path) -> None:
    samples, rate = soundfile.read(corpus / "0.wav", dtype="int16")
    soundfile.write(corpus / "1.wav", samples, rate, format="FLAC")
    shutil.copy(corpus / "1.wav", corpus / "2.wav")
    soundfile.write(corpus / "3.wav", samples, rate // 2)
    built = build(corpus)
    assert {(p["utterance"], p["problem"]) for p in built.problems} == {
        ("u1", "same samples as u0"),
        ("u2", "same sound as u1"),
    }
    assert (built.counts["duplicates"], built.counts["re_encoded"]) == (1, 1)


def test_a_refused_dataset_leaves_no_artifact(build: Build, corpus: Path, store: Store) -> None:
    (corpus / "1.wav").write_bytes(b"")
    with pytest.raises(DataError):
        build(corpus)
    assert list(store.keys()) == []


def test_a_damaged_manifest_is_made_again_with_a_note(
    build: Build, corpus: Path, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    first = build(corpus)
    paths = store.root / "paths" / f"{first.key}.json"
    listed = paths.read_bytes()
    (first.artifact.path / "utterances.parquet").write_bytes(b"rot")
    paths.write_bytes(listed[:-3])
    again = build(corpus)
    assert again.key == first.key
    assert again.artifact.faults() == []
    assert paths.read_bytes() == listed
    damaged, lost = (record.getMessage() for record in caplog.records)
    assert "is damaged: utterances.parquet has 3 bytes" in damaged
    assert lost.startswith(f"The cache {paths} is damaged")


def test_a_manifest_that_a_plan_in_the_making_uses_is_no_garbage(
    build: Build, corpus: Path, store: Store
) -> None:
    def grow_old() -> None:
        for path in [*first.artifact.path.iterdir(), first.artifact.path]:
            os.utime(path, (0, 0))

    first = build(corpus)
    grow_old()
    assert [one.key for one in garbage(store, set())] == [first.key]
    assert build(corpus).key == first.key
    assert garbage(store, set()) == []


def test_utterances_that_are_removed_while_they_are_read_are_a_sentence(
    build: Build, corpus: Path, store: Store
) -> None:
    artifact = build(corpus).artifact
    (artifact.path / "utterances.parquet").unlink()
    with pytest.raises(StoreError, match=r"contains no utterances\.parquet"):
        read_utterances(artifact)
    store.discard(artifact.key)
    with pytest.raises(LostError, match="Run the same command again"):
        read_utterances(artifact)
    with pytest.raises(LostError, match="Run the same command again"):
        next(iter_utterances(artifact, 2))


def test_a_limit_below_one_is_refused(build: Build, corpus: Path) -> None:
    with pytest.raises(SettingsError, match="limit is 0"):
        build(corpus, part=Part(limit=0))


def test_a_limit_keeps_speakers_and_labels_apart_and_the_order() -> None:
    labels = ["a", "b", "c", "d"]
    everyone = [
        Utterance(id=f"{s}-{label}-{i}", speaker=f"s{s}", gold={label: 1.0})
        for s in range(6)
        for label in labels
        for i in range(5)
    ]
    kept = spread(everyone, 24)
    assert [u for u in everyone if u in kept] == kept
    cells = {(u.speaker, *u.gold) for u in kept}
    assert len(cells) == len(kept) == 24
    assert {u.id for u in spread(everyone[::-1], 24)} == {u.id for u in kept}
    assert spread(everyone, 1000) == everyone


def test_hours_are_spread_over_speakers_and_smaller_amounts_are_subsets(
    build: Build, tmp_path: Path
) -> None:
    """s0 speaks 0.4 s at a time, s1 0.8 s, s2 has a single clip."""
    root, rng = tmp_path / "hours", np.random.default_rng(0)
    lengths = {"s0": [0.4] * 12, "s1": [0.8] * 6, "s2": [0.5]}
    rows = [
        {"id": f"{speaker}-{i}", "audio": f"{speaker}-{i}.wav", "speaker": speaker, "label": "joy"}
        for speaker, clips in lengths.items()
        for i in range(len(clips))
    ]
    write_table(root, rows)
    for row in rows:
        seconds = lengths[row["speaker"]][0]
        noise = rng.normal(0, 0.1, round(RATE * seconds))
        soundfile.write(root / row["audio"], noise, RATE)
    before: set[str] = set()
    for seconds in (0.6, 2.0, 4.1, 7.3, 10.1):
        table = read_utterances(build(root, part=Part(hours=seconds / 3600)).artifact)
        ids = set(table.ids)
        spoken = {s: sum(lengths[s][0] for i in ids if i.startswith(s)) for s in lengths}
        assert before <= ids
        assert sum(spoken.values()) <= seconds + 1e-9
        assert sum(spoken.values()) > seconds - 0.8 or len(ids) == len(rows)
        assert abs(spoken["s0"] - spoken["s1"]) <= 0.8 + 1e-9
        before = ids
    assert len(before) == len(rows)
    everything = build(root)
    assert build(root, part=Part(hours=1)).key == everything.key
    note = build(root, part=Part(hours=1)).notes[0]
    assert note.startswith("hours is 1, but there are only 0.00281")


def test_hours_that_cannot_be_met_are_refused(build: Build, corpus: Path) -> None:
    with pytest.raises(DataError, match="hours is 1e-06, which is less than its first utterance"):
        build(corpus, part=Part(hours=1e-6))
    for hours in (0, -1, float("nan")):
        with pytest.raises(SettingsError, match="it must be a number above 0"):
            build(corpus, part=Part(hours=hours))
    write_table(corpus, [{"id": "t", "transcript": "no sound", "label": "joy"}])
    with pytest.raises(DataError, match=r"texts without recordings.* Use `limit`"):
        build(corpus, part=Part(hours=1))


def test_shares_are_apart_complete_and_keep_dialogues_together(build: Build, corpus: Path) -> None:
    names = [f"{i:02d}" for i in range(40)]
    rows: list[Mapping[str, Any]] = [
        {
            "id": f"{n}-{k}",
            "audio": f"{n}.wav",
            "dialogue_id": f"d{int(n) // 4}",
            "start": k,
            "end": k + 1,
        }
        for n in names
        for k in (0, 1)
    ]
    for i, name in enumerate(names):
        noise = np.random.default_rng(i).normal(0, 0.1, 2 * RATE)
        soundfile.write(corpus / f"{name}.wav", noise, RATE)
    write_table(corpus, rows)

    def part(share: str, **more: float) -> UtteranceTable:
        return read_utterances(build(corpus, part=Part(share=share, **more)).artifact)

    shares = [part(f"{i}/3") for i in (1, 2, 3)]
    assert sorted(id_ for share in shares for id_ in share.ids) == sorted(r["id"] for r in rows)
    assert all(shares)
    dialogues = [set(share.dialogue_ids) for share in shares]
    assert len(set[str | None]().union(*dialogues)) == sum(map(len, dialogues)) == 10
    write_table(corpus, [*rows, {"id": "new", "audio": "00.wav", "dialogue_id": "d0"}])
    changed = [set(part(f"{i}/3").ids) != set(share.ids) for i, share in enumerate(shares, 1)]
    assert changed.count(True) == 1
    # First so much of the whole, and then its share.
    some = [part(f"{i}/3", hours=40 / 3600).ids for i in (1, 2, 3)]
    whole = read_utterances(build(corpus, part=Part(hours=40 / 3600)).artifact).ids
    assert sorted(id_ for ids in some for id_ in ids) == sorted(whole)
    assert len(rows) > len(whole)


@pytest.mark.parametrize("share", ["0/3", "4/3", "1/0", "one", "1/99999", 0.5])
def test_what_is_no_share_is_refused(build: Build, corpus: Path, share: Any) -> None:
    with pytest.raises(SettingsError, match="two whole numbers such as 3/8"):
        build(corpus, part=Part(share=share))


def test_an_empty_share_is_refused(build: Build, corpus: Path) -> None:
    with pytest.raises(DataError, match=r"Share 1/999 of .* has no utterance\. Use fewer shares"):
        build(corpus, part=Part(share="1/999"))


def test_hours_name_unusable_recordings_and_do_not_count_them(build: Build, corpus: Path) -> None:
    (corpus / "1.wav").write_bytes(b"no sound")
    with pytest.raises(DataError, match="1 of 3 utterances"):
        build(corpus, part=Part(hours=1.1 / 3600))
    built = build(corpus, on_bad_audio="skip", part=Part(hours=1.1 / 3600))
    assert built.counts["utterances"] == 2
    assert built.counts["bad_audio"] == 1
