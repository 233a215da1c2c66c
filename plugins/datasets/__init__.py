"""Built-in datasets."""

from collections.abc import Callable

from lanser_bench import hookimpl

_DATASETS = """
audformat:Audformat audiofolder:AudioFolder condensed_movies:CondensedMovies crema_d:CremaD
emodb:EmoDB esd:ESD huggingface:HuggingFace iemocap:Iemocap librispeech:LibriSpeech
ljspeech:LJSpeech manifest:ManifestTable meld:Meld msp_podcast:MspPodcast
peoples_speech:PeoplesSpeech ravdess:Ravdess savee:Savee silence:Silence synthetic:Synthetic
talkies:Talkies tess:Tess text:Text
"""
"""Module and class; the name of a dataset is that of its module, with hyphens."""


@hookimpl
def register_datasets(register: Callable[[str, str], None]) -> None:
    """Registers the built-in datasets."""
    for reference in _DATASETS.split():
        name = reference.partition(":")[0].replace("_", "-")
        register(name, f"lanser_bench_plugins.datasets.{reference}")
