"""Hooks of mkdocs: what the pages name outside `docs/`.

Pictures become files of the site. Other links lead to the repository if its address is known
(``DOCS_REPOSITORY``); otherwise only their text stays. ``DOCS_RESULTS`` is the address of the
results, which the workflow publishes with the pages.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(!?)\[([^\]]*)\]\(((?:\.\./)+[^)\s]+)\)")


def on_config(config: Any) -> None:
    """Adds the results to the navigation."""
    if address := os.environ.get("DOCS_RESULTS"):
        config.nav.append({"Published results": address})


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
