"""The main commands as functions, for scripts and notebooks: ``import lanser_bench as lb``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ._face import Tabled
from .experiment import label_texts, run_experiment
from .experiment.running.display import Display
from .model import load_model
from .model.predict import Prediction, find_audio, predict_file
from .plugins.discovery import registry
from .plugins.taxonomies import find_taxonomy
from .reporting.leaderboard.boards import Board, rank
from .reporting.report.report import write_report
from .reporting.results import Results, write_results
from .reporting.selection import Selection

T = TypeVar("T")
RESULTS = Path("results")


class Tables(Tabled, list[T]):
    """A list of results, shown in a notebook as their tables."""


def run(
    source: str | Path | Mapping[str, Any], overrides: Sequence[str] = (), **options: Any
) -> Results:
    """Runs an experiment as ``lanser-bench run``: progress, leaderboard, pictures and report.

    Args:
        source: an experiment file, the name of a shipped one, or its content as a mapping.
        overrides: ``key=value`` with dotted keys.
        options: other arguments of `lanser_bench.experiment.run_experiment`, which runs an
            experiment and writes its records only.

    Raises:
        LanserError: settings, plugins or datasets that cannot be used; nothing has run then.
    """
    with Display() as display:
        outcome = run_experiment(source, overrides, **{"listener": display, **options})
    return write_results(outcome)


def leaderboard(*folders: str | Path, **options: Any) -> Tables[Board]:
    """Returns the tables of ``lanser-bench leaderboard``.

    Args:
        folders: folders of result records; default: ``results``.
        options: those of `lanser_bench.reporting.rank`, such as ``metric="wa"``.
    """
    return Tables(rank(Selection.read(map(Path, folders or [RESULTS])).every, **options))


def report(
    *folders: str | Path, output: str | Path = "report.html", store: str | Path = ".lanser/store"
) -> Path:
    """Writes the page of ``lanser-bench report`` and returns its path."""
    return write_report(folders or [RESULTS], output, store=store)


def label(
    texts: str | Sequence[str],
    labeler: str = "entailment",
    taxonomy: str = "ekman-6",
    *,
    language: str = "",
    plugin_dirs: Sequence[str | Path] = (),
    **options: Any,
) -> list[dict[str, Any]]:
    """Labels texts as ``lanser-bench label text``; `experiment.label_corpus` labels datasets.

    Args:
        texts: a text or several.
        labeler: name of the labeler.
        taxonomy: name of the taxonomy, or the path of a file.
        language: language of the texts, if known.
        plugin_dirs: folders of loose plugin files.
        options: options of the labeler.

    Returns:
        For each text its label, or None, and the score of each label.
    """
    plugins = registry(plugin_dirs)
    plugin = plugins.create("labeler", labeler, options)
    several = [texts] if isinstance(texts, str) else texts
    return label_texts(plugin, labeler, several, find_taxonomy(plugins, taxonomy), language)


def predict(model: str | Path, *recordings: str | Path, **options: Any) -> list[Prediction]:
    """Labels recordings with an exported model, as ``lanser-bench predict``.

    Args:
        model: folder of the model.
        recordings: files, folders of them, or patterns.
        options: those of `load_model`, such as ``device="cuda"``.

    Raises:
        DataError: the model or a recording cannot be read.
    """
    loaded = load_model(model, **options)
    return [predict_file(loaded, path) for path in find_audio(list(map(str, recordings)))]
