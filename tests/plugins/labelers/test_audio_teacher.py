"""The audio teacher: the contract, its numbers by hand, and which models it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import classifier_folder, speech_classifier_folder

from lanser_bench import SettingsError, TextRecord
from lanser_bench.plugins import find_taxonomy
from lanser_bench.plugins.discovery import registry
from lanser_bench.testing import LabelerSuite

SHORT_NAMES = ("neu", "hap", "ang", "sad")
"""Of superb/wav2vec2-base-superb-er, in its order."""
WRITTEN = {"neu": "neutral", "hap": "happy", "ang": "angry", "sad": "sad"}


def taxonomy(name: str) -> Any:
    return find_taxonomy(registry(), name)


def teacher(folder: Path, **options: Any) -> Any:
    return registry().create("labeler", "audio-teacher", {"model": str(folder), **options})


def records(*clips: Any) -> list[TextRecord]:
    return [TextRecord(id=str(i), text="", audio=clip) for i, clip in enumerate(clips)]


def noise(seconds: float, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal(int(16_000 * seconds))).astype(np.float32)


@pytest.fixture(scope="session")
def iemocap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return speech_classifier_folder(tmp_path_factory.mktemp("iemocap"), SHORT_NAMES)


class TestAudioTeacherContract(LabelerSuite):
    folder: Path

    @pytest.fixture(autouse=True)
    def _folder(self, iemocap: Path) -> None:
        type(self).folder = iemocap

    def make(self) -> Any:
        return teacher(self.folder, map={"hap": "joy", "ang": "anger", "sad": "sadness"})

    def test_taxonomies_of_two_and_of_500_labels_are_scored(self) -> None:
        """The labels are the model's, so other taxonomies need a map."""


def test_scores_are_the_model_s_shares_of_each_clip_alone(iemocap: Path) -> None:
    import torch
    from transformers import AutoFeatureExtractor, Wav2Vec2ForSequenceClassification

    clips = [noise(0.5), noise(1.2, 1), noise(0.8, 2)]
    target = taxonomy("iemocap-4")
    scores = teacher(iemocap, map=WRITTEN).score(records(*clips), target)
    extractor = AutoFeatureExtractor.from_pretrained(iemocap)
    model = Wav2Vec2ForSequenceClassification.from_pretrained(iemocap).eval()
    order = [[*WRITTEN.values()].index(name) for name in target.names]
    for row, clip in enumerate(clips):
        inputs = extractor(clip, sampling_rate=16_000, return_tensors="pt")
        with torch.inference_mode():
            shares = model(**inputs).logits[0].softmax(-1).numpy()
        np.testing.assert_allclose(scores.values[row], shares[order], atol=1e-5)
    assert not scores.abstained.any()


def test_long_clips_are_cut_and_counted_and_empty_ones_abstain(iemocap: Path) -> None:
    labeler = teacher(iemocap, map=WRITTEN, max_seconds=0.5)
    long, tiny, nothing = noise(1.0), noise(0.005), noise(0)
    found = labeler.score(records(long, long[:8000], tiny, nothing), taxonomy("iemocap-4"))
    assert found.truncated is not None
    assert found.truncated.tolist() == [True, False, False, False]
    np.testing.assert_array_equal(found.values[0], found.values[1])
    assert found.abstained.tolist() == [False, False, False, True]
    np.testing.assert_allclose(found.values[3], 0.25)


def test_other_models_are_refused_before_anything_runs(iemocap: Path, tmp_path: Path) -> None:
    teacher(iemocap, map=WRITTEN).check()
    with pytest.raises(SettingsError, match="It may fit labeler 'classifier'"):
        teacher(classifier_folder(tmp_path / "text", SHORT_NAMES), map=WRITTEN).check()
    content = json.loads((iemocap / "config.json").read_text())
    content["architectures"] = ["Wav2Vec2ForCTC"]
    for file in iemocap.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(SettingsError, match="Use a speech emotion recogniser"):
        teacher(tmp_path, map=WRITTEN).check()
    content |= {"architectures": ["HubertForSequenceClassification"], "problem_type": "regression"}
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(SettingsError, match="predicts numbers instead of labels"):
        teacher(tmp_path, map=WRITTEN).check()
