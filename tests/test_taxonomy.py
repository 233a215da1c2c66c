"""Taxonomies: faults are named with their line, maps add up, wording reaches the hypotheses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lanser_bench import Taxonomy, TaxonomyError
from lanser_bench.plugins.discovery import registry
from lanser_bench.plugins.taxonomies import check_maps, find_taxonomy
from lanser_bench.taxonomy import load_taxonomy, mapped_choice

HEAD = """\
name: two
version: "1"
citation: nobody
labels:
  - {name: good, hypothesis: good}
  - {name: bad, hypothesis: bad}
"""
VALID = HEAD + "neutral_rule: {kind: keep}\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "two.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def tax(name: str, labels: list[str], **more: object) -> Taxonomy:
    entries = [{"name": label, "hypothesis": f"very {label}"} for label in labels]
    content = {"name": name, "version": "1", "citation": "none", "labels": entries, **more}
    return Taxonomy.model_validate(content)


SHIPPED = registry().names("taxonomy")


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_taxonomy_is_valid_and_its_maps_point_somewhere(name: str) -> None:
    taxonomy = find_taxonomy(registry(), name)
    assert taxonomy.name == name
    assert taxonomy.notes
    assert len(taxonomy.templates) >= 3
    for other in taxonomy.maps:
        matrix = taxonomy.map_to(find_taxonomy(registry(), other))
        assert matrix.sum() > 0


@pytest.mark.parametrize("source", ["ekman-6", "goemotions-28", "cowen-keltner-27", "cowen-34"])
@pytest.mark.parametrize("target", ["crema-d-6", "ravdess-8", "emodb-7", "esd-5", "msp-podcast-8"])
def test_weak_labels_are_read_in_every_acted_or_podcast_corpus(source: str, target: str) -> None:
    a, b = find_taxonomy(registry(), source), find_taxonomy(registry(), target)
    matrix = a.map_to(b)
    # What has the same name means the same; each of the target's labels but these is reached.
    assert all(matrix[a.index(name), b.index(name)] == 1 for name in {*a.names} & {*b.names})
    missed = {name for name, mass in zip(b.names, matrix.sum(axis=0), strict=True) if not mass}
    assert missed <= {"neutral", "calm", "boredom", "contempt"} - {*a.names}


def test_the_shipped_taxonomies_have_the_sizes_in_their_names() -> None:
    for name in SHIPPED:
        end = name.rpartition("-")[2]
        if end.isdigit():
            assert len(find_taxonomy(registry(), name).labels) == int(end)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (VALID.replace("hypothesis: bad", "hypotesis: bad"), 6, "Did you mean 'hypothesis'?"),
        (VALID.replace("name: bad", "name: good"), 6, "duplicate label 'good'"),
        (VALID.replace("hypothesis: bad", "hypothesis: good"), 6, "same hypothesis wording"),
        (VALID + "templates:\n  - I am {}.\n  - I am.\n", 10, "needs exactly one '{}'"),
        (VALID.replace("name: good, hyp", "name: good, parent: bda, hyp"), 5, "parent 'bda'"),
        (VALID.replace("name: good, hyp", "name: good, parent: good, hyp"), 5, "unknown parent"),
        (
            VALID[: VALID.index("  - {name: bad")] + "neutral_rule: {kind: keep}\n",
            4,
            "at least two labels",
        ),
        (VALID + "neutral: god\n", 8, "Did you mean 'good'?"),
        (VALID + "maps:\n  other:\n    goood: x\n", 10, "'goood', which is not a label"),
        (VALID + "maps:\n  other:\n    good: {x: 0.7, y: 0.7}\n", 10, "add up to at most 1"),
        (VALID + "maps:\n  other:\n    good: {x: .nan}\n", 10, "above 0 and add up"),
        (VALID + "maps_from:\n  other:\n    x: goood\n", 10, "Did you mean 'good'?"),
        (VALID + "maps:\n  other:\n    good: x\n    good: y\n", 11, "duplicate key 'good'"),
        (VALID.replace("{kind: keep}", "{kind: kept}"), 7, "'neutral_rule.kind' is 'kept'"),
        (VALID.replace('version: "1"', "version: 1"), 2, "'version' is 1"),
        (VALID.replace("name: good, hyp", "name: good, valence: 3, hyp"), 5, "less than or equal"),
        (VALID + "neutral: good\n", 7, "Remove one"),
        ("name: two\n  bad: [\n", 2, "mapping values are not allowed"),
    ],
)
def test_a_fault_is_named_with_file_and_line(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(TaxonomyError) as caught:
        load_taxonomy(path)
    assert str(caught.value).startswith(f"Taxonomy file {path}, line {line}: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (HEAD.encode(), "Add `neutral_rule"),
        (b"", "expected keys and values"),
        (b"- a\n- b\n", "expected keys and values"),
        (b"\xff\xfe\x00", "UTF-8"),
        (VALID.replace("citation: nobody\n", "").encode(), "'citation' is missing"),
    ],
)
def test_what_has_no_line_is_named_with_the_file(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "two.yaml"
    path.write_bytes(content)
    with pytest.raises(TaxonomyError) as caught:
        load_taxonomy(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_every_map_that_points_nowhere_is_named_with_its_line(tmp_path: Path) -> None:
    maps = "maps:\n  ekman-6:\n    good: joy\n    bad: rage\n  ekman6: {bad: anger}\n"
    path = written(tmp_path, VALID + maps + "maps_from:\n  sentiment-3:\n    positiv: good\n")
    with pytest.raises(TaxonomyError) as caught:
        check_maps(path, registry())
    first, second = str(caught.value).splitlines()
    assert first.startswith(f"Taxonomy file {path}, line 11: the map to ekman-6 names 'rage'")
    assert second.startswith(f"Taxonomy file {path}, line 15: the map from sentiment-3 names")
    assert "Did you mean 'positive'?" in second
    path.write_text(VALID + "maps:\n  ekman6: {bad: anger}\n", encoding="utf-8")
    _, notes = check_maps(path, registry())
    assert notes == ["'ekman6' (line 9) is unknown here. Did you mean 'ekman-6'?"]


def test_a_missing_file_and_an_unknown_name_give_sentences(tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match=r"none\.yaml cannot be read"):
        find_taxonomy(registry(), str(tmp_path / "none.yaml"))
    with pytest.raises(TaxonomyError, match="Did you mean 'ekman-6'"):
        find_taxonomy(registry(), "ekmann-6")


def test_a_path_finds_a_file(tmp_path: Path) -> None:
    assert find_taxonomy(registry(), str(written(tmp_path, VALID))).names == ["good", "bad"]


def test_the_hash_moves_with_the_wording_and_not_with_the_notes(tmp_path: Path) -> None:
    plain = load_taxonomy(written(tmp_path, VALID))
    noted = load_taxonomy(written(tmp_path, VALID + "notes: more\n"))
    other = load_taxonomy(written(tmp_path, VALID.replace("hypothesis: bad", "hypothesis: ill")))
    assert plain.hash == noted.hash != other.hash


def test_content_comes_back_as_the_same_taxonomy() -> None:
    taxonomy = find_taxonomy(registry(), "goemotions-28")
    assert Taxonomy.bare(taxonomy.content()).hash == taxonomy.hash


GERMAN = """\
languages:
  German:
    templates: ["Das ist {}.", "Wie {}!"]
    labels: {good: gut, bad: [schlecht, übel]}
"""


def test_other_languages_change_neither_hash_nor_content(tmp_path: Path) -> None:
    plain = load_taxonomy(written(tmp_path, VALID))
    worded = load_taxonomy(written(tmp_path, VALID + GERMAN))
    assert worded.hash == plain.hash
    assert worded.content() == plain.content() == worded.content(["fr"])
    assert "languages" not in plain.content()
    assert worded.content(["de"]) == {
        **plain.content(),
        "languages": {
            "de": {
                "templates": ["Das ist {}.", "Wie {}!"],
                "labels": {"good": ["gut"], "bad": ["schlecht", "übel"]},
            }
        },
    }
    assert Taxonomy.bare(worded.content(["de"])).languages == worded.languages


def test_a_taxonomy_in_a_language_has_its_words(tmp_path: Path) -> None:
    worded = load_taxonomy(written(tmp_path, VALID + GERMAN))
    german = worded.in_language("de")
    assert german.names == worded.names
    assert german.hypotheses() == ["Das ist gut.", "Das ist schlecht."]
    assert german.templates == ("Das ist {}.", "Wie {}!")
    assert [label.synonyms for label in german.labels] == [(), ("übel",)]
    assert german.hash != worded.hash
    assert worded.in_language("fr") is worded.in_language("") is worded


@pytest.mark.parametrize("name", ["ekman-6", "sentiment-3"])
@pytest.mark.parametrize("language", ["de", "es", "zh"])
def test_shipped_wordings_differ_from_the_default_and_among_themselves(
    name: str, language: str
) -> None:
    taxonomy = find_taxonomy(registry(), name)
    worded = taxonomy.in_language(language)
    assert len(worded.templates) >= 3
    assert not {*worded.templates} & {*taxonomy.templates}
    words = [word for label in worded.labels for word in (label.hypothesis, *label.synonyms)]
    assert len(words) == len(set(words)) >= 3 * len(taxonomy.labels)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("Wie {}!", "Wie!"), r"line 10: template 'Wie!' needs exactly one"),
        (("good: gut, ", ""), r"no wording for good"),
        (("bad:", "bat:"), r"no wording for bad"),
        (("bad: [schlecht, übel]", "bad: gut"), r"have the same hypothesis wording"),
        (("de:", "Germanish:"), r"'Germanish' is not a language"),
        (("[schlecht, übel]", "[schlecht, übel], bat: x"), "'bat' is not a label. Did you mean"),
        (("[schlecht, übel]", "[]"), "should have 1 or more entries"),
    ],
)
def test_faults_of_wordings_are_named(tmp_path: Path, change: tuple[str, str], fault: str) -> None:
    with pytest.raises(TaxonomyError, match=fault):
        load_taxonomy(written(tmp_path, VALID + GERMAN.replace("German", "de").replace(*change)))


def test_hypotheses_fill_the_first_template_unless_told() -> None:
    taxonomy = tax("a", ["x", "y"], templates=["I am {}.", "{}?"])
    assert taxonomy.hypotheses() == ["I am very x.", "I am very y."]
    assert taxonomy.hypotheses("So {}!") == ["So very x!", "So very y!"]


def test_weights_of_a_map_land_in_their_cells_and_the_rest_is_unmapped() -> None:
    to_coarse = {"excited": "happy", "calm": {"happy": 0.25, "flat": 0.5}}
    fine = tax("fine", ["excited", "calm", "odd"], maps={"coarse": to_coarse})
    coarse = tax("coarse", ["flat", "happy"])
    assert fine.map_to(coarse).tolist() == [[0, 1], [0.5, 0.25], [0, 0]]


def test_probabilities_add_and_unmapped_mass_becomes_abstention() -> None:
    matrix = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    scores = np.array([[0.3, 0.3, 0.4, 0.0], [0.1, 0.1, 0.2, 0.6], [0.0, 0.0, 0.0, 1.0]])
    there, best = mapped_choice(scores, matrix)
    np.testing.assert_allclose(there, [[0.6, 0.4], [0.2, 0.2], [0.0, 0.0]])
    assert best.tolist() == [0, -1, -1]


def test_a_map_may_stand_in_the_target_s_file() -> None:
    source = tax("a", ["x", "y"])
    target = tax("b", ["u", "v"], maps_from={"a": {"x": "v"}})
    assert source.map_to(target).tolist() == [[0, 1], [0, 0]]


def test_equal_label_sets_map_by_name_whatever_their_order() -> None:
    assert tax("a", ["x", "y"]).map_to(tax("b", ["y", "x"])).tolist() == [[0, 1], [1, 0]]


def test_maps_that_are_not_written_disagree_or_point_nowhere_are_refused() -> None:
    a = tax("a", ["x", "y"], maps={"b": {"x": "u"}})
    with pytest.raises(TaxonomyError, match="no map from a to c"):
        a.map_to(tax("c", ["p", "q"]))
    with pytest.raises(TaxonomyError, match="different maps"):
        a.map_to(tax("b", ["u", "v"], maps_from={"a": {"x": "v"}}))
    with pytest.raises(TaxonomyError, match="'u', which is not a label of b"):
        a.map_to(tax("b", ["w", "v"]))


@pytest.mark.data
def test_the_goemotions_grouping_is_the_data_set_s(data_root: Path) -> None:
    import json

    fine = find_taxonomy(registry(), "goemotions-28")
    folder = data_root / "text_goemotions"
    assert fine.names == (folder / "emotions.txt").read_text(encoding="utf-8").split()
    groups = json.loads((folder / "ekman_mapping.json").read_text(encoding="utf-8"))
    written_map = {name: group for group, names in groups.items() for name in names}
    assert {n: next(iter(w)) for n, w in fine.maps["goemotions-ekman"].items()} == written_map


def test_the_citation_is_required(tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match="line 3: 'citation' is ''"):
        load_taxonomy(written(tmp_path, VALID.replace("citation: nobody", "citation: ''")))
