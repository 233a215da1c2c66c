"""Zero-shot: what the map gives, abstentions as misses, head and labels as sources."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from evaluation_world import World
from safetensors.numpy import save_file

from lanser_bench import DataError, Taxonomy, TaxonomyError
from lanser_bench.evaluation.results import ZeroShotResult
from lanser_bench.stages import zeroshot
from lanser_bench.stages.pretrain.spec import HEAD
from lanser_bench.store import Artifact, Spec


def taxonomy(name: str, labels: list[str], **more: object) -> Taxonomy:
    entries = [{"name": label, "hypothesis": f"very {label}"} for label in labels]
    content = {"name": name, "version": "1", "citation": "none", "labels": entries, **more}
    return Taxonomy.model_validate(content)


GOLD = taxonomy("gold", ["happy", "sad", "calm", "bored"])
WEAK = taxonomy("weak", ["joy", "sorrow", "awe"], maps={"gold": {"joy": "happy", "sorrow": "sad"}})
TRUTH = ["happy", "happy", "sad", "calm"] * 6
SAID = ["joy", "sorrow", "sorrow", "awe"] * 6


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def manifest(world: World) -> str:
    rows = [{"speaker": f"made:s{i // 4}", "gold": {label: 1.0}} for i, label in enumerate(TRUTH)]
    return world.manifest([*rows, {"speaker": "made:s0", "gold": {}}])


def weak_labels(world: World, utterances: str) -> str:
    """The last utterance, without gold, and the first abstain."""
    index = np.array([-1, *(WEAK.names.index(name) for name in SAID[1:]), -1], np.int32)
    scores = np.eye(3, dtype=np.float32)[np.maximum(index, 0)]
    spec = Spec(
        stage="label",
        stage_version="1",
        params={"taxonomy": WEAK.content()},
        parents={"utterances": utterances},
    )
    names = [WEAK.names[i] if i >= 0 else None for i in index]
    columns = {
        "id": [f"u{i:03d}" for i in range(len(index))],
        "label": names,
        "index": pa.array(index),
        "confidence": pa.array(np.ones(len(index), np.float32)),
        "scores": pa.array(scores.tolist(), pa.list_(pa.float32())),
        "reason": pa.array([None] * len(index), pa.string()),
    }
    with world.store.write(spec) as draft:
        pq.write_table(pa.table(columns), draft.path / "labels.parquet")
    return spec.key


def head(world: World, weight: np.ndarray, bias: Sequence[float] = (0.0, 0.0, 0.0)) -> str:
    spec = Spec(stage="pretrain", stage_version="1", params={"head": weight.tolist()})
    with world.store.write(spec) as draft:
        tensors = {"weight": weight, "bias": np.array(bias)}
        save_file({n: v.astype(np.float32) for n, v in tensors.items()}, draft.path / HEAD)
    return spec.key


def read(artifact: Artifact) -> ZeroShotResult:
    return ZeroShotResult.model_validate_json((artifact.path / zeroshot.RESULT).read_bytes())


def test_the_text_only_row_counts_abstentions_as_misses(world: World) -> None:
    utterances = manifest(world)
    artifact = world.result(
        zeroshot.spec(
            utterances=utterances, taxonomy=WEAK, gold=GOLD, labels=weak_labels(world, utterances)
        )
    )
    found = read(artifact)
    assert (found.source, found.n_utterances, found.n_speakers) == ("labels", 24, 6)
    assert found.labels == ["happy", "sad", "calm"]
    assert found.unreachable == ["calm"]
    # happy: 5 of 12 hit, one abstained, 6 heard as sad; sad: all 6; calm: its awe maps nowhere.
    assert found.confusion == [[5, 6, 0, 1], [0, 6, 0, 0], [0, 0, 0, 6]]
    assert found.recalls == {"happy": pytest.approx(5 / 12), "sad": 1.0, "calm": 0.0}
    assert found.uar.value == pytest.approx((5 / 12 + 1) / 3)
    assert found.wa.value == pytest.approx(11 / 24)
    assert found.coverage.value == pytest.approx(17 / 24)
    happy, sad = 2 * 5 / (12 + 5), 2 * 6 / (6 + 12)
    assert found.macro_f1.value == pytest.approx((happy + sad) / 3)
    assert found.uar.interval is not None
    table = pq.read_table(artifact.path / "predictions.parquet")
    assert table["predicted"].to_pylist()[:4] == [-1, 1, 1, -1]
    assert artifact.meta["counts"]["left_out"] == 1


@pytest.mark.parametrize("count", [2, 101])
def test_the_head_reads_the_last_layer(world: World, count: int) -> None:
    utterances = manifest(world)
    said = np.array([WEAK.names.index(name) for name in [*SAID, "joy"]])
    layers = {f"layer_{i:02d}": np.zeros((25, 3)) for i in range(count - 1)}
    layers[f"layer_{count - 1:02d}"] = np.eye(3)[said] * 4
    model = head(world, np.eye(3))
    embeddings = world.embeddings(utterances, layers, model)
    spec = zeroshot.spec(
        utterances=utterances, taxonomy=WEAK, gold=GOLD, embeddings=embeddings, model=model
    )
    found = read(world.result(spec))
    assert found.source == "head"
    assert found.recalls == {"happy": 0.5, "sad": 1.0, "calm": 0.0}


def test_the_head_s_bias_counts(world: World) -> None:
    utterances, model = manifest(world), head(world, np.zeros((3, 3)), bias=[0.0, 5.0, 0.0])
    embeddings = world.embeddings(utterances, {"layer_00": np.ones((25, 3))}, model)
    spec = zeroshot.spec(
        utterances=utterances, taxonomy=WEAK, gold=GOLD, embeddings=embeddings, model=model
    )
    assert read(world.result(spec)).recalls == {"happy": 0.0, "sad": 1.0, "calm": 0.0}


def test_only_the_test_part_is_scored_where_the_set_has_a_split(world: World) -> None:
    parts = ["train", "dev", "TEST", "test"] * 6
    rows = [
        {"speaker": f"made:s{i // 4}", "gold": {label: 1.0}, "split": parts[i]}
        for i, label in enumerate(TRUTH)
    ]
    utterances = world.manifest([*rows, {"speaker": "made:s0", "gold": {}, "split": "test"}])
    specs = [
        zeroshot.spec(
            utterances=utterances,
            taxonomy=WEAK,
            gold=GOLD,
            tested=tested,
            labels=weak_labels(world, utterances),
        )
        for tested in (False, True)
    ]
    assert specs[0].key != specs[1].key
    every, tested = (read(world.result(spec)) for spec in specs)
    assert (every.n_utterances, tested.n_utterances) == (24, 12)
    assert tested.labels == ["sad", "calm"]


def test_what_cannot_be_read_is_refused(world: World) -> None:
    utterances = world.manifest([{"speaker": "made:s0", "gold": {}}])
    other = taxonomy("other", ["x", "y"])
    with pytest.raises(TaxonomyError, match="no map from other to gold"):
        zeroshot.spec(utterances=utterances, taxonomy=other, gold=GOLD, labels="k" * 32)
    with pytest.raises(DataError, match="single gold label"):
        world.result(
            zeroshot.spec(utterances=utterances, taxonomy=WEAK, gold=GOLD, labels="k" * 32)
        )


def test_votes_have_the_label_of_most_of_them_if_asked_for(world: World) -> None:
    rows = [
        {"speaker": f"made:s{i // 4}", "gold": {label: 0.6, "bored": 0.4}}
        for i, label in enumerate(TRUTH)
    ]
    kinds = [{**row, "gold_kind": "distribution"} for row in rows]
    utterances = world.manifest([*kinds, {"speaker": "made:s0", "gold": {}}])
    parents = {"utterances": utterances, "labels": weak_labels(world, utterances)}
    specs = [
        zeroshot.spec(**parents, taxonomy=WEAK, gold=GOLD, votes=votes)
        for votes in ("unanimous", "majority")
    ]
    found = read(world.result(specs[1]))
    assert found.n_utterances == len(TRUTH)
    assert found.labels == ["happy", "sad", "calm"]
    assert "votes" not in specs[0].params
    with pytest.raises(DataError, match="single gold label"):
        world.result(specs[0])
