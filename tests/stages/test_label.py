"""The label stage: every distinct text is scored once, and every missing label has a reason."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lanser_bench import DataError, LanserError, PluginError, SettingsError, Taxonomy, TaxonomyError
from lanser_bench.counting import tallied
from lanser_bench.data.utterances import SCHEMA, write_utterances
from lanser_bench.errors import StoreError
from lanser_bench.plugins.discovery import Registry, load_plugins
from lanser_bench.plugins.identity import plugin_identity
from lanser_bench.stages.base import StageContext
from lanser_bench.stages.label import files as label_files
from lanser_bench.stages.label import run as label_stage
from lanser_bench.stages.label import spec as label
from lanser_bench.store import Artifact, PluginIdentity, Spec, Store, digest
from lanser_bench.store.upkeep import needed

LABELERS = '''
import numpy as np
from lanser_bench import (
    ColumnLabeler, Labeler, LanserError, PluginOptions, Scores, hookimpl
)

CALLS = []

@hookimpl
def register_labelers(register):
    for name in "Letters Reader Worder Wrong Words Ragged Typo Bursts Tires Short Sharer".split():
        register(name.lower(), f"{__name__}:{name}")

class Letters(Labeler[PluginOptions]):
    """Counts a, b and c; texts without any get nothing."""
    version = "1"
    def score(self, records, taxonomy):
        CALLS.extend(records)
        counts = np.array([[r.text.count(n) for n in "abc"] for r in records], np.float32)
        counts = counts.reshape(len(records), 3)
        abstained = counts.sum(1) == 0
        counts[abstained] = 1
        return Scores(counts / counts.sum(1, keepdims=True), "distribution", abstained)

class Reader(Letters):
    reads = frozenset({"text", "context", "language"})

class Worder(Letters):
    """Keeps the wording that each record was scored with; reports what it cut in German only."""
    def score(self, records, taxonomy):
        found = super().score(records, taxonomy)
        CALLS[-len(records):] = [(r, taxonomy.hypotheses()) for r in records]
        german = taxonomy.templates == ("Ich {}.",)
        cut = np.ones(len(records), bool) if german else None
        return Scores(found.values, found.kind, found.abstained, truncated=cut)

class Sharer(ColumnLabeler[PluginOptions]):
    """Counts a letter in each column."""
    version = "1"
    def columns(self, taxonomy):
        return [label.name for label in taxonomy.labels]
    def compute(self, records, columns):
        CALLS.append(columns)
        return [np.array([[r.text.count(n)] for r in records], np.float32) for n in columns]
    def combine(self, records, computed, taxonomy):
        counts = np.concatenate(computed, axis=1) + np.float32(0.1)
        none = np.zeros(len(records), bool)
        return Scores(counts / counts.sum(1, keepdims=True), "distribution", none)

class Wrong(Letters):
    def score(self, records, taxonomy):
        found = super().score(records, taxonomy)
        return Scores(found.values * 2, "distribution", found.abstained)

class Words(Letters):
    def score(self, records, taxonomy):
        found = super().score(records, taxonomy)
        return Scores(found.values, "distribution", found.abstained.astype(int))

class Ragged(Letters):
    def score(self, records, taxonomy):
        return Scores([[1.0]] + [[0.5, 0.5]] * len(records), "distribution", np.zeros(1, bool))

class Bursts(Letters):
    def score(self, records, taxonomy):
        raise KeyError("no such word")

class Tires(Letters):
    """A server that goes down after three calls and is up again later."""
    left = [3]
    def score(self, records, taxonomy):
        self.left[0] -= 1
        if self.left[0] == -1:
            raise LanserError("The server is down.")
        return super().score(records, taxonomy)

class Short(Letters):
    """Reads three letters, and English alone."""
    languages = frozenset({"en"})
    def score(self, records, taxonomy):
        found = super().score(records, taxonomy)
        cut = np.array([len(r.text) > 3 for r in records])
        return Scores(found.values, found.kind, found.abstained, truncated=cut)

class Typo(Letters):
    reads = frozenset({"texts"})
'''
ABC = Taxonomy.model_validate(
    {
        "name": "abc",
        "version": "1",
        "citation": "none",
        "labels": [{"name": n, "hypothesis": n} for n in "abc"],
        "neutral": "c",
        "maps": {"ab-only": {"a": "a", "b": "b"}},
    }
)
AB = Taxonomy.model_validate(
    {
        "name": "ab-only",
        "version": "1",
        "citation": "none",
        "labels": [{"name": n, "hypothesis": n} for n in "ab"],
        "maps": {"abc": {"a": "a", "b": "b"}},
    }
)
NO_NEUTRAL = ABC.model_copy(update={"neutral": None})


@pytest.fixture
def plugins(tmp_path: Path) -> Registry:
    folder = tmp_path / "loose"
    folder.mkdir()
    (folder / "letters.py").write_text(LABELERS, encoding="utf-8")
    return load_plugins([folder])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def calls() -> list[Any]:
    found: list[Any] = sys.modules["lanser_bench_loose_letters"].CALLS
    return found


def manifest(
    store: Store, texts: list[str | None], *, taxonomy: str | None = None, **columns: list[Any]
) -> Artifact:
    rows = []
    for i, text in enumerate(texts):
        row: dict[str, Any] = dict.fromkeys(SCHEMA.names)
        row |= {"id": f"u{i}", "transcript": text, "gold": {}, "gold_kind": "single", "extras": {}}
        row |= {name: values[i] for name, values in columns.items()}
        rows.append(row)
    spec = Spec(stage="manifest", stage_version="1", params={"content": digest(rows)})
    with store.write(spec) as draft:
        write_utterances(draft.path, rows, {"card": {"taxonomy": taxonomy}})
    return store.checked(spec.key)


def transcripts(store: Store, utterances: Artifact, rows: list[Mapping[str, Any]]) -> str:
    """An artifact as `transcribe` leaves it, all rows in one shard."""
    part = Spec(stage="transcribe.shard", stage_version="1", params={"rows": str(rows)})
    with store.write(part) as draft:
        names = ("text", "language", "avg_logprob", "no_speech_prob")
        table = pa.table({name: [row.get(name) for row in rows] for name in names})
        pq.write_table(table, draft.path / "rows.parquet")
    spec = Spec(stage="transcribe", stage_version="1", params={"part": part.key})
    with store.write(spec) as draft:
        ids = [f"u{i}" for i in range(len(rows))]
        index = {"id": ids, "part": [0] * len(rows), "row": list(range(len(rows)))}
        pq.write_table(pa.table(index), draft.path / "index.parquet")
        draft.parts.append(part.key)
    assert store.get(utterances.key)
    return spec.key


def identity(plugins: Registry, name: str) -> PluginIdentity:
    return plugin_identity(plugins, "labeler", name, plugins.create("labeler", name))


def run(
    plugins: Registry,
    store: Store,
    utterances: Artifact,
    *,
    labeler: str = "letters",
    taxonomy: Taxonomy = ABC,
    spoken: str | None = None,
    gold_taxonomy: Taxonomy | None = None,
    wordings: tuple[str, ...] = (),
    **params: Any,
) -> Artifact:
    spec = label.spec(
        utterances=utterances.key,
        transcripts=spoken,
        labeler=identity(plugins, labeler),
        taxonomy=taxonomy,
        params=label.Params(**params),
        threads=1,
        gold_taxonomy=gold_taxonomy,
        reading=label.Reading(wordings),
    )
    with store.write(spec) as draft:
        label_stage.run(StageContext(spec, store, plugins), draft)
    return store.checked(spec.key)


def summary(artifact: Artifact) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((artifact.path / label.SUMMARY).read_text(encoding="utf-8"))
    return found


def test_equal_texts_are_scored_once_and_all_get_their_label(
    plugins: Registry, store: Store
) -> None:
    found = run(plugins, store, manifest(store, ["aab", "b", "aab", " b ", "c"]))
    table = label_files.read_labels(found)
    assert sorted(record.text for record in calls()) == ["aab", "b", "c"]
    assert table.ids == ["u0", "u1", "u2", "u3", "u4"]
    assert table.labels == ["a", "b", "a", "b", "c"]
    assert table.index.tolist() == [0, 1, 0, 1, 2]
    np.testing.assert_allclose(table.scores[0], [2 / 3, 1 / 3, 0], rtol=1e-6)
    np.testing.assert_allclose(table.confidence, [2 / 3, 1, 2 / 3, 1, 1], rtol=1e-6)
    assert found.meta["counts"]["distinct"] == 3


def test_taxonomies_share_columns_of_all_their_texts(
    plugins: Registry, store: Store, tmp_path: Path
) -> None:
    texts: list[str | None] = ["aab", "b", "cab", "c", "aab"]
    utterances = manifest(store, texts)

    def labelled(store: Store, taxonomy: Taxonomy) -> tuple[Artifact, list[Any]]:
        calls().clear()
        options: dict[str, Any] = {"labeler": "sharer", "taxonomy": taxonomy, "shard_rows": 2}
        with tallied() as tally:
            found = run(plugins, store, utterances, **options)
        names = sum(map(len, calls()))
        assert tally["columns"] - tally["columns_reused"] == names
        return found, calls()[:]

    first, computed = labelled(store, AB)
    shards = len(first.meta["parts"])
    assert computed == [["a", "b"]] * shards
    assert shards > 1
    second, computed = labelled(store, ABC)
    assert computed == [["c"]] * shards
    # The same bytes as without the first taxonomy, and from a store on a read-only disk.
    other = Store(tmp_path / "other")
    manifest(other, texts)
    alone, computed = labelled(other, ABC)
    assert computed == [["a", "b", "c"]] * shards
    assert alone.meta["files"] == second.meta["files"]
    layered, computed = labelled(Store(tmp_path / "third", [other.root]), AB)
    assert computed == []
    assert layered.meta["files"] == first.meta["files"]
    # Garbage collection keeps columns of needed labels; a damaged one is computed again.
    kept = needed(store, [second.key], {})
    columns = [key for part in second.meta["parts"] for key in store.checked(part).meta["parts"]]
    assert len(columns) == 2 * shards
    assert kept >= {*columns}
    for key in columns:
        (store.checked(key).path / "columns.safetensors").write_bytes(b"worn out")
    third, computed = labelled(store, NO_NEUTRAL)
    assert computed == [["a", "b", "c"]] * shards
    assert third.meta["files"]["index.parquet"] == second.meta["files"]["index.parquet"]


def test_shards_have_the_stage_s_threads_in_their_key(plugins: Registry, store: Store) -> None:
    found = run(plugins, store, manifest(store, ["aab", "b"]))
    for key in found.meta["parts"]:
        assert store.checked(key).spec.threads == found.spec.threads is not None


def test_odd_texts_are_counted_for_each_utterance_over_all_shards(
    plugins: Registry, store: Store
) -> None:
    texts: list[str | None] = [
        "aabc",
        "b",
        "aabc",
        " b ",
        "...",
        "",
        None,
        "😀 a?",
        "cccccc",
        "aabc",
    ]
    languages = ["en", "de", None, "de", "de", "de", "en", "", "fr", "de"]
    utterances = manifest(store, texts, language=languages)
    spoken = transcripts(
        store,
        utterances,
        [{"text": t, "language": x} for t, x in zip(texts, languages, strict=True)],
    )
    found = run(plugins, store, utterances, labeler="short", spoken=spoken, shard_rows=1)
    wanted = {"truncated": 5, "without_words": 1, "other_language": 5}
    assert summary(found)["odd_texts"] == wanted
    assert found.meta["counts"].items() >= wanted.items()
    plain = run(plugins, store, utterances, spoken=spoken)
    wanted = {"truncated": 0, "without_words": 1, "other_language": 0}
    assert summary(plain)["odd_texts"] == wanted


def test_a_labeler_is_told_only_what_it_declares_to_read(plugins: Registry, store: Store) -> None:
    utterances = manifest(
        store,
        ["a", "b", "a"],
        dialogue_id=["d", "d", None],
        turn=[1, 2, None],
        language=["en", "en", "de"],
        gold=[{"a": 1.0}] * 3,
        taxonomy="abc",
    )
    run(plugins, store, utterances)
    assert len(calls()) == 2
    for record in calls():
        assert (record.context, record.language, record.gold) == ((), "", None)
        assert not record.id.startswith("u")
    calls().clear()
    run(plugins, store, utterances, labeler="reader")
    told = {(r.text, r.context, r.language) for r in calls()}
    assert told == {("a", (), "en"), ("b", ("a",), "en"), ("a", (), "de")}


WORDED = Taxonomy.model_validate(
    {
        **ABC.model_dump(),
        "languages": {
            "de": {"templates": ["Ich {}."], "labels": {"a": "Aal", "b": "Bau", "c": ["Chor", "C"]}}
        },
    }
)
MIXED: list[str | None] = ["aab", "b", "", "aab", "c", "a"]
SPOKEN = ["de", "en", "de", None, "de", "fr"]


def test_texts_are_scored_with_the_labels_in_their_language(
    plugins: Registry, store: Store
) -> None:
    utterances = manifest(store, MIXED, language=SPOKEN)
    found = run(plugins, store, utterances, labeler="worder", taxonomy=WORDED, wordings=("de",))
    asked = {(r.text, r.language, hypotheses[0]) for r, hypotheses in calls()}
    german, plain = "Ich Aal.", "I am a."
    wanted = {("aab", german), ("c", german), ("aab", plain), ("b", plain), ("a", plain)}
    assert asked == {(text, "", hypothesis) for text, hypothesis in {*wanted, ("", plain)}}
    assert label_files.read_labels(found).labels == ["a", "b", None, "a", "c", "a"]
    assert summary(found)["wordings"] == {"": 3, "de": 2}
    assert found.meta["counts"]["truncated"] == 2
    assert summary(found)["taxonomy_hash"] == ABC.hash


def test_wordings_of_other_languages_change_no_key(plugins: Registry, store: Store) -> None:
    utterances = manifest(store, ["a", "b"], language=["en", None])
    plain = run(plugins, store, utterances)
    assert "wordings" not in summary(plain)
    parts = {"utterances": utterances.key, "transcripts": None, "threads": 1}
    made = {"labeler": identity(plugins, "letters"), "params": label.Params(), **parts}
    assert label.spec(**made, taxonomy=WORDED).key == plain.key
    assert label.spec(**made, taxonomy=WORDED, reading=label.Reading(("de",))).key != plain.key


def test_content_free_texts_are_scored_in_every_wording(plugins: Registry, store: Store) -> None:
    run(
        plugins,
        store,
        manifest(store, ["a", "b"], language=["de", "en"]),
        labeler="worder",
        taxonomy=WORDED,
        wordings=("de",),
        prior_correction="content-free",
        content_free=("abc",),
    )
    asked = [hypotheses[0] for record, hypotheses in calls() if record.text == "abc"]
    assert sorted(asked) == ["I am a.", "Ich Aal."]


def test_new_texts_cost_one_shard_and_new_thresholds_cost_none(
    plugins: Registry, store: Store
) -> None:
    texts: list[str | None] = ["a" * (i + 1) for i in range(60)]
    first = run(plugins, store, manifest(store, texts), shard_rows=8)
    assert first.meta["counts"]["shards"] > 4
    calls().clear()
    run(plugins, store, manifest(store, texts), shard_rows=8, min_confidence=0.5)
    assert calls() == []
    grown = run(plugins, store, manifest(store, [*texts, "b"]), shard_rows=8)
    assert "b" in {record.text for record in calls()}
    assert grown.meta["counts"]["shards_reused"] >= first.meta["counts"]["shards"] - 1


def test_every_abstention_is_counted_under_its_reason(plugins: Registry, store: Store) -> None:
    utterances = manifest(store, [None] * 7)
    bad = {"no_speech_prob": 0.9, "avg_logprob": -1.5}
    spoken = transcripts(
        store,
        utterances,
        [
            {"text": "a" * 9, "no_speech_prob": 0.9, "avg_logprob": -0.2},  # confident words stay
            {"text": "aaa"} | bad,
            {"text": "  "},
            {"text": "xyz"},
            {"text": "aabc"},
            {"text": "aaabb"},
            {"text": "c"},
        ],
    )
    found = run(
        plugins,
        store,
        utterances,
        spoken=spoken,
        neutral="abstain",
        min_confidence=0.55,
        min_margin=0.3,
    )
    assert label_files.read_labels(found).reasons == [
        None,
        "no speech",
        "empty text",
        "labeler",
        "low confidence",
        "low margin",
        "neutral rule",
    ]
    told = summary(found)
    assert told["labelled"] == 1
    assert told["coverage"] == pytest.approx(1 / 7)
    assert told["abstained"] == dict.fromkeys(
        ("no speech", "empty text", "labeler", "neutral rule", "low confidence", "low margin"), 1
    )
    assert told["never_firing"] == ["b", "c"]
    assert told["label_entropy_bits"] == 0


def test_the_taxonomy_s_neutral_rule_holds_unless_the_stage_says_otherwise(
    plugins: Registry, store: Store
) -> None:
    rule = {"kind": "abstain", "min_confidence": 0.6}
    strict = Taxonomy.model_validate(NO_NEUTRAL.model_dump() | {"neutral_rule": rule})
    utterances = manifest(store, ["ab", "aab"])
    by_rule = run(plugins, store, utterances, taxonomy=strict)
    assert label_files.read_labels(by_rule).reasons == ["neutral rule", None]
    kept = run(plugins, store, utterances, taxonomy=strict, neutral="keep")
    assert label_files.read_labels(kept).labels == ["a", "a"]  # of equal ones, the first
    dormant = {"kind": "keep", "min_confidence": 0.6}
    lax = Taxonomy.model_validate(NO_NEUTRAL.model_dump() | {"neutral_rule": dormant})
    assert label_files.read_labels(run(plugins, store, utterances, taxonomy=lax)).reasons == [
        None,
        None,
    ]
    asked = run(plugins, store, utterances, taxonomy=lax, neutral="abstain")
    assert label_files.read_labels(asked).reasons == ["neutral rule", None]


def test_a_neutral_rule_that_cannot_be_carried_out_is_refused_when_planning(
    plugins: Registry, store: Store
) -> None:
    with pytest.raises(SettingsError, match="neither a neutral label nor a threshold"):
        run(plugins, store, manifest(store, ["a"]), taxonomy=NO_NEUTRAL, neutral="abstain")


def test_prior_correction_lifts_the_label_that_scores_low_everywhere(
    plugins: Registry, store: Store
) -> None:
    utterances = manifest(store, ["aaaaab", "aaaaab" * 2, "aaabb", ""])
    plain = run(plugins, store, utterances)
    assert label_files.read_labels(plain).labels == ["a", "a", "a", None]
    corrected = label_files.read_labels(
        run(plugins, store, utterances, prior_correction="corpus-mean")
    )
    assert corrected.labels == ["a", "a", "b", None]
    np.testing.assert_allclose(corrected.scores[:3].sum(axis=1), 1, rtol=1e-6)


def test_temperature_moves_confidence_and_not_the_label(plugins: Registry, store: Store) -> None:
    utterances = manifest(store, ["aab"])
    sharp = label_files.read_labels(run(plugins, store, utterances, temperature=0.5))
    np.testing.assert_allclose(sharp.scores, [[0.8, 0.2, 0.0]], rtol=1e-6)
    assert sharp.labels == ["a"]


def test_agreement_with_gold_is_measured_in_the_gold_taxonomy(
    plugins: Registry, store: Store
) -> None:
    gold = [{"a": 1.0}, {"a": 1.0}, {"b": 1.0}, {"b": 1.0}, {"a": 1.0, "b": 1.0}]
    utterances = manifest(store, ["aa", "b", "b", "c", "ab"], gold=gold, taxonomy="ab-only")
    told = summary(run(plugins, store, utterances, gold_taxonomy=AB))["gold"]
    assert told["without_single_gold"] == 1
    assert told["confusion"] == [[1, 1], [0, 1]]
    covered, strict = told["abstention_left_out"], told["abstention_is_wrong"]
    assert covered["n"] == 3
    assert covered["uar"] == {"value": 0.75, "interval": None}
    assert covered["wa"]["value"] == pytest.approx(2 / 3)
    assert covered["macro_f1"] == pytest.approx(2 / 3)
    assert covered["kappa"] == pytest.approx(0.4)
    assert strict["n"] == 4
    assert strict["uar"]["value"] == 0.5
    assert strict["macro_f1"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert told["hit_in_gold_set"] == {"n": 4, "share": 0.75}


def test_agreement_has_an_interval_where_there_are_speakers_enough(
    plugins: Registry, store: Store
) -> None:
    texts: list[str | None] = ["aa", "b", "ab", "bb", "a", "bba"] * 4
    gold = [{"a": 1.0}, {"b": 1.0}, {"b": 1.0}] * 8
    speakers = [f"s{i // 4}" for i in range(24)]
    utterances = manifest(store, texts, gold=gold, speaker=speakers, taxonomy="ab-only")
    told = summary(run(plugins, store, utterances, gold_taxonomy=AB))["gold"]
    found = told["abstention_is_wrong"]["uar"]
    assert found["interval"]["low"] < found["value"] < found["interval"]["high"]


def test_agreement_that_cannot_be_measured_says_why(plugins: Registry, store: Store) -> None:
    other = AB.model_copy(update={"name": "other", "maps": {}})
    utterances = manifest(store, ["a"], gold=[{"a": 1.0}], taxonomy="other")
    told = summary(run(plugins, store, utterances, gold_taxonomy=other))["gold"]
    assert "no map from abc to other" in told["not_compared"]


def test_the_oracle_gives_mapped_gold_and_abstains_on_the_unmapped(
    plugins: Registry, store: Store
) -> None:
    gold = [{"c": 1.0}, {"b": 1.0}, {}, {"a": 0.2, "b": 0.7, "c": 0.1}]
    utterances = manifest(store, ["", "x", "x", None], gold=gold, taxonomy="abc")
    found = run(plugins, store, utterances, labeler="oracle", taxonomy=AB, gold_taxonomy=ABC)
    table = label_files.read_labels(found)
    assert table.labels == [None, "b", None, "b"]
    assert table.reasons == ["labeler", None, "labeler", None]
    assert summary(found)["labeler_reads"] == ["gold"]


def test_gold_is_asked_for_in_vain_where_there_is_none(plugins: Registry, store: Store) -> None:
    with pytest.raises(DataError, match="'oracle' reads gold labels"):
        run(plugins, store, manifest(store, ["a"]), labeler="oracle")
    unmapped = AB.model_copy(update={"name": "z", "maps": {}})
    with pytest.raises(TaxonomyError, match="no map from z to abc"):
        run(plugins, store, manifest(store, ["a"]), labeler="oracle", gold_taxonomy=unmapped)


def test_a_labeler_that_breaks_its_contract_is_named(plugins: Registry, store: Store) -> None:
    with pytest.raises(PluginError, match="'wrong' breaks its contract"):
        run(plugins, store, manifest(store, ["a"]), labeler="wrong")
    with pytest.raises(
        PluginError,
        match=r"abstained has shape .* and type int64",
    ):
        run(plugins, store, manifest(store, ["a"]), labeler="words")
    with pytest.raises(PluginError, match=r"'ragged' failed on 1 records .*ValueError"):
        run(plugins, store, manifest(store, ["a"]), labeler="ragged")
    with pytest.raises(PluginError, match=r"'bursts' failed on 1 records.*KeyError"):
        run(plugins, store, manifest(store, ["a"]), labeler="bursts")
    with pytest.raises(PluginError, match=r"'texts', which is no field .* Did you mean 'text'"):
        run(plugins, store, manifest(store, ["a"]), labeler="typo")


def test_the_key_moves_with_what_can_change_labels_and_with_nothing_else(plugins: Registry) -> None:
    base: dict[str, Any] = {
        "utterances": "u",
        "transcripts": "t",
        "labeler": identity(plugins, "letters"),
        "taxonomy": ABC,
        "params": label.Params(),
        "threads": 2,
    }
    key = label.spec(**base).key
    noted = ABC.model_copy(update={"notes": "more", "title": "T", "citation": "c"})
    assert label.spec(**base | {"taxonomy": noted}).key == key
    for change in (
        {"transcripts": None},
        {"taxonomy": NO_NEUTRAL},
        {"labeler": identity(plugins, "reader")},
        {"params": label.Params(min_margin=0.1)},
        {"threads": 1},
        {"gold_taxonomy": AB},
    ):
        assert label.spec(**base | change).key != key


def test_missing_evidence_is_not_silence(plugins: Registry, store: Store) -> None:
    utterances = manifest(store, [None, None])
    rows = [
        {"text": "a", "no_speech_prob": math.nan, "avg_logprob": -3.0},
        {"text": "a", "no_speech_prob": 0.9, "avg_logprob": math.nan},
    ]
    found = run(plugins, store, utterances, spoken=transcripts(store, utterances, rows))
    assert label_files.read_labels(found).labels == ["a", "a"]


def test_a_prior_from_texts_that_say_nothing_divides_the_scores(
    plugins: Registry, store: Store
) -> None:
    utterances = manifest(store, ["aab"])
    told: dict[str, Any] = {"prior_correction": "content-free", "content_free": ["aaab", "z"]}
    found = label_files.read_labels(run(plugins, store, utterances, **told))
    # The labeler abstains on z; (2/3) / (3/4) and (1/3) / (1/4) are 8/9 and 12/9.
    np.testing.assert_allclose(found.scores, [[0.4, 0.6, 0]], rtol=1e-6)
    with pytest.raises(SettingsError, match="'letters' gives none of 'z' a score"):
        run(plugins, store, utterances, **told | {"content_free": ["z"]})


def test_many_blocks_give_what_one_block_gives(
    plugins: Registry, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lanser_bench.stages.label import files as label_files
    from lanser_bench.stages.label import texts as _label_texts
    from lanser_bench.stages.maps import distinct_rows as _row_index

    random = np.random.default_rng(0)
    texts: list[str | None] = ["".join(random.choice(list("abcx"), 3)) for _ in range(50)]
    gold = [{"a": 1.0} if i % 3 else {} for i in range(50)]
    columns: dict[str, list[Any]] = {
        "gold": gold,
        "dialogue_id": [f"d{i % 4}" for i in range(50)],
        "turn": list(range(50)),
    }
    utterances = manifest(store, texts, taxonomy="abc", **columns)
    spoken = transcripts(store, utterances, [{"text": text} for text in texts])
    params: dict[str, Any] = {
        "labeler": "reader",
        "spoken": spoken,
        "gold_taxonomy": ABC,
        "shard_rows": 8,
        "prior_correction": "corpus-mean",
        "top_q": 0.6,
    }
    whole = run(plugins, store, utterances, **params)
    expected, told = label_files.read_labels(whole), summary(whole)
    store.discard(whole.key)
    for module in (label_stage, _label_texts, _row_index):
        monkeypatch.setattr(module, "BLOCK", 7)
    pieces = run(plugins, store, utterances, **params)
    found = label_files.read_labels(pieces)
    assert found.ids == expected.ids
    assert found.labels == expected.labels
    assert found.reasons == expected.reasons
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-6)
    assert summary(pieces) == told
    assert told["gold"]["without_single_gold"] == 17
    assert sorted(path.name for path in pieces.path.glob("*.sqlite")) == []


@pytest.mark.parametrize("name", ["majority", "shuffled"])
def test_controls_settle_over_the_corpus(plugins: Registry, store: Store, name: str) -> None:
    utterances = manifest(store, ["aa", "a", "b", "x", "", "aab"] * 3)
    plugin = plugins.create("labeler", name, {"member": "letters"})
    spec = label.spec(
        utterances=utterances.key,
        transcripts=None,
        taxonomy=ABC,
        params=label.Params(),
        labeler=plugin_identity(plugins, "labeler", name, plugin),
        threads=1,
    )
    with store.write(spec) as draft:
        label_stage.run(StageContext(spec, store, plugins), draft)
    table = label_files.read_labels(store.checked(spec.key))
    assert table.reasons[3:5] == ["labeler", "empty text"]
    counts = {one: table.labels.count(one) for one in ("a", "b")}
    assert counts == ({"a": 12, "b": 0} if name == "majority" else {"a": 9, "b": 3})
    assert summary(store.checked(spec.key))["settled"]["method"] == name


def test_dawid_skene_stands_beside_the_majority(plugins: Registry, store: Store) -> None:
    utterances = manifest(store, ["aab", "b", "c", "x"], gold=[{"a": 1.0}] * 4, taxonomy="abc")
    options = {"members": ["letters", "reader"], "combine": "dawid-skene"}
    plugin = plugins.create("labeler", "ensemble", options)
    spec = label.spec(
        utterances=utterances.key,
        transcripts=None,
        taxonomy=ABC,
        params=label.Params(),
        labeler=plugin_identity(plugins, "labeler", "ensemble", plugin),
        threads=1,
        gold_taxonomy=ABC,
    )
    with store.write(spec) as draft:
        label_stage.run(StageContext(spec, store, plugins), draft)
    told = summary(store.checked(spec.key))
    assert label_files.read_labels(store.checked(spec.key)).labels == ["a", "b", "c", None]
    assert told["settled"]["agrees_with_majority"] == 1
    assert told["beside"]["majority"]["labels"] == {"a": 1, "b": 1, "c": 1}
    assert told["beside"]["majority"]["gold"]["abstention_left_out"]["n"] == 3


def test_finished_shards_outlive_a_server_that_goes_down(plugins: Registry, store: Store) -> None:
    texts: list[str | None] = ["a" * (i + 1) for i in range(40)]
    utterances = manifest(store, texts)
    with pytest.raises(LanserError, match="server is down"):
        run(plugins, store, utterances, labeler="tires", shard_rows=8)
    told = len(calls())
    found = run(plugins, store, utterances, labeler="tires", shard_rows=8)
    assert found.meta["counts"]["shards_reused"] == 3
    assert len(calls()) == 40
    assert 0 < told < 40


def test_transcripts_of_other_utterances_are_refused(plugins: Registry, store: Store) -> None:
    utterances = manifest(store, [None, None])
    for rows in ([{"text": "a"}], [{"text": "a"}] * 3):
        spoken = transcripts(store, utterances, rows)
        with pytest.raises(StoreError, match="belong to other utterances"):
            run(plugins, store, utterances, spoken=spoken)


def test_a_corpus_without_utterances_gives_an_empty_table(plugins: Registry, store: Store) -> None:
    found = run(plugins, store, manifest(store, []))
    assert label_files.read_labels(found).scores.shape == (0, 3)
    assert summary(found)["coverage"] == 0
