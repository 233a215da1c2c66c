"""The report says what the records allow, shows where each number is from, and escapes all."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lanser_bench.cli import main
from lanser_bench.errors import DataError
from lanser_bench.evaluation.results import CueDrop, FlattenResult, Interval, Metric, ZeroShotResult
from lanser_bench.records.attachments import read_attached, write_attached
from lanser_bench.records.reading import load_record, load_records
from lanser_bench.records.record import ResultRecord, StageUse, save_record
from lanser_bench.reporting.report.data import Records
from lanser_bench.reporting.report.questions import answer
from lanser_bench.reporting.report.report import render, write_report
from lanser_bench.reporting.report.sections import sections

from .published import gold, labelled, publish, simulated

MAIN = {"labeler": "words", "taxonomy": "mood", "asr": "reference", "encoder": "cnn"}
Make = Callable[..., ResultRecord]


def control(kind: str) -> dict[str, object]:
    trained = MAIN if kind.startswith("shuffled") else {"encoder": "cnn"}
    return {"role": "control", "control": kind, **trained}


def study(folder: Path, **hits: float) -> Records:
    """Cells whose share of right answers is given: `main` and controls."""
    for i, (group, hit) in enumerate(hits.items()):
        for seed in range(3):
            predicted = simulated(np.random.default_rng([i, seed]), hit)
            changes = MAIN if group == "main" else control(group)
            publish(folder, group, predicted, seed=seed, **changes)
    return Records(load_records([folder]))


def test_a_gain_over_every_matched_control_is_a_finding(tmp_path: Path) -> None:
    records = study(tmp_path, main=0.8, shuffled=0.4, random_init=0.45, logmel_stats=0.85)
    found = answer(records, records.boards[0]).finding
    assert found.headline == "Pre-training on weak labels helped on talk"
    assert {d.name: d.verdict for d in found.differences}["shuffled labels"] == "above"
    plain = next(d for d in found.differences if d.name == "shuffled labels").difference
    assert plain.value == pytest.approx(0.4, abs=0.1)
    assert plain.interval is not None


def test_an_interval_around_zero_is_no_detectable_difference(tmp_path: Path) -> None:
    records = study(tmp_path, main=0.6, random_init=0.4, shuffled=0.6)
    found = answer(records, records.boards[0]).finding
    assert "no detectable gain" in found.headline
    assert found.verdict == "same"


def test_a_loss_against_a_control_is_said(tmp_path: Path) -> None:
    records = study(tmp_path, main=0.4, shuffled=0.8)
    assert "worse than a control" in answer(records, records.boards[0]).finding.headline


def test_without_predictions_or_controls_there_is_no_verdict(tmp_path: Path) -> None:
    records = study(tmp_path / "a", main=0.8)
    found = answer(records, records.boards[0]).finding
    assert "allow no conclusion" in found.headline
    assert "no control of pre-training" in found.detail
    records = study(tmp_path / "b", main=0.8, shuffled=0.4)
    for path in (tmp_path / "b").glob("*.parquet"):
        path.unlink()
    records = Records(load_records([tmp_path / "b"]))
    found = answer(records, records.boards[0]).finding
    assert found.verdict == "unknown"
    assert found.differences[0].difference.interval is None


def test_without_pre_trained_rows_the_leader_is_named_only_if_it_is_clear(tmp_path: Path) -> None:
    for name, hit in (("big", 0.9), ("small", 0.3)):
        publish(tmp_path, name, simulated(np.random.default_rng(0), hit), encoder=name)
    records = Records(load_records([tmp_path]))
    assert answer(records, records.boards[0]).finding.headline == "big is ahead on talk"
    publish(tmp_path, "twin", simulated(np.random.default_rng(1), 0.9), encoder="twin")
    records = Records(load_records([tmp_path]))
    assert "No encoder is clearly ahead" in answer(records, records.boards[0]).finding.headline


def test_choosing_the_best_of_several_is_said(tmp_path: Path) -> None:
    truth = gold(10)
    for labeler, share in (("words", 0.9), ("other", 0.5)):
        keep = np.random.default_rng(0).random(len(truth)) < share
        publish(
            tmp_path,
            f"labeler={labeler}",
            np.where(keep, truth, 0),
            **MAIN | {"labeler": labeler, "axes": {"labeler": labeler}},
        )
    publish(tmp_path, "random_init", np.where(truth > 1, truth, 0), **control("random_init"))
    records = Records(load_records([tmp_path]))
    detail = answer(records, records.boards[0]).finding.detail
    assert "the best of 2 pre-trained rows" in detail
    assert "optimistic" in detail


def test_a_control_of_the_same_axes_is_preferred(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, axes in (("a", {"taxonomy": "a"}), ("b", {"taxonomy": "b"})):
        publish(tmp_path, f"taxonomy={name}", simulated(rng), **MAIN, axes=axes)
        publish(tmp_path, f"shuffled [{name}]", simulated(rng), axes=axes, **control("shuffled"))
    records = Records(load_records([tmp_path]))
    for row in records.boards[0].main:
        [found] = records.controls_of(records.boards[0], row)
        assert found.axes == row.axes


def test_two_sets_of_one_plugin_have_their_own_numbers(tmp_path: Path) -> None:
    """Such as two folders that `audiofolder` reads: the name alone does not tell them apart."""
    for group, hits in (("main", (0.5, 0.9)), ("random_init", (0.5, 0.3))):
        changes = MAIN if group == "main" else control(group)
        parts = [
            publish(
                tmp_path / f"{group}-{place}",
                group,
                simulated(np.random.default_rng(place), hit, speakers=8 + place),
                **changes,
            )
            for place, hit in enumerate(hits)
        ]
        loaded = [load_record(path) for path in parts]
        read = [
            read_attached(p, r.predictions)
            for p, r in zip(parts, loaded, strict=True)
            if r.predictions is not None
        ]
        tables = [
            t.set_column(0, "target", pa.array([i] * len(t), pa.int16()))
            for i, t in enumerate(read)
        ]
        path = tmp_path / "both" / f"{group}.json"
        beside = write_attached(
            pa.concat_tables(tables, promote_options="default"), path, "predictions"
        )
        datasets = [one.datasets[0] for one in loaded]
        save_record(
            loaded[0].model_copy(update={"datasets": datasets, "predictions": beside}), path
        )
    records = Records(load_records([tmp_path / "both"]))
    found = {board.n_speakers: answer(records, board).finding for board in records.boards}
    gains = {n: one.differences[0].difference.value for n, one in found.items()}
    assert gains[8] == pytest.approx(0, abs=1e-9)
    assert gains[9] == pytest.approx(0.6, abs=0.15)


NASTY = '<script>alert("x")</script>'


def test_every_text_of_a_user_is_escaped(record: Make, tmp_path: Path) -> None:
    nasty = labelled(1, labels={NASTY: 3}, taxonomy=NASTY)["corpora.0 c"]
    made = record(
        experiment=NASTY,
        name=NASTY,
        group=NASTY,
        labeler=NASTY,
        taxonomy=NASTY,
        encoder=NASTY,
        dataset=NASTY,
        axes={NASTY: NASTY},
        labels={f"corpora.0 {NASTY}": nasty},
        stages={"label corpora.0": StageUse(stage=NASTY, key="k", seconds=1)},
        host={"system": NASTY},
    )
    shuffled = made.model_copy(
        update={"role": "control", "control": "shuffled", "group": f"shuffled {NASTY}", "name": "c"}
    )
    text = render([(tmp_path / f"{NASTY}.json", made), (tmp_path / "b.json", shuffled)])
    assert text.count("<script>") == 1
    assert NASTY not in text
    assert text.count("&lt;script&gt;") > 10
    assert 'alert("x")' not in text


def test_every_row_names_its_record_key_and_commit(tmp_path: Path) -> None:
    records = study(tmp_path, main=0.6, shuffled=0.5)
    text = render(load_records([tmp_path]))
    for path, one in records.files:
        assert str(path) in text
        assert one.key in text
    assert "lanser-bench cache explain" in text


def test_the_numbers_of_the_table_are_those_of_the_records(record: Make, tmp_path: Path) -> None:
    text = render([(tmp_path / "a.json", record(uar=0.4321, half=0.05))])
    assert "43.2" in text
    assert "[38.2, 48.2]" in text
    assert re.search(r'data-v="0\.4321"', text)


def test_scores_without_human_labels_are_means_over_seeds(record: Make, tmp_path: Path) -> None:
    found = []
    for seed, uar in enumerate((0.3, 0.4)):
        one = record(seed=seed, name=f"s{seed}")
        heard = ZeroShotResult(
            source="head",
            taxonomy="mood",
            labels=["glad", "sad"],
            unreachable=["sad"],
            n_utterances=40,
            n_speakers=8,
            coverage=Metric(value=0.5),
            uar=Metric(value=uar),
            wa=Metric(value=uar),
            macro_f1=Metric(value=uar),
            recalls={},
            confusion=[],
        )
        result = one.datasets[0].model_copy(update={"zero_shot": heard})
        found.append((tmp_path / f"{seed}.json", one.model_copy(update={"datasets": [result]})))
    records = Records(found)
    [section] = sections(records, records.boards[0])
    [line] = section["lines"]
    assert line[1] == ("head, from sound", False)
    assert line[2][0].value == pytest.approx(0.35)
    assert "head, from sound" in render(found)


def test_what_a_cue_is_worth_is_a_line_per_row_and_cue(record: Make, tmp_path: Path) -> None:
    def spread(value: float) -> Metric:
        around = Interval(low=value - 0.05, high=value + 0.05, method="t over speakers")
        return Metric(value=value, interval=around)

    found = []
    for seed, drop in enumerate((0.2, 0.18)):
        cues = [
            CueDrop(cue=cue, uar=spread(0.5 - d), drop=spread(d))
            for cue, d in (("f0", drop), ("energy", 0.01))
        ]
        flat = FlattenResult(
            original=spread(0.6),
            resynthesised=spread(0.5),
            vocoder=spread(0.1),
            cues=cues,
            split_hash="s1",
        )
        one = record(seed=seed, name=f"s{seed}")
        result = one.datasets[0].model_copy(update={"flatten": flat})
        found.append((tmp_path / f"{seed}.json", one.model_copy(update={"datasets": [result]})))
    records = Records(found)
    [section] = sections(records, records.boards[0])
    lines = section["lines"]
    assert [(line[1][0], line[-1][1]) for line in lines] == [
        ("F0 flattened", True),
        ("energy flattened", False),
    ]
    assert lines[0][-1][0].value == pytest.approx(0.19)
    text = render(found)
    assert "vocoder costs" in text
    assert re.search(r"<b>19\.0 <span", text)
    assert "Without one cue" not in render([(tmp_path / "a.json", record())])


def test_the_page_refers_to_nothing_outside_itself(record: Make, tmp_path: Path) -> None:
    text = render([(tmp_path / "a.json", record())])
    assert not re.findall(r'(?:src|href)="(?!#)[^"]*"', text)
    assert not re.findall(r"url\(|@import|https?://", text)
    assert "default-src 'none'" in text


def test_the_command_writes_the_page(
    record: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_record(record(), tmp_path / "results" / "a.json")
    with pytest.raises(SystemExit) as caught:
        main(["report", str(tmp_path / "results"), "-o", str(tmp_path / "r.html")])
    assert not caught.value.code
    assert "r.html" in capsys.readouterr().out
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")


def test_a_place_that_cannot_be_written_is_named(record: Make, tmp_path: Path) -> None:
    save_record(record(), tmp_path / "results" / "a.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write_report([tmp_path / "results"], tmp_path / "file" / "r.html")
