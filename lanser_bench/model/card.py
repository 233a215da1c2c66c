"""The model card: what the weights are, what they scored, and what binds who uses them."""

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


@dataclass(frozen=True)
class Material:
    """Something the weights were made from."""

    role: str
    """``corpus``, ``asr``, ``labeler``, ``encoder`` or ``target``."""
    name: str
    licence: str
    """As its plugin or card states it; may be empty."""


def licence_of(material: Sequence[Material], target: Material | None) -> str:
    """Returns a sentence on what binds the user of the weights.

    No licence is invented: weights are made from data, and the data's terms are named.
    """
    data = [m for m in [*material, *([target] if target else [])] if m.role != "asr"]
    if not data:
        return "Weights drawn from a seed; no data took part."
    named = "; ".join(f"{m.name} ({m.licence or 'licence not stated'})" for m in data)
    return f"Made from: {named}. The terms of what it was made from apply to these weights."


def model_card(record: ResultRecord, config: ModelConfig, material: Sequence[Material]) -> str:
    """Returns the card as Markdown with a front matter."""
    lines = [
        "---",
        "library_name: lanser-bench",
        "tags: [speech-emotion-recognition, weak-supervision]",
        "---",
        "",
        f"# {_text(record.experiment)}: {_text(record.name)}",
        "",
        *_what(record, config),
        "",
        "## Use",
        "",
        "```python",
        "from lanser_bench import load_model",
        "",
        'model = load_model("FOLDER")  # this folder',
        'found = model.predict("speech.wav")  # any length, wav, flac, ogg or mp3',
        "print(found.label, found.scores)",
        "```",
        "",
        "or `lanser-bench predict FOLDER speech.wav`. `model.scores([samples])` takes mono float32",
        "arrays at 16 kHz. `model.safetensors` is a plain state dict: `encoder.*` and `head.*`.",
        *_needed_plugin(config.encoder),
        "",
        "## Scores",
        "",
        f"Of the record with key `{record.key}`, made "
        f"{record.created[:10]} by lanser-bench {record.versions.get('lanser-bench', '?')}"
        f"{f', commit {record.commit.revision[:10]}' if record.commit else ''}.",
        "In brackets: 95 % intervals. They are of *linear probes* on held-out speakers, not of the"
        " head in this folder, which is fitted on all of the data named below.",
        "",
    ]
    for result in record.datasets:
        lines += [*_scores(result), ""]
    lines += ["## Made from", "", "| role | name | licence |", "|---|---|---|"]
    lines += [
        f"| {m.role} | {_text(m.name)} | {_text(m.licence or 'not stated')} |" for m in material
    ] or ["| – | weights drawn from a seed | – |"]
    lines += ["", _text(config.licence), "", "## Limits", "", *_limits(record, config), ""]
    return "\n".join(lines)


def _needed_plugin(encoder: PluginIdentity) -> list[str]:
    """What whoever gets the folder needs beside it: an encoder that lanser-bench does not bring."""
    if encoder.distribution == "lanser-bench":
        return []
    if encoder.distribution == "loose file":
        how = (
            "is a plugin file of its author's, which the folder does not hold: pass it on too, and "
            "name its folder by `load_model(FOLDER, [PLUGINS])` or `--plugins-dir PLUGINS`"
        )
    else:
        how = f"comes in the distribution `{encoder.distribution}`: install it"
    return ["", f"The encoder `{encoder.name}` {how}."]


def _what(record: ResultRecord, config: ModelConfig) -> Iterator[str]:
    head = config.head
    if head.kind == "weak":
        yield (
            f"A `{config.encoder.name}` encoder pre-trained on weak labels: `{record.labeler}` "
            f"labelled what `{record.asr}` wrote down, over the taxonomy `{record.taxonomy}`. Its "
            f"head predicts these labels from sound: {_text(', '.join(head.labels))}."
        )
        if record.control:
            yield f"**This is a control ({record.control.replace('_', ' ')}), not a result.**"
    else:
        yield (
            f"A `{config.encoder.name}` encoder with a linear head fitted on all human labels of "
            f"{_text(str(head.dataset))}: {_text(', '.join(head.labels))}."
        )


def _scores(result: DatasetResult) -> Iterator[str]:
    found = result.evaluation
    yield (
        f"**{_text(result.title or result.dataset)}**: {found.n_utterances} utterances, "
        f"{found.n_speakers} speakers, {found.n_folds} speaker-disjoint folds, chance "
        f"{100 / len(found.labels):.1f} %, always the commonest class "
        f"{percent(found.majority['uar'])} %."
    )
    yield ""
    yield "| human labels | UAR % | WA % | macro-F1 % |"
    yield "|---|---|---|---|"
    for budget in found.budgets:
        scores = (percent(m) for m in (budget.uar, budget.wa, budget.macro_f1))
        yield f"| {budget.budget} ({budget.n_labels:.0f}) | {' | '.join(scores)} |"
    for probe in result.of(PROBE):
        raw = [t for t in probe.targets if t.scale == "raw"]
        if raw:
            named = ", ".join(f"{t.target} {decimal(t.r2)}" for t in raw)
            yield ""
            yield f"R² of probe `{probe.probe}`: {_text(named)}."
        told = [c for c in probe.classes if c.scale == "raw"]
        if told:
            named = ", ".join(
                f"{c.target} {percent(c.uar)} (chance {100 * c.chance:.1f})" for c in told
            )
            yield ""
            yield f"UAR % of probe `{probe.probe}`: {_text(named)}."


def _limits(record: ResultRecord, config: ModelConfig) -> Iterator[str]:
    if config.head.kind == "weak":
        yield (
            "- Weak labels are what a language model reads out of words. They agree with human "
            "listeners in part only, and the head's scores inherit that."
        )
    yield "- Not for decisions about people. A label is a guess about a voice, not a feeling."
    for warning in {w for r in record.datasets for w in r.evaluation.warnings}:
        yield f"- {_text(warning[:300])}"


def _text(text: str) -> str:
    """Keeps names of users' making from becoming markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("\n", " ")
