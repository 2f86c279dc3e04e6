"""The rewrite `mask`: stand-ins for what `pii` finds, and no other character changed."""

from __future__ import annotations

import ipaddress
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import checksums, pii
from pipeline.errors import RecipeError
from pipeline.fakes import Fakes
from pipeline.rewrites import AnyRewrite, Refused, open_rewrites
from pipeline.sections import Item
from pipeline.types import Sample

MAIL, CARD, IBAN = "eva.holm@holm.io", "4716 4026 1145 4369", "DE75512108001245126199"
VALUES = {
    "email": MAIL, "card": CARD, "iban": IBAN, "ssn": "531-21-7351", "ip": "98.85.59.159", "mac": "3C-22-FB-12-9A-0B",
    "phone": "(415) 265-1234", "login": "ftp://eva:8gK2xw@ftp.holm.io:21", "nhs": "401 023 2145",
    "document": "C01234567",
    "crypto": "1PMycacnJaSqwwJqjawXBErnLsZ7RkXUAs",
}
LEADS = {"nhs": "NHS number ", "document": "passport no. ", "ip": "server "}


def mask(seed: int = 7, **options: Any) -> AnyRewrite:
    return open_rewrites([Item(name="mask", options=options)], seed=seed)[0]


def row(answer: Any, prompt: Any = "Hi", **fields: Any) -> Sample:
    return Sample("parent", [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}], **fields)


def masked(sample: Sample, seed: int = 7, **options: Any) -> Sample:
    rewrite = mask(seed, **options)
    assert rewrite.applies(sample)
    child = rewrite.child(sample)
    assert isinstance(child, Sample)
    assert not rewrite.applies(child)
    return child


def test_prompt_answer_system_tools_fields_and_the_answer_that_lost() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "pay", "arguments": json.dumps({"card": CARD})}}
    messages = [
        {"role": "system", "content": f"You are {MAIL}."}, {"role": "user", "content": [{"type": "text",
        "text": f"Ask {MAIL}"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "tool_call_id": "1",
        "content": f"{MAIL} paid"},
        {"role": "assistant", "content": f"{MAIL} paid."}]
    parent = Sample("parent", messages, fields={"mail": MAIL, "n": 3, "all": [MAIL]}, cell={"place": "Oslo"},
                    rejected=[{"role": "assistant", "content": f"No {MAIL}"}])
    child = masked(parent)
    fake = child.fields["mail"]
    assert re.fullmatch(r"[a-z]+\.[a-z]+\d\d@example\.(com|net|org)", fake)
    text = json.dumps([child.messages, child.rejected, child.fields])
    assert text.count(fake) == 7
    assert "holm" not in text
    assert CARD not in text
    assert json.loads(child.messages[2]["tool_calls"][0]["function"]["arguments"])["card"].replace(" ", "") in sum(
        checksums.TEST_CARDS.values(), ())
    assert (child.fields["n"], child.messages[3]["tool_call_id"], child.cell) == (3, "1", {"place": "Oslo"})
    assert parent.messages[4]["content"] == f"{MAIL} paid.", "the parent is left as it is"


def test_the_child_says_where_it_came_from_and_what_was_changed() -> None:
    parent = row(f"{MAIL}, {CARD}", provenance={"model": "w-1", "finish_reason": "stop", "cost_usd": 0.5,
        "rehearsal": True})
    child = masked(parent)
    assert (child.parent, child.calls, child.source) == ("parent", (), None)
    assert child.provenance == {
        "model": "w-1", "finish_reason": "stop", "rehearsal": True, "cost_usd": 0.0, "input_tokens": 0,
        "output_tokens": 0,
        "changed": "1 card, 1 email", "augmentation": "mask", "replaces": "parent"}


def test_an_id_follows_from_parent_options_and_seed() -> None:
    sample = row(MAIL)
    ids = {masked(sample).id, masked(sample, seed=8).id, masked(sample, kinds=["email"]).id}
    assert len(ids) == 3
    assert mask().child_id(sample, None) == masked(sample).id


def test_the_same_value_is_the_same_everywhere_and_another_seed_another() -> None:
    one, two = masked(row(f"Ask {MAIL}.")), masked(row(f"{MAIL.upper()} it is"))
    assert one.answer.split()[1].rstrip(".") == two.answer.split()[0]
    phones = [masked(row(f"call {form}")).answer for form in ("(415) 265-1234", "415.265.1234", "+1 415 265 1234")]
    assert len({pii.digits_of(text)[-10:] for text in phones}) == 1
    assert re.fullmatch(r"call \(\d{3}\) 555-01\d\d", phones[0])
    assert re.fullmatch(r"call \d{3}\.555\.01\d\d", phones[1])
    assert masked(row(MAIL)).answer != masked(row(MAIL), seed=8).answer
    mails = {masked(row(f"eva{number}@holm.io")).answer for number in range(300)}
    assert len(mails) > 290


@pytest.mark.parametrize("kind", VALUES)
def test_stand_ins_have_the_form_and_are_nobodys(kind: str) -> None:
    text = f"{LEADS.get(kind, '')}{VALUES[kind]}"
    child = masked(row(text)).answer
    if kind == "ssn":
        assert re.fullmatch(r"666-\d\d-\d{4}", child), "an area that is never given out"
        return
    (span,) = pii.find(child, reserved=True)
    assert (span.kind, span.reserved) == (kind, True)
    value = child[span.start:span.end]
    assert value != VALUES[kind]
    if kind == "card":
        assert checksums.luhn(pii.digits_of(value))
        assert re.fullmatch(r"\d{4} \d{4} \d{4} \d{4}", value), "its layout"
    elif kind == "iban":
        assert checksums.iban(value)
        assert value[:2] == "DE"
    elif kind == "ip":
        assert not ipaddress.ip_address(value).is_global
    elif kind == "nhs":
        assert checksums.nhs(pii.digits_of(value))
    elif kind == "crypto":
        assert checksums.base58(value) is not None


def test_kinds_and_regions_are_the_recipes_choice() -> None:
    child = masked(row(f"{MAIL} {IBAN}"), kinds="iban")
    assert child.answer.startswith(f"{MAIL} DE")
    assert not mask(kinds=["phone"], regions=["US"]).applies(row("call 08-123 456 78"))
    assert mask(kinds=["phone"], regions=["SE"]).applies(row("call 08-123 456 78"))
    with pytest.raises(RecipeError, match="unknown word 'emial'"):
        mask(kinds=["emial"])
    with pytest.raises(RecipeError, match="'UK' is no country's code"):
        mask(regions=["UK"])


def test_rows_without_personal_data_are_not_touched() -> None:
    assert not mask().applies(row("Write to eva@example.com or (202) 555-0143.", "Who is Eva Holm of Oslo?"))
    found = mask().child(row("A ferry."))
    assert isinstance(found, Refused)
    assert found.code == "unchanged"


plain = st.text(st.characters(exclude_categories=["Cs", "Nd", "Nl", "No"], exclude_characters="@:/+-()#xX."),
    max_size=30)
planted = st.lists(st.tuples(plain, st.sampled_from(sorted(set(VALUES) - {"nhs", "document", "ip"}))), max_size=5)


@settings(max_examples=150, deadline=None)
@given(parts=planted, tail=plain, seed=st.integers(0, 5))
def test_what_is_between_stays_to_the_character(parts: list[tuple[str, str]], tail: str, seed: int) -> None:
    text = "".join(f"{lead} {VALUES[kind]} " for lead, kind in parts) + tail
    spans = pii.find(text)
    fakes = Fakes(seed)
    found = fakes.masked(text, spans)
    at = place = 0
    for span in spans:
        between = text[at:span.start]
        assert found[place:place + len(between)] == between
        place += len(between) + len(fakes.of(span.kind, text[span.start:span.end]))
        at = span.end
    assert found[place:] == text[at:]
    child = mask(seed).child(row(text))
    assert isinstance(child, Refused) is (not spans)


NOISE = st.text(st.sampled_from("0123456789 .:-/()+@aBex1"), max_size=30)


def test_any_text_is_clean_behind_it_or_refused() -> None:
    """Values in the midst of digits and marks, which may be parts of others."""
    ends = Counter[str]()

    @settings(max_examples=150, deadline=None, derandomize=True)
    @given(st.lists(st.tuples(NOISE, st.sampled_from(["", *VALUES.values()])), min_size=1, max_size=4), NOISE)
    def holds(parts: list[tuple[str, str]], tail: str) -> None:
        rewrite, sample = mask(), row("".join(lead + value for lead, value in parts) + tail)
        if not rewrite.applies(sample):
            ends["clean"] += 1
            return
        child = rewrite.child(sample)
        ends["refused" if isinstance(child, Refused) else "masked"] += 1
        assert isinstance(child, Refused) or not rewrite.applies(child)

    holds()
    assert ends["masked"] >= ends.total() // 4, ends
    assert ends["refused"] <= ends["masked"] // 4, ends


def test_on_labelled_texts_no_value_is_left(shared_data: Path) -> None:
    rows = json.loads((shared_data / "pii" / "generated_small.json").read_text(encoding="utf-8"))
    changed = 0
    for each in rows:
        text = each["full_text"]
        spans = pii.find(text)
        if not spans:
            continue
        child = masked(row(text)).answer
        changed += 1
        for span in spans:
            assert text[span.start:span.end] not in child
        kept = [label["entity_value"] for label in each["spans"] if label["entity_type"] == "PERSON"]
        assert all(name in child for name in kept), "names stay: no pattern finds them"
    assert changed == 22
