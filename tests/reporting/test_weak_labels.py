"""Weak labels, hardest clips and their sound in the report, as a small real run wrote them."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from sklearn.metrics import cohen_kappa_score, recall_score

from lanser_bench.cli import main
from lanser_bench.evaluation.label_quality import never_given, statistics
from lanser_bench.experiment import run_experiment
from lanser_bench.plugins.discovery import registry
from lanser_bench.records.attachments import read_attached
from lanser_bench.records.checks import check_record
from lanser_bench.records.reading import load_record, load_records
from lanser_bench.records.record import ResultRecord
from lanser_bench.records.stage_sums import record_sums
from lanser_bench.records.weak_labels import corpus_labels
from lanser_bench.reporting.report.clips import SHOWN, Clips, may_pass_on
from lanser_bench.reporting.report.data import Records
from lanser_bench.reporting.report.hardest import hardest
from lanser_bench.reporting.report.report import write_report
from lanser_bench.reporting.report.weak_labels import label_panels

from .test_report_browser import CHROMIUM, Visit, browser

__all__ = ["browser"]
pytestmark = pytest.mark.slow

CORPUS = "corpora.0 synthetic"
AFTER = "new Promise(done => a.addEventListener('{}', () => done(true), {{once: true}}))"
"""Waits for an event of an audio element; the page's policy allows no polling by Playwright."""
NASTY = '<script>alert("x")</script>'


def noise(folder: Path) -> Path:
    """Six speakers who say hostile words twice for each of two labels; one clip lasts 7 s."""
    folder.mkdir()
    rng, rows = np.random.default_rng(0), []
    for number in range(24):
        name, seconds = f"c{number:02d}", 7 if number == 0 else 1.2
        sound = 0.1 * rng.standard_normal(int(16_000 * seconds))
        sf.write(folder / f"{name}.wav", sound.astype(np.float32), 16_000)
        row = {"id": name, "path": f"{name}.wav", "speaker": f"s{number % 6}", "transcript": NASTY}
        rows.append({**row, "label": ("joy", "fear")[number // 6 % 2]})
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run's store and results: two labelers of synthetic speech, two targets."""
    home = tmp_path_factory.mktemp("weak")
    root = str(noise(home / "noise"))
    own = {"dataset": "manifest", "root": root, "taxonomy": "goemotions-ekman", "licence": "CC0"}
    outcome = run_experiment(
        {
            "name": "weak",
            "corpora": [{"dataset": "synthetic", "clips": 84, "speakers": 6, "seed": 1}],
            "targets": [{"dataset": "synthetic", "clips": 42, "speakers": 6, "seed": 2}, own],
            "labeler": "lexicon",
            "taxonomy": "goemotions-ekman",
            "encoder": {"name": "cnn", "channels": [4]},
            "pretrain": {"epochs": 1, "seeds": [0, 1]},
            "evaluate": {"folds": 2, "seeds": 2, "budgets": [1.0], "inner_folds": 2},
            "controls": {"random_init": True, "logmel_stats": False, "shuffled": "none"},
            "grid": {"labeler": ["lexicon", "random"]},
            "trackers": [],
            "executor": {"name": "local", "inline": True},
            "threads": {"label": 1, "pretrain": 1, "embed": 1},
            "paths": {"store": str(home / "store"), "results": str(home / "results")},
        }
    )
    assert outcome.ok, outcome.failures
    return home


@pytest.fixture(scope="module")
def page(home: Path) -> Path:
    return write_report([home / "results"], home / "page.html", store=home / "store")


def _n_labels(record: ResultRecord) -> int:
    gold = record.labels[CORPUS].gold
    assert gold is not None
    return len(gold.labels)


def main_record(results: Path, labeler: str = "lexicon") -> tuple[Path, ResultRecord]:
    found = load_records([results])
    return next((p, r) for p, r in found if (r.role, r.labeler) == ("main", labeler))


def test_the_labels_beside_a_record_give_its_scores_against_gold(home: Path) -> None:
    path, record = main_record(home / "results")
    assert record.weak_labels is not None
    labels = corpus_labels(path, record.weak_labels, CORPUS, _n_labels(record))
    gold = record.labels[CORPUS].gold
    assert gold is not None
    assert gold.abstention_is_wrong is not None
    kept = labels.weak >= 0
    assert (len(labels.ids), len(set(labels.speakers))) == (gold.abstention_is_wrong.n, 6)
    assert 0 < gold.abstention_left_out.n == kept.sum() < len(kept)
    classes = np.unique(labels.gold)
    uar = recall_score(labels.gold, labels.weak, labels=classes, average="macro")
    assert gold.abstention_is_wrong.uar.value == pytest.approx(uar)
    kappa = cohen_kappa_score(labels.gold, labels.weak)
    assert gold.abstention_is_wrong.kappa == pytest.approx(kappa)
    assert np.all((labels.confidence[kept] > 0) & (labels.confidence[kept] <= 1))
    control = next(r for _, r in load_records([home / "results"]) if r.role == "control")
    assert control.weak_labels is None


def test_another_confusion_than_that_of_the_labels_is_a_fault(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "results", tmp_path / "results")
    path, record = main_record(tmp_path / "results")
    assert check_record(path).faults == []
    content = json.loads(path.read_text())
    content["labels"][CORPUS]["gold"]["confusion"][0][0] += 1
    path.write_text(json.dumps(content))
    (fault,) = check_record(path).faults
    assert "another confusion matrix" in fault
    assert load_record(path).weak_labels == record.weak_labels


def test_the_sums_beside_a_record_give_the_scores_of_its_labels(home: Path, tmp_path: Path) -> None:
    path, record = main_record(home / "results")
    sums = record_sums(path, record)[CORPUS]
    summary = record.labels[CORPUS]
    assert summary.gold is not None
    found = {name: float(s.value(s.sums.sum(0))) for name, s in statistics(sums).items()}
    assert found["uar"] == pytest.approx(summary.gold.abstention_is_wrong.uar.value)
    assert found["kappa"] == pytest.approx(summary.gold.abstention_is_wrong.kappa)
    assert found["coverage"] == pytest.approx(summary.coverage)
    assert never_given(sums) == summary.never_firing
    assert len(sums.units) == 6
    assert 0 < found["jsd"] < 1
    shutil.copytree(home / "results", tmp_path / "results")
    path, record = main_record(tmp_path / "results")
    content = json.loads(path.read_text())
    content["labels"][CORPUS]["coverage"] += 0.01
    path.write_text(json.dumps(content))
    (fault,) = check_record(path).faults
    assert "coverage is" in fault


def test_confidence_is_judged_as_by_hand(home: Path) -> None:
    path, record = main_record(home / "results", "random")
    assert record.weak_labels is not None
    labels = corpus_labels(path, record.weak_labels, CORPUS, _n_labels(record))
    panels = label_panels(Records(load_records([home / "results"])), Clips(None))
    panel = next(p for p in panels if p["name"] == "random, goemotions-ekman, synthetic")
    order = sorted(range(84), key=lambda i: -labels.confidence[i])
    wrong = [labels.weak[i] != labels.gold[i] for i in order]
    risks = [sum(wrong[: n + 1]) / (n + 1) for n in range(84)]
    assert len(set(labels.confidence)) == 84  # no ties
    trust = panel["trust"]
    assert trust["risk"].area.value == pytest.approx(np.mean(risks))
    assert trust["risk"].overall == pytest.approx(risks[-1])
    half = trust["kept"][2]
    assert half == pytest.approx((0.5, 0.5, 1 - risks[41], labels.confidence[order[41]]))
    assert sum(one.n for one in trust["bins"]) == 84
    gaps = []
    for own in np.array_split(order[::-1], 10):
        right = labels.weak[own] == labels.gold[own]
        gaps.append(abs((labels.confidence[own] - right).sum()) / 84)
    assert trust["error"].value == pytest.approx(sum(gaps), abs=0.02)  # bins of 8 or 9
    confusion = np.array([[n for n, _, _ in cells] for _, cells in panel["confusion"]])
    assert panel["wrong"] == sum(wrong) == 84 - confusion.trace()
    surest = [labels.ids[i] for i in order if labels.weak[i] != labels.gold[i]]
    assert [line["id"] for line in panel["errors"]] == surest[:SHOWN]


def test_the_hardest_clips_are_those_that_most_predictions_miss(home: Path) -> None:
    records = Records(load_records([home / "results"]))
    board = next(b for b in records.boards if b.dataset == "synthetic")
    found = hardest(records, board, Clips(None))
    assert found is not None
    misses: dict[str, list[bool]] = {}
    for path, record in records.files:
        if record.role == "main" and record.predictions:
            for row in read_attached(path, record.predictions).to_pylist():
                if row["target"] == 0:
                    misses.setdefault(row["id"], []).append(row["gold"] != row["predicted"])
    shares = {name: np.mean(missed) for name, missed in misses.items()}
    assert {len(missed) for missed in misses.values()} == {2 * 2}  # labelers, seeds
    hardest_first = sorted(shares.values(), reverse=True)[:SHOWN]
    assert [line["wrong"] for line in found["lines"]] == pytest.approx(hardest_first)
    assert all(line["wrong"] == pytest.approx(shares[line["id"]]) for line in found["lines"])
    assert all(line["predicted"] != line["gold"] for line in found["lines"])


def test_sound_and_words_of_free_sets_are_in_the_page(page: Path) -> None:
    text = page.read_text()
    assert page.stat().st_size < 3_000_000
    sounds = re.findall(r'src="data:audio/ogg;base64,([^"]+)"', text)
    assert SHOWN < len(sounds) <= 4 * SHOWN
    infos = [sf.info(io.BytesIO(base64.b64decode(sound))) for sound in sounds]
    assert {(one.samplerate, one.channels, one.subtype) for one in infos} == {(16_000, 1, "OPUS")}
    assert max(one.duration for one in infos) == pytest.approx(6)
    assert "first 6 s of 7.0 s" in text
    assert "Sentences Apache-2.0" in text
    assert NASTY not in text
    assert "&lt;script&gt;alert" in text
    assert "autoplay" not in text


def test_without_store_or_licence_a_sentence_says_why(home: Path, tmp_path: Path) -> None:
    bare = write_report([home / "results"], tmp_path / "a.html", store=tmp_path / "gone")
    text = bare.read_text()
    assert not (tmp_path / "gone").exists()
    assert "<audio" not in text
    assert "no store was named that has the utterances of synthetic" in text
    results = Path(shutil.copytree(home / "results", tmp_path / "results"))
    for path in results.rglob("*.json"):
        path.write_text(path.read_text().replace("Sentences Apache-2.0", "CC BY-NC-SA 4.0"))
    text = write_report([results], tmp_path / "b.html", store=home / "store").read_text()
    assert "the licence of synthetic (CC BY-NC-SA 4.0" in text
    assert 'aria-label="Clip s0' not in text
    declared = ["--store", str(home / "store"), "--with-audio", "synthetic"]
    with pytest.raises(SystemExit) as caught:
        main(["report", str(results), "-o", str(tmp_path / "c.html"), *declared])
    assert not caught.value.code
    text = (tmp_path / "c.html").read_text()
    assert 'aria-label="Clip s0' in text
    assert "passed on by declaration" in text


def test_a_recording_that_changed_has_no_sound(home: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(home, tmp_path / "copy"))
    for path in (copy / "noise").glob("*.wav"):
        sf.write(path, np.zeros(16_000), 16_000)
    for path in (copy / "store" / "paths").glob("*.json"):
        path.write_text(path.read_text().replace(str(home), str(copy)))
    text = write_report([copy / "results"], copy / "page.html", store=copy / "store").read_text()
    assert "recordings were moved, changed or removed" in text
    assert 'aria-label="Clip c' not in text


def test_only_licences_that_let_everybody_pass_recordings_on_are_free() -> None:
    plugins = registry(())
    cards = {name: plugins.plugin_class("dataset", name).card for name in plugins.names("dataset")}
    free = {name for name, card in cards.items() if may_pass_on(card.licence)}
    assert free == {"crema-d", "librispeech", "ljspeech", "peoples-speech", "synthetic"}
    assert may_pass_on("CC-BY-SA-4.0")
    closed = ("", "not stated", "CC BY-NC 4.0", "CC-BY-ND-4.0", "CC BY 4.0 (annotations)", "CC")
    assert not any(map(may_pass_on, closed))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt install chromium)")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_clips_play_one_at_a_time_and_the_page_is_accessible(
    browser: Any, page: Path, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    visit = Visit(browser, page, color_scheme=scheme)
    visit.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    clips = visit.page.locator("audio")
    first, second = clips.nth(0), clips.nth(1)
    first.scroll_into_view_if_needed()
    first.evaluate(f"a => a.readyState > 0 || {AFTER.format('loadedmetadata')}")
    assert first.evaluate("a => a.paused")
    sound = base64.b64decode(str(first.get_attribute("src")).partition(",")[2])
    seconds = sf.info(io.BytesIO(sound)).duration
    assert first.evaluate("a => a.duration") == pytest.approx(seconds, abs=0.01)
    assert f"{seconds:.1f} seconds" in str(first.get_attribute("aria-label"))
    first.click(position={"x": 20, "y": 17})
    first.evaluate(f"a => a.currentTime > 0 || {AFTER.format('timeupdate')}")
    second.focus()
    visit.page.keyboard.press("Space")
    second.evaluate(f"a => a.currentTime > 0 || {AFTER.format('timeupdate')}")
    assert first.evaluate("a => a.paused")
    found = axe.Axe().run(visit.page)
    assert found.violations_count == 0, found.generate_report()
    assert visit.said == []
    assert [url for url in visit.asked if not url.startswith("data:audio/ogg")] == [page.as_uri()]
