"""Map stages read utterances in blocks: how large these are changes neither results nor errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from speech_bench import Bench, tone
from training_world import identity

from lanser_bench.data import utterances
from lanser_bench.data.utterances import (
    UtteranceTable,
    iter_utterances,
    read_utterances,
    utterances_without,
)
from lanser_bench.errors import DataError
from lanser_bench.kinds import Frontend
from lanser_bench.plugins.identity import plugin_identity
from lanser_bench.stages import features, segment
from lanser_bench.stages.base import StageContext
from lanser_bench.stages.embed import spec as embed
from lanser_bench.stages.maps import distinct_rows as _row_index
from lanser_bench.stages.maps import spans as _spans
from lanser_bench.stages.maps.sharding import MapResult
from lanser_bench.stages.maps.spans import Bucket, map_utterances, span_rows
from lanser_bench.stages.transcribe import run as transcribe
from lanser_bench.stages.transcribe import spec as transcribe_spec
from lanser_bench.stages.transcribe import wer as _wer
from lanser_bench.store import Artifact, Draft, Spec


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def small_blocks(patch: pytest.MonkeyPatch) -> None:
    for module in (_row_index, _spans, transcribe, segment):
        patch.setattr(module, "BLOCK", 3)
    patch.setattr(_wer, "_BLOCK", 2)
    patch.setattr(utterances, "GROUP_ROWS", 4)


def corpus(bench: Bench) -> list[dict[str, Any]]:
    """Eleven utterances, of which one has the sound of another and two are silent."""
    levels = [0.1, 0.1, 0.0, 0.2, 0.1, 0.1, 0.0, 0.3, 0.1, 0.2]
    shas = [bench.clip(f"c{i}", tone(16_000 + 800 * i, level)) for i, level in enumerate(levels)]
    return [
        {
            "id": f"u{i}",
            "audio_sha": sha,
            "seconds": 1.0,
            "speaker": f"s{i % 3}",
            "transcript": f"heard {16_000 + 800 * (i % 4)}" if i % 5 else None,
            "dialogue_id": "d" if i % 2 else None,
            "extras": {"n": i},
        }
        for i, sha in enumerate([*shas, shas[0]])
    ]


def content(artifact: Artifact) -> dict[str, Any]:
    """All that an artifact and its shards hold, without times."""
    parts = [artifact.path.parents[1] / key[:2] / key for key in artifact.meta["parts"]]
    files: dict[str, Any] = {"counts": artifact.meta["counts"], "parts": artifact.meta["parts"]}
    for path in sorted(file for folder in (artifact.path, *parts) for file in folder.iterdir()):
        name = f"{path.parent.name}/{path.name}"
        if path.suffix == ".parquet":
            files[name] = repr(pq.read_table(path).to_pydict())  # NaN is not equal to itself
        elif path.name != "done.json":
            files[name] = path.read_bytes()
    return files


@pytest.mark.parametrize("stage", ["transcribe", "segment", "features", "embed"])
def test_small_blocks_give_what_one_block_gives(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    key = bench.manifest(corpus(bench))
    encoder = identity("logmel-stats", n_mels=16)
    frames = features.spec(utterances=key, frontend=Frontend(n_mels=16))
    options = {"spans": [(0.0, 0.3), (0.5, 0.9)]}
    fixed = bench.registry.create("segmenter", "fixed", options)
    segmenter = plugin_identity(bench.registry, "segmenter", "fixed", fixed)
    specs = {
        "transcribe": transcribe_spec.spec(
            utterances=key, asr=bench.asr(), params=transcribe_spec.Params(shard_rows=2), threads=1
        ),
        "segment": segment.spec(utterances=key, segmenter=segmenter),
        "features": frames,
        "embed": embed.spec(
            utterances=key,
            encoder=encoder,
            features=frames.key,
            params=embed.Params(),
            threads=1,
        ),
    }
    monkeypatch.setattr(features, "CAPACITY", 2)
    spec = specs[stage]
    if stage == "embed":
        bench.call(frames)
    bench.call(spec)
    whole = bench.store.checked(spec.key)
    expected = content(whole)
    for part in (*whole.meta["parts"], spec.key):
        bench.store.discard(part)
    small_blocks(monkeypatch)
    bench.call(spec)
    pieces = bench.store.checked(spec.key)
    assert content(pieces) == expected
    if stage == "segment":
        assert pq.ParquetFile(pieces.path / utterances.UTTERANCES).num_row_groups == 5
        assert len(read_utterances(pieces)) == 18
    if stage == "transcribe":
        errors = json.loads((pieces.path / transcribe_spec.SUMMARY).read_text())["wer"]
        assert (errors["utterances"], errors["words"]) == (8, 16)


def test_a_stage_sees_blocks_and_shards_but_never_all(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = bench.manifest(corpus(bench))
    small_blocks(monkeypatch)
    blocks: list[int] = []
    shards: list[list[int]] = []

    def names(table: UtteranceTable) -> list[str]:
        blocks.append(len(table))
        return span_rows(table)

    def compute(bucket: Bucket, part: Draft) -> pa.Table:
        assert bucket.table.ids == [f"u{place}" for place in bucket.positions]
        assert bucket.table.extras == [{"n": place} for place in bucket.positions]
        shards.append(bucket.positions)
        return pa.table({"position": bucket.positions})

    spec = Spec(stage="embed", stage_version="1", parents={"utterances": key})
    context = StageContext(spec, bench.store, bench.registry)
    with bench.store.write(spec) as draft:
        map_utterances(context, draft, names=names, compute=compute, capacity=2)
    assert sum(blocks) == 11
    assert max(blocks) <= 3
    assert sorted(place for shard in shards for place in shard) == list(range(10))
    assert max(map(len, shards)) <= 2
    result = MapResult(bench.store, bench.store.checked(spec.key))
    assert result.ids == [f"u{i}" for i in range(11)]
    part, row = result.places()
    assert (part[0], row[0]) == (part[10], row[10])


def test_what_is_missing_is_counted_over_all_blocks(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[dict[str, Any]] = [{"id": f"t{i}", "transcript": "a" * (i % 3)} for i in range(9)]
    key = bench.manifest([*corpus(bench), *rows])
    small_blocks(monkeypatch)
    with pytest.raises(DataError, match=r"^9 of 20 utterances have no audio.*first is 't0'"):
        bench.run(key, bench.asr())
    missing = utterances_without(bench.store.checked(key), "transcript")
    assert missing == (["u0", "u5", "u10", "t0", "t3", "t6"], 20)


def test_word_errors_of_many_blocks_are_those_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    references, texts = (
        [" ".join(random.choice(list("abc "), random.integers(0, 6))) for _ in range(50)]
        for _ in range(2)
    )
    whole = _wer.word_errors(references, texts)
    monkeypatch.setattr(_wer, "_BLOCK", 3)
    assert _wer.word_errors(iter(references), iter(texts)) == whole
    assert whole is not None
    words, characters = _wer.utterance_edits(references, texts)
    edits = whole.substitutions + whole.deletions + whole.insertions
    assert words.sum(0).tolist() == [edits, whole.words]
    assert characters[:, 0].sum() / characters[:, 1].sum() == whole.cer
    import jiwer

    pairs = [
        (_wer.normalised(a), _wer.normalised(b)) for a, b in zip(references, texts, strict=True)
    ]
    kept = [list(side) for side in zip(*(pair for pair in pairs if pair[0]), strict=True)]
    assert whole is not None
    assert (whole.wer, whole.cer) == (jiwer.wer(*kept), jiwer.cer(*kept))


def test_reading_in_blocks_holds_little_of_the_file(bench: Bench) -> None:
    random = np.random.default_rng(0)
    rows = [{"id": f"u{i}", "transcript": random.bytes(300).hex()} for i in range(10_000)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utterances, "GROUP_ROWS", 250)
        manifest = bench.store.checked(bench.manifest(rows))
    size = (manifest.path / utterances.UTTERANCES).stat().st_size
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in iter_utterances(manifest, 250)]
    assert len(held) == 40
    assert max(held) < size / 4
