"""Built-in datasets."""

from collections.abc import Callable

from lanser_bench import hookimpl


@hookimpl
def register_datasets(register: Callable[[str, str], None]) -> None:
    """Registers the built-in datasets."""
    register("condensed-movies", "lanser_bench_plugins.datasets.condensed_movies:CondensedMovies")
    register("librispeech", "lanser_bench_plugins.datasets.librispeech:LibriSpeech")
    register("ljspeech", "lanser_bench_plugins.datasets.ljspeech:LJSpeech")
    register("manifest", "lanser_bench_plugins.datasets.manifest:ManifestTable")
    register("peoples-speech", "lanser_bench_plugins.datasets.peoples_speech:PeoplesSpeech")
    register("ravdess", "lanser_bench_plugins.datasets.ravdess:Ravdess")
    register("synthetic", "lanser_bench_plugins.datasets.synthetic:Synthetic")
    register("text", "lanser_bench_plugins.datasets.text:Text")
