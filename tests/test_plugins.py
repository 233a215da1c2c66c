"""Discovery, isolation of broken plugins, and resolution of names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lanser_bench import PluginError, SettingsError
from lanser_bench.plugins.discovery import Registry, load_plugins, registry
from lanser_bench.plugins.identity import check_installed, plugin_identity

LABELER = """
from typing import Sequence
import numpy as np
from lanser_bench import Labeler, PluginOptions, Scores, Taxonomy, TextRecord, hookimpl

class Options(PluginOptions):
    weight: float = 1.0

class Mine(Labeler[Options]):
    Options = Options
    version = "1"

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        n, k = len(records), len(taxonomy.names)
        return Scores(np.full((n, k), 1 / k, np.float32), "distribution", np.zeros(n, bool))

class NoVersion(Labeler[Options]):
    pass

class Bursts(Mine):
    def __init__(self, options):
        raise KeyError("nothing there")

class Unfinished(Labeler[Options]):
    version = "1"

class NotALabeler:
    version = "1"

@hookimpl
def register_labelers(register):
    register("mine", f"{__name__}:Mine")
    register("no-version", f"{__name__}:NoVersion")
    register("not-a-labeler", f"{__name__}:NotALabeler")
    register("bursts", f"{__name__}:Bursts")
    register("unfinished", f"{__name__}:Unfinished")
    register("lost", f"{__name__}:Nowhere")
"""


@pytest.fixture
def loose(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(LABELER)
    return tmp_path


def load(folder: Path) -> Registry:
    return load_plugins([folder], only="")


def test_loose_file_is_registered_and_created_with_options(loose: Path) -> None:
    registry = load(loose)
    assert "mine" in registry.names("labeler")
    assert registry.create("labeler", "mine", {"weight": 2}).options.weight == 2.0


def test_a_file_is_executed_once_however_its_folder_is_written(
    loose: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = loose / "executed"
    (loose / "counted.py").write_text(f"with open({str(mark)!r}, 'a') as f:\n    f.write('x')\n")
    monkeypatch.chdir(loose.parent)
    first = registry([Path(loose.name)])
    assert registry((loose,)) is first
    assert registry(str(one) for one in [loose / ".." / loose.name]) is first
    assert mark.read_text() == "x"


def test_unknown_option_is_refused_with_a_suggestion(loose: Path) -> None:
    with pytest.raises(SettingsError, match=r"labeler 'mine': unknown key 'wieght'.*'weight'"):
        load(loose).create("labeler", "mine", {"wieght": 2})


def test_unknown_name_is_refused_with_a_suggestion(loose: Path) -> None:
    with pytest.raises(PluginError, match=r"No labeler named 'mien'. Did you mean 'mine'\?"):
        load(loose).plugin_class("labeler", "mien")
    with pytest.raises(PluginError, match="set --plugins-dir"):
        load_plugins().plugin_class("labeler", "mine")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("no-version", "declares no version"),
        ("not-a-labeler", "is not a subclass of lanser_bench.Labeler"),
        ("lost", "does not load from"),
        ("unfinished", r"Unfinished does not define `def score\(self, records: Sequence\[TextRec"),
    ],
)
def test_class_that_breaks_the_contract_is_named(loose: Path, name: str, sentence: str) -> None:
    with pytest.raises(PluginError, match=sentence):
        load(loose).plugin_class("labeler", name)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("\nimport a_library_that_is_not_there", r"broken.py, line 2\)"),
        ("raise SystemExit('no')", "tried to end the process with exit code 1 in its import"),
        ("import os\nos._exit(0)", "tried to end the process with exit code 0 in its import"),
        ("lanser_bench_api = 2", "needs plugin API 2; .* Upgrade lanser-bench"),
        ("lanser_bench_api = 0", "written for plugin API 0; .* Upgrade the plugin"),
        ("from lanser_bench import Oracle", "cannot import name 'Oracle'.* Upgrade lanser-bench"),
        ("def broken(:", "SyntaxError"),
        ("def register_labelers(register): ...", "lacks the decorator @hookimpl"),
        (
            "from lanser_bench import hookimpl\n@hookimpl\ndef register_labeler(register): ...",
            "Did you mean 'register_labelers'",
        ),
        (
            "from lanser_bench import hookimpl\n@hookimpl\ndef register_asr(register):\n"
            "    register('x', 'no colon')",
            "not of the form",
        ),
    ],
)
def test_broken_plugin_fails_alone_and_is_listed(loose: Path, source: str, message: str) -> None:
    (loose / "broken.py").write_text(source)
    registry = load(loose)
    assert "mine" in registry.names("labeler")
    [broken] = registry.broken
    assert broken.entry_point == "broken"
    assert re.search(message, broken.error)


def test_a_missing_name_mentions_the_broken_plugin_that_may_hold_it(loose: Path) -> None:
    (loose / "broken.py").write_text("1 / 0")
    with pytest.raises(PluginError, match=r"Plugin 'broken' of .* is broken: ZeroDivisionError"):
        load(loose).entry("labeler", "theirs")


def test_a_class_that_fails_when_it_is_made_is_named(loose: Path) -> None:
    with pytest.raises(
        PluginError,
        match=r"labeler 'bursts' of .*mine\.py cannot be created: KeyEr.* \(.*e\.py, line \d+\)\.",
    ):
        load(loose).create("labeler", "bursts")


def test_a_plugin_of_a_record_that_is_not_installed_is_named_with_its_distribution(
    loose: Path,
) -> None:
    registry = load(loose)
    plugin = registry.create("labeler", "mine")
    used = plugin_identity(registry, "labeler", "mine", plugin)
    check_installed(registry, [used])
    with pytest.raises(PluginError, match=r"'mine' of loose file is not installed.*--plugins-dir"):
        check_installed(load_plugins(), [used])
    elsewhere = used.model_copy(update={"distribution": "their-plugins"})
    with pytest.raises(PluginError, match="pip install their-plugins"):
        check_installed(load_plugins(), [elsewhere])


def test_name_clash_names_both_distributions(loose: Path) -> None:
    (loose / "other.py").write_text(LABELER)
    with pytest.raises(PluginError, match=r"Both .*mine\.py and .*other\.py register"):
        load(loose)


def test_missing_plugins_dir_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="is not a folder"):
        load(tmp_path / "nowhere")


def test_built_ins_come_through_entry_points_even_when_others_are_shut_out() -> None:
    registry = load_plugins(only="")
    assert registry.broken == []
    assert {e.distribution for e in registry.entries.values()} == {"lanser-bench"}
    assert "entailment" in registry.names("labeler")
    assert "ekman-6" in registry.names("taxonomy")


def test_every_built_in_resolves_to_a_class_of_its_kind() -> None:
    registry = load_plugins(only="")
    for kind, name in registry.entries:
        if kind != "taxonomy":
            assert registry.plugin_class(kind, name).version
