"""How rows are augmented: one file per rewrite, each pure. The original stays, as the parent.

A rewrite says which rows it is for, what to ask, and what the answer makes of the row. The stage
`augment` asks, and refuses a child that a rule drops where its parent passed.
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

__all__ = ["AnyRewrite", "OptionFault", "Options", "Refused", "Rewrite", "open_rewrites"]

How = TypeVar("How", bound=Options)


class Refused(NamedTuple):
    """Why an answer makes no child.

    Attributes:
        code: stable, kebab-case, as `not-longer`: refusals are counted by it.
        reason: what was measured, for the person who reads it.
    """

    code: str
    reason: str


class Rewrite(Generic[How]):
    """One way to make a row better.

    A subclass names its options once, as `class Expand(Rewrite[How])`.

    Attributes:
        name: the printed name; `provenance.augmentation` of its children.
        how: its options.
        cures: rules whose drop it may undo. A row that another rule dropped, or a person, is left alone.
        replaces: whether a child that is kept stands in its parent's place.
    """

    model: ClassVar[type[Options]] = Options
    cures: ClassVar[frozenset[str]] = frozenset()
    replaces: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        for base in getattr(cls, "__orig_bases__", ()):
            for model in get_args(base):
                if isinstance(model, type) and issubclass(model, Options):
                    cls.model = model

    def __init__(self, name: str, how: How) -> None:
        self.name = name
        self.how = how

    @classmethod
    def prepare(cls, options: dict[str, Any]) -> dict[str, Any]:
        """The rewrite's own reading of what a person wrote, before types are checked.

        Raises:
            OptionFault: with the lines to write instead.
        """
        return options

    @abstractmethod
    def applies(self, sample: Sample) -> bool:
        """Whether a row is one that this is for."""

    @abstractmethod
    def messages(self, sample: Sample) -> list[Message]:
        """What the writer is asked."""

    @abstractmethod
    def text(self, sample: Sample, call: Call) -> str | Refused:
        """The new answer, or why there is none."""

    def child_id(self, sample: Sample, call: str) -> str:
        """The id of the child that a call makes of a row, known before the call is sent."""
        return digest("child", sample.id, self.name, [call])

    def child(self, sample: Sample, call: Call) -> Sample | Refused:
        """The row that the answer makes of its parent, which is left as it is."""
        found = self.text(sample, call)
        if isinstance(found, Refused):
            return found
        made = {
            "model": call.model, "namespace": call.namespace, "finish_reason": call.finish_reason,
            "cost_usd": call.cost_usd, "created": call.at, "rehearsal": sample.rehearsal or call.rehearsal,
            "input_tokens": call.usage.input_tokens if call.usage else 0,
            "output_tokens": call.usage.output_tokens if call.usage else 0, "augmentation": self.name,
        }
        if self.replaces:
            made["replaces"] = sample.id
        inherited = {key: value for key, value in sample.provenance.items() if key != "refusal"}
        return replace(
            sample, id=self.child_id(sample, call.id), messages=_answered(sample.messages, found),
            calls=(CallRef(call.id, "rewrite"),), parent=sample.id, source=None, provenance={**inherited, **made},
        )


AnyRewrite = Rewrite[Any]


def _answered(messages: list[Message], text: str) -> list[Message]:
    """The conversation with another last answer."""
    last = max(index for index, message in enumerate(messages) if message.get("role") == "assistant")
    turn = {key: value for key, value in messages[last].items() if key != "refusal"}
    return [*messages[:last], {**turn, "content": text}, *messages[last + 1:]]


def open_rewrites(
    items: Sequence[Item], where: Callable[[int], str] = "rewrite {}".format, folder: Path | None = None
) -> list[AnyRewrite]:
    """The rewrites of a recipe's list, options read and checked.

    Args:
        items: as `recipe.augment`.
        where: the place of the i-th item.
        folder: where `rewrite: ./mine.py` starts; None refuses such a rewrite.

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
        found.append(kind(name, how))
    return found
