"""What formats of prompt and completion share: one exchange of two texts, or a refusal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from pipeline.errors import DataError
from pipeline.options import Options
from pipeline.types import Example, Message, Problem
from pipeline.words import kind_of

from . import Format, FormatRefusal, error, line_of
from ._turns import others, turns

COLUMNS = ("prompt", "completion")


class Pairing(Options):
    """What becomes of what a pair has no place for, and what legacy models were told apart by."""

    system: Literal["refuse", "fold"] = Field(
        "refuse", description="fold: a system text is the beginning of the prompt, a blank line behind it")
    separator: str = Field("", description='what every prompt ends in, as "\\n\\n###\\n\\n"; none: as it is')
    start: str = Field("", description='what every completion begins with, as " "; none: as it is')
    stop: str = Field("", description='what every completion ends in, as " END"; none: as it is')


def pair_of(example: Example, name: str, instead: str = "") -> tuple[str, str]:
    """Prompt and completion of a row. The prompt is empty where the row has no user turn.

    A system text has no place here. It is refused rather than joined to the prompt, unless that is asked for
    (see `folded`): what is read back would be another conversation, and a model is asked in the form in which
    it was trained.

    Args:
        example: the row.
        name: of the format.
        instead: what to do about a system text, where the format has a way.

    Raises:
        FormatRefusal: more than one exchange, a system text, no answer, or whatever is not text.
    """
    conversation = turns(example, name)
    roles = [turn.role for turn in conversation]
    where, found = example.sample, list[Problem]()
    if "system" in roles:
        found.append(error("holds-no-system", where, f"{name} has no place for a system text",
                           instead or "export it as openai-chat, which holds it"))
    rest = [turn for turn in conversation if turn.role != "system"]
    kinds = [turn.role for turn in rest]
    if kinds[-1:] != ["assistant"]:
        found.append(error("last-turn-not-assistant", where, "the row does not end in an answer",
                             "end with an assistant message: there is nothing to train"))
    elif kinds not in (["user", "assistant"], ["assistant"]):
        found.append(error("holds-one-exchange", where, f"{name} holds one exchange, not {', '.join(roles)}",
                             "export it as openai-chat or sharegpt"))
    elif kinds == ["user", "assistant"] and not rest[0].text:
        found.append(error("empty-prompt", where, "the user turn is empty",
                             "leave the user turn out: rows of answers alone have an empty prompt"))
    if found:
        raise FormatRefusal.of(found)
    return (rest[0].text if len(rest) == 2 else ""), rest[-1].text


def folded(messages: list[Message]) -> list[Message]:
    """A conversation whose system texts at the head are the beginning of its first user turn, or are that turn.

    Whatever is not text is left as it stands, to be refused with its reason.
    """
    count = next((at for at, message in enumerate(messages) if message.get("role") != "system"), len(messages))
    head, rest = messages[:count], messages[count:]
    asked = rest[:1] if rest and rest[0].get("role") == "user" else []
    texts = [message.get("content") for message in (*head, *asked)]
    if not head or not all(isinstance(text, str) for text in texts):
        return messages
    prompt = "\n\n".join(text for text in texts if isinstance(text, str) and text)
    return [{**(asked[0] if asked else {"role": "user"}), "content": prompt}, *rest[len(asked):]]


class PairFormat(Format):
    """Prompt and completion, in whatever container: of JSON lines, `values` is all there is to it."""

    model = Pairing
    how: Pairing

    def values(self, example: Example) -> dict[str, Any]:
        """See Format.

        Raises:
            FormatRefusal: see `pair_of`; or a text holds the separator or the stop that is written behind it.
        """
        fold = f"name the format as '{self.name}: {{system: fold}}' to put it into the prompt, or export as openai-chat"
        prompt, completion = pair_of(self._folded(example), self.name, fold)
        how = self.how
        found = [
            error("control-token", example.sample,
                  f"the {key} contains the {name} {mark!r}, which is to stand behind it",
                  f"take it out of the text, or name another {name}")
            for key, name, mark, text in (("prompt", "separator", how.separator, prompt + how.separator[:-1]),
                                          ("completion", "stop", how.stop, completion + how.stop[:-1]))
            if mark and mark in text
        ]
        if how.start and not completion.strip():
            found.append(error("empty-answer", example.sample, "the answer is empty or only white space",
                               "drop the row"))
        if found:
            raise FormatRefusal.of(found)
        return dict(zip(COLUMNS, (prompt + how.separator, how.start + completion + how.stop), strict=True))

    def normal(self, example: Example) -> Example:
        """See Format. With `system: fold`, a system text is the beginning of the prompt."""
        return super().normal(self._folded(example))

    def _folded(self, example: Example) -> Example:
        return replace(example, messages=folded(example.messages)) if self.how.system == "fold" else example

    def read(self, values: Mapping[str, Any]) -> Example:
        """See Format. A prompt that is empty is no turn: an answer alone."""
        prompt, completion = text_at(values, "prompt"), text_at(values, "completion")
        return Example(self.messages(prompt, completion), fields=others(values, COLUMNS))

    def messages(self, prompt: str, completion: str) -> list[Message]:
        """The conversation of a pair as it is written: without separator, start and stop."""
        prompt = prompt.removesuffix(self.how.separator) if self.how.separator else prompt
        completion = completion.removeprefix(self.how.start)
        return messages_of(prompt, completion.removesuffix(self.how.stop) if self.how.stop else completion)

    @classmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """Never, for a container: its rows are recognised as prompt-completion."""
        return False

    def problems(self, values: Mapping[str, Any], where: str) -> Iterator[Problem]:
        """See Format."""
        prompt, completion = values.get("prompt"), values.get("completion")
        yield from pair_problems(prompt, completion, COLUMNS, where)
        if not isinstance(prompt, str) or not isinstance(completion, str):
            return
        bare = completion.removeprefix(self.how.start).removesuffix(self.how.stop)
        if completion.strip() and not bare.strip():
            yield error("empty-answer", where, "'completion' holds nothing but its start and stop", "drop the row")
        for key, name, mark, ends in (("prompt", "separator", self.how.separator, prompt.endswith(self.how.separator)),
                                      ("completion", "start", self.how.start, completion.startswith(self.how.start)),
                                      ("completion", "stop", self.how.stop, completion.endswith(self.how.stop))):
            if not ends:
                yield error(f"no-{name}", where, f"'{key}' lacks its {name} {mark!r}", "write the file anew")

    def texts(self, example: Example, ascii: bool) -> tuple[str, str]:  # noqa: A002 - as Format.write
        """Prompt and completion of a row that a container may hold.

        Raises:
            FormatRefusal: see `write`; and where `ascii` is asked of what has no escapes.
        """
        if ascii:
            raise FormatRefusal("no-escapes", f"{self.name} has no escapes for other letters", "leave --ascii out")
        values = self.values(example)
        errors = list(self.problems(values, example.sample))
        if errors:
            raise FormatRefusal.of(errors)
        line_of(values)  # refuses what is no text
        return values["prompt"], values["completion"]

    def table_rows(self, target: Path) -> Iterator[Example]:
        """The rows of a table that `open` wrote, through the reader that imports use.

        Raises:
            DataError: a row is damaged.
        """
        from pipeline.read import rows

        def report(problem: Problem) -> None:
            if problem.severity == "error":
                raise DataError(f"{problem.where}: cannot be read back: {problem.message}")

        for row in rows(target, report):
            yield self.read(row.values)


def messages_of(prompt: str, completion: str) -> list[Message]:
    """The conversation of a pair; an empty prompt is no user turn."""
    answer = {"role": "assistant", "content": completion}
    return [{"role": "user", "content": prompt}, answer] if prompt else [answer]


def text_at(values: Any, key: str, *, optional: bool = False) -> str:
    """The text under a key.

    Raises:
        FormatRefusal: it is missing, or not a text.
    """
    value = values.get(key)
    if value is None and optional:
        return ""
    if not isinstance(value, str):
        raise FormatRefusal("not-a-text", f"'{key}' {_no_text(value)}", _CURE)
    return value


_CURE = "write a text there, or leave the row out"


def _no_text(value: Any) -> str:
    return "is missing or null" if value is None else f"is {kind_of(value)}, not a text"


def pair_problems(prompt: Any, completion: Any, names: tuple[str, str], where: str) -> Iterator[Problem]:
    """What is wrong with a pair, whatever its keys are called."""
    for key, value in zip(names, (prompt, completion), strict=True):
        if not isinstance(value, str):
            yield error("not-a-text", where, f"'{key}' {_no_text(value)}", _CURE)
    if isinstance(completion, str) and not completion.strip():
        yield error("empty-answer", where, f"'{names[1]}' is empty or only white space", "drop the row")
