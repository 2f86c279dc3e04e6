"""A conversation as a model is trained on it: token ids, which of them count, and the proof that the text is whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.render import MARKS, settings, unwritten
from pipeline.types import Message, Problem

KEYS = ("role", "content", "name", "tool_calls", "tool_call_id")
"""Of a message, what a template may look at; `weight` is for the loss and `refusal` for OpenAI."""
Tools = list[dict[str, Any]] | None


class Row(NamedTuple):
    """A conversation in tokens.

    Attributes:
        ids: the whole of it, as the template writes it.
        trained: for each token, whether the loss is over it.
        asked: tokens before the answer, which the model is given when it is asked.
        whole: whether these are what it is given; False where the end of the prompt merges with the answer's begin.
    """

    ids: list[int]
    trained: list[bool]
    asked: int
    whole: bool

    @property
    def labels(self) -> list[int]:
        """The ids, with -100 where nothing is trained."""
        return [token if counts else -100 for token, counts in zip(self.ids, self.trained)]


def clean(messages: Sequence[Message]) -> list[Message]:
    """Messages as templates know them: without weights, and without keys that are None."""
    return [{key: message[key] for key in KEYS if message.get(key) is not None or key == "content"}
            for message in messages]


def prompt_ids(tokenizer: Any, messages: Sequence[Message], tools: Tools = None) -> list[int]:
    """What the model is given when it is to answer."""
    return _ids(tokenizer, clean(messages), tools, True)


def row_of(tokenizer: Any, messages: Sequence[Message], tools: Tools = None, *, full: bool = False) -> Row:
    """A conversation whose last turn is trained; the whole of it where `full` is True.

    The answer begins where the tokens of prompt and whole part, as TRL has it (trl 1.16, sft_trainer, tokenize_fn).
    """
    turns = clean(messages)
    ids, given = _ids(tokenizer, turns, tools, False), _ids(tokenizer, turns[:-1], tools, True) if turns[:-1] else []
    asked = next((i for i, (one, other) in enumerate(zip(ids, given)) if one != other), min(len(ids), len(given)))
    return Row(ids, [full or i >= asked for i in range(len(ids))], asked, asked == len(given))


def _ids(tokenizer: Any, turns: Sequence[Message], tools: Tools, prompt: bool) -> list[int]:
    found = tokenizer.apply_chat_template(
        list(turns), tools=tools, add_generation_prompt=prompt, tokenize=True, return_dict=True)
    return [int(token) for token in found["input_ids"]]


def end_ids(tokenizer: Any) -> tuple[int, ...]:
    """Control tokens with which the template ends an answer; empty where it ends with none."""
    row = row_of(tokenizer, [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])
    special = control_ids(tokenizer)
    return tuple(dict.fromkeys(token for token in row.ids[row.asked :] if token in special))


def control_ids(tokenizer: Any) -> frozenset[int]:
    """Ids of tokens that are no text."""
    added = {index for index, token in tokenizer.added_tokens_decoder.items() if token.special}
    return frozenset({*tokenizer.all_special_ids, *added})


def stop_ids(tokenizer: Any, model: Any = None) -> tuple[int, ...]:
    """Tokens that end an answer: the template's, the tokenizer's, and those that the model names."""
    own = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    named = own if isinstance(own, list) else [own]
    template = end_ids(tokenizer) if isinstance(tokenizer.chat_template, str) else ()
    return tuple(dict.fromkeys(token for token in (*template, tokenizer.eos_token_id, *named) if token is not None))


def shape_problems(values: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """What is wrong with a row before it is rendered: no conversation, or one without an answer of text."""
    messages = values.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        yield _error("no-conversation", where, "no list of messages",
                     "synth export NAME --set 'export.formats=[openai-chat]'")
        return
    last = messages[-1]
    if last.get("role") != "assistant":
        yield _error("no-answer", where, f"the last turn is {last.get('role')}'s, so there is nothing to learn",
                     "end the row with an assistant turn")
    elif last.get("weight") == 0:
        yield _error("answer-not-trained", where, "the last answer has weight 0, and only the last one is trained here",
                     "drop the row, or end it earlier")
    for number, message in enumerate(messages, 1):
        content = message.get("content")
        if not isinstance(content, str) and not (content is None and message.get("tool_calls")):
            yield _error("not-text", where, f"message {number} holds no text", "only texts are tuned on here")
        elif number == len(messages) and not (content or "").strip() and not message.get("tool_calls"):
            yield _error("empty-answer", where, "the answer is empty", "synth curate NAME --rule length")


class Proof:
    """Checks that what a tokenizer's template makes of rows is what they say. One per tokenizer.

    Args:
        tokenizer: with the template that is trained with.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._ends = frozenset(end_ids(tokenizer))
        self._begin = tokenizer.bos_token_id if tokenizer.bos_token_id != tokenizer.eos_token_id else None
        self._control = sorted(str(token) for token in tokenizer.convert_ids_to_tokens(sorted(control_ids(tokenizer))))

    def added(self, where: str) -> Problem | None:
        """A warning where the template writes words that nobody wrote, as a system text or today's date.

        Looked for in a question with its answer, without a system text: that is where templates put their own.
        """

        def render(said: Sequence[tuple[str, str]]) -> str:
            turns = [{"role": role, "content": text} for role, text in said]
            return str(self.tokenizer.apply_chat_template(turns, tokenize=False))

        parts, lost = settings(render, ("user", "assistant"))
        for token in sorted(self._control, key=len, reverse=True):
            parts = [part.replace(token, " ") for part in parts]
        words = unwritten(parts, MARKS)
        if lost or not words:
            return None
        said = " ".join(words)
        return Problem("warning", "template-adds", where,
                       "its chat template adds what nobody wrote to rows without a system text: "
                       f"'{said[:80]}{'…' if len(said) > 80 else ''}'",
                       "write a system text of your own, or leave it out by a `chat_template` of your own")

    def problems(self, row: Row, messages: Sequence[Message], tools: Tools, where: str) -> Iterator[Problem]:
        """What is wrong with a row, errors first."""
        yield from self._text(messages, tools, where)
        begins = row.ids.count(self._begin) if self._begin is not None else 0
        if begins > 1:
            yield _error("double-begin", where, f"{begins} begin tokens",
                         "take the begin token out of template or text")
        if not any(counts and token in self._ends for token, counts in zip(row.ids, row.trained)):
            yield _error("stop-not-trained", where, "no stop token is trained: the model would not learn to end",
                         "take a chat template that ends each answer with a token")
        unknown = self.tokenizer.unk_token_id
        if unknown is not None and unknown not in self._ends and unknown in row.ids:
            yield Problem("warning", "unknown-token", where,
                          "some of its characters are unknown to this model's tokenizer")
        if not row.whole:
            yield Problem("warning", "prompt-merges", where,
                          "the end of the prompt and the begin of the answer merge into one token, so the model is "
                          "asked with other tokens than it was trained with", "end the prompt with a line break")

    def _text(self, messages: Sequence[Message], tools: Tools, where: str) -> Iterator[Problem]:
        said = self.tokenizer.apply_chat_template(clean(messages), tools=tools, tokenize=False)
        for number, message in enumerate(messages, 1):
            content = message.get("content")
            if not isinstance(content, str):
                continue
            found = [token for token in self._control if token in content]
            if found:
                yield _error("control-token", where,
                             f"message {number} holds {found[0]}, which would be no text for this model",
                             "drop the row, or write it otherwise")
            elif content not in said:
                if content.strip() not in said:
                    yield _error("text-lost", where,
                                 f"the template loses the text of message {number} ({message.get('role')})",
                                 "take a template that knows this role, or put the text into the user's turn")
                else:
                    yield Problem("warning", "text-stripped", where,
                                  f"the template strips white space around message {number}")


def _error(code: str, where: str, message: str, fix: str) -> Problem:
    return Problem("error", code, where, message, fix)
