"""Bad input gets a sentence that says what, where and what to do; exit 2; nothing half-written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from .conftest import RATE, Project

pytestmark = pytest.mark.slow

Change = Callable[[Project], None]


def clip(project: Project, name: str = "s0-0-glad.wav") -> Path:
    return project.root / "unlabelled" / "audio" / name


def rewrite(data: object, **options: str) -> Change:
    def change(project: Project) -> None:
        clip(project).unlink()
        sf.write(clip(project), data, RATE, **options)

    return change


def truncate(project: Project, name: str = "s0-0-glad.wav") -> None:
    clip(project, name).write_bytes(clip(project, name).read_bytes()[:4000])


def setting(key: str, value: object) -> Change:
    def change(project: Project) -> None:
        project.settings[key] = value

    return change


def in_manifest(old: str, new: str, folder: str = "unlabelled") -> Change:
    def change(project: Project) -> None:
        path = project.root / folder / "manifest.csv"
        path.write_text(path.read_text().replace(old, new))

    return change


def one_speaker(project: Project) -> None:
    path = project.root / "labelled" / "manifest.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *(line for line in lines if ",s0," in line)]) + "\n")


def missing_root(project: Project) -> None:
    project.settings["corpora"][0]["root"] = str(project.root / "nowhere")


def empty_root(project: Project) -> None:
    (project.root / "nothing").mkdir()
    project.settings["corpora"][0]["root"] = str(project.root / "nothing")


REFUSED: dict[str, tuple[Change, tuple[str, ...]]] = {
    "missing root": (missing_root, ("nowhere",)),
    "empty folder": (empty_root, ("nothing",)),
    "not audio": (lambda p: clip(p).write_text("this is no sound"), ("s0-0-glad",)),
    "empty file": (lambda p: clip(p).write_bytes(b""), ("s0-0-glad", "empty")),
    "no samples": (rewrite(np.zeros(0, np.float32)), ("s0-0-glad",)),
    "NaN samples": (rewrite(np.full(8000, np.nan, np.float32), subtype="FLOAT"), ("s0-0-glad",)),
    "truncated": (truncate, ("s0-0-glad",)),
    "missing file": (lambda p: clip(p).unlink(), ("s0-0-glad",)),
    "bad yaml": (lambda p: None, ("line",)),
    "unknown key": (setting("labeller", "cue"), ("labeller", "Did you mean 'labeler'")),
    "unknown plugin": (setting("labeler", "queue"), ("queue", "Did you mean 'cue'")),
    "unknown option": (setting("labeler", {"name": "cue", "shure": 1}), ("shure", "'sure'")),
    "unknown taxonomy": (setting("taxonomy", "eckman-6"), ("eckman-6", "ekman-6")),
    "unknown label": (in_manifest(",glad", ",happyish", "labelled"), ("happyish", "manifest.csv")),
    "duplicate id": (in_manifest("s0-0-sad,", "s0-0-glad,"), ("s0-0-glad",)),
    "one speaker": (one_speaker, ("speaker",)),
    "no corpora": (setting("corpora", []), ("corpora",)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_with_a_sentence(project: Project, case: str) -> None:
    change, words = REFUSED[case]
    change(project)
    if case == "bad yaml":
        project.file.write_text("name: tiny\ncorpora: [\n")
        project.write = lambda: None  # type: ignore[method-assign]
    error = project.run(code=2).stderr
    assert "Traceback" not in error
    for word in words:
        assert word in " ".join(error.split()), error
    assert not list((project.root / "results").rglob("*.json"))


def test_the_user_may_choose_to_skip_and_sees_the_count(project: Project) -> None:
    clip(project).write_text("no sound")
    truncate(project, "s1-0-glad.wav")
    project.settings["corpora"][0]["on_bad_audio"] = "skip"
    done = project.run()
    shown = done.stdout + done.stderr
    assert "skipped" in shown.lower()
    assert "s0-0-glad" in shown
    assert "s1-0-glad" in shown


def test_any_ordinary_format_is_welcome(project: Project) -> None:
    formats = [
        (2, RATE, "PCM_16"),
        (1, 48_000, "PCM_24"),
        (1, RATE, "PCM_U8"),
        (2, 44_100, "FLOAT"),
    ]
    for speaker, (channels, rate, subtype) in enumerate(formats):
        t = np.arange(rate // 2) / rate
        sound = 0.3 * np.sin(2 * np.pi * (200 + speaker) * t)
        path = clip(project, f"s{speaker}-0-glad.wav")
        path.unlink()
        sf.write(path, np.column_stack([sound] * channels), rate, subtype=subtype)
    project.run()
