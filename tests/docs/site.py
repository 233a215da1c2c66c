"""Hooks of mkdocs: the reference of commands, notebooks, and what pages name outside `docs/`.

Pictures become files of the site. Other links lead to the repository if its address is known
(``DOCS_REPOSITORY``); otherwise only their text stays. ``DOCS_RESULTS`` is the address of the
results, which the workflow publishes with the pages.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from lanser_bench.cli import COMMANDS, build_app

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(!?)\[([^\]]*)\]\(((?:\.\./)+[^)\s]+)\)")


def on_config(config: Any) -> None:
    """Adds the results to the navigation."""
    if address := os.environ.get("DOCS_RESULTS"):
        config.nav.append({"Published results": address})


def on_files(files: Any, config: Any) -> None:
    """Adds the reference of commands, and the notebooks as pages."""
    from mkdocs.structure.files import File

    made = {"commands.md": "\n".join(command_reference())}
    for path in sorted(Path(config.docs_dir, "notebooks").glob("*.ipynb")):
        made[f"notebooks/{path.stem}.md"] = notebook_page(path)
    for uri, content in made.items():
        files.append(File.generated(config, uri, content=content))


def notebook_page(path: Path) -> str:
    """Returns a notebook as Markdown: its texts, its code and what the code printed."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        language = "bash" if source.startswith("%%bash") else "python"
        parts.append(f"```{language}\n{source}\n```")
        for output in cell["outputs"]:
            text = "".join(output.get("text") or output["data"]["text/plain"])
            text = text.strip("\n")
            parts.append(f"```text\n{text}\n```")
    title, _, rest = "\n\n".join(parts).partition("\n")
    return f"{title}\n\n[The notebook as a file]({path.name}).\n{rest}"


def command_reference() -> Iterator[str]:
    """Yields the lines of the page: what ``--help`` of each command prints."""

    def helps(command: Any, context: Any, level: int) -> Iterator[str]:
        yield f"\n{'#' * level} {context.command_path}\n\n```text\n{command.get_help(context)}\n```"
        for name, sub in getattr(command, "commands", {}).items():
            yield from helps(sub, sub.make_context(name, [], context, resilient_parsing=True), 3)

    yield "# Commands\n\nThe texts of `--help`."
    for name in COMMANDS:
        app: Any = typer.main.get_command(build_app([name]))
        top = app.make_context("lanser-bench", [], resilient_parsing=True, max_content_width=100)
        command = app.commands[name]
        yield from helps(command, command.make_context(name, [], top, resilient_parsing=True), 2)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Rewrites the links of one page."""
    from mkdocs.structure.files import File

    folder = Path(config.docs_dir, page.file.src_uri).parent

    def rewritten(match: re.Match[str]) -> str:
        picture, text, link = match.groups()
        target = (folder / link).resolve()
        if target.is_relative_to(config.docs_dir):
            return match[0]
        path = target.relative_to(ROOT).as_posix()
        if picture:
            uri = f"repository/{path}"
            if files.get_file_from_path(uri) is None:
                files.append(File.generated(config, uri, abs_src_path=str(target)))
            return f"![{text}]({os.path.relpath(uri, Path(page.file.src_uri).parent)})"
        return f"[{text}]({config.repo_url}/blob/main/{path})" if config.repo_url else text

    return LINK.sub(rewritten, markdown)
