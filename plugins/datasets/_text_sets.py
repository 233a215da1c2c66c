"""Two public sets of sentences with human labels, in their original files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from lanser_bench import Card, DataError, Utterance

from ._text_files import all_lines, rows_with

CARDS = {
    "goemotions": Card(
        title="GoEmotions",
        licence="Apache-2.0",
        citation="Demszky, Movshovitz-Attias, Ko, Cowen, Nemade and Ravi (2020), ACL, 4040-4054",
        url="https://github.com/google-research/google-research/tree/master/goemotions",
        language="en",
        taxonomy="goemotions-28",
        notes="58,000 Reddit comments, 27 emotions and neutral, 16 % with several labels. Contains "
        "offensive text. Writers are not named, so intervals can only be taken over rows.",
    ),
    "tweeteval": Card(
        title="TweetEval",
        licence="no restriction by TweetEval; each task's own terms and Twitter's may apply",
        citation="Barbieri, Camacho-Collados, Espinosa-Anke and Neves (2020), Findings of EMNLP, "
        "1644-1650; emotion: Mohammad et al. (2018), SemEval-2018 task 1",
        url="https://github.com/cardiffnlp/tweeteval",
        language="en",
        taxonomy="tweeteval-4",
        notes="One label per tweet. Tasks other than emotion need the option taxonomy, such as "
        "sentiment-3.",
    ),
    "emobank": Card(
        title="EmoBank",
        licence="CC BY-SA 4.0",
        citation="Buechel and Hahn (2017), EACL, 578-585",
        url="https://github.com/JULIELab/EmoBank",
        language="en",
        notes="10,062 sentences of several genres, rated by about five readers and five writers "
        "each. Writers are not named, so intervals can only be taken over rows.",
        dimensions=dict.fromkeys(("valence", "arousal", "dominance"), (1.0, 5.0)),
    ),
}


def goemotions(root: Path, wanted: Sequence[str]) -> Iterator[Utterance]:
    """Yields the comments of ``train.tsv``, ``dev.tsv`` and ``test.tsv``.

    A line is text, comma-separated label numbers, comment id; quotes are ordinary characters and
    there is no header. A number is a line of ``emotions.txt``, from 0. Without `wanted` splits, all
    are read.
    """
    names = _lines(root / "emotions.txt", "GoEmotions")
    for split in _chosen(wanted):
        path = root / f"{split}.tsv"
        for number, line in enumerate(_lines(path, "GoEmotions"), start=1):
            origin = f"{path}, line {number}"
            cells = line.split("\t")
            if len(cells) != 3:
                raise DataError(f"{origin}: {len(cells)} cells; expected text, labels and id.")
            text, labels, name = cells
            gold = {_name(origin, label, names): 1.0 for label in labels.split(",")}
            yield Utterance(
                id=f"{split}/{name.strip()}",
                split=split,
                language="en",
                transcript=text.strip() or None,
                gold=gold,
                gold_kind="multi",
                origin=origin,
            )


def tweeteval(root: Path, wanted: Sequence[str]) -> Iterator[Utterance]:
    """Yields the tweets of ``train_text.txt``, ``train_labels.txt`` and so on, line by line."""
    pairs = (line.partition("\t") for line in _lines(root / "mapping.txt", "TweetEval"))
    names = {code.strip(): name.strip() for code, _, name in pairs}
    for split in _chosen(wanted):
        stem = "val" if split == "dev" else split
        path = root / f"{stem}_text.txt"
        texts, labels = _lines(path, "TweetEval"), _lines(root / f"{stem}_labels.txt", "TweetEval")
        for number, (text, label) in enumerate(zip_longest(texts, labels), start=1):
            origin = f"{path}, line {number}"
            if text is None or label is None:
                raise DataError(
                    f"{origin}: {len(texts)} texts, but {len(labels)} lines in "
                    f"{stem}_labels.txt. Each text needs a label in the same line."
                )
            if label.strip() not in names:
                raise DataError(f"{origin}: label '{label.strip()}' is not in mapping.txt.")
            yield Utterance(
                id=f"{split}/{number:05d}",
                split=split,
                language="en",
                transcript=text.strip() or None,
                gold={names[label.strip()]: 1.0},
                origin=origin,
            )


def emobank(root: Path, wanted: Sequence[str]) -> Iterator[Utterance]:
    """Yields the sentences of ``emobank.csv`` (columns id, split, V, A, D, text)."""
    path = root / "emobank.csv"
    if not path.is_file():
        raise DataError(f"{root} contains no emobank.csv. Set `root` to the corpus as released.")
    for line, row in rows_with({"id", "split", "V", "A", "D", "text"}, path):
        if wanted and row["split"] not in wanted:
            continue
        origin = f"{path}, line {line}"
        try:
            ratings = {name: float(row[name[0].upper()]) for name in CARDS["emobank"].dimensions}
        except ValueError:
            raise DataError(f"{origin}: V, A and D must be numbers.") from None
        yield Utterance(
            id=row["id"],
            split=row["split"],
            language="en",
            transcript=row["text"].strip() or None,
            extras=ratings,
            origin=origin,
        )


READERS = {"goemotions": goemotions, "tweeteval": tweeteval, "emobank": emobank}
"""Layout → reader of a folder and some splits."""


def _chosen(wanted: Sequence[str]) -> list[str]:
    return [split for split in ("train", "dev", "test") if not wanted or split in wanted]


def _name(origin: str, label: str, names: Sequence[str]) -> str:
    if not label.strip().isdecimal() or len(label) > 9 or int(label) >= len(names):
        raise DataError(f"{origin}: label '{label}' is not a line of emotions.txt, from 0.")
    return names[int(label)]


def _lines(path: Path, title: str) -> list[str]:
    """Returns all lines, also empty ones, because they are counted."""
    lines = all_lines(path, advice=f" The folder must contain {title} as released.")
    return lines if lines[-1] else lines[:-1] or [""]
