"""Check digits, against published numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import checksums
from pipeline.checksums import TEST_CARDS, base58, bech32, iban, ibans, issuer, luhn, nhs, nhs_check, ssn


def test_every_example_of_the_registry_is_valid_and_with_a_digit_changed_is_not() -> None:
    assert len(ibans().examples) > 60
    for example in ibans().examples.values():
        assert iban(example), example
        last = "1" if example[-1] != "1" else "2"
        assert not iban(example[:-1] + last), example
        assert not iban(example + "0"), "its length is wrong"
    assert not iban("US64SVBKUS6S3300958879"), "the United States have no IBANs"


@pytest.mark.parametrize("name", TEST_CARDS)
def test_test_cards_are_of_their_issuer(name: str) -> None:
    for card in TEST_CARDS[name]:
        assert issuer(card) == name
        assert issuer(card[:-1] + str((int(card[-1]) + 1) % 10)) is None, "Luhn"


@pytest.mark.parametrize("digits", ["0000000000000000", "9999999999999995", "1234567812345670", "411111111111111"])
def test_numbers_of_no_issuer(digits: str) -> None:
    assert issuer(digits) is None


@given(st.integers(0, 10**15 - 1))
def test_luhn_finds_any_wrong_digit(number: int) -> None:
    digits = f"{number:015}"
    checks = [str(check) for check in range(10) if luhn(digits + str(check))]
    assert len(checks) == 1
    assert not luhn(str((int(digits[0]) + 1) % 10) + digits[1:] + checks[0])


@pytest.mark.parametrize(("digits", "valid"), [
    ("9434765919", True), ("4010232137", True), ("9434765918", False), ("9434765991", False)])
def test_nhs_numbers(digits: str, valid: bool) -> None:
    assert nhs(digits) is valid


@given(st.integers(0, 999_999))
def test_an_nhs_number_is_made_of_any_nine_digits(number: int) -> None:
    made = nhs_check(f"999{number:06}")
    assert nhs(made)
    assert made.startswith("999")


@pytest.mark.parametrize(("digits", "valid"), [
    ("531217351", True), ("000217351", False), ("666217351", False), ("900217351", False), ("531007351", False),
    ("531210000", False)])
def test_ranges_that_the_ssa_gives_out(digits: str, valid: bool) -> None:
    assert ssn(digits) is valid


@pytest.mark.parametrize("address", [
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"])
def test_base58check_of_known_addresses(address: str) -> None:
    data = base58(address)
    assert data is not None
    assert len(data) == 21
    assert checksums.to_base58(data) == address
    assert base58(address[:-1] + ("b" if address[-1] != "b" else "c")) is None


@pytest.mark.parametrize("address", [  # BIP 173, BIP 350
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
    "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4"])
def test_bech32_of_known_addresses(address: str) -> None:
    values = bech32(address)
    assert values is not None
    assert checksums.to_bech32("bc", values) == address.lower()
    assert bech32(address[:-1] + ("q" if address[-1] not in "qQ" else "p")) is None
    assert bech32(address.swapcase()[:9] + address[9:]) is None, "mixed case"
