"""`lanser-bench label`: the weak label of a sentence, at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..taxonomy import Taxonomy


def label(
    text: Annotated[list[str], typer.Option(help="A sentence to label; may be given again.")],
    taxonomy: Annotated[
        str, typer.Option(help="A taxonomy's name, or the path of a YAML file.")
    ] = "ekman-6",
    labeler: Annotated[str, typer.Option(help="Which labeler.")] = "entailment",
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="An option of the labeler; may be given again."),
    ] = None,
    plugins_dir: Annotated[
        list[Path] | None, typer.Option(help="A folder of loose plugin files.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: text, label, scores, abstained.")
    ] = False,
) -> None:
    """Labels sentences by a labeler over a taxonomy."""
    import json

    from ..plugins import registry
    from ..taxonomy import find_taxonomy
    from ._options import parsed_options

    _hush()
    plugins = registry(tuple(plugins_dir or ()))
    labels = find_taxonomy(plugins, taxonomy)
    plugin = plugins.create("labeler", labeler, parsed_options(option or []))
    answers = label_texts(plugin, labeler, text, labels)
    if as_json:
        typer.echo(json.dumps(answers[0] if len(answers) == 1 else answers, ensure_ascii=False))
    else:
        for answer in answers:
            _show(answer)


def label_texts(plugin: Any, name: str, texts: list[str], labels: Taxonomy) -> list[dict[str, Any]]:
    """Labels texts as the label stage would with its default settings.

    Args:
        plugin: the labeler.
        name: its name, for messages.
        texts: n texts.
        labels: the taxonomy.

    Returns:
        Per text: text, label (None if it abstained), confidence, scores by label in the taxonomy's
        order, abstained, reason (None if there is a label).

    Raises:
        PluginError: the labeler breaks its contract.
        SettingsError: it reads human labels, which a bare text does not have.
    """
    import numpy as np

    from ..errors import SettingsError
    from ..kinds.labeler import TextRecord
    from ..stages._decision import checked_scores, decide
    from ..stages._label_records import blanked, checked_reads
    from ..stages.label import Params

    reads = checked_reads(plugin, name)
    if "gold" in reads:
        raise SettingsError(
            f"labeler '{name}' reads human labels, and a sentence on the command line has none. "
            "Use it in an experiment on a labelled dataset."
        )
    records = [TextRecord(id=text, text=text.strip()) for text in texts]
    scores = checked_scores(plugin, name, [blanked(r, reads, r.id) for r in records], labels)
    # As in the stage: whoever does not read the text is not stopped by its absence.
    empty = np.array([not record.text for record in records]) if "text" in reads else None
    decision = decide(scores.values, scores.kind, scores.abstained, labels, Params(), empty=empty)
    return [
        {
            "text": text,
            "label": labels.names[index] if index >= 0 else None,
            "confidence": round(confidence, 6),
            "scores": {n: round(v, 6) for n, v in zip(labels.names, row, strict=True)},
            "abstained": index < 0,
            "reason": reason,
        }
        for text, index, confidence, row, reason in zip(
            texts,
            decision.index.tolist(),
            decision.confidence.tolist(),
            decision.scores.tolist(),
            decision.reasons,
            strict=True,
        )
    ]


def _hush() -> None:
    """Keeps model libraries from printing bars and advice between the answers."""
    for name, value in (
        ("TRANSFORMERS_VERBOSITY", "error"),
        ("HF_HUB_DISABLE_PROGRESS_BARS", "1"),
        ("TOKENIZERS_PARALLELISM", "false"),
    ):
        os.environ.setdefault(name, value)


def _show(answer: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    console = Console()
    verdict = answer["label"] or f"no label ({answer['reason']})"
    console.print(Text.assemble((answer["text"], "italic"), "  →  ", (verdict, "bold")))
    table = Table.grid(padding=(0, 1))
    for name, score in sorted(answer["scores"].items(), key=lambda item: -item[1]):
        style = "bold" if name == answer["label"] else ""
        bar = ProgressBar(total=1.0, completed=score, width=30)
        table.add_row(Text(name, style=style), bar, Text(f"{score:.3f}", style=style))
    console.print(table)
