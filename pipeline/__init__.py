"""synth: from a grid of ideas to validated training files and a tuned model."""

__version__ = "0.1.0"
