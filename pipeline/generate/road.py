"""The questions of a draw, in order: each follows from the answers before it, whoever asks and whoever only counts.

A road is a generator of questions that is sent the call of each. A run answers them from the store or from a host; a
plan answers from the store alone and says None where nothing is known, and is led on with something in its place.

An answer that cannot be used is followed by one repair: a call of its own, in the same conversation. A further try is
a call of its own as well, under a repeat that no draw has; so is an answer of another model to the same question. All
of them are looked up in one order (the writer's tries, then those of the models that were asked instead), and the first
that can be used counts, so that every later run finds it and pays nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

from pipeline.digest import call_id
from pipeline.errors import DataError, RecipeError
from pipeline.grid.fill import fill
from pipeline.json_text import Unread
from pipeline.readers import Json, Reader, Said, kind_of, response_format
from pipeline.recipe import Recipe, Same
from pipeline.sections import Parameters, Step
from pipeline.types import Call, CallRequest, Draw, Message

from .answers import readers_of, variable
from .dialogue import dialogue_of
from .pairs import pair_of
from .questions import (
    Asking,
    Lost,
    Made,
    Outcome,
    Passed,
    Question,
    Retry,
    Trail,
    Unusable,
    Wanted,
    Writer,
    parameters,
)
from .skip import Skips
from .tools import as_text, hear

FURTHER = 1_000_000
"""Repeats between a try and the next one of the same question: more than any cell has repeats."""
EMPTY = "(nothing)"
"""Stands for an answer without text in the conversation of its repair: hosts refuse an empty message."""
REPAIR = "This cannot be used: {fault}. Answer again: {wanted}."


class _Unused(Exception):
    """A stored or fresh answer that cannot be used; `owed` is its repair, where that has no answer yet."""

    def __init__(self, outcome: Unusable, owed: Question | None = None) -> None:
        super().__init__()
        self.outcome, self.owed = outcome, owed


class Road:
    """The questions of a recipe.

    Args:
        recipe: the recipe.
        writer: who writes where a step names nobody.
        dataset: its folder.
        instead: models that were asked instead before, in that order.
        retry: what is asked again; without it failures stand.

    Raises:
        RecipeError: an answer that is held to what cannot be read, a rule of `skip_when` that is none, or a model that
            nobody goes by.
    """

    def __init__(
        self, recipe: Recipe, writer: Writer, dataset: Path, instead: tuple[str, ...] = (), retry: Retry | None = None
    ) -> None:
        self.recipe, self.writer, self.retry = recipe, writer, retry
        self.readers, self.skips = readers_of(recipe, dataset), Skips(recipe, dataset)
        self.writers = [writer.of(step.model) for step in recipe.asks]
        self.sends = [{**parameters(recipe, step), **_sent(recipe, step, reader)}
                      for step, reader in zip(recipe.asks, self.readers, strict=True)]
        self.instead = [writer.of(name) for name in instead]
        if retry and retry.by and retry.by.name not in {each.name for each in self.instead}:
            self.instead.append(retry.by)
        self.calls = recipe.dialogue.calls if recipe.dialogue else 0
        self.judge: Writer | None = writer.of(recipe.pairs.judge.model) if recipe.pairs else None

    @property
    def everybody(self) -> list[Writer]:
        """All who may be asked, each once."""
        pairs = self.recipe.pairs
        second = [self.who(-1, pairs.second.model)] if pairs else []
        judge = [self.judge] if self.judge else []
        found = {each.name: each for each in (self.writer, *self.writers, *second, *judge, *self.instead)}
        return list(found.values())

    def who(self, index: int, model: str | None) -> Writer:
        """Who answers a step: who is named, else the step's own writer."""
        return self.writer.of(model) if model else self.writers[index]

    def ask(self, draw: Draw) -> Generator[Question, Call | None, Outcome]:
        """The questions of a draw; returns what came of it.

        Raises:
            RecipeError: a template fails on the draw's own values.
        """
        trail = Trail(draw)
        try:
            return (yield from (self._row(trail) if self.recipe.dialogue is None else dialogue_of(self, trail)))
        except Lost as lost:
            return lost.outcome

    def _row(self, trail: Trail) -> Generator[Question, Call | None, Made]:
        said: dict[str, Said] = {}
        last = len(self.recipe.asks) - 1
        for index, step in enumerate(self.recipe.asks):
            self.skips.refuse(trail, index, said)
            if index == last and self.recipe.pairs is not None:
                return (yield from pair_of(self, trail, said))
            wanted = self.step(trail, index, said)._replace(read=index < last or self.readers[index] is not None)
            said[step.name] = yield from self.answer(trail, wanted)
            if trail.guess:
                trail.unknown.add(step.name)
        return Made(tuple(trail.refs), tuple(trail.calls), said, None, tuple(trail.instead), tuple(trail.undecided))

    def step(
        self, trail: Trail, index: int, said: Mapping[str, Said], role: str = "", over: Parameters | None = None,
        model: str | None = None,
    ) -> Wanted:
        """The question of a step; `over` and `model` are what the second answer of a pair is asked with."""
        step, draw, reader = self.recipe.asks[index], trail.draw, self.readers[index]
        sends = self.sends[index]
        if over is not None:
            sends = {**sends, **over.body(), **_sent(self.recipe, step, reader)}
        hints = {"cell": draw.cell, "fields": draw.fields, **({"answer": reader.hint} if reader else {})}
        return Wanted(self.who(index, model), self._filled(trail, index, said), sends, draw.repeat,
                      role or f"step:{step.name}", reader, hints, step=index)

    def spoken(self, role: str, text: str) -> str:
        """What the other role of a dialogue hears of a text."""
        return self.recipe.dialogue.spoken(role, text) if self.recipe.dialogue else text

    def perhaps(self, wanted: Wanted, more: int) -> Question:
        """A question that may follow, whatever is not known yet; the further ones are told apart by `more`."""
        return self._question(wanted, wanted.writer, more)._replace(maybe=True)

    def _filled(self, trail: Trail, index: int, said: Mapping[str, Said]) -> list[Message]:
        try:
            return fill(self.recipe, trail.draw, {name: variable(each) for name, each in said.items()}, index)
        except (RecipeError, DataError):
            if not trail.guess:
                raise
            return [{"role": "user", "content": self.recipe.template(self.recipe.asks[index].user)}]

    def answer(self, trail: Trail, wanted: Wanted) -> Asking:
        """One question until it has an answer that can be used.

        Raises:
            Lost: it has none, and what was to be tried is tried.
        """
        unused: list[_Unused] = []
        stored: dict[str, int] = {}
        if wanted.reader is not None or self.instead:
            found = yield from self._stored(trail, wanted, unused, stored)
            if found is not None:
                return found
        try:
            return (yield from self._asked(trail, wanted, unused, stored))
        except _Unused as fault:
            raise Lost(fault.outcome) from None

    def _stored(
        self, trail: Trail, wanted: Wanted, unused: list[_Unused], stored: dict[str, int]
    ) -> Generator[Question, Call | None, Said | None]:
        """The first stored answer that can be used; else what is stored, and how many answers of each model."""
        for writer in (wanted.writer, *self.instead):
            for turn in count():
                question = self._question(wanted, writer, turn)._replace(look=True)
                call = yield question
                if call is None:
                    break
                try:
                    said = yield from self._read(trail, wanted, question, call)
                except _Unused as fault:
                    unused.append(fault)
                    if call.failure is not None:
                        break  # it is asked again under its own id
                    stored[writer.name] = turn + 1
                    continue
                trail.instead += [fault.outcome.call.id for fault in unused]
                return said
        return None

    def _asked(
        self, trail: Trail, wanted: Wanted, unused: list[_Unused], stored: dict[str, int]
    ) -> Asking:
        """Asks what has to be asked: the question itself, the repair that it still owes, or once more."""
        retry = self.retry
        owed = next((fault for fault in unused if fault.owed), None)
        last = unused[-1] if unused else None
        if owed is not None:
            try:
                return (yield from self._mended(trail, wanted, owed))
            except _Unused as fault:
                last = fault
        elsewhere = retry is not None and retry.by is not None and retry.by.name != wanted.writer.name
        if last is None and elsewhere and not trail.refs:
            raise Lost(Passed())
        if last is not None and retry is not None and retry.takes(last.outcome.kind):
            by = retry.by if elsewhere and retry.by is not None else wanted.writer
            trail_of = [fault.outcome.call.id for fault in unused]
            said = yield from self._fresh(trail, wanted, self._question(wanted, by, stored.get(by.name, 0)))
            trail.instead += trail_of
            return said
        if last is not None and (elsewhere or wanted.writer.name in stored):
            raise last
        return (yield from self._fresh(trail, wanted, self._question(wanted, wanted.writer, 0)))

    def _fresh(self, trail: Trail, wanted: Wanted, question: Question) -> Asking:
        """Asks, and where nobody can answer goes on with something in its place."""
        call = yield question
        if call is not None:
            return (yield from self._read(trail, wanted, question, call))
        trail.guessed(wanted.role, question.request)
        if wanted.reader is None:
            return Said("", "")
        yield self._repair(question, "", wanted.reader, "it is not")._replace(maybe=True)
        return wanted.reader.stand_in()

    def _read(self, trail: Trail, wanted: Wanted, question: Question, call: Call) -> Asking:
        """What a call says; where it cannot be used, what its repair says."""
        said, fault = _said(wanted.reader, call, (call,))
        if said is not None:
            trail.note(wanted.role, call)
            return said
        assert fault is not None
        if fault.kind != "parse" or call.failure is not None or wanted.reader is None:
            raise _Unused(fault)
        owed = self._repair(question, as_text(call), wanted.reader, fault.what)._replace(look=question.look)
        repaired = yield owed
        if repaired is None and not question.look:
            trail.note(wanted.role, call)
            trail.guessed("repair", owed.request)
            return wanted.reader.stand_in()
        if repaired is None or (question.look and repaired.failure is not None):
            raise _Unused(fault, owed._replace(look=False))
        return self._repaired(trail, wanted, call, repaired)

    def _mended(self, trail: Trail, wanted: Wanted, fault: _Unused) -> Asking:
        """Asks for the repair that an answer still owes."""
        assert fault.owed is not None
        assert wanted.reader is not None
        repaired = yield fault.owed
        if repaired is not None:
            return self._repaired(trail, wanted, fault.outcome.call, repaired)
        trail.note(wanted.role, fault.outcome.call)
        trail.guessed("repair", fault.owed.request)
        return wanted.reader.stand_in()

    def _repaired(self, trail: Trail, wanted: Wanted, call: Call, repaired: Call) -> Said:
        said, fault = _said(wanted.reader, repaired, (call, repaired))
        if said is None:
            assert fault is not None
            raise _Unused(fault)
        trail.note(wanted.role, call)
        trail.note("repair", repaired)
        return said

    def _question(self, wanted: Wanted, writer: Writer, turn: int) -> Question:
        body = writer.provider.body(writer.model, wanted.messages, wanted.parameters)
        request = _request(writer, body, wanted.repeat + turn * FURTHER, wanted.hints)
        return Question(request, writer, read=wanted.read, step=wanted.step, holds=wanted.holds)

    def _repair(self, question: Question, text: str, reader: Reader, fault: str) -> Question:
        """The same conversation, with the answer and what is wrong with it."""
        request = question.request
        told = REPAIR.format(fault=fault, wanted=reader.wanted)
        talk = [{"role": "assistant", "content": (text.strip() and text) or EMPTY}, {"role": "user", "content": told}]
        body = {**request.body, "messages": [*request.body["messages"], *talk]}
        hints = {**request.hints, "repair": True}
        return Question(_request(question.writer, body, request.repeat, hints), question.writer, step=question.step,
                        holds=question.holds)


def _request(writer: Writer, body: dict[str, Any], repeat: int, hints: Mapping[str, Any]) -> CallRequest:
    name = writer.provider.namespace
    return CallRequest(id=call_id(name, "chat", body, repeat), namespace=name, body=body, repeat=repeat, hints=hints)


def _said(reader: Reader | None, call: Call, calls: tuple[Call, ...]) -> tuple[Said | None, Unusable | None]:
    """What a call says, or why it cannot be used."""
    if call.failure is not None:
        return None, Unusable(call, calls, call.failure.kind, call.failure.message)
    if reader is None:
        return Said(call.text, call.text), None
    try:
        return hear(reader, call, calls[0] if len(calls) > 1 else None), None
    except Unread as fault:
        return None, Unusable(call, calls, kind_of(call), str(fault))


def _sent(recipe: Recipe, step: Step, reader: Reader | None) -> dict[str, Any]:
    """The `response_format` of a step that asks for it to be sent."""
    if step.answer is None or not step.answer.send or not isinstance(reader, Json):
        return {}
    if "response_format" in parameters(recipe, step):
        raise RecipeError(f"{recipe.name}: step '{step.name}': `answer.send` and `params.response_format` say the same",
                          "leave one of them out")
    return response_format(step.name, reader.schema, step.answer.send == "strict")


@lru_cache(maxsize=16)
def _road(key: Same, writer: Writer, dataset: Path, instead: tuple[str, ...], retry: Retry | None) -> Road:
    return Road(key.recipe, writer, dataset, instead, retry)


def road_of(
    recipe: Recipe, writer: Writer, dataset: Path, instead: tuple[str, ...] = (), retry: Retry | None = None
) -> Road:
    """The road of a recipe, made at the first call for these very objects."""
    return _road(Same(recipe), writer, dataset, instead, retry)
