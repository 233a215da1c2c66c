"""`compare labels`: labelers of a real run against gold, planted and by hand."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import accuracy_score, cohen_kappa_score, recall_score
from typer.testing import CliRunner

from lanser_bench import DataError, LanserError, SettingsError
from lanser_bench.cli._deprecated import current_spelling
from lanser_bench.cli._options import plugin_words
from lanser_bench.cli.compare import app as compare_app
from lanser_bench.experiment import label_corpus
from lanser_bench.plugins import find_taxonomy, load_plugins
from lanser_bench.reporting import read_material

EXAMPLE = Path(__file__).parents[2] / "lanser_bench" / "templates"
NAMES = find_taxonomy(load_plugins(), "ekman-6").names
GIVEN = ("random", "keyword", "oracle", "majority(member=oracle)")
Run = Callable[..., str]


def words(*labelers: str, who: bool = True) -> list[str]:
    columns = "columns={text: body, label: mood" + (", speaker: who}" if who else "}")
    return [*labelers, "text", "texts", columns, "taxonomy=ekman-6"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs `compare labels` on 240 texts of 12 speakers, 138 of which name their emotion."""
    folder = tmp_path_factory.mktemp("compare")
    (folder / "texts").mkdir()
    rng = np.random.default_rng(1)
    lines = ["body,mood,who"]
    for i in range(240):
        gold = NAMES[rng.choice(6, p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.1])]
        named = gold if i % 7 < 4 else "nothing"
        lines.append(f"text {i} of {named},{gold},s{i % 12:02d}")
    (folder / "texts" / "a.csv").write_text("\n".join(lines) + "\n")

    def call(*given: str) -> str:
        here = ("executor.inline=true", "threads.label=1")
        settings = [word for each in here for word in ("--set", each)]
        common = ("--plugins-dir", str(EXAMPLE), "--store", str(folder / "store"), *settings)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            result = CliRunner().invoke(compare_app, ["labels", *given, *common])
        if isinstance(result.exception, LanserError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    call.folder = folder  # type: ignore[attr-defined]
    return call


@pytest.fixture(scope="module")
def ladder(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*words(*GIVEN), "--format", "json"))
    return found


def rung(ladder: dict[str, Any], name: str) -> dict[str, Any]:
    return next(r for r in ladder["rungs"] if r["labeler"] == name)


@pytest.mark.slow
def test_scores_equal_scikit_learn_s_on_the_labels_of_the_store(
    run: Run, ladder: dict[str, Any]
) -> None:
    folder = run.folder  # type: ignore[attr-defined]
    data = {"dataset": "text", "root": str(folder / "texts"), "taxonomy": "ekman-6"}
    data["columns"] = {"text": "body", "label": "mood", "speaker": "who"}
    overrides = [f"paths.store={folder / 'store'}", "executor.inline=true", "threads.label=1"]
    for name in ("random", "keyword"):
        [corpus] = label_corpus(data, name, "ekman-6", overrides=overrides, plugin_dirs=[EXAMPLE])
        assert corpus.executed == []  # the comparison computed what a run computes
        material = read_material(corpus)
        gold = [NAMES.index(next(iter(g))) for g in material.table.gold]
        weak = np.where(material.labels.index < 0, 6, material.labels.index)
        found = rung(ladder, name)
        uar = recall_score(gold, weak, average="macro", labels=range(6))
        assert found["uar"]["value"] == pytest.approx(uar)
        assert found["kappa"]["value"] == pytest.approx(cohen_kappa_score(gold, weak))
        assert found["wa"]["value"] == pytest.approx(accuracy_score(gold, weak))
        scores = np.where(weak[:, None] == 6, 1.0, material.labels.scores)
        votes = np.eye(6)[gold]
        jsd = np.mean(
            [jensenshannon(p, t, base=2) ** 2 for p, t in zip(scores, votes, strict=True)]
        )
        assert found["jsd"]["value"] == pytest.approx(jsd)


@pytest.mark.slow
def test_the_copy_of_gold_is_best_and_all_floors_are_told_apart_from_it(
    ladder: dict[str, Any],
) -> None:
    order = [r["labeler"] for r in ladder["rungs"]]
    assert order[:2] == ["oracle", "keyword"]
    assert rung(ladder, "oracle")["uar"]["value"] == pytest.approx(1)
    assert rung(ladder, "majority")["uar"]["value"] == pytest.approx(1 / 6)
    assert len(rung(ladder, "majority")["never_given"]) == 5
    assert rung(ladder, "keyword")["coverage"]["value"] == pytest.approx(138 / 240)
    pairs = {(p["a"], p["b"]): p for p in ladder["pairs"]}
    assert len(pairs) == 6
    for (a, b), pair in pairs.items():
        ends = [rung(ladder, name)["uar"]["value"] for name in (a, b)]
        assert pair["difference"]["value"] == pytest.approx(ends[0] - ends[1])
        assert pair["difference"]["value"] >= 0
        if "oracle" in (a, b):
            assert pair["p_value"] < 0.001
    assert (ladder["intervals_over"], ladder["speakers"], ladder["rows"]) == ("speakers", 12, 240)
    cost = rung(ladder, "random")["cost"]
    assert cost["cpu_s"] > 0
    assert "CPU" in cost["machine"]


@pytest.mark.slow
def test_random_labelers_are_not_told_apart_and_texts_without_speakers_are_rows(run: Run) -> None:
    null = [f"random(seed={seed})" for seed in range(8)]
    found = json.loads(run(*words(*null, who=False), "--by", "kappa", "--format", "json"))
    assert [r["labeler"] for r in found["rungs"]] != null  # sorted by kappa
    assert len(found["pairs"]) == 28
    assert all(pair["p_value"] > 0.05 for pair in found["pairs"])
    assert all(0.05 < pair["detectable"] < 0.4 for pair in found["pairs"])
    assert found["intervals_over"] == "rows"
    methods = {p["difference"]["interval"]["method"] for p in found["pairs"]}
    assert methods == {"symmetric studentised bootstrap over rows"}


@pytest.mark.slow
def test_every_format_has_the_same_numbers(run: Run, ladder: dict[str, Any]) -> None:
    call = words(*GIVEN)
    [first, *_] = list(csv.DictReader(io.StringIO(run(*call, "--format", "csv"))))
    kappa = rung(ladder, "oracle")["kappa"]["value"]
    assert (first["labeler"], float(first["kappa"])) == ("oracle", kappa)
    keyword = rung(ladder, "keyword")["uar"]
    shown = "{value:.3f} [{low:.3f}, {high:.3f}]".format(**keyword, **keyword["interval"])
    for form in ("table", "md", "html"):
        assert shown in run(*call, "--format", form).replace("\xa0", " ")
    assert r"\toprule" in run(*call, "--format", "latex")
    for suffix, mark in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        path = run.folder / f"ladder{suffix}"  # type: ignore[attr-defined]
        run(*call, "--picture", str(path))
        first_bytes = path.read_bytes()
        assert first_bytes.startswith(mark)
        run(*call, "--picture", str(path))
        assert path.read_bytes() == first_bytes
    svg = (run.folder / "ladder.svg").read_text()  # type: ignore[attr-defined]
    assert svg.index("oracle") < svg.index("random")


@pytest.mark.parametrize(
    ("given", "kind", "sentence"),
    [
        (words("random"), SettingsError, "at least two plugins of kind labeler"),
        (["random", "keyword"], SettingsError, "then a dataset"),
        (words("random", "keywrd"), SettingsError, "'keywrd' is neither .* mean 'keyword'"),
        (words("random", "random"), SettingsError, "duplicate value random"),
        (words("random", "keyword(synonyms=no"), SettingsError, "no closing bracket"),
        ([*words("random", "keyword"), "--by", "uarr"], SettingsError, "Did you mean 'uar'"),
        ([*words("random", "keyword"), "--picture", "a.gif"], DataError, r"ends in \.png"),
        (["random", "keyword", "texts"], SettingsError, "is a path, but the name of a dataset"),
    ],
)
def test_mistakes_get_a_sentence(
    run: Run, given: list[str], kind: type[LanserError], sentence: str
) -> None:
    with pytest.raises(kind, match=sentence):
        run(*given)


def test_texts_without_gold_are_refused(run: Run) -> None:
    with pytest.raises(DataError, match="'text' has no human labels"):
        run("random", "keyword", "text", "texts", "columns={text: body, label: ''}")


def test_plugins_are_written_as_tables_name_them() -> None:
    assert plugin_words("random") == {"name": "random"}
    found = plugin_words("ensemble(members=[a, {name: b, top: 2}],combine=mean)")
    members = ["a", {"name": "b", "top": 2}]
    assert found == {"name": "ensemble", "members": members, "combine": "mean"}


def test_two_sides_without_a_subcommand_are_records() -> None:
    assert current_spelling(["compare", "a", "b"]) == ["compare", "records", "a", "b"]
    for said in (["compare", "labels", "a"], ["compare", "-h"], ["compare"]):
        assert current_spelling(said) == said
