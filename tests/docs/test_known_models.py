"""Plugins open the well-known models that they say they open: facts and verdicts fit transformers.

`test_docs.py` compares the verdicts with the tables in `docs/known-models.md`.
"""

from __future__ import annotations

import pytest
from lanser_bench_plugins._fits import MULTIMODAL

from .known_models import Known, known_models, opened_models

MODELS = list(known_models())
OWN_CODE = {"GLiClassModel", "NewModel", "Wav2Vec2ForSpeechClassification"}
"""Classes that transformers does not have."""
REFUSED = {
    "BAAI/bge-m3": ("labeler", "entailment"),
    "facebook/bart-large-mnli": ("labeler", "similarity"),
    "microsoft/deberta-v3-base": ("labeler", "fill-mask"),
    "microsoft/wavlm-base": ("asr", "transformers"),
    "openai/whisper-small": ("asr", "faster-whisper"),
    "Qwen/Qwen3-0.6B": ("labeler", "fill-mask"),
    "SamLowe/roberta-base-go_emotions": ("labeler", "entailment"),
    "Systran/faster-whisper-small": ("asr", "transformers"),
}
"""Plausible mistakes: model → plugin."""


def test_there_are_many_models() -> None:
    assert len({model.name for model in MODELS}) == len(MODELS) >= 40


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_stored_configurations_name_classes_of_transformers(model: Known) -> None:
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    classes = set(model.config.get("architectures", ())) - OWN_CODE
    assert classes <= set(dir(transformers))
    if classes:
        assert model.config["model_type"] in CONFIG_MAPPING_NAMES


@pytest.mark.slow
def test_openings_fit_the_auto_classes_of_transformers() -> None:
    from transformers.models.auto import modeling_auto as auto

    types = {
        ("labeler", "entailment"): auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
        ("labeler", "classifier"): auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
        ("labeler", "similarity"): auto.MODEL_MAPPING_NAMES,
        ("labeler", "fill-mask"): auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
        ("labeler", "llm"): auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        ("asr", "transformers"): auto.MODEL_FOR_CTC_MAPPING_NAMES
        | auto.MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES
        | auto.MODEL_FOR_TDT_MAPPING_NAMES,
        ("labeler", "audio-teacher"): auto.MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES,
        ("encoder", "transformers"): auto.MODEL_MAPPING_NAMES,
    }
    for opened in opened_models():
        kind = opened.model.config.get("model_type")  # CTranslate2 stores none
        for plugin, names in types.items():
            if kind and plugin[1] in opened.plugins.get(plugin[0], ()):
                assert kind in names, f"{plugin} does not open {opened.model.name}"


@pytest.mark.slow
def test_refused_multimodal_models_open_as_no_causal_one() -> None:
    from transformers.models.auto import modeling_auto as auto

    assert not MULTIMODAL & auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.keys()


def test_every_model_opens_or_is_refused_with_a_sentence() -> None:
    for opened in opened_models():
        kind, name = opened.model.plugin.split()
        if name not in opened.plugins.get(kind, ()):
            assert (
                f"{kind} '{name}' cannot use the model '{opened.model.name}': it " in opened.refusal
            )
            assert "Use a" in opened.refusal


@pytest.mark.parametrize("name", REFUSED)
def test_plausible_mistakes_are_refused(name: str) -> None:
    [opened] = [opened for opened in opened_models() if opened.model.name == name]
    kind, plugin = REFUSED[name]
    assert plugin not in opened.plugins.get(kind, ())


def test_only_multilingual_whispers_need_a_language() -> None:
    whispers = [opened for opened in opened_models() if "whisper" in opened.model.name]
    assert len(whispers) > 10
    for opened in whispers:
        assert opened.needs_language is not opened.model.name.endswith(".en")
