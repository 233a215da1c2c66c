"""Exported models: export a cell, load it in plain Python, predict on recordings."""

from .config import ModelConfig
from .export import export_cell, find_record
from .loaded import SERModel, load_model
from .predict import Prediction, SegmentScores

__all__ = [
    "ModelConfig",
    "Prediction",
    "SERModel",
    "SegmentScores",
    "export_cell",
    "find_record",
    "load_model",
]
