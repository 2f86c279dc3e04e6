"""The only reader and writer of a dataset."""

from .dataset import Dataset
from .edits import HandEdits
from .writer import SampleWriter

__all__ = ["Dataset", "HandEdits", "SampleWriter"]
