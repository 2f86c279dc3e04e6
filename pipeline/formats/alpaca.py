"""One exchange a line: {"instruction": ..., "input": ..., "output": ...}, as Stanford Alpaca wrote it.

Instruction and input are one user turn, joined by a blank line. On the way out the user turn is the
instruction and the input is empty, unless the row was read from such a line and still says the same:
then both come back as they were. The keys `system` and `history`, which LLaMA-Factory added, are read
and not written: trainers of the plain format drop them without a word, so such rows are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.types import Example, Message, Problem

from . import Format, FormatRefusal, error
from ._pair import messages_of, pair_of, pair_problems, text_at
from ._turns import others

_FOLD = ("export it as openai-chat, which holds it, or as 'prompt-completion: {system: fold}', which begins the prompt "
         "with it")


class Alpaca(Format):
    """Instruction, input and output."""

    name = "alpaca"
    rank = 30

    def values(self, example: Example) -> dict[str, Any]:
        """See Format."""
        prompt, completion = pair_of(example, self.name, _FOLD)
        if not prompt:
            raise FormatRefusal("no-user", "alpaca needs an instruction, and the row has no user turn",
                                "export it as prompt-completion, which takes answers alone")
        instruction, given = example.fields.get("instruction"), example.fields.get("input")
        if not (isinstance(instruction, str) and isinstance(given, str) and _joined(instruction, given) == prompt):
            instruction, given = prompt, ""
        return {"instruction": instruction, "input": given, "output": completion}

    def read(self, values: Mapping[str, Any]) -> Example:
        """See Format."""
        instruction, given = text_at(values, "instruction"), text_at(values, "input", optional=True)
        earlier: list[Message] = []
        system = text_at(values, "system", optional=True)
        if system:
            earlier.append({"role": "system", "content": system})
        for exchange in _history(values.get("history")):
            earlier += messages_of(*exchange)
        return Example(
            earlier + messages_of(_joined(instruction, given), text_at(values, "output")),
            fields={"instruction": instruction, "input": given,
                    **others(values, ("instruction", "input", "output", "system", "history"))},
        )

    @classmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """See Format."""
        return (isinstance(values.get("instruction"), str) and isinstance(values.get("output"), str)
                and isinstance(values.get("input"), str | None))

    def problems(self, values: Mapping[str, Any], where: str) -> Iterator[Problem]:
        """See Format."""
        yield from pair_problems(values.get("instruction"), values.get("output"), ("instruction", "output"), where)
        if isinstance(values.get("instruction"), str) and not values["instruction"].strip():
            yield error("empty-prompt", where, "'instruction' is empty or only white space", "drop the row")
        for key in ("input", "system"):
            if not isinstance(values.get(key), str | None):
                yield error("not-a-text", where, f"'{key}' is not a text", 'make it a string, "" where there is none')
        try:
            _history(values.get("history"))
        except FormatRefusal as refusal:
            yield from refusal.problems(where)


def _history(value: Any) -> list[list[str]]:
    """Earlier exchanges, [instruction, answer] each.

    Raises:
        FormatRefusal: it is something else.
    """
    listed = value or []
    if isinstance(listed, list) and all(_is_exchange(each) for each in listed):
        return listed
    raise FormatRefusal("bad-history", "'history' is not a list of [instruction, answer] pairs",
                        "make each entry a list of two texts")


def _is_exchange(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(text, str) for text in value)


def _joined(instruction: str, given: str) -> str:
    return f"{instruction}\n\n{given}" if given else instruction


plugin: type[Format] = Alpaca
