"""Listen or read, on planted cases in real runs: a reader, a listener, and random features."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile as sf

from lanser_bench.evaluation.listening import ListenResult
from lanser_bench.experiment import RunOutcome, run_experiment
from lanser_bench.records.checks import check_record
from lanser_bench.records.reading import load_record, load_records
from lanser_bench.records.record import ResultRecord
from lanser_bench.reporting.comparing.compare import compare
from lanser_bench.reporting.comparing.gate import gate
from lanser_bench.reporting.leaderboard.boards import rank
from lanser_bench.reporting.report.report import render
from lanser_bench.store import Store

pytestmark = pytest.mark.slow

RATE = 16_000
EMOTIONS = ("glad", "mad", "sad")
SPEAKERS, CLIPS = 8, 18
PLUGINS = '''
"""Words are coded in a low tone, the voice in a high one: plugins that use one, or neither."""
import numpy as np
from lanser_bench import FeatureExtractor, Labeler, PluginOptions, Scores, hookimpl


def level(x, hertz):
    t = np.arange(len(x)) / 16_000
    return np.hypot(x @ np.sin(2 * np.pi * hertz * t), x @ np.cos(2 * np.pi * hertz * t)) / len(x)

class Reader(FeatureExtractor[PluginOptions]):
    version = "1"
    tones = (300, 400, 500)

    def extract(self, batch):
        return [[np.array([[level(x, f) for f in self.tones]], np.float32)] for x in batch]

class Listener(Reader):
    tones = (1300, 1400, 1500)

class Guess(FeatureExtractor[PluginOptions]):
    version = "1"

    def extract(self, batch):
        seeds = [abs(int(1e6 * x[:50].sum())) for x in batch]
        drawn = [np.random.default_rng(seed).standard_normal((1, 4)) for seed in seeds]
        return [[values.astype(np.float32)] for values in drawn]

class Words(Labeler[PluginOptions]):
    version = "1"

    def score(self, records, taxonomy):
        hits = np.array([[label.name in r.text for label in taxonomy.labels] for r in records])
        values = (hits + 0.01) / (hits + 0.01).sum(axis=1, keepdims=True)
        return Scores(values.astype(np.float32), "distribution", np.zeros(len(records), bool))

@hookimpl
def register_labelers(register):
    register("words", f"{__name__}:Words")

@hookimpl
def register_encoders(register):
    for name in ("Reader", "Listener", "Guess"):
        register(name.lower(), f"{__name__}:{name}")
'''
MOOD = "name: mood\nversion: '1'\ncitation: tests\nneutral_rule: {kind: keep}\nlabels:\n" + "".join(
    f"  - {{name: {name}, hypothesis: {name}}}\n" for name in EMOTIONS
)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half of each speaker's clips are congruent; the label of the set is that of the voice."""
    root = tmp_path_factory.mktemp("listen")
    (root / "mood.yaml").write_text(MOOD)
    (root / "plugins").mkdir()
    (root / "plugins" / "planted.py").write_text(PLUGINS)
    rng = np.random.default_rng(0)
    lines = ["id,path,speaker,transcript,feeling,said,tone,part"]
    for speaker in range(SPEAKERS):
        for take in range(CLIPS):
            voice, shift = take % 3, (take // 3 % 2) * (1 + take // 6 % 2)
            words = (voice + shift) % 3
            t = np.arange(RATE // 4) / RATE
            tones = [300 + 100 * words, 1300 + 100 * voice]
            sound = sum(0.3 * np.sin(2 * np.pi * hertz * t) for hertz in tones)
            sound = sound + 0.01 * rng.standard_normal(len(t))
            sf.write(root / f"{speaker}-{take}.wav", sound.astype(np.float32), RATE)
            said = ("GLAD", "mad", "sad")[words]
            lines.append(
                f"{speaker}-{take},{speaker}-{take}.wav,s{speaker},i am {EMOTIONS[words]},"
                f"{EMOTIONS[voice]},{said},{EMOTIONS[voice]},{'test' if speaker < 3 else 'train'}"
            )
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


Run = Callable[..., RunOutcome]


@pytest.fixture
def run(planted: Path, tmp_path: Path) -> Run:
    def go(**changes: Any) -> RunOutcome:
        mood, root = str(planted / "mood.yaml"), str(planted)
        clips = {"dataset": "manifest", "root": root, "taxonomy": mood}
        settings: dict[str, Any] = {
            "name": "t",
            "labeler": "words",
            "taxonomy": mood,
            "encoder": "reader",
            "targets": [{**clips, "columns": {"label": "feeling"}}],
            "evaluate": {"folds": 4, "budgets": ["k=2", 1.0], "seeds": 2, "strengths": [1.0]},
            "listen": {"words": "said", "voice": "gold", "labels": {"GLAD": "glad"}},
            "controls": {"random_init": False, "logmel_stats": False, "shuffled": "none"},
            "trackers": [],
            "executor": {"name": "local", "inline": True},
            "threads": {"label": 1, "pretrain": 1, "embed": 1},
            "paths": {"store": str(tmp_path / "store"), "results": str(tmp_path / "results")},
        }
        outcome = run_experiment({**settings, **changes}, (), plugin_dirs=(planted / "plugins",))
        assert outcome.ok
        return outcome

    return go


def listened(record: ResultRecord) -> ListenResult:
    found: ListenResult = record.datasets[0].listen  # type: ignore[attr-defined]
    return found


def test_a_reader_a_listener_and_guessing_are_told_apart(run: Run, tmp_path: Path) -> None:
    outcome = run(grid={"encoder": ["reader", "listener", "guess"]})
    found = {r.encoder: listened(r) for r in map(load_record, outcome.records)}
    for result in found.values():
        assert (result.n_conflict, result.n_congruent) == (72, 72)
        assert result.classes == {
            name: {"congruent": 24, "words": 24, "voice": 24} for name in EMOTIONS
        }
        assert not result.left_out
        of_heads = {a.budget: a.n_labels for a in result.answers if a.source == "head"}
        assert of_heads == {"k=2": 6, "100%": 54}
    for budget in (0, 1):
        reads, listens = (found[name].answers[budget] for name in ("reader", "listener"))
        assert (reads.words.value, reads.voice.value, reads.difference.value) == (1, 0, -1)
        assert (listens.words.value, listens.voice.value, listens.difference.value) == (0, 1, 1)
        assert reads.congruent is not None
        assert reads.congruent.value == 1
        guesses = found["guess"].answers[budget]
        for share in (guesses.voice, guesses.words, guesses.neither):
            assert share.value == pytest.approx(1 / 3, abs=0.15)
            assert share.interval is not None
            assert share.interval.low < 1 / 3 < share.interval.high
        assert guesses.difference.interval is not None
        assert guesses.difference.interval.low < 0 < guesses.difference.interval.high
    majority = found["reader"].answers[-1]
    assert majority.source == "majority"
    assert majority.voice.value + majority.words.value + majority.neither.value == pytest.approx(1)

    files = load_records([tmp_path / "results"])
    rows = {row.encoder: row.more for row in rank(files)[0].main}
    assert {name: row["listen_voice"].value for name, row in rows.items()}["listener"] == 1  # type: ignore[union-attr]
    for metric, budget, wanted in (
        ("listen_voice", None, 1),
        ("listen_words", "k=2", -1),
        ("listen_difference", None, 2),
    ):
        sides = "encoder=listener", "encoder=reader"
        found_by = compare(*sides, folder=tmp_path / "results", metric=metric, budget=budget)
        assert [line.difference.value for line in found_by.lines] == [wanted]
    same = gate([tmp_path / "results"], [tmp_path / "results"], metric="listen_difference")
    assert {row.verdict for row in same.compared} == {"same"}
    page = render(files)
    assert "Listen or read" in page
    assert page.count("whisker wide k1") == 3 * 2 + 1


def test_shares_are_counts_of_what_the_run_wrote(run: Run, tmp_path: Path) -> None:
    outcome = run(encoder="guess")
    result = listened(load_record(outcome.records[0]))
    key = load_record(outcome.records[0]).stages["listen targets.0"].key
    store = Store(tmp_path / "store")
    rows = pq.read_table(store.checked(key).path / "predictions.parquet").to_pylist()
    for budget in result.answers:
        own = [
            r for r in rows if (r["source"], r["budget"]) == (budget.source, budget.budget or "")
        ]
        conflict = [r for r in own if r["words"] != r["voice"]]
        same = [r for r in own if r["words"] == r["voice"]]
        voice = sum(r["predicted"] == r["voice"] for r in conflict) / len(conflict)
        words = sum(r["predicted"] == r["words"] for r in conflict) / len(conflict)
        assert budget.voice.value == pytest.approx(voice, abs=1e-9)
        assert budget.words.value == pytest.approx(words, abs=1e-9)
        assert budget.neither.value == pytest.approx(1 - voice - words, abs=1e-9)
        assert budget.difference.value == pytest.approx(voice - words, abs=1e-9)
        assert budget.congruent is not None
        right = sum(r["predicted"] == r["voice"] for r in same) / len(same)
        assert budget.congruent.value == pytest.approx(right, abs=1e-9)


def test_validation_recomputes_the_shares(run: Run) -> None:
    path = run(encoder="guess").records[0]
    assert not check_record(path).faults
    content = json.loads(path.read_text())
    content["datasets"][0]["listen"]["answers"][0]["voice"]["value"] = 0.123456
    path.write_text(json.dumps(content))
    faults = check_record(path).faults
    assert "listen voice head, 100% (54 labels) is 0.123456" in faults[0]
    assert all("listen_voice" in fault for fault in faults[1:])


def test_the_labeler_reads_and_zero_shot_heads_have_a_row(run: Run, planted: Path) -> None:
    clips = {"dataset": "manifest", "root": str(planted), "columns": {"label": "feeling"}}
    outcome = run(
        corpora=[{**clips, "taxonomy": str(planted / "mood.yaml")}],
        encoder={"name": "cnn", "channels": [4]},
        pretrain={"epochs": 1},
        controls={"random_init": True, "logmel_stats": False, "shuffled": "each"},
    )
    found = {r.control: listened(r) for r in map(load_record, outcome.records)}
    assert set(found) == {None, "random_init", "shuffled"}
    answers = {name: {a.source: a for a in result.answers} for name, result in found.items()}
    labeler = answers[None]["labeler"]
    assert (labeler.words.value, labeler.voice.value, labeler.unanswered) == (1, 0, 0)
    assert set(answers[None]) == {"head", "zero_shot", "labeler", "majority"}
    assert set(answers["shuffled"]) == {"head", "zero_shot", "majority"}
    assert set(answers["random_init"]) == {"head", "majority"}
    numbers = {stage for key in outcome.executed for stage in [outcome.plan.nodes[key].stage]}
    assert {"listen", "zeroshot", "transcribe"} <= numbers


def test_a_set_without_both_labels_is_named(run: Run) -> None:
    record = load_record(run(listen={}).records[0])
    assert listened(record) is None
    [note] = record.datasets[0].notes
    assert "no extra 'words_emotion'" in note
    assert "part, said, tone" in note


def test_conflict_clips_of_the_training_part_are_counted(run: Run, planted: Path) -> None:
    mood, columns = str(planted / "mood.yaml"), {"label": "feeling", "split": "part"}
    clips = {"dataset": "manifest", "root": str(planted), "taxonomy": mood, "columns": columns}
    evaluate = {"protocol": "split", "budgets": [1.0], "seeds": 1, "strengths": [1.0]}
    found = listened(load_record(run(targets=[clips], evaluate=evaluate).records[0]))
    assert (found.n_conflict, found.n_congruent, found.n_speakers) == (27, 72, 3)
    assert found.left_out == {"conflict, in no test part": 45}
    assert found.answers[0].voice.interval is None


def test_labels_outside_the_taxonomy_are_counted_and_too_few_clips_are_a_sentence(run: Run) -> None:
    record = load_record(run(listen={"words": "said", "voice": "tone"}).records[0])
    found = listened(record)
    assert found.left_out == {
        "'GLAD' is not in the taxonomy": 48,
        "conflict, of a class without congruent clips to train on": 24,
    }
    assert found.labels == ["mad", "sad"]
    assert found.classes["glad"]["words"] == 0
    # Only the voice is ever glad in what is left, so no head can be trained on it.
    [warning] = [w for w in found.warnings if "no clip that agrees for" in w]
    assert warning.endswith("glad.")
    same = load_record(run(listen={"words": "tone", "voice": "gold"}).records[0])
    assert listened(same).answers == []
    assert "There are 0 clips that disagree and 144 that agree" in listened(same).warnings[0]
    board = rank([same])[0]
    assert any("Listen or read is not measured" in note for note in board.warnings)
