"""First contact with data of the user's own: what is guessed, and the experiment for it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import audformat
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import yaml
from command_line import lanser

from lanser_bench.experiment import read_experiment
from lanser_bench.experiment.settings.grid import expand

SPEAKERS = ("anna", "ben", "carla", "dora", "emil", "frida")
LABELS = {"happy": "Freude", "sad": "Trauer", "angry": "Wut"}
COLUMNS = ("audio", "speaker", "label", "transcript")
CLIPS = [(f"{i:02}", SPEAKERS[i % 6], list(LABELS)[i // 6 % 3]) for i in range(36)]


def write(folder: Path, names: list[str]) -> None:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.3 * np.sin(np.arange(8_000) * (number + 5) / 90), 16_000)


def flat(root: Path) -> Path:
    write(root, [f"{speaker}_{label}_{n}.wav" for n, speaker, label in CLIPS])
    return root


def classes(root: Path) -> Path:
    write(root, [f"{label}/{n}.wav" for n, _, label in CLIPS])
    return root


def table(root: Path) -> Path:
    write(root / "ton", [f"{n}.wav" for n, _, _ in CLIPS])
    rows = [f"{n};ton/{n}.wav;{s};{LABELS[label]};Das ist Satz {n}." for n, s, label in CLIPS]
    (root / "liste.csv").write_text("\n".join(["Nr;Datei;Sprecher;Gefühl;Satz", *rows]), "utf-8")
    return root / "liste.csv"


def parquet(root: Path) -> Path:
    """Paths start from a folder below the table's, and a label has no counterpart."""
    write(root / "clips", [f"{n}.wav" for n, _, _ in CLIPS])
    spanish = {"happy": "alegría", "sad": "tristeza", "angry": "otra"}
    columns = {
        "ruta": [f"{n}.wav" for n, _, _ in CLIPS],
        "hablante": [s for _, s, _ in CLIPS],
        "emoción": [spanish[label] for _, _, label in CLIPS],
    }
    pq.write_table(pa.table(columns), root / "lista.parquet")
    return root


def hub(root: Path) -> Path:
    for part, speakers in (("train", SPEAKERS[:4]), ("validation", SPEAKERS[4:])):
        own = [clip for clip in CLIPS if clip[1] in speakers]
        write(root / part, [f"{n}.wav" for n, _, _ in own])
        rows = [f"{n}.wav,{s},{label},text {n}\n" for n, s, label in own]
        head = "file_name,speaker_id,emotion,transcription\n"
        (root / part / "metadata.csv").write_text(head + "".join(rows))
    return root


def audformat_database(root: Path) -> Path:
    names = [f"{n}.wav" for n, _, _ in CLIPS]
    write(root, names)
    database = audformat.Database("mine")
    database.schemes["emotion"] = audformat.Scheme(labels=list(LABELS))
    index = audformat.filewise_index(names)
    for name, column, values in (
        ("emotion", "emotion", [label for *_, label in CLIPS]),
        ("files", "speaker", [s for _, s, _ in CLIPS]),
    ):
        database[name] = audformat.Table(index)
        scheme = column if column in database.schemes else None
        database[name][column] = audformat.Column(scheme_id=scheme)
        database[name][column].set(values)
    database.save(str(root), storage_format="csv")
    return root


def podcast(root: Path) -> Path:
    write(root, ["other.wav"])
    soundfile.write(root / "episode.flac", np.tile(0.2 * np.sin(np.arange(8_000) / 9), 150), 16_000)
    return root / "episode.flac"


def run(*words: object) -> tuple[int, str]:
    code, out, err = lanser(*words)
    return code, out + err


def init(*words: object) -> tuple[int, str]:
    return run("data", "init", *words)


def known_corpus(root: Path) -> Path:
    write(root, [f"wav/{i:02}a01{letter}a.wav" for i in (3, 8) for letter in "FTW"])
    return root


ROADS: dict[str, tuple[Callable[[Path], Path], dict[str, Any], int, bool]] = {
    "flat": (
        flat,
        {"dataset": "audiofolder", "pattern": "(?P<speaker>[^/_]+)_(?P<label>[^/_]+)_.+"},
        36,
        True,
    ),
    "classes": (classes, {"dataset": "audiofolder"}, 36, False),
    "table": (
        table,
        {
            "dataset": "manifest",
            "table": "liste.csv",
            "columns": dict(zip(COLUMNS, ["Datei", "Sprecher", "Gefühl", "Satz"], strict=True)),
            "labels": {"Freude": "joy", "Trauer": "sadness", "Wut": "anger"},
        },
        36,
        True,
    ),
    "parquet": (
        parquet,
        {"dataset": "manifest", "audio_root": "clips", "leave_out": ["otra"]},
        24,
        True,
    ),
    "hub": (
        hub,
        {"table": {"train": "train/metadata.csv", "validation": "validation/metadata.csv"}},
        36,
        True,
    ),
    "audformat": (audformat_database, {"dataset": "audformat", "tables": ["emotion"]}, 36, True),
    "corpus": (known_corpus, {"dataset": "emodb", "root": "corpus"}, 6, True),
    "podcast": (podcast, {"dataset": "audiofolder", "files": ["episode.flac"]}, 1, False),
}


@pytest.mark.filterwarnings("ignore:The inplace keyword")
@pytest.mark.parametrize("road", ROADS)
def test_data_of_every_shape_becomes_an_experiment(
    road: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make, options, utterances, is_target = ROADS[road]
    path = make(tmp_path / road).relative_to(tmp_path)
    code, printed = init(path, "--output", "e.yaml")
    assert code == 0, printed
    assert f"utterances: {utterances}\n" in printed
    assert f"as a target: {'yes, ' if is_target else 'no, it lacks '}" in printed
    written = yaml.safe_load(Path("e.yaml").read_text(encoding="utf-8"))
    [entry] = written["targets" if is_target else "corpora"]
    assert entry | options == entry
    assert [one["dataset"] for one in written["targets"]] == [
        entry["dataset"] if is_target else "synthetic"
    ]
    assert (written["segmenter"] == "vad") == (road == "podcast")
    assert expand(read_experiment(Path("e.yaml")))[0].settings.name == "e"
    [command] = [line[9:] for line in printed.splitlines() if line.startswith("command: ")]
    assert run(*shlex.split(command)[1:])[0] == 0, "the command can be pasted"
    assert "exists already" in init(path, "--output", "e.yaml")[1]


def test_what_cannot_be_read_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    assert "contains neither recordings nor a table" in init("empty")[1]
    assert "'recordngs' is no file or folder, and no dataset has" in init("recordngs")[1]
    classes(tmp_path / "odd")
    for name in LABELS:
        Path("odd", name).rename(Path("odd", f"class {name[0]}"))
    printed = init("odd")[1]
    assert "speaker: folder 1 (class a, class h, class s)" in printed
    pattern = "pattern=(?P<label>[^/]+)/.+"
    labels = "labels={class a: anger, class h: joy, class s: sadness}"
    code, printed = run("data", "check", "odd", pattern, labels, "taxonomy=ekman-6")
    assert (code, "gold labels: anger 12, joy 12, sadness 12 (ekman-6)" in printed) == (0, True)
    assert "as a target: no, it lacks speakers (36 of 36 utterances have none)" in printed
    Path("texts.csv").write_text(
        "satz;stimmung\nIch freue mich sehr.;Freude\nMir graut es.;Angst\n"
    )
    code, printed = init("texts.csv")
    assert (code, "as a corpus: no, it has no recordings" in printed) == (2, True)
    assert "labels of ekman-6: Freude → joy (1); Angst → fear (1)" in printed
    Path("texts.csv").write_text("a.wav,anna\nb.wav,ben\n")
    assert "'a.wav' is not the name of a column" in init("texts.csv")[1]


@pytest.mark.slow
def test_a_table_in_german_reaches_the_leaderboard(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert init(table(tmp_path / "studie"), "--output", "e.yaml")[0] == 0
    code, printed = run(
        *("run", "e.yaml", "labeler=random", "pretrain.epochs=1", "controls.shuffled=none"),
        *("executor.inline=true", "executor.threads=1"),
    )
    assert (code, "liste (manifest): 36 utterances, 6 speakers, 3 labels" in printed) == (
        0,
        True,
    ), printed
    records = [json.loads(path.read_text()) for path in Path("results/scratch/e").glob("*-*.json")]
    assert {record["control"] for record in records} >= {None, "random_init"}
