"""Says which plugins open well-known models, by the checks that run before anything is computed.

`known_models.yaml` has facts about the models. They are written as folders with empty weights, for
which the checks of `lanser-bench doctor model` give the table in `docs/known-models.md`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lanser_bench.cli._doctor_model import KINDS, model_verdicts
from lanser_bench.plugins.discovery import registry

FACTS = Path(__file__).with_name("known_models.yaml")
SAMPLE_RATE = 16_000


@dataclass(frozen=True)
class Known:
    """Facts about a model."""

    name: str
    """Its hub id."""
    group: str
    plugin: str
    """Kind and name of the plugin whose refusal the table quotes if it refuses the model."""
    weights: list[str] | dict[str, int]
    """File names; with bytes, if known."""
    files: list[str]
    """Other files that decide, besides ``config.json``."""
    config: dict[str, Any] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    vocabulary: int = 0
    """Entries of the vocabulary of a CTranslate2 model."""
    sampling_rate: int = SAMPLE_RATE
    licence: str = ""

    def write(self, folder: Path) -> None:
        """Writes the model's small files, and its weights without content."""
        folder.mkdir(parents=True)
        for file in (*self.files, *self.weights):
            (folder / file.replace("*", "00001-of-00002")).write_text("{}")
        if "preprocessor_config.json" in self.files:
            rate = {"sampling_rate": self.sampling_rate}
            (folder / "preprocessor_config.json").write_text(json.dumps(rate))
        if self.vocabulary:
            (folder / "vocabulary.json").write_text(json.dumps(list(range(self.vocabulary))))
        if self.config:
            labels = {"id2label": dict(enumerate(self.labels))} if self.labels else {}
            (folder / "config.json").write_text(json.dumps(self.config | labels))


@dataclass(frozen=True)
class Opened:
    """The plugins that open a model."""

    model: Known
    plugins: dict[str, list[str]]
    """Kind → names of the plugins that open it."""
    needs_language: bool
    """Whether the recogniser needs the option ``language`` if the manifest names none."""
    refusal: str
    """Why `Known.plugin` refuses it; empty if it does not."""


def known_models() -> Iterator[Known]:
    """Yields the models of the stored file."""
    for group in yaml.safe_load(FACTS.read_text(encoding="utf-8")):
        shared = {"group": group["group"], "plugin": group["plugin"], "files": group["files"]}
        for name, facts in group["models"].items():
            yield Known(name=name, **(shared | facts))


@cache
def opened_models() -> list[Opened]:
    """Returns each known model with the plugins that open it."""
    with tempfile.TemporaryDirectory() as root:
        return [_opened(model, Path(root) / model.name) for model in known_models()]


def _opened(model: Known, folder: Path) -> Opened:
    model.write(folder)
    answers = list(model_verdicts(registry(), str(folder), KINDS))
    plugins: dict[str, list[str]] = {}
    for answer in answers:
        if not answer.refusal:
            kind, _, name = answer.plugin.partition(" ")
            plugins.setdefault(kind, []).append(name)
    needs_language = any("language: en" in answer.settings for answer in answers)
    [refusal] = [answer.refusal for answer in answers if answer.plugin == model.plugin]
    return Opened(model, plugins, needs_language, refusal.replace(str(folder), model.name))


def models_table() -> str:
    """Returns the generated part of `docs/known-models.md`."""
    parts: dict[str, list[str]] = {}
    for opened in opened_models():
        rows = parts.setdefault(
            opened.model.group, ["| model | weights | licence | opens as |", "|---|---|---|---|"]
        )
        weights = ", ".join(_weights(opened.model))
        licence = opened.model.licence or "–"
        rows.append(f"| `{opened.model.name}` | {weights} | {licence} | {_plugins(opened)} |")
    return "\n\n".join(f"### {group}\n\n" + "\n".join(rows) for group, rows in parts.items())


def _weights(model: Known) -> Iterator[str]:
    sizes = model.weights if isinstance(model.weights, dict) else {}
    for file in model.weights:
        size = sizes.get(file, 0)
        unit = f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
        yield f"`{file}` ({unit})" if size else f"`{file}`"


def _plugins(opened: Opened) -> str:
    described = []
    for kind, names in opened.plugins.items():
        note = ", with `language`" if kind == "asr" and opened.needs_language else ""
        described.append(f"{kind} {', '.join(f'`{name}`' for name in names)}{note}")
    if opened.refusal:
        kind, name = opened.model.plugin.split()
        refused = f"not {kind} `{name}`" if described else "nothing"
        described.append(f"{refused}: {opened.refusal.partition(': ')[2]}")
    return "; ".join(described)
