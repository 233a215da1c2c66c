"""Built-in datasets keep the contract, on small folders in their layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lanser_bench.plugins.discovery import registry
from lanser_bench.testing import check

LAYOUTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "ravdess": ({}, [f"Actor_0{a}/03-01-0{e}-01-01-01-0{a}.wav" for a in (1, 2) for e in (3, 4)]),
    "crema-d": ({}, [f"AudioWAV/100{a}_DFA_{e}_XX.wav" for a in (1, 2) for e in ("ANG", "SAD")]),
    "emodb": ({}, [f"wav/0{a}a01{e}a.wav" for a in (3, 8) for e in "WF"]),
    "savee": ({}, [f"AudioData/{s}/{e}01.wav" for s in ("DC", "JE") for e in ("a", "sa")]),
    "tess": ({}, [f"{s}AF_{w}_{e}.wav" for s in "OY" for w in ("back",) for e in ("angry", "sad")]),
    "audiofolder": (
        {"taxonomy": "ekman-6"},
        [f"{e}/{n}.wav" for e in ("joy", "anger") for n in "ab"],
    ),
    "silence": ({"clips": 4}, []),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_it_keeps_the_contract(name: str, tmp_path: Path, write_clip: Any) -> None:
    options, clips = LAYOUTS[name]
    for clip in clips:
        write_clip(tmp_path / clip)
    root = tmp_path if clips else None
    assert check("dataset", lambda: registry().create("dataset", name, options), root=root) == []


def test_a_table_keeps_the_contract(tmp_path: Path, write_clip: Any) -> None:
    rows = [f"{n},{n}.wav,s{n},joy" for n in (1, 2)]
    (tmp_path / "manifest.csv").write_text("\n".join(["id,path,speaker,label", *rows]))
    for n in (1, 2):
        write_clip(tmp_path / f"{n}.wav")
    options = {"taxonomy": "ekman-6"}
    assert (
        check("dataset", lambda: registry().create("dataset", "manifest", options), root=tmp_path)
        == []
    )


@pytest.mark.slow
def test_synthetic_keeps_the_contract() -> None:
    assert check("dataset", lambda: registry().create("dataset", "synthetic", {})) == []
