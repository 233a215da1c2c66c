"""The embedded corpus: its sentences, its plan and its sound."""

from __future__ import annotations

import hashlib
import importlib.util
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from lanser_bench_plugins.datasets._espeak import Clip, speak
from lanser_bench_plugins.datasets._prosody_plan import EMOTIONS, Planned, plan
from lanser_bench_plugins.datasets.synthetic import Synthetic, SyntheticOptions, _sentences

from lanser_bench import MissingDependencyError, Utterance
from lanser_bench.plugins.discovery import load_plugins
from lanser_bench.plugins.taxonomies import find_taxonomy

needs_engine = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None, reason="the extra `synth` is not installed"
)


def planned(**changes: Any) -> list[Planned]:
    given = {
        "speakers": 8,
        "first_voice": 0,
        "clips": 203,
        "congruence": 0.5,
        "fixed_text": False,
        "seed": 0,
    }
    return list(plan(_sentences(), **(given | changes)))


def corpus(root: Path, **options: Any) -> list[Utterance]:
    return list(Synthetic(SyntheticOptions(**options)).utterances(root))


def test_the_sentences_are_many_distinct_short_and_balanced() -> None:
    sentences = _sentences()
    spoken = [s for s in sentences if not s.id.startswith("fixed-")]
    assert Counter(s.emotion for s in spoken) == dict.fromkeys(EMOTIONS, 30)
    assert len({s.text for s in sentences}) == len({s.id for s in sentences}) == len(sentences)
    assert all(4 <= len(s.text.split()) <= 14 for s in sentences)
    assert {s.emotion for s in sentences if s.id.startswith("fixed-")} == {"neutral"}


def test_labels_are_those_of_the_taxonomy_on_the_card() -> None:
    registry = load_plugins(only="")
    assert set(find_taxonomy(registry, "goemotions-ekman").names) == set(EMOTIONS)


def test_speakers_emotions_and_sentences_are_balanced() -> None:
    clips = planned()
    assert set(Counter(c.emotion for c in clips).values()) == {29}
    assert set(Counter(c.speaker for c in clips).values()) == {25, 26}
    per_cell = Counter((c.speaker, c.emotion) for c in clips)
    assert set(per_cell.values()) <= {3, 4}
    assert max(Counter(c.sentence.id for c in clips).values()) == 1
    assert max(Counter(c.sentence.id for c in planned(clips=420)).values()) == 2


def test_the_words_carry_the_emotion_of_the_clip() -> None:
    assert all(c.sentence.emotion == c.emotion for c in planned())


@pytest.mark.parametrize(("congruence", "expected"), [(0.0, 1 / 7), (0.5, 4 / 7), (1.0, 1.0)])
def test_congruence_is_the_share_of_clips_whose_prosody_follows(
    congruence: float, expected: float
) -> None:
    clips = planned(clips=2100, congruence=congruence)
    share = np.mean([c.prosody_emotion == c.emotion for c in clips])
    assert share == pytest.approx(expected, abs=0.035)


def test_turning_congruence_leaves_words_and_other_clips_alone() -> None:
    low, high = planned(congruence=0.25), planned(congruence=0.75)
    assert [c.sentence for c in low] == [c.sentence for c in high]
    for before, after in zip(low, high, strict=True):
        if before.prosody_emotion == after.prosody_emotion:
            assert before == after
        else:
            assert after.prosody_emotion == after.emotion


def test_settings_overlap_but_tell_emotions_apart() -> None:
    clips = planned(clips=2100, congruence=1.0)
    pitch = {e: [c.pitch for c in clips if c.emotion == e] for e in EMOTIONS}
    assert np.mean(pitch["surprise"]) > np.mean(pitch["sadness"]) + 25
    assert max(pitch["sadness"]) > min(pitch["surprise"])
    assert np.std([c.rate for c in clips if c.emotion == "neutral"]) > 9


def test_other_seeds_give_other_corpora() -> None:
    assert planned(seed=1) != planned()
    assert planned() == planned()


def test_fixed_text_says_few_sentences_in_every_emotion() -> None:
    clips = planned(fixed_text=True, congruence=0.0)
    assert len({c.sentence.id for c in clips}) == 4
    assert all(c.prosody_emotion == c.emotion for c in clips)
    assert len({(c.sentence.id, c.emotion) for c in clips}) == 28


@needs_engine
def test_the_same_settings_give_the_same_bytes(tmp_path: Path) -> None:
    def digests(root: Path) -> list[str]:
        found = corpus(root, clips=12, speakers=4, noise_db=-50)
        return [hashlib.sha256(u.audio.read_bytes()).hexdigest() for u in found if u.audio]

    first = digests(tmp_path / "one")
    assert digests(tmp_path / "two") == first
    assert len(set(first)) == 12


@needs_engine
def test_clips_are_spoken_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = corpus(tmp_path, clips=3, speakers=1)

    def refuse(*_: object) -> None:
        raise AssertionError("spoken again")

    monkeypatch.setattr("lanser_bench_plugins.datasets.synthetic.speak", refuse)
    assert corpus(tmp_path, clips=3, speakers=1) == first


@needs_engine
def test_gold_is_the_words_or_the_prosody(tmp_path: Path) -> None:
    words = corpus(tmp_path, clips=14, speakers=2, congruence=0.0)
    prosody = corpus(tmp_path, clips=14, speakers=2, congruence=0.0, gold="prosody")
    assert [u.audio for u in words] == [u.audio for u in prosody]
    assert [dict(u.gold) for u in words] == [{u.extras["words_emotion"]: 1.0} for u in words]
    assert [dict(u.gold) for u in prosody] == [{u.extras["prosody_emotion"]: 1.0} for u in words]
    assert [u.gold for u in words] != [u.gold for u in prosody]


@needs_engine
def test_fixed_text_has_the_gold_of_its_prosody_and_says_so(tmp_path: Path) -> None:
    dataset = Synthetic(SyntheticOptions(clips=7, speakers=1, fixed_text=True))
    found = list(dataset.utterances(tmp_path))
    assert dataset.card.fixed_sentences
    assert {label for u in found for label in u.gold} == set(EMOTIONS)


@needs_engine
def test_a_killed_making_leaves_no_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(clips: object, folder: Path) -> None:
        (folder / "half.flac").write_bytes(b"")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("lanser_bench_plugins.datasets.synthetic.speak", killed)
        with pytest.raises(KeyboardInterrupt):
            corpus(tmp_path, clips=2, speakers=1)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


@needs_engine
def test_what_a_killed_making_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    options = SyntheticOptions(clips=2, speakers=1)
    left = tmp_path / f".making-{Synthetic(options)._digest()}" / "half.flac"
    left.parent.mkdir()
    left.write_bytes(b"half")
    assert len(list(Synthetic(options).utterances(tmp_path))) == 2
    assert not left.parent.exists()
    assert len(corpus(tmp_path, clips=2, speakers=1)) == 2


def loudness_and_pitch(path: Path) -> tuple[float, float]:
    samples, rate = soundfile.read(path)
    loud = samples[np.abs(samples) > 0.02]
    spectrum = np.fft.rfft(samples, 1 << 18)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)
    shortest, longest = round(rate / 400), round(rate / 60)
    lag = shortest + int(np.argmax(correlation[shortest:longest]))
    return float(np.sqrt(np.mean(loud**2))), rate / lag


@needs_engine
def test_planted_settings_are_heard(tmp_path: Path) -> None:
    def clip(name: str, **settings: int) -> Clip:
        usual = {"rate": 160, "volume": 80, "pitch": 50, "range": 10}
        text = "They will bring the tools back tomorrow morning."
        return Clip(f"{name}.flac", text, "en-us+m3", **(usual | settings))

    speak(
        [
            clip("usual"),
            clip("high", pitch=90),
            clip("loud", volume=110),
            clip("fast", rate=220),
        ],
        tmp_path,
    )
    usual_loudness, usual_pitch = loudness_and_pitch(tmp_path / "usual.flac")
    assert loudness_and_pitch(tmp_path / "high.flac")[1] > 1.25 * usual_pitch
    assert loudness_and_pitch(tmp_path / "loud.flac")[0] > 1.2 * usual_loudness
    seconds = {n: soundfile.info(tmp_path / f"{n}.flac").duration for n in ("usual", "fast")}
    assert seconds["fast"] < 0.9 * seconds["usual"]


def test_a_missing_engine_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'lanser-bench\[synth\]'"):
        corpus(tmp_path)


@needs_engine
def test_every_voice_is_there(tmp_path: Path) -> None:
    found = corpus(tmp_path, clips=24, speakers=24)
    assert len({u.speaker for u in found}) == 24
    assert {u.extras["sex"] for u in found} == {"male", "female"}


def test_two_corpora_can_share_no_voice() -> None:
    first = SyntheticOptions(clips=24, speakers=12)
    second = SyntheticOptions(clips=24, speakers=12, first_voice=12)
    voices = [
        {
            c.voice
            for c in plan(
                _sentences(),
                speakers=o.speakers,
                first_voice=o.first_voice,
                clips=o.clips,
                congruence=1.0,
                fixed_text=False,
                seed=0,
            )
        }
        for o in (first, second)
    ]
    assert [len(v) for v in voices] == [12, 12]
    assert not voices[0] & voices[1]
    with pytest.raises(ValueError, match="there are 24 voices"):
        SyntheticOptions(speakers=12, first_voice=13)


def test_less_variation_moves_each_clip_towards_the_mean_of_its_emotion() -> None:
    usual, less = planned(), planned(variation=0.25)
    assert planned(variation=1.0) == usual
    for clips, limit in ((usual, 30), (less, 8)):
        by_voice: dict[tuple[str, str], list[int]] = {}
        for clip in clips:
            by_voice.setdefault((clip.speaker, clip.prosody_emotion), []).append(clip.rate)
        within = [max(rates) - min(rates) for rates in by_voice.values() if len(rates) > 2]
        assert np.median(within) < limit
    assert [c.sentence for c in less] == [c.sentence for c in usual]
    assert (
        Synthetic(SyntheticOptions())._digest()
        != Synthetic(SyntheticOptions(variation=0.25))._digest()
    )
