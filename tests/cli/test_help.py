"""Help texts with panels and examples that are valid calls."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from lanser_bench.cli import COMMANDS, build_app, main


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its name, such as ``cache explain``."""
    for name in COMMANDS:
        command: Any = typer.main.get_command(build_app([name]))
        found = command.commands[name]
        yield from ((f"{name} {n}", sub) for n, sub in getattr(found, "commands", {}).items())
        if not hasattr(found, "commands"):
            yield name, found


ALL = dict(commands())


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
