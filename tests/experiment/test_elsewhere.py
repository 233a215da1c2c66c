"""Vectors and predictions made elsewhere: equal to the part that wrote them, or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lanser_bench import LanserError
from lanser_bench.data import read_utterances
from lanser_bench.experiment import RunOutcome, run_experiment
from lanser_bench.plugins.discovery import registry
from lanser_bench.records import load_record
from lanser_bench.stages import read_embeddings
from lanser_bench.store import Store, file_sha256

pytestmark = pytest.mark.slow

Make = Callable[..., dict[str, Any]]
Run = Callable[..., RunOutcome]
RANDOM = {"name": "random", "of": "cnn", "of_options": {"channels": [4, 6]}}
BUDGETS = {"budgets": [0.5, 1.0], "seeds": 2, "strengths": [0.01, 0.1, 1.0], "inner_folds": 2}


@pytest.fixture
def run(settings: Make, plugin_dirs: tuple[Path, ...]) -> Run:
    def go(encoder: Any, **changes: Any) -> RunOutcome:
        changed = {"evaluate": {"folds": 2, **BUDGETS}, "controls": {"logmel_stats": False}}
        content = settings(encoder=encoder, **{**changed, **changes})
        return run_experiment(content, plugin_dirs=plugin_dirs, fail_fast=True)

    return go


def exported(outcome: RunOutcome, tmp_path: Path) -> tuple[list[str], dict[str, Any]]:
    """Ids and layers of a run's target, from its store, as docs/python.md shows."""
    store, record = Store(tmp_path / "store"), load_record(outcome.records[0])
    keys = {place: use.key for place, use in record.stages.items()}
    ids = read_utterances(store.checked(keys["manifest targets.0"])).ids
    return ids, read_embeddings(store, keys["embed targets.0"])


def npz(path: Path, keys: list[str], layers: dict[str, Any]) -> Path:
    np.savez(path.with_suffix(".npz"), ids=keys, **layers)
    return path.with_suffix(".npz")


def parquet(path: Path, keys: list[str], layers: dict[str, Any]) -> Path:
    columns = {name: list(layer) for name, layer in layers.items()}
    pq.write_table(pa.table({"file": keys, **columns}), path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


def hdf5(path: Path, keys: list[str], layers: dict[str, Any]) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        for row, key in enumerate(keys):
            file[key] = np.stack([layer[row, :4] for layer in layers.values()])
    return path.with_suffix(".h5")


@pytest.mark.parametrize("by", ["id", "recording"])
def test_vectors_of_a_built_in_encoder_come_back_to_the_bit(
    by: str, run: Run, corpora: Path, tmp_path: Path
) -> None:
    """Stored embeddings, read by `table` from npz or Parquet, give every number of the record."""
    built_in = run(RANDOM)
    ids, layers = exported(built_in, tmp_path)
    assert len(layers) == 2
    order = np.random.default_rng(0).permutation(len(ids))
    names = [
        f"D:\\gold\\{ids[i]}.wav"
        if by == "id"
        else file_sha256(corpora / "gold" / f"{ids[i]}.wav").upper()
        for i in order
    ]
    write, key = (parquet, None) if by == "id" else (npz, "ids")
    shuffled = {name: layer[order] for name, layer in layers.items()}
    file = write(tmp_path / "vectors", names, shuffled)
    options = {"name": "table", "file": str(file), "by": by, "key": key}
    again = run(options)
    ours, theirs = (load_record(outcome.records[0]) for outcome in (built_in, again))
    assert theirs.datasets[0].evaluation == ours.datasets[0].evaluation
    assert theirs.datasets[0].probes == ours.datasets[0].probes
    assert theirs.datasets[0].evaluation.budgets[0].uar.interval is not None
    assert theirs.datasets[0].notes == [
        "The publishers of the weights of 'table' do not state the training data: it may include "
        "'manifest'."
    ]
    changed = {name: layer + (layer == layer.max()) for name, layer in shuffled.items()}
    write(tmp_path / "vectors", names, changed)
    third = load_record(run(options).records[0])
    assert third.stages["embed targets.0"].key != theirs.stages["embed targets.0"].key


def test_every_form_of_a_file_gives_the_same_layers(tmp_path: Path) -> None:
    ids, layers = ["a", "b", "c"], {"one": np.arange(12.0).reshape(3, 4), "two": np.ones((3, 4))}
    both = np.stack(list(layers.values()), axis=1)
    files = {
        "layers": (npz(tmp_path / "layers", ids, layers), {}),
        "cube": (npz(tmp_path / "cube", ids, {"vectors": both, "age": np.ones(3)}), {}),
        "columns": (parquet(tmp_path / "columns", ids, layers), {}),
        "nested": (parquet(tmp_path / "nested", ids, {"v": both.tolist()}), {}),
        "named": (hdf5(tmp_path / "named", ids, layers), {}),
    }
    np.savez(tmp_path / "each.npz", **dict(zip(ids, both, strict=True)))
    files["each"] = tmp_path / "each.npz", {}
    wide = {f"f{i}": layers["one"][:, i] for i in range(4)}
    pq.write_table(pa.table({"utt": ids, "speaker": [0, 0, 1], **wide}), tmp_path / "wide.parquet")
    for file, options in files.values():
        encoder = registry().create("encoder", "table", {"file": str(file), **options})
        rows = encoder.extract(["c", "a"])
        assert [[layer.tolist() for layer in row] for row in rows] == [
            [[layer[at].tolist()] for layer in layers.values()] for at in (2, 0)
        ], file
    options = {"file": str(tmp_path / "wide.parquet"), "vectors": list(wide)}
    assert registry().create("encoder", "table", options).extract(["b"])[0][0].tolist() == [
        layers["one"][1].tolist()
    ]


V = np.ones((3, 2), np.float32)
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "NaN": ({"ids": ["a", "b", "c"], "v": V * [[1], [np.nan], [np.inf]]}, r"2 of 3 .*'b', 'c'"),
    "repeated": ({"ids": ["a", "b", "a"], "v": V * [[1], [2], [3]]}, "1 rows repeat the id .*'a'"),
    "unlike": ({"a": V[0], "b": V[0], "c": V[0, :1]}, r"1 of 3 .* than \(2,\) \('c'\)"),
    "too few": ({"ids": ["a", "b"], "v": V}, "2 keys and the arrays v; v is no vector"),
    "no vector": ({"ids": ["a", "b", "c"], "label": V[:, 0]}, "label is no vector"),
    "objects": ({"ids": np.array(["a", "b", "c"], object), "v": V}, "dtype=str"),
    "missing": ({"ids": ["x", "y", "b"], "v": V}, r"no row for 1 of the 2 .*\('a'\)"),
    "all missing": ({"ids": ["x", "y", "z"], "v": V}, "id is 'a', 'b' in the corpus and 'x', 'y'"),
    "no such": ({"ids": ["a", "b", "c"], "v": V, "vectors": ()}, "no 'w', which 'vectors' names"),
}


@pytest.mark.parametrize(("arrays", "message"), REFUSED.values(), ids=REFUSED)
def test_unusable_vectors_are_counted_and_named(
    arrays: dict[str, Any], message: str, tmp_path: Path
) -> None:
    options = {"vectors": ["w"]} if arrays.pop("vectors", None) is not None else {}
    np.savez(tmp_path / "v.npz", **arrays)
    encoder = registry().create("encoder", "table", {"file": str(tmp_path / "v.npz"), **options})
    with pytest.raises(LanserError, match=message):
        encoder.check_utterances("corpus", ["a", "b"], [])


def test_missing_vectors_stop_a_run_before_anything_is_computed(run: Run, tmp_path: Path) -> None:
    ids, layers = exported(run("loudness"), tmp_path)
    file = npz(tmp_path / "few", ids[:-2], {name: layer[:-2] for name, layer in layers.items()})
    with pytest.raises(LanserError, match=r"no row for 2 of the 24 utterances of 'manifest'"):
        run({"name": "table", "file": str(file)})
