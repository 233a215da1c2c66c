"""The JSON Schema of experiment files, with names and options of the installed plugins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from ...errors import PluginError
from ...plugins.describe import documented, summaries
from ...plugins.discovery import Registry
from .model import DatasetRef, Experiment
from .parts import MOST_PARTS

SINGLE = {
    "segmenter": "segmenter",
    "asr": "asr",
    "labeler": "labeler",
    "encoder": "encoder",
    "executor": "executor",
}
"""Key of the file → kind of its plugin."""
LISTS = {"probes": "probe", "trackers": "tracker"}


class Described(GenerateJsonSchema):
    """Generates a schema with the docstrings of fields as descriptions."""

    def model_schema(self, schema: Any) -> dict[str, Any]:
        """Returns the schema of a model."""
        found = super().model_schema(schema)
        properties = found.get("properties", {})
        for name, (_, text) in documented(schema["cls"]).items():
            if text and name in properties:
                properties[name].setdefault("description", text)
        validators = schema["cls"].__pydantic_decorators__.model_validators.values()
        if any(validator.info.mode == "before" for validator in validators):
            # It also reads other forms, such as a name or options beside a name.
            for strict in ("type", "required", "additionalProperties"):
                found.pop(strict, None)
        return found


def experiment_schema(plugins: Registry) -> dict[str, Any]:
    """Returns the schema (draft 2020-12) of experiment and grid files.

    A plugin is a name or a mapping of its name and its options. A plugin that fails to load has
    only its name. Axes of grids are completed like the keys that they set.
    """
    schema = Experiment.model_json_schema(schema_generator=Described)
    definitions, properties = schema["$defs"], schema["properties"]
    for kind in (*SINGLE.values(), *LISTS.values()):
        definitions[f"plugin.{kind}"] = _any_of(plugins, kind, "name", definitions)
    definitions["dataset"] = _any_of(plugins, "dataset", "dataset", definitions)
    for key, kind in SINGLE.items():
        properties[key] = {**_about(properties[key]), "$ref": f"#/$defs/plugin.{kind}"}
    for key, kind in LISTS.items():
        items = {"$ref": f"#/$defs/plugin.{kind}"}
        properties[key] = {**_about(properties[key]), "type": "array", "items": items}
    whole = {"type": "integer", "minimum": 1, "maximum": MOST_PARTS}
    for choice in definitions["dataset"]["anyOf"][1:]:
        choice["properties"]["parts"] = {**whole, "description": "Of `corpora` only; see there."}
    for key in ("corpora", "targets"):
        items = {"$ref": "#/$defs/dataset"}
        properties[key] = {**_about(properties[key]), "type": "array", "items": items}
    second = definitions["LabelSettings"]["properties"]["agree"]
    second["anyOf"][0] = {"$ref": "#/$defs/plugin.labeler"}
    names = plugins.names("taxonomy")
    properties["taxonomy"] |= {"examples": names, "anyOf": [{"enum": names}, {"type": "string"}]}
    spans = _spans(_axes(schema), definitions)
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


def _spans(axes: Mapping[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Defines the values of each axis, and returns the keys of a grid."""
    definitions |= {f"axis.{key}": node for key, node in axes.items()}
    values = {key: {"$ref": f"#/$defs/axis.{key}"} for key in axes}
    many = {"type": "array", "minItems": 1}
    definitions["axes"] = {
        "type": "object",
        "properties": {key: {**many, "items": value} for key, value in values.items()},
        "additionalProperties": many,
    }
    definitions["point"] = {"type": "object", "properties": values}
    entries = {"type": "array", "items": {"$ref": "#/$defs/point"}}
    grid = {"$ref": "#/$defs/axes"}
    return {"grid": grid, "zip": grid, "exclude": entries, "include": entries}


def _about(node: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": node["description"]} if "description" in node else {}


def _axes(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Returns dotted key → schema of its values, for all keys of sections and of plugins."""
    axes: dict[str, Any] = {}
    for key, node in schema["properties"].items():
        axes[key] = {"$ref": f"#/properties/{key}"}
        for one in (node, *node.get("anyOf", ())):
            name = one.get("$ref", "").rpartition("/")[2]
            section = schema["$defs"].get(name, {})
            for inner, value in section.get("properties", {}).items():
                axes[f"{key}.{inner}"] = value
            for plugin in section.get("anyOf", ()):
                for option, value in plugin.get("properties", {}).items():
                    axes.setdefault(f"{key}.{option}", {"anyOf": []})["anyOf"].append(value)
    return {**axes, "seeds": axes["pretrain.seeds"]}


def _any_of(plugins: Registry, kind: str, tag: str, definitions: dict[str, Any]) -> dict[str, Any]:
    names = plugins.names(kind)
    about = summaries([plugins.entry(kind, name) for name in names])
    choices: list[dict[str, Any]] = [
        {"type": "string", "enum": names, "enumDescriptions": [*about.values()]}
    ]
    for name in names:
        try:
            options = plugins.plugin_class(kind, name).Options.model_json_schema(
                schema_generator=Described
            )
        except PluginError:
            options = {"properties": {}}
        definitions |= options.pop("$defs", {})
        properties = {tag: {"const": name}, **options.get("properties", {})}
        if kind == "dataset":
            own = DatasetRef.model_json_schema(schema_generator=Described)["properties"]
            properties |= {k: own[k] for k in own if k not in ("dataset", "options")}
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
