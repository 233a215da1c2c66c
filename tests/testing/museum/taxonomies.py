"""Broken taxonomies: one good file, and what a line of it becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from lanser_bench.testing._dataset import scratch

from . import EXHIBITS, Exhibit

GOOD: dict[str, Any] = {
    "name": "moods",
    "version": "1",
    "citation": "made for tests",
    "templates": ["I am {}.", "The speaker feels {}."],
    "labels": [
        {"name": "joy", "hypothesis": "happy", "synonyms": ["glad"], "valence": 0.8},
        {"name": "sadness", "hypothesis": "sad", "synonyms": ["unhappy"], "valence": -0.7},
        {"name": "calm", "hypothesis": "calm"},
    ],
    "neutral": "calm",
    "maps": {"ekman-6": {"joy": "joy", "sadness": "sadness"}},
}
CASE = "names differ in more than case"
VALID = "the file is valid"
WORDS = "hypotheses are words that fit the templates"
MAPS = "maps agree with names and valences"


FOLDER = scratch()


def written(content: Any) -> Path:
    path = FOLDER / "moods.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def label(place: int, **change: Any) -> dict[str, Any]:
    labels = [dict(one) for one in GOOD["labels"]]
    labels[place] |= change
    return GOOD | {"labels": labels}


BROKEN: list[tuple[str, Any, str, str]] = [
    ("equal-names", label(1, name="joy"), VALID, "duplicate label 'joy'"),
    ("equal-hypotheses", label(1, hypothesis="happy"), VALID, "have the same hypothesis"),
    ("one-label", GOOD | {"labels": GOOD["labels"][:1]}, VALID, "at least two labels"),
    ("no-place-in-the-template", GOOD | {"templates": ["I am."]}, VALID, "{}"),
    ("unknown-target", GOOD | {"maps": {"ekman-6": {"joy": "jou"}}}, VALID, "Did you mean 'joy'"),
    ("too-much-weight", GOOD | {"maps": {"ekman-6": {"joy": {"joy": 2.0}}}}, VALID, "at most 1"),
    ("no-neutral-rule", {k: v for k, v in GOOD.items() if k != "neutral"}, VALID, "neutral_rule"),
    ("not-yaml", "labels: [", VALID, "line"),
    (
        "names-equal-but-for-case",
        label(2, name="Joy") | {"neutral": "Joy"},
        CASE,
        "'Joy'",
    ),
    ("code-for-a-hypothesis", label(1, hypothesis="label_2"), WORDS, "I am label_2."),
    ("sentence-for-a-hypothesis", label(1, hypothesis="I am sad"), WORDS, "I am I am sad."),
    ("full-stop", label(1, hypothesis="sad."), WORDS, "I am sad.."),
    ("capitals", label(1, hypothesis="SAD"), WORDS, "I am SAD."),
    (
        "template-without-end",
        GOOD | {"templates": ["feeling {}"]},
        "templates are sentences",
        "no ",
    ),
    ("shared-synonym", label(1, synonyms=["glad"]), "words belong to one label", "'glad' belongs"),
    (
        "neutral-is-forgotten",
        label(2, name="neutral") | {"neutral": None, "neutral_rule": {"kind": "keep"}},
        "the neutral label is declared",
        "neutral: neutral",
    ),
    (
        "circle-of-parents",
        GOOD
        | {
            "labels": [
                one | {"parent": p} for one, p in zip(GOOD["labels"], ("sadness", "joy", None))
            ]
        },
        "parents form a tree",
        "below itself",
    ),
    ("unmapped-label", GOOD | {"maps": {"ekman-6": {"joy": "joy"}}}, MAPS, "'sadness' unmapped"),
    (
        "opposite-valence",
        label(2, valence=0.5) | {"maps": {"ekman-6": {**GOOD["maps"]["ekman-6"], "calm": "fear"}}},
        MAPS,
        "'calm' (+0.5) to 'fear' (-0.7)",
    ),
    (
        "untranslated",
        GOOD
        | {
            "languages": {
                "de": {
                    "templates": ["Ich bin {}."],
                    "labels": {"joy": "happy", "sadness": "sad", "calm": "ruhig"},
                }
            }
        },
        "languages are translated",
        "as in English",
    ),
]
for name, content, check, problem in BROKEN:
    exhibit = Exhibit("taxonomy", lambda content=content: written(content), check, problem, {})
    EXHIBITS.append((name, exhibit))
