"""Built-in trackers."""

from collections.abc import Callable

from lanser_bench import hookimpl


@hookimpl
def register_trackers(register: Callable[[str, str], None]) -> None:
    """Registers the built-in trackers."""
    register("jsonl", "lanser_bench_plugins.trackers.jsonl:JsonLines")
    register("mlflow", "lanser_bench_plugins.trackers.mlflow:MLflow")
    register("tensorboard", "lanser_bench_plugins.trackers.tensorboard:TensorBoard")
    register("wandb", "lanser_bench_plugins.trackers.wandb:WandB")
