from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lanser_bench.errors import SettingsError
from lanser_bench.experiment.settings.axis_names import slug
from lanser_bench.experiment.settings.files import read_experiment, shipped
from lanser_bench.experiment.settings.grid import expand
from lanser_bench.experiment.settings.model import Experiment

BASE: dict[str, Any] = {
    "name": "t",
    "labeler": "random",
    "taxonomy": "ekman-6",
    "encoder": "cnn",
    "targets": [{"dataset": "synthetic", "clips": 20}],
}


def experiment(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "e.yaml"
    path.write_text(text)
    return path


def points(*overrides: str, **changes: Any) -> list[Any]:
    return expand(read_experiment({**BASE, **changes}, overrides))


def test_a_plugin_is_a_name_or_a_mapping_of_name_and_options() -> None:
    (one,) = points(labeler={"name": "random", "seed": 3})
    assert one.settings.labeler.name == "random"
    assert one.settings.labeler.options == {"seed": 3}
    assert one.settings.encoder.options == {}
    assert one.settings.targets[0].options == {"clips": 20}


def test_settings_survive_their_own_dump() -> None:
    (one,) = points(labeler={"name": "random", "seed": 3})
    again = type(one.settings).model_validate(one.settings.model_dump(mode="json"))
    assert again == one.settings


def test_a_yaml_fault_names_file_and_line(tmp_path: Path) -> None:
    path = experiment(tmp_path, "name: t\ncorpora: [\nlabeler: x\n")
    with pytest.raises(SettingsError, match=r"e\.yaml, line \d"):
        read_experiment(path)


def test_a_file_that_holds_itself_is_refused_with_its_line(tmp_path: Path) -> None:
    path = experiment(tmp_path, "name: t\nlabeler: &x\n  name: *x\n")
    with pytest.raises(SettingsError, match=r"line 2: this node contains itself"):
        read_experiment(path)


def test_many_aliases_of_one_part_are_looked_at_once(tmp_path: Path) -> None:
    doubled = "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
    path = experiment(tmp_path, f"a0: &a0 [1, 1]\n{doubled}")
    assert read_experiment(path).settings["a0"] == [1, 1]


def test_an_unknown_key_names_its_line_and_a_suggestion(tmp_path: Path) -> None:
    path = experiment(
        tmp_path,
        "name: t\nlabeler: random\ntaxonomy: ekman-6\nencoder: cnn\n"
        "targets: [{dataset: synthetic}]\npretrain:\n  epoch: 3\n",
    )
    with pytest.raises(SettingsError, match=r"line 7: unknown key 'pretrain.epoch'.*'epochs'"):
        expand(read_experiment(path))


def test_a_fault_of_an_override_is_not_said_of_the_file(tmp_path: Path) -> None:
    path = experiment(
        tmp_path,
        "name: t\nlabeler: random\ntaxonomy: ekman-6\nencoder: cnn\n"
        "targets: [{dataset: synthetic}]\npretrain:\n  epochs: -1\n",
    )

    def refused(*overrides: str) -> str:
        with pytest.raises(SettingsError) as refusal:
            expand(read_experiment(path, overrides))
        return str(refusal.value)

    assert "line 7: 'pretrain.epochs' is -1" in refused()
    assert refused("pretrain.epochs=2", "labeller=x").startswith(
        "Override 'labeller=x': unknown key 'labeller'. Did you mean 'labeler'?"
    )
    assert "Override 'pretrain.epoch=3': unknown key 'pretrain.epoch'" in refused(
        "pretrain.epoch=3"
    )
    both = refused("pretrain.epochs=-2", "pretrain.epochs=-3", "seeds=[-4]")
    assert "Override 'pretrain.epochs=-3': 'pretrain.epochs' is -3" in both
    assert "Override 'seeds=[-4]': 'pretrain.seeds.0' is -4" in both


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"corpora": 3}, "'corpora' is 3: input should be a list."),
        ({"taxonomy": 6.5}, "'taxonomy' is 6.5: input should be text: put it in quotes."),
        ({"pretrain": [1]}, "'pretrain' is [1]: input should be keys and values."),
        ({"targets": []}, "'targets' is []: input should have 1 or more entries."),
        ({"labeler": ["random", "lexicon"]}, "write grid: {labeler: [random, lexicon]}."),
        ({"labeler": {"random": {"seed": 1}}}, "a mapping {name: random, option: …}"),
        ({"taxonomy": ["a", "b"]}, "expected one value. To try several, write grid: {taxonomy:"),
        ({"pretrain": {"epochs": [1, 2]}}, "write grid: {pretrain.epochs: [1, 2]}."),
        ({"probes": "prosody"}, "input should be a list. Write [prosody]."),
        ({"seeds": 3}, "for 3 seeds write [0, 1, 2], for the seed 3 alone [3]."),
        ({"evaluate": {"budgets": "10%"}}, "input should be a list. Write [10%]."),
        ({"evaluate": {"budgets": [10]}}, "such as 0.1 or '10%'"),
    ],
)
def test_a_wrong_type_is_told_in_words_of_the_file(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        points(**changes)
    assert words in str(refusal.value)


def test_a_list_is_not_too_short_for_its_faulty_entries() -> None:
    with pytest.raises(SettingsError) as refusal:
        points(targets=[{"dataset": "synthetic", "on_bad_audio": "x"}])
    assert "entries" not in str(refusal.value)
    assert "targets" in str(refusal.value)


@pytest.mark.parametrize(
    ("override", "place", "value"),
    [
        ("seed=7", ("seed",), 7),
        ("pretrain.learning_rate=1e-4", ("pretrain", "learning_rate"), 1e-4),
        ("pretrain.seeds=[1,2]", ("pretrain", "seeds"), (1, 2)),
        ("labeler.seed=4", ("labeler", "options"), {"seed": 4}),
        ("targets.0.clips=9", ("targets", 0, "options"), {"clips": 9}),
        ("probes=[prosody]", ("probes", 0, "name"), "prosody"),
    ],
)
def test_overrides_reach_any_depth(override: str, place: tuple[Any, ...], value: Any) -> None:
    (one,) = points(override)
    found: Any = one.settings
    for part in place:
        found = found[part] if isinstance(part, int) else getattr(found, part)
    assert found == value


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("seed", "key=value"),
        ("=3", "key=value"),
        ("targets.4.clips=3", "no entry '4'"),
        ("seed.x=3", "'seed' is 0"),
        ("seed=[1", "Override"),
    ],
)
def test_a_wrong_override_is_refused(override: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words.replace("[", r"\[")):
        points(override, seed=0)


def test_an_environment_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LANSER_NOWHERE", raising=False)
    target = {"dataset": "ravdess", "root": "${oc.env:LANSER_NOWHERE}/ravdess"}
    with pytest.raises(SettingsError, match=r"'targets\[0\].root' needs .* LANSER_NOWHERE"):
        points(targets=[target])
    monkeypatch.setenv("LANSER_NOWHERE", "/data")
    assert points(targets=[target])[0].settings.targets[0].root == Path("/data/ravdess")


def test_interpolation_between_keys() -> None:
    (one,) = points(seed=5, pretrain={"seeds": ["${seed}"]})
    assert one.settings.pretrain.seeds == (5,)


def test_a_missing_file_suggests_a_shipped_experiment() -> None:
    with pytest.raises(SettingsError, match="Did you mean 'quickstart'"):
        read_experiment("quikstart")


def test_the_shipped_experiments_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LANSER_DATA_ROOT", "LANSER_TALKIES_ROOT"):
        monkeypatch.setenv(name, "/data")
    assert {"quickstart", "lanser"} <= set(shipped())
    for name in shipped():
        assert expand(read_experiment(name))


def test_a_grid_is_the_product_of_its_axes_with_readable_names() -> None:
    found = points(
        grid={
            "labeler": [{"name": "random", "seed": 1}, {"name": "random", "seed": 2}, "oracle"],
            "evaluate.folds": [3, 5],
        }
    )
    assert len(found) == 6
    assert found[0].axes == {"labeler": "random(seed=1)", "evaluate.folds": "3"}
    assert found[-1].axes == {"labeler": "oracle", "evaluate.folds": "5"}
    assert found[-1].settings.evaluate.folds == 5
    assert found[2].settings.labeler.options == {"seed": 2}


def test_zip_goes_together_and_exclude_leaves_out() -> None:
    found = points(
        grid={"seed": [0, 1]},
        zip={"labeler": ["random", "oracle"], "taxonomy": ["ekman-6", "plutchik-8"]},
        exclude=[{"seed": 1, "labeler": "oracle"}],
    )
    assert [(p.axes["seed"], p.axes["labeler"], p.axes["taxonomy"]) for p in found] == [
        ("0", "random", "ekman-6"),
        ("0", "oracle", "plutchik-8"),
        ("1", "random", "ekman-6"),
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"grid": {"seed": 3}}, "needs a list"),
        ({"grid": {"seed": [1, 1]}}, "duplicate value"),
        ({"zip": {"seed": [1], "name": ["a", "b"]}}, "equally many"),
        ({"grid": {"seed": [1]}, "zip": {"seed": [2]}}, "both"),
        ({"grid": {"seed": [1]}, "exclude": [{"seed": 1}]}, "no point"),
        ({"grid": {"seed": [1]}, "exclude": [{"sed": 1}]}, "not an axis"),
    ],
)
def test_a_wrong_grid_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        points(**changes)


def test_a_grid_of_the_wrong_form_is_refused_also_with_overrides() -> None:
    with pytest.raises(SettingsError, match="'grid' is a mapping"):
        points("seed=1", grid=[1, 2])


@pytest.mark.parametrize("value", [float("nan"), date(2020, 1, 1)])
def test_an_axis_of_values_that_have_no_name_is_refused(value: object) -> None:
    with pytest.raises(SettingsError, match=r"axis 'seed'.*Use numbers"):
        points(grid={"seed": [value]})


def test_paths_on_an_axis_show_no_more_than_tells_them_apart() -> None:
    paths = ["/home/me/one/words.yaml", "/home/me/two/words.yaml", "/home/me/other.yaml"]
    found = points(grid={"taxonomy": paths})
    assert [p.axes["taxonomy"] for p in found] == ["one/words", "two/words", "other"]


@pytest.mark.parametrize(
    "changes",
    [
        {"pretrain": {"clip_norm": float("inf")}},
        {"embed": {"batch_seconds": float("inf")}},
        {"label": {"min_avg_logprob": float("-inf")}},
    ],
)
def test_infinity_is_refused_because_no_key_can_hold_it(changes: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="finite number"):
        points(**changes)


@pytest.mark.parametrize(
    "changes",
    [{"seed": -1}, {"seed": 2**32}, {"pretrain": {"seeds": [-1]}}, {"evaluate": {"seed": -1}}],
)
def test_a_seed_that_no_generator_takes_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="seed"):
        points(**changes)


def test_the_same_probe_twice_is_refused_because_results_go_by_its_name() -> None:
    probes = [{"name": "planted", "names": ["a"]}, {"name": "planted", "names": ["b"]}]
    with pytest.raises(SettingsError, match="duplicate probe planted"):
        points(probes=probes)


def test_an_axis_is_not_overridden_by_accident() -> None:
    with pytest.raises(SettingsError, match=r"axis of the grid.*grid\.evaluate\.folds"):
        points("evaluate.folds=4", grid={"evaluate.folds": [3, 5]})
    found = points("grid.evaluate.folds=[4]", grid={"evaluate.folds": [3, 5]})
    assert [p.settings.evaluate.folds for p in found] == [4]


def test_file_names_are_plain() -> None:
    assert slug("labeler=a b/ü, seed=1") == "labeler-a-b-seed-1"


def test_an_option_of_a_plugin_that_the_file_leaves_out_goes_to_the_default() -> None:
    file = read_experiment({"name": "x"}, ["executor.threads=1", "asr.kind=text"])
    assert file.settings["executor"] == {"name": "local", "threads": 1}
    assert file.settings["asr"] == {"name": "reference", "kind": "text"}


def shown(found: list[Any]) -> list[str]:
    return [",".join(point.axes.values()) for point in found]


def test_include_adds_points_that_keep_the_rest_of_the_file() -> None:
    found = points(
        grid={"labeler": ["random", "lexicon"], "seed": [0, 1]},
        include=[{"labeler": "oracle", "pretrain.epochs": 3}],
        seed=7,
    )
    assert shown(found) == [
        "random,0,15",
        "random,1,15",
        "lexicon,0,15",
        "lexicon,1,15",
        "oracle,7,3",
    ]
    assert found[-1].settings.pretrain.epochs == 3
    assert found[-1].settings.seed == 7
    assert list(found[0].axes) == ["labeler", "seed", "pretrain.epochs"]


def test_the_controls_of_a_point_are_no_axis_of_it() -> None:
    found = points(
        grids=[
            {"grid": {"labeler": ["random"]}},
            {"grid": {"labeler": ["oracle"], "controls.shuffled": ["none"]}},
        ]
    )
    assert [point.axes for point in found] == [{"labeler": "random"}, {"labeler": "oracle"}]
    assert [point.settings.controls.shuffled for point in found] == ["each", "none"]


def test_include_alone_lists_all_the_points() -> None:
    assert shown(points(include=[{"seed": 1}, {"labeler": {"name": "random", "seed": 2}}])) == [
        "1,random",
        "0,random(seed=2)",
    ]


def test_several_grids_are_one_list_of_points_in_which_equal_ones_are_there_once() -> None:
    found = points(
        grids=[
            {"grid": {"labeler": ["random", "oracle"]}},
            {"grid": {"encoder": ["cnn", {"name": "resnet", "size": "small"}]}},
        ]
    )
    assert shown(found) == ["random,cnn", "oracle,cnn", "random,resnet"]


def test_an_option_that_a_grid_does_not_set_is_shown_as_the_file_has_it() -> None:
    found = points(
        grids=[{"grid": {"labeler.seed": [3]}}, {"include": [{"seed": 1}]}],
        labeler={"name": "random", "seed": 9},
    )
    assert shown(found) == ["3,0", "9,1"]
    assert points(include=[{"labeler.seed": 3}, {"seed": 1}])[1].axes["labeler.seed"] == "default"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"include": {"seed": 1}}, "'include' is a list of mappings"),
        ({"include": [{"pretrain.epoch": 1}]}, "unknown key 'pretrain.epoch'.*'epochs'"),
        ({"grids": {"grid": {}}}, "'grids' is a list of mappings"),
        ({"grids": [{"gird": {"seed": [1]}}]}, "unknown key 'grids.0.gird'.*'grid'"),
        ({"grids": [{"grid": {"seed": 1}}]}, "grids.0: axis 'seed' of 'grid' needs a list"),
        ({"grids": [{}], "grid": {"seed": [1]}}, "'grid' and 'grids' are both set.*grids.0.grid"),
        ({"gird": {"seed": [1]}}, "unknown key 'gird'. Did you mean 'grid'"),
        ({"grid": {"evaluate.fold": [3]}}, "unknown key 'evaluate.fold'.*'folds'"),
        ({"grid": {"seed": [0]}, "exclude": [{"sed": 1}]}, "not an axis.*'seed'"),
        ({"grid": {"seed": [0, 1]}, "exclude": [{"seed": 2}]}, "not a value.*Known: 0, 1"),
        (
            {
                "zip": {"seed": [0, 1], "taxonomy": ["a", "b"]},
                "exclude": [{"seed": 0, "taxonomy": "b"}],
            },
            "matches no point",
        ),
        ({"grid": {"pretrain": {"epochs": [1]}}}, r"grid: {pretrain\.epochs: \[…\]}"),
        ({"grid": {"seed": 1}}, r"Write seed: \[1\]"),
        ({"seeds": [1], "pretrain": {"seeds": [2]}}, "both set and mean the same"),
        ({"seeds": [1, 1]}, "duplicate seed"),
    ],
)
def test_what_a_wrong_grid_says(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        points(**changes)


def test_seeds_are_short_for_those_of_pretraining(tmp_path: Path) -> None:
    assert points(seeds=[4, 5])[0].settings.pretrain.seeds == (4, 5)
    assert points("seeds=[1]", seeds=[4, 5])[0].settings.pretrain.seeds == (1,)
    assert (
        points("seeds=[1]", pretrain={"seeds": [2], "epochs": 3})[0].settings.pretrain.epochs == 3
    )
    assert shown(points(grid={"seeds": [[1], [2]]})) == ["[1]", "[2]"]
    path = experiment(
        tmp_path,
        "name: t\nseeds: [x]\nlabeler: random\ntaxonomy: ekman-6\n"
        "encoder: cnn\ntargets: [{dataset: synthetic}]\n",
    )
    with pytest.raises(SettingsError, match=r"line 2: 'pretrain\.seeds\.0' is 'x'"):
        expand(read_experiment(path))


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("grid.labeler=[oracle,lexicon]", ["oracle", "lexicon"]),
        ("grid.evaluate.seed=[5]", ["random,5", "oracle,5"]),
        ("include=[{labeler: lexicon}]", ["random", "oracle", "lexicon"]),
        ("exclude=[{labeler: oracle}]", ["random"]),
        ("grid={seed: [3, 4]}", ["3", "4"]),
    ],
)
def test_overrides_reach_the_grid(override: str, expected: list[str]) -> None:
    assert shown(points(override, grid={"labeler": ["random", "oracle"]})) == expected


def test_an_exclusion_may_miss_an_axis_that_the_command_line_shortens() -> None:
    grid = {"labeler": ["random", "oracle"]}
    found = points("grid.labeler=[random]", grid=grid, exclude=[{"labeler": "oracle"}])
    assert len(found) == 1


def test_percentages_are_the_same_budgets_as_fractions() -> None:
    shares = [0.005, 0.07, 0.3, 1.0]
    one = points(evaluate={"budgets": ["0.5%", "7%", "30 %", "100%"]})
    assert one[0].settings.evaluate.budgets == tuple(shares)


def test_overrides_reach_one_of_several_grids() -> None:
    grids = [{"grid": {"seed": [0, 1]}}, {"grid": {"evaluate.folds": [2, 3]}}]
    found = points("grids.1.grid.evaluate.folds=[4]", grids=grids)
    assert shown(found) == ["0,5", "1,5", "0,4"]
    with pytest.raises(SettingsError, match=r"axis of the grid"):
        points("evaluate.folds=4", grids=grids)


def test_interpolations_follow_the_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANSER_HERE", "/data")
    found = points(
        grid={"seed": [1, 2], "evaluate.folds": [2, 3]},
        pretrain={"seeds": ["${seed}"]},
        probe={"seed": "${evaluate.folds}", "folds": "${.seed}"},
        targets=[{"dataset": "ravdess", "root": "${oc.env:LANSER_HERE}/r"}],
    )
    seen = [
        (p.settings.pretrain.seeds, p.settings.probe.seed, p.settings.probe.folds) for p in found
    ]
    assert seen == [((1,), 2, 2), ((1,), 3, 3), ((2,), 2, 2), ((2,), 3, 3)]
    assert found[0].settings.targets is found[3].settings.targets


def test_the_experiment_has_no_rule_across_sections() -> None:
    # Points are put together from sections that were validated one by one.
    assert not Experiment.__pydantic_decorators__.model_validators
