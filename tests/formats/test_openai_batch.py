"""The format `openai-batch`: the line that the Batch API takes, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from pipeline.commands import main
from pipeline.formats import Format, FormatRefusal, find, open_formats
from pipeline.sections import Item
from pipeline.types import Example

ASKED = [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}]
ANSWER = [{"role": "assistant", "content": "A"}]


def one(**options: Any) -> Format:
    return open_formats([Item(name="openai-batch", options={"model": "gpt-4.1-mini", **options})])[0]


def test_a_request_is_what_the_engine_sends() -> None:
    from pipeline.providers._batch import OpenAIBatch
    from pipeline.types import CallRequest

    plugin = one(params={"max_tokens": 50, "temperature": 0})
    values = plugin.values(Example([*ASKED, *ANSWER], sample="s1"))
    assert values == {
        "custom_id": "s1", "method": "POST", "url": "/v1/chat/completions",
        "body": {"model": "gpt-4.1-mini", "messages": ASKED, "max_tokens": 50, "temperature": 0}}
    host = OpenAIBatch.__new__(OpenAIBatch)
    assert orjson.loads(host.line(CallRequest("id", "openai", values["body"]), "s1")) == values


def test_the_answer_is_no_part_of_it_and_the_id_reads_back() -> None:
    row = Example([*ASKED, {"role": "assistant", "content": "A0", "weight": 0}, ASKED[1], *ANSWER], sample="s1")
    back = one().read(json.loads(one().write(row)))
    assert back.sample == "s1"
    assert back.messages == [*ASKED, {"role": "assistant", "content": "A0"}, ASKED[1]]
    assert one().same(back, row)
    assert one().write(back) == one().write(row)


@pytest.mark.parametrize(("row", "code"), [
    (Example([*ASKED, *ANSWER]), "no-id"),
    (Example([*ASKED, *ANSWER, *ANSWER], sample="s1"), "nothing-asked"),
    (Example(ANSWER, sample="s1"), "no-messages"),
])
def test_what_cannot_be_asked_is_refused(row: Example, code: str) -> None:
    with pytest.raises(FormatRefusal) as refused:
        one().write(row)
    assert refused.value.code == code


def test_nobody_is_asked_by_default(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                    monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FormatRefusal, match="names who is asked"):
        find("openai-batch").write(Example([*ASKED, *ANSWER], sample="s1"))
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text(json.dumps({"messages": [*ASKED, *ANSWER]}) + "\n")
    assert main(["export", "rows.jsonl", "--to", "openai-batch: {model: gpt-4.1-mini}"]) == 0
    line = json.loads(Path("rows-exports/openai-batch/train.jsonl").read_text())
    assert "strips or folds" not in capsys.readouterr().err
    told = json.loads(Path("rows-exports/openai-batch/manifest.json").read_text())
    assert told["files"][0]["tokens"] <= 4, "of what is asked, not of the request's address"
    assert (line["custom_id"], line["body"]["messages"]) == ("rows.jsonl:1", ASKED)
    assert main(["check", "rows-exports/openai-batch/train.jsonl"]) == 0
