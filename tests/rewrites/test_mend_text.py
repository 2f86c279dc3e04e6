"""The rewrite `mend_text`: broken lines become whole, the others stay."""

from __future__ import annotations

import gzip
import json
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.broken_text import broken_places
from pipeline.rewrites import AnyRewrite, Refused, open_rewrites
from pipeline.sections import Item
from pipeline.types import Sample


def mend() -> AnyRewrite:
    return open_rewrites([Item(name="mend-text")])[0]


def said(answer: str, prompt: str = "A café.") -> Sample:
    return Sample("parent", [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}])


@pytest.mark.parametrize(("broken", "whole"), [
    ("The cafÃ© is open.", "The café is open."), ("Itâ€™s late, said Ã‰va.", "It’s late, said Éva."),
    ("He &amp; she\nat the cafÃ©", "He &amp; she\nat the café"),
])
def test_what_is_broken_is_mended(broken: str, whole: str) -> None:
    sample = said(broken)
    assert mend().applies(sample)
    child = mend().child(sample)
    assert isinstance(child, Sample)
    assert child.answer == whole
    assert not mend().applies(child)


def test_it_is_said_what_was_there_and_what_is() -> None:
    child = mend().child(said("The cafÃ© is open."))
    assert isinstance(child, Sample)
    assert child.provenance["changed"] == "1 place, as “cafÃ©” to “café”"


def test_lines_that_are_whole_stay() -> None:
    odd = "ﬁne “quotes” ｆｕｌｌ\r\n  e\u0301 &lt;b&gt; "
    child = mend().child(said(f"{odd}\nThe cafÃ© is open.\n{odd}"))
    assert isinstance(child, Sample)
    assert child.answer == f"{odd}\nThe café is open.\n{odd}"


def test_what_is_lost_is_refused_and_what_was_asked_for_is_left() -> None:
    found = mend().child(said("The caf\ufffd is open."))
    assert isinstance(found, Refused)
    assert found.code == "not-clean"
    assert not mend().applies(said("It looks like cafÃ©.", "What is mojibake?"))
    assert not mend().applies(said("The café is open."))


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(categories=["L", "Zs", "P"]), max_size=80), st.text(max_size=80))
def test_other_lines_are_never_touched(before: str, after: str) -> None:
    sample = said(f"{before}\nThe cafÃ© is open.\n{after}")
    child = mend().child(sample)
    if isinstance(child, Sample):
        assert "The café is open." in child.answer
        old, new = sample.answer.split("\n"), child.answer.split("\n")
        assert len(old) == len(new)
        broken = {sample.answer.count("\n", 0, start) for start, _ in broken_places(sample.answer)}
        for number, (was, now) in enumerate(zip(old, new, strict=True)):
            assert was == now or number in broken


def test_real_text_broken_by_us_comes_back(shared_data: Path) -> None:
    same = broken = 0
    with gzip.open(shared_data / "curation" / "base.jsonl.gz", "rt", encoding="utf-8") as lines:
        passages = (row["t"] for row in map(json.loads, lines) if row["k"] == "passage")
        texts = (text for text in passages if not text.isascii())
        for text in islice(texts, 300):
            try:
                wrong = text.encode("utf-8").decode("cp1252")
            except UnicodeDecodeError:
                continue
            sample = said(wrong, "x")
            broken += 1
            child = mend().child(sample) if mend().applies(sample) else None
            same += isinstance(child, Sample) and child.answer == text
    assert broken == 259, "also those that are not seen to be broken"
    assert same >= 0.94 * broken
