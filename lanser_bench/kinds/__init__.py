"""The kinds of plugin: one file each, with its contract, its input and its output."""

from .asr import ASR, Transcript
from .base import ModelFacts, Plugin, PluginOptions
from .dataset import Card, Dataset, Proposal, Utterance, label_word
from .encoder import FeatureExtractor, Frontend, Layers, Moments, TrainableEncoder
from .executor import Executor, StageCall, StageReport
from .labeler import (
    ColumnLabeler,
    Labeler,
    LabelTable,
    Scores,
    Settled,
    SettlingLabeler,
    TextRecord,
)
from .probe import Probe
from .segmenter import Segmenter, Span
from .speech import READ_SUFFIXES, SAMPLE_RATE, SOUND_SUFFIXES, Speech, Waveform
from .tracker import Event, Tracker

__all__ = [
    "ASR",
    "READ_SUFFIXES",
    "SAMPLE_RATE",
    "SOUND_SUFFIXES",
    "Card",
    "ColumnLabeler",
    "Dataset",
    "Event",
    "Executor",
    "FeatureExtractor",
    "Frontend",
    "LabelTable",
    "Labeler",
    "Layers",
    "ModelFacts",
    "Moments",
    "Plugin",
    "PluginOptions",
    "Probe",
    "Proposal",
    "Scores",
    "Segmenter",
    "Settled",
    "SettlingLabeler",
    "Span",
    "Speech",
    "StageCall",
    "StageReport",
    "TextRecord",
    "Tracker",
    "TrainableEncoder",
    "Transcript",
    "Utterance",
    "Waveform",
    "label_word",
]
