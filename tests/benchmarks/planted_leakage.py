"""Plants leakage of each kind in generated sound, and prints what the commands say of it.

python tests/benchmarks/planted_leakage.py [RAVDESS]

With the folder of RAVDESS its one pair of byte-identical recordings is looked for too. The exit
code is 1 if a command lets a leak pass, or names none of the utterances that it was planted in.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
from _runs import command, write

RATE = 16_000
Row = dict[str, str]


@dataclass(frozen=True)
class Case:
    """One kind of leakage."""

    kind: str
    command: list[str]
    code: int
    """Exit code that it must end with."""
    says: tuple[str, ...]
    """What one of its sentences must hold."""


def main() -> None:
    """Runs every case; prints its kind, command, exit code and sentence."""
    missed = []
    with tempfile.TemporaryDirectory() as name:
        for case in cases(Path(name), sys.argv[1:]):
            done = subprocess.run(
                case.command, capture_output=True, text=True, cwd=name, check=False
            )
            items = sentences((done.stdout + done.stderr).replace(name, "…"))
            said = next((item for item in items if all(word in item for word in case.says)), None)
            print(f"{case.kind}: exit code {done.returncode}\n  {said or 'NOTHING SAID'}")
            if done.returncode != case.code or said is None:
                missed.append(case.kind)
                print("\n".join(items), file=sys.stderr)
    print(f"missed: {', '.join(missed) or 'none'}")
    if missed:
        raise SystemExit(1)


def sentences(text: str) -> list[str]:
    """What a command says, each sentence on one line however the console has wrapped it."""
    marks = (
        "refused: |warning: |leakage: |same sound: |! |✗ |Error: |The encoder was|Records: |"
        "planted: |start "
    )
    parts = re.split(rf"\n *(?={marks})", "\n" + text.replace(" · ", "\n"))
    return [re.sub(r"\s+", " ", part).strip() for part in parts]


def cases(folder: Path, ravdess: list[str]) -> Iterator[Case]:
    """Plants one kind after the other and yields what must come of it."""
    (folder / "plugins").mkdir()
    (folder / "plugins" / "knowing.py").write_text(KNOWING)
    clean = dataset(folder / "clean", rows())
    crossing = dataset(folder / "crossing", rows(speaker={"d-0": "a"}))
    yield looked("same speaker", crossing, 1, ("refused", "speaker 'manifest:a'", "d-0"))
    yield ran("same speaker, in a run", folder, crossing, 1, ("speaker 'manifest:a'", "d-0"))
    copied = dataset(folder / "copied", rows(), copies={"d-1": "a-1"})
    sound = ("same recorded sound", "a-1 (training) and d-1 (test)")
    yield looked("same audio bytes", copied, 1, ("refused", *sound))
    yield ran("same audio bytes, in a run", folder, copied, 1, sound)
    said = dataset(folder / "said", rows(sentence={"a-0": "kids", "d-0": "kids"}))
    yield looked("same sentence", said, 0, ("warning", "scripted sentence", "(d-0)"))
    fixed = dataset(folder / "fixed", rows(sentence=dict.fromkeys(names(), "kids")))
    yield looked("fixed sentences", fixed, 0, ("warning", "say only 1 scripted sentence"))
    heard = unlabelled(folder / "heard", clean)
    yield looked(
        "pre-training on test speakers",
        clean,
        1,
        ("refused", "8 of 24 utterances (d-0, d-1", "2 of 6 speakers (manifest:d, manifest:e)"),
        "--corpus",
        f"manifest {heard}",
    )
    yield ran(
        "pre-training on them, in a run",
        folder,
        clean,
        0,
        ("pre-trained on 2 of the 6 speakers and 8 of the 24 recordings",),
        corpora=[{"dataset": "manifest", "root": str(heard)}],
    )
    corpus = {"corpora": [reference(clean)]}
    labels = ("human labels", "8 of 8 utterances (d-0, d-1", "manifest:d")
    yield ran("its human labels", folder, clean, 2, labels, labeler="oracle", **corpus)
    yield ran(
        "its human labels, declared",
        folder,
        clean,
        0,
        ("! Declared label leakage", "d-0"),
        labeler="oracle",
        controls={**FEW, "gold_of_tested": "declare"},
        **corpus,
    )
    yield ran(
        "published weights trained on it",
        folder,
        clean,
        0,
        ("! The published", "'manifest'"),
        encoder="knowing",
    )
    for root in ravdess:
        pair = ("same sound", "03-01-03-01-02-01-07, 03-01-03-01-02-02-07")
        yield Case("RAVDESS's one pair", [*LOOK, "ravdess", root], 0, pair)


LOOK = [sys.executable, "-m", "lanser_bench", "data", "leakage"]
FEW = {"random_init": False, "logmel_stats": False, "shuffled": "none", "zero_shot": False}
KNOWING = """
import numpy as np
from lanser_bench import FeatureExtractor, PluginOptions, hookimpl

class Knowing(FeatureExtractor[PluginOptions]):
    version = "1"
    trained_on = frozenset({"manifest"})

    def extract(self, batch):
        return [[np.array([[np.abs(x).mean()]], np.float32)] for x in batch]

@hookimpl
def register_encoders(register):
    register("knowing", f"{__name__}:Knowing")
"""


def names() -> list[str]:
    return [f"{speaker}-{take}" for speaker in "abcdef" for take in range(4)]


def rows(speaker: Row | None = None, sentence: Row | None = None) -> list[list[str]]:
    """Six speakers with four takes each; a, b, c and f teach, d and e are tested."""
    return [
        [
            name,
            f"{name}.wav",
            (speaker or {}).get(name, name[0]),
            ("joy", "sadness")[take % 2],
            "test" if name[0] in "de" else "train",
            (sentence or {}).get(name, ""),
        ]
        for name, take in ((name, int(name[-1])) for name in names())
    ]


def dataset(folder: Path, table: list[list[str]], copies: Row | None = None) -> Path:
    """Writes tones and the table of them; `copies` are files with the bytes of another."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, *_ in table:
        time = np.arange(RATE // 2) / RATE
        tone = 0.2 * np.sin(2 * np.pi * rng.uniform(100, 300) * time)
        sf.write(folder / f"{name}.wav", tone + 0.01 * rng.standard_normal(len(time)), RATE)
    for copy, of in (copies or {}).items():
        (folder / f"{copy}.wav").write_bytes((folder / f"{of}.wav").read_bytes())
    head = "id,path,speaker,label,split,sentence_id"
    (folder / "manifest.csv").write_text("\n".join([head, *map(",".join, table)]) + "\n")
    return folder


def unlabelled(folder: Path, of: Path) -> Path:
    """Writes a corpus without labels, of what is tested of another."""
    folder.mkdir()
    tested = [name for name in names() if name[0] in "de"]
    lines = [f"heard-{name},{of / name}.wav,{name[0]}" for name in tested]
    (folder / "manifest.csv").write_text("\n".join(["id,path,speaker", *lines]) + "\n")
    return folder


def reference(folder: Path) -> dict[str, str]:
    return {"dataset": "manifest", "root": str(folder), "taxonomy": "ekman-6"}


def looked(kind: str, root: Path, code: int, says: tuple[str, ...], *more: str) -> Case:
    """A look with `data leakage`."""
    arguments = ["manifest", str(root), "taxonomy=ekman-6", "--protocol", "split", *more]
    return Case(kind, [*LOOK, *arguments], code, says)


def ran(
    kind: str, folder: Path, root: Path, code: int, says: tuple[str, ...], **changes: object
) -> Case:
    """A whole run, on a frozen encoder unless it is to be pre-trained."""
    settings: dict[str, object] = {
        "name": "planted",
        "labeler": "random",
        "taxonomy": "ekman-6",
        "targets": [reference(root)],
        "encoder": "logmel-stats",
        "evaluate": {"protocol": "split", "budgets": [1.0], "seeds": 1},
        "controls": FEW,
    }
    if "corpora" in changes:
        settings |= {"encoder": {"name": "cnn", "channels": [16]}, "pretrain": {"epochs": 1}}
    file = write(folder / kind, {**settings, **changes})
    return Case(kind, command(file, "--plugins-dir", str(folder / "plugins")), code, says)


if __name__ == "__main__":
    main()
