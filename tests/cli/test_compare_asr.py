"""`compare asr`: planted recognisers of a real run, counted by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from lanser_bench import DataError, LanserError
from lanser_bench.cli.compare import app

EXAMPLE = Path(__file__).parents[2] / "lanser_bench" / "templates"
MOODS = ("happy", "sad", "angry", "scared")
TEXTS = [f"number {i} feels so very {MOODS[i % 4]} today" for i in range(24)]
"""The clip of text i has 4000 + 400 i samples, from which the planted recognisers know it."""
RECOGNISERS = f"""
from lanser_bench import ASR, PluginOptions, Transcript, hookimpl

TEXTS = {TEXTS!r}

@hookimpl
def register_asr(register):
    for name in ("Exact", "Deaf", "Noisy"):
        register(name.lower(), f"{{__name__}}:{{name}}")

class Exact(ASR[PluginOptions]):
    '''Returns the text, and nothing for silence.'''
    version = "1"
    silence = ""
    def transcribe(self, batch):
        return [Transcript(self.heard((len(s.samples) - 4000) // 400)) for s in batch]
    def heard(self, i):
        return self.said(i) if 0 <= i < len(TEXTS) else self.silence
    def said(self, i):
        return TEXTS[i]

class Deaf(Exact):
    '''Never hears the word of the mood, and hears thanks in silence.'''
    silence = "Thank you."
    def said(self, i):
        return " ".join(w for w in TEXTS[i].split() if w not in {MOODS!r})

class Noisy(Exact):
    '''Hears a wrong number in every second clip.'''
    def said(self, i):
        return TEXTS[i].replace("number", "numbers") if i % 2 else TEXTS[i]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight speakers of three clips, and the planted recognisers."""
    root = tmp_path_factory.mktemp("asr")
    (root / "speech").mkdir()
    lines = ["id,audio,speaker,label,transcript"]
    labels = {"happy": "joy", "sad": "sadness", "angry": "anger", "scared": "fear"}
    for i, text in enumerate(TEXTS):
        tone = 0.2 * np.sin(np.arange(4000 + 400 * i) * (0.05 + i / 100))
        soundfile.write(root / "speech" / f"{i}.wav", tone, 16_000)
        lines.append(f"c{i},{i}.wav,s{i // 3},{labels[MOODS[i % 4]]},{text}")
    (root / "speech" / "manifest.csv").write_text("\n".join(lines) + "\n")
    (root / "plugins").mkdir()
    (root / "plugins" / "planted.py").write_text(RECOGNISERS)
    return root


def run(folder: Path, *words: str) -> str:
    common = ["--plugins-dir", str(EXAMPLE), "--plugins-dir", str(folder / "plugins")]
    for setting in ("executor.inline=true", "threads.label=1", "threads.transcribe=1"):
        common += ["--set", setting]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = CliRunner().invoke(app, ["asr", *words, *common])
    if isinstance(result.exception, LanserError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


SPEECH = ("manifest", "speech", "taxonomy=ekman-6")


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    call = ("deaf", "exact", "noisy", *SPEECH, "--labeler", "keyword")
    answer: dict[str, Any] = json.loads(run(folder, *call, "--format", "json"))
    return answer


def row(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(r for r in found["rows"] if r["asr"] == name)


@pytest.mark.slow
def test_errors_equal_jiwer_s_and_are_ordered(found: dict[str, Any]) -> None:
    deaf = [" ".join(w for w in text.split() if w not in MOODS) for text in TEXTS]
    noisy = [t.replace("number", "numbers") if i % 2 else t for i, t in enumerate(TEXTS)]
    for name, texts in (("deaf", deaf), ("noisy", noisy), ("exact", TEXTS)):
        assert row(found, name)["wer"]["value"] == pytest.approx(jiwer.wer(TEXTS, texts))
        assert row(found, name)["cer"]["value"] == pytest.approx(jiwer.cer(TEXTS, texts))
    assert [r["asr"] for r in found["rows"]] == ["exact", "noisy", "deaf"]
    assert row(found, "deaf")["edits"] == {
        "substitutions": 0.0,
        "deletions": pytest.approx(1 / 7),
        "insertions": 0.0,
    }
    assert (found["words"], found["speakers"]) == (7 * 24, 8)
    pairs = {(p["a"], p["b"]): p for p in found["pairs"]}
    assert pairs["exact", "deaf"]["difference"]["value"] == pytest.approx(-1 / 7)
    assert pairs["noisy", "deaf"]["p_value"] < 0.05


@pytest.mark.slow
def test_words_in_silence_are_counted_and_gated_clips_named(found: dict[str, Any]) -> None:
    for name, share in (("exact", 0), ("noisy", 0), ("deaf", 12 / 16)):
        silence = row(found, name)["silence"]
        assert (silence["clips"], silence["gated"]) == (16, 4)  # -90 dB is below the stage's limit
        assert silence["with_words"]["value"] == share


@pytest.mark.slow
def test_the_cost_for_labels_is_that_of_the_lost_words(found: dict[str, Any]) -> None:
    assert row(found, "deaf")["labels"] is None  # no text has a label left
    exact, noisy = (row(found, name)["labels"] for name in ("exact", "noisy"))
    assert exact["same"]["value"] == noisy["same"]["value"] == 1.0
    assert exact["lost_or_gained"]["value"] == 0.0
    scores = {r["labeler"]: r["uar"]["value"] for r in found["labels"]["rungs"]}
    assert scores["deaf"] == 0.0
    assert scores["reference"] == scores["exact"] == scores["noisy"] > 0.7
    cost = row(found, "exact")["cost"]
    assert cost["wall_s"] > 0


@pytest.mark.slow
def test_tables_and_picture_show_the_same(folder: Path, found: dict[str, Any]) -> None:
    call = ("deaf", "exact", "noisy", *SPEECH, "--no-silence")
    shown = run(folder, *call, "--format", "md", "--picture", "asr.svg").replace("\xa0", " ")
    assert "| deaf | 0.143 [" in shown
    assert "silent clips" not in shown
    assert "over 8 speakers" in shown
    assert (folder / "asr.svg").read_text().index("exact") > 0


def test_recognisers_that_read_the_reference_are_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="errors of 'reference' on 'manifest' are unknown"):
        run(folder, "reference", "exact", *SPEECH, "--no-silence")
