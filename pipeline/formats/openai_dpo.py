"""Preference pairs a line, {"input", "preferred_output", "non_preferred_output"}, as OpenAI's DPO jobs take them.

OpenAI's API description calls the answers `preferred_completion` and `non_preferred_completion`; its guide, its jobs
and other hosts (Azure, Fireworks) take the names written here. Each is one assistant message of text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.types import Example, Message, Problem

from . import Format, error
from ._mend import mend_messages
from ._preference import Preference

aliases = ("dpo",)
_MISNAMED = ("preferred_completion", "non_preferred_completion")


class OpenAiDpo(Preference):
    """What was asked under `input`, and both answers beside it."""

    name = "openai-dpo"
    rank = 12
    column = "input"
    better, worse = "preferred_output", "non_preferred_output"

    def parts(self, values: Mapping[str, Any]) -> tuple[Any, Any, Any, Any]:
        """See Preference."""
        given = values.get("input")
        asked = given if isinstance(given, dict) else {}
        return asked.get("messages"), asked.get("tools"), values.get(self.better), values.get(self.worse)

    def whole(self, asked: list[Message], example: Example) -> dict[str, Any]:
        """See Preference."""
        return {"input": {"messages": asked, **({"tools": example.tools} if example.tools else {})}}

    @classmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """See Format."""
        return isinstance(values.get("input"), dict) and any(
            key in values for key in (cls.better, cls.worse, *_MISNAMED))

    def problems(self, values: Mapping[str, Any], where: str) -> Iterator[Problem]:
        """See Format."""
        for key, right in zip(_MISNAMED, (self.better, self.worse), strict=True):
            if key in values:
                yield error("misnamed", where, f"'{key}' is what the API description calls it, and no job reads it",
                            f"name it {right}")
        yield from super().problems(values, where)

    def mended(self, values: dict[str, Any]) -> list[str]:
        """See Format; and the names of the API description become those that jobs read."""
        done = []
        for wrong, right in zip(_MISNAMED, (self.better, self.worse), strict=True):
            if wrong in values and right not in values:
                items = [(right if key == wrong else key, value) for key, value in values.items()]
                values.clear()
                values.update(items)
                done.append(f"{wrong} is now {right}")
        given = values.get("input")
        for part in (given.get("messages") if isinstance(given, dict) else None, values.get(self.better),
                     values.get(self.worse)):
            done += mend_messages(part)
        return list(dict.fromkeys(done))


plugin: type[Format] = OpenAiDpo
