"""`lanser-bench plugins`: descriptions without imports, options and contracts."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import lanser

from lanser_bench.plugins.describe import summaries
from lanser_bench.plugins.discovery import CONTRACTS, load_plugins

BUILT_IN = [e for e in load_plugins(only="").entries.values() if e.kind in CONTRACTS]


def test_every_built_in_plugin_has_a_description_of_a_line() -> None:
    lengths = {f"{e.kind} {e.name}": len(text) for e, text in summaries(BUILT_IN).items()}
    assert {name: n for name, n in lengths.items() if not 10 < n <= 110} == {}


def test_the_list_has_names_descriptions_and_other_distributions(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from lanser_bench import Labeler, hookimpl\n"
        "@hookimpl\ndef register_labelers(register):\n    register('mine', f'{__name__}:Mine')\n"
        "class Mine(Labeler):\n    '''Labels like me. And more.'''\n"
    )
    code, out, _ = lanser("plugins", "--plugins-dir", str(tmp_path))
    assert code == 0
    lines = " ".join(out.split())
    assert f"mine Labels like me. ({tmp_path}/mine.py)" in lines
    assert "similarity Weak labels by sentence similarity" in lines
    assert "random Chance level: scores that ignore" in lines
    assert "ekman-6" in lines


@pytest.mark.parametrize("entry", BUILT_IN, ids=lambda e: f"{e.kind}-{e.name}")
def test_each_shows_its_options_and_what_its_kind_asks_for(entry: object) -> None:
    kind, name = getattr(entry, "kind", ""), getattr(entry, "name", "")
    code, out, err = lanser("plugins", "show", name, "--kind", kind)
    if code == 2:
        assert "does not load" in err, "an optional library is missing"
        return
    assert out.startswith(f"{kind} {name}, version ")
    fields = load_plugins(only="").plugin_class(kind, name).Options.model_fields
    assert all(f"  {field} = " in out for field in fields)
    assert "\nEvery " in out


def test_a_name_of_several_kinds_shows_all_of_them() -> None:
    code, out, _ = lanser("plugins", "show", "table")
    assert code == 0
    assert "asr table" in out
    assert "labeler table" in out


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("similarty", "Did you mean 'similarity'?"),
        ("ekman-6", "is a taxonomy: `lanser-bench taxonomy show ekman-6`"),
    ],
)
def test_an_unknown_name_is_answered(name: str, sentence: str) -> None:
    code, _, err = lanser("plugins", "show", name)
    assert code == 2
    assert sentence in err
