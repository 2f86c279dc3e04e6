"""The formats `openai-dpo` and `trl-dpo`: both answers are written, read back, proven, and checked."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.formats import FormatRefusal, find, recognise
from pipeline.types import Example

ASKED = [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}]
NAMES = ["openai-dpo", "trl-dpo"]


def pair(better: str, worse: str) -> Example:
    return Example([*ASKED, {"role": "assistant", "content": better}], [{"role": "assistant", "content": worse}],
                   sample="s1")


def test_the_lines_as_hosts_and_trainers_read_them() -> None:
    assert find("openai-dpo").write(pair("yes", "no")).decode() == (
        '{"input": {"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}]}, '
        '"preferred_output": [{"role": "assistant", "content": "yes"}], '
        '"non_preferred_output": [{"role": "assistant", "content": "no"}]}')
    assert find("trl-dpo").write(pair("yes", "no")).decode() == (
        '{"prompt": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}], '
        '"chosen": [{"role": "assistant", "content": "yes"}], "rejected": [{"role": "assistant", "content": "no"}]}')


@pytest.mark.parametrize("name", NAMES)
@given(better=st.text(), worse=st.text(), escape=st.booleans())
def test_what_is_written_reads_back_with_both_answers(name: str, better: str, worse: str, escape: bool) -> None:
    plugin, row = find(name), pair(better, worse)
    try:
        line = plugin.write(row, ascii=escape)
    except FormatRefusal as refusal:
        codes = {problem.code for problem in refusal.problems("s1")}
        assert codes <= {"empty-answer", "equal-pair", "special-token", "lone-surrogate"}
        assert not (better.strip() and worse.strip() and better != worse) or "<|" in better + worse
        return
    back = plugin.read(json.loads(line))
    assert (back.messages, back.rejected) == (row.messages, row.rejected)
    assert plugin.same(back, row)
    assert not plugin.same(back, pair(better, worse + "x")), "the answer that lost counts as well"
    assert plugin.write(back, ascii=escape) == line
    found = recognise(json.loads(line))
    assert found is not None
    assert found.name == name
    assert plugin.check(line, "f:1") == []


@pytest.mark.parametrize("name", NAMES)
def test_a_row_without_a_pair_is_refused_with_what_makes_one(name: str) -> None:
    with pytest.raises(FormatRefusal, match="no rejected answer") as refused:
        find(name).write(Example([*ASKED, {"role": "assistant", "content": "A"}], sample="s1"))
    assert refused.value.code == "no-pair"
    assert "pairs" in refused.value.fix


def test_names_of_the_api_description_are_told_from_those_that_work() -> None:
    line = find("openai-dpo").write(pair("yes", "no")).replace(b"_output", b"_completion")
    found = recognise(json.loads(line))
    assert found is not None
    assert found.name == "openai-dpo"
    codes = {problem.code: problem.fix for problem in found.check(line, "f:1")}
    assert codes["misnamed"] == "name it non_preferred_output" or codes["misnamed"] == "name it preferred_output"
    assert "no-messages" in codes
