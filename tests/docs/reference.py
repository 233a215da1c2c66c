"""Generates the tables of the guides: typed settings, plugin options and well-known models.

`python -m tests.docs.reference` writes them into the pages; a test compares.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from lanser_bench import measurements
from lanser_bench.experiment.settings import model as settings
from lanser_bench.experiment.settings.model import Experiment
from lanser_bench.plugins.describe import documented
from lanser_bench.plugins.discovery import load_plugins
from lanser_bench.records.record import record_schema
from lanser_bench.stages.pretrain.spec import AcousticParams

from .blocks import ROOT
from .known_models import models_table

SETTINGS_PAGE = ROOT / "docs" / "settings.md"
OPTIONS_PAGE = ROOT / "docs" / "options.md"
MODELS_PAGE = ROOT / "docs" / "known-models.md"
RECORD_SCHEMA = ROOT / "docs" / "record.schema.json"
SECTIONS = {
    "transcribe": settings.TranscribeParams,
    "label": settings.LabelParams,
    "pretrain": settings.PretrainSettings,
    "pretrain.acoustic": AcousticParams,
    "embed": settings.EmbedParams,
    "evaluate": settings.EvaluateSettings,
    **{section.name: section.model for section in measurements.SECTIONS if not section.optional},
    "controls": settings.Controls,
    "threads": settings.StageThreads,
    "devices": settings.StageDevices,
    "memory": settings.StageMemory,
    "paths": settings.Paths,
}
SECTION_TYPES = (
    "Params",
    "Settings",
    "Controls",
    "StageThreads",
    "StageDevices",
    "StageMemory",
    "Paths",
)
KINDS = ("dataset", "segmenter", "asr", "labeler", "encoder", "probe", "tracker", "executor")


def table(model: type[BaseModel], skip: tuple[str, ...] = ()) -> str:
    """Returns a table with a row per field: name, type, default and docstring."""
    notes = _notes(model)
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if name in skip:
            continue
        kind, text = notes[name]
        rows.append(f"| `{name}` | {kind} | {_default(field)} | {text} |")
    return "\n".join(rows)


def _notes(model: type[BaseModel]) -> dict[str, tuple[str, str]]:
    """Field → its type in words and its docstring, read from the source of the class."""
    notes: dict[str, tuple[str, str]] = {}
    for section in measurements.SECTIONS:
        kind = "section or null" if section.optional else "section"
        notes[section.name] = kind, _cell(section.doc)
    for switch in measurements.SWITCHES:
        notes[switch.name] = "true or false", _cell(switch.doc)
    for name, (annotation, text) in documented(model).items():
        notes[name] = _type(annotation), _cell(text)
    return notes


NAMES = {
    "str": "text",
    "int": "whole number",
    "Seed": "whole number",
    "float": "number",
    "bool": "true or false",
    "Path": "path",
    "UserPath": "path",
    "Language": "language",
    "Confusion": "name, path or mapping",
    "PluginRef": "plugin",
    "DatasetRef": "dataset",
    "Declared": "mapping of `a`, `b`, `metric`, `budget`",
    "Member": "labeler, with a weight",
    "Templates": "`all`, list of texts or null",
    "Protocol": "`k-speaker-folds`, `leave-one-speaker-out` or `split`",
    "LayerChoice": "`all`, `last` or list of names",
    "Scale": "`raw` or `speaker`",
    "ControlScope": "`each`, `first` or `none`",
    "GoldKind": "`single`, `multi` or `distribution`",
    "Tables": "text, list of text or mapping",
    "LayerType": "`basic` or `bottleneck`",
    "Device": "`auto`, `cpu`, `cuda` or `mps`",
    "Precision": "`float32`, `bf16` or `float16`",
}


def _type(annotation: str) -> str:
    annotated = re.fullmatch(r"Annotated\[(.*?), \w+\(.*\)\]", annotation)
    if annotated:
        annotation = annotated[1]
    if annotation.endswith(" | None"):
        return f"{_type(annotation.removesuffix(' | None'))} or null"
    if annotation in NAMES:
        return NAMES[annotation]
    literal = re.fullmatch(r"Literal\[(.*)\]", annotation)
    if literal:
        values = [f"`{value}`" for value in ast.literal_eval(f"[{literal[1]}]")]
        return f"{', '.join(values[:-1])} or {values[-1]}" if values[1:] else values[0]
    many = re.fullmatch(r"tuple\[(.*), \.\.\.\]", annotation)
    if many:
        return "list of " + " or ".join(_type(part) for part in many[1].split(" | "))
    if annotation.endswith(SECTION_TYPES):
        return "section"
    return "mapping" if annotation.startswith("dict[") else f"`{annotation}`"


def _default(field: Any) -> str:
    if field.default_factory is not None:
        if field.default_factory_takes_validated_data:
            return f"`{field.default_factory({'device': 'cpu'})}`"
        value = field.default_factory()
        return "all cores" if isinstance(value, int) else f"`{json.dumps(value)}`"
    value = field.default
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, settings.PluginRef):
        return f"`{value.name}`"
    if isinstance(value, tuple) and value and isinstance(value[0], settings.PluginRef):
        return f"`[{', '.join(ref.name for ref in value)}]`"
    if isinstance(value, BaseModel):
        return "below"
    if isinstance(value, Path | str):
        return f"`{value}`" if str(value) else "empty"
    return f"`{json.dumps(value)}`"


def _cell(text: str) -> str:
    return " ".join(text.replace("``", "`").split()).replace("|", "\\|")


def settings_tables() -> str:
    """Returns the generated part of `docs/settings.md`."""
    parts = [
        "### Top level",
        table(Experiment),
        "### An entry of `corpora` and `targets`",
        "The dataset's own options are added to these; [options.md](options.md) lists them.",
        table(settings.DatasetRef, skip=("options",)),
    ]
    for name, model in SECTIONS.items():
        parts += [f"### `{name}`", table(model)]
    return "\n\n".join(parts)


def options_tables() -> str:
    """Returns the generated part of `docs/options.md`."""
    registry = load_plugins(only="")
    parts = []
    for kind in KINDS:
        parts.append(f"## {kind}")
        for name in registry.names(kind):
            cls = registry.plugin_class(kind, name)
            parts += [f"### `{name}`", _cell(str(cls.__doc__).partition("\n\n")[0])]
            parts.append(table(cls.Options) if cls.Options.model_fields else "No options.")
    return "\n\n".join(parts)


def generated() -> Iterator[tuple[Path, str]]:
    """Yields each generated page with the text it should have."""
    parts = {
        SETTINGS_PAGE: settings_tables(),
        OPTIONS_PAGE: options_tables(),
        MODELS_PAGE: models_table(),
    }
    for page, made in parts.items():
        begin, end = "<!-- generated: begin -->", "<!-- generated: end -->"
        text = page.read_text(encoding="utf-8")
        before, after = text.partition(begin)[0], text.partition(end)[2]
        yield page, f"{before}{begin}\n\n{made}\n\n{end}{after}"
    yield RECORD_SCHEMA, json.dumps(record_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path, content in generated():
        path.write_text(content, encoding="utf-8")
