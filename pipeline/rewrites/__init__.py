"""How rows are augmented: one file per rewrite, each pure. The original stays, as the parent.

A rewrite says which rows it is for, what to ask, and what the answer makes of the row. One that needs no
answer (`LocalRewrite`, or any rewrite on a row for which `messages` is None) makes the child from the row alone. One
that asks more than once says so in `further`. A child stands in its parent's place, or beside it (`adds`).
The stage `augment` asks, and refuses a child that a rule drops where its parent passed.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, get_args

from .. import registry
from ..digest import digest
from ..errors import RecipeError
from ..options import OptionFault, Options, read_options
from ..sections import Item
from ..types import Call, CallRef, Message, Sample

__all__ = ["Ahead", "AnyRewrite", "Changed", "LocalRewrite", "OptionFault", "Options", "Refused", "Rewrite",
           "answered_by", "made_by", "open_rewrites"]

How = TypeVar("How", bound=Options)
OUTPUT_PRIOR = 2
"""Expected length of a rewrite over that of its parent, where the rewrite knows no better. A guess, printed as one."""


class Refused(NamedTuple):
    """Why an answer makes no child.

    Attributes:
        code: stable, kebab-case, as `not-longer`: refusals are counted by it.
        reason: what was measured, for the person who reads it.
    """

    code: str
    reason: str


class Changed(NamedTuple):
    """What a rewrite makes of a row without asking anybody.

    Attributes:
        sample: the row with other texts (`messages`, `rejected`, `fields`); its id and history are seen to elsewhere.
        what: what was changed, for the person who reads it, as `2 emails, 1 phone`. No text that was taken out.
    """

    sample: Sample
    what: str


class Ahead(NamedTuple):
    """A question that follows on others, as far as it is known before they are answered.

    Attributes:
        messages: about what will be asked.
        output_bytes: about how many bytes of UTF-8 will be answered.
    """

    messages: list[Message]
    output_bytes: int


class Rewrite(Generic[How]):
    """One way to make a row better.

    A subclass names its options once, as `class Expand(Rewrite[How])`.

    Attributes:
        name: the printed name; `provenance.augmentation` of its children.
        how: its options.
        cures: rules whose drop it may undo. A row that another rule dropped, or a person, is left alone.
        adds: what is new of a child that is kept beside its parent, as `prompt`; empty where it stands in its place.
        local: whether it never asks anybody.
        seed: the recipe's.
        nth: which of a row's children this one makes, from 0 on, where there are several.
    """

    adds: str = ""
    nth: int = 0
    local: ClassVar[bool] = False
    model: ClassVar[type[Options]] = Options
    cures: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        for base in getattr(cls, "__orig_bases__", ()):
            for model in get_args(base):
                if isinstance(model, type) and issubclass(model, Options):
                    cls.model = model

    def __init__(self, name: str, how: How, seed: int = 0) -> None:
        self.name = name
        self.how = how
        self.seed = seed

    @classmethod
    def prepare(cls, options: dict[str, Any]) -> dict[str, Any]:
        """The rewrite's own reading of what a person wrote, before types are checked.

        Raises:
            OptionFault: with the lines to write instead.
        """
        return options

    @property
    def makes(self) -> tuple[str, str, int]:
        """Its children, as `made_by` tells them."""
        return self.name, self.adds, self.nth

    @property
    def times(self) -> int:
        """How many children a row gets."""
        return 1

    @abstractmethod
    def applies(self, sample: Sample) -> bool:
        """Whether a row is one that this is for."""

    @abstractmethod
    def messages(self, sample: Sample) -> list[Message] | None:
        """What the writer is asked; None where `change` makes the child and nobody is asked."""

    @abstractmethod
    def text(self, sample: Sample, call: Call) -> str | Refused:
        """The new answer, or why there is none."""

    def further(self, sample: Sample, calls: Sequence[Call]) -> list[Message] | Refused | None:
        """What is asked after these answers: None where they are all that is needed, Refused where they are no good."""
        return None

    def output_bytes(self, sample: Sample) -> int:
        """About how many bytes of UTF-8 the writer will answer with: for the price that is said first."""
        return OUTPUT_PRIOR * len(sample.answer.encode("utf-8", "surrogatepass"))

    def ahead(self, sample: Sample) -> list[Ahead]:
        """The questions that `further` will have, for the same price; each depends on the answer before it."""
        return []

    def change(self, sample: Sample) -> Changed | Refused:
        """The row with other texts, or why there is none, where nobody is asked. Follows from row, options and seed."""
        raise NotImplementedError(f"{self.name} asks nothing and changes nothing")

    def made_with(self) -> list[Any]:
        """What else than the row decides what `change` makes of it."""
        return [self.how.model_dump(mode="json")]

    def child_id(self, sample: Sample, call: str | None) -> str:
        """The id of the child that a call makes of a row, known before the call is sent; None: without a call.

        Of several calls it is the first: the others follow from it.
        """
        if call is None:
            return digest("child", sample.id, self.name, [], *self.made_with())
        return digest("child", sample.id, self.name, [call])

    def child(self, sample: Sample, *calls: Call) -> Sample | Refused:
        """The row that the answers (none: the rewrite by itself) make of its parent, which is left as it is."""
        if not calls:
            return self._changed(sample)
        found = self.row(sample, calls)
        if isinstance(found, Refused):
            return found
        child = replace(sample, messages=found.messages, fields=found.fields,
                        calls=tuple(CallRef(call.id, "rewrite") for call in calls))
        return self._child(child, self.child_id(sample, calls[0].id), {**found.provenance, **_paid(sample, calls)})

    def row(self, sample: Sample, calls: Sequence[Call]) -> Sample | Refused:
        """The row with other texts and what is known of who wrote them, or why there is none.

        As it stands here, it has another last answer.
        """
        call = calls[-1]
        found = self.text(sample, call)
        return found if isinstance(found, Refused) else answered_by(sample, found, call)

    def _changed(self, sample: Sample) -> Sample | Refused:
        """The child that no call was needed for: who wrote it, when, and how it ended is as of its parent."""
        found = self.change(sample)
        if isinstance(found, Refused):
            return found
        if found.sample.digest == sample.digest:
            return Refused("unchanged", f"{self.name} found nothing to change")
        made = {"cost_usd": 0.0, "input_tokens": 0, "output_tokens": 0, "changed": found.what}
        child = replace(sample, messages=found.sample.messages, rejected=found.sample.rejected,
                        fields=found.sample.fields, calls=())
        return self._child(child, self.child_id(sample, None), {**sample.provenance, **made})

    def _child(self, child: Sample, name: str, provenance: dict[str, Any]) -> Sample:
        """A row with its parent's id still on it, as a row of its own."""
        told = {"added": self.adds, "nth": self.nth} if self.adds else {"replaces": child.id}
        kept = {key: value for key, value in provenance.items() if key != "replaces"} if self.adds else provenance
        told = {"augmentation": self.name, **told}
        return replace(child, id=name, parent=child.id, source=None, provenance={**kept, **told})


class LocalRewrite(Rewrite[How]):
    """A rewrite that asks nobody: a subclass says `applies` and `change`. Costs nothing and needs no model.

    A row that `change` made should not be one that `applies` takes again: a rewrite ends.
    """

    local = True

    def messages(self, sample: Sample) -> None:
        """Nothing is asked."""

    def text(self, sample: Sample, call: Call) -> Refused:
        """No answer is waited for."""
        return Refused("no-question", f"{self.name} asks nothing")


AnyRewrite = Rewrite[Any]


def made_by(child: Sample) -> tuple[str, str, int]:
    """Of a row with a parent: the rewrite that made it, what it added, and which of the children it is."""
    made = child.provenance
    beside = "added" in made and "replaces" not in made  # what an added row had is its own rewrites', too
    return str(made.get("augmentation")), *((str(made["added"]), int(made.get("nth", 0))) if beside else ("", 0))


def answered_by(sample: Sample, text: str, call: Call) -> Sample:
    """The row with another last answer, and with what is known of the call that gave it."""
    last = max(index for index, message in enumerate(sample.messages) if message.get("role") == "assistant")
    turn = {key: value for key, value in sample.messages[last].items() if key != "refusal"}
    messages = [*sample.messages[:last], {**turn, "content": text}, *sample.messages[last + 1:]]
    inherited = {key: value for key, value in sample.provenance.items() if key != "refusal"}
    made = {"model": call.model, "namespace": call.namespace, "finish_reason": call.finish_reason}
    return replace(sample, messages=messages, provenance={**inherited, **made})


def _paid(sample: Sample, calls: Sequence[Call]) -> dict[str, Any]:
    """What the calls of a child did cost, and when the last one came."""
    costs, usages = [call.cost_usd for call in calls], [call.usage for call in calls if call.usage]
    return {
        "cost_usd": None if None in costs else sum((cost for cost in costs if cost), 0.0), "created": calls[-1].at,
        "rehearsal": sample.rehearsal or any(call.rehearsal for call in calls),
        "input_tokens": sum(usage.input_tokens for usage in usages),
        "output_tokens": sum(usage.output_tokens for usage in usages),
    }


def open_rewrites(
    items: Sequence[Item], where: Callable[[int], str] = "rewrite {}".format, folder: Path | None = None,
    seed: int = 0,
) -> list[AnyRewrite]:
    """The rewrites of a recipe's list, options read and checked; one that makes several children is there as often.

    Args:
        items: as `recipe.augment`.
        where: the place of the i-th item.
        folder: where `rewrite: ./mine.py` starts; None refuses such a rewrite.
        seed: the recipe's, for what is drawn.

    Raises:
        RecipeError: an unknown rewrite or option, with line and what to write instead.
    """
    found: list[AnyRewrite] = []
    for index, item in enumerate(items):
        try:
            kind = registry.load("rewrites", item.name, folder)
        except RecipeError as error:
            raise RecipeError(f"{where(index)}: {error.message}", error.hint) from None
        if not (isinstance(kind, type) and issubclass(kind, Rewrite)):
            raise RecipeError(f"{where(index)}: {item.name}: `plugin` is no rewrite", "subclass Rewrite")
        own = item.name.endswith(".py")
        name = registry.printed(Path(item.name).stem) if own else registry.resolve("rewrites", item.name)
        (how,) = read_options(name, item.options, where(index), (kind.model,), kind.prepare)
        found.append(kind(name, how, seed))
        for nth in range(1, found[-1].times):
            found.append(kind(name, how, seed))
            found[-1].nth = nth
    return found
