"""Usual names of models → full names, by kind of plugin.

No plugin imports this module by a statement (`weights.full_name`), so a new name changes no key.
"""

from __future__ import annotations

SMALL = ("tiny.en", "tiny", "base.en", "base", "small.en", "small", "medium.en", "medium")
LARGE = ("large-v1", "large-v2", "large-v3", "large-v3-turbo")
OPENAI = {
    **{name: name for name in (*SMALL, *LARGE)},
    "large": "large-v3",
    "turbo": "large-v3-turbo",
}
"""Names that openai-whisper gives its own checkpoints."""
DISTILLED = ("distil-small.en", "distil-medium.en", "distil-large-v2", "distil-large-v3")
CONVERTED_DISTILLED = {
    **{name: f"Systran/faster-{name.replace('distil', 'distil-whisper')}" for name in DISTILLED},
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
}
CONVERTED = {
    **{name: f"Systran/faster-whisper-{own}" for name, own in OPENAI.items()},
    **CONVERTED_DISTILLED,
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}
"""Whisper converted to CTranslate2."""
WHISPER = {
    **{name: f"openai/whisper-{own}" for name, own in OPENAI.items()},
    **{name: f"distil-whisper/{name}" for name in (*DISTILLED, "distil-large-v3.5")},
    "large-v1": "openai/whisper-large",
}
"""Whisper in the format of transformers."""
ENCODERS = {
    "wavlm-base": "microsoft/wavlm-base",
    "wavlm-base-plus": "microsoft/wavlm-base-plus",
    "wavlm-large": "microsoft/wavlm-large",
    "wav2vec2-base": "facebook/wav2vec2-base",
    "wav2vec2-large-xlsr-53": "facebook/wav2vec2-large-xlsr-53",
    "xls-r-300m": "facebook/wav2vec2-xls-r-300m",
    "w2v-bert-2.0": "facebook/w2v-bert-2.0",
    "hubert-base": "facebook/hubert-base-ls960",
    "hubert-large": "facebook/hubert-large-ll60k",
}
SENTENCES = {
    "all-MiniLM-L6-v2": "sentence-transformers/all-MiniLM-L6-v2",
    "all-mpnet-base-v2": "sentence-transformers/all-mpnet-base-v2",
    "bge-m3": "BAAI/bge-m3",
}
TABLES = {
    "openai-whisper": OPENAI | CONVERTED_DISTILLED,
    "faster-whisper": CONVERTED,
    "asr": WHISPER | {"wav2vec2-base-960h": "facebook/wav2vec2-base-960h"},
    "encoder": WHISPER | ENCODERS,
    "similarity": SENTENCES,
    "entailment": {
        "bart-large-mnli": "facebook/bart-large-mnli",
        "roberta-large-mnli": "FacebookAI/roberta-large-mnli",
        "deberta-large-mnli": "microsoft/deberta-large-mnli",
        "deberta-v3-base-zeroshot": "MoritzLaurer/deberta-v3-base-zeroshot-v2.0",
        "deberta-v3-large-zeroshot": "MoritzLaurer/deberta-v3-large-zeroshot-v2.0",
    },
    "classifier": {
        "emotion-english-distilroberta-base": "j-hartmann/emotion-english-distilroberta-base",
        "roberta-base-go_emotions": "SamLowe/roberta-base-go_emotions",
    },
}
"""Kind of plugin → usual name → full name."""
