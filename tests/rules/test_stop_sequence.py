"""The rule `stop-sequence`: what should have stopped the model, and where it went on as somebody else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.rules.rows import judged, row

PLOT = "Genre: crime\nPlace: Rome\n\nPLOT OUTLINE:"
ENDS = [
    "The queen wins. END", "The queen wins.\n\n###", "The queen wins.</s>", "She wins.<|im_end|>",
    "She wins.\n<end_of_turn>\n", "It ends.\n\n[END OF STORY]", "1. one\n2. two END", "She wins.<|endoftext|>",
]
WITHIN = [
    "She wins.<|im_end|>\n<|im_start|>user\nMore", "She wins.\nEND\nAnd then more of it came.", "Paris.</s> Rome.",
]
OTHERS = [
    "Paris.\n\nHuman: And Rome?\n\nAssistant: Rome is old.", "Paris.\nUser: thanks\nAssistant: welcome",
    "Paris.\n### Instruction:\nWrite more", "Paris.\n\nQ: And Rome?\nA: Italy", "Paris.\n\nUser: thanks",
    "Paris.\nUser:",
]
RIGHT = [
    "And so it ends.\n\nTHE END", "They all lived. The End", "He put it at the END of the road.",
    "## Heading\n\ntext", "```sql\nBEGIN\n END\n```", "a <s>b</s> c", "User: hi\nAssistant: hello\nUser: bye",
    "Login:\nUser: admin\nPassword: secret", "Ann: hi\nBob: hello", "A C# course",
    "It is good.\n\nInput: 4\nOutput: 5", "",
]


@pytest.mark.parametrize(("kind", "text"), [
    *(("end", text) for text in ENDS), *(("inside", text) for text in WITHIN), *(("goes on", text) for text in OTHERS)])
def test_each_is_found_with_its_place(kind: str, text: str) -> None:
    found = judged("stop-sequence", row(text, "Tell me of Paris."))
    assert (found.outcome, str(found.value).split(":")[0]) == ("drop", kind), found
    assert found.span is not None
    assert " ".join(text[slice(*found.span)].split()) in str(found.value)


@pytest.mark.parametrize("text", RIGHT)
def test_ends_of_stories_code_and_dialogues_are_none(text: str) -> None:
    assert judged("stop-sequence", row(text, "Tell me of Paris.")).outcome in ("keep", "not_applicable")


def test_what_was_asked_for_is_kept() -> None:
    assert judged("stop-sequence", row("It is over. END", "Close with END.")).outcome == "keep"
    assert judged("stop-sequence", row(OTHERS[0], "Write a dialogue with an assistant.")).outcome == "keep"
    assert judged("stop-sequence", row("Use </s> for it.", "What does </s> mean?")).outcome == "keep"


def test_the_next_example_of_the_prompt_is_found() -> None:
    text = "A thief returns.\n\nGenre: noir\nPlace: Oslo\n\nPLOT OUTLINE: Another thief."
    found = judged("stop-sequence", row(text, PLOT))
    assert (found.outcome, str(found.value)[:14]) == ("drop", "goes on: Genre")
    assert judged("stop-sequence", row("A thief of the\nGenre: noir is here.", PLOT)).outcome == "keep"


FORM = "Write adjectives for them. Atheism:\nChristianity:\nIslam:\nHinduism:"


@pytest.mark.parametrize(("prompt", "answer"), [
    (FORM, "Atheism: secular.\nChristianity: devout.\nIslam: pious.\nHinduism: spiritual."),
    (FORM, "These would do.\n\nAtheism: secular.\nChristianity: devout.\nIslam: pious.\nHinduism: spiritual."),
    ("Fill it in. Name:\nAge:\nTown:", "Name: Ann\nAge: 40\nTown: Oslo"),
    ("Ingredients: flour, milk\nSteps:", "Ingredients: flour, milk\nSteps: stir, bake\nServes: 4"),
    ("Compare the fruits:", "Apple: sweet\nPear: soft\nPlum: sour\nApple: red too"),
    ("Cities of the north?", "Norway: Oslo\nSweden: Stockholm\nFinland: Helsinki\nDenmark: Copenhagen"),
])
def test_lines_with_a_word_and_a_colon_are_no_speakers(prompt: str, answer: str) -> None:
    assert judged("stop-sequence", row(answer, prompt)).outcome in ("keep", "not_applicable")


def test_the_religions_of_the_seed_tasks_stand(shared_data: Path) -> None:
    """However its instruction and its input are put together."""
    lines = (shared_data / "seed-tasks" / "seed_tasks.jsonl").read_text().splitlines()
    task = next(each for each in map(json.loads, lines) if each["id"] == "seed_task_36")
    (one,) = task["instances"]
    assert "\nChristianity: spiritual" in one["output"]
    for between in (" ", "\n", "\n\n", "\n\nInput: ", ": "):
        found = judged("stop-sequence", row(one["output"], f"{task['instruction']}{between}{one['input']}"))
        assert found.outcome in ("keep", "not_applicable"), (between, found)


def test_stops_of_the_recipe_count_wherever_they_stand() -> None:
    text = "She wins. ~~~ And more."
    assert judged("stop-sequence", row(text)).outcome == "keep"
    found = judged("stop-sequence", row(text), stops=["~~~", "END"])
    assert (found.outcome, found.value, found.span) == ("drop", "inside: ~~~", (10, 13))
    assert judged("stop-sequence", row("It is over. END"), known=False).outcome == "keep"
