"""Rehearsed rewordings: in form, different from each other, with their faults in the shares that are stated."""

from __future__ import annotations

from collections import Counter

from pipeline.providers._grammar import Dice
from pipeline.providers._rewordings import FAULTS, reworded
from pipeline.rewrites import Refused, open_rewrites
from pipeline.sections import Item
from pipeline.types import Call, Sample
from tests import made

PROMPT = "What are 3 things that a keeper of bees in Lima does in winter? Explain each of them in one line."
ANSWER = ("He feeds the hives at 6 in the morning. He looks for mice, because they like the wax. "
          "He mends frames in the kitchen, and often he also reads.")
ROW = Sample("row", [{"role": "user", "content": PROMPT}, {"role": "assistant", "content": ANSWER}])


def answer(messages: list[dict[str, str]], seed: int) -> Call:
    text = reworded(Dice(seed), messages)
    assert text is not None
    return made.call(seed, text)


def test_most_wordings_hold_and_faults_show_in_their_shares() -> None:
    found: dict[str, Counter[str]] = {}
    for name, options in (("paraphrase", {}), ("paraphrase", {"of": "answer"}), ("evolve", {})):
        (rewrite,) = open_rewrites([Item(name=name, options=options)])
        asked = rewrite.messages(ROW) or []
        told = found[f"{name} {rewrite.adds}"] = Counter()
        for seed in range(1000):
            call = answer(asked, seed * 7919)
            child = rewrite.further(ROW, [call]) if name == "evolve" else rewrite.child(ROW, call)
            told[child.code if isinstance(child, Refused) else "taken"] += 1
    for kinds in found.values():
        assert kinds["taken"] > 600
        assert abs(kinds["speaks-of-task"] / 1000 - FAULTS["task"]) < 0.03
        assert abs(kinds["near-copy"] / 1000 - FAULTS["copy"]) < 0.06
        assert kinds["other-language"] > 3
    assert found["paraphrase prompt"]["drops-number"] > 20


def test_other_questions_are_none_of_its_business() -> None:
    for text in (PROMPT, "Put the kettle on.", "<request>\nhm\n</request>", ""):
        assert reworded(Dice(1), [{"role": "user", "content": text}]) is None
