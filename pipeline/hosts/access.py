"""The right to use a host: its address, its key and its headers, none of which any text of ours shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from pipeline.errors import RecipeError
from pipeline.settings import ProviderEntry

from . import is_loopback, needs_key, presets

if TYPE_CHECKING:
    import ssl

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
        ca: file of further certificates that count; None for the system's alone.
        api_version: of Azure's older addresses; None for all others.
    """

    name: str
    base_url: str
    local: bool
    headers: Sealed
    address: Sealed
    secrets: Secrets
    lacks: str | None
    key_env: str | None
    ca: Path | None = None
    api_version: str | None = None

    @property
    def query(self) -> dict[str, str]:
        """What every address ends in."""
        return {"api-version": self.api_version} if self.api_version else {}

    def path(self, route: str, model: str | None = None) -> str:
        """The path of a route, as `/chat/completions`, under the base URL; Azure's older ones name the deployment."""
        if self.api_version is None:
            return route
        deployment = f"/deployments/{quote(model, safe='')}" if model else ""
        return f"{deployment}{route}?{urlencode(self.query)}"

    def tls(self) -> ssl.SSLContext | bool:
        """Whose certificates count: the system's, SSL_CERT_FILE's and SSL_CERT_DIR's, and those of `ca`."""
        import httpx2

        if not self.base_url.lower().startswith("https:"):
            return True  # reading the system's takes 20 ms
        context: ssl.SSLContext = httpx2.create_ssl_context()
        if self.ca is not None:
            context.load_verify_locations(self.ca)
        return context


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
    bearer = {"api-key": key} if entry.api_version else {"authorization": f"Bearer {key}"}
    bearer = bearer if key else {}
    parts = urlsplit(base_url)
    return Access(
        name, parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(), local, Sealed(bearer | own),
        Sealed({"url": base_url}), secrets, None if keyed else lacks, None if keyed else entry.key_env,
        _readable(name, entry.ca), entry.api_version,
    )


def _readable(name: str, ca: Path | None) -> Path | None:
    """A file of certificates, once it is known to hold some."""
    if ca is None:
        return None
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(ca)
    except ssl.SSLError:
        wanted = "-----BEGIN CERTIFICATE----- ... as `openssl x509 -in FILE -outform pem` writes it"
        raise RecipeError(f"[providers.{name}] ca: {ca}: holds no certificate that can be read", wanted) from None
    except OSError as error:
        raise RecipeError(f"[providers.{name}] ca: {ca}: {error.strerror}", f"ls -l {ca}") from None
    return ca


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
