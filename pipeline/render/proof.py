"""The proof of a rendering: text preserved, nothing injected, one begin token, the stop token behind each answer.

What a template sets a conversation in is found by rendering the same roles with marks in place of the texts. A
rendering is proven when it is these settings with the row's own texts between them, and nothing else; and when the
settings hold what the family's model is to be trained on: begin tokens, and the stop token behind each answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from pipeline.types import Problem

from .control import Family, control_tokens

Said = Sequence[tuple[str, str]]
"""A conversation as (role, text)."""


class Proof:
    """Proves renderings by one template.

    Args:
        family: what its tokenizer takes for no text, and what begins and ends.
        render: the template: a conversation's text. It may strip the ends of texts, and do nothing else to them.
    """

    def __init__(self, family: Family, render: Callable[[Said], str]) -> None:
        self._family, self._render = family, render
        self._token = re.compile("|".join(re.escape(token) for token in sorted(family.tokens, key=len, reverse=True)))
        self._known: dict[tuple[str, ...], tuple[list[str], list[Problem]]] = {}

    def problems(self, text: str, said: Said, where: str) -> Iterator[Problem]:
        """What a rendering does not hold of what it should; nothing where it is proven.

        Args:
            text: the rendering, as it stands in the file.
            said: the row's own turns, as nobody has rendered them.
            where: the row, for the problems.
        """
        held = [(number, found) for number, (_, content) in enumerate(said, 1)
                for found in control_tokens(content, self._family.name)]
        for number, token in held:
            yield _error("control-token", where, f"message {number} contains the control token {token}",
                         "take it out of the text: in the tokenizer it would no longer be text")
        if held or not said:
            return
        parts, found = self._settings(tuple(role for role, _ in said))
        yield from (Problem(each.severity, each.code, where, each.message, each.fix) for each in found)
        if parts and not _is_made_of(text, parts, said):
            yield _unlike(text, said, where)

    def _settings(self, roles: tuple[str, ...]) -> tuple[list[str], list[Problem]]:
        """What the texts of these roles are set in, and what is wrong there."""
        if roles not in self._known:
            parts, lost = settings(self._render, roles)
            if lost:
                what = f"the template does not write the text of message {lost[0]} ({roles[lost[0] - 1]}) once"
                self._known[roles] = [], [_error("text-lost", "", what, "this is a fault of the format's template")]
            else:
                self._known[roles] = parts, list(self._unsound(roles, parts))
        return self._known[roles]

    def _unsound(self, roles: tuple[str, ...], parts: list[str]) -> Iterator[Problem]:
        """What a template itself does wrong, whatever the texts are."""
        kind, fix = self._family, "this is a fault of the format's template"
        words = {word for part in parts for word in self._token.sub(" ", part).split()} - kind.words
        if words:
            yield _error("text-injected", "", f"the template adds what nobody wrote: {' '.join(sorted(words))}", fix)
        wanted = roles.count("assistant") if kind.begins == "exchange" else 1
        begins = sum(part.count(kind.begin) for part in parts)
        if begins < wanted or not parts[0].startswith(kind.begin):
            yield _error("no-begin", "", f"{kind.begin} does not begin each {kind.begins}", fix)
        elif begins > wanted:
            yield _error("double-begin", "", f"{begins} times {kind.begin}, and {wanted} belong there", fix)
        for number, role in enumerate(roles, 1):
            if role == "assistant" and not parts[number].lstrip(" ").startswith(kind.stop):
                yield _error("stop-not-trained", "", f"{kind.stop} does not follow answer {number}: the model would "
                             "not learn to end", fix)
                return


def settings(render: Callable[[Said], str], roles: Sequence[str]) -> tuple[list[str], list[int]]:
    """What a template writes before, between and behind the texts of a conversation.

    Args:
        render: the template.
        roles: of the conversation's turns.

    Returns:
        One part more than there are turns; and the numbers, from 1, of turns whose text is not written exactly once,
        with which the parts say nothing.
    """
    marks = [f"\ue000{number}\ue001" for number in range(len(roles))]  # private use: no template has them
    whole = render(list(zip(roles, marks, strict=True)))
    lost = [number for number, mark in enumerate(marks, 1) if whole.count(mark) != 1]
    return re.split("|".join(marks), whole), lost


def _is_made_of(text: str, parts: Sequence[str], said: Said) -> bool:
    """Whether a text is these parts with the texts between them, each as it is or stripped at its ends."""
    ends = {len(parts[0])} if text.startswith(parts[0]) else set[int]()
    for (_, content), behind in zip(said, parts[1:], strict=True):
        forms = {content, content.strip(), content.lstrip(), content.rstrip()}
        ends = {end + len(form) + len(behind) for end in ends for form in forms if text.startswith(form + behind, end)}
    return len(text) in ends


def _unlike(text: str, said: Said, where: str) -> Problem:
    """What is different where a text is not made of its row: a text of the row is missing, or there is more."""
    at = 0
    for number, (role, content) in enumerate(said, 1):
        found = text.find(content.strip(), at)
        if found < 0:
            return _error("text-lost", where, f"the text of message {number} ({role}) is not in its rendering",
                          "this is a fault of the format: please report it with the row")
        at = found + len(content.strip())
    return _error("text-injected", where, "the rendering holds more, or less, than the row's texts and its template",
                  "rewrite the file: begin token, spaces and line breaks are part of the format")


def _error(code: str, where: str, message: str, fix: str) -> Problem:
    return Problem("error", code, where, message, fix)
