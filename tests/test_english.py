"""The product's prose is plain technical English: a short list of idioms that it does without."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
IDIOMS = """
    there twice | occurs more than once, duplicate
    is not there; are not there; was not there; were not there | is missing
    where it is there; where they are there; if it is there; if they are there | if set, if present
    what is there | what exists, what is cached
    tells; told | says, shows, reports; distinguished
    goes on; go on; going on; went on | continues
    hears; hears of | processes, is notified of
    at work | running, active
    in hand | current
    of itself; of themselves | about itself
    stands beside; stand beside; stood beside | is shown next to
    lies beside; lie beside; lay beside | is next to
    the way to get | how to get
    not suffice | is not enough
    in nothing but | only in
    of nobody; nobody needs | orphaned, unneeded
    is no evidence; is no point | is not evidence
    its last words; their last words | log
    it may go well; it goes well; it will go well | may succeed
    mend; mends; mended | fix, correct
    anew | again, newly
    stranger | third-party
    what was found; what has been found; what is found | results, findings
    what is left | the rest
    show any life; shows any life | heartbeat
    leaves the bench | is exported
"""
"""Idioms, each followed by what a native writer uses for it."""
GAP = r"""[\s"'#f*]+"""
"""Between words: a phrase may continue on the next line, of a comment or in another string."""


def pattern(idiom: str) -> re.Pattern[str]:
    """Begins with a plain word, which the search finds fast; "goes on the axis" is none."""
    first, *rest = idiom.split()
    whole = rf"{first}(?<!\w{first})" + "".join(GAP + re.escape(word) for word in rest)
    return re.compile(whole + (r"(?! +(?:the|a|top)\b)" if rest == ["on"] else "") + r"(?!\w)")


PATTERNS = {
    idiom.strip(): (pattern(idiom), better.strip())
    for idioms, _, better in (line.partition(" | ") for line in IDIOMS.strip().splitlines())
    for idiom in idioms.split(";")
}
FILES = [
    *(ROOT / "lanser_bench").rglob("*.py"),
    *(ROOT / "plugins").rglob("*.py"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "README.md", ROOT / "CHANGELOG.md"),
]


def faults(text: str) -> list[str]:
    lowered = text.lower()
    return [
        f"{lowered.count(chr(10), 0, match.start()) + 1}: '{idiom}' (write: {better})"
        for idiom, (wanted, better) in PATTERNS.items()
        for match in wanted.finditer(lowered)
    ]


def test_prose_is_plain() -> None:
    names = {path: path.relative_to(ROOT).as_posix() for path in sorted(FILES)}
    found = [
        f"{name}:{fault}"
        for path, name in names.items()
        for fault in faults(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(["Idioms in the prose:", *found])


@pytest.mark.parametrize(
    "text",
    [
        '    "Ids must be unique, but a is there "\n    "twice."',
        "# The process goes\n# on.",
        "The file is\nnot there.",
        "Told in the order of the queue",
    ],
)
def test_idioms_are_seen(text: str) -> None:
    assert faults(text)


@pytest.mark.parametrize(
    "text",
    [
        "It is not. There are two.",
        "told_apart = 3",
        "UAR goes on the y axis",
        "recommended",
        "sort_told",
    ],
)
def test_no_false_alarms(text: str) -> None:
    assert not faults(text)
