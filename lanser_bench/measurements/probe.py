"""Probes: how much of what is measured in the sound a frozen embedding predicts."""

from __future__ import annotations

from collections.abc import Iterator

from ..evaluation.results import Metric, ProbeResult
from ..stages.probe import spec as probe
from .base import Keys, Measurement, ReportMap, Score, Section, Seed, Target


class ProbeSettings(probe.Params):
    """Settings of probing and its seed."""

    seed: Seed | None = None
    """Seed of the folds; the experiment's `seed` if left out."""


def _plan(on: Target) -> Keys:
    settings = on.settings
    return {
        ref.name: on.stage(
            probe.spec,
            f"{ref.name} from {on.identity.name} on {on.name}",
            settings.threads.probe,
            f"probe {on.place} {ref.name}",
            utterances=on.utterances,
            embeddings=on.embeddings,
            targets=on.measured(ref),
            params=on.params(settings.probe, probe.Params),
            seed=settings.seed_of("probe"),
            probe=on.plugin("probe", ref),
            threads=settings.threads.probe,
        )
        for ref in settings.probes
    }


def _scores(result: ProbeResult) -> Iterator[Score]:
    for target in result.targets:
        yield Score(f"{result.probe}.{target.target} ({target.scale})", target.r2)
    for classes in result.classes:
        name = f"{result.probe}.{classes.target} ({classes.scale})"
        yield Score(name, classes.uar, classes.chance)


def _numbers(result: ProbeResult) -> Iterator[tuple[str, Metric]]:
    for target in result.targets:
        for score in ("r2", "pearson", "ccc"):
            name = f"{result.probe} {target.target} {target.scale} {score}"
            yield name, getattr(target, score)
    for classes in result.classes:
        yield f"{result.probe} {classes.target} {classes.scale} uar", classes.uar


PROBE = Measurement(
    name="probes",
    file=probe.RESULT,
    result=ProbeResult,
    plan=_plan,
    many=True,
    section=Section("probe", ProbeSettings, "", optional=False),
    scores=_scores,
    numbers=_numbers,
    report=ReportMap(
        order=2,
        anchor="prosody",
        title="Prosody, against the best control",
        note="R² of a linear probe on held-out speakers (for classes UAR, as a share), minus that "
        "of the best control of each target. In colour: the 95 % interval excludes 0. Only a "
        "difference above the controls supports a claim.",
    ),
)
