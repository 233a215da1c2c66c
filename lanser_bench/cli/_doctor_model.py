"""`lanser-bench doctor model`: which plugins can open a model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import DataError, LanserError, SettingsError, did_you_mean
from ..kinds import ASR, ModelFacts
from ..plugins.discovery import Registry
from ..plugins.identity import check_plugin
from ..printing import echo
from ._shared import quieten_libraries

KINDS = ("labeler", "asr", "encoder")
"""Kinds of plugin that may open a model."""
PLAIN = re.compile(r"[\w.~/@+-]+(:[\w.~/@+-]+)*")
"""Names that YAML reads as text without quotation marks."""


@dataclass(frozen=True)
class Verdict:
    """Whether one plugin can open the model."""

    plugin: str
    """Its kind and name."""
    facts: ModelFacts
    refusal: str
    """Why not; empty if it can."""
    settings: str
    """To paste into an experiment."""
    note: str = ""


def examine(plugins: Registry, name: str, kinds: Sequence[str]) -> None:
    """Prints facts about a model, settings of plugins that can open it, and why others cannot."""
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        hint = did_you_mean(unknown[0], KINDS)
        raise SettingsError(
            f"--as: '{unknown[0]}' is not a kind of plugin that opens models.{hint}"
        )
    quieten_libraries()
    chosen = [kind for kind in KINDS if not kinds or kind in kinds]
    verdicts = list(model_verdicts(plugins, name, chosen))
    if not verdicts:
        _explain_missing(plugins, name, chosen)
    _show(name, verdicts, in_full=bool(kinds))
    if all(verdict.refusal for verdict in verdicts):
        raise SettingsError(f"No {' or '.join(chosen)} plugin can open the model '{name}'.")


def _show(name: str, verdicts: Sequence[Verdict], *, in_full: bool) -> None:
    facts = verdicts[0].facts
    memory, licence = f"{facts.memory_gib:.1f} GiB of memory", facts.licence or "not stated"
    echo(f"{name}: {facts.family}")
    echo(f"  {facts.place}; {_size(facts.size)} ({facts.weights}); licence {licence}")
    echo(f"  about {memory} in float32")
    able = [verdict for verdict in verdicts if not verdict.refusal]
    unable = [verdict for verdict in verdicts if verdict.refusal]
    for verdict in able:
        echo(f"✓ {verdict.settings}{f'  # {verdict.note}' if verdict.note else ''}")
    if able and unable and not in_full:
        listed = ", ".join(verdict.plugin for verdict in unable)
        echo(f"✗ {listed} (for the reasons, add --as KIND)")
    else:
        for verdict in unable:
            echo(f"✗ {verdict.refusal}")


def _plugins(plugins: Registry, name: str, kinds: Sequence[str]) -> Iterator[tuple[str, str, Any]]:
    """Yields kind, name and instance of plugins with an option `model`, set to the name."""
    for kind in kinds:
        for plugin in plugins.names(kind):
            try:
                if "model" in plugins.plugin_class(kind, plugin).Options.model_fields:
                    yield kind, plugin, plugins.create(kind, plugin, {"model": name})
            except LanserError:
                continue  # broken, or it needs other options too


def model_verdicts(plugins: Registry, name: str, kinds: Sequence[str]) -> Iterator[Verdict]:
    """Yields a verdict of each plugin of these kinds that opens models; none if it is missing."""
    for kind, plugin_name, plugin in _plugins(plugins, name, kinds):
        facts = plugin.model_facts()
        if facts is None:
            continue
        refusal, options, note = "", {"name": plugin_name, "model": name}, ""
        try:
            check_plugin(kind, plugin_name, plugin)
            if isinstance(plugin, ASR):
                options["language"], note = _language(plugin)
        except LanserError as error:
            refusal = str(error)
        pairs = ", ".join(f"{key}: {_quoted(value)}" for key, value in options.items() if value)
        yield Verdict(f"{kind} {plugin_name}", facts, refusal, f"{kind}: {{{pairs}}}", note)


def _language(plugin: ASR[Any]) -> tuple[str, str]:
    """Returns the language to set for a recogniser, empty for none, and a note."""
    try:
        plugin.check_languages(["de"])
    except DataError:
        return "", "understands English only"
    try:
        plugin.check_languages([""])
    except SettingsError:
        return "en", "or the language of your recordings, if the manifest names none"
    return "", ""


def _explain_missing(plugins: Registry, name: str, kinds: Sequence[str]) -> None:
    """Raises the error of a plugin that cannot find the model, first of one with its full name."""
    found = [plugin for _, _, plugin in _plugins(plugins, name, kinds)]
    for plugin in sorted(found, key=lambda plugin: plugin.options.model == name):
        plugin.fingerprint()
    raise SettingsError(f"No {' or '.join(kinds)} plugin can tell what the model '{name}' is.")


def _quoted(value: str) -> str:
    return value if PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)


def _size(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
