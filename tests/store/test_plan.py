"""plan.jsonl: append-only, the last line of a draw counts; torn and damaged lines."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.store.plan import ILLEGAL, SURPLUS, WANTED, WITHDRAWN, PlanLog
from pipeline.types import Draw

STATES = [WANTED, SURPLUS, WITHDRAWN, ILLEGAL]
DRAWS = [
    Draw({"a": "é\ud800"}), Draw({"a": 1}), Draw({"a": 1}, 1), Draw({}, 0, {"text": "…"}, {"file": "f", "row": "r1"}),
]


def said(plan: PlanLog) -> dict[str, str]:
    """What `states` says of every draw that there is."""
    states = plan.states()
    found = {draw.key: state for draw in DRAWS if (state := states.get(draw.key)) is not None}
    assert len(states) == len(found)
    return found


@given(st.lists(st.tuples(st.sampled_from(DRAWS), st.sampled_from(STATES)), max_size=12), st.integers(0, 60))
def test_the_last_line_of_a_draw_says_where_it_stands(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[Draw, str]], torn: int
) -> None:
    plan = PlanLog(tmp_path_factory.mktemp("plan") / "set" / "plan.jsonl")
    assert len(plan.states()) == 0
    plan.append(iter(changes[:5]))
    with plan.path.open("ab") as file:
        file.write(b'{"key":"torn","state":"wanted","cell":{"a": "not finished","repeat": 0}'[:torn])
    before = plan.path.read_bytes()
    assert said(plan) == {draw.key: state for draw, state in changes[:5]}
    assert plan.path.read_bytes() == before, "reading changes nothing: another process may be writing"
    plan.append(iter(changes[5:]))
    states = {draw.key: state for draw, state in changes}
    assert said(plan) == states
    assert plan.states().counts() == Counter(states.values())
    found = list(plan.draws())
    assert {draw.key: state for draw, state in found} == states
    arrived = list(dict.fromkeys(draw.key for draw, _ in changes))
    assert [draw.key for draw, _ in found] == arrived
    assert all(draw.fields == {} for draw, _ in found), "columns of a source are not copied"


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"key": "x"}', b'{"key": "x", "state": "wanted", "cell": 3}'])
def test_a_damaged_line_is_named_with_the_command_that_mends_it(tmp_path: Path, line: bytes) -> None:
    plan = PlanLog(tmp_path / "plan.jsonl")
    plan.append([(DRAWS[1], WANTED)])
    with plan.path.open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(DataError) as caught:
        plan.states()
    assert f"{plan.path}:2" in caught.value.message
    assert f"sed -i 2d {plan.path}" in caught.value.hint
