"""`label` and `taxonomy` on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lanser_bench import LanserError, SettingsError, TaxonomyError
from lanser_bench.cli._options import parsed_options
from lanser_bench.cli.label import app as label_app
from lanser_bench.cli.taxonomy import app as taxonomy_app

app = typer.Typer()
app.add_typer(label_app, name="label")
app.add_typer(taxonomy_app, name="taxonomy")
EXAMPLE = Path(__file__).parents[2] / "lanser_bench" / "templates"


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    if isinstance(result.exception, LanserError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def keyword(*words: str) -> str:
    return run("label", "text", "--plugins-dir", str(EXAMPLE), "--labeler", "keyword", *words)


def test_json_has_text_label_scores_and_abstained() -> None:
    found = json.loads(keyword("I am happy, so happy!", "--json"))
    assert found["text"] == "I am happy, so happy!"
    assert found["label"] == "joy"
    assert list(found["scores"]) == ["anger", "disgust", "fear", "joy", "sadness", "surprise"]
    assert found["scores"]["joy"] == 1.0
    assert found["abstained"] is False


def test_several_texts_give_a_list_and_an_abstention_says_why() -> None:
    found = json.loads(keyword("", "So it goes.", "sad", "--json"))
    assert [answer["label"] for answer in found] == [None, None, "sadness"]
    assert [answer["abstained"] for answer in found] == [True, True, False]
    assert [answer["reason"] for answer in found] == ["empty text", "labeler", None]


def test_without_json_the_best_label_and_all_scores_are_shown() -> None:
    shown = keyword("I am angry and sad.", "--taxonomy", "iemocap-4")
    assert "angry" in shown.splitlines()[0]
    assert "0.500" in shown


def test_options_reach_the_labeler() -> None:
    words = ("We won!", "--json", "--option")
    assert json.loads(keyword(*words, "words={joy: [won]}"))["label"] == "joy"
    assert json.loads(keyword(*words, "words={}"))["label"] is None


def test_a_language_selects_the_wording_of_labels() -> None:
    words = ("label", "text", "Ich bin so traurig.", "--labeler", "lexicon", "--json")
    assert json.loads(run(*words))["label"] is None
    assert json.loads(run(*words, "--language", "German"))["label"] == "sadness"
    shown = run("taxonomy", "show", "ekman-6")
    assert "In es: Siento {}. | Lo que siento es {}." in shown
    assert "anger → ira/rabia/enfado/enojo" in shown


def test_a_taxonomy_file_is_used(tmp_path: Path) -> None:
    path = tmp_path / "moods.yaml"
    path.write_text(
        'name: moods\nversion: "1"\ncitation: mine\nneutral_rule: {kind: keep}\nlabels:\n'
        "  - {name: up, hypothesis: cheerful}\n  - {name: down, hypothesis: gloomy}\n",
        encoding="utf-8",
    )
    found = json.loads(keyword("so gloomy", "--taxonomy", str(path), "--json"))
    assert found["scores"] == {"up": 0.0, "down": 1.0}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--labeler", "entailmnt"), "Did you mean 'entailment'"),
        (("--taxonomy", "ekman6"), "Did you mean 'ekman-6'"),
        (("--labeler", "random", "--option", "sed=1"), "Did you mean 'seed'"),
        (("--labeler", "random", "--option", "seed=x"), "'seed' is 'x'"),
        (("--labeler", "random", "--option", "seed"), "not of the form key=value"),
        (("--labeler", "oracle"), "a text has none"),
        (("--labeler", "lexicon", "--language", "Germn"), "Did you mean de"),
        (("--plugins-dir", "nowhere"), "is not a folder"),
    ],
)
def test_mistakes_get_a_sentence(words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(LanserError, match=sentence):
        run("label", "text", "x", *words)


SHORT = """
import numpy as np
from lanser_bench import Labeler, PluginOptions, Scores, hookimpl

@hookimpl
def register_labelers(register):
    register("short", f"{__name__}:Short")

class Short(Labeler[PluginOptions]):
    version = "1"
    languages = frozenset({"en"})
    def score(self, records, taxonomy):
        n, k = len(records), len(taxonomy.labels)
        cut = np.array([len(r.text) > 9 for r in records])
        values = np.full((n, k), 1 / k, np.float32)
        return Scores(values, "distribution", np.zeros(n, bool), truncated=cut)
"""


def test_truncated_texts_are_reported(tmp_path: Path) -> None:
    (tmp_path / "short.py").write_text(SHORT, encoding="utf-8")
    labeler = ("--labeler", "short", "--plugins-dir", str(tmp_path))
    words = ["label", "text", "we won", "we won the cup", *labeler]
    told = CliRunner().invoke(app, [*words, "--json"])
    assert [answer["truncated"] for answer in json.loads(told.stdout)] == [False, True]
    sentence = "Note: 'we won the cup…' is longer than the labeler's model takes, so read in part."
    assert told.stderr.strip() == sentence
    rows = ["we won,en", "we won the cup,en", "we lost the cup,de", "we won the cup,", "?!,en"]
    (tmp_path / "t.csv").write_text("\n".join(["text,language", *rows]) + "\n", encoding="utf-8")
    place = ("--out", str(tmp_path / "out"), "--store", str(tmp_path / "store"))
    here = ("--set", "executor.inline=true", "--set", "threads.label=1")
    found = run("label", "table", str(tmp_path / "t.csv"), *place, *labeler, *here)
    assert "Texts longer than the labeler's model takes, so read in part: 3" in found
    assert "Texts without a letter or digit: 1" in found
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert report["odd_texts"]["truncated"] == 3
    (tmp_path / "t.txt").write_text("we won\nwe won the cup\n", encoding="utf-8")
    pair = ("compare", "ekman-6", "plutchik-8", "--texts", str(tmp_path / "t.txt"))
    assert "so read in part: 1" in run("taxonomy", *pair, *labeler)


def test_option_values_are_read_as_yaml() -> None:
    found = parsed_options(["a=1", "b=[x, 1.5]", "c=all", "d=k=v", "e=", "f=1.10", "g=set #2"])
    assert found == {
        "a": 1,
        "b": ["x", 1.5],
        "c": "all",
        "d": "k=v",
        "e": None,
        "f": "1.10",
        "g": "set #2",
    }
    with pytest.raises(SettingsError, match=r"Quote a text that starts with \["):
        parsed_options(["a=[1"])


def test_taxonomies_are_listed() -> None:
    listed = {row["name"]: row for row in json.loads(run("taxonomy", "list", "--json"))}
    wanted = {"ekman-6", "plutchik-8", "goemotions-28", "goemotions-ekman", "sentiment-3"}
    assert wanted | {"iemocap-4", "crema-d-6", "ravdess-8"} <= set(listed)
    assert listed["goemotions-28"]["labels"] == 28
    assert "ekman-6" in run("taxonomy", "list")


def test_a_taxonomy_is_shown_with_wording_maps_and_what_they_lose() -> None:
    shown = run("taxonomy", "show", "ekman-6")
    assert "I am angry." in shown
    assert "joy → happy" in shown
    assert "unmapped: surprise" in shown
    content = json.loads(run("taxonomy", "show", "ekman-6", "--json"))
    assert content["labels"][0]["name"] == "anger"
    assert len(content["hash"]) == 32


def test_validate_checks_every_file_and_its_maps(tmp_path: Path) -> None:
    head = 'version: "1"\ncitation: me\nneutral_rule: {kind: keep}\nlabels:\n'
    body = head + "  - {name: a, hypothesis: a}\n  - {name: b, hypothesis: b}\n"
    texts = {
        "good": "maps: {ekman-6: {a: anger}, unknown-1: {a: x}}\n",
        "far": "maps: {ekman-6: {a: rage}}\n",
        "bad": "maps: {ekman-6: {c: anger}}\n",
    }
    files = {name: tmp_path / f"{name}.yaml" for name in texts}
    for name, text in texts.items():
        files[name].write_text(f"name: {name}\n{body}{text}", encoding="utf-8")
    shown = run("taxonomy", "validate", str(files["good"]))
    assert "good, 2 labels, valid; maps not checked: 'unknown-1' (line 8) is unknown" in shown
    with pytest.raises(TaxonomyError) as caught:
        run("taxonomy", "validate", *map(str, files.values()))
    assert f"{files['far']}, line 8: the map to ekman-6 names 'rage'" in str(caught.value)
    assert f"{files['bad']}, line 8" in str(caught.value)


@pytest.mark.slow
def test_real_entailment_labels_a_sentence() -> None:
    found = json.loads(run("label", "text", "I am so happy that you came!", "--json"))
    assert found["label"] == "joy"


def test_json_stands_alone_on_stdout_whatever_a_plugin_prints(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(
        "import os, subprocess\n"
        "from lanser_bench import hookimpl\n"
        "@hookimpl\n"
        "def register_labelers(register):\n"
        "    print('from Python')\n"
        "    os.write(1, b'from C\\n')\n"
        "    subprocess.run(['echo', 'from a child'])\n"
    )
    words = ["plugins", "--json", "--plugins-dir", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "lanser_bench", *words], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["plugins"]
    assert {"from Python", "from C", "from a child"} <= set(done.stderr.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("labeler", ["entailment", "similarity"])
def test_a_new_process_labels_a_sentence_without_a_warning_or_slow_imports(labeler: str) -> None:
    code = """
import sys
from lanser_bench.cli import main
try:
    main()
finally:
    slow = {"torch._dynamo", "transformers.modeling_utils", "sentence_transformers"}
    print(*sorted(slow & sys.modules.keys()), file=sys.stderr)
"""
    words = ["label", "text", "I was scared", "--labeler", labeler, "--json"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["label"] == "fear"
    assert done.stderr == "\n"
