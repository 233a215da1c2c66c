"""What stages ask for, and what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lanser_bench import SettingsError, create_plugin, devices
from lanser_bench.experiment import dry_run, plan_experiment, run_experiment
from lanser_bench.experiment.running.resources import BASE_GIB, needs
from lanser_bench.experiment.settings.model import Experiment
from lanser_bench.plugins.discovery import registry

Make = Callable[..., dict[str, Any]]
GPU = {"name": "local", "threads": 2, "gpus": 1}


def wanted(settings: dict[str, Any], plugin_dirs: tuple[Path, ...]) -> dict[str, Any]:
    """Stage → need; of several of a stage, the last."""
    plan, plugins, _ = plan_experiment(settings, plugin_dirs=plugin_dirs)
    found = needs(plan, plugins, plan.nodes.values())
    return {plan.nodes[key].stage: need for key, need in found.items()}


def test_devices_ask_for_a_gpu_and_change_the_keys_they_touch(
    settings: Make, plugin_dirs: tuple[Path, ...]
) -> None:
    cpu, _, _ = plan_experiment(settings(executor=GPU), plugin_dirs=plugin_dirs)
    made = settings(executor=GPU, devices={"pretrain": "cuda"})
    gpu, _, _ = plan_experiment(made, plugin_dirs=plugin_dirs)
    found = wanted(made, plugin_dirs)
    assert found["pretrain"].gpus == 1
    assert {stage for stage, need in found.items() if need.gpus} == {"pretrain"}
    stages = [
        {n.stage for k, n in p.nodes.items() if k not in q.nodes}
        for p, q in ((gpu, cpu), (cpu, gpu))
    ]
    assert stages[0] == stages[1] == {"pretrain", "embed", "evaluate", "zeroshot", "probe"}


def test_fine_tuning_may_have_its_own_device(settings: Make, plugin_dirs: tuple[Path, ...]) -> None:
    made = settings(executor=GPU, finetune={}, devices={"finetune": "cuda"})
    assert {stage for stage, need in wanted(made, plugin_dirs).items() if need.gpus} == {"finetune"}


def test_processes_multiply_what_pretraining_needs(
    settings: Make, plugin_dirs: tuple[Path, ...]
) -> None:
    one = wanted(settings(executor=GPU, devices={"pretrain": "cuda"}), plugin_dirs)["pretrain"]
    pretrain = {"epochs": 1, "processes": 3}
    made = settings(executor=GPU, devices={"pretrain": "cuda"}, pretrain=pretrain)
    three = wanted(made, plugin_dirs)["pretrain"]
    assert (three.threads, three.gpus) == (3 * one.threads, 3)
    assert three.memory_gib == 3 * one.memory_gib
    with pytest.raises(SettingsError, match="needs 3 GPUs, but the executor 'local' has 1"):
        dry_run(made, plugin_dirs=plugin_dirs)


@pytest.mark.parametrize("present", ["cuda", "mps", "cpu"])
def test_auto_names_the_device_of_this_machine(
    present: str, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_available", lambda device: device in ("cpu", present))
    experiment = Experiment.model_validate(settings(devices={"pretrain": "auto"}))
    assert experiment.devices.pretrain == present
    assert create_plugin("asr", "openai-whisper", {"device": "auto"}).options.device == present


def test_the_cpu_is_in_no_key(settings: Make, plugin_dirs: tuple[Path, ...]) -> None:
    plan, _, _ = plan_experiment(settings(), plugin_dirs=plugin_dirs)
    assert not any("device" in node.spec.params for node in plan.nodes.values())


def test_a_gpu_that_nobody_has_is_refused_before_anything_runs(
    settings: Make, plugin_dirs: tuple[Path, ...]
) -> None:
    executor = {"name": "local", "threads": 2, "gpus": 0}
    made = settings(devices={"pretrain": "cuda"}, executor=executor)
    refusal = r"pretrain \(cnn.*needs 1 GPU, .*executor.gpus"
    with pytest.raises(SettingsError, match=refusal):
        dry_run(made, plugin_dirs=plugin_dirs)
    with pytest.raises(SettingsError, match=refusal):
        run_experiment(made, plugin_dirs=plugin_dirs)
    (log,) = Path(made["paths"]["store"]).glob("runs/*/events.jsonl")
    events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert events == ["run-end"]


def test_memory_is_what_plugins_declare_unless_the_experiment_says_otherwise(
    settings: Make, plugin_dirs: tuple[Path, ...]
) -> None:
    found = wanted(settings(memory={"label": 7.5}), plugin_dirs)
    assert found["label"].memory_gib == 7.5
    assert found["pretrain"].memory_gib == BASE_GIB + 0.1
    assert found["evaluate"].memory_gib == BASE_GIB


def test_a_stage_occupies_no_more_threads_than_its_plugin_uses(
    settings: Make, plugin_dirs: tuple[Path, ...]
) -> None:
    made = settings(encoder="egemaps", threads={"embed": 2})
    plan, plugins, _ = plan_experiment(made, plugin_dirs=plugin_dirs)
    embed = [node for node in plan.nodes.values() if node.stage == "embed"]
    found = needs(plan, plugins, embed)
    used = {node.spec.plugins["encoder"].name: found[node.key].threads for node in embed}
    assert used["egemaps"] == 1
    assert {node.spec.threads for node in embed} == {2}, "keys are those of before"


def test_every_built_in_declares_its_memory_and_a_model_at_least_its_weights(
    tmp_path: Path,
) -> None:
    unknown = {"fill-mask", "llm", "classifier", "audio-teacher", "transformers", "adapter"}
    unknown |= {"faster-whisper", "random", "voice-quality"}
    kinds = ("segmenter", "asr", "labeler", "encoder", "probe")
    entries = [one for one in registry().entries.values() if one.kind in kinds]
    assert {one.name for one in entries if one.memory_gib == 0.5} <= unknown
    (tmp_path / "config.json").write_text(
        json.dumps({"architectures": ["LlamaForCausalLM"], "model_type": "llama"})
    )
    (tmp_path / "model.safetensors").touch()
    os.truncate(tmp_path / "model.safetensors", 3 * 2**30)
    assert create_plugin("labeler", "llm", {"model": str(tmp_path)}).memory_gib == 3.0
