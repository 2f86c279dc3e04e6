"""Rendered text: control tokens by family, chat templates, and the proof that a rendering says its row and no more."""

from __future__ import annotations

from .control import Family, control_tokens, ended_by, families, family, places, stops
from .proof import MARKS, Proof, Template, TemplateRefusal, settings, unwritten

__all__ = ["MARKS", "Family", "Proof", "Template", "TemplateRefusal", "control_tokens", "ended_by",
           "families", "family", "places", "settings", "stops", "unwritten"]
