"""The right to use a host: its address, its key and its headers, none of which any text of ours shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.errors import RecipeError
from pipeline.settings import ProviderEntry

from . import is_loopback, needs_key, presets

HIDDEN = "[key]"
SECRET_NAME = re.compile(r"auth|key|token|secret|cookie", re.I)
SECRET_LENGTH = 8
"""Characters; what is shorter, as `EMPTY` or `ollama`, stands in for a key where none is needed."""


class Secrets:
    """Texts that must never be shown. Has no readable form of its own."""

    __slots__ = ("_texts",)

    def __init__(self, texts: list[str]) -> None:
        self._texts = sorted({text for text in texts if len(text) >= SECRET_LENGTH}, key=len, reverse=True)

    def hide(self, text: str) -> str:
        """The text without the secrets."""
        for secret in self._texts:
            if secret in text:
                text = text.replace(secret, HIDDEN)
        return text

    def hide_bytes(self, data: bytes) -> bytes:
        """The same for an answer. Short ones are words that a story may hold, and are left."""
        for secret in self._texts:
            if len(secret) >= 16 and secret.encode() in data:
                data = data.replace(secret.encode(), HIDDEN.encode())
        return data

    def __repr__(self) -> str:
        return f"Secrets({len(self._texts)})"


class Sealed:
    """Headers that no repr, no traceback with locals and no dump of attributes shows."""

    __slots__ = ("open",)

    def __init__(self, headers: Mapping[str, str]) -> None:
        kept = dict(headers)
        self.open: Callable[[], dict[str, str]] = lambda: kept

    def __repr__(self) -> str:
        return "Sealed()"


@dataclass(frozen=True, slots=True)
class Access:
    """A host, and what its requests carry.

    Attributes:
        name: the entry's.
        base_url: where it is, without a password.
        local: whether that is this machine; then no proxy is used.
        headers: `authorization` and the entry's own, by lower-case name, sealed.
        address: `url`, the base URL with its password if it has one, sealed.
        secrets: what must not be shown of it.
        lacks: what is missing before anything can be asked, as `OPENAI_API_KEY is not set`; None where nothing is.
        key_env: the variable that the key was read from, to be named where the host refuses it.
    """

    name: str
    base_url: str
    local: bool
    headers: Sealed
    address: Sealed
    secrets: Secrets
    lacks: str | None
    key_env: str | None


def access(name: str, entry: ProviderEntry, env: Mapping[str, str]) -> Access:
    """What an entry gives a right to. Opens nothing.

    The key is read from the variable that the entry names; for whether it is needed see `needs_key`. `${NAME}` in a
    header's value stands for a variable.

    Raises:
        RecipeError: the entry has no usable address, or a header names a variable that is not set.
    """
    if not entry.base_url:
        note = presets().get(name, {}).get("note", "http://localhost:8000/v1")
        raise RecipeError(f"provider '{name}' has no base_url", f'[providers.{name}] base_url = "{note}"')
    base_url = entry.base_url.strip().rstrip("/")
    if not base_url.lower().startswith(("http://", "https://")):
        raise RecipeError(f"provider '{name}': base_url '{base_url}' does not start with http:// or https://",
                          f"--base-url http://{base_url}")
    local = is_loopback(base_url)
    key, lacks = _key(name, entry.key_env, env, needed=needs_key(name, entry))
    own = {field.lower(): _filled(name, field, value, env) for field, value in entry.headers.items()}
    for field, value in own.items():
        if not (value.isascii() and value.isprintable()):  # the HTTP library would show it in its complaint
            raise RecipeError(f"[providers.{name}] headers.{field}: holds a character that no header may have")
    hidden = [value for field, value in own.items()
              if SECRET_NAME.search(field) or value not in entry.headers.values()]
    # A host may echo a header without its scheme, as the key of `Bearer KEY`.
    secrets = Secrets([key, *hidden, *(word for value in hidden for word in value.split())])
    keyed = "authorization" in own or "api-key" in own
    bearer = {"authorization": f"Bearer {key}"} if key else {}
    parts = urlsplit(base_url)
    return Access(
        name, parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(), local, Sealed(bearer | own),
        Sealed({"url": base_url}), secrets, None if keyed else lacks, None if keyed else entry.key_env,
    )


def _key(name: str, key_env: str | None, env: Mapping[str, str], *, needed: bool) -> tuple[str, str | None]:
    """The key, and what is wrong with it."""
    key = env.get(key_env, "").strip() if key_env else ""
    if not key:
        missing = f"{name}: no key: the environment variable {key_env} is not set"
        return "", missing if needed and key_env else None
    if not (key.isascii() and key.isprintable()) or " " in key:
        wrong = f"{name}: {key_env} holds a character that no key has; copy the key again, without quotes or spaces"
        return "", wrong if needed else None
    return key, None


def _filled(name: str, field: str, value: str, env: Mapping[str, str]) -> str:
    """A header's value with `${NAME}` replaced."""
    head, mark, rest = value.partition("${")
    if not mark:
        return value
    variable, _, tail = rest.partition("}")
    if not env.get(variable):
        raise RecipeError(f"[providers.{name}] headers.{field}: {variable} is not set", f"export {variable}=...")
    return head + env[variable].strip() + _filled(name, field, tail, env)
