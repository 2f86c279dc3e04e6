"""Rendered text: control tokens by family, and the proof that a rendering says its row and nothing else."""

from __future__ import annotations

from .control import Family, control_tokens, ended_by, family
from .proof import Proof, settings

__all__ = ["Family", "Proof", "control_tokens", "ended_by", "family", "settings"]
