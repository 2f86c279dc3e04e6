"""What is found in a text: each kind with its check digits, no decoy, and real text that nobody here wrote."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import checksums
from pipeline.pii import KINDS, Span, excerpt, find

LABELS = {"EMAIL_ADDRESS": "email", "PHONE_NUMBER": "phone", "CREDIT_CARD": "card", "US_SSN": "ssn", "IP_ADDRESS": "ip",
          "US_DRIVER_LICENSE": "document"}
"""Labels of presidio-research that have a form. Its others (person, address, location, title, ...) have none."""
NOT_DIALLED = {"(96) 627-277", "001-420-335-7509x38548", "21 212 133 2727", "+1-944-435-4352x04732"}
"""Its phone numbers that no plan knows as they are written: 420 and 944 are no area codes, two lack a prefix."""


def shown(text: str, **options: object) -> list[tuple[str, str]]:
    return [(span.kind, text[span.start:span.end]) for span in find(text, **options)]  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "kind", "value"), [
    ("Write to eva.holm+list@post.sub.holm-bau.de, please.", "email", "eva.holm+list@post.sub.holm-bau.de"),
    ("<o'neil@uni.ac.uk>", "email", "o'neil@uni.ac.uk"),
    ("Call +44 20 7123 4567 now", "phone", "+44 20 7123 4567"), ("at (415) 265-1234.", "phone", "(415) 265-1234"),
    ("ring 020 7123 4567", "phone", "020 7123 4567"), ("call me on 4152651234", "phone", "4152651234"),
    ("0049 30 901820", "phone", "0049 30 901820"), ("(+1 702 383 0381)", "phone", "+1 702 383 0381"),
    ("card 4716 4026 1145 4369!", "card", "4716 4026 1145 4369"), ("4716402611454369", "card", "4716402611454369"),
    ("3714-496353-98456", "card", "3714-496353-98456"),
    ("IBAN: DE75512108001245126199", "iban", "DE75512108001245126199"),
    ("GB33 BUKB 2020 1555 5555 55 THANKS", "iban", "GB33 BUKB 2020 1555 5555 55"),
    ("SSN 531-21-7351", "ssn", "531-21-7351"), ("my social security number is 531217351", "ssn", "531217351"),
    ("from 98.85.59.159:8080", "ip", "98.85.59.159"), ("server 2a00:1450:4001:81b::200e", "ip",
    "2a00:1450:4001:81b::200e"),
    ("MAC 3c:22:fb:12:9a:0b.", "mac", "3c:22:fb:12:9a:0b"), ("3C-22-FB-12-9A-0B", "mac", "3C-22-FB-12-9A-0B"),
    ("NHS number 401 023 2145", "nhs", "401 023 2145"),
    ("Passport no. C01234567 was issued", "document", "C01234567"),
    ("My driver's license number is 481195160", "document", "481195160"),
    ("pay 1PMycacnJaSqwwJqjawXBErnLsZ7RkXUAs", "crypto", "1PMycacnJaSqwwJqjawXBErnLsZ7RkXUAs"),
    ("0x52908400098527886E0F7030069857D2E4169EE7", "crypto", "0x52908400098527886E0F7030069857D2E4169EE7"),
    ("open ftp://eva:8gK2xw@ftp.holm.io:21/x", "login", "ftp://eva:8gK2xw@ftp.holm.io:21"),
])
def test_each_kind_is_found_whole(text: str, kind: str, value: str) -> None:
    assert shown(text) == [(kind, value)]
    assert not find(text, [each for each in KINDS if each != kind]) or kind in ("login", "iban",
        "ssn"), "others see none"


@pytest.mark.parametrize("text", [
    "Version 1.2.3.4 of the driver", "upgrade to 10.4.200.17 first", "See section 3.2.1.4", "Chrome/91.0.4472.124",
    "1.2.3.4.5",
    "v98.85.59.159", "at 12:30:45 on 2024-01-02 08:00:00", "George Berkeley (1685–1753) and 1694 - 1743",
    "std::vector<int> a::b::c",
    "ISBN 978-3-16-148410-0 and ISSN 2049-3630", "order 4716402611454368", "part 900-21-7351 and 000-12-3456",
    "DE75512108001245126198", "the 10.1146/annurev-astro-081913-040012", "0.4716402611454369",
    "pi is 3.14159265358979323846",
    "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLz", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "logo@2x.png", "@eva on x.com",
    "user@localhost", "12345@N00", "order 4152651234 shipped", "100,000,000 people in 1987", "00:11:22",
    "commit 4f9d0c1a2b3c4d5e6f708192a3b4c5d6e7f80912", "$415-265-1234", "3 415 265 1234 998 12 1 5 2 2 5",
])
def test_decoys_are_none(text: str) -> None:
    assert shown(text, reserved=True) == []


@pytest.mark.parametrize("text", [
    "eva@example.com", "eva@mail.example.org", "eva@host.test", "git@github.com:eva/x.git", "(202) 555-0143",
    "4111 1111 1111 1111", "DE89370400440532013000", "GB82 WEST 1234 5698 7654 32", "SSN 078-05-1120", "192.0.2.7",
    "server 10.0.0.1", "127.0.0.1", "DNS 8.8.8.8", "2001:db8:1:2:3:4:5:6", "00:00:5e:00:53:0a", "ff:ff:ff:ff:ff:ff",
    "NHS number 999 000 1235", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "postgres://user:password@db.holm.io",
    "call 1-800-273-8255",
])
def test_published_examples_are_nobodys(text: str) -> None:
    assert find(text) == []
    assert len(find(text, reserved=True)) == 1


def test_regions_decide_about_numbers_without_a_country() -> None:
    text = "Please call 08-123 456 78 today"
    assert shown(text, regions=["US"]) == []
    assert shown(text, regions=["SE"]) == [("phone", "08-123 456 78")]
    assert shown("call +46 8 123 456 78", regions=[]) == [("phone", "+46 8 123 456 78")]


def test_two_numbers_side_by_side_are_two() -> None:
    assert [kind for kind, _ in shown("call 415-265-1234 702-383-0381")] == ["phone", "phone"]


def test_an_excerpt_never_shows_the_whole() -> None:
    text = "eva.holm@holm.io 4716402611454369 ftp://eva:8gK2xw@ftp.holm.io"
    assert [excerpt(text, span) for span in find(text)] == ["e…@….io", "…69", "ftp://…"]


# -- real text ---------------------------------------------------------------------------------------


def labelled(shared_data: Path) -> tuple[Counter[str], Counter[str], list[str], list[str]]:
    """Per kind how many spans are labelled and found to the character; what was missed; what was found beside."""
    wanted, hit = Counter[str](), Counter[str]()
    missed, more = [], []
    for name in ("generated_small.json", "mock_input_samples.json"):
        for row in json.loads((shared_data / "pii" / name).read_text(encoding="utf-8")):
            text = row["full_text"]
            labels = {(each["start_position"], each["end_position"], LABELS[each["entity_type"]])
                      for each in row["spans"] if each["entity_type"] in LABELS}
            found = {(span.start, span.end, span.kind) for span in find(text, reserved=True)}
            wanted.update(kind for *_, kind in labels)
            hit.update(kind for *_, kind in labels & found)
            missed += [text[start:end] for start, end, _ in labels - found]
            more += [text[start:end] for start, end, _ in found - labels]
    return wanted, hit, missed, more


def test_on_labelled_texts_all_that_is_valid_is_found_and_nothing_else(shared_data: Path) -> None:
    wanted, hit, missed, more = labelled(shared_data)
    assert wanted == {"card": 10, "phone": 10, "ssn": 3, "ip": 2, "email": 2, "document": 1}
    assert more == [], "precision 1.0"
    assert {kind: hit[kind] for kind in wanted if kind != "phone"} == {
        kind: count for kind, count in wanted.items() if kind != "phone"}, "recall 1.0"
    assert set(missed) == NOT_DIALLED
    assert hit["phone"] == 6


def texts(shared_data: Path) -> list[str]:
    with gzip.open(shared_data / "curation" / "base.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line)["t"] for line in file]


def test_in_70_000_real_texts_only_real_ones_are_found(shared_data: Path) -> None:
    """Every hit was read on 2026-11-28: all are addresses and numbers that somebody has, as the press prints them."""
    found = Counter[str]()
    values = set()
    for text in texts(shared_data):
        for kind, value in shown(text):
            found[kind] += 1
            values.add(value)
    assert found == {"email": 5, "phone": 3, "ip": 1}
    assert values == {"TheBigPodcastWithShaq@gmail.com", "llinehan@reviewjournal.com", "letters@theatlantic.com",
        "info@flix.com",
                      "702-383-0381", "810-237-6800", "828816887", "192.43.244.18"}


def card(draw: random.Random) -> str:
    body = draw.choice(["4", "51", "55", "2221", "37", "6011", "3530"]) + "".join(draw.choices("0123456789", k=20))
    body = body[:14 if body.startswith("37") else 15]
    number = next(body + check for check in "0123456789" if checksums.luhn(body + check))
    return number if number not in {card for cards in checksums.TEST_CARDS.values() for card in cards} else card(draw)


def bank(draw: random.Random) -> str:
    country = draw.choice(sorted(checksums.ibans().examples))
    example = checksums.ibans().examples[country]
    letters = ["0123456789" if char.isdigit() else "ABCDEFGHKLMNPRSTUVWXYZ" for char in example[4:]]
    body = "".join(map(draw.choice, letters))
    check = 98 - int("".join(str(int(char, 36)) for char in f"{body}{country}00")) % 97
    return f"{country}{check:02}{body}"


def wallet(draw: random.Random) -> str:
    if draw.random() < 0.5:
        return checksums.to_base58(bytes([draw.choice([0, 5])]) + draw.randbytes(20))
    return checksums.to_bech32("bc", [0, *draw.choices(range(32), k=32)])


def social(draw: random.Random) -> str:
    return f"{draw.randint(1, 665):03}-{draw.randint(1, 99):02}-{draw.randint(1, 9999):04}"


MAKERS: dict[str, Callable[[random.Random], str]] = {"card": card, "iban": bank, "crypto": wallet, "ssn": social}


@pytest.mark.parametrize("kind", MAKERS)
def test_planted_in_real_text_every_valid_one_is_found(shared_data: Path, kind: str) -> None:
    draw = random.Random(f"plant {kind}")
    for text in draw.sample(texts(shared_data), 300):
        value, at = MAKERS[kind](draw), draw.choice([0, text.find(" ") + 1, len(text)])
        lead = " " if text[at - 1:at].strip() else ""
        planted = f"{text[:at]}{lead}{value} {text[at:]}"
        start = at + len(lead)
        assert Span(start, start + len(value), kind) in find(planted), planted


@pytest.mark.parametrize("kind", ["card", "iban", "crypto"])
def test_planted_with_a_wrong_check_digit_none_is(shared_data: Path, kind: str) -> None:
    draw = random.Random(f"decoy {kind}")
    for text in draw.sample(texts(shared_data), 300):
        value = MAKERS[kind](draw)
        char = value[6]
        other = draw.choice([each for each in ("0123456789" if char.isdigit() else "acdefghk") if each != char.lower()])
        wrong = value[:6] + (other.upper() if char.isupper() else other) + value[7:]
        assert not [span for span in find(f"{text} {wrong}") if span.kind == kind], wrong


@given(st.text(st.sampled_from("0123456789 .:-/()+@aBx1"), max_size=80))
def test_spans_are_in_order_apart_and_inside(text: str) -> None:
    at = 0
    for span in find(text, reserved=True):
        assert at <= span.start < span.end <= len(text)
        at = span.end
