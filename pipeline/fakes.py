"""Values that stand in for personal ones: of the same kind and form, the same for the same value, and nobody's.

Each is of a range that is set aside for examples, which `pii` knows as such: so a masked text is clean by the same
measure. All of these ranges are far smaller than what they stand for, so that many values share a stand-in: with the
seed a guess can be refuted, never proven, and nothing leads back from a stand-in to its value. """

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from functools import cache
from typing import Any

from .checksums import TEST_CARDS, base58, bech32, ibans, issuer, nhs_check, to_base58, to_bech32
from .digest import hash_int
from .pii import EXTENSION, REGIONS, Span, digits_of, phone_in

AREAS = (202, 205, 212, 213, 303, 305, 312, 404, 415, 503, 512, 602, 617, 702, 713, 801, 816, 901, 904, 919)
"""Area codes of twenty cities of the United States; 555-0100 to 555-0199 is nobody's in each (NANPA)."""
_LINES = {44: ("7700900", 3), 61: ("25550", 4), 33: ("19900", 4), 49: ("3023125", 3), 46: ("84650040", 1)}
"""Country code -> how the numbers for stories begin that its regulator set aside, and how many digits are free."""
_NETWORKS = ("192.0.2", "198.51.100", "203.0.113")
"""For documentation: RFC 5737."""


class Fakes:
    """Stand-ins for values.

    Args:
        seed: another seed, other stand-ins.
        regions: as `pii.find`.
    """

    def __init__(self, seed: int, regions: Collection[str] = REGIONS) -> None:
        self.seed = seed
        self.regions = regions

    def of(self, kind: str, value: str) -> str:
        """What stands in for a value, in its own layout: spaces, dashes and case as they are."""
        return str(getattr(self, f"_{kind}")(value))

    def masked(self, text: str, spans: list[Span]) -> str:
        """A text with stand-ins for spans, which do not overlap and stand in order. What is between them stays."""
        parts, at = [], 0
        for span in spans:
            parts += [text[at:span.start], self.of(span.kind, text[span.start:span.end])]
            at = span.end
        return "".join(parts) + text[at:]

    def _draw(self, kind: str, value: str, below: int, salt: int = 0) -> int:
        return hash_int("mask", self.seed, kind, value, salt) % below

    def _email(self, value: str) -> str:
        key = value.lower()
        name = _names(hash_int("mask", self.seed, "email", key))
        return f"{name}@example.{('com', 'net', 'org')[self._draw('email', key, 3)]}"

    def _login(self, value: str) -> str:
        scheme, rest = value.split("://", 1)
        port = re.search(r":[0-9]{1,5}$", rest)
        user = _names(hash_int("mask", self.seed, "login", rest))
        return f"{scheme}://{user}:password@example.com{port[0] if port else ''}"

    def _card(self, value: str) -> str:
        digits = digits_of(value)
        cards = TEST_CARDS[issuer(digits) or "visa"]
        same = [card for card in cards if len(card) == len(digits)] or list(cards)
        return _laid(value, same[self._draw("card", digits, len(same))])

    def _iban(self, value: str) -> str:
        examples = ibans().examples
        fake = examples.get(value[:2], examples["GB"])
        return " ".join(fake[i:i + 4] for i in range(0, len(fake), 4)) if " " in value else fake

    def _ssn(self, value: str) -> str:
        digits = digits_of(value)
        return _laid(value, f"666{1 + self._draw('ssn', digits, 99):02}{1 + self._draw('ssn', digits, 9999, 1):04}")

    def _ip(self, value: str) -> str:
        address = ipaddress.ip_address(value)
        if address.version == 4:
            return f"{_NETWORKS[self._draw('ip', value, 3)]}.{1 + self._draw('ip', value, 254, 1)}"
        drawn = self._draw("ip", address.exploded, 1 << 64)
        return f"2001:db8:0:1:{':'.join(f'{0x1000 | drawn >> shift & 0xFFFF:x}' for shift in (48, 32, 16, 0))}"

    def _mac(self, value: str) -> str:
        drawn = self._draw("mac", value.lower().replace("-", ":"), 256)
        fake = f"00:00:5e:00:53:{drawn:02x}".replace(":", value[2])
        return fake if value == value.lower() else fake.upper()

    def _nhs(self, value: str) -> str:
        digits = digits_of(value)
        return _laid(value, nhs_check(f"999{self._draw('nhs', digits, 10**6):06}"))

    def _document(self, value: str) -> str:
        drawn = self._draw("document", value.upper(), 26**6)
        found: list[str] = []
        digits = 0
        for char in value:
            drawn, letter = divmod(drawn, 26) if drawn else (self._draw("document", value, 26**6, len(found)), 7)
            if char.isdigit():
                digits += 1
                found.append("0" if digits <= 3 else str(letter % 10))
            else:
                found.append(chr((97 if char.islower() else 65) + letter) if char.isalpha() else char)
        return "".join(found)

    def _crypto(self, value: str) -> str:
        drawn = self._draw("crypto", value, 1 << 32)
        if value.startswith("0x"):
            return f"0x{drawn:040x}"
        if (data := base58(value)) is not None:
            return to_base58(data[:1] + bytes(16) + drawn.to_bytes(4, "big"))
        values = bech32(value) or [0] * 33
        fake = [*values[:1], *[0] * 22, *[drawn >> 5 * i & 31 for i in range(6)]]
        shown = to_bech32(value.lower().rpartition("1")[0], fake + [0] * (len(values) - len(fake)))
        return shown if value == value.lower() else shown.upper()

    def _phone(self, value: str) -> str:
        value = EXTENSION.sub("", value)
        found = phone_in(value, self.regions)
        country, national = (found.country, found.national) if found else (1, digits_of(value)[-10:])
        if country in _LINES:
            head, free = _LINES[country]
            fake = head + f"{self._draw('phone', national, 10**free):0{free}}"
        else:
            area = AREAS[self._draw("phone", national, len(AREAS))]
            country, fake = 1, f"{area}55501{self._draw('phone', national, 100, 1):02}"
        digits = digits_of(value)
        if found and country == found.country and digits.endswith(national) and len(fake) == len(national):
            laid = _laid(value, digits[:len(digits) - len(national)] + fake)
            again = phone_in(laid, self.regions)
            if again is not None and again.reserved and (again.country, again.start) == (country, 0):
                return laid
        return f"+{country} {fake[:3]} {fake[3:6]} {fake[6:]}"


def _laid(shape: str, digits: str) -> str:
    """Digits in the layout of another text; without it where their number differs."""
    if sum("0" <= char <= "9" for char in shape) != len(digits):
        return digits
    rest = iter(digits)
    return "".join(next(rest) if "0" <= char <= "9" else char for char in shape)


@cache
def _generator() -> Any:
    import faker

    return faker.Faker("en_US").factories[0]


def _names(seed: int) -> str:
    """A user's name of Faker's."""
    generator = _generator()
    generator.seed_instance(seed)
    return re.sub(r"[^a-z.]", "", f"{generator.first_name()}.{generator.last_name()}".lower()) + str(seed % 90 + 10)
