"""Tests of a taxonomy file: that it is valid, and that its words make sense."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from ..errors import TaxonomyError
from ..plugins.discovery import registry
from ..plugins.taxonomies import check_maps, find_taxonomy
from ..taxonomy import Taxonomy
from ._base import Suite

WORDS = re.compile(r"[^\W\d_]+(?:[ ,'’-]+[^\W\d_]+)*")
NEUTRAL = {"neutral", "neutrality", "no emotion", "unemotional"}
OPPOSED = 0.3
"""Valences beyond this on both sides of zero are opposed."""


class TaxonomySuite(Suite):
    """Inherit and let `make` return the path of the file."""

    anchor: ClassVar[str] = "docs/plugins/taxonomy.md#a-taxonomy"
    basic: ClassVar[frozenset[str]] = frozenset({"test_the_file_is_valid"})

    @property
    def taxonomy(self) -> Taxonomy:
        """The taxonomy of the file."""
        return self.kept("taxonomy", lambda: check_maps(Path(self.make()), registry())[0])

    def test_the_file_is_valid(self) -> None:
        """The file has different labels with wordings, templates, and maps to known labels."""
        try:
            _ = self.taxonomy
        except TaxonomyError as error:
            self.require(False, str(error), "Correct the line that the message names.")

    def test_names_differ_in_more_than_case(self) -> None:
        """Labels are different emotions, so their names differ in more than case and ending."""
        seen: dict[str, str] = {}
        for name in self.taxonomy.names:
            bare = re.sub(r"[\W_]", "", name).casefold()
            twin = seen.setdefault(bare, name)
            self.require(
                twin == name, f"'{twin}' and '{name}' are the same word.", "Make them one label."
            )

    def test_hypotheses_are_words_that_fit_the_templates(self) -> None:
        """A hypothesis is an adjective or a noun phrase that completes every template."""
        starts = [t.partition("{}")[0].strip().casefold() for t in self.taxonomy.templates]
        template = self.taxonomy.templates[0]
        for label in self.taxonomy.labels:
            for text in (label.hypothesis, *label.synonyms):
                whole = any(start and text.casefold().startswith(f"{start} ") for start in starts)
                self.require(
                    WORDS.fullmatch(text) and not whole and not (text.isupper() and len(text) > 1),
                    f"Label '{label.name}' gives '{template.replace('{}', text)}'",
                    "Write the plain word that completes the template, such as `angry`.",
                )

    def test_templates_are_sentences(self) -> None:
        """A template is a sentence: the model that reads it was trained on sentences."""
        for template in self.taxonomy.templates:
            self.require(
                not template[0].islower() and template.rstrip()[-1] in ".!?。！？",
                f"The template '{template}' is no sentence.",
                "Begin with a capital letter and end with a full stop, such as `I am {}.`",
            )

    def test_words_belong_to_one_label(self) -> None:
        """A wording or synonym belongs to one label."""
        owner: dict[str, str] = {}
        for label in self.taxonomy.labels:
            for text in {label.hypothesis.casefold(), *(s.casefold() for s in label.synonyms)}:
                other = owner.setdefault(text, label.name)
                self.require(
                    other == label.name,
                    f"'{text}' belongs to '{other}' and to '{label.name}'.",
                    "Keep it at the label that it fits better.",
                )

    def test_the_neutral_label_is_declared(self) -> None:
        """A label for speech without emotion is named in `neutral`."""
        names = [name for name in self.taxonomy.names if name.casefold() in NEUTRAL]
        self.require(
            not names or self.taxonomy.neutral is not None,
            f"'{names and names[0]}' is a label, but `neutral` does not name it.",
            f"Write `neutral: {names and names[0]}` instead of `neutral_rule`.",
        )

    def test_parents_form_a_tree(self) -> None:
        """No label is its own ancestor."""
        parents = {label.name: label.parent for label in self.taxonomy.labels}
        for name in parents:
            above, seen = parents[name], {name}
            while above is not None and above not in seen:
                seen.add(above)
                above = parents[above]
            self.require(
                above is None, f"'{name}' is below itself.", "Remove one `parent` of the circle."
            )

    def test_maps_agree_with_names_and_valences(self) -> None:
        """A map sends equal names to each other, and no label to one of the opposite valence."""
        known = set(registry().names("taxonomy"))
        for field, maps in (("maps", self.taxonomy.maps), ("maps_from", self.taxonomy.maps_from)):
            for name in sorted(maps.keys() & known):
                other = find_taxonomy(registry(), name)
                pair = (self.taxonomy, other) if field == "maps" else (other, self.taxonomy)
                self._agrees(field, *pair)

    def _agrees(self, field: str, source: Taxonomy, target: Taxonomy) -> None:
        matrix = source.map_to(target)
        for row, label in zip(matrix, source.labels, strict=True):
            place = f"The map from {source.name} to {target.name}"
            if label.name in target.names:
                self.require(
                    row[target.index(label.name)] >= row.max() > 0,
                    f"{place} leaves '{label.name}' unmapped or sends it elsewhere.",
                    f"Add `{label.name}: {label.name}` to `{field}`.",
                )
            for weight, other in zip(row, target.labels, strict=True):
                here, there = label.valence or 0.0, other.valence or 0.0
                self.require(
                    not (weight and here * there < 0 and min(abs(here), abs(there)) > OPPOSED),
                    f"{place} sends '{label.name}' ({here:+g}) to '{other.name}' ({there:+g}).",
                    "Correct the map, or the `valence` of the label.",
                )

    def test_languages_are_translated(self) -> None:
        """Words and templates for another language are in that language."""
        own = {label.name: label.hypothesis for label in self.taxonomy.labels}
        for language in self.taxonomy.languages:
            there = self.taxonomy.in_language(language)
            same = [label.name for label in there.labels if label.hypothesis == own[label.name]]
            self.require(
                len(same) < len(own) / 2 and there.templates != self.taxonomy.templates,
                f"In '{language}' templates or the words of {', '.join(same)} are as in English.",
                "Translate them, or remove the language.",
            )
