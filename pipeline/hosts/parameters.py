"""Keys of a request that a model refuses: renamed or left out before the body has its id, said, and never guessed.

parameters.json says which models are known to refuse which keys, at which addresses; synth.toml overrides it. All that
it does not name is sent as it is written, and a host's refusal then says what to write.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson

_DATE = re.compile(r"-\d{4}-\d\d-\d\d$")
_REFUSED = re.compile(r"unsupported (?:parameter|value): ['\"`]([\w.]+)['\"`]", re.I)
_INSTEAD = re.compile(r"use ['\"`](\w+)['\"`] instead", re.I)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
"""What TOML takes as a key without quotes."""


class Rules(NamedTuple):
    """What becomes of the keys of a request.

    Attributes:
        rename: key -> the name that it is sent by.
        leave_out: keys that are not sent.
        takes_only: key -> the one value that it is sent with.
    """

    rename: dict[str, str]
    leave_out: frozenset[str]
    takes_only: dict[str, Any]


@cache
def table() -> dict[str, Any]:
    """parameters.json."""
    found: dict[str, Any] = orjson.loads(Path(__file__).with_name("parameters.json").read_bytes())
    return found


def rules_of(base_url: str, model: str, own: Mapping[str, str | bool]) -> Rules:
    """The rules of one model at one host.

    Args:
        base_url: the table holds for the addresses that it names and no other: what stands behind a gateway's is not
            known, and what works there today must go on as it is.
        model: the host's name of it; a tuned model is as its base, a dated one as its family.
        own: what synth.toml says of the entry's parameters; it wins.
    """
    rename: dict[str, str] = {}
    leave_out: set[str] = set()
    takes_only: dict[str, Any] = {}
    host = f".{urlsplit(base_url).hostname or ''}"
    if any(host.endswith(f".{address}") for address in table()["addresses"]):
        base = _DATE.sub("", model.removeprefix("ft:").partition(":")[0])
        for family in table()["families"]:
            if re.fullmatch(family["models"], base):
                rename |= family.get("rename", {})
                leave_out |= set(family.get("leave_out", ()))
                takes_only |= family.get("takes_only", {})
    rename = {key: name for key, name in rename.items() if key not in own}
    leave_out -= own.keys()
    takes_only = {key: value for key, value in takes_only.items() if key not in own}
    rename |= {key: name for key, name in own.items() if isinstance(name, str)}
    leave_out |= {key for key, wish in own.items() if wish is False}
    return Rules(rename, frozenset(leave_out), takes_only)


def adapted(parameters: Mapping[str, Any], rules: Rules) -> dict[str, Any]:
    """The parameters as they are sent. One that is there by its new name already keeps that value."""
    if not any(rules):
        return dict(parameters)
    sent: dict[str, Any] = {}
    for key, value in parameters.items():
        name = rules.rename.get(key, key)
        refused = key in rules.leave_out or (key in rules.takes_only and rules.takes_only[key] != value)
        if not refused and (name == key or name not in parameters):
            sent[name] = value
    return sent


def told(namespace: str, parameters: Mapping[str, Any], body: Mapping[str, Any]) -> list[str]:
    """What a person should know of the way from a recipe's parameters to the body: one sentence, or none.

    Args:
        namespace: the entry's name.
        parameters: as the recipe has them.
        body: as it is sent, for one model.
    """
    gone = [key for key in parameters if key not in body]
    if not gone:
        return []
    new = {key: value for key, value in body.items() if key not in parameters and key not in ("model", "messages")}
    parts = []
    for key in gone:
        name = next((name for name, value in new.items() if value == parameters[key]), None)
        new.pop(name or "", None)
        parts.append(f"{key} is sent as {name}" if name else f"{key} is left out")
    why = f"as the model demands (documentation, {table()['checked']}) or synth.toml says"
    line = _line(namespace, gone[0], "true")
    return [f"{namespace}:{body.get('model')}: {', '.join(parts)}, {why}\n{line} sends it as it is written"]


def cure(message: str, namespace: str) -> str | None:
    """The line of synth.toml that mends a refusal of a key; None where the message speaks of none."""
    refused = _REFUSED.search(message)
    if refused is None or refused[1] in ("model", "messages") or "." in refused[1]:
        return None
    instead = _INSTEAD.search(message)
    return _line(namespace, refused[1], f'"{instead[1]}"' if instead else "false")


def _line(namespace: str, key: str, value: str) -> str:
    name = namespace if _BARE.fullmatch(namespace) else f'"{namespace}"'
    return f"[providers.{name}.parameters] {key} = {value}"
