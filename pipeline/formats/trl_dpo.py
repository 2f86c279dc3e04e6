"""Preference pairs a line, {"prompt", "chosen", "rejected"} as messages, as TRL's DPOTrainer and its kin take them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.types import Example, Message

from . import Format
from ._preference import Preference


class TrlDpo(Preference):
    """Three lists of messages; the trainer applies the model's own chat template."""

    name = "trl-dpo"
    rank = 13
    column = "prompt"
    better, worse = "chosen", "rejected"

    def parts(self, values: Mapping[str, Any]) -> tuple[Any, Any, Any, Any]:
        """See Preference."""
        return values.get("prompt"), values.get("tools"), values.get(self.better), values.get(self.worse)

    def whole(self, asked: list[Message], example: Example) -> dict[str, Any]:
        """See Preference."""
        return {"prompt": asked, **({"tools": example.tools} if example.tools else {})}

    @classmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """See Format."""
        return isinstance(values.get("prompt"), list) and cls.better in values and cls.worse in values


plugin: type[Format] = TrlDpo
