"""Turns pydantic's errors into messages with suggestions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, to_jsonable_python

from .errors import SettingsError, did_you_mean

ModelT = TypeVar("ModelT", bound=BaseModel)
_KEYS = "input should be keys and values"
PLAIN = {
    "string_type": "input should be text: put it in quotes",
    "path_type": "input should be a path: put it in quotes",
    "dict_type": _KEYS,
    "model_type": _KEYS,
    "too_short": "input should have {min_length} or more entries",
}
"""Error types whose text by pydantic names Python types → text in terms of users' files."""
_LIST = {"tuple_type", "list_type"}
_SINGLE = {
    *("string_type", "path_type", "int_type", "float_type", "bool_type", "literal_error"),
    "plugin_type",
}
"""Error types of values that are not lists."""
SECRET = "secret"
"""Type of custom errors whose message must not show the value."""


def validated(
    model: type[ModelT], values: Mapping[str, Any], where: str, axis: str | None = None
) -> ModelT:
    """Validates `values` into `model`.

    Args:
        model: the typed model, which must forbid unknown keys.
        values: plain values.
        where: start of the message, such as ``grid.yaml`` or ``labeler 'x'``.
        axis: see `describe`.

    Raises:
        SettingsError: one sentence per error, with "did you mean" for an unknown key.
    """
    try:
        return validate(model, values)
    except ValidationError as error:
        raise SettingsError(describe(error, model, where, axis)) from None


def validate(
    model: type[ModelT],
    values: Mapping[str, Any],
    written: Mapping[tuple[str, ...], str] | None = None,
) -> ModelT:
    """Validates `values` into `model`; a number is converted to text where text is expected.

    Args:
        model: the typed model.
        values: plain values.
        written: place → text on the command line, which replaces the value that YAML read.

    Raises:
        ValidationError: pydantic's errors.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        again: Any = values
        for finding in error.errors(include_url=False):
            place, given = finding["loc"], finding["input"]
            text = (written or {}).get(tuple(map(str, place)))
            if text is None and type(given) is int:
                text = str(given)
            if text is not None and finding["type"] in ("string_type", "path_type"):
                again = _with_text(again, place, text)
        if again is values:
            raise
    return model.model_validate(again)


def _with_text(values: Any, place: Sequence[str | int], text: str) -> Any:
    """Returns the values with a text at a place, unchanged if they have no such place."""
    if not place:
        return text
    head, *rest = place
    if isinstance(values, Mapping) and head in values:
        if rest == ["[key]"]:
            return {text if key == head else key: value for key, value in values.items()}
        return {**values, head: _with_text(values[head], rest, text)}
    if isinstance(values, list | tuple) and isinstance(head, int) and head < len(values):
        return [_with_text(v, rest, text) if i == head else v for i, v in enumerate(values)]
    return values


def describe(
    error: ValidationError,
    model: type[BaseModel],
    where: str | Callable[[Sequence[str | int]], str],
    axis: str | None = None,
) -> str:
    """Returns the sentences for a validation error.

    Args:
        error: pydantic's errors. A custom error of a whole model may name a place in its context,
            as ``path``.
        model: the validated model.
        where: start of the sentences, or a function that returns it for a place.
        axis: what precedes a key of the model as an axis of a grid, such as ``labeler.``; None if
            the values are no part of an experiment.
    """
    sentences = []
    findings = error.errors(include_url=False)
    for finding in findings:
        if _is_consequence(finding, findings):
            continue
        inside = finding.get("ctx", {}).get("path", ())
        path = [str(part) for part in finding["loc"]]
        place = ".".join(path)
        here = where((*finding["loc"], *inside)) if callable(where) else where
        if finding["type"] == "extra_forbidden":
            known = _fields_at(model, path[:-1])
            sentences.append(f"{here}: unknown key '{place}'.{did_you_mean(path[-1], known)}")
        elif finding["type"] == "missing":
            sentences.append(f"{here}: '{place}' is missing.")
        else:
            given = repr(finding.get("input"))
            message = _words(finding, None if axis is None else axis + place)
            shown = given if len(given) <= 60 else given[:57] + "..."
            value = "" if finding["type"] == SECRET else f" is {shown}"
            prefix = f"{here}: '{place}'{value}: " if place else f"{here}: "
            end = "" if message.endswith((".", "?")) else "."
            sentences.append(f"{prefix}{message[:1].lower() + message[1:]}{end}")
    return "\n".join(sentences)


def _is_consequence(finding: ErrorDetails, findings: Sequence[ErrorDetails]) -> bool:
    """Returns whether a list is too short only because of invalid entries, reported separately."""
    own = finding["loc"]
    below = (other["loc"] for other in findings if len(other["loc"]) > len(own))
    return finding["type"] == "too_short" and any(loc[: len(own)] == own for loc in below)


def _words(finding: ErrorDetails, axis: str | None) -> str:
    given = finding["input"]
    if finding["type"] in _LIST:
        return f"input should be a list. Write {_flow([given])}"
    if finding["type"] in _SINGLE and isinstance(given, list) and given and axis is not None:
        return f"expected one value. To try several, write grid: {{{axis}: {_flow(given)}}}"
    plain = PLAIN.get(finding["type"])
    if plain is not None:
        return plain.format_map(finding.get("ctx", {}))
    return finding["msg"].removeprefix("Value error, ")


def _flow(values: list[Any]) -> str:
    """Returns a list as in a YAML file, without its values if it is long."""
    plain = to_jsonable_python(values, fallback=str)
    text = yaml.safe_dump(
        plain, default_flow_style=True, width=1000, sort_keys=False, allow_unicode=True
    ).strip()
    return text if len(text) <= 80 else "[…]"


def _fields_at(model: type[BaseModel], path: list[str]) -> list[str]:
    """Returns the field names of the (possibly nested) model at `path`."""
    current: Any = model
    for part in path:
        if not (isinstance(current, type) and issubclass(current, BaseModel)):
            return []
        field = current.model_fields.get(part)
        if field is None:
            continue  # a list index or a union's branch name
        current = _model_in(field.annotation)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return list(current.model_fields)
    return []


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if (model := _model_in(inner)) is not None:
            return model
    return None
