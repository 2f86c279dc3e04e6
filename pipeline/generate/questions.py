"""Who is asked, what a question of a draw is, and what came of all its questions."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline.engine import Provider
from pipeline.errors import RecipeError
from pipeline.prices import Price, of_batch
from pipeline.readers import Reader, Said
from pipeline.recipe import Recipe
from pipeline.sections import Step
from pipeline.types import Call, CallRef, CallRequest, Draw, FailureClass, Message


class Writer(NamedTuple):
    """Who writes, and with what: a provider, the model's name at that host, its price.

    `named` finds others by PROVIDER:MODEL, for steps, second answers and judges that name one.
    """

    provider: Provider
    model: str
    price: Price | None
    named: Callable[[str], Writer] | None = None

    @property
    def name(self) -> str:
        """PROVIDER:MODEL."""
        return f"{self.provider.namespace}:{self.model}"

    def in_batches(self) -> Writer:
        """The same at the price of a batch."""
        named = self.named
        return self._replace(price=of_batch(self.price),
                             named=None if named is None else lambda name: named(name).in_batches())

    def of(self, name: str | None) -> Writer:
        """Who goes by a name; the writer itself without one. In a rehearsal whoever is named is rehearsed.

        Raises:
            RecipeError: nobody goes by it, or it is a rehearsal beside a real model.
        """
        if name is None or name == self.name:
            return self
        host, _, model = name.partition(":")
        if self.provider.rehearsal:
            return self._replace(model=model if host == self.provider.namespace else name)
        if host == self.provider.namespace and self.named is None:
            return self._replace(model=model)
        if self.named is None:
            raise RecipeError(f"nobody is known as {name}", f"as {self.name}")
        found = self.named(name)
        if found.provider.rehearsal:
            raise RecipeError(f"{name} only rehearses, and {self.name} is real: a row cannot be both",
                              "name a real model there, or rehearse all of it: --model rehearsal")
        return found._replace(provider=self.provider) if host == self.provider.namespace else found


class Retry(NamedTuple):
    """What is to be asked again.

    Attributes:
        classes: of failures; all where there are none.
        by: who is asked instead; None for the one who failed.
    """

    classes: tuple[str, ...] = ()
    by: Writer | None = None

    def takes(self, kind: str) -> bool:
        """Whether a failure of a class is asked again."""
        return not self.classes or kind in self.classes


class Question(NamedTuple):
    """One question of a road.

    Attributes:
        look: only what is stored counts: None is sent where that is nothing.
        maybe: whether it will be asked is not known; nothing is sent for it.
        step: which step of the recipe it belongs to; behind the last come the second answer of a pair and its judge.
        read: whether the text of the answer matters for what follows.
        holds: of a dialogue: steps whose answers stand in it and are not known yet, each as often as it does.
    """

    request: CallRequest
    writer: Writer
    look: bool = False
    maybe: bool = False
    read: bool = True
    step: int = 0
    holds: tuple[int, ...] | None = None


class Made(NamedTuple):
    """The answers of a row.

    Attributes:
        refs: its calls with their roles, in order; where a plan guesses, as far as they can be named.
        calls: the calls that are known, in the same order.
        said: step -> its answer.
        rejected: of a pair, the answer that lost.
        instead: ids of calls that failed and were made up for.
        undecided: places at which an answer that is not known yet may still skip it; see `skip`.
    """

    refs: tuple[CallRef, ...]
    calls: tuple[Call, ...]
    said: dict[str, Said]
    rejected: Said | None = None
    instead: tuple[str, ...] = ()
    undecided: tuple[int, ...] = ()


class Unusable(NamedTuple):
    """Why a draw has no row: a call that failed, or whose answer cannot be used.

    Attributes:
        call: the last one of its question.
        calls: all of that try, for what it cost.
        kind: a class of failure.
        what: a sentence.
    """

    call: Call
    calls: tuple[Call, ...]
    kind: FailureClass
    what: str


class Unpaired(NamedTuple):
    """Two answers that are no pair, and why."""

    why: str


class Skipped(NamedTuple):
    """A draw that is not asked for any further: no row, and no failure.

    Attributes:
        place: the step before which it was skipped; behind the last, the second answer of a pair.
        why: the condition or rule of `skip_when`.
        told: whether an answer decided it, where axes and columns alone would not have.
        undecided: earlier places at which an answer that is not known yet may skip it as well.
    """

    place: int
    why: str
    told: bool = True
    undecided: tuple[int, ...] = ()


class Passed(NamedTuple):
    """Nothing was asked for a draw yet, and only what failed is asked again."""


Outcome = Made | Unusable | Unpaired | Skipped | Passed | None
"""None: its templates fail."""


Asking = Generator[Question, Call | None, Said]


class Wanted(NamedTuple):
    """A question before anybody is chosen to answer it."""

    writer: Writer
    messages: list[Message]
    parameters: Mapping[str, Any]
    repeat: int
    role: str
    reader: Reader | None
    hints: Mapping[str, Any]
    read: bool = True
    step: int = 0
    holds: tuple[int, ...] | None = None


@dataclass
class Trail:
    """What one draw has gathered so far; `unknown` are the steps in whose place something else stands."""

    draw: Draw
    refs: list[CallRef] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    instead: list[str] = field(default_factory=list)
    guess: bool = False
    unknown: set[str] = field(default_factory=set)
    undecided: list[int] = field(default_factory=list)

    def note(self, role: str, call: Call) -> None:
        """Takes in a call that the row is made of."""
        self.refs.append(CallRef(call.id, role))
        self.calls.append(call)

    def guessed(self, role: str, request: CallRequest) -> None:
        """Takes in a call that is not made yet: what follows is told apart by it."""
        self.guess = True
        self.refs.append(CallRef(request.id, role))


class Lost(Exception):
    """The draw gives no row. Carries the outcome out of nested generators; never shown."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def parameters(recipe: Recipe, step: Step) -> dict[str, Any]:
    """What a step sends beside model and messages: the recipe's, and the step's own over them."""
    return {**recipe.generate.body(), **step.body()}
