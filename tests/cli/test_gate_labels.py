"""`lanser-bench gate labels`: a labeler on a table of texts with human labels, without training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from command_line import lanser

MOODS = {"joy": "what joy", "fear": "the dread of it", "anger": "such anger"}
TAXONOMY = {
    "name": "moods",
    "version": "1",
    "citation": "none",
    "templates": ["I feel {}."],
    "neutral_rule": {"kind": "keep"},
    "labels": [
        {"name": name, "hypothesis": name, "synonyms": [MOODS[name].split()[1]]} for name in MOODS
    ],
}
INLINE = ("--set", "executor={name: local, inline: true}")
Gate = Callable[..., tuple[int, str, str]]


def write_texts(path: Path, n: int = 240) -> None:
    moods = list(MOODS.items())
    rows = [(f"{moods[i % 3][1]} {i}", moods[(i + (i % 10 == 0)) % 3][0]) for i in range(n)]
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows))


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gate:
    monkeypatch.chdir(tmp_path)
    write_texts(tmp_path / "texts.tsv")
    (tmp_path / "moods.yaml").write_text(yaml.safe_dump(TAXONOMY))

    def run(*words: str) -> tuple[int, str, str]:
        dataset = ["text", ".", "tables=[texts.tsv]", f"taxonomy={tmp_path / 'moods.yaml'}"]
        return lanser("gate", "--labels", *dataset, "--taxonomy", "moods.yaml", *INLINE, *words)

    return run


def test_a_baseline_is_written_and_the_same_labels_pass(gate: Gate) -> None:
    code, _, err = gate("--labeler", "lexicon", "--write", "base/b.parquet")
    assert (code, "Baseline: base/b.parquet" in err) == (0, True), err
    assert Path("base/b.parquet").stat().st_size < 20_000
    code, out, _ = gate("--labeler", "lexicon", "--baseline", "base/b.parquet", "--strict")
    assert code == 0
    assert "passed: 0 worse, 0 undecided, 6 same" in out


def test_a_swapped_labeler_fails_with_its_figures_and_what_changed(gate: Gate) -> None:
    gate("--labeler", "lexicon", "--write", "b.parquet")
    files = ["--json", "g.json", "--junit", "g.xml", "--markdown", "g.md"]
    code, out, _ = gate("--labeler", "random", "--baseline", "b.parquet", *files)
    assert code == 1
    found = json.loads(Path("g.json").read_text())
    rows = {row["metric"]: row for row in found["compared"]}
    assert rows["labels.kappa"]["verdict"] == rows["labels.uar"]["verdict"] == "worse"
    assert rows["labels.kappa"]["baseline"] == pytest.approx(0.85, abs=0.01)
    assert not found["passed"]
    for text in (out, *(Path(name).read_text() for name in ("g.json", "g.xml", "g.md"))):
        assert "labeler lexicon → random" in text
    code, out, _ = gate("--labeler", "lexicon", "--against", "random(seed=3)")
    assert (code, "better" in out) == (0, True)


def test_a_changed_wording_is_named_and_a_label_that_is_lost_fails(gate: Gate) -> None:
    gate("--labeler", "lexicon", "--write", "b.parquet")
    labels = [dict(label) for label in TAXONOMY["labels"]]  # type: ignore[attr-defined]
    labels[1]["synonyms"] = ["weather"]
    Path("moods.yaml").write_text(yaml.safe_dump({**TAXONOMY, "labels": labels}))
    code, out, _ = gate("--labeler", "lexicon", "--baseline", "b.parquet")
    assert code == 1
    assert "taxonomy moods: content changed" in out
    (lost,) = [line for line in out.splitlines() if "labels that one side never gives" in line]
    assert "worse" in lost
    assert "-33.3" in lost


def test_other_texts_cannot_be_compared(gate: Gate) -> None:
    gate("--labeler", "lexicon", "--write", "b.parquet")
    write_texts(Path("texts.tsv"), 200)
    code, out, _ = gate("--labeler", "lexicon", "--baseline", "b.parquet")
    assert code == 1
    assert "not compared" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--labeler", "lexicon"], "Name a --baseline or a labeler --against"),
        (["--labeler", "lexicon", "--baseline", "no.parquet"], "Write it with --write"),
        (["--labeler", "lexicon", "--baseline", "texts.tsv"], "is no baseline of labels"),
    ],
)
def test_a_missing_or_foreign_baseline_gets_a_sentence(
    gate: Gate, words: list[str], said: str
) -> None:
    code, _, err = gate(*words)
    assert (code, said in err) == (2, True)
