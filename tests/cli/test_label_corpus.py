"""`label table`, `label corpus` and `taxonomy compare` on a dataset: through the store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from lanser_bench import DataError, LanserError, SettingsError, TaxonomyError
from lanser_bench.cli.data import app as data_app
from lanser_bench.cli.label import app as label_app
from lanser_bench.cli.taxonomy import app as taxonomy_app
from lanser_bench.experiment import label_corpus, label_texts
from lanser_bench.plugins import find_taxonomy, load_plugins
from lanser_bench.reporting import frame, write_label_report
from lanser_bench.reporting.labels.ladder import compare_labelers
from lanser_bench.stages.label.files import read_labels

app = typer.Typer()
app.add_typer(label_app, name="label")
app.add_typer(taxonomy_app, name="taxonomy")
EXAMPLE = Path(__file__).parents[2] / "lanser_bench" / "templates"
Run = Callable[..., str]
HERE = ("executor.inline=true", "threads.label=1")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in an empty folder, stages in this process, with the example labeler."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> str:
        common = ("--plugins-dir", str(EXAMPLE), "--labeler", "keyword")
        here = [word for given in HERE for word in ("--set", given)]
        result = CliRunner().invoke(app, [*words, *common, *here])
        if isinstance(result.exception, LanserError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    return call


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = ["I am happy|joy", "so angry|anger", "nothing|joy", "sad, sad|sadness", "|fear"]
    texts = "".join(
        f"{row}|{'ab'[i % 2]}\n".replace("|", ",")
        for i, row in enumerate(row.replace(",", ";") for row in rows)
    )
    path = tmp_path / "texts" / "a.csv"
    path.parent.mkdir()
    path.write_text("body,mood,who\n" + texts, encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_table_gets_parquet_and_a_report(run: Run, table: Path) -> None:
    words = ("label", "table", str(table), "--column", "body", "--gold", "mood", "--out", "out")
    shown = run(*words)
    assert "5 utterances, coverage 0.600" in shown
    assert "Without a label: 1 empty text, 1 labeler" in shown
    rows = pq.read_table("out/labels.parquet").to_pylist()
    assert rows[0] | {"score_anger": 0.0} == rows[0]
    assert [row["label"] for row in rows] == ["joy", "anger", None, "sadness", None]
    assert [row["reason"] for row in rows] == [None, None, "labeler", None, "empty text"]
    report = json.loads(Path("out/report.json").read_text())
    gold = report["gold"]
    assert gold["rows_with_one_label"] == 5
    assert gold["abstention_left_out"]["wa"]["value"] == 1.0
    assert gold["abstention_is_wrong"]["wa"]["value"] == 0.6
    assert gold["per_class"][3]["recall"]["value"] == 0.5
    page = Path("out/report.md").read_text()
    assert "| joy | 2 | 1 | 1.000" in page
    for name in ("labels.png", "confusion.png", "risk-coverage.png"):
        assert f"({name})" in page
        assert Path("out", name).read_bytes()[:4] == b"\x89PNG"
    assert not [path for path in Path("out").iterdir() if path.name.startswith(".")]


def test_the_same_command_reuses_everything(
    run: Run, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("label", "table", str(table), "--column", "body", "--json")
    first = json.loads(run(*words))
    settings = {
        "dataset": "text",
        "root": str(table.parent),
        "tables": ["a.csv"],
        "columns": {"text": "body"},
        "title": "Texts of a.csv",
    }
    [again] = label_corpus(settings, "keyword", "ekman-6", overrides=HERE, plugin_dirs=[EXAMPLE])
    assert again.executed == []
    assert again.labels == first["made_with"]["keys"]["labels"]
    assert first["gold"] is None
    assert list(Path("results/scratch/labels").iterdir())


def test_only_labels_of_two_labelers_are_kept(run: Run, tmp_path: Path) -> None:
    words = ("happy", "angry", "sad", "nothing")
    rows = "".join(f"I am {words[i % 4]}\n" for i in range(80))
    (tmp_path / "many.csv").write_text("body\n" + rows, encoding="utf-8")
    settings = {"dataset": "text", "root": str(tmp_path), "tables": ["many.csv"], "title": "many"}
    settings["columns"] = {"text": "body"}  # type: ignore[assignment]

    def labelled(labeler: str, *overrides: str) -> Any:
        (corpus,) = label_corpus(
            settings, labeler, "ekman-6", overrides=[*HERE, *overrides], plugin_dirs=[EXAMPLE]
        )
        return corpus, read_labels(corpus.store.checked(corpus.labels))

    (_, first), (_, second) = labelled("keyword"), labelled("random")
    both, kept = labelled("keyword", "label.agree=random")
    agree = (first.index == second.index) & (first.index >= 0)
    assert 0 < agree.sum() < (first.index >= 0).sum()
    np.testing.assert_array_equal(kept.index, np.where(agree, first.index, -1))
    reasons = {why for why, ok in zip(kept.reasons, agree, strict=True) if not ok}
    assert reasons == {"labelers disagree", "labeler"}
    assert both.executed == [both.labels]  # the second labeler's labels were in the store
    kept_few = labelled("keyword", "label.agree=random", "label.balance=downsample")[1].index
    counts = np.unique(kept.index[agree], return_counts=True)[1]
    assert set(np.unique(kept_few[kept_few >= 0], return_counts=True)[1]) == {counts.min()}


def test_texts_get_labels_in_their_language(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text(
        "body,tongue\nI am sad,en\nIch bin traurig,de\ntraurig,\nIch bin sad,de\n",
        encoding="utf-8",
    )
    words = ("label", "table", str(path), "--column", "body", "--out", "out")
    shown = run(*words, "columns={text: body, language: tongue}")
    assert "Texts by the language of the labels' wording: default 2, de 2" in shown
    rows = pq.read_table("out/labels.parquet").to_pylist()
    assert [row["label"] for row in rows] == ["sadness", "sadness", None, None]
    report = json.loads(Path("out/report.json").read_text())
    assert report["wordings"] == {"": 2, "de": 2}


def test_a_column_with_a_typo_is_refused(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text("text,text_clean,emotion,rater2\nHAPPY!,happy,joy,fear\n")
    for words, theirs in (
        (["--column", "text_claen", "--gold", "rater2"], "'text_clean'"),
        (["--column", "text_clean", "--gold", "ratter2"], "'rater2'"),
    ):
        with pytest.raises(DataError, match=f"has no column .* Did you mean {theirs}"):
            run("label", "table", str(path), *words)
    lines = tmp_path / "lines.txt"
    lines.write_text("happy\n")
    for words in (["--column", "body"], ["--gold", "mood"]):
        with pytest.raises(DataError, match=r"has one text per line and no column"):
            run("label", "table", str(lines), *words)


def test_all_texts_of_a_tsv_that_quotes_nothing_are_labelled(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "cv.tsv"
    path.write_text('path\tsentence\na\t"Happy, he said\nb\tangry\nc\tso sad."\n')
    words = ("label", "table", str(path), "--column", "sentence", "--json")
    assert json.loads(run(*words))["utterances"] == 3


@pytest.mark.slow
def test_gold_with_several_labels_is_scored_by_hits(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    rows = ["happy,joy;love", "angry,sadness;fear", "sad,grief", "happy;,neutral"]
    path.write_text("text,label\n" + "\n".join(rows) + "\n")
    words = ["label", "table", str(path), "separator=;", "--gold", "label", "--json"]
    found = json.loads(run(*words, "--gold-taxonomy", "goemotions-28"))["gold"]
    # There is no map from ekman-6 to goemotions-28, so both are compared in ekman-6.
    assert found["taxonomy"] == "ekman-6"
    assert found["gold_without_counterpart"] == 1
    assert found["rows_with_one_label"] == 2  # joy and love mean joy both; grief means sadness
    assert found["several_labels"]["hit_in_gold_set"]["value"] == pytest.approx(2 / 3)
    found = json.loads(
        run(*words, "--gold-taxonomy", "goemotions-28", "--compare-in", "sentiment-3")
    )["gold"]
    assert found["taxonomy"] == "sentiment-3"
    with pytest.raises(TaxonomyError, match="no map from"):
        run(*words, "--gold-taxonomy", "goemotions-28", "--compare-in", "prosody-48")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Six speakers of two clips each, with transcripts and labels."""
    root = tmp_path / "speech"
    root.mkdir()
    lines = ["id,audio,speaker,label,transcript"]
    for i in range(12):
        samples = 0.2 * np.sin(np.arange(4000 + 400 * i) * (0.05 + i / 100))
        soundfile.write(root / f"{i}.wav", samples, 16_000)
        said, gold = ("so happy", "joy") if i % 3 else ("so sad indeed", "sadness")
        lines.append(f"c{i},{i}.wav,s{i // 2},{gold},{said}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


EARS = """
import numpy as np
from lanser_bench import Labeler, PluginOptions, Scores, hookimpl

@hookimpl
def register_labelers(register):
    register("ears", f"{__name__}:Ears")

class Ears(Labeler[PluginOptions]):
    version = "1"
    reads = frozenset({"audio"})
    def score(self, records, taxonomy):
        values = np.zeros((len(records), len(taxonomy.labels)), np.float32)
        for row, record in zip(values, records):
            assert record.text == "" and record.audio.dtype == np.float32
            row[int(len(record.audio) > 6000)] = 1
        return Scores(values, "distribution", np.zeros(len(records), bool))
"""


def test_a_labeler_may_read_recordings(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose" / "ears.py").write_text(EARS)
    manifest = corpus / "manifest.csv"
    manifest.write_text(manifest.read_text() + "again,0.wav,s0,joy,so happy\n")
    settings = {"dataset": "manifest", "root": str(corpus), "taxonomy": "ekman-6"}
    overrides = [*HERE, f"paths.store={tmp_path / 'store'}"]
    loose = [tmp_path / "loose"]
    [found] = label_corpus(settings, "ears", "ekman-6", overrides=overrides, plugin_dirs=loose)
    labels = read_labels(found.store.checked(found.labels))
    short = [4000 + 400 * i <= 6000 for i in range(12)]
    assert labels.labels == ["anger" if s else "disgust" for s in [*short, True]]
    assert found.transcripts is None
    made = found.store.checked(found.labels)
    assert made.meta["counts"]["distinct"] == 12
    assert set(made.spec.params["libraries"]) == {"soundfile", "soxr"}
    assert not [path for path in made.path.iterdir() if path.suffix == ".sqlite"]


def test_a_labeler_of_recordings_is_refused_for_texts(tmp_path: Path, table: Path) -> None:
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose" / "ears.py").write_text(EARS)
    settings = {"dataset": "text", "root": str(table.parent), "columns": {"text": "body"}}
    overrides = [*HERE, f"paths.store={tmp_path / 'store'}"]
    loose = [tmp_path / "loose"]
    with pytest.raises(LanserError, match="have no audio, which labeler 'ears' needs"):
        label_corpus(settings, "ears", "ekman-6", overrides=overrides, plugin_dirs=loose)
    plugins = load_plugins(loose)
    ears, labels = plugins.create("labeler", "ears"), find_taxonomy(plugins, "ekman-6")
    with pytest.raises(LanserError, match="reads recordings, and a text has none"):
        label_texts(ears, "ears", ["so sad"], labels)


@pytest.mark.slow
def test_a_corpus_of_speech_is_reported_by_speaker_and_length(run: Run, corpus: Path) -> None:
    found: dict[str, Any] = json.loads(
        run("label", "corpus", "manifest", str(corpus), "taxonomy=ekman-6", "--json")
    )
    assert (found["intervals_over"], found["coverage"]["value"]) == ("speakers", 1.0)
    assert found["gold"]["abstention_is_wrong"]["kappa"]["value"] == pytest.approx(1.0)
    assert found["by"]["speakers"]["speakers"] == 6
    assert [g["utterances"] for g in found["by"]["words"]] == [8, 4]
    assert "seconds" in found["by"]
    assert "asr_avg_logprob" not in found["by"]
    [table] = Path("results").rglob("labels.parquet")
    words = ("manifest", table.parent, "table=labels.parquet", "taxonomy=ekman-6")
    check = CliRunner().invoke(data_app, ["check", *map(str, words)])
    assert "utterances: 12\n" in check.stdout, "the labels are a table for `manifest`"
    assert "transcripts: 12\n" in check.stdout
    assert "usable: yes" in check.stdout


@pytest.mark.slow
def test_two_taxonomies_are_compared_on_a_corpus_through_the_store(run: Run, corpus: Path) -> None:
    words = (
        "taxonomy",
        "compare",
        "ekman-6",
        "goemotions-28",
        "manifest",
        str(corpus),
        "taxonomy=ekman-6",
        "--json",
    )
    found = json.loads(run(*words, "--picture", "map.png"))
    assert Path("map.png").is_file()
    measured = found["behaviour"]
    assert measured["labelled_by_both"] == 12
    assert measured["agreement_b_in_a"]["by_choice"]["agreement"]["value"] == 1.0
    assert measured["agreement_b_in_a"]["by_choice"]["over_speakers"]["value"] == 1.0
    assert measured["normalised_mutual_information"] == pytest.approx(1.0)
    shards = sorted(Path(".lanser/store").rglob("labels.parquet"))
    run(*words)
    assert sorted(Path(".lanser/store").rglob("labels.parquet")) == shards


@pytest.mark.parametrize(
    ("words", "kind", "sentence"),
    [
        (("label", "table", "no.csv"), DataError, r"no\.csv cannot be read"),
        (("label", "corpus", "synthetc"), LanserError, "Did you mean 'synthetic'"),
        (
            ("label", "corpus", "synthetic", "--set", "label.temprature=1"),
            SettingsError,
            "temprature",
        ),
        (
            ("taxonomy", "compare", "ekman-6", "iemocap-4", "synthetic", "--texts", "x"),
            SettingsError,
            "either --texts or a dataset",
        ),
    ],
)
def test_mistakes_get_a_sentence(
    run: Run, words: tuple[str, ...], kind: type[LanserError], sentence: str
) -> None:
    with pytest.raises(kind, match=sentence):
        run(*words)


def test_a_column_of_human_labels_that_is_not_named_is_left_out(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text("text,emotion,label\nhappy,joy,0\nsad,sadness,1\n")
    report = json.loads(run("label", "table", str(path), "--json"))
    assert (report["utterances"], report["gold"]) == (2, None)


def test_a_stage_that_fails_says_why(run: Run, table: Path) -> None:
    rule = ("--taxonomy", "tweeteval-4", "--set", "label.neutral=abstain", "--labeler", "random")
    with pytest.raises(SettingsError, match="has neither a neutral label nor a threshold"):
        run("label", "table", str(table), "--column", "body", *rule)


def test_a_labeler_that_reads_gold_is_refused_before_anything_runs(run: Run, table: Path) -> None:
    with pytest.raises(SettingsError, match=r"'oracle' reads human labels, and 'text' .* has none"):
        run("label", "table", str(table), "--column", "body", "--set", "labeler=oracle")


@pytest.mark.slow
def test_the_report_gives_the_word_error_rate(corpus: Path, tmp_path: Path) -> None:
    table = tmp_path / "heard.csv"
    table.write_text("id,transcript\n" + "".join(f"c{i},so happy\n" for i in range(12)))
    settings = {"dataset": "manifest", "root": str(corpus), "taxonomy": "ekman-6"}
    asr = f"asr={{name: table, file: {table}}}"
    for given, line in ((asr, True), ("asr=reference", False)):
        overrides = [*HERE, f"paths.store={tmp_path / 'store'}", given]
        (found,) = label_corpus(
            settings, "keyword", "ekman-6", overrides=overrides, plugin_dirs=[EXAMPLE]
        )
        written = write_label_report(found, tmp_path / "out")
        # "so sad indeed" → "so happy", four times: one substitution and one deletion.
        said = "Word error rate of the transcripts 0.286, of 28 words (insertions 0)"
        assert (said in (tmp_path / "out/report.md").read_text()) is line
        assert ("transcripts" in written.report) is line
        rows = frame(written)
        counts = rows[rows["table"] == "Labels given"].set_index("label")["utterances"]
        assert counts.sum() == written.report["labelled"]
        ladder = frame(compare_labelers({"keyword": found, "again": found}))
        best = written.report["gold"]["abstention_is_wrong"]["uar"]["value"]
        assert ladder["uar"].dropna().tolist() == pytest.approx([best, best])
