"""Two taxonomies side by side: what maps lose, and numbers that can be counted by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from lanser_bench import (
    DataError,
    Labeler,
    LanserError,
    PluginOptions,
    Scores,
    SettingsError,
    TaxonomyError,
)
from lanser_bench.cli._labeling import read_texts
from lanser_bench.cli.taxonomy import app as taxonomy_app
from lanser_bench.kinds import TextRecord
from lanser_bench.plugins.discovery import registry
from lanser_bench.plugins.taxonomies import find_taxonomy
from lanser_bench.reporting.labels.taxonomies import compare, information, structure
from lanser_bench.reporting.labels.taxonomy_views import heat_map, summary_lines
from lanser_bench.reporting.tables.pictures import save_picture
from lanser_bench.taxonomy import Label, NeutralRule, Taxonomy

app = typer.Typer()
app.add_typer(taxonomy_app, name="taxonomy")


def taxonomy(name: str, labels: Sequence[str], maps: dict[str, object] | None = None) -> Taxonomy:
    return Taxonomy.model_validate(
        {
            "name": name,
            "version": "1",
            "citation": "made for tests",
            "maps": maps or {},
            "labels": tuple(Label(name=label, hypothesis=label) for label in labels),
            "neutral_rule": NeutralRule(kind="keep"),
        }
    )


FINE = taxonomy(
    "fine",
    ["rage", "joy", "bliss", "awe"],
    {"coarse": {"rage": "bad", "joy": "good", "bliss": {"good": 0.6, "odd": 0.2}}},
)
COARSE = taxonomy("coarse", ["good", "bad", "odd", "dull"], {"fine": {"good": "joy"}})


class Named(Labeler[PluginOptions]):
    """Scores the labels that a text names, and abstains where it names none."""

    version = "1"

    def score(self, records: Sequence[TextRecord], labels: Taxonomy) -> Scores:
        found = [[float(name in r.text.split()) for name in labels.names] for r in records]
        values = np.array(found, np.float32).reshape(len(records), len(labels.names))
        silent = ~values.any(axis=1)
        values[silent] = 1
        return Scores(values / values.sum(axis=1, keepdims=True), "distribution", silent)


TEXTS = ["rage bad", "rage bad", "joy good", "joy bad", "awe good", "bliss", "", "nothing"]


def test_structure_says_what_maps_lose() -> None:
    found = structure(FINE, COARSE)
    assert found["shared_labels"] == []
    assert found["a_to_b"] == {
        "written": True,
        "unmapped": ["awe"],
        "partly_unmapped": {"bliss": 0.2},
        "merged": {"good": ["joy", "bliss"]},
        "unreachable": ["dull"],
    }
    assert found["b_to_a"]["unmapped"] == ["bad", "odd", "dull"]
    assert found["round_trip_a"] == {"rage": 0, "joy": 1, "bliss": 0, "awe": 0}


def test_a_map_that_is_not_written_is_said_so() -> None:
    other = taxonomy("other", ["good", "x"])
    found = structure(FINE, other)
    assert not found["a_to_b"]["written"]
    assert "no map from fine to other" in found["a_to_b"]["reason"]
    assert found["round_trip_a"] is None
    assert structure(COARSE, other)["shared_labels"] == ["good"]


def test_behaviour_is_counted_on_the_same_texts() -> None:
    found = compare(FINE, COARSE, TEXTS, Named(PluginOptions()), "named")
    measured = found.report["behaviour"]
    assert found.joint is not None
    assert found.joint.tolist() == [[0, 2, 0, 0], [1, 1, 0, 0], [0] * 4, [1, 0, 0, 0]]
    assert measured["labelled_by_both"] == 5
    assert measured["a"]["coverage"]["value"] == 6 / 8
    assert measured["a"]["never_firing"] == []
    assert measured["b"]["never_firing"] == ["odd", "dull"]
    there = measured["agreement_a_in_b"]["by_choice"]
    # rage → bad twice right, joy → good once right and once wrong; awe has no counterpart.
    assert (there["texts"], there["without_counterpart"]) == (4, 1)
    assert there["agreement"]["value"] == 0.75
    assert there["kappa"] == pytest.approx((0.75 - 0.5) / 0.5)
    # Every text names one label here, so that all scores say what the choice says.
    assert measured["agreement_a_in_b"]["by_scores"] == there


def test_many_weak_labels_may_outweigh_the_best_one() -> None:
    many = taxonomy(
        "many",
        ["rage", "joy", "bliss", "glee"],
        {"coarse": {"rage": "bad", "joy": "good", "bliss": "good", "glee": "good"}},
    )

    class Flat(Named):
        def score(self, records: Sequence[TextRecord], labels: Taxonomy) -> Scores:
            rows = [0.4, 0.2, 0.2, 0.2] if labels.name == "many" else [0.1, 0.7, 0.1, 0.1]
            values = np.array([rows] * len(records), np.float32)
            return Scores(values, "distribution", np.zeros(len(records), bool))

    found = compare(many, COARSE, ["x"], Flat(PluginOptions()), "flat").report["behaviour"]
    assert found["agreement_a_in_b"]["by_choice"]["agreement"]["value"] == 1
    assert found["agreement_a_in_b"]["by_scores"]["agreement"]["value"] == 0


def test_a_taxonomy_agrees_with_itself_and_tells_all_about_itself() -> None:
    found = compare(FINE, FINE, TEXTS, Named(PluginOptions()), "named").report["behaviour"]
    assert found["agreement_a_in_b"]["by_scores"]["agreement"]["value"] == 1
    assert found["mutual_information_bits"] == pytest.approx(found["a"]["label_entropy_bits"])
    assert found["share_of_a_s_entropy"] == pytest.approx(1)


def test_independent_labels_share_no_information() -> None:
    even = information(np.full((2, 2), 25))
    assert even["mutual_information_bits"] == pytest.approx(0, abs=1e-12)
    assert even["mutual_information_bias_bits"] == pytest.approx(1 / (200 * np.log(2)))
    assert information(np.diag([50, 50]))["mutual_information_bits"] == pytest.approx(1)
    assert information(np.zeros((2, 2), np.int64))["mutual_information_bits"] is None


def test_the_chance_part_of_information_is_about_right() -> None:
    random = np.random.default_rng(0)
    found = []
    for _ in range(300):
        joint = np.zeros((4, 5), np.int64)
        np.add.at(joint, (random.integers(4, size=400), random.integers(5, size=400)), 1)
        found.append(information(joint))
    mean = np.mean([one["mutual_information_bits"] for one in found])
    assert mean == pytest.approx(found[0]["mutual_information_bias_bits"], rel=0.1)


def test_labelers_that_read_gold_are_refused() -> None:
    oracle = registry().create("labeler", "oracle")
    with pytest.raises(SettingsError, match="reads human labels"):
        compare(FINE, COARSE, TEXTS, oracle, "oracle")


def test_the_picture_is_whole_and_the_same_each_time(tmp_path: Path) -> None:
    joint = compare(FINE, COARSE, TEXTS, Named(PluginOptions()), "named").joint
    assert joint is not None
    for name in ("a.png", "b.png"):
        save_picture(heat_map(FINE, COARSE, joint, "named"), tmp_path / name)
    first = (tmp_path / "a.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    assert first == (tmp_path / "b.png").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png"}


def test_the_summary_names_both_and_their_agreement() -> None:
    lines = "\n".join(
        summary_lines(compare(FINE, COARSE, TEXTS, Named(PluginOptions()), "named").report)
    )
    assert "fine → coarse: unmapped: awe; unreachable: dull; merged: good ← joy, bliss" in lines
    assert "Agreement of fine in coarse: chosen labels mapped 0.750" in lines


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.txt", "one two\n\n three\r\n"),
        ("t.csv", 'id,text\n1,one two\n2," three"\n'),
        ("t.tsv", "text\tid\none two\t1\n three\t2\n"),
        ("t.jsonl", '{"text": "one two"}\n{"text": " three", "id": 2}\n'),
    ],
)
def test_texts_are_read_from_lines_and_tables(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_bytes(content.encode("utf-8-sig"))
    assert read_texts(tmp_path / name) == ["one two", "three"]


def test_bad_text_files_get_a_sentence(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("id,texts\n1,x\n")
    with pytest.raises(DataError, match=r"t\.csv has no column 'text', .* Did you mean 'texts'"):
        read_texts(table)
    lines = tmp_path / "t.jsonl"
    lines.write_text('{"text": "x"}\n{"txt": 1}\n')
    with pytest.raises(DataError, match="line 2: there is no column 'text'; there are txt"):
        read_texts(lines)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_texts(tmp_path / "none.txt")
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(DataError, match="contains no text"):
        read_texts(tmp_path / "empty.txt")
    (tmp_path / "latin.txt").write_bytes(b"\xe9t\xe9")
    with pytest.raises(DataError, match="not UTF-8"):
        read_texts(tmp_path / "latin.txt")


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    if isinstance(result.exception, LanserError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_compares_files_and_behaviour(tmp_path: Path) -> None:
    shown = run("taxonomy", "compare", "ekman-6", "goemotions-28")
    assert "goemotions-28 → ekman-6: unmapped: neutral" in shown
    assert "ekman-6 → goemotions-28: no map is written" in shown
    texts, picture = tmp_path / "t.txt", tmp_path / "p.png"
    texts.write_text("I am angry\nso happy today\nwhat a sad day\nthe bus is late\n")
    words = ("--texts", str(texts), "--labeler", "lexicon", "--picture", str(picture), "--json")
    found = json.loads(run("taxonomy", "compare", "ekman-6", "goemotions-28", *words))
    assert found["behaviour"]["labelled_by_both"] == 3
    assert found["behaviour"]["agreement_b_in_a"]["by_scores"]["agreement"]["value"] == 1
    assert picture.read_bytes().startswith(b"\x89PNG")
    wider = find_taxonomy(registry(), "goemotions-28")
    assert len(found["behaviour"]["joint_counts"][0]) == len(wider.labels)


def test_maps_of_a_file_of_ones_own_are_checked(tmp_path: Path) -> None:
    text = (
        "name: mine\nversion: '1'\ncitation: me\nneutral_rule: {kind: keep}\nlabels:\n"
        "- {name: merry, hypothesis: merry}\n- {name: low, hypothesis: low}\nmaps:\n"
    )
    file = tmp_path / "mine.yaml"
    file.write_text(text + "  ekman-6: {merry: joyy}\n")
    with pytest.raises(TaxonomyError, match=r"line 9: .* names 'joyy', .* Did you mean 'joy'"):
        run("taxonomy", "compare", str(file), "ekman-6")
    file.write_text(text + "  ekmann-6: {merry: joy}\n")
    shown = run("taxonomy", "compare", "ekman-6", str(file))
    assert "taxonomy 'ekmann-6' (line 9) is unknown here. Did you mean 'ekman-6'?" in shown


def test_a_picture_needs_texts(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--picture needs --texts"):
        run("taxonomy", "compare", "ekman-6", "plutchik-8", "--picture", str(tmp_path / "p.png"))
