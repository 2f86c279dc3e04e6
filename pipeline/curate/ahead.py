"""What rules that ask will take of rows that are not written yet: a bill before there is anything to judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pipeline.engine import Writer, cost_of, output_limit, settled, worst_case
from pipeline.options import own_folder
from pipeline.recipe import Recipe
from pipeline.rules import Asked, as_before, open_rules
from pipeline.store import Dataset
from pipeline.types import Finding, Sample, Usage

from .asking import BYTES_PER_TOKEN, OUTPUT_TOKENS, AnyAsk, AskBill, asks


class ToCome(NamedTuple):
    """Rows that will be written.

    Attributes:
        rows: how many the set will have, those that are there already included.
        prompt: one of their prompts.
        answer: tokens of an answer, about.
        most: the same at most; None where no limit is set.
    """

    rows: int
    prompt: str
    answer: float
    most: int | None


def ask_ahead(
    recipe: Recipe, dataset: Dataset, writer: Callable[[str | None, str], Writer], to_come: ToCome
) -> AskBill | None:
    """What rules that ask will take, at most: every row that has no score yet is taken to stand before all of them.

    Args:
        recipe: names the rules.
        dataset: what has a score there is not asked about, nor what was answered without one.
        writer: see `Ask`.
        to_come: the rows.

    Returns:
        None where no rule asks.

    Raises:
        RecipeError: an unknown rule or option.
    """
    folder = own_folder(recipe.path, dataset.path)
    items = [item for item in recipe.curate if folder is not None or not item.name.endswith(".py")]
    rules = asks(open_rules(items, lambda index: recipe.at("curate", recipe.curate.index(items[index])), folder))
    if not rules:
        return None
    asked, writers = dict[str, int](), dict[str, Writer]()
    as_before(rules, dataset.manifest())
    expected: float | None = 0.0
    worst: float | None = 0.0
    for rule in rules:
        who = writer(rule.model, rule.who.name)
        rule.who = Asked(f"{who.provider.namespace}:{who.model}", who.provider.rehearsal)
        writers[rule.who.name] = who
    known = {rule.name: 0 for rule in rules}
    keys = {rule.key: rule.name for rule in rules}
    aside = dataset.aside()
    there = {sample.id for sample in dataset.samples() if aside(sample) is None}
    for verdict in dataset.verdicts(whole=False):
        if verdict.sample in there:
            for name in {keys[each.key] for each in verdict.findings if each.key in keys and _is_known(each, dataset)}:
                known[name] += 1
    for rule in rules:
        asked[rule.name] = count = max(0, max(to_come.rows, len(there)) - known[rule.name])
        one, most = _each(rule, writers[rule.who.name], to_come)
        expected = None if expected is None or one is None else expected + count * one
        worst = None if worst is None or most is None else worst + count * most
    return AskBill(asked, list(writers.values()), 0, expected, worst)


def _is_known(found: Finding, dataset: Dataset) -> bool:
    """Whether a row is not asked about: it has a score, nothing to ask, or an answer that could not be used, which only
    `--retry` asks for again."""
    if found.value is not None or found.outcome == "not_applicable":
        return True
    calls = [call for each in found.calls if (call := dataset.calls.peek(each)) is not None]
    return found.outcome == "unmeasured" and bool(calls) and all(settled(call) for call in calls)


def _each(rule: AnyAsk, writer: Writer, to_come: ToCome) -> tuple[float | None, float | None]:
    """What a row will cost, about and at most, in dollars."""
    if writer.provider.rehearsal:
        return 0.0, 0.0
    like = Sample("", [{"role": "user", "content": to_come.prompt}, {"role": "assistant", "content": "-"}])
    body = writer.provider.body(writer.model, rule.messages(like) or [], rule.parameters())
    said = sum(len(str(turn["content"]).encode("utf-8", "surrogatepass")) for turn in body["messages"])
    limit = output_limit(body)
    usage = Usage(round(said / BYTES_PER_TOKEN + to_come.answer), min(OUTPUT_TOKENS, limit or OUTPUT_TOKENS))
    bound = worst_case(body, writer.model, writer.price)
    if bound is None or to_come.most is None or writer.price is None:
        return cost_of(writer.price, usage), None
    return cost_of(writer.price, usage), bound + to_come.most * writer.price.input / 1e6
