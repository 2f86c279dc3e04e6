"""`paraphrase`: which wordings are taken, which are refused, on real prompts that were reworded by hand."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import RecipeError
from pipeline.rewrites import AnyRewrite, Refused, open_rewrites
from pipeline.sections import Item
from pipeline.types import Sample
from tests import made

PAIRS = Path(__file__).with_name("wordings.tsv")
PROMPT = "Suggest 3 quiet towns near Lyon for a weekend, with {{budget}} in mind."
ANSWER = ("The ferry to Oslo leaves at 6, and nobody has told the captain about the goat. He sleeps, and he will go on "
          "sleeping until somebody knocks.")


def rewords(**options: Any) -> list[AnyRewrite]:
    return open_rewrites([Item(name="paraphrase", options=options)])


def row(prompt: str = PROMPT, answer: str = ANSWER, **more: Any) -> Sample:
    return Sample("parent", [{"role": "system", "content": "Be brief."}, {"role": "user", "content": prompt},
                             {"role": "assistant", "content": answer}], **more)


def code(text: str, sample: Sample | None = None, **options: Any) -> str:
    found = rewords(**options)[0].child(sample or row(), made.call(1, text))
    return found.code if isinstance(found, Refused) else "taken"


def test_hand_labelled_wordings_of_real_prompts(shared_data: Path) -> None:
    """Faithful ones are taken but for names that are called otherwise; of the others form cannot tell the sense."""
    lines = (shared_data / "seed-tasks" / "seed_tasks.jsonl").read_text(encoding="utf-8").splitlines()
    tasks = [json.loads(line) for line in lines]
    right, total, wrong = Counter[str](), Counter[str](), set[tuple[str, str]]()
    for line in PAIRS.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        _, number, label, wording = line.split("\t")
        case = tasks[int(number)]["instances"][0]
        asked = tasks[int(number)]["instruction"]
        old = f"{asked}\n\n{case['input']}" if case["input"] else asked
        found = code(wording.replace("\\n", "\n").replace("{input}", case["input"]), row(old, case["output"]))
        total[label] += 1
        if (found == "taken") == (label == "good"):
            right[label] += 1
        else:
            wrong.add((number, label))
    assert (right["good"], total["good"]) == (38, 43)
    assert {number for number, label in wrong if label == "good"} == {"110", "55", "143", "138", "106"}, "US, PhD, F"
    assert {label: (right[label], total[label]) for label in total if label != "good"} == {
        "copy": (6, 6), "answer": (7, 7), "adds-fact": (3, 3), "language": (3, 3), "task": (1, 1),
        "drops-fact": (14, 16), "other-sense": (0, 8)}
    assert {("13", "drops-fact"), ("37", "drops-fact")} < wrong


@pytest.mark.parametrize(("text", "found"), [
    ("Which 3 quiet towns around Lyon would you pick for a weekend, given {{budget}}?", "taken"),
    ("Which three quiet towns around Lyon would you pick for a weekend, given {{budget}}?", "taken"),
    ("<request>\nWhich 3 quiet towns around Lyon would you pick for a weekend, given {{budget}}?\n</request>", "taken"),
    ("“Which 3 quiet towns around Lyon would you pick for a weekend, given {{budget}}?”", "taken"),
    (PROMPT, "near-copy"), (PROMPT.upper(), "near-copy"), ("", "nothing-said"), ("...", "nothing-said"),
    ("With {{budget}} in mind, suggest near Lyon 3 quiet towns for a weekend.", "near-copy"),
    ("Which quiet towns around Lyon would you pick for a weekend, given {{budget}}?", "drops-number"),
    ("Which 3 quiet towns around there would you pick for a weekend, given {{budget}}?", "drops-name"),
    ("Which 3 quiet towns around Lyon would you pick for a weekend, given little money?", "drops-code"),
    ("Which 3 quiet towns around Lyon would you and Eva pick for a weekend, given {{budget}}?", "adds-name"),
    ("Which 3 quiet towns around Lyon would you pick for 4 weekends, given {{budget}}?", "adds-number"),
    ("Welche 3 ruhigen Städte bei Lyon würdest du für ein Wochenende mit {{budget}} vorschlagen?", "other-language"),
    ("Rewritten prompt: which 3 quiet towns around Lyon would you pick for a weekend, given {{budget}}?", "taken"),
    ("This rewritten prompt asks which 3 quiet towns around Lyon one would pick, given {{budget}}.", "speaks-of-task"),
])
def test_what_is_refused_and_why(text: str, found: str) -> None:
    assert code(text) == found


def test_material_stays_and_does_not_count_as_copied() -> None:
    text = "Nobody has told the captain, who sleeps, about the goat in the engine room of the ferry. " * 4
    asked = row(f"Summarize this text.\n\n{text}")
    assert code(f"What does this say, in short?\n\n{text}", asked) == "taken"
    assert code("What does this say, in short?", asked) == "much-shorter"
    assert code(f"Summarize this text.\n\n{text}", asked) == "near-copy"


def test_a_child_of_a_prompt_keeps_answer_and_author_and_stands_beside_its_parent() -> None:
    parent = row(fields={"instruction": PROMPT, "topic": "quiet towns", "n": 3}, provenance={
        "model": "writer-0", "train": "t", "draw": "d", "finish_reason": "stop", "replaces": "x", "rehearsal": False})
    call = made.call(1, "Which 3 towns without noise around Lyon would you pick for a weekend, given {{budget}}?")
    child = rewords()[0].child(parent, call)
    assert isinstance(child, Sample)
    assert (child.prompt, child.answer, child.parent) == (call.text, ANSWER, "parent")
    assert child.messages[0] == parent.messages[0]
    assert child.fields == {"instruction": call.text, "n": 3}, "a part of the old prompt is no column of the new one"
    kept = {key: child.provenance.get(key) for key in ("model", "draw", "train", "replaces", "added", "nth")}
    assert kept == {"model": "writer-0", "draw": "d", "train": None, "replaces": None, "added": "prompt", "nth": 0}
    assert child.provenance["cost_usd"] == call.cost_usd
    assert not rewords()[0].applies(child)


def test_several_children_are_asked_for_in_different_manners() -> None:
    asked = {str(rewrite.messages(row())) for rewrite in rewords(times=5)}
    assert len(asked) == 5
    assert len(rewords(times=2)) == 2
    with pytest.raises(RecipeError, match="times"):
        rewords(times=6)


@pytest.mark.parametrize(("text", "found"), [
    ("At 6 the ferry to Oslo goes out. The captain, who has heard nothing of any goat, is asleep, and only a knock on "
     "his door will wake him.", "taken"),
    (ANSWER.replace("sleeping", "snoring"), "near-copy"),
    ("At 7 the ferry to Oslo goes out. The captain, who has heard nothing of any goat, is asleep until a knock.",
     "drops-number"),
    ("- At 6 the ferry to Oslo goes out.\n- The captain has heard nothing of a goat.\n- He is asleep until a knock.",
     "other-form"),
    ("In the library of a school, 6 children and a teacher from Oslo read about whales, volcanoes and the weather.",
     "another-text"),
    ("It goes at 6, to Oslo.", "much-shorter"),
])
def test_answers_in_other_words(text: str, found: str) -> None:
    assert code(text, of="answer") == found


def test_which_rows_it_is_for() -> None:
    prompts, answers = rewords()[0], rewords(of="answer")[0]
    talk = row().with_messages([*row().messages, *row().messages[1:]])
    assert [prompts.applies(each) for each in (row(), talk, row(label="x"), row("{\"a\": 1}"))] == [
        True, False, True, False]
    assert [answers.applies(each) for each in (row(), talk, row(label="x"), row(answer="yes"), row(answer="{}"))] == [
        True, True, False, False, False]
