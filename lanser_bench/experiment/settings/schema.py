"""The JSON Schema of experiment files, with names and options of the installed plugins."""

from __future__ import annotations

from typing import Any

from ...errors import PluginError
from ...plugins.discovery import Registry
from .model import DatasetRef, Experiment

SINGLE = {
    "segmenter": "segmenter",
    "asr": "asr",
    "labeler": "labeler",
    "encoder": "encoder",
    "executor": "executor",
}
"""Key of the file → kind of its plugin."""
LISTS = {"probes": "probe", "trackers": "tracker"}


def experiment_schema(plugins: Registry) -> dict[str, Any]:
    """Returns the schema (draft 2020-12) of experiment and grid files.

    A plugin is a name or a mapping of its name and its options. A plugin that fails to load has
    only its name.
    """
    schema = Experiment.model_json_schema()
    definitions, properties = schema["$defs"], schema["properties"]
    for kind in (*SINGLE.values(), *LISTS.values()):
        definitions[f"plugin.{kind}"] = _any_of(plugins, kind, "name", definitions)
    definitions["dataset"] = _any_of(plugins, "dataset", "dataset", definitions)
    for key, kind in SINGLE.items():
        properties[key] = {"$ref": f"#/$defs/plugin.{kind}"}
    for key, kind in LISTS.items():
        properties[key] = {"type": "array", "items": {"$ref": f"#/$defs/plugin.{kind}"}}
    for key in ("corpora", "targets"):
        properties[key] = {"type": "array", "items": {"$ref": "#/$defs/dataset"}}
    second = definitions["LabelSettings"]["properties"]["agree"]
    second["anyOf"][0] = {"$ref": "#/$defs/plugin.labeler"}
    properties["taxonomy"]["examples"] = plugins.names("taxonomy")
    axes = {"type": "object", "additionalProperties": {"type": "array", "minItems": 1}}
    entries = {"type": "array", "items": {"type": "object"}}
    spans = {"grid": axes, "zip": axes, "exclude": entries, "include": entries}
    one = {"type": "object", "properties": spans, "additionalProperties": False}
    seeds = definitions["PretrainSettings"]["properties"]["seeds"]
    properties |= {
        **spans,
        "grids": {"type": "array", "minItems": 1, "items": one},
        "seeds": {**seeds, "description": "Short for `pretrain.seeds`."},
    }
    # In a grid file, an axis may replace any other key.
    schema["required"] = ["name", "targets"]
    for unused in ("PluginRef", "DatasetRef"):
        definitions.pop(unused, None)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "lanser-bench experiment"
    return schema


def _any_of(plugins: Registry, kind: str, tag: str, definitions: dict[str, Any]) -> dict[str, Any]:
    names = plugins.names(kind)
    choices: list[dict[str, Any]] = [{"type": "string", "enum": names}]
    for name in names:
        try:
            options = plugins.plugin_class(kind, name).Options.model_json_schema()
        except PluginError:
            options = {"properties": {}}
        definitions |= options.pop("$defs", {})
        properties = {tag: {"const": name}, **options.get("properties", {})}
        if kind == "dataset":
            own = DatasetRef.model_json_schema()["properties"]
            properties |= {k: own[k] for k in ("root", "on_bad_audio", "limit", "hours")}
        choices.append(
            {
                "type": "object",
                "description": options.get("description", ""),
                "properties": properties,
                "required": [tag, *options.get("required", [])],
                "additionalProperties": False,
            }
        )
    return {"anyOf": choices}
