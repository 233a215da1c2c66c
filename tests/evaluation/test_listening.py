"""Listen or read: shares by hand, what is left out, and coverage of the intervals."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from benchmarks.listening_coverage import simulated

from lanser_bench.evaluation.folds import Fold
from lanser_bench.evaluation.listening import Clips, following, trial_of
from lanser_bench.evaluation.results import Metric


def clips(words: list[int], voice: list[int], speakers: list[str]) -> Clips:
    ids = [f"u{i}" for i in range(len(words))]
    return Clips(ids, speakers, np.array(words), np.array(voice))


def test_shares_are_those_counted_by_hand() -> None:
    rng = np.random.default_rng(0)
    speakers = [f"s{i}" for i in rng.integers(0, 7, 200)]
    words, voice, answers = (rng.integers(0, 4, (n, 200)) for n in (1, 1, 3))
    answers[0, :20] = -1
    found = following("head", clips(words[0].tolist(), voice[0].tolist(), speakers), answers)
    counts = dict.fromkeys(("voice", "words", "neither", "none", "right", "conflict", "same"), 0)
    for draw in answers.tolist():
        for said, tone, answer in zip(words[0].tolist(), voice[0].tolist(), draw, strict=True):
            if said == tone:
                counts["same"] += 1
                counts["right"] += answer == tone
                continue
            counts["conflict"] += 1
            counts["voice"] += answer == tone
            counts["words"] += answer == said
            counts["neither"] += answer not in (said, tone)
            counts["none"] += answer == -1
    for name in ("voice", "words", "neither"):
        share: Metric = getattr(found, name)
        assert share.value == pytest.approx(
            float(Fraction(counts[name], counts["conflict"])), abs=1e-9
        )
        assert share.interval is not None
    assert found.difference.value == pytest.approx(
        float(Fraction(counts["voice"] - counts["words"], counts["conflict"])), abs=1e-9
    )
    assert found.congruent is not None
    assert found.congruent.value == pytest.approx(counts["right"] / counts["same"], abs=1e-9)
    assert found.unanswered == pytest.approx(counts["none"] / counts["conflict"], abs=1e-9)


def test_intervals_are_those_of_the_score_over_speakers() -> None:
    """The share of one draw is the accuracy against the voice, which `agreement` also computes."""
    from lanser_bench.evaluation.agreement import Units, share

    rng = np.random.default_rng(1)
    speakers = [f"s{i}" for i in rng.integers(0, 8, 120)]
    voice = rng.integers(0, 4, 120)
    of = clips(((voice + 1) % 4).tolist(), voice.tolist(), speakers)
    answers = rng.integers(0, 4, (1, 120))
    wanted = share(answers[0] == voice, Units("speakers", np.array(speakers)))
    found = following("head", of, answers)
    assert found.voice == wanted
    assert found.congruent is None
    assert found.difference.interval is not None
    assert found.difference.interval.low < found.difference.value
    rows = np.flatnonzero(np.array(speakers) < "s3")
    few = following("head", of.part(rows), answers[:, rows])
    assert few.voice.interval is None


def test_clips_that_no_head_can_answer_are_left_out_by_fold() -> None:
    # Speakers a and b agree on classes 0 and 1, c on class 2 alone.
    of = clips(
        [0, 1, 0, 0, 1, 2, 2, 0, 3],
        [0, 1, 1, 0, 1, 0, 2, 1, 3],
        ["a", "a", "a", "b", "b", "b", "c", "c", "d"],
    )
    speakers = np.array(of.speakers)
    none = np.empty(0, np.int64)
    folds = [
        Fold(np.flatnonzero(speakers != name), np.flatnonzero(speakers == name), none)
        for name in "abc"
    ]
    trial = trial_of(of, folds)
    # Class 2 can be trained on where c is not tested, so the clip of b counts; d is never tested.
    assert trial.lost == 0
    assert trial.classes.tolist() == [0, 1, 2, 3]
    assert [of.ids[i] for i in trial.tested] == ["u0", "u1", "u2", "u3", "u4", "u5", "u7"]
    for fold in trial.folds:
        assert not of.conflict[fold.train].any()
        assert not set(speakers[fold.train]) & set(speakers[fold.test])
    # Without c, nothing of class 2 agrees.
    fewer = trial_of(of, [Fold(f.train[speakers[f.train] != "c"], f.test, none) for f in folds])
    assert (fewer.lost, fewer.untrained.tolist()) == (1, [2])
    counts = of.classes("abcde")
    assert counts["c"] == {"congruent": 1, "words": 1, "voice": 0}
    assert "e" not in counts


def test_nothing_to_test_is_no_error() -> None:
    none = np.empty(0, np.int64)
    same = clips([0, 1], [0, 1], ["a", "b"])
    trial = trial_of(same, [Fold(np.array([0]), np.array([1]), none)])
    assert (trial.folds, trial.used.tolist(), trial.classes.tolist()) == ([], [], [])
    assert trial_of(clips([], [], []), []).folds == []


@pytest.mark.slow
def test_intervals_cover() -> None:
    covered, wrong = simulated("unlike speakers", speakers=10, trials=150)
    assert min(covered.values()) > 0.9
    assert max(wrong.values()) < 0.1
