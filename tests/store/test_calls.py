"""Paid answers: kept whole, found in neighbours, merged from machines, counted once each."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.store.calls import CallStore, call_of, event_of
from pipeline.store.files import sealed, unsealed
from pipeline.types import Failure
from tests.store.calls import call, filled


@given(st.text(st.characters(codec=None)), st.sampled_from([None, 0.0, 0.1]), st.booleans())
def test_a_call_comes_back_as_it_was(text: str, usd: float | None, failed: bool) -> None:
    one = call(1, usd=usd, text=text or "x")
    if failed:
        failure = Failure("rate_limit", text, 429, "slow_down", raw=text, retry_after=1.5, billed=True)
        one = replace(one, failure=failure, message=None)
    back = unsealed(sealed(event_of(one)))
    assert back is not None
    assert call_of(back) == one


def test_keys_that_a_later_version_added_are_left_out() -> None:
    event = {**event_of(call(1)), "mood": "good", "usage": {"input_tokens": 1, "output_tokens": 2, "audio_tokens": 3}}
    assert call_of(event).usage is not None


def test_events_share_what_they_hold() -> None:
    one = call(1)
    assert event_of(one)["message"] is one.message, "nothing is copied on the way to the disk"


def held(store: CallStore, number: int, usd: float, attempt: int = 1) -> str:
    hold = store.journal.next_hold()
    event = {"event": "reserved", "id": f"call-{number:04d}", "attempt": attempt, "hold": hold, "usd": usd}
    store.journal.append(event)
    return hold


def test_what_never_answered_stays_counted_in_full(tmp_path: Path) -> None:
    store = CallStore(tmp_path / "set")
    held(store, 1, 0.5)
    answered = held(store, 2, 0.5)
    store.journal.append({**event_of(call(2, usd=0.1)), "hold": answered})
    released = held(store, 3, 0.5)
    store.journal.append({"event": "attempt", "id": "call-0003", "attempt": 1, "hold": released, "billed": False})
    billed = held(store, 4, 0.25)
    store.journal.append({"event": "attempt", "id": "call-0004", "attempt": 1, "hold": billed, "billed": True})
    unknown = held(store, 5, 0.125)
    store.journal.append({**event_of(call(5, usd=None)), "hold": unknown})
    store.close()
    store = CallStore(tmp_path / "set")
    spent = store.spent()
    assert spent.usd == pytest.approx(0.1)
    assert spent.unconfirmed_usd == pytest.approx(0.5 + 0.25 + 0.125)
    assert (spent.answered, spent.unpriced) == (2, 1)
    store.close()


def test_asking_again_after_a_failure_that_was_billed_keeps_its_price(tmp_path: Path) -> None:
    """`--retry` in the same process: the first attempt's reservation is not the second one's."""
    store = CallStore(tmp_path / "set")
    first = held(store, 1, 0.5)
    store.journal.append({**event_of(call(1, usd=None, failure="content_filter")), "hold": first})
    second = held(store, 1, 0.5)
    store.journal.append({**event_of(call(1, usd=0.2, at="2026-11-21T09:00:00.000Z")), "hold": second})
    store.close()
    store = CallStore(tmp_path / "set")
    spent = store.spent()
    assert (spent.usd, spent.unconfirmed_usd) == (pytest.approx(0.2), pytest.approx(0.5))
    assert (spent.answered, spent.failed) == (1, 0)
    one = store.get("call-0001")
    assert one is not None
    assert one.failure is None
    assert list(store.outcomes("failed")) == []
    store.close()


def test_a_later_failure_does_not_hide_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "set"
    filled(path, call(1), call(1, failure="server", usd=0.0, at="2026-11-21T09:00:00.000Z"))
    store = CallStore(path)
    assert store.state("call-0001") == "answered"
    assert store.get("call-0001") == call(1)
    store.close()


def test_a_renamed_dataset_is_a_neighbour_that_paid(tmp_path: Path) -> None:
    filled(tmp_path / "old", call(1, usd=0.5), call(2, failure="refused", usd=0.0))
    store = CallStore(tmp_path / "new")
    assert store.state("call-0001") == "answered"
    assert store.peek("call-0001") == replace(call(1, usd=0.5), copied_from="old")
    assert not (tmp_path / "new").exists(), "looking writes nothing"
    assert store.find("call-0001") == replace(call(1, usd=0.5), copied_from="old")
    assert store.find("call-0002") is None, "failures of others are theirs"
    assert store.find("call-0003") is None
    spent = store.spent()
    assert (spent.usd, spent.answered, spent.copied) == (0.0, 0, 1)
    store.close()

    shutil.rmtree(tmp_path / "old")
    again = CallStore(tmp_path / "new")
    assert again.get("call-0001") == replace(call(1, usd=0.5), copied_from="old"), "this dataset is whole by itself"
    again.close()
    third = CallStore(tmp_path / "third")
    found = third.find("call-0001")
    assert found is not None
    assert found.copied_from == "old", "who paid, not who copied"
    third.close()


def test_an_answer_is_copied_once(tmp_path: Path) -> None:
    filled(tmp_path / "old", call(1))
    store = CallStore(tmp_path / "new")
    for _ in range(3):
        store.find("call-0001")
    store.close()
    (path,) = (tmp_path / "new" / "calls").glob("*.jsonl")
    assert path.read_bytes().count(b"\n") == 1


def test_an_answer_of_a_neighbour_cures_a_failure_here(tmp_path: Path) -> None:
    filled(tmp_path / "old", call(1))
    filled(tmp_path / "new", call(1, failure="server", usd=0.0))
    store = CallStore(tmp_path / "new")
    found = store.find("call-0001")
    assert found is not None
    assert found.failure is None
    assert store.spent().failed == 0
    store.close()


def test_a_neighbour_that_cannot_be_read_saves_nothing_and_stops_nothing(tmp_path: Path) -> None:
    filled(tmp_path / "good", call(1))
    (tmp_path / "bad" / "calls" / "x.jsonl").mkdir(parents=True)
    (tmp_path / "worse" / "calls").mkdir(parents=True)
    (tmp_path / "worse" / "calls" / "y.jsonl").write_bytes(b"\x00\xff\n" * 50)
    store = CallStore(tmp_path / "new")
    assert store.state("call-0001") == "answered"
    store.close()


def test_machines_merge_by_copying_files_in_any_order(tmp_path: Path) -> None:
    early, late = "2026-11-21T08:00:00.000Z", "2026-11-21T09:00:00.000Z"
    here = filled(tmp_path / "a" / "set", call(1, usd=1.0, at=late, text="late"), call(2, usd=1.0, at=late))
    there = filled(tmp_path / "b" / "set", call(1, usd=2.0, at=early, text="early"), call(3, usd=2.0, at=early))
    merged = [tmp_path / "c" / "set" / "calls", tmp_path / "d" / "set" / "calls"]
    for folder, order in zip(merged, ([here, there], [there, here])):
        folder.mkdir(parents=True)
        for turn, path in enumerate(order):
            shutil.copy(path, folder / f"{turn}-{path.name}")
            store = CallStore(folder.parent)  # the index is brought up to date in between
            store.spent()
            store.close()
        store = CallStore(folder.parent)
        one = store.get("call-0001")
        assert one is not None
        assert one.text == "early", "the answer that came first stands, whatever the files are called"
        assert store.spent().usd == pytest.approx(6.0), "what was paid twice was paid twice"
        assert store.spent().answered == 3
        store.close()


def test_the_same_file_copied_twice_costs_once(tmp_path: Path) -> None:
    path = filled(tmp_path / "set", call(1, usd=1.0))
    shutil.copy(path, path.with_name("again.jsonl"))
    store = CallStore(tmp_path / "set")
    assert store.spent().usd == pytest.approx(1.0)
    store.close()


def test_the_original_of_a_copied_answer_brings_its_price_along(tmp_path: Path) -> None:
    paid = filled(tmp_path / "x" / "old", call(1, usd=1.0))
    filled(tmp_path / "new", replace(call(1, usd=1.0), copied_from="old"))
    shutil.copy(paid, tmp_path / "new" / "calls")
    store = CallStore(tmp_path / "new")
    assert store.spent().usd == pytest.approx(1.0)
    store.close()
