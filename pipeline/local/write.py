"""A local model writes: prompts in batches of about one length, each answer drawn with dice of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pipeline.digest import hash_int
from pipeline.errors import DataError
from pipeline.types import Message

from . import _stack
from .load import Loaded
from .rows import Tools, prompt_ids

ROWS = 32
"""Answers that are written at once at most."""
POSITIONS = 32_768
"""Positions of a batch at most, prompts and answers together: bounds the memory of keys and values."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How tokens are chosen.

    Attributes:
        max_tokens: of an answer, the stop token included.
        temperature: 0 takes the likeliest token each time.
        top_p: the likeliest tokens whose chances add up to this are drawn from.
        seed: with the same seed, prompt and model the same answer comes.
        stop: texts before which an answer ends.
    """

    max_tokens: int = 400
    temperature: float = 0.7
    top_p: float = 0.9
    seed: int = 0
    stop: tuple[str, ...] = ()


class Ask(NamedTuple):
    """One prompt in tokens, and how its answer is drawn. `dice` seeds the draws of this answer alone."""

    ids: list[int]
    decoding: Decoding
    dice: int


@dataclass(frozen=True, slots=True)
class Written:
    """An answer.

    Attributes:
        index: place of its prompt in what was asked.
        text: without the stop token or stop text.
        tokens: that were written, the stop token included.
        stopped: it ended by itself; False where max_tokens, or the model's context, cut it.
    """

    index: int
    text: str
    tokens: int
    stopped: bool


def write(
    loaded: Loaded, conversations: Sequence[list[Message]], decoding: Decoding, *, tuned: bool
) -> Iterator[Written]:
    """Answers prompts; in order of length, not of place.

    What is drawn for a prompt depends on the seed and the prompt, never on its place or on its neighbours.

    Args:
        loaded: the model.
        conversations: each ends where the model shall answer.
        decoding: of all of them.
        tuned: with the adapter, or as the base model without it.

    Raises:
        DataError: a prompt leaves no room for an answer in the model's context; or `tuned` without an adapter.
    """
    asks = []
    for index, messages in enumerate(conversations):
        ids = prompt_ids(loaded.tokenizer, messages)
        if len(ids) >= loaded.context:
            raise DataError(f"prompt {index + 1}: {len(ids):,} tokens; the model knows {loaded.context:,} positions",
                            "shorten the prompt, or take a base with a longer context")
        asks.append(Ask(ids, decoding, hash_int("write", decoding.seed, messages)))
    yield from write_asks(loaded, asks, tuned=tuned)


def ask_of(loaded: Loaded, messages: Sequence[Message], tools: Tools, decoding: Decoding, dice: int) -> Ask:
    """A prompt in tokens."""
    return Ask(prompt_ids(loaded.tokenizer, messages, tools), decoding, dice)


def _never() -> bool:
    return False


def write_asks(
    loaded: Loaded, asks: Sequence[Ask], *, tuned: bool, over: Callable[[], bool] = _never
) -> Iterator[Written]:
    """As `write`, each prompt with a decoding and dice of its own; every prompt leaves room for an answer.

    Args:
        loaded: the model.
        asks: see `ask_of`.
        tuned: with the adapter, or without it.
        over: asked at every token; True ends it, and what is not finished then is not yielded.
    """
    with loaded.asked(tuned) as model, _stack.quiet():
        for batch in _batches(loaded, asks):
            found = _batch(loaded, model, asks, batch, over)
            if over():
                return
            yield from found


def _room(loaded: Loaded, ask: Ask) -> int:
    """Tokens that its answer may have."""
    return max(1, min(ask.decoding.max_tokens, loaded.context - len(ask.ids)))


def _batches(loaded: Loaded, asks: Sequence[Ask]) -> Iterator[list[int]]:
    """Indices, the longest first, so that memory that is too small shows at once."""
    order = sorted(range(len(asks)), key=lambda i: (-len(asks[i].ids), -_room(loaded, asks[i]), i))
    batch: list[int] = []
    positions = 0
    for index in order:
        here = max(positions, len(asks[index].ids) + _room(loaded, asks[index]))
        if batch and (len(batch) == ROWS or here * (len(batch) + 1) > POSITIONS):
            yield batch
            batch, here = [], len(asks[index].ids) + _room(loaded, asks[index])
        batch.append(index)
        positions = here
    if batch:
        yield batch


def _batch(
    loaded: Loaded, model: Any, asks: Sequence[Ask], batch: list[int], over: Callable[[], bool]
) -> list[Written]:
    """One call of `generate`, padded on the left."""
    torch = _stack.module("torch")
    tokenizer, rows = loaded.tokenizer, [asks[index] for index in batch]
    width = max(len(row.ids) for row in rows)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else loaded.stops[0]
    ids = torch.tensor([[pad] * (width - len(row.ids)) + row.ids for row in rows], device=loaded.device)
    seen = torch.tensor([[0] * (width - len(row.ids)) + [1] * len(row.ids) for row in rows], device=loaded.device)
    room = [_room(loaded, row) for row in rows]
    stopping = _Ends(tokenizer, [row.decoding.stop for row in rows], room, width, over)
    found = model.generate(
        input_ids=ids, attention_mask=seen, do_sample=False, num_beams=1, max_new_tokens=max(room),
        temperature=None, top_p=None, top_k=None, pad_token_id=pad, eos_token_id=list(loaded.stops),
        logits_processor=[_Dice(rows)], stopping_criteria=[stopping])
    return [_written(loaded, index, found[place, width:].tolist()[: room[place]], asks[index].decoding.stop)
            for place, index in enumerate(batch)]


def _written(loaded: Loaded, index: int, said: list[int], stop: tuple[str, ...]) -> Written:
    end = next((place for place, token in enumerate(said) if token in loaded.stops), None)
    kept = said if end is None else said[:end]
    text = str(loaded.tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False))
    cut = min((at for word in stop if (at := text.find(word)) >= 0), default=None)
    if cut is not None:
        kept, used = _until(loaded, kept, stop)
        return Written(index, text[:cut], used, True)
    return Written(index, text, len(said) if end is None else end + 1, end is not None)


def _until(loaded: Loaded, said: list[int], stop: tuple[str, ...]) -> tuple[list[int], int]:
    """The tokens up to the one that completes a stop text, and how many they are."""
    for count in range(1, len(said) + 1):
        text = loaded.tokenizer.decode(said[:count], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        if any(word in text for word in stop):
            return said[:count], count
    return said, len(said)


class _Dice:
    """Draws each row's next token with the row's own dice, by the Gumbel-max trick (Gumbel 1954; Maddison 2014).

    The token whose logit plus Gumbel noise is largest is a fair draw, so `generate` may stay greedy, and a row's
    draws do not depend on which rows stand beside it.
    """

    def __init__(self, rows: Sequence[Ask]) -> None:
        torch = _stack.module("torch")
        self._dice = [torch.Generator().manual_seed(row.dice % 2**63) for row in rows]
        self._heat = torch.tensor([row.decoding.temperature for row in rows])
        self._share = torch.tensor([row.decoding.top_p for row in rows])

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Scores of (rows, vocabulary), with the drawn token's the largest."""
        torch = _stack.module("torch")
        if not bool((self._heat > 0).any()):
            return scores
        heat, share = self._heat.to(scores.device)[:, None], self._share.to(scores.device)[:, None]
        drawn = scores.float() / heat.clamp(min=1e-6)
        if bool((self._share < 1).any()):
            order = drawn.sort(dim=-1, descending=True)
            before = order.values.softmax(dim=-1).cumsum(dim=-1) - order.values.softmax(dim=-1)
            out = torch.zeros_like(before, dtype=torch.bool).scatter(-1, order.indices, before >= share)
            drawn = drawn.masked_fill(out, float("-inf"))
        noise = torch.stack([torch.rand(drawn.shape[-1], generator=dice) for dice in self._dice]).to(drawn.device)
        drawn = drawn - (-noise.clamp(min=1e-20).log()).clamp(min=1e-20).log()
        return torch.where(heat > 0, drawn, scores.float())


class _Ends:
    """Rows that are done before the stop token: their own limit is reached, a stop text is there, or all is over."""

    def __init__(
        self, tokenizer: Any, stops: Sequence[tuple[str, ...]], room: Sequence[int], width: int,
        over: Callable[[], bool],
    ) -> None:
        self._over = over
        self._tokenizer, self._stops, self._room, self._width = tokenizer, stops, room, width
        self._back = [max((len(word.encode()) for word in words), default=0) + 8 for words in stops]

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        """One truth value for each row."""
        torch = _stack.module("torch")
        written, over = input_ids.shape[1] - self._width, self._over()
        done = []
        for row, (words, room, back) in enumerate(zip(self._stops, self._room, self._back)):
            ended = over or written >= room
            if words and not ended:
                tail = input_ids[row, max(self._width, input_ids.shape[1] - back):].tolist()
                text = self._tokenizer.decode(tail, skip_special_tokens=True, clean_up_tokenization_spaces=False)
                ended = any(word in text for word in words)
            done.append(ended)
        return torch.tensor(done, device=input_ids.device)
