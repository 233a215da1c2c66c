"""The files that cases start from, as a small real run writes them."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import soundfile as sf
import yaml

from ..integration.conftest import KEYWORD_LABELER, WORDS, corpus, taxonomy

RESULTS = "results/tiny"


def record_path(home: Path, cell: str = "tiny-seed-0") -> Path:
    """Returns the file of a cell's record."""
    return next((home / RESULTS).glob(f"{cell}-*.json"))


def settings() -> dict[str, Any]:
    """An experiment with most measurements, in relative paths so that a copy of it is equal."""
    gold = {"dataset": "manifest", "taxonomy": "mood.yaml"}
    return {
        "name": "tiny",
        "corpora": [{**gold, "root": "plain"}],
        "labeler": "cue",
        "taxonomy": "mood.yaml",
        "encoder": {"name": "cnn", "channels": [4]},
        "targets": [{**gold, "root": "gold"}, {**gold, "root": "more"}],
        "probes": ["prosody", "speaker"],
        "probe": {"folds": 2, "sentence_folds": 1, "strengths": [1.0], "inner_folds": 2},
        "pretrain": {"epochs": 1, "seeds": [0, 1]},
        "evaluate": {"folds": 2, "budgets": [0.5, 1.0], "seeds": 2, "strengths": [0.1]},
        "transfer": {"taxonomy": "mood.yaml"},
        "controls": {"logmel_stats": True, "shuffled": "each", "gold_of_tested": "declare"},
        "comparisons": [{"a": "control=none", "b": "control=shuffled"}],
        "threads": {"label": 1, "pretrain": 1, "embed": 1},
        "executor": {"name": "local", "inline": True},
        "trackers": [],
        "paths": {"store": "store", "results": "results"},
    }


LABEL_GATE = (
    *("gate", "labels", "manifest", "gold", "taxonomy=mood.yaml", "--taxonomy", "mood.yaml"),
    *("--labeler", "random", "--store", "label-store"),
)


def make_world(home: Path) -> Path:
    """Runs the experiment in a folder, and writes other kinds of input beside it."""
    (home / "plugins").mkdir(parents=True)
    (home / "plugins" / "cue.py").write_text(KEYWORD_LABELER)
    for name, speakers, offset in (("plain", 3, 0), ("gold", 5, 10), ("more", 4, 20)):
        corpus(home / name, speakers=speakers, takes=2, gold=True, offset=offset)
    taxonomy(home / "mood.yaml", "mood")
    (home / "e.yaml").write_text(yaml.safe_dump(settings(), sort_keys=False))
    lanser(home, "run", "e.yaml", "--plugins-dir", "plugins")
    record = str(record_path(home))
    lanser(home, "export", record, "weak", "--store", "store")
    lanser(home, "export", record, "linear", "--target", "manifest.0", "--store", "store")
    lanser(home, "results", "history", "add", "results", "--history", "history.parquet")
    lanser(home, *LABEL_GATE, "--write", "labels.parquet")
    shutil.copytree(home / "results", home / "base")
    _write_tables(home)
    _write_sounds(home / "sounds")
    return home


def lanser(home: Path, *argv: str) -> None:
    """Runs a command that must end well."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-m", "lanser_bench", *argv],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{argv}: {done.stderr}"


def _write_tables(home: Path) -> None:
    rows = list(csv.DictReader((home / "gold" / "manifest.csv").open()))
    with (home / "manifest.tsv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), delimiter="\t")
        table.writeheader()
        table.writerows(rows)
    (home / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), home / "manifest.parquet")
    (home / "texts.csv").write_text("id,text\n" + "".join(f"{k},{v}\n" for k, v in WORDS.items()))
    answers = [f"{row['id']},{row['label']}" for row in rows]
    (home / "answers.csv").write_text("\n".join(["id,predicted", *answers]) + "\n")


CODECS = (
    *(("double.wav", "WAV", "DOUBLE"), ("24.wav", "WAV", "PCM_24"), ("8.wav", "WAV", "PCM_U8")),
    *(("adpcm.wav", "WAV", "MS_ADPCM"), ("ima.wav", "WAV", "IMA_ADPCM"), ("u.wav", "WAV", "ULAW")),
    *(("long.wav", "RF64", "PCM_16"), ("extensible.wav", "WAVEX", "FLOAT"), ("a.au", "AU", "ALAW")),
    *(("a.aiff", "AIFF", "PCM_16"), ("a.w64", "W64", "FLOAT"), ("a.caf", "CAF", "PCM_24")),
)
"""File, container and codec of recordings of other programs."""


def _write_sounds(folder: Path) -> None:
    samples, rate = sf.read(folder.parent / "gold" / "audio" / "s0-0-glad.wav")
    folder.mkdir()
    for suffix in ("wav", "flac", "ogg", "mp3"):
        sf.write(folder / f"clip.{suffix}", samples, rate)
    sf.write(folder / "clip.opus", samples, rate, format="OGG", subtype="OPUS")
    stereo = samples.repeat(2).reshape(-1, 2)
    for name, form, subtype in CODECS:
        sf.write(folder / name, stereo, 8000, format=form, subtype=subtype)
