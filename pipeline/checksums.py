"""Check digits of numbers that name a person or an account: cards, IBANs, NHS numbers, wallets; and which are fakes."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

IBANS = Path(__file__).with_name("ibans.txt")
TEST_CARDS: dict[str, tuple[str, ...]] = {
    "visa": ("4111111111111111", "4242424242424242", "4012888888881881", "4000056655665556"),
    "mastercard": ("5555555555554444", "5105105105105100", "2223003122003222", "5200828282828210"),
    "amex": ("378282246310005", "371449635398431", "378734493671000"),
    "discover": ("6011111111111117", "6011000990139424", "6011981111111113"),
    "diners": ("30569309025904", "38520000023237", "36227206271667"),
    "jcb": ("3530111333300000", "3566002020360505"),
    "unionpay": ("6200000000000005", "6205500000000000004"),
    "maestro": ("6304000000000000", "6759649826438453"),
}
"""Numbers that processors publish for tests (Stripe's and PayPal's lists of test cards): they pass and buy nothing."""
_ISSUERS = (
    ("visa", "4", (13, 16, 19)), ("mastercard", r"5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)", (16,)),
    ("amex", "3[47]", (15,)),
    ("discover", "6011|64[4-9]|65", (16, 19)), ("diners", r"30[0-5]|3095|36|3[89]", (14, 16)),
    ("jcb", "35(?:2[89]|[3-8])", (16, 19)), ("unionpay", "62", (16, 17, 18, 19)),
    ("maestro", "5018|5020|5038|5893|6304|6759|676[1-3]", (13, 14, 15, 16, 17, 18, 19)),
)
"""Issuer, its prefixes, its lengths (ISO/IEC 7812; the issuers' published ranges)."""
_PREFIXES = re.compile("|".join(f"(?P<{name}>{prefixes})" for name, prefixes, _ in _ISSUERS))
_LENGTHS = {name: lengths for name, _, lengths in _ISSUERS}
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


class _Ibans(NamedTuple):
    """Length of each country's IBANs, and the registry's example."""

    lengths: dict[str, int]
    examples: dict[str, str]


@cache
def ibans() -> _Ibans:
    """The table of ibans.txt."""
    lines = [line for line in IBANS.read_text(encoding="ascii").splitlines() if line and not line.startswith("#")]
    examples = {line[:2]: line for line in lines if not line.startswith("other")}
    others = {word[:2]: int(word[2:]) for line in lines if line.startswith("other") for word in line.split()[1:]}
    return _Ibans({country: len(line) for country, line in examples.items()} | others, examples)


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of those before it (ISO/IEC 7812-1, annex B)."""
    total = sum(map(int, digits[-1::-2])) + sum(_DOUBLED[int(digit)] for digit in digits[-2::-2])
    return total % 10 == 0


def issuer(digits: str) -> str | None:
    """Whose card a number could be, by its first digits, its length and its check digit."""
    found = _PREFIXES.match(digits)
    if found is None or found.lastgroup is None or len(digits) not in _LENGTHS[found.lastgroup] or not luhn(digits):
        return None
    return found.lastgroup


def iban(text: str) -> bool:
    """Whether letters and digits without spaces are an IBAN: country, its length, remainder 1 of 97 (ISO 13616)."""
    if ibans().lengths.get(text[:2]) != len(text):
        return False
    return int("".join(str(int(each, 36)) for each in text[4:] + text[:4])) % 97 == 1


def nhs(digits: str) -> bool:
    """Whether ten digits are an NHS number: weights 10 to 2, modulo 11 (NHS Data Dictionary)."""
    return _nhs_check(digits) == int(digits[9])


def nhs_check(nine: str) -> str:
    """Nine digits with their check digit; the last of the nine is raised where there is none."""
    check = _nhs_check(nine)
    return f"{nine}{check}" if check < 10 else nhs_check(nine[:8] + str((int(nine[8]) + 1) % 10))


def _nhs_check(digits: str) -> int:
    """The check digit of the first nine; 10 where they have none."""
    return -sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1))) % 11


def ssn(digits: str) -> bool:
    """Whether nine digits are in a range that the Social Security Administration gives out."""
    area = digits[:3]
    return area not in ("000", "666") and area < "900" and digits[3:5] != "00" and digits[5:] != "0000"


def base58(text: str) -> bytes | None:
    """What a base58check text holds, version byte first; None where its checksum is wrong."""
    number = 0
    for char in text:
        value = _BASE58.find(char)
        if value < 0:
            return None
        number = number * 58 + value
    zeros = len(text) - len(text.lstrip("1"))
    data = b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")
    return data[:-4] if len(data) > 4 and _twice(data[:-4]) == data[-4:] else None


def to_base58(data: bytes) -> str:
    """Bytes as base58check."""
    data += _twice(data)
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        text = _BASE58[rest] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def _twice(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()[:4]


def bech32(text: str) -> list[int] | None:
    """The five-bit values of a segwit address without checksum (BIP 173, BIP 350); None where it is none."""
    if text not in (text.lower(), text.upper()):
        return None
    head, _, tail = text.lower().rpartition("1")
    values = [_BECH32.find(char) for char in tail]
    if not head or len(values) < 7 or -1 in values:
        return None
    return values[:-6] if _polymod(_spread(head) + values) == _constant(values) else None


def to_bech32(head: str, values: list[int]) -> str:
    """Five-bit values, the witness version first, as a segwit address."""
    check = _polymod(_spread(head) + values + [0] * 6) ^ _constant(values)
    return f"{head}1" + "".join(_BECH32[each] for each in values + [check >> 5 * (5 - i) & 31 for i in range(6)])


def _constant(values: list[int]) -> int:
    """What a right checksum leaves, by the witness version."""
    return 1 if values[0] == 0 else 0x2BC830A3


def _spread(head: str) -> list[int]:
    return [ord(char) >> 5 for char in head] + [0] + [ord(char) & 31 for char in head]


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for i, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> i & 1 else 0
    return check
