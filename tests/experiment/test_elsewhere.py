"""Vectors and predictions made elsewhere: equal to the part that wrote them, or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import f1_score, recall_score

from lanser_bench import LanserError, SettingsError
from lanser_bench.cli import main
from lanser_bench.data import read_utterances
from lanser_bench.experiment import RunOutcome, import_predictions, run_experiment
from lanser_bench.model.export import export_cell
from lanser_bench.plugins.discovery import registry
from lanser_bench.records import ResultRecord, check_records, labelled_predictions, load_record
from lanser_bench.reporting import compare, rank
from lanser_bench.reporting.report.data import Records
from lanser_bench.reporting.rerun.rerun import rerun
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
    "too few": ({"ids": ["a", "b"], "v": V}, "'v', which has no vector for each of 2"),
    "no vector": ({"ids": ["a", "b", "c"], "label": V[:, 0]}, "'label', which has no vector"),
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


# -- predictions -------------------------------------------------------------------------------


@pytest.fixture
def imported(settings: Make, tmp_path: Path) -> Callable[..., list[ResultRecord]]:
    """Imports rows of predictions under the folds of the run; the control comes last."""

    def go(rows: list[dict[str, Any]], *overrides: str, **options: Any) -> list[ResultRecord]:
        file = tmp_path / "model.parquet"
        pq.write_table(pa.Table.from_pylist(rows), file)
        like = settings(evaluate={"folds": 2, **BUDGETS})
        records = import_predictions(file, like=like, options=options, overrides=overrides)
        found = [(path, load_record(path)) for path in records]
        assert not any(checked.faults for checked in check_records(records))
        found.sort(key=lambda one: (one[1].role, one[1].seed or 0), reverse=True)
        return [record for _, record in found]

    return go


def gold(corpora: Path) -> list[tuple[str, str]]:
    lines = (corpora / "gold" / "manifest.csv").read_text().splitlines()[1:]
    return [(line.split(",")[0], line.split(",")[-1]) for line in lines]


def test_predictions_of_a_run_come_back_to_the_bit(
    run: Run, imported: Callable[..., list[ResultRecord]], tmp_path: Path
) -> None:
    """Exported predictions of all budgets, draws and folds give every score and interval."""
    path = run("loudness").records[0]
    ours, rows = load_record(path), labelled_predictions(path).to_pylist()
    assert {(row["budget"], row["draw"]) for row in rows} == {("50%", 0), ("50%", 1), ("100%", 0)}
    np.random.default_rng(0).shuffle(rows)  # type: ignore[arg-type]
    theirs = imported(rows)[0]

    def compared(record: ResultRecord) -> Any:
        found = record.datasets[0].evaluation.model_dump(exclude={"method", "warnings"})
        for budget in found["budgets"]:
            for fold in budget["folds"]:
                del fold["layer"], fold["strength"]
        return found

    assert compared(theirs) == compared(ours)
    assert theirs.datasets[0].evaluation.area.interval is not None
    assert (theirs.external, ours.external) == (True, False)
    assert theirs.labeler is None
    assert "External: the predictions of 'model' were made elsewhere" in theirs.datasets[0].notes[0]
    records = [path, *(tmp_path / "results" / "t").glob("*external*.json")]
    [board] = rank([(path, load_record(path)) for path in records])
    assert board.main[0].uar == board.main[1].uar
    assert board.main[0].uar.interval is not None
    assert [row.control for row in board.controls] == ["permuted_predictions"]
    found = Records([(path, load_record(path)) for path in records])
    costs = {row.encoder: found.seconds(row) is not None for row in board.main}
    assert costs == {"external:model": False, "loudness": True}
    same = compare(
        "encoder=external:model,control=none", "encoder=loudness", folder=tmp_path / "results"
    )
    assert same.lines[0].difference.value == 0
    [external] = [path for path in records if load_record(path).key == theirs.key]
    with pytest.raises(SettingsError, match="external: its predictions were made elsewhere"):
        rerun(external, store=tmp_path / "again", results=tmp_path / "again")
    with pytest.raises(SettingsError, match="no model to export"):
        export_cell(theirs, tmp_path / "out", Store(tmp_path / "store"))


def test_misses_are_counted_as_scikit_learn_counts_a_further_class(
    imported: Callable[..., list[ResultRecord]], corpora: Path
) -> None:
    """A label without a counterpart, an empty cell and a missing row are wrong answers."""
    truth = gold(corpora)
    said = ["glad", "sad", "other", None, "sad", *(label for _, label in truth[5:-1])]
    rows = [
        {"file": f"x/{name}.wav", "gold": label, "prediction": one}
        for (name, label), one in zip(truth[:-1], said, strict=True)
    ]
    record, _ = imported(rows, map={"glad": "glad", "sad": "sad", "other": {}}, absent="skip")
    evaluation = record.datasets[0].evaluation
    true = [label for _, label in truth]
    answers = [one if one in ("glad", "sad") else "none" for one in [*said, None]]
    for budget in evaluation.budgets:  # no label was learned, so all budgets are alike
        names = ["glad", "sad"]
        assert budget.uar.value == pytest.approx(
            recall_score(true, answers, labels=names, average="macro")
        )
        assert budget.macro_f1.value == pytest.approx(
            f1_score(true, answers, labels=names, average="macro")
        )
        pooled = sum(fold.wa * fold.n_test for fold in budget.folds if fold.seed == 0)
        assert pooled == pytest.approx(sum(a == b for a, b in zip(true, answers, strict=True)))
    assert "3 of 24 utterances have no prediction" in " ".join(evaluation.warnings)
    assert sum(map(sum, evaluation.confusion)) == 21


def test_scores_and_seeds_give_a_record_each_and_permuted_ones_fall_to_chance(
    imported: Callable[..., list[ResultRecord]], corpora: Path
) -> None:
    rows = [
        {"id": name, "seed": seed, "glad": share, "sad": 1 - share}
        for seed in (3, 4)
        for name, label in gold(corpora)
        for share in [0.9 if label == "glad" else 0.2]
    ]
    first, second, *controls = imported(rows)
    assert [first.seed, second.seed] == [4, 3]
    assert first.group == second.group == "encoder=external:model"
    for record in (first, second):
        assert {b.uar.value for b in record.datasets[0].evaluation.budgets} == {1.0}
    for control in controls:
        # Half of each speaker's clips are glad, so a permutation hits half of them.
        for budget in control.datasets[0].evaluation.budgets:
            assert budget.uar.interval is not None
            assert budget.uar.interval.low < 0.5 < budget.uar.interval.high


def changed(rows: list[dict[str, Any]], **cells: Any) -> list[dict[str, Any]]:
    return [{**rows[0], **cells}, *rows[1:]]


UNUSABLE: dict[str, tuple[Callable[[list[dict[str, Any]]], Any], str]] = {
    "missing": (lambda rows: rows[2:], r"no row for 2 of the 24 .*\('0-0', '0-1'\)"),
    "doubled": (lambda rows: [*rows, {**rows[0], "label": "sad"}], "1 rows repeat the id .*'0-0'"),
    "unknown": (lambda rows: changed(rows, label="joy"), r"labels joy \(1 ×\), which .*joy: \?"),
    "two labels": (
        lambda rows: [{**r, "predicted": "sad"} for r in rows],
        "the columns 'label' and 'predicted'",
    ),
    "NaN": (
        lambda rows: [
            {"id": r["id"], "glad": np.nan if i < 2 else 1.0, "sad": 0.0}
            for i, r in enumerate(rows)
        ],
        r"score of 'glad' is empty.* 2 of 24 rows .*\('0-0', '0-1'\)",
    ),
    "no fold": (lambda rows: [{**r, "fold": 7} for r in rows], "fold '7', which is no number"),
    "few folds": (
        lambda rows: [{**r, "fold": 0} for r in rows],
        "lacks rows of some of the 2 folds",
    ),
    "budgets": (lambda rows: [{**r, "budget": "100%"} for r in rows], "evaluation 50%, 100%"),
    "seed": (lambda rows: [{**r, "seed": "x"} for r in rows], "seed 'x', which is no whole number"),
}


@pytest.mark.parametrize(("change", "message"), UNUSABLE.values(), ids=UNUSABLE)
def test_unusable_predictions_are_counted_and_named(
    change: Callable[[list[dict[str, Any]]], Any],
    message: str,
    imported: Callable[..., list[ResultRecord]],
    corpora: Path,
) -> None:
    rows = [{"id": name, "label": label} for name, label in gold(corpora)]
    with pytest.raises(LanserError, match=message):
        imported(change(rows))


def test_the_commands_export_and_import(
    run: Run, corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    record = run("loudness", evaluate={"folds": 2, "budgets": [1.0]}).records[0]
    monkeypatch.chdir(tmp_path)

    def command(*words: str) -> int:
        with pytest.raises(SystemExit) as stopped:
            main(["predictions", *words])
        return int(str(stopped.value))

    assert command("export", str(record), "answers.csv") == 0
    words = ["manifest", str(corpora / "gold"), f"taxonomy={corpora / 'mood.yaml'}"]
    settings = ["--set", "evaluate.folds=2", "--set", "evaluate.budgets=[1.0]"]
    assert command("import", "answers.csv", *words, *settings, "--name", "mine") == 0
    printed = capsys.readouterr().out
    assert "external:mine" in printed
    assert "permuted predictions" in printed
    assert len(list((tmp_path / "results/scratch/external").glob("*.json"))) == 2
    assert command("import", "answers.csv") == 2
    assert "Name the dataset of the predictions: there are 0" in capsys.readouterr().err
