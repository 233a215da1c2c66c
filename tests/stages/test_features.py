"""Features come back as they were written, without a copy, for every kind of front end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from training_world import World

from lanser_bench.audio import decode, logmel
from lanser_bench.data.utterances import SCHEMA, write_utterances
from lanser_bench.errors import DataError
from lanser_bench.kinds import Frontend
from lanser_bench.stages import features
from lanser_bench.stages.base import RunnableCall, run_call
from lanser_bench.stages.features import Features, crops, pad
from lanser_bench.store import Spec, Store, file_sha256


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def recordings(
    store: Store,
    folder: Path,
    n: int = 5,
    audio: bool = True,
    speakers: Sequence[str | None] = (None,),
) -> tuple[str, Path]:
    """A manifest of n tones, the second half of each a span of its own; and the paths' file.

    Tones are spoken by `speakers` in turn.
    """
    rows, paths = [], {}
    for i in range(n):
        path = folder / f"{i}.wav"
        t = np.arange(8000 + 1600 * i) / 16_000
        sf.write(path, 0.3 * np.sin(2 * np.pi * 200 * (i + 1) * t), 16_000)
        sha = file_sha256(path)
        paths[sha] = str(path)
        for start in (None, 0.25):
            row = dict.fromkeys(SCHEMA.names) | {"gold": {}, "gold_kind": "single", "extras": {}}
            row |= {"speaker": speakers[i % len(speakers)]}
            rows.append(
                row | {"id": f"{i}-{start}", "start": start, "audio_sha": sha if audio else None}
            )
    content = [n, audio, list(speakers)]
    spec = Spec(stage="manifest", stage_version="1", params={"content": content})
    with store.write(spec) as draft:
        write_utterances(draft.path, rows, {})
    file = folder / "paths.json"
    file.write_text(json.dumps(paths), encoding="utf-8")
    return spec.key, file


def run(store: Store, spec: Spec, paths: Path) -> None:
    call = RunnableCall(spec.stage, spec.key, spec.model_dump(), store.root)
    call.inputs["audio"] = [str(paths)]
    run_call(call)


@pytest.mark.parametrize("kind", ["logmel", "waveform"])
def test_frames_are_those_of_each_span(world: World, tmp_path: Path, kind: str) -> None:
    frontend = Frontend.model_validate({"kind": kind, "n_mels": 24})
    utterances, paths = recordings(world.store, tmp_path)
    spec = features.spec(utterances=utterances, frontend=frontend)
    run(world.store, spec, paths)
    found = Features(world.store, spec.key)
    assert len(found) == 10
    assert found.rate == (100 if kind == "logmel" else 16_000)
    for i in range(5):
        for j, start in enumerate((None, 0.25)):
            samples = decode(tmp_path / f"{i}.wav", start, None)
            expected = logmel(samples, frontend) if kind == "logmel" else samples
            np.testing.assert_array_equal(found.get(2 * i + j), expected)
            assert found.lengths[2 * i + j] == len(expected)


def test_a_recording_that_changed_after_planning_is_refused(world: World, tmp_path: Path) -> None:
    utterances, paths = recordings(world.store, tmp_path)
    spec = features.spec(utterances=utterances, frontend=Frontend())
    path = tmp_path / "3.wav"
    sf.write(path, sf.read(path)[0][::-1], 16_000)
    with pytest.raises(DataError, match=r"3\.wav changed after the run was planned"):
        run(world.store, spec, paths)
    assert spec.key not in world.store


def test_frames_are_views_of_the_file(world: World) -> None:
    found = Features(world.store, world.corpus().features)
    frames = found.get(7)
    base = frames
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap)
    assert frames.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        frames[0, 0] = 1


def test_rows_are_found_over_many_shards_with_few_files_open(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "OPEN_FILES", 2)
    corpus = world.corpus(n=100)
    found = Features(world.store, corpus.features)
    for i in np.random.default_rng(0).permutation(100).tolist():
        np.testing.assert_array_equal(found.get(i), corpus.frames[i])
    assert len(found._paths) > 4
    assert len(found._open) == 2


def test_a_batch_is_padded_with_zeros_and_cropped(world: World) -> None:
    corpus = world.corpus(n=8)
    found = Features(world.store, corpus.features)
    rows = [found.get(i) for i in range(8)]
    values, lengths = pad(rows)
    assert values.shape[:2] == (8, lengths.max())
    for value, length, frames in zip(values, lengths.tolist(), corpus.frames, strict=True):
        np.testing.assert_array_equal(value[:length], frames)
        assert not value[length:].any()
    cropped, lengths = pad(crops(rows, 12, np.random.default_rng(0)))
    assert cropped.shape[1] == lengths.max() == 12


def test_crops_are_drawn_or_from_the_middle() -> None:
    frames = np.arange(100, dtype=np.float32)[:, None]
    assert crops([frames], 20, None)[0][:, 0].tolist() == list(range(40, 60))
    assert crops([frames], None, None)[0] is frames
    begins = {int(crops([frames], 99, np.random.default_rng(i))[0][0, 0]) for i in range(20)}
    assert begins == {0, 1}


def test_crops_draw_once_for_each_row_that_is_too_long() -> None:
    rows = [np.arange(n, dtype=np.float32) for n in (50, 9, 400, 20, 21, 3000)]
    drawn = crops(rows, 20, np.random.default_rng(1))
    rng = np.random.default_rng(1)
    begins = [int(rng.integers(len(row) - 19)) if len(row) > 20 else 0 for row in rows]
    assert [int(row[0]) for row in drawn] == begins
    assert [len(row) for row in drawn] == [20, 9, 20, 20, 20, 20]


def test_equal_frontends_share_a_key_and_others_do_not() -> None:
    def key(utterances: str, mels: int) -> str:
        return features.spec(utterances=utterances, frontend=Frontend(n_mels=mels)).key

    assert key("a", 64) == key("a", 64)
    assert len({key("a", 64), key("b", 64), key("a", 80)}) == 3


def test_utterances_without_audio_are_refused(world: World, tmp_path: Path) -> None:
    utterances, paths = recordings(world.store, tmp_path, audio=False)
    spec = features.spec(utterances=utterances, frontend=Frontend())
    with pytest.raises(DataError, match="10 of 10 utterances have no audio, which features needs"):
        run(world.store, spec, paths)


def test_a_recording_that_is_not_on_this_machine_is_named(world: World, tmp_path: Path) -> None:
    utterances, paths = recordings(world.store, tmp_path)
    paths.write_text("{}", encoding="utf-8")
    spec = features.spec(utterances=utterances, frontend=Frontend())
    with pytest.raises(DataError, match="is not known on this machine"):
        run(world.store, spec, paths)
