"""Probes of classes and of words, on arrays that hold what is asked and on ones that do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stages.evaluation_world import World, probe_identity

from lanser_bench import DataError, Speech
from lanser_bench.evaluation.results import ProbeResult
from lanser_bench.plugins.discovery import registry
from lanser_bench.stages import targets
from lanser_bench.stages.probe import spec as probe
from lanser_bench.testing import check

PARAMS = probe.Params(folds=3, sentence_folds=1, inner_folds=2, strengths=(0.01, 1.0))
SPEAKERS, SENTENCES, EMOTIONS = 6, 4, ("angry", "calm", "glad")
ROWS = [
    {
        "speaker": f"made:s{s}",
        "sentence_id": f"t{t}",
        "gold": {e: 1.0},
        "transcript": f"sentence number {t}",
    }
    for s in range(SPEAKERS)
    for t in range(SENTENCES)
    for e in EMOTIONS
    for _ in range(2)
]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def holding(rows: list[dict[str, Any]], column: str, seed: int = 0) -> np.ndarray:
    """An embedding that contains a column's values, with noise."""
    rng = np.random.default_rng(seed)
    names = [str(row[column]) for row in rows]
    centres = {name: 3 * rng.standard_normal(6) for name in sorted(set(names))}
    return np.array([centres[name] for name in names]) + rng.standard_normal((len(rows), 6))


@pytest.mark.parametrize(
    ("name", "options"),
    [("speaker", {}), ("emotion-fixed-text", {}), ("text", {"predict": "sentence"})],
)
def test_classes_keep_the_contract(name: str, options: dict[str, Any]) -> None:
    assert check("probe", lambda: registry().create("probe", name, options)) == []


def probed(
    world: World,
    name: str,
    values: np.ndarray,
    rows: list[dict[str, Any]] | None = None,
    **options: Any,
) -> ProbeResult:
    utterances = world.manifest(ROWS if rows is None else rows)
    measured = targets.spec(utterances=utterances, probe=probe_identity(name, **options))
    world.run(measured)
    spec = probe.spec(
        utterances=utterances,
        embeddings=world.embeddings(utterances, {"layer_00": values}),
        targets=measured.key,
        params=PARAMS,
        seed=0,
        probe=registry().create("probe", name, options),
    )
    return ProbeResult.model_validate_json((world.result(spec).path / probe.RESULT).read_bytes())


@pytest.mark.parametrize(("column", "holds"), [("speaker", True), ("gold", False)])
def test_who_speaks_is_told_by_an_embedding_of_speakers_alone(
    world: World, column: str, holds: bool
) -> None:
    found = probed(world, "speaker", holding(ROWS, column))
    (score,) = found.classes
    assert score.chance == pytest.approx(1 / SPEAKERS)
    assert score.n_classes == SPEAKERS
    assert score.uar.interval is not None
    assert (score.uar.value > 0.9) is holds
    assert (score.uar.value < 0.35) is not holds
    assert found.held_out == "sentences"
    assert found.sentence_disjoint
    assert "identity leak" in found.warnings[0]
    assert score.scale == "raw"


def test_without_sentence_ids_who_speaks_is_told_on_folds_of_utterances(world: World) -> None:
    rows = [{**row, "sentence_id": None} for row in ROWS]
    found = probed(world, "speaker", holding(ROWS, "speaker"), rows)
    assert not found.sentence_disjoint
    assert "Not all utterances have a sentence_id" in found.warnings[1]


@pytest.mark.parametrize(("column", "holds"), [("gold", True), ("sentence_id", False)])
def test_emotion_is_decoded_within_sentences_by_what_holds_it(
    world: World, column: str, holds: bool
) -> None:
    found = probed(world, "emotion-fixed-text", holding(ROWS, column))
    for score in found.classes:
        assert score.n_strata == SENTENCES
        assert score.chance == pytest.approx(1 / len(EMOTIONS))
        assert (score.uar.value > 0.9) is holds
        assert (score.uar.value < 0.5) is not holds
    assert {score.scale for score in found.classes} == {"raw", "speaker"}


def test_words_that_carry_the_emotion_are_no_help_within_a_sentence(world: World) -> None:
    # Each sentence has an emotion that is said most, so that knowing the words would help.
    rows = [
        row
        for i, row in enumerate(ROWS)
        if int(row["sentence_id"][1]) % 3 == EMOTIONS.index(next(iter(row["gold"]))) or i % 2
    ]
    text = holding(rows, "sentence_id")
    (raw, _) = probed(world, "emotion-fixed-text", text, rows).classes
    assert raw.uar.value < 0.45


def test_a_corpus_without_repeated_sentences_gets_a_sentence(world: World) -> None:
    values = holding(ROWS, "gold")
    for sentences in ([None] * len(ROWS), [f"t{i}" for i in range(len(ROWS))]):
        rows = [{**row, "sentence_id": s} for row, s in zip(ROWS, sentences, strict=True)]
        with pytest.raises(DataError, match=r"no sentence .* at least 2 speakers .*RAVDESS"):
            probed(world, "emotion-fixed-text", values, rows)


def test_classes_of_one_speaker_are_named_and_left_out(world: World) -> None:
    rows = [{**ROWS[0], "gold": {"odd": 1.0}}, *ROWS[1:]]
    found = probed(world, "emotion-fixed-text", holding(rows, "gold"), rows)
    assert "1 classes of a single speaker are left out: odd" in " ".join(found.warnings)
    assert found.classes[0].n == len(ROWS) - 1
    rows = [{**row, "gold": {"calm": 1.0}} for row in ROWS]
    with pytest.raises(DataError, match="it has 1 usable classes"):
        probed(world, "emotion-fixed-text", holding(rows, "speaker"), rows)


@pytest.mark.parametrize(("column", "holds"), [("sentence_id", True), ("gold", False)])
def test_which_sentence_is_said_is_told_across_speakers(
    world: World, column: str, holds: bool
) -> None:
    found = probed(world, "text", holding(ROWS, column), predict="sentence")
    assert (found.classes[0].uar.value > 0.9) is holds
    assert not found.sentence_disjoint


class _Model:
    """Replaces a sentence model: a fixed direction for each text."""

    def get_sentence_embedding_dimension(self) -> int:
        return 12

    def encode(self, text: str, **_: Any) -> np.ndarray:
        return np.random.default_rng(int(text[-1])).standard_normal(12)


@pytest.mark.parametrize(("column", "holds"), [("sentence_id", True), ("gold", False)])
def test_components_of_the_words_are_predicted_by_what_holds_them(
    world: World, monkeypatch: pytest.MonkeyPatch, column: str, holds: bool
) -> None:
    monkeypatch.setattr("lanser_bench_plugins.probes.text.load_sentence_model", lambda *_: _Model())
    found = probed(world, "text", holding(ROWS, column))
    raw = [score for score in found.targets if score.scale == "raw"]
    # Four sentences span three dimensions, fewer than the eight that were asked for.
    assert [score.target for score in raw] == ["words_pc_01", "words_pc_02", "words_pc_03"]
    assert (min(score.r2.value for score in raw) > 0.8) is holds
    assert (max(score.r2.value for score in raw) < 0.2) is not holds


def test_words_need_transcripts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lanser_bench_plugins.probes.text.load_sentence_model", lambda *_: _Model())
    rows = [{**row, "transcript": None} for row in ROWS]
    with pytest.raises(DataError, match="needs transcripts in the manifest"):
        probed(world, "text", holding(ROWS, "gold"), rows)


def test_an_utterance_with_several_labels_has_no_emotion() -> None:
    made = registry().create("probe", "emotion-fixed-text", {})
    golds = [{"glad": 1.0}, {"glad": 0.5, "calm": 0.5}, {}, {"calm": 1.0, "glad": 0.0}]
    found = made.measure([Speech(np.zeros(0, np.float32), gold=gold) for gold in golds])
    assert found[:, 0].tolist() == ["glad", None, None, "calm"]
