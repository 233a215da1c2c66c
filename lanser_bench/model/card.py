"""The model card: what the weights are, their scores, and which terms apply to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..measurements import PROBE
from ..numbers import decimal, percent
from ..records.record import DatasetResult, ResultRecord

if TYPE_CHECKING:
    from ..store.keys import PluginIdentity
    from .config import ModelConfig

TEMPLATE = """\
---
library_name: lanser-bench
tags: [speech-emotion-recognition, weak-supervision]
---

# {title}

{description}

## Use

```python
from lanser_bench import load_model

model = load_model("FOLDER")  # this folder
prediction = model.predict("speech.wav")  # any length, wav, flac, ogg or mp3
print(prediction.label, prediction.scores)
```

or `lanser-bench predict FOLDER speech.wav`. `model.scores([samples])` takes mono float32
arrays at 16 kHz. `model.safetensors` is a plain state dict: `encoder.*` and `head.*`.{plugin}

## Scores

From the record with key `{key}`, created {date} by lanser-bench {version}{commit}.
In brackets: 95 % intervals. The scores are those of *linear probes* on held-out speakers, not of
the head in this folder, which is fitted on all of the data named below.

{scores}

## Made from

| role | name | licence |
|---|---|---|
{material}

{licence}

## Limits

{limits}
"""


@dataclass(frozen=True)
class Material:
    """Something the weights were made from."""

    role: str
    """``corpus``, ``asr``, ``labeler``, ``encoder`` or ``target``."""
    name: str
    licence: str
    """As its plugin or card states it; may be empty."""


def licence_of(material: Sequence[Material], target: Material | None) -> str:
    """Returns a sentence on the terms that apply to the weights: those of their data and models."""
    parts = [m for m in [*material, *([target] if target else [])] if m.role != "asr"]
    if not parts:
        return "Weights drawn from a seed; no data was used."
    named = "; ".join(f"{m.name} ({m.licence or 'licence not stated'})" for m in parts)
    return f"Made from: {named}. The terms of these sources apply to the weights."


def model_card(record: ResultRecord, config: ModelConfig, material: Sequence[Material]) -> str:
    """Returns the card as Markdown with a front matter."""
    rows = [
        f"| {m.role} | {_text(m.name)} | {_text(m.licence or 'not stated')} |" for m in material
    ]
    return TEMPLATE.format(
        title=f"{_text(record.experiment)}: {_text(record.name)}",
        description="\n".join(_description(record, config)),
        plugin=_needed_plugin(config.encoder),
        key=record.key,
        date=record.created[:10],
        version=record.versions.get("lanser-bench", "?"),
        commit=f", commit {record.commit.revision[:10]}" if record.commit else "",
        scores="\n\n".join("\n".join(_scores(result)) for result in record.datasets),
        material="\n".join(rows or ["| – | weights drawn from a seed | – |"]),
        licence=_text(config.licence),
        limits="\n".join(_limits(record, config)),
    )


def _needed_plugin(encoder: PluginIdentity) -> str:
    """Names an encoder that is not part of lanser-bench, which the reader of the card needs."""
    if encoder.distribution == "lanser-bench":
        return ""
    if encoder.distribution == "loose file":
        how = (
            "is a separate plugin file that this folder does not contain: pass it on too, and name "
            "its folder by `load_model(FOLDER, [PLUGINS])` or `--plugins-dir PLUGINS`"
        )
    else:
        how = f"is part of the distribution `{encoder.distribution}`: install it"
    return f"\n\nThe encoder `{encoder.name}` {how}."


def _description(record: ResultRecord, config: ModelConfig) -> Iterator[str]:
    head = config.head
    labels = _text(", ".join(head.labels))
    if head.kind == "weak":
        yield (
            f"A `{config.encoder.name}` encoder pre-trained on weak labels: `{record.labeler}` "
            f"labelled the transcripts of `{record.asr}` by the taxonomy `{record.taxonomy}`. Its "
            f"head predicts these labels from sound: {labels}."
        )
        if record.control:
            yield f"**This is a control ({record.control.replace('_', ' ')}), not a result.**"
    else:
        yield (
            f"A `{config.encoder.name}` encoder with a linear head fitted on all human labels of "
            f"{_text(str(head.dataset))}: {labels}."
        )


def _scores(result: DatasetResult) -> Iterator[str]:
    evaluation = result.evaluation
    yield (
        f"**{_text(result.title or result.dataset)}**: {evaluation.n_utterances} utterances, "
        f"{evaluation.n_speakers} speakers, {evaluation.n_folds} speaker-disjoint folds, chance "
        f"{100 / len(evaluation.labels):.1f} %, always the most frequent class "
        f"{percent(evaluation.majority['uar'])} %."
    )
    yield "\n| human labels | UAR % | WA % | macro-F1 % |\n|---|---|---|---|"
    for budget in evaluation.budgets:
        scores = (percent(m) for m in (budget.uar, budget.wa, budget.macro_f1))
        yield f"| {budget.budget} ({budget.n_labels:.0f}) | {' | '.join(scores)} |"
    for probe in result.of(PROBE):
        r2 = [f"{t.target} {decimal(t.r2)}" for t in probe.targets if t.scale == "raw"]
        uar = [
            f"{c.target} {percent(c.uar)} (chance {100 * c.chance:.1f})"
            for c in probe.classes
            if c.scale == "raw"
        ]
        for score, values in (("R²", r2), ("UAR %", uar)):
            if values:
                yield f"\n{score} of probe `{probe.probe}`: {_text(', '.join(values))}."


def _limits(record: ResultRecord, config: ModelConfig) -> Iterator[str]:
    if config.head.kind == "weak":
        yield (
            "- Weak labels are a language model's reading of the words. They agree only partly "
            "with human listeners, and the head's scores inherit that."
        )
    yield "- Not for decisions about people. A label is a guess about a voice, not a feeling."
    for warning in {w for r in record.datasets for w in r.evaluation.warnings}:
        yield f"- {_text(warning[:300])}"


def _text(text: str) -> str:
    """Escapes names that users chose, so that they do not become markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("\n", " ")
