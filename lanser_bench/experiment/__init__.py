"""Experiments: settings in, a plan of distinct stages, a run.

`run_experiment` is the Python twin of ``lanser-bench run``, `dry_run` that of its ``--dry-run``.
`settings` reads a file into the points of a grid, `planning` turns them into cells and stages, and
`running` executes the stages and writes a record for each cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._face import face

if TYPE_CHECKING:
    from .importing import import_predictions as import_predictions
    from .labelling import LabelledCorpus as LabelledCorpus
    from .labelling import label_corpus as label_corpus
    from .run import dry_run as dry_run
    from .run import plan_experiment as plan_experiment
    from .run import run_experiment as run_experiment
    from .running.outcome import DryRun as DryRun
    from .running.outcome import RunOutcome as RunOutcome
    from .running.scheduler import Failure as Failure
    from .running.scheduler import Listener as Listener
    from .settings.files import read_experiment as read_experiment
    from .settings.files import shipped as shipped
    from .settings.model import Experiment as Experiment
    from .text_labels import label_texts as label_texts

__getattr__, __dir__, __all__ = face(__name__)
