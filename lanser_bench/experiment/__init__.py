"""Experiments: settings in, a plan of distinct stages, a run.

`run_experiment` is the Python twin of ``lanser-bench run``, `dry_run` that of its ``--dry-run``.
`settings` reads a file into the points of a grid, `planning` turns them into cells and stages, and
`running` executes the stages and writes a record for each cell.
"""

from .importing import import_predictions
from .labelling import LabelledCorpus, label_corpus
from .run import dry_run, plan_experiment, run_experiment
from .running.outcome import DryRun, RunOutcome
from .running.scheduler import Failure, Listener
from .settings.files import read_experiment, shipped
from .settings.model import Experiment
from .text_labels import label_texts

__all__ = [
    "DryRun",
    "Experiment",
    "Failure",
    "LabelledCorpus",
    "Listener",
    "RunOutcome",
    "dry_run",
    "import_predictions",
    "label_corpus",
    "label_texts",
    "plan_experiment",
    "read_experiment",
    "run_experiment",
    "shipped",
]
