"""What formats of preference pairs share: what was asked, the better answer, the other one; or a refusal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from pipeline.types import Example, Message, Problem

from . import Format, FormatRefusal, error, plain
from ._chat import conversation_problems
from ._turns import others

_NO_PAIR = "a recipe with `pairs` makes two answers a row; export the others as openai-chat"
_BETTER = [{"role": "assistant", "content": "-"}]
_KEYS = frozenset({"role", "content", "name"})


class Preference(Format):
    """Pairs, in whatever keys: a format says in `parts` and `whole` where the three stand in its line.

    The answers are one assistant message of text each. What was asked may be any conversation of text.
    """

    pairs = True
    holds = frozenset({"system", "turns", "tools"})
    better: ClassVar[str]
    worse: ClassVar[str]

    def parts(self, values: Mapping[str, Any]) -> tuple[Any, Any, Any, Any]:
        """What was asked (messages), tools, the better answer and the other one, as they stand in a line."""
        raise NotImplementedError

    def whole(self, asked: list[Message], example: Example) -> dict[str, Any]:
        """A line of what was asked, less the two answers."""
        raise NotImplementedError

    def values(self, example: Example) -> dict[str, Any]:
        """See Format."""
        messages = [plain(message) for message in example.messages]
        rejected = [plain(message) for message in example.rejected or []]
        found = list(answer_problems(messages[-1:], self.better, example.sample))
        if example.rejected is None:
            found.append(error("no-pair", example.sample, "the row has no rejected answer", _NO_PAIR))
        if any("weight" in message for message in messages):
            found.append(error("holds-no-weight", example.sample, f"{self.name} trains the last answer alone",
                               "export it as openai-chat"))
        if found:
            raise FormatRefusal.of(found)
        return {**self.whole(messages[:-1], example), self.better: messages[-1:], self.worse: rejected}

    def read(self, values: Mapping[str, Any]) -> Example:
        """See Format."""
        shape = next((problem for problem in self._shape(values, "") if problem.severity == "error"), None)
        if shape is not None:
            raise FormatRefusal(shape.code, shape.message, shape.fix)
        asked, tools, better, worse = self.parts(values)
        own = (*self.whole([], Example([], tools=[{}])), self.better, self.worse)
        messages = [dict(message) for message in (*asked, *better)]
        return Example(messages, [dict(message) for message in worse], tools=tools or None, fields=others(values, own))

    def problems(self, values: Mapping[str, Any], where: str) -> Iterator[Problem]:
        """See Format."""
        shape = list(self._shape(values, where))
        yield from shape
        if shape:
            return
        asked, tools, better, worse = self.parts(values)
        if any(isinstance(message.get("content"), list) for message in asked):
            yield error("holds-text-alone", where, f"{self.name} holds text, not parts (images, audio)",
                        "export it as openai-chat")
        common = list(conversation_problems({"messages": [*asked, *_BETTER], "tools": tools}, where))
        yield from common
        for key, answer in ((self.better, better), (self.worse, worse)):
            own = list(answer_problems(answer, key, where))
            yield from own
            for problem in conversation_problems({"messages": [*asked, *answer]}, where) if not own else ():
                if problem not in common:
                    yield replace(problem, message=f"{key}: {problem.message}")
        if plain(better[0]) == plain(worse[0]):
            yield error("equal-pair", where, "both answers are the same", "drop the row: it prefers nothing")

    def normal(self, example: Example) -> Example:
        """See Format; the rejected answer as well."""
        rejected = None if example.rejected is None else [plain(message) for message in example.rejected]
        return replace(super().normal(example), rejected=rejected)

    def same(self, found: Example, wanted: Example) -> bool:
        """See Format; both answers count."""
        return super().same(found, wanted) and self.normal(found).rejected == self.normal(wanted).rejected

    def _shape(self, values: Mapping[str, Any], where: str) -> Iterator[Problem]:
        asked, tools, better, worse = self.parts(values)
        for key, part, least in (("what was asked", asked, 0), (self.better, better, 1), (self.worse, worse, 1)):
            sound = isinstance(part, list) and len(part) >= least and all(
                isinstance(message, dict) and isinstance(message.get("role"), str) for message in part)
            if not sound:
                yield error("no-messages", where, f"{key} is not a list of messages with a role",
                            'as [{"role": "assistant", "content": "..."}]')
        if not isinstance(tools, list | None):
            yield error("bad-tools", where, "'tools' is not a list", '[{"type": "function", "function": {...}}]')


def answer_problems(answer: list[Message], key: str, where: str) -> Iterator[Problem]:
    """What stands against one message of text by the assistant."""
    if len(answer) != 1 or answer[0].get("role") != "assistant":
        yield error("not-one-answer", where, f"{key} is not one assistant message", "end with an assistant message")
        return
    content = answer[0].get("content")
    if not isinstance(content, str) or plain(answer[0]).keys() - _KEYS:
        yield error("holds-text-alone", where, f"{key} holds more than text", "export it as openai-chat")
    elif not content.strip():
        yield error("empty-answer", where, f"{key} is empty or only white space", "drop the row")


def prompted_problems(name: str, values: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """What is wrong with a line of `prompt` and `completion` as messages, the last of which is trained alone."""
    shape = list(prompted_shape(values, where))
    yield from shape
    if shape:
        return
    asked, completion = values["prompt"], values["completion"]
    found = list(answer_problems(completion, "completion", where))
    yield from found
    if any(isinstance(message.get("content"), list) for message in asked):
        yield error("holds-text-alone", where, f"{name} holds text, not parts (images, audio)",
                    "export it as openai-chat")
    answer = [{"role": "assistant", "content": "-"}] if found else completion
    yield from conversation_problems({"messages": [*asked, *answer], "tools": values.get("tools")}, where)


def prompted_shape(values: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """What keeps such a line from being read."""
    for key in ("prompt", "completion"):
        part = values.get(key)
        if not (isinstance(part, list) and part and all(
                isinstance(message, dict) and isinstance(message.get("role"), str) for message in part)):
            yield error("no-messages", where, f"'{key}' is not a list of messages with a role",
                        'as [{"role": "user", "content": "..."}]')
    if not isinstance(values.get("tools"), list | None):
        yield error("bad-tools", where, "'tools' is not a list", '[{"type": "function", "function": {...}}]')
