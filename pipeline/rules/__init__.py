"""What is measured: one file per rule, each aware that measuring and deciding are two things.

A row rule's `measure` looks at one sample and at its measure options, which change what is computed; `decide` looks at
the measurement and at its bounds, which only compare. So a measurement is cached by (sample digest, key), and a bound
can be moved without measuring again. A rule that compares rows sees those that still stand, as a stream, and says
which of them another one represents.
No rule changes a row. A rule that raises on a row is an `error` on that row, which is kept.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, get_args

from .. import registry
from ..digest import digest
from ..errors import RecipeError
from ..json_schema import read_schema
from ..options import OptionFault, Options, read_options
from ..sections import Item
from ..types import Cluster, Finding, Outcome, Pairs, Sample, Scalar
from ._presets import DEFAULT, Placed, expand, held, resolved

__all__ = [
    "AnyRule", "AskRule", "Asked", "CompareRule", "DEFAULT", "Decided", "Decision", "LinkedRule", "Match", "Measured",
    "NOT_ASKED", "NotedRule", "OptionFault", "Options", "Place", "RowRule", "Rule", "as_before", "expand", "held",
    "kind_and_words", "named", "open_rules", "rank", "resolved",
]

Measure = TypeVar("Measure", bound=Options)
Bounds = TypeVar("Bounds", bound=Options)


class Measured(NamedTuple):
    """What a rule found on a row.

    Attributes:
        value: a number or a text; never None, NaN or infinite.
        span: [start, end) in characters of the answer, where there is one.
    """

    value: Scalar
    span: tuple[int, int] | None = None


def kind_and_words(measured: Measured) -> tuple[str, str]:
    """The parts of a value `KIND: WORDS`; no words where it is a kind alone."""
    kind, _, words = str(measured.value).partition(": ")
    return kind, words


class Decision(NamedTuple):
    """keep, drop or flag, and a few words for the person who reads it."""

    outcome: Outcome
    reason: str = ""


_KEEP = Decision("keep")
USUAL = 300
"""So many values of a rule are remembered with what was decided on them."""


class Match(NamedTuple):
    """What a comparison found on a row that another row represents, or that represents others."""

    sample: str
    value: Scalar
    outcome: Outcome
    reason: str
    cluster: str = ""


class Decided(NamedTuple):
    """What follows from pairs: what is to be said of rows in clusters, and the clusters, the largest first."""

    matches: list[Match]
    clusters: list[Cluster]


Place = tuple[int, int, str]
"""What decides which of several rows stands for them, the least first: less its length, then its `rank`."""


class Rule(Generic[Measure, Bounds]):
    """What row rules and comparing rules have in common.

    A subclass names its two models once, as `class Length(RowRule[Measure, Bounds])`.

    Attributes:
        name: the printed name; `length-2` for the second of two length rules.
        plugin: the plug-in's printed name, or the path of its file, as a recipe names it.
        item: the place in the list of what named it: itself or its preset.
        how: measure options.
        bounds: what the measurement is compared with.
        version: raised when `measure` would give another value for the same text.
        compares: whether it looks at several rows together.
        files: options that may name a file beside the recipe, and then are what is in it.
        endings: of texts that name one in their place; any text does where it is not said.
        contents: reads it: JSON, unless a rule says otherwise.
        folder: where relative paths start; the working folder where None.
    """

    version: ClassVar[int] = 1
    compares: ClassVar[bool] = False
    models: ClassVar[tuple[type[Options], ...]] = (Options, Options)
    files: ClassVar[tuple[str, ...]] = ()
    endings: ClassVar[tuple[str, ...]] = ("",)
    contents: ClassVar[Callable[[Path, str], Any]] = staticmethod(read_schema)
    plugin: str = ""
    item: int = 0
    folder: Path | None = None

    def __init_subclass__(cls) -> None:
        for base in getattr(cls, "__orig_bases__", ()):
            models = [model for model in get_args(base) if isinstance(model, type) and issubclass(model, Options)]
            if len(models) == 2:
                cls.models = tuple(models)

    def __init__(self, name: str, how: Measure, bounds: Bounds) -> None:
        self.name = name
        self.how = how
        self.bounds = bounds
        self.check()

    @classmethod
    def prepare(cls, options: dict[str, Any]) -> dict[str, Any]:
        """The rule's own reading of what a person wrote, before types are checked.

        Raises:
            OptionFault: with the lines to write instead.
        """
        return options

    def check(self) -> None:
        """Whether the options go together.

        Raises:
            OptionFault: with the lines to write instead.
        """

    def ready(self) -> None:
        """Whether what the rule needs is there; called before a curation measures anything.

        Raises:
            DataError: a file that cannot be read.
        """

    def context(self) -> Scalar:
        """What else than options decides a measurement, as which tokenizer is installed."""
        return None

    @property
    def options(self) -> dict[str, Any]:
        """All options with their values, as a report shows them."""
        return {**self.how.model_dump(mode="json"), **self.bounds.model_dump(mode="json")}

    @cached_property
    def key(self) -> str:
        """Digest of rule, version, measure options and context: equal keys mean equal measurements."""
        kind = type(self).__module__.rsplit(".", 1)[-1]
        return digest("measure", kind, self.version, self.how.model_dump(mode="json"), self.context())


class RowRule(Rule[Measure, Bounds]):
    """A rule that looks at one row at a time."""

    @abstractmethod
    def measure(self, sample: Sample) -> Measured | None:
        """One measurement; None where the rule has nothing to say about this kind of row."""

    @abstractmethod
    def decide(self, measured: Measured) -> Decision:
        """What follows from it. Looks at nothing but the measurement and the bounds."""

    def finding(self, sample: Sample, earlier: Finding | None = None) -> Finding:
        """Measures, unless an earlier finding did, and decides. Never raises.

        Args:
            sample: the row.
            earlier: a finding on a sample of the same digest; used where its key is the rule's.
        """
        try:
            measured = self._again(earlier) if earlier is not None and self._holds(earlier) else self.measure(sample)
            if measured is None:
                return self._nothing
            value, span = measured
            name = _name(value) if span is None and self._explains_nothing else None
            if name is not None and (known := self._usual.get(name)) is not None:
                return known
            decision = self.decide(measured)
            reason = self.explain(sample, decision, span)
        except Exception as error:  # a rule may be anyone's: its fault is a record on this row
            return Finding(self.name, None, "error", f"{type(error).__name__}: {error}"[:300], key=self.key)
        found = Finding(self.name, value, decision.outcome, reason, span, self.key)
        if name is not None and decision == _KEEP and len(self._usual) < USUAL:
            self._usual[name] = found
        return found

    def says_often(self, found: Finding) -> bool:
        """Whether a finding is one that this rule gives again, the same object, for every row that is kept so."""
        name = _name(found.value)
        return found is self._nothing or (name is not None and self._usual.get(name) is found)

    @cached_property
    def _nothing(self) -> Finding:
        return Finding(self.name, None, "not_applicable", key=self.key)

    @cached_property
    def _usual(self) -> dict[Scalar | tuple[str], Finding]:
        """Value -> what is said of rows that are kept without a reason: most rows, by few values."""
        return {}

    @cached_property
    def _explains_nothing(self) -> bool:
        return type(self).explain is RowRule.explain

    def explain(self, sample: Sample, decision: Decision, span: tuple[int, int] | None) -> str:
        """The reason as a person reads it: the decision's, unless a rule shows more of the row."""
        return decision.reason

    def _holds(self, earlier: Finding) -> bool:
        return earlier.key == self.key and earlier.outcome not in ("error", "unmeasured")

    @staticmethod
    def _again(earlier: Finding) -> Measured | None:
        return None if earlier.outcome == "not_applicable" else Measured(earlier.value, earlier.span)


def _name(value: Scalar) -> Scalar | tuple[str]:
    """What tells a value from all others: 0 and 0.0 are two, and so are 0.0 and -0.0; None for truth values."""
    kind = value.__class__
    if kind is str or kind is int:
        return value
    return (repr(value),) if kind is float else None


class CompareRule(Rule[Measure, Bounds]):
    """A rule that looks at all rows that still stand."""

    compares: ClassVar[bool] = True
    remarks: tuple[str, ...] = ()  # what a person is to know of the last comparison; `compare` sets it

    @abstractmethod
    def compare(self, standing: Iterable[Sample], held: Container[str]) -> Iterator[Match]:
        """The rows that another row represents.

        The result depends on the rows and not on their order. `standing` is read once, none of it is kept in memory.

        Args:
            standing: the rows that nothing has dropped.
            held: ids that a person decided to keep: they represent others before anyone else does.
        """


class LinkedRule(CompareRule[Measure, Bounds]):
    """A rule that measures pairs of rows, and decides by what was measured: pairs are stored, and bounds moved."""

    threshold: ClassVar[str] = "threshold"
    """The bound that pairs are compared with."""

    @property
    def floor(self) -> float:
        """The least Jaccard that is measured where nothing is stored; at most the threshold."""
        return float(getattr(self.bounds, self.threshold))

    @property
    def by(self) -> str | None:
        """The row rule whose numbers say which row stands for others, the highest one; None where none does."""
        return None

    @property
    def against(self) -> list[Path]:
        """Files of texts that no row may be like."""
        return []

    @abstractmethod
    def pairs(self, standing: Iterable[Sample], foreign: Iterable[tuple[str, Sample]] = ()) -> Pairs:
        """Which rows are alike, and which of them are like texts elsewhere. Reads both once, rows first.

        Args:
            standing: the rows that nothing has dropped.
            foreign: texts of `against`, each with its file and line.
        """

    @abstractmethod
    def place(self, sample: Sample) -> Place:
        """What decides whether a row stands for those that are like it."""

    @abstractmethod
    def settle(
        self, pairs: Pairs, places: Mapping[str, Place], held: Container[str], scores: Mapping[str, float],
    ) -> Decided:
        """What follows from pairs: one match for each row of a cluster, whether it is kept or dropped.

        Args:
            pairs: with a floor of at most the threshold.
            places: of each row in them.
            held: ids that a person decided to keep.
            scores: what `by` measured, by row.
        """

    def compare(self, standing: Iterable[Sample], held: Container[str]) -> Iterator[Match]:
        """See CompareRule; without texts elsewhere and without scores."""
        places: dict[str, Place] = {}
        found = self.settle(self.pairs(self.noted(standing, places)), places, held, {})
        yield from (match for match in found.matches if match.outcome != "keep")

    def noted(self, standing: Iterable[Sample], places: dict[str, Place]) -> Iterator[Sample]:
        """Rows as they go by, each one's place noted."""
        for sample in standing:
            places[sample.id] = self.place(sample)
            yield sample


AnyRule = RowRule[Any, Any] | CompareRule[Any, Any]


def open_rules(
    items: Sequence[Item], where: Callable[[int], str] = "rule {}".format, folder: Path | None = None
) -> list[AnyRule]:
    """The rules of a recipe's list, presets expanded, options read and checked.

    Args:
        items: as `recipe.curate`.
        where: the place of the i-th item, as `lambda i: recipe.at("curate", i)`.
        folder: where `rule: ./my_rule.py` starts; None refuses such a rule.

    Raises:
        RecipeError: an unknown rule or option, with line and what to write instead.
    """
    found: list[AnyRule] = []
    for name, (item, place, index) in named(items, where).items():
        kind = _load(item.name, place, folder)
        plain = _plain(item.name)
        options = _read_files(kind, item.options, place, folder)
        files = {key: str(item.options[key]) for key in kind.files if options.get(key) is not item.options.get(key)}
        how, bounds = read_options(plain, options, place, kind.models, kind.prepare, files)
        try:
            rule = kind(name, how, bounds)
        except OptionFault as fault:
            raise RecipeError(f"{place}: {plain}: {fault.message}", fault.hint) from None
        rule.plugin, rule.item, rule.folder = resolved(item.name), index, folder
        found.append(rule)
    return found


def named(items: Sequence[Item], where: Callable[[int], str]) -> dict[str, Placed]:
    """The rules of a list by the names that they get, presets expanded: `length-2` for the second length rule."""
    found: dict[str, Placed] = {}
    for each in expand(items, where):
        name = _plain(each.item.name)
        again = sum(re.fullmatch(rf"{re.escape(name)}(-\d+)?", other) is not None for other in found)
        found[f"{name}-{again + 1}" if again else name] = each
    return found


def _plain(name: str) -> str:
    """The printed name of a plug-in, or of the file of one's own."""
    return registry.printed(Path(name).stem) if name.endswith(".py") else resolved(name)


def _read_files(kind: type[AnyRule], options: dict[str, Any], place: str, folder: Path | None) -> dict[str, Any]:
    """Options with what is in the files that they name."""
    named = {key: value for key in kind.files
             if isinstance(value := options.get(key), str) and value.endswith(kind.endings)}
    if named and folder is None:
        key, file = next(iter(named.items()))
        raise RecipeError(f"{place}: {key}: {file} lies beside a recipe, and none is named here",
                          f"name the recipe instead of the dataset, or write the {key} itself in its place")
    return {**options, **{key: kind.contents(folder / file, place) for key, file in named.items() if folder}}


def _load(name: str, place: str, folder: Path | None) -> type[AnyRule]:
    try:
        found = registry.load("rules", name, folder)
    except RecipeError as error:
        raise RecipeError(f"{place}: {error.message}", error.hint) from None
    if not (isinstance(found, type) and issubclass(found, RowRule | CompareRule)):
        raise RecipeError(f"{place}: {name}: `plugin` is no rule", "subclass RowRule or CompareRule of pipeline.rules")
    return found


def rank(sample: Sample) -> tuple[int, str]:
    """The order in which rows count as first, second, ...: the same in whatever order they arrive.

    Imported rows by their place in their source (its row number, or where its bytes start), others by
    their id.
    """
    source = sample.source or {}
    place = source.get("number", source.get("start"))
    return (place if isinstance(place, int) else 0, sample.id)


from ._asks import NOT_ASKED, Asked, AskRule, as_before  # noqa: E402 - is made of what stands above
from ._noted import NotedRule  # noqa: E402 - likewise
