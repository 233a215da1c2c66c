"""Options that several commands have, with one wording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PluginsDirs = Annotated[
    list[Path] | None,
    typer.Option("--plugins-dir", help="A folder of loose plugin files; may be given again."),
]
StoreDir = Annotated[Path, typer.Option("--store", help="Where results are kept.")]
STORE = Path(".lanser/store")

LabelerName = Annotated[str, typer.Option("--labeler", help="Which labeler.")]
LabelerOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--option", metavar="KEY=VALUE", help="An option of the labeler; may be given again."
    ),
]
TextColumn = Annotated[str, typer.Option("--column", help="Column of a table's texts.")]
Recogniser = Annotated[
    str,
    typer.Option("--asr", help="What transcribes a corpus; reference: the dataset's own texts."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A setting as in an experiment, such as label.temperature=2, segmenter=vad or "
        "asr.language=en; may be given again.",
    ),
]


def note(sentence: str) -> None:
    """Prints a sentence beside the output that a user must not miss."""
    typer.echo(f"! {sentence}", err=True)
