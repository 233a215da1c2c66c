"""Built-in datasets."""

from collections.abc import Callable

from lanser_bench import hookimpl

_DATASETS = {
    "audformat": "audformat:Audformat",
    "audiofolder": "audiofolder:AudioFolder",
    "condensed-movies": "condensed_movies:CondensedMovies",
    "crema-d": "crema_d:CremaD",
    "emodb": "emodb:EmoDB",
    "esd": "esd:ESD",
    "huggingface": "huggingface:HuggingFace",
    "iemocap": "iemocap:Iemocap",
    "librispeech": "librispeech:LibriSpeech",
    "ljspeech": "ljspeech:LJSpeech",
    "manifest": "manifest:ManifestTable",
    "meld": "meld:Meld",
    "msp-podcast": "msp_podcast:MspPodcast",
    "peoples-speech": "peoples_speech:PeoplesSpeech",
    "ravdess": "ravdess:Ravdess",
    "savee": "savee:Savee",
    "synthetic": "synthetic:Synthetic",
    "tess": "tess:Tess",
    "text": "text:Text",
}
"""Name → module and class."""


@hookimpl
def register_datasets(register: Callable[[str, str], None]) -> None:
    """Registers the built-in datasets."""
    for name, reference in _DATASETS.items():
        register(name, f"lanser_bench_plugins.datasets.{reference}")
