"""Finds credentials: keys of known forms, signed tokens, private keys, passwords in addresses, and random-looking
assigned values.

Placeholders (`sk-...`, `YOUR_API_KEY`, `<token>`, AWS's own AKIAIOSFODNN7EXAMPLE) are none: a value has to look drawn
at random. """

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Collection, Iterator
from math import log2
from typing import Literal, get_args

from .pii import Span, claimed, has_digit, logins
from .views import lowered, one_of, vocabulary

Kind = Literal[
    "login", "openai", "anthropic", "aws", "github", "gitlab", "slack", "google", "stripe", "huggingface", "sendgrid",
    "npm", "jwt", "private-key", "assigned",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""All kinds. Where two claim the same characters, that of the first finder (_FINDERS, _FORMS) wins."""
BITS = 3.0
"""Entropy of a key's characters, in bits each: English words have under 2.9 over 20 letters, random base62 3.9. Chosen
by us."""
ASSIGNED_LENGTH, ASSIGNED_BITS = 16, 3.3
"""A value that is merely called a key is longer and more random than a word. Chosen by us on seed-tasks and the
passages."""

_FORMS: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("anthropic", "-", ("sk-ant-",), r"sk-ant-[A-Za-z0-9]{2,8}-[A-Za-z0-9_-]{24,}"),
    ("openai", "-", ("sk-",), r"sk-(?!ant-)(?:proj-|svcacct-|admin-|None-)?[A-Za-z0-9_-]{20,}"),
    ("aws", "", ("AKIA", "ASIA"), r"(?:AKIA|ASIA)[A-Z2-7]{16}"),
    ("github", "_", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
     r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    ("gitlab", "-", ("glpat-",), r"glpat-[A-Za-z0-9_-]{20,}"),
    ("slack", "", ("xox", "hooks.slack.com"),
     r"xox[abeoprs]-(?:[A-Za-z0-9]{1,16}-){1,4}[A-Za-z0-9]{16,}"
     r"|hooks\.slack\.com/services/T\w{8,}/B\w{8,}/\w{20,}"),
    ("google", "", ("AIza",), r"AIza[A-Za-z0-9_-]{35}"),
    ("stripe", "_", ("k_live_",), r"[sr]k_live_[A-Za-z0-9]{20,}"),
    ("huggingface", "_", ("hf_",), r"hf_[A-Za-z0-9]{30,}"),
    ("sendgrid", "", ("SG.",), r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    ("npm", "_", ("npm_",), r"npm_[A-Za-z0-9]{36}"),
)
"""Kind; a character, then words of which one must be there before it is looked for; the form; from the hosts' own pages
and their secret scanners."""
_COMPILED = {kind: re.compile(rf"(?<![A-Za-z0-9_])(?:{form})(?![A-Za-z0-9])") for kind, _, _, form in _FORMS}
_JWT = re.compile(r"(?<![A-Za-z0-9_-])(eyJ[A-Za-z0-9_-]{8,})\.(eyJ[A-Za-z0-9_-]{4,})\.[A-Za-z0-9_-]{16,}")
_PEM = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:[^-]{0,400}?)(?:[A-Za-z0-9+/=]{40,}\s*)+"
    r"(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----)?")
_NAMES = ("key", "secret", "token", "passw", "pwd")
_ASSIGNED = re.compile(
    r"(?:(?<=api)key|(?<=[_ -])key|(?<=access)key|secret|token|passw(?:or)?d|pwd)[\w-]{0,24}[\"'`]?"
    r"\s{0,3}(?::=|=>|[:=])\s{0,3}(?:[bru]?[\"'`])?([A-Za-z0-9+/_=.!@#$%^&*~-]{16,200})", re.IGNORECASE)
_VALUE = re.compile(r"[:=]>?\s{0,3}(?:[bru]?[\"'`])?[A-Za-z0-9+/_=.!@#$%^&*~-]{16}", re.IGNORECASE)
"""The end of that, which few texts hold."""
_FAKE = re.compile(
    r"example|your|xxxx|\.\.\.|\*\*\*|changeme|placeholder|dummy|sample|insert|replace|redacted|<|\{", re.IGNORECASE)
_CODE = re.compile(
    r"1234567|abcdefg|my[-_]|environ|getenv|process\.|config\.|settings\.|secrets?\.|[a-z]\.[a-z]", re.IGNORECASE)
"""What a value is that is looked up or made up, where nothing but its name says that it is a key."""
UNBROKEN = 16
_UNBROKEN = re.compile(f"[A-Za-z0-9]{{{UNBROKEN}}}")
"""Keys that may hold dashes hold so many characters without one; `sk-learn-and-others` does not. Chosen by us."""
SAMPLE_SUBJECT = "1234567890"
"""The subject of the token that jwt.io shows everybody."""


def find(text: str, kinds: Collection[str] = KINDS) -> list[Span]:
    """The credentials in a text, from left to right; no two overlap."""
    if not has_digit(text):  # what is drawn at random holds one
        return []
    found: list[Span] = []
    for told, finder in _FINDERS:
        if not told.isdisjoint(kinds):
            for span in finder(text):
                if span.kind in kinds and not claimed(span, found):
                    found.append(span)
    return sorted(found)


def excerpt(text: str, span: Span) -> str:
    """What may be shown of it: how it begins, never more than its form says anyway."""
    return text[span.start:span.start + 4] + "…" if span.kind not in ("assigned", "login") else "…"


def entropy(text: str) -> float:
    """Bits a character, by how often each stands in the text (Shannon)."""
    counts = (text.count(char) / len(text) for char in set(text))
    return -sum(share * log2(share) for share in counts) if text else 0.0


def _random(value: str) -> bool:
    """Whether a value looks drawn: a digit and a letter at least, no word of a placeholder, enough entropy."""
    mixed = any(char.isalpha() for char in value) and any(char.isdigit() for char in value)
    return mixed and not _FAKE.search(value) and not _CODE.search(value) and entropy(value) >= ASSIGNED_BITS


def _forms(text: str) -> Iterator[Span]:
    if max(map(len, vocabulary(text)), default=0) < UNBROKEN:
        return
    has = {"_": "_" in text, "-": "-" in text, "": True}
    for kind, mark, needles, _ in _FORMS:
        if has[mark] and one_of(needles, text):
            for found in _COMPILED[kind].finditer(text):
                value = found[0]
                drawn = entropy(value) >= BITS and _UNBROKEN.search(value) and not _FAKE.search(value[4:])
                if drawn and (kind == "aws" or any(char.isdigit() for char in value[8:])):
                    yield Span(*found.span(), kind)


def _logins(text: str) -> Iterator[Span]:
    if "@" in text:
        yield from (span for span in logins(text) if not span.reserved)


def _jwts(text: str) -> Iterator[Span]:
    if "eyJ" in text:
        for found in _JWT.finditer(text):
            header, payload = _decoded(found[1]), _decoded(found[2])
            if isinstance(header, dict) and "alg" in header:
                subject = payload.get("sub") if isinstance(payload, dict) else None
                if subject != SAMPLE_SUBJECT:
                    yield Span(*found.span(), "jwt")


def _decoded(part: str) -> object:
    """What a part of a token holds; None where it cannot be read."""
    try:
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None


def _pems(text: str) -> Iterator[Span]:
    if "-" in text and "PRIVATE KEY" in text:
        for found in _PEM.finditer(text):
            yield Span(*found.span(), "private-key")


def _has_value(text: str) -> bool:
    """Whether `_VALUE` is found: at a character that `find` finds many times as fast as a pattern."""
    for mark in ":=":
        at = text.find(mark)
        while at >= 0:
            if _VALUE.match(text, at):
                return True
            at = text.find(mark, at + 1)
    return False


def _assigned(text: str) -> Iterator[Span]:
    if not _has_value(text):
        return
    lower = lowered(text)
    for name in _NAMES:
        at = lower.find(name)
        while at >= 0:
            # letters such as the Turkish İ are longer in lower case: then it is looked for around the place
            exact = len(lower) == len(text)
            found = _ASSIGNED.match(text, at) if exact else _ASSIGNED.search(text, max(0, at - 40), at + 240)
            value = found[1].rstrip(".,;:!") if found else ""
            if found and len(value) >= ASSIGNED_LENGTH and _random(value):
                yield Span(found.start(1), found.start(1) + len(value), "assigned")
            at = lower.find(name, at + 1)


_FINDERS: tuple[tuple[frozenset[str], Callable[[str], Iterator[Span]]], ...] = (
    (frozenset({"login"}), _logins), (frozenset(_COMPILED), _forms), (frozenset({"jwt"}), _jwts),
    (frozenset({"private-key"}), _pems), (frozenset({"assigned"}), _assigned),
)
"""The kinds that each finds, and what finds them."""
