"""Broken datasets, all in one folder of four clips."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from lanser_bench import Card, DataError, Dataset, PluginOptions, Utterance
from lanser_bench.testing._dataset import scratch

from . import caught

ROOT = scratch()
for place, name in enumerate(("anna/joy", "anna/sadness", "ben/joy", "ben/sadness")):
    (ROOT / name).parent.mkdir(exist_ok=True)
    sound = 0.1 * np.sin(np.arange(8_000) * (0.05 + 0.01 * place))
    soundfile.write(ROOT / f"{name}.wav", sound, 16_000)
caught = partial(caught, "dataset", root=ROOT)
FORM = "results have the declared form"
CARD = Card("Moods", "made for tests", "made for tests", taxonomy="ekman-6")


class Moods(Dataset[PluginOptions]):
    """A good dataset: SPEAKER/LABEL.wav."""

    version = "1"
    card = CARD

    def paths(self, root: Path) -> list[Path]:
        return sorted(root.rglob("*.wav"))

    def utterances(self, root: Path) -> Any:
        paths = self.paths(root)
        if not paths:
            raise DataError(f"{root} has no SPEAKER/LABEL.wav. Name the folder of the moods.")
        return [self.row(path, root) for path in paths]

    def row(self, path: Path, root: Path) -> Any:
        return Utterance(
            id=path.relative_to(root).as_posix(),
            audio=path,
            speaker=path.parent.name,
            gold={path.stem: 1.0},
            transcript="One sentence.",
            sentence_id="1",
        )


class Changed(Moods):
    """Changes each row."""

    change: Any

    def row(self, path, root):
        return replace(super().row(path, root), **self.change(path))


@caught(FORM, "utterances() gave [{")
class Dicts(Moods):
    def row(self, path, root):
        return {"id": path.stem}


@caught(FORM, "not absolute paths")
class RelativePaths(Changed):
    def change(self, path):
        return {"audio": path.relative_to(ROOT)} if path.is_relative_to(ROOT) else {}


@caught("ids are unique", "joy, sadness")
class NamesOfFiles(Changed):
    def change(self, path):
        return {"id": path.stem}


@caught("the order is that of no file system", "Sort what")
class Unsorted(Moods):
    def paths(self, root):
        return [path for folder in sorted(root.glob("*")) for path in folder.glob("*.wav")]


@caught("it is deterministic", "A new instance yields others")
class Shuffled(Moods):
    def paths(self, root):
        paths = super().paths(root)
        random.shuffle(paths)
        return paths


@caught("rows do not name the folder s place", "relative to `root`")
class PathsInExtras(Changed):
    def change(self, path):
        return {"extras": {"file": str(path)}}


@caught("it leaves its folder as it is", "It wrote: index.csv")
class WritesAnIndex(Moods):
    def paths(self, root):
        (root / "index.csv").write_text(str(random.random()))
        return super().paths(root)


@caught("it downloads nothing unasked", "It connects to: ('127.0.0.1', 9)")
class AsksForNews(Moods):
    def paths(self, root):
        with socket.socket() as line, suppress(OSError):
            line.connect(("127.0.0.1", 9))
        return super().paths(root)


@caught("labels and recordings are usable", "past the end of its recording (0.50 s)")
class LongerThanTheRecording(Changed):
    def change(self, path):
        return {"start": 0.0, "end": 3.0}


@caught("labels and recordings are usable", "'happy' is not a label of ekman-6")
class LabelsOfAnotherTaxonomy(Changed):
    def change(self, path):
        return {"gold": {path.stem.replace("joy", "happy"): 1.0}}


@caught("labels and recordings are usable", "names no taxonomy")
class NoTaxonomy(Moods):
    card = replace(CARD, taxonomy=None)


@caught("labels and recordings are usable", "missing")
class MissingFiles(Changed):
    def change(self, path):
        return {"audio": path.with_suffix(".flac")}


@caught("labels and recordings are usable", "add up to 1")
class VotesForShares(Changed):
    def change(self, path):
        return {"gold": {"joy": 2.0, "anger": 1.0}, "gold_kind": "distribution"}


@caught("speakers are told apart", "'ANNA' and 'anna'")
class SpeakersInTwoSpellings(Changed):
    def change(self, path):
        name = path.parent.name
        return {"speaker": name.upper() if path.stem == "joy" else name}


@caught("speakers are told apart", "without a speaker: anna/joy.wav")
class SomeSpeakersMissing(Changed):
    def change(self, path):
        return {"speaker": None} if path.stem == "joy" else {}


@caught("gold is nowhere else", "The label is also in: speaker")
class LabelAsSpeaker(Changed):
    def change(self, path):
        return {"speaker": path.stem}


@caught("gold is nowhere else", "The label is also in: transcript")
class LabelAsTranscript(Changed):
    def change(self, path):
        return {"transcript": path.stem, "sentence_id": None}


@caught("sentences and turns are consistent", "several texts")
class OneSentenceForAll(Changed):
    def change(self, path):
        return {"transcript": f"Words of {path.parent.name}."}


@caught("sentences and turns are consistent", "0 of talk")
class EqualTurns(Changed):
    def change(self, path):
        return {"dialogue_id": "talk", "turn": 0}


@caught("the card says what a user needs", "The card lacks: licence")
class NoLicence(Moods):
    card = replace(CARD, licence="")


@caught("the card says what a user needs", "arousal")
class UnratedDimension(Moods):
    card = replace(CARD, dimensions={"arousal": (1.0, 5.0)})


@caught("the card says what a user needs", "A protocol needs a split")
class ProtocolWithoutSplit(Moods):
    protocols = {"official": "split"}


@caught("a wrong folder is refused in words", "raised IndexError")
class WrongFolder(Moods):
    def utterances(self, root):
        paths = self.paths(root)
        paths[0].stat()
        return [self.row(path, root) for path in paths]
