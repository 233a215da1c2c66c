"""Completion: what the shells ask for and get, and Tab in real shells."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lanser_bench.cli import main
from lanser_bench.cli._complete import COMPLETE

EXPERIMENT = "name: t\nlabeler: {name: lexicon}\ntargets: [{dataset: synthetic, clips: 7}]\n"


@pytest.fixture
def complete(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> object:
    (tmp_path / "mine.yaml").write_text(EXPERIMENT)
    monkeypatch.chdir(tmp_path)

    def completions(*words: str) -> list[str]:
        monkeypatch.setenv(COMPLETE, "complete_bash")
        monkeypatch.setenv("COMP_WORDS", "\n".join(["lanser-bench", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        with pytest.raises(SystemExit):
            main([])
        return capsys.readouterr().out.split()

    return completions


@pytest.mark.parametrize(
    ("line", "some", "others"),
    [
        ("lea", "leaderboard", "run"),
        ("label co", "corpus", "table"),
        ("run --dry", "--dry-run", "--fail-fast"),
        ("run qui", "quickstart", "lanser"),
        ("run mi", "mine.yaml", "quickstart"),
        ("run mine.yaml pretr", "pretrain.", "seed="),
        ("run mine.yaml pretrain.s", "pretrain.seeds=", "pretrain.epochs="),
        ("run mine.yaml labeler=r", "labeler=random", "labeler=oracle"),
        ("run mine.yaml taxonomy=e", "taxonomy=ekman-6", "taxonomy=plutchik-8"),
        ("run mine.yaml controls.shuffled=", "controls.shuffled=each", "controls.shuffled=true"),
        ("run mine.yaml controls.gold=", "controls.gold=true", "controls.gold=each"),
        ("run mine.yaml labeler.", "labeler.negation=", "labeler.seed="),
        ("run mine.yaml labeler=random labeler.", "labeler.seed=", "labeler.negation="),
        ("run mine.yaml targets.0.", "targets.0.congruence=", "targets.0.options="),
        ("run mine.yaml targets.0.gold=", "targets.0.gold=prosody", "targets.0.gold=true"),
        ("run mine.yaml grid.pretrain.e", "grid.pretrain.epochs=", "grid.pretrain.seeds="),
        ("plugins show ent", "entailment", "lexicon"),
        ("taxonomy show pl", "plutchik-8", "ekman-6"),
        ("label text --labeler le", "lexicon", "random"),
        ("label text --labeler lexicon --option n", "negation=", "seed="),
        ("label corpus synthetic --set asr=o", "asr=openai-whisper", "asr=reference"),
        ("label corpus synthetic cl", "clips=", "congruence="),
        ("compare labels random le", "lexicon", "random"),
        ("leaderboard --format l", "latex", "csv"),
    ],
)
def test_a_word_is_completed(complete: object, line: str, some: str, others: str) -> None:
    assert callable(complete)
    found = complete(*line.split(" "))
    assert some in found
    assert others not in found
    assert all(word.startswith(line.split(" ")[-1]) for word in found)


def test_an_unreadable_experiment_still_has_keys(complete: object) -> None:
    assert callable(complete)
    assert complete("run", "nowhere.yaml", "seed") == ["seed="]


@pytest.mark.slow
def test_completing_settings_imports_no_torch() -> None:
    env = {COMPLETE: "complete_bash", "COMP_WORDS": "lanser-bench\nrun\nquickstart\nencoder="}
    code = "import sys; from lanser_bench.cli import main\ntry: main()\nfinally: "
    done = subprocess.run(
        [sys.executable, "-c", code + "print(sorted({'torch', 'matplotlib'} & set(sys.modules)))"],
        env={**os.environ, **env, "COMP_CWORD": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "encoder=resnet" in done.stdout
    assert done.stdout.endswith("[]\n")


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_tab_completes_in_a_real_shell(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    words = {"bash": ["bash", "--norc", "-i"], "zsh": ["zsh", "-f", "-i"]}[shell]
    pid, terminal = pty.fork()
    if pid == 0:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        os.execvpe(words[0], words, {**os.environ, "PATH": path, "TERM": "dumb"})
    try:
        begin = "autoload -Uz compinit; compinit -u -D; " if shell == "zsh" else ""
        type_in(
            terminal, f'{begin}eval "$(lanser-bench completion {shell})"; echo rea""dy\n', "ready"
        )
        run = "lanser-bench run quickstart "
        type_in(terminal, "lanser-bench lead\t", r"lanser-bench leaderboard $")
        type_in(terminal, f"\x15{run}labeler=ent\t", rf"{run}labeler=entailment $")
        type_in(terminal, f"\x15{run}pretrain.batch_si\t", rf"{run}pretrain.batch_size=$")
        type_in(terminal, f"\x15{run}evalu\t", rf"{run}evaluate\.$")
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


def type_in(terminal: int, keys: str, expected: str) -> None:
    """Types keys and reads the terminal until it shows what is expected."""
    os.write(terminal, keys.encode())
    shown, end = "", time.monotonic() + 60
    while not re.search(expected, re.sub(r"\x07|\x1b\[\S*?[A-Za-z]", "", shown).rstrip("\r\n")):
        assert time.monotonic() < end, repr(shown)
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 4096).decode(errors="replace")
