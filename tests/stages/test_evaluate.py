from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from evaluation_world import NAMES, TAXONOMY, World, labelled_layers, speakers_and_labels
from pydantic import ValidationError

from lanser_bench import DataError, SettingsError
from lanser_bench.errors import LeakageError
from lanser_bench.evaluation.metrics import confusion_matrix, uar
from lanser_bench.evaluation.predictions import classified_rows
from lanser_bench.evaluation.results import EvaluationResult
from lanser_bench.plugins.discovery import registry
from lanser_bench.stages.base import StageContext
from lanser_bench.stages.embed.corrections import read_layers
from lanser_bench.stages.evaluate import spec as evaluate

PARAMS = evaluate.Params(budgets=(0.1, "k=4", 1.0), seeds=2, folds=3, strengths=(1e-2, 1e-1))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def keys(world: World, **columns) -> tuple[str, str]:
    speakers, labels = speakers_and_labels()
    rows = [
        {"speaker": speaker, "gold": {NAMES[label]: 1.0}}
        for speaker, label in zip(speakers, labels, strict=True)
    ]
    for name, values in columns.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    utterances = world.manifest(rows)
    return utterances, world.embeddings(utterances, labelled_layers(labels))


def spec_of(keys_: tuple[str, str], params: evaluate.Params = PARAMS, seed: int = 0):
    utterances, embeddings = keys_
    return evaluate.spec(
        utterances=utterances, embeddings=embeddings, taxonomy=TAXONOMY, params=params, seed=seed
    )


def result(world: World, keys_: tuple[str, str], params: evaluate.Params = PARAMS):
    artifact = world.result(spec_of(keys_, params))
    text = (artifact.path / evaluate.RESULT).read_text(encoding="utf-8")
    return EvaluationResult.model_validate_json(text), artifact


def test_a_record_holds_scores_controls_and_the_split(world: World) -> None:
    found, _ = result(world, keys(world))
    assert found.labels == list(NAMES)
    assert (found.n_utterances, found.n_left_out, found.n_speakers, found.n_folds) == (96, 0, 6, 3)
    assert [b.budget for b in found.budgets] == ["10%", "100%", "k=4"]
    best = found.budgets[1]
    assert best.uar.value > 0.8
    assert {score.layer for score in best.folds} == {"layer_01"}
    assert best.uar.interval is not None
    assert found.majority["uar"].value == pytest.approx(0.25)
    assert np.sum(found.confusion) == 96
    assert len(found.split_hash) == 32
    assert "from 0.1 to 1" in found.area_axis
    assert found.area.interval is not None


def test_labelled_utterances_in_no_part_of_the_split_are_counted(world: World) -> None:
    parts = ["train"] * 32 + ["test"] * 32 + ["dev"] * 16 + [None] * 16
    params = PARAMS.model_copy(update={"protocol": "split"})
    found, _ = result(world, keys(world, split=parts), params)
    assert found.warnings[0].startswith("32 of 96 labelled utterances are unused: 16 are in the")


def test_pretraining_on_speakers_that_are_evaluated_is_told(world: World) -> None:
    utterances, _ = keys(world)
    layers = labelled_layers(speakers_and_labels()[1])
    warnings = []
    for corpus in (
        [{"speaker": "made:s1", "audio_sha": "sha-3"}, {"speaker": "other:s2"}],
        [{"speaker": "other:s1", "audio_sha": "elsewhere"}],
    ):
        model = world.model(world.manifest(corpus), "gold")
        found, _ = result(world, (utterances, world.embeddings(utterances, layers, model)))
        warnings.append(found.warnings)
    assert len(warnings[0]) == 1 + len(warnings[1])
    told = "with their human labels, on 1 of the 6 speakers and 2 of the 96 recordings"
    assert told in warnings[0][0]


def test_predictions_give_the_printed_scores(world: World) -> None:
    found, artifact = result(world, keys(world))
    path = artifact.path / "predictions.parquet"
    table = pq.read_table(path)
    assert set(table.column_names) == {
        "id",
        "speaker",
        "fold",
        "seed",
        "budget",
        "gold",
        "predicted",
    }
    for budget in found.budgets:
        rows = pq.read_table(path, filters=[("budget", "==", budget.budget)])
        data = classified_rows(rows, len(found.labels))
        each = [uar(confusion_matrix(data.gold, row, 4)) for row in data.predicted]
        assert budget.uar.value == pytest.approx(np.mean(each), abs=1e-12)


def test_utterances_without_one_gold_label_are_left_out_and_counted(world: World) -> None:
    gold = [{NAMES[label]: 1.0} for label in speakers_and_labels()[1]]
    gold[0], gold[1] = {}, {"angry": 0.5, "sad": 0.5}
    found, artifact = result(world, keys(world, gold=gold))
    assert (found.n_utterances, found.n_left_out) == (94, 2)
    assert any(w.startswith("1 of 96 utterances have several gold labels") for w in found.warnings)
    assert "u000" not in pq.read_table(artifact.path / "predictions.parquet")["id"].to_pylist()


def test_labels_without_gold_leave_the_label_set(world: World) -> None:
    names = [NAMES[label] if label else "sad" for label in speakers_and_labels()[1]]
    found, _ = result(world, keys(world, gold=[{name: 1.0} for name in names]))
    assert found.labels == ["bored", "happy", "sad"]


def test_permuted_gold_is_marked_and_falls(world: World) -> None:
    own = keys(world)
    true, _ = result(world, own)
    permuted, _ = result(world, own, PARAMS.model_copy(update={"permute_gold": True, "seeds": 8}))
    assert permuted.control == "permuted gold"
    assert permuted.split_hash == true.split_hash
    assert permuted.budgets[1].uar.value < 0.45 < true.budgets[1].uar.value


def test_the_same_stage_gives_the_same_bytes(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other")
    texts = []
    for one in (world, other):
        _, artifact = result(one, keys(one))
        texts.append([(artifact.path / name).read_bytes() for name in artifact.meta["files"]])
    assert texts[0] == texts[1]


def test_all_that_changes_the_result_is_in_the_key_and_wording_is_not(world: World) -> None:
    own = keys(world)
    base = spec_of(own).key
    assert spec_of(own, seed=1).key != base
    assert spec_of(own, PARAMS.model_copy(update={"normalise": "speaker"})).key != base
    labels = tuple(label.model_copy(update={"hypothesis": "x"}) for label in TAXONOMY.labels)
    reworded = TAXONOMY.model_copy(update={"labels": labels})
    same = evaluate.spec(
        utterances=own[0], embeddings=own[1], taxonomy=reworded, params=PARAMS, seed=0
    )
    assert same.key == base


def test_the_manifests_own_split(world: World) -> None:
    speakers, _ = speakers_and_labels()
    part = {"made:s0": "test", "made:s1": "test", "made:s2": "dev"}
    splits = [part.get(speaker, "train") for speaker in speakers]
    params = PARAMS.model_copy(update={"protocol": "split"})
    found, artifact = result(world, keys(world, split=splits), params)
    assert found.n_folds == 1
    tested = set(pq.read_table(artifact.path / "predictions.parquet")["speaker"].to_pylist())
    assert tested == {"made:s0", "made:s1"}
    assert found.budgets[1].uar.interval is None  # two test speakers


def test_an_official_protocol_keeps_its_name_and_has_the_folds_it_stands_for(world: World) -> None:
    speakers, _ = speakers_and_labels()
    extras = [{"session": f"Session{int(speaker[-1]) // 2}"} for speaker in speakers]
    utterances, embeddings = keys(world, extras=extras)

    def study(protocol: str, **official: str):
        spec = evaluate.spec(
            utterances=utterances,
            embeddings=embeddings,
            taxonomy=TAXONOMY,
            seed=0,
            params=PARAMS.model_copy(update={"protocol": protocol}),
            official=official,
        )
        artifact = world.result(spec)
        text = (artifact.path / evaluate.RESULT).read_text(encoding="utf-8")
        return EvaluationResult.model_validate_json(text)

    by_session = study("leave-one-session-out")
    official = study("superb", superb="leave-one-session-out")
    assert (official.protocol, official.n_folds) == ("superb", 3)
    assert official.split_hash == by_session.split_hash
    with pytest.raises(SettingsError, match="Did you mean 'superb'"):
        study("supberb", superb="leave-one-session-out")


def test_sessions_that_are_not_known_are_asked_for(world: World) -> None:
    params = PARAMS.model_copy(update={"protocol": "leave-one-session-out"})
    with pytest.raises(DataError, match="needs the extra `session`"):
        result(world, keys(world), params)


def test_a_split_that_crosses_speakers_is_refused(world: World) -> None:
    splits = ["test", *["train"] * 47, *["test"] * 48]
    params = PARAMS.model_copy(update={"protocol": "split"})
    with pytest.raises(LeakageError, match=r"'made:s0'.*u001.*u000"):
        result(world, keys(world, split=splits), params)


@pytest.mark.parametrize("crossed", [("train", "test"), ("train", "dev"), ("dev", "test")])
@pytest.mark.parametrize("what", ["speaker", "audio_sha"])
def test_no_two_parts_of_a_split_may_share_a_speaker_or_a_recording(
    world: World, what: str, crossed: tuple[str, str]
) -> None:
    speakers, _ = speakers_and_labels()
    of = {"made:s0": "test", "made:s1": "test", "made:s2": "dev"}
    splits = [of.get(speaker, "train") for speaker in speakers]
    columns = {"speaker": list(speakers), "audio_sha": [f"sha-{i}" for i in range(len(speakers))]}
    one, other = (splits.index(part) for part in crossed)
    columns[what][one] = columns[what][other]
    params = PARAMS.model_copy(update={"protocol": "split"})
    with pytest.raises(
        LeakageError, match=rf"u0{one:02d}.*u0{other:02d}|u0{other:02d}.*u0{one:02d}"
    ):
        result(world, keys(world, split=splits, **columns), params)


def test_a_hundred_layers_keep_their_order(world: World) -> None:
    utterances, labels = keys(world)[0], speakers_and_labels()[1]
    layers = {f"layer_{i:02d}": np.zeros((len(labels), 2)) for i in range(101)}
    layers["layer_100"] = labelled_layers(labels)["layer_01"]
    last = PARAMS.model_copy(update={"layers": "last"})
    found, _ = result(world, (utterances, world.embeddings(utterances, layers)), last)
    assert {score.layer for score in found.budgets[1].folds} == {"layer_100"}


def test_equal_recordings_of_two_speakers_are_refused(world: World) -> None:
    shas = [f"sha-{i}" for i in range(96)]
    shas[95] = shas[0]
    with pytest.raises(LeakageError, match=r"u0(00|95) .*u0(00|95)"):
        result(world, keys(world, audio_sha=shas))


def test_repeated_sentences_are_told_once(world: World) -> None:
    sentences = [str(i % 2) for i in range(96)]
    found, _ = result(world, keys(world, sentence_id=sentences))
    assert len([w for w in found.warnings if "training side says too" in w]) == 1
    assert "2 more folds" in found.warnings[0]
    assert any("2 scripted sentences" in warning for warning in found.warnings)


def test_one_speaker_gets_a_sentence(world: World) -> None:
    with pytest.raises(DataError, match="at least 2 speakers; there is 1"):
        result(world, keys(world, speaker=["made:only"] * 96))


def test_missing_speakers_and_missing_gold_get_a_sentence(world: World) -> None:
    speakers = [None, *speakers_and_labels()[0][1:]]
    with pytest.raises(DataError, match=r"1 of 96 .*no speaker .*u000"):
        result(world, keys(world, speaker=speakers))
    with pytest.raises(DataError, match="at least 2 classes; 0 of 96"):
        result(world, keys(world, gold=[{}] * 96))


def test_layers_are_chosen_by_name(world: World) -> None:
    own = keys(world)
    first = PARAMS.model_copy(update={"layers": ("layer_00",)})
    found, _ = result(world, own, first)
    assert {score.layer for score in found.budgets[1].folds} == {"layer_00"}
    with pytest.raises(SettingsError, match=r"no layer 'layer_7'\. .*layer_0"):
        result(world, own, PARAMS.model_copy(update={"layers": ("layer_7",)}))


def test_an_embedding_that_is_not_finite_is_named(world: World) -> None:
    utterances, _ = keys(world)
    layers = labelled_layers(speakers_and_labels()[1])
    layers["layer_01"][5, 2] = np.nan
    with pytest.raises(DataError, match=r"1 embeddings of layer_01 .*u005"):
        result(world, (utterances, world.embeddings(utterances, layers)))


def test_speaker_normalisation_removes_a_speakers_offset(world: World) -> None:
    speakers, labels = speakers_and_labels()
    layers = labelled_layers(labels)
    offset = 40 * np.random.default_rng(3).standard_normal((6, 8)).repeat(16, axis=0)
    own = keys(world)[0]
    shifted = own, world.embeddings(own, {"layer_00": layers["layer_01"] + offset})
    plain, _ = result(world, shifted)
    params = PARAMS.model_copy(update={"normalise": "speaker"})
    normal, _ = result(world, shifted, params)
    assert normal.budgets[1].uar.value > plain.budgets[1].uar.value + 0.2
    assert len(set(speakers)) == plain.n_speakers


@pytest.mark.parametrize(
    "wrong", [{"budgets": (2.0,)}, {"budgets": (0.1, 0.1)}, {"strengths": (0.0,)}, {"fold": 3}]
)
def test_wrong_settings_are_refused(wrong) -> None:
    with pytest.raises(ValidationError):
        evaluate.Params.model_validate(wrong)


def test_embeddings_are_matched_by_id(world: World) -> None:
    utterances, embeddings = keys(world)
    layers = labelled_layers(speakers_and_labels()[1])
    context = StageContext(spec_of((utterances, embeddings)), world.store, registry())
    wanted = [f"u{i:03d}" for i in (7, 3, 95, 20)]
    for name, values in read_layers(context, "all", wanted).items():
        np.testing.assert_array_equal(values, layers[name][[7, 3, 95, 20]].astype(np.float32))
    with pytest.raises(DataError, match=r"1 utterances have no embedding .*u999"):
        read_layers(context, "all", [*wanted, "u999"])
