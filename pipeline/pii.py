"""Finds personal data that its form gives away: mail addresses, phones, cards, accounts, and whatever has check digits.

Names, addresses, dates of birth and places have no form, and are not found here: no pattern can. Each kind is held to
what can be checked (check digits, ranges that are given out, a phone library's plans), and numbers that could be
anything need a word that says what they are. Values that are published as examples (example.com, 555-0143, 4111 1111
1111 1111, 192.0.2.7) belong to nobody: they are `reserved`, and left out unless asked for. """

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Iterator
from typing import Literal, NamedTuple, get_args

from .checksums import TEST_CARDS, base58, bech32, iban, ibans, issuer, nhs, ssn
from .views import lowered, one_of

Kind = Literal["login", "email", "iban", "crypto", "card", "ssn", "ip", "mac", "nhs", "document", "phone"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""All kinds, in the order in which one wins where two claim the same characters."""
REGIONS = ("US", "GB", "AU", "NZ", "IE", "IN", "DE", "FR", "CH", "IT", "ES", "NL")
"""Whose numbers are known without a country code. Chosen by us. Two years with a dash are a valid number of some
country, so all but those of North America (_PLAIN) need a word such as `call` or `mobile` beside them."""
_PLAIN = frozenset({"US", "CA"})
NEAR = 40
"""So far before a number, in characters, stands the word that says what it is. Chosen by us: `my SSN, as I said, is
...`."""

_SEVEN = r"(?:[ \t().\-/\u00a0\u2010\u2011\u2013]{0,3}[0-9]){6,}"
_GATE = re.compile(rf"[0-9](?:[0-9.:]{{6,}}|[0-9A-Za-z]{{20,}}|[0-9]{{4}}|{_SEVEN})")
"""What every number here holds: five digits, seven with little between them, seven with dots, 21 letters and digits.
Most prose has none, and is done with after one look."""
_RUN = re.compile(f"[0-9]{_SEVEN}")
_LOGIN = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"<>]{1,80}:([^\s/@'\"<>]{1,200})@[^\s/'\"<>,;`)\]}]+", re.IGNORECASE)
_EMAIL = re.compile(r"[^\W_][\w.+%'-]{0,63}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}([^\W\d_]{2,24})(?![\w@-])")
_FILES = frozenset(["png", "jpg", "jpeg", "gif", "svg", "webp", "bmp", "css", "js", "ts", "py", "html", "pdf", "zip"])
_EXAMPLE_MAIL = re.compile(
    r"@(?:[\w-]+\.)*(?:example\.(?:com|net|org|edu)|[\w-]+\.(?:example|test|invalid|localhost))$|^git@", re.IGNORECASE)
"""Names that RFC 2606 and RFC 6761 set aside; `git@` is the account of a host."""
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?![A-Za-z0-9])")
_CARD = re.compile(
    r"(?<![\w.])(?:[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{1,7}|3[0-9]{3}([ -])[0-9]{6}\2[0-9]{4,5}"
    r"|[0-9]{13,19})(?!\w|[.-][0-9])")
_SSN = re.compile(r"(?<![\w-])[0-9]{3}(?:(-)| )?[0-9]{2}(?(1)-| ?)[0-9]{4}(?![\w-]|\.[0-9])")
_SSN_WORD = re.compile(r"\bssn\b|social\s+security", re.IGNORECASE)
_SAMPLE_SSN = frozenset({"078051120", "219099999", "123456789", "111111111", "123121234"})
"""The two that were printed as samples (SSA, Meet the most misused SSN), and those that everybody types."""
_IP4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_DOTTED = re.compile(r"\.[0-9]{1,3}\.")
_COLONS, _PAIRED = re.compile(":[0-9A-Fa-f]{0,4}:"), (re.compile(":[0-9A-Fa-f]{2}:"), re.compile("-[0-9A-Fa-f]{2}-"))
"""What stands within addresses, and takes a moment to look for."""
_IP6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{1,4}(?::{1,2}[0-9A-Fa-f]{1,4}){2,7}(?![\w:])")
_IP_WORD = re.compile(
    r"\bips?\b|address|server|host|client|ping|dns|gateway|router|network|://|visitor|login", re.IGNORECASE)
_VERSION = re.compile(
    r"(?:\bv|\bver\.?|version|release|build|firmware|driver|update|upgrade|patch|software|section|chapter|figure|table"
    r"|clause|§)[^.\n]{0,24}$", re.IGNORECASE)
_PUBLIC_DNS = frozenset({"1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.9", "1.2.3.4"})
_MAC = re.compile(r"(?<![\w:-])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w:-])")
_NHS = re.compile(r"(?<![\w.])[0-9]{3}([ -]?)[0-9]{3}\1[0-9]{4}(?!\w|[.-][0-9])")
_NHS_WORD = re.compile(r"\bNHS\b|health service number", re.IGNORECASE)
_DOCUMENT = re.compile(
    r"(?:passport|driv(?:er['’]?s|ing)\s+licen[cs]e|(?:national\s+)?identity\s+card|national\s+id)\b(?:n[or]\.|[^\n.]){0,24}?"
    r"\b((?=[a-z]{0,3}[0-9])[a-z0-9]{6,14})\b", re.IGNORECASE)
_PAPERS = ("passport", "licen", "identity", "national id")
_COIN = re.compile(r"[13LMD][1-9A-HJ-NP-Za-km-z]{25,33}")
_SEGWIT = re.compile(r"(?:bc|tb|ltc)1[02-9ac-hj-np-z]{11,87}", re.IGNORECASE)
_ETHER = re.compile(r"0x[0-9A-Fa-f]{40}")
_COIN_VERSIONS = frozenset({0x00, 0x05, 0x1E, 0x30, 0x32})
"""Bitcoin, Dogecoin and Litecoin; what wallets and explorers call P2PKH and P2SH."""
_SAMPLE_COINS = frozenset({
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
    "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
})
"""Of Bitcoin's first block, its wiki, and BIP 173."""
_PLACEHOLDER = re.compile(
    r"pass(?:word|wd)?|pwd|secret|change-?me|x{3,}|\*{3,}|\.{3}|[<{$%\[].*|your.*|example.*", re.IGNORECASE)
_PHONE_WORD = re.compile(
    r"\b(?:phone|tele?|telephone|call|text|sms|mobile|cell|fax|ring|dial|contact|whatsapp|reach|desk|office|home"
    r"|work|landline|handy|telefon|hotline)\b", re.IGNORECASE)
SIDE_BY_SIDE, LONGEST = 8, 64
"""So many numbers in a row are taken apart, with so many characters each at most: columns of figures are none."""
BEHIND = 10
"""So far behind a phone number may stand what it is, as in `69 987 88 37 office`."""
_DATES = re.compile(
    r"(?:1[0-9]|20)[0-9]{2}[ \-–/.]{1,3}(?:1[0-9]|20)[0-9]{2}"
    r"|(?:1[89]|20)[0-9]{2}([-/.])[01]?[0-9]\1[0-3]?[0-9](?:[ T].*)?")
"""Two years, or a day with or without a time."""
_AMERICAN = re.compile(r"\([0-9]{3}\) ?[0-9]{3}-[0-9]{4}(?![0-9])")
"""A form that nobody else writes: what is no number there, as (123) 456-7890, is none."""
EXTENSION = re.compile(r"[,;]?\s{0,2}(?:x|ext\.?|extension|#)\s{0,2}[0-9]{1,6}\b", re.IGNORECASE)
"""As `x751` behind a number."""
_DRAMA = re.compile(
    r"1(?:\d{3})55501\d\d|44(?:(?:113|114|115|116|117|118|121|131|141|151|161)4960\d{3}|2079460\d{3}|1914980\d{3}"
    r"|1632960\d{3}|7700900\d{3}|8081570\d{3})|61[2378](?:5550|7010)\d{4}|33(?:19900|26191|35301|46571|53649|63998)\d{4}"
    r"|49(?:3023125|4066969|2214710|8999998)\d{3}|467017406\d\d|468465004\d\d")
"""Numbers set aside for stories: NANPA's 555-01xx, Ofcom, ACMA, ARCEP, Bundesnetzagentur, PTS; with country code."""


_Finder = Callable[[str, int], Iterator["Span"]]


class Span(NamedTuple):
    """Where something personal stands: [start, end) in characters, and what it is."""

    start: int
    end: int
    kind: str
    reserved: bool = False


def find(
    text: str, kinds: Collection[str] = KINDS, regions: Collection[str] = REGIONS, *, reserved: bool = False
) -> list[Span]:
    """What is personal in a text, from left to right; no two overlap.

    Args:
        text: any.
        kinds: of KINDS.
        regions: ISO 3166 codes; phone numbers of these need no country code.
        reserved: also what is published as an example and belongs to nobody.
    """
    mail, gate = "@" in text, _GATE.search(text) if has_digit(text) else None
    colons = (text.count(":") > 2 and _COLONS.search(text)) or (text.count("-") > 4 and _PAIRED[1].search(text))
    if not (mail or gate or colons):
        return []
    has = {"mail": mail, "number": gate is not None, "colons": bool(colons), "ip": bool(gate or colons)}
    start, digits = gate.start() if gate else 0, sum(map(text.count, _DIGITS)) if gate else 0
    found: list[Span] = []
    for kind, (needs, least, finder) in _FINDERS.items():
        if has[needs] and digits >= least and kind in kinds:
            found += [span for span in finder(text, start) if not claimed(span, found)]
    if gate and digits >= 7 and "phone" in kinds:
        found += [span for span in _phones(text, start, regions) if not claimed(span, found)]
    return sorted(span for span in found if reserved or not span.reserved)


def claimed(span: Span, found: list[Span]) -> bool:
    """Whether one of some spans holds a character of another."""
    return any(span.start < had.end and had.start < span.end for had in found)


def has_digit(text: str) -> bool:
    """Whether one of ten digits is in a text: looked for one by one, which is twenty times as fast as a pattern."""
    return ("1" in text or "0" in text or "2" in text or "9" in text or "5" in text or "3" in text or "4" in text
            or "8" in text or "7" in text or "6" in text)


def excerpt(text: str, span: Span) -> str:
    """What may be shown of it: the kind and an end, never the whole."""
    value = text[span.start:span.end]
    if span.kind == "email":
        return f"{value[0]}…@…{value[value.rindex('.'):]}"
    return value.partition("://")[0] + "://…" if span.kind == "login" else f"…{value[-2:]}"


def unknown_region(regions: Collection[str]) -> str | None:
    """The first that is no country with a phone plan."""
    if set(regions) <= set(REGIONS):
        return None
    from phonenumbers import SUPPORTED_REGIONS

    return next((each for each in regions if each not in SUPPORTED_REGIONS), None)


def digits_of(text: str) -> str:
    """Its digits alone."""
    return "".join(char for char in text if "0" <= char <= "9")


def logins(text: str, _: int = 0) -> Iterator[Span]:
    """Addresses that hold a user's name and password, as `ftp://eva:8gK2x@host`; reserved: a placeholder for one."""
    if "://" in text:
        for found in _LOGIN.finditer(text):
            yield Span(*found.span(), "login", _PLACEHOLDER.fullmatch(found[1]) is not None)


def _emails(text: str, _: int) -> Iterator[Span]:
    for found in _EMAIL.finditer(text):
        if found[1].lower() not in _FILES:
            yield Span(*found.span(), "email", _EXAMPLE_MAIL.search(found[0]) is not None)


def _ibans(text: str, _: int) -> Iterator[Span]:
    for found in _IBAN.finditer(text):
        if not _alone(text, *found.span()):
            continue
        words = found[0].split(" ")
        for count in range(len(words), 0, -1):  # capitals behind an IBAN look like a part of it
            shown = " ".join(words[:count])
            compact = shown.replace(" ", "")
            if iban(compact):
                nobody = compact in (ibans().examples.get(compact[:2]), "GB82WEST12345698765432")
                yield Span(found.start(), found.start() + len(shown), "iban", nobody)
                break


def _coins(text: str, start: int) -> Iterator[Span]:
    for found in _COIN.finditer(text):
        data = base58(found[0]) if _alone(text, *found.span()) else None
        if data and len(data) == 21 and data[0] in _COIN_VERSIONS:
            yield Span(*found.span(), "crypto", found[0] in _SAMPLE_COINS or not any(data[1:13]))
    if "c1" in text or "C1" in text or "tb1" in text:
        for found in _SEGWIT.finditer(text):
            if _alone(text, *found.span()) and (values := bech32(found[0])):
                address = found[0].lower()
                nobody = address in _SAMPLE_COINS or address.startswith("tb1") or not any(values[1:20])
                yield Span(*found.span(), "crypto", nobody)
    if "0x" in text:
        for found in _ETHER.finditer(text, start):
            if _alone(text, *found.span()):
                yield Span(*found.span(), "crypto", int(found[0][:26], 16) == 0 or len(set(found[0][2:])) == 1)


def _alone(text: str, start: int, end: int) -> bool:
    """Whether no letter or digit stands at either side."""
    return not (start and text[start - 1].isalnum()) and not text[end:end + 1].isalnum()


def _cards(text: str, start: int) -> Iterator[Span]:
    for found in _CARD.finditer(text, start):
        digits = digits_of(found[0])
        if name := issuer(digits):
            yield Span(*found.span(), "card", digits in TEST_CARDS[name])


def _ssns(text: str, start: int) -> Iterator[Span]:
    for found in _SSN.finditer(text, start):
        digits = digits_of(found[0])
        if ssn(digits) and (found[1] or _said(_SSN_WORD, text, found.start())):
            yield Span(*found.span(), "ssn", digits in _SAMPLE_SSN)


def _said(word: re.Pattern[str], text: str, start: int) -> bool:
    """Whether a word that says what a number is stands shortly before it."""
    return word.search(text, max(0, start - NEAR), start) is not None


def _ips(text: str, start: int) -> Iterator[Span]:
    if text.count(".") > 2 and _DOTTED.search(text, start):
        for found in _IP4.finditer(text, start):
            before, after = text[max(0, found.start() - 1):found.start()], text[found.end():found.end() + 2]
            longer = after[:1].isalnum() or (after[:1] == "." and after[1:].isdigit())
            if longer or before.isalnum() or before in ("_", "."):
                continue
            if (span := _ip(text, found)) is not None:
                yield span
    if text.count(":") > 2 and _COLONS.search(text):
        for found in _IP6.finditer(text):
            if sum(char != ":" for char in found[0]) >= 8 and (span := _ip(text, found)) is not None:
                yield span


def _ip(text: str, found: re.Match[str]) -> Span | None:
    """A match as a span, where it is an address and no version number; what no one person has is reserved."""
    try:
        address = ipaddress.ip_address(found[0])
    except ValueError:
        return None
    if address.version == 4:
        small = max(int(part) for part in found[0].split(".")) < 20
        if _VERSION.search(text[max(0, found.start() - NEAR):found.start()]) or (
            small and not _said(_IP_WORD, text, found.start())
        ):
            return None
    return Span(*found.span(), "ip", not address.is_global or address.is_multicast or found[0] in _PUBLIC_DNS)


def _macs(text: str, _: int) -> Iterator[Span]:
    if (text.count(":") > 4 or text.count("-") > 4) and any(paired.search(text) for paired in _PAIRED):
        for found in _MAC.finditer(text):
            plain = found[0].replace("-", ":").lower()
            yield Span(*found.span(), "mac", plain.startswith("00:00:5e:00:53:") or len(set(plain)) == 2)


def _nhs_numbers(text: str, start: int) -> Iterator[Span]:
    for found in _NHS.finditer(text, start):
        digits = digits_of(found[0])
        if nhs(digits) and _said(_NHS_WORD, text, found.start()):
            yield Span(*found.span(), "nhs", digits.startswith("999") or digits in ("9434765919", "4010232137"))


def _documents(text: str, _: int) -> Iterator[Span]:
    if one_of(_PAPERS, lowered(text)):
        for found in _DOCUMENT.finditer(text):
            if len(digits := digits_of(found[1])) >= 5:
                yield Span(*found.span(1), "document", digits.startswith("000"))


def _phones(text: str, start: int, regions: Collection[str]) -> Iterator[Span]:
    """Numbers that a country's plan knows, in a form that a phone number has."""
    for run in _RUN.finditer(text, start):
        left = run.start()
        if ")" in run[0].partition("(")[0]:
            left -= text[left - 1:left] == "("
        left -= text[left - 1:left] == "+"
        before = text[left - 1:left]
        if before.isalnum() or (before and before in ".$€£#/_=–") or _DATES.fullmatch(run[0]):
            continue
        told = _PHONE_WORD.search(text, max(0, left - NEAR), run.end() + BEHIND) is not None
        if told or left < run.start() or not run[0].isdigit():
            plain = not told or _AMERICAN.match(text, left) is not None
            known = [each for each in regions if each in _PLAIN or not plain]
            tail = EXTENSION.match(text, run.end())
            end = tail.end() if tail else run.end()
            for _ in range(SIDE_BY_SIDE):
                phone = phone_in(text[left:min(end, left + LONGEST)], known)
                if phone is None:
                    break
                yield Span(phone.start + left, phone.end + left, "phone", phone.reserved)
                left += phone.end
                left += len(text[left:end]) - len(text[left:end].lstrip(" -/.\t"))


class Phone(NamedTuple):
    """A phone number in a text: where, the country's code, the number in it, and whether nobody in person has it."""

    start: int
    end: int
    country: int
    national: str
    reserved: bool


def phone_in(shown: str, regions: Collection[str]) -> Phone | None:
    """The number in a text that may be one. Nobody in person has a hotline, a free one or one of a story."""
    from phonenumbers import Leniency, PhoneNumberMatcher, PhoneNumberType, number_type

    foreign = next((prefix for prefix in ("011", "00") if shown.startswith(prefix)), "")
    asked = "+" + shown[len(foreign):].lstrip(" -.") if foreign else shown
    shift = len(shown) - len(asked)
    for region in (None,) if asked.startswith("+") else tuple(regions):
        found = next(iter(PhoneNumberMatcher(asked, region, leniency=Leniency.VALID, max_tries=4)), None)
        if found is None:
            continue
        nobody = number_type(found.number) not in (
            PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE,
            PhoneNumberType.PERSONAL_NUMBER, PhoneNumberType.VOIP, PhoneNumberType.PAGER)
        country, national = found.number.country_code or 0, str(found.number.national_number)
        return Phone(found.start + shift if found.start else 0, found.end + shift, country, national,
                     nobody or _DRAMA.fullmatch(f"{country}{national}") is not None)
    return None


_FINDERS: dict[str, tuple[str, int, _Finder]] = {
    "login": ("mail", 0, logins), "email": ("mail", 0, _emails), "iban": ("number", 2, _ibans),
    "crypto": ("number", 0, _coins), "card": ("number", 13, _cards), "ssn": ("number", 9, _ssns), "ip": ("ip", 0, _ips),
    "mac": ("colons", 0, _macs), "nhs": ("number", 10, _nhs_numbers), "document": ("number", 5, _documents),
}
"""What a text must hold before a kind is looked for, how many digits, and what looks for it from the first number on;
phones apart. In the order of KINDS."""
_DIGITS = "0123456789"
