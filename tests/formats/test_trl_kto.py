"""The format `trl-kto`: an answer and whether it is desired."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.formats import FormatRefusal, find, open_formats, recognise
from pipeline.sections import Item
from pipeline.types import Example

ASKED = [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}]
ANSWER = [{"role": "assistant", "content": "A"}]


def test_the_line_as_the_trainer_reads_it() -> None:
    row = Example([*ASKED, *ANSWER], label="false", sample="s1")
    line = find("trl-kto").write(row)
    assert line.decode() == (
        '{"prompt": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}], '
        '"completion": [{"role": "assistant", "content": "A"}], "label": false}')
    found = recognise(json.loads(line))
    assert found is not None
    assert found.name == "trl-kto"
    back = found.read(json.loads(line))
    assert (back.messages, back.label) == (row.messages, "false")
    assert found.same(back, row)
    assert not found.same(back, Example(row.messages, label="true")), "the label counts"


@pytest.mark.parametrize(("options", "fields", "label"), [
    ({"label": "thumbs", "desired": "up"}, {"thumbs": "up"}, True),
    ({"label": "thumbs", "desired": "up"}, {"thumbs": "down"}, False),
    ({"label": "good"}, {"good": True}, True),
    ({"label": "good"}, {"good": 0}, False),
    ({"label": "good"}, {"good": "TRUE"}, True),
])
def test_a_column_may_say_it(options: dict[str, str], fields: dict[str, object], label: bool) -> None:
    (plugin,) = open_formats([Item(name="kto", options=options)])
    assert plugin.values(Example([*ASKED, *ANSWER], fields=fields, sample="s1"))["label"] is label


@pytest.mark.parametrize(("options", "fields", "told", "cure"), [
    ({}, {"label": "good"}, "nothing says whether", "trl-kto: {label: thumbs, desired: up}"),
    ({"label": "thumbs"}, {}, "no column thumbs; columns: none", ""),
    ({"label": "thumb"}, {"thumbs": "up", "id": 1}, "no column thumb; columns: thumbs, id", "did you mean 'thumbs'?"),
    ({"label": "votes"}, {"votes": "sideways"}, "votes holds 'sideways'", "trl-kto: {label: votes, desired: up}"),
    ({"label": "thumbs"}, {"thumbs": None}, "thumbs is empty", "drop the row")])
def test_a_row_of_which_nothing_says_it_is_refused(
    options: dict[str, str], fields: dict[str, object], told: str, cure: str
) -> None:
    (plugin,) = open_formats([Item(name="trl-kto", options=options)])
    with pytest.raises(FormatRefusal, match=told) as refused:
        plugin.write(Example([*ASKED, *ANSWER], fields=fields, sample="s1"))
    assert refused.value.code == "no-label"
    assert cure in refused.value.fix


def test_the_column_of_the_label_does_not_stay_behind(tmp_path: Path) -> None:
    from pipeline.export import Options
    from pipeline.export.convert import convert

    path = tmp_path / "rows.jsonl"
    rows = [{"messages": [*ASKED, *ANSWER], "thumbs": said} for said in ("up", "no")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    plugins = open_formats([Item(name="trl-kto", options={"label": "thumbs", "desired": "up"})])
    done = convert(path, plugins, Options(order="given"), lambda problem: None)
    assert done.notes == []
    lines = done.written[0].files[0].path.read_text().splitlines()
    assert [json.loads(line)["label"] for line in lines] == [True, False]
    path.write_text(lines[1] + "\n")
    with pytest.raises(DataError, match="labelled as not desired"):
        convert(path, open_formats([Item(name="openai-chat")]), Options(), lambda problem: None)
