"""Prompt and completion a line as messages, as TRL's SFTTrainer takes them: {"prompt": [...], "completion": [...]}.

The trainer applies the model's own chat template and trains the completion alone, so the last answer is what is
trained. Earlier answers with weight 0 are part of the prompt, and read back so; a row that trains them too is refused,
unless `earlier: context` makes them part of what is asked. Tools stand beside, under `tools`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from pipeline.options import Options
from pipeline.types import Example, Message, Problem

from . import Format, FormatRefusal, error, plain
from ._preference import answer_problems, prompted_problems, prompted_shape
from ._turns import others

aliases = ("trl", "trl-sft")
_KEYS = ("prompt", "completion", "tools")


class How(Options):
    """What becomes of answers that this shape does not train."""

    earlier: Literal["refuse", "context"] = Field(
        "refuse", description="context: answers before the last one are asked with, and not trained")


class TrlPromptCompletion(Format):
    """What is asked, and the answer that is trained."""

    name = "trl-prompt-completion"
    rank = 14
    column = "prompt"
    model = How
    how: How
    holds = frozenset({"system", "turns", "tools"})

    def values(self, example: Example) -> dict[str, Any]:
        """See Format."""
        messages = [plain(message) for message in example.messages]
        if messages and messages[-1].get("weight") == 0:
            raise FormatRefusal("answer-not-trained", "the last answer has weight 0, and TRL trains nothing else",
                                "drop the row, or end it at an answer that is trained")
        found = list(answer_problems(messages[-1:], "completion", example.sample))
        earlier = [message for message in messages[:-1] if message.get("role") == "assistant"]
        trained = sum(message.get("weight") != 0 for message in earlier)
        if trained and self.how.earlier == "refuse":
            found.append(error("trains-last-answer", example.sample,
                               f"the row trains {trained + 1} answers, and TRL trains the completion alone",
                               "name the format as 'trl-prompt-completion: {earlier: context}', or export openai-chat"))
        if len(messages) == 1:
            found.append(error("no-user", example.sample, "nothing is asked: TRL's prompt would be empty",
                               "export answers alone as text"))
        if found:
            raise FormatRefusal.of(found)
        asked = [{key: value for key, value in message.items() if key != "weight"} for message in messages[:-1]]
        tools = {"tools": example.tools} if example.tools else {}
        return {"prompt": asked, "completion": messages[-1:], **tools}

    def read(self, values: Mapping[str, Any]) -> Example:
        """See Format."""
        shape = next(prompted_shape(values, ""), None)
        if shape is not None:
            raise FormatRefusal(shape.code, shape.message, shape.fix)
        messages = [*map(_asked, values["prompt"]), *map(dict, values["completion"])]
        return Example(messages, tools=values.get("tools") or None, fields=others(values, _KEYS))

    @classmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """See Format."""
        return isinstance(values.get("prompt"), list) and isinstance(values.get("completion"), list)

    def problems(self, values: Mapping[str, Any], where: str) -> Iterator[Problem]:
        """See Format."""
        yield from prompted_problems(self.name, values, where)

    def normal(self, example: Example) -> Example:
        """See Format. Answers before the last one have weight 0."""
        messages = [plain(message) for message in example.messages]
        return replace(example, messages=[*map(_asked, messages[:-1]), *messages[-1:]])


def _asked(message: Message) -> Message:
    """A message of a prompt: its answers are not trained."""
    return {**message, "weight": 0} if message.get("role") == "assistant" else dict(message)


plugin: type[Format] = TrlPromptCompletion
