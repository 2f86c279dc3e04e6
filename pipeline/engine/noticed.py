"""What an answer shows of a host that took a request without an error and heeded only part of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from pipeline.types import THINKS, THOUGHT, text_of, thoughts_apart

from .protocol import Answer

_WORD = re.compile(r"[a-z0-9]+")
_NAME = 80
"""Characters of a model's name in a note."""


def noticed(body: Mapping[str, Any], answer: Answer) -> Iterator[str]:
    """One sentence for each thing that the request asked and the answer does not keep; mostly none.

    Equal things give equal sentences, so that a run can count them and say each once.

    Args:
        body: as it was sent.
        answer: as it came.
    """
    content = text_of(answer.message.get("content"))
    text = thoughts_apart(content)[1]
    limit = next((key for key in ("max_completion_tokens", "max_tokens") if isinstance(body.get(key), int)), None)
    if limit and answer.usage and answer.usage.output_tokens > body[limit]:
        other = "; llama_cpp.server knows only max_tokens" if limit == "max_completion_tokens" else ""
        yield f"the host ignored {limit}: answers are longer{other}"
    if answer.choices > (body.get("n") or 1):
        yield "several choices came where one was asked for: the first is used"
    if _wants_json(body) and text and answer.finish_reason != "length" and not _is_json(text):
        yield "the host ignored response_format: what came is no JSON"
    stops = body.get("stop") or ()
    if any(stop in text for stop in ([stops] if isinstance(stops, str) else stops)):
        yield "the host ignored stop: answers go on after it"
    if answer.finish_reason is None:
        yield "the host gives no finish_reason: whether an answer was cut is not known"
    if answer.usage is None:
        yield "the host gives no usage: tokens and cost are not known"
    if answer.model and _another(str(body.get("model", "")), answer.model):
        yield f"asked for {str(body.get('model'))[:_NAME]}, answered by {answer.model[:_NAME]}"
    if THOUGHT in text and THINKS not in content:
        yield f"an answer holds {THOUGHT} and no {THINKS}: its thoughts are in the row, as the host sent them"


def thinks_aloud(answer: Answer) -> bool:
    """Whether the content itself begins with the model's thoughts."""
    return thoughts_apart(text_of(answer.message.get("content")))[0] is not None


def _wants_json(body: Mapping[str, Any]) -> bool:
    wanted = body.get("response_format")
    return isinstance(wanted, dict) and wanted.get("type") in ("json_schema", "json_object")


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _another(asked: str, answered: str) -> bool:
    """Whether two names of models share no word, as a host has them that answers with whatever is loaded."""
    return not set(_WORD.findall(asked.lower())) & set(_WORD.findall(answered.lower()))
