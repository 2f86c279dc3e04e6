"""`system: fold` of the pair formats: a system text is the beginning of the prompt, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.formats import FormatRefusal, open_formats
from pipeline.formats._pair import folded
from pipeline.sections import Item
from pipeline.types import Example

SYSTEM, ASK, ANSWER = ({"role": role, "content": text} for role, text in (
    ("system", "Be brief."), ("user", "Why?"), ("assistant", "So.")))
PAIRS = ("prompt-completion", "csv", "parquet", "folders")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@pytest.mark.parametrize("name", PAIRS)
def test_a_row_with_a_system_text_is_written_and_reads_back(tmp_path: Path, name: str) -> None:
    (form,) = open_formats([Item(name=name, options={"system": "fold"})])
    rows = [Example([SYSTEM, ASK, ANSWER], sample="a"), Example([ASK, ANSWER], sample="b"),
            Example([SYSTEM, ANSWER], sample="c")]
    target = tmp_path / f"train{form.suffix}"
    with form.open(target) as sink:
        for row in rows:
            sink.add(row)
    assert form.prove(target, rows) == 3
    assert form.values(rows[0]) == {"prompt": "Be brief.\n\nWhy?", "completion": "So."}
    assert form.values(rows[2])["prompt"] == "Be brief."


@pytest.mark.parametrize("name", PAIRS)
def test_what_else_a_pair_cannot_hold_is_refused_as_before(name: str) -> None:
    (form,) = open_formats([Item(name=name, options={"system": "fold"})])
    parts = {"role": "system", "content": [{"type": "text", "text": "x"}]}
    for messages, code in (([SYSTEM, ASK, ANSWER, ASK, ANSWER], "holds-one-exchange"), ([SYSTEM, ASK], "no-answer"),
                           ([parts, ASK, ANSWER], "holds-no-parts"), ([ASK, SYSTEM, ANSWER], "holds-no-system")):
        with pytest.raises(FormatRefusal) as refused:
            form.values(Example(messages))
        found = {problem.code for problem in refused.value.problems("")}
        assert code in found or "last-turn-not-assistant" in found


@given(st.lists(texts, max_size=2), texts, texts)
def test_folding_loses_no_text_and_is_done_once(system: list[str], asked: str, answer: str) -> None:
    messages = [*({"role": "system", "content": text} for text in system), {"role": "user", "content": asked},
                {"role": "assistant", "content": answer}]
    once = folded(messages)
    assert folded(once) == once
    assert [message["role"] for message in once] == ["user", "assistant"]
    assert all(text in once[0]["content"] for text in (*system, asked))
    assert once[-1] == messages[-1]
