"""What of a row is trained, token by token: a rendering cut into tokens, and for each whether the loss is over it.

A mask is a list of tokens whose texts, one behind the other, are the rendering. Who renders and who cuts is given:
a local tokenizer (then ids and mask are those of `local.rows.row_of`, which the trainer's labels come from), a format's
own text, or the messages of a host whose control tokens nobody knows. Where no tokenizer is at hand, pieces are words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from pipeline.digest import canonical
from pipeline.tokens import Piece
from pipeline.types import Message, text_of

from .control import Family
from .proof import Said, Template

Cut = Callable[[str], list[Piece]]
"""Cuts a text into tokens, in order."""
Span = tuple[int, int]
_WORD = re.compile(r"\s*\S+|\s+")


class Token(NamedTuple):
    """A token of a rendering.

    Attributes:
        id: in the vocabulary; None for a piece that is no token.
        text: what it adds to the rendering; empty where the character was begun by the token before.
        trained: whether the loss is over it.
        special: whether it is no text to the model: begin, stop, who speaks.
        heading: whether it only names the role of the message below, and stands in no file.
    """

    id: int | None
    text: str
    trained: bool
    special: bool
    heading: bool = False


class Mask(NamedTuple):
    """A row as it is trained on.

    Attributes:
        tokens: all of it, in order.
        exact: whether these are tokens; else they are words.
        stops: texts of the tokens that end an answer; none where nobody knows them.
    """

    tokens: list[Token]
    exact: bool
    stops: frozenset[str] = frozenset()

    @property
    def trained(self) -> int:
        """How many tokens the loss is over."""
        return sum(token.trained for token in self.tokens)

    @property
    def size(self) -> int:
        """How many tokens the row has; headings are none."""
        return sum(not token.heading for token in self.tokens)

    @property
    def rendered(self) -> bool:
        """Whether this is the text that is trained on; else it is messages below headings."""
        return not any(token.heading for token in self.tokens)

    @property
    def stop_trained(self) -> bool | None:
        """Whether every trained answer ends in a stop token that is trained; None where that is not known."""
        if not self.stops:
            return None
        if not self.trained:
            return False
        return all(any(token.text.strip() in self.stops for token in run) for run in self._answers())

    def _answers(self) -> Iterator[list[Token]]:
        """The runs of trained tokens."""
        run: list[Token] = []
        for token in self.tokens:
            if token.trained:
                run.append(token)
            elif run:
                yield run
                run = []
        if run:
            yield run


def words(text: str, family: Family | None = None, cuts: Iterable[int] = ()) -> list[Piece]:
    """A text in words, each with the white space before it, and a family's control tokens: none of them has an id.

    Args:
        text: any text.
        family: whose control tokens stand in it.
        cuts: characters before which a word ends; none is within a control token.
    """
    found, at = list[Piece](), 0
    held = family.places(text) if family else []
    for start, end in sorted([*held, *((place, place) for place in {*cuts, len(text)})]):
        found += [Piece(None, at + word.start(), at + word.end()) for word in _WORD.finditer(text[at:start])]
        found += [Piece(None, start, end, True)] * (end > start)
        at = max(at, end)
    return found


def of_row(
    tokenizer: Any, messages: Sequence[Message], tools: list[dict[str, Any]] | None = None, *, full: bool = False
) -> Mask:
    """A row as local tuning trains it: ids and mask are `row_of`'s.

    Args:
        tokenizer: of transformers, with the template that is trained with.
        messages: the conversation; its last turn is trained.
        tools: what it may call.
        full: the loss is over the whole row.

    Raises:
        Exception: of the template, which may refuse roles.
    """
    from pipeline.local.rows import clean, control_ids, end_ids, row_of

    row, control = row_of(tokenizer, messages, tools, full=full), control_ids(tokenizer)
    text = str(tokenizer.apply_chat_template(clean(messages), tools=tools, tokenize=False))
    ends = frozenset(str(token) for token in tokenizer.convert_ids_to_tokens(list(end_ids(tokenizer))))
    texts = _texts(text, _places(tokenizer, text, row.ids))
    return Mask([Token(index, said, counts, index in control)
                 for index, said, counts in zip(row.ids, texts, row.trained, strict=True)], True, ends)


def _places(tokenizer: Any, text: str, ids: list[int]) -> list[Span]:
    """Where each token of a rendering stands; from lengths of what it decodes to, where the tokenizer does not say."""
    if tokenizer.is_fast:
        found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        if list(found["input_ids"]) == ids:
            return [(int(start), int(end)) for start, end in found["offset_mapping"]]
    ends = [len(tokenizer.decode(ids[: number + 1])) for number in range(len(ids))]
    return list(zip([0, *ends], ends))


def of_text(text: str, spans: Iterable[Span], cut: Cut | None, family: Family | None = None) -> Mask:
    """A rendered text, of which what stands in some places is trained; a token that stands across their begin is too.

    Args:
        text: the rendering.
        spans: characters [start, end) that are trained.
        cut: who makes tokens of it; None for words.
        family: whose control tokens stand in it.
    """
    places = list(spans)
    pieces = cut(text) if cut else words(text, family, [at for span in places for at in span])
    tokens = [Token(piece.id, said, _within(piece, places), piece.special)
              for piece, said in zip(pieces, _texts(text, [piece[1:3] for piece in pieces]), strict=True)]
    return Mask(tokens, cut is not None, frozenset([family.stop]) if family and family.stop else frozenset())


def answers(text: str, said: Said, template: Template, stop: str) -> list[Span]:
    """Where the answers of a rendered conversation stand: from what the model is asked with to the stop token's end.

    What comes before an answer is how the text begins, as `proof.Proof` has it of every row that is written.

    Args:
        text: the rendering.
        said: the conversation.
        template: which rendered it.
        stop: the token that ends an answer; no text holds it, since control tokens are refused there.
    """
    found = []
    for number, (role, _) in enumerate(said):
        if role != "assistant":
            continue
        start = len(template.prompt(said[:number])) if template.prompt and number else 0
        end = text.find(stop, start) if stop else -1
        found.append((start, end + len(stop) if end >= 0 else len(text)))
    return found


def of_messages(messages: Sequence[Message], cut: Cut | None) -> Mask:
    """A conversation whose rendering is its reader's own: each message below a heading, and no control token.

    Who trains it puts its own tokens around a message, so no stop token is named. Answers with weight 0 are read and
    not trained.
    """
    tokens: list[Token] = []
    for message in messages:
        role, calls = str(message.get("role")), message.get("tool_calls")
        trained = role == "assistant" and message.get("weight") != 0
        heading = role if trained or role != "assistant" else f"{role} (not trained)"
        said = text_of(message.get("content")) + (canonical(calls).decode("utf-8", "replace") if calls else "")
        tokens.append(Token(None, heading, False, False, True))
        tokens += of_text(said, [(0, len(said))] if trained else [], cut).tokens
    return Mask(tokens, cut is not None)


def _texts(text: str, places: Sequence[Sequence[int]]) -> list[str]:
    """What each token adds to a text, so that all of them together are the text, whatever stands between its tokens."""
    found, at = list[str](), 0
    for _, end in places:
        found.append(text[at:end])
        at = max(at, end)
    if found:
        found[-1] += text[at:]
    return found


def _within(piece: Piece, places: Collection[Span]) -> bool:
    return any(piece.start < end and piece.end > start for start, end in places)
