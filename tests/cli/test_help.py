"""Help texts with panels and examples that are valid calls; spellings of earlier versions."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from lanser_bench.cli import COMMANDS, build_app, main
from lanser_bench.cli._deprecated import current_spelling
from lanser_bench.errors import SettingsError


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its name, such as ``cache explain``."""
    for name in COMMANDS:
        command: Any = typer.main.get_command(build_app([name]))
        found = command.commands[name]
        yield from ((f"{name} {n}", sub) for n, sub in getattr(found, "commands", {}).items())
        if not hasattr(found, "commands"):
            yield name, found


ALL = dict(commands())
LONG = "label text " + "x" * 300
"""No system has a file of that name."""


@pytest.mark.parametrize("name", ALL)
def test_every_example_is_a_valid_call_of_its_command(name: str) -> None:
    assert ALL[name].examples, "show at least one example"
    for line in ALL[name].examples:
        program, *words = shlex.split(line.partition(" > ")[0])
        assert program == "lanser-bench"
        assert " ".join(words).startswith(name)
        assert len(line) <= 94, "the line fits a terminal"
        ALL[name].make_context(name, words[len(name.split()) :])


@pytest.mark.parametrize("name", ALL)
def test_help_is_in_the_imperative_and_ends_with_examples(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = ALL[name].help.split()[0]
    assert first == first.capitalize()
    assert not first.endswith("s"), "Show, not Shows"
    with pytest.raises(SystemExit) as stop:
        main([*name.split(), "-h"])
    shown = capsys.readouterr().out
    assert stop.value.code == 0
    assert shown.rstrip().endswith(ALL[name].examples[-1])
    assert "<list[" not in shown


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["label text", "label corpus", "power", "data check", "taxonomy show", "plugins show"]
)
def test_an_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(shlex.split(ALL[name].examples[0])[1:])
    assert stop.value.code == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("label --text a=b --json --text=x --store s", "label text --json -- a=b x"),
        ("label --texts t.csv separator=; --gold g", "label table t.csv separator=; --gold g"),
        ("label ravdess data limit=3 --json", "label corpus ravdess data limit=3 --json"),
        ("label text . limit=3", "label corpus text . limit=3"),
        ("power --root r --dataset d --seeds 5 --option a=1", "power --seeds 5 d r a=1"),
        (
            "taxonomy compare a b --corpus d --json --root=r --dataset-option x=1",
            "taxonomy compare a b --json d r x=1",
        ),
    ],
)
def test_the_old_spelling_becomes_the_new_one_with_a_note(
    old: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert current_spelling(old.split()) == new.split()
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), "is deprecated" in err) == ("", 1, True)


@pytest.mark.parametrize(
    "line",
    ["", "label", "label -h", "label text word", "label corpus d", "power d", "run --text x", LONG],
)
def test_the_current_spelling_stays(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert current_spelling(line.split()) == line.split()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("line", ["label --json", "label synthetic --text x"])
def test_an_old_call_that_names_nothing_or_two_things_to_label_is_refused(line: str) -> None:
    with pytest.raises(SettingsError, match="Say what to label"):
        current_spelling(line.split())


def test_the_old_spelling_prints_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for words in (("text", "we won"), ("--text", "we won")):
        with pytest.raises(SystemExit):
            main(["label", *words, "--labeler", "random", "--json"])
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
