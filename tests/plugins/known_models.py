"""The table of well-known models in docs/models.md; ``python tests/plugins/known_models.py``.

`known_models.tsv` has facts of each: name, model type, class, sort of files, and names of classes
or, for Whisper, the size of the vocabulary.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from lanser_bench.errors import LanserError
from lanser_bench.plugins.discovery import registry

LIST = Path(__file__).with_suffix(".tsv")
FILES = {
    "text": ("config.json", "model.safetensors", "tokenizer.json"),
    "sentence": ("config.json", "model.safetensors", "tokenizer.json", "modules.json"),
    "speech": ("config.json", "pytorch_model.bin", "preprocessor_config.json"),
    "converted": ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt"),
    "gguf": ("model-q4_k_m.gguf",),
}
PLUGINS = (
    *(("labeler", name) for name in ("entailment", "classifier", "similarity")),
    *(("labeler", name) for name in ("audio-teacher", "fill-mask", "llm")),
    *(("asr", name) for name in ("transformers", "faster-whisper", "openai-whisper")),
    *(("encoder", name) for name in ("transformers", "whisper-encoder")),
)


def write_model(line: str, folder: Path) -> str:
    """Writes the small files of a model and returns its name."""
    name, kind, head, sort, facts = line.split("\t")
    config: dict[str, Any] = {"model_type": kind, "architectures": [head]} if kind else {"x": 1}
    if facts.isdigit():
        config["vocab_size"] = int(facts)
    elif facts:
        config["id2label"] = dict(enumerate(facts.split("|")))
    folder.mkdir(parents=True)
    for file in FILES[sort]:
        (folder / file).write_text(json.dumps(config) if file == "config.json" else "{}")
    return name


def opened_by(folder: Path) -> tuple[list[str], str]:
    """Returns the plugins that can open a model, or what the model is if there are none."""
    able, reason = [], ""
    for kind, name in PLUGINS:
        try:
            registry().create(kind, name, {"model": str(folder)}).check()
        except LanserError as error:
            found = re.search(r"': it is (.+?)\. (It may|Use)", str(error))
            reason = found[1] if found else reason
        else:
            able.append(f"{kind} `{name}`")
    return able, reason


def table(folder: Path) -> str:
    """Returns the table in Markdown; the models' files are written into a folder."""
    opened, refused = defaultdict[str, list[str]](list), list[str]()
    for number, line in enumerate(LIST.read_text(encoding="utf-8").splitlines()):
        name = write_model(line, folder / str(number))
        able, reason = opened_by(folder / str(number))
        if able:
            opened[", ".join(able)].append(f"`{name}`")
        else:
            refused.append(f"| `{name}` | {reason} |")
    rows = [f"| {plugins} | {', '.join(names)} |" for plugins, names in opened.items()]
    first = ["| opened by | models |", "|---|---|", *rows]
    return "\n".join([*first, "", "| opened by none | it is |", "|---|---|", *refused])


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        print(table(Path(place)))
