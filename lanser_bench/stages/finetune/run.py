"""Stage `finetune`: trains the whole encoder on few human labels and tests it on other speakers.

Folds, budgets, draws and permuted gold are those of `evaluate`, so the two curves are comparable.
Each fit starts from the pre-trained weights, or from random ones drawn from the cell's seed. The
epoch is chosen on speakers held out inside the label budget. It writes the files of `evaluate`,
with the method ``finetune``; every fit is a shard, so a killed run loses only the current fit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ...evaluation import efficiency
from ...evaluation.folds import Fold
from ...evaluation.selection import Answer
from ...store import Draft, digest
from ...taxonomy import Taxonomy
from ..base import StageContext
from ..embed.run import loaded_module
from ..evaluate import spec as evaluate
from ..evaluate.run import design_of, write_study
from ..maps.sharding import ROWS, compute_shard
from ..pretrain.run import trainable
from ..task import Task, prepared
from .spec import Params

if TYPE_CHECKING:
    import torch

    from ..network import Network
    from ..pretrain.examples import Examples
    from ..pretrain.training import Training

Ints = npt.NDArray[np.int64]


def run(context: StageContext, draft: Draft) -> None:
    """Fine-tunes once per fold, budget and draw."""
    settings = context.spec.params
    params = Params.model_validate(settings["training"])
    design = evaluate.Params(
        protocol=settings["protocol"],
        folds=settings["folds"],
        budgets=params.budgets,
        seeds=params.seeds,
        permute_gold=settings.get("permute_gold", False),
    )
    task = prepared(context)
    tuner = _Tuner(context, draft, task, params, _examples(context, task))

    def fit_of(number: int, fold: Fold) -> efficiency.Fit:
        return lambda labels, chosen, draw: tuner.fit(number, fold.test, labels, chosen, draw)

    study = efficiency.run_design(
        task.data,
        task.folds,
        design_of(design, context.spec.seed),
        fit_of,
        lambda done, total: context.progress(done, total, "fits"),
        same_for_all_draws=False,
    )
    write_study(draft, study, task, design, _last_epochs(study), "finetune")


@dataclass
class _Tuner:
    """Trains one fit after another; each is a shard."""

    context: StageContext
    draft: Draft
    task: Task
    params: Params
    examples: Examples

    def fit(self, fold: int, test: Ints, labels: Ints, chosen: Ints, draw: int) -> Answer:
        """Returns the predictions of one fit, from the store if it has them."""
        rows = [[self.task.data.ids[p], int(labels[p])] for p in chosen]
        content = {"train": rows, "test": [self.task.data.ids[p] for p in test]}
        seed = int.from_bytes(digest([self.context.spec.seed, fold, draw]).encode()[:4], "big")
        spec = self.context.spec.model_copy(
            update={
                "stage": "finetune.shard",
                "params": {**self.context.spec.params, "fit": digest(content)},
                "seed": seed,
            }
        )
        store = self.context.store
        compute_shard(
            store, spec, lambda part: self._train(part, spec.key, test, labels, chosen, seed)
        )
        self.draft.parts.append(spec.key)
        shard = store.checked(spec.key)
        predicted = pq.read_table(shard.path / ROWS)["predicted"].to_numpy().astype(np.int64)
        return Answer(predicted, "fine-tuned", None, shard.meta["counts"]["dev"] > 0)

    def _train(
        self, part: Draft, key: str, test: Ints, labels: Ints, chosen: Ints, seed: int
    ) -> None:
        from ..pretrain.checkpoint import Checkpoint
        from ..pretrain.examples import split_by_speaker
        from ..pretrain.training import Training

        hard = np.full(len(self.examples), -1, np.int64)
        hard[chosen] = labels[chosen]
        soft = np.zeros_like(self.examples.soft)
        soft[chosen, labels[chosen]] = 1.0
        examples = replace(self.examples, hard=hard, soft=soft)
        split = split_by_speaker(examples, self.params.dev_fraction)
        network, place = self._network(seed)
        training = Training(network, examples, split, self.params, seed, place)
        progress, best = training.run(Checkpoint(self.context.store, key), lambda done, total: None)
        network.load_state_dict(best)
        predicted = _predict(training, test, self.params.batch_size)
        pq.write_table(pa.table({"predicted": pa.array(predicted, pa.int16())}), part.path / ROWS)
        part.counts |= {
            "train": len(split.train),
            "dev": len(split.dev),
            "chosen_epoch": progress.best["epoch"],
        }

    def _network(self, seed: int) -> tuple[Network, torch.device]:
        from ...devices import compute_device
        from ..network import Network

        context, name = self.context, self.context.name("encoder")
        encoder = trainable(context.plugin("encoder"), name)
        module = loaded_module(context, encoder, context.spec.params["weights_seed"])
        place = compute_device(context.spec.params.get("device", "cpu"))
        example, labels = self.examples.frames(0), self.task.data.n_labels
        return Network.on(module, example, name, seed, labels, self.params.pooling).to(place), place


def _examples(context: StageContext, task: Task) -> Examples:
    """Returns the labelled utterances in the task's order, without labels yet."""
    from ...errors import StoreError
    from ..features import Features
    from ..maps.spans import span_rows
    from ..pretrain.examples import Examples

    source = Features(context.store, context.spec.parents["features"])
    if source.ids != task.table.ids:
        raise StoreError("features and utterances name different utterances.")
    kept, n = np.array(task.kept), len(task.kept)
    labels = [{"name": name, "hypothesis": name} for name in task.labels]
    spans = span_rows(task.table)
    return Examples(
        taxonomy=Taxonomy.bare({"name": "gold", "version": "1", "labels": labels}),
        sources=[source],
        source=np.zeros(n, np.int64),
        index=kept,
        lengths=source.lengths[kept],
        spans=[spans[p] for p in task.kept],
        speakers=list(task.data.speakers),
        hard=np.full(n, -1, np.int64),
        soft=np.zeros((n, task.data.n_labels), np.float32),
    )


def _predict(training: Training, rows: Ints, size: int) -> Ints:
    """Returns labels in the order of `rows`; long utterances are cropped to the middle."""
    import torch

    training.network.eval()
    order = np.argsort(training.examples.lengths[rows], kind="stable")
    parts = [rows[order[begin : begin + size]] for begin in range(0, len(rows), size)]
    labels = np.zeros(len(rows), np.int64)
    with torch.inference_mode():
        batches = training.batches.middles(parts)
        guesses = [training.network(one.features, one.lengths).argmax(1) for one in batches]
    labels[order] = torch.cat(guesses).cpu().numpy()
    return labels


def _last_epochs(study: efficiency.Study) -> list[str]:
    """Warns of budgets at which no epoch could be chosen."""
    warnings = []
    for budget in study.design.budgets:
        without = [not cell.answer.chosen for cell in study.of(budget)]
        if any(without):
            warnings.append(
                f"Budget {budget.name}: {sum(without)} of {len(without)} subsets have too few "
                "speakers to hold any out; the last epoch was used there."
            )
    return warnings
