"""Ids are a promise: forty frozen calls, canonical JSON that is the same everywhere, hashes that are uniform."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import math
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.digest import (
    CALL_SCHEME,
    ID_LENGTH,
    NOT_IN_THE_ANSWER,
    call_id,
    canonical,
    digest,
    digest_bytes,
    hash_int,
    hash_unit,
    normal_text,
)

GOLDEN = json.loads((Path(__file__).parent / "golden" / "call_ids.json").read_text("ascii"))
TEXTS = st.text(st.characters(codec=None), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12,
)


@pytest.mark.parametrize("frozen", GOLDEN, ids=[frozen["what"] for frozen in GOLDEN])
def test_an_id_that_changes_bills_users_again(frozen: dict[str, Any]) -> None:
    """Where this fails, CALL_SCHEME has to go up, and a migration with it: nobody pays twice for our change."""
    assert CALL_SCHEME == 1
    assert call_id(frozen["namespace"], frozen["kind"], frozen["body"], frozen["repeat"]) == frozen["id"]


def test_forty_of_them_and_which_are_alike() -> None:
    assert len(GOLDEN) == 40
    ids = {frozen["what"]: frozen["id"] for frozen in GOLDEN}
    assert ids.pop("keys that cannot change the answer") == ids["plain"]
    assert len(set(ids.values())) == 39, "all others are different: 1 and 1.0 too, as they are sent"
    assert all(len(found) == ID_LENGTH and found.islower() for found in ids.values())


def test_ids_are_the_same_in_another_process() -> None:
    """Hash randomisation, another locale, another order of keys."""
    code = """
import json, sys
from pipeline.digest import call_id
for frozen in json.load(open(sys.argv[1])):
    body = dict(reversed(frozen["body"].items()))
    assert call_id(frozen["namespace"], frozen["kind"], body, frozen["repeat"]) == frozen["id"], frozen["what"]
"""
    path = Path(__file__).parent / "golden" / "call_ids.json"
    env = {"PYTHONHASHSEED": "7", "LC_ALL": "C", "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code, str(path)], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@given(st.dictionaries(TEXTS, JSON, max_size=4), st.dictionaries(st.sampled_from(sorted(NOT_IN_THE_ANSWER)), JSON))
def test_what_cannot_change_the_answer_stays_out(body: dict[str, Any], ignored: dict[str, Any]) -> None:
    asked = {key: value for key, value in body.items() if key not in NOT_IN_THE_ANSWER}
    assert call_id("n", "chat", {**asked, **ignored}) == call_id("n", "chat", asked)


@given(JSON)
def test_canonical_json_says_the_same_and_is_stable(value: Any) -> None:
    data = canonical(value)
    back = json.loads(data)
    assert back == value
    assert canonical(back) == data
    assert data.decode("utf-8")


@given(st.dictionaries(TEXTS, JSON, max_size=5))
def test_the_order_of_keys_is_irrelevant(value: dict[str, Any]) -> None:
    assert canonical(dict(reversed(value.items()))) == canonical(value)


@given(JSON, JSON)
def test_other_values_have_other_digests(a: Any, b: Any) -> None:
    same = canonical(a) == canonical(b)
    assert (digest(a) == digest(b)) == same
    assert digest(a, b) != digest([a, b])


def test_numbers_that_are_none() -> None:
    assert canonical([math.nan, math.inf, -math.inf]) == b"[null,null,null]"
    assert canonical([math.nan, "\ud800"]) == b'[null,"\\ud800"]'
    assert canonical(1) != canonical(1.0)
    assert canonical(2**70) == str(2**70).encode()


@pytest.mark.parametrize("value", [{1: 2}, {"a": {1: 2}, "b": "\ud800"}, object(), b"bytes", {"a": {1, 2}}, [1j]])
def test_what_json_does_not_have(value: Any) -> None:
    with pytest.raises(TypeError):
        canonical(value)


@pytest.mark.parametrize(("value", "text"), [
    (1e16, "1e+16"), (1e22, "1e+22"), (1e-7, "1e-07"), (1e-5, "1e-05"), (0.001, "0.001"), (1e15, "1000000000000000.0"),
    (0.1 + 0.2, "0.30000000000000004"), (-0.0, "-0.0"), (5e-324, "5e-324"), (999999999999999.9, "999999999999999.9"),
])
def test_floats_are_written_as_python_writes_them_whatever_orjson_does(value: float, text: str) -> None:
    """orjson 3.10 writes 1e16 where 3.13 writes 1e+16."""
    assert canonical(value) == text.encode() == repr(value).encode()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_float_is_its_repr(value: float) -> None:
    assert canonical({"x": [value]}) == b'{"x":[%s]}' % repr(value).encode()


def test_a_date_is_its_iso_text() -> None:
    assert canonical(datetime.date(2026, 11, 21)) == b'"2026-11-21"'


def test_the_alphabet_of_digests() -> None:
    found = "".join(digest_bytes(str(n).encode()) for n in range(300))
    assert set(found) == set("abcdefghijklmnopqrstuvwxyz234567")


def test_hashes_are_uniform_and_independent_of_the_machine() -> None:
    units = [hash_unit("u", n) for n in range(4000)]
    assert all(0 < unit < 1 for unit in units)
    for low in range(10):
        assert 320 < sum(low / 10 <= unit < (low + 1) / 10 for unit in units) < 480
    assert len({hash_int("i", n) for n in range(4000)}) == 4000
    assert hash_int("a", 1, [2.5, None]) == 10932264679770431225


@pytest.mark.parametrize(("a", "b", "same"), [
    ("Caf\u00e9", "Cafe\u0301", True), ("a \t\nb", " A b ", True), ("stra\u00dfe", "STRASSE", True),
    ("ab", "a b", False),
])
def test_normal_text(a: str, b: str, same: bool) -> None:
    assert (normal_text(a) == normal_text(b)) == same


@given(st.binary(max_size=80))
def test_a_digest_is_base32_of_sha256(data: bytes) -> None:
    assert digest_bytes(data) == base64.b32encode(hashlib.sha256(data).digest()).decode().lower()[:ID_LENGTH]


@given(st.text(st.sampled_from(" \n\t\xa0\u2003aBß\u0301é.İ"), max_size=12) | TEXTS)
def test_normal_text_is_folded_and_its_white_space_collapsed(text: str) -> None:
    assert normal_text(text) == " ".join(unicodedata.normalize("NFC", text).casefold().split())
