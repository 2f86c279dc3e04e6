"""What an outcome means for its question and for the run: asked again, final, or the end of it all."""

from __future__ import annotations

from collections.abc import Collection

from pipeline.errors import ProviderError
from pipeline.hosts.failures import NO_KEY, NO_SUCH_MODEL, UNSUPPORTED, WRONG_ADDRESS
from pipeline.prices import Price
from pipeline.store.journal import now
from pipeline.types import Call, CallRequest, Failure

from .budget import cost_of
from .noticed import thinks_aloud
from .protocol import Answer

AGAIN = frozenset({"rate_limit", "timeout", "connection", "server", "parse"})
"""Classes that are tried again: in this run, and once more by the next."""
FINAL = frozenset({"refused", "content_filter", "length", "bad_request", "parse"})
"""Classes that the next run leaves alone unless it is told to retry: it would pay for the same."""
HALT = frozenset({"quota", "auth"})
"""Classes that stop the whole run: every further request would meet the same."""
NOT_THERE = frozenset({WRONG_ADDRESS, NO_SUCH_MODEL, UNSUPPORTED})
"""Codes that do as well, and are never final: the next run may have the right address, or the host the model or key."""


class Stopped(Exception):
    """The run was told to stop; nothing was sent for this question. A signal between coroutines, never shown."""


class Waiting(Exception):
    """The question is on its way in a batch, or goes with the next one. A signal between coroutines, never shown."""


def call_of(
    request: CallRequest, outcome: Answer | Failure | None, price: Price | None, attempt: int, *,
    latency_s: float = 0.0, at: str | None = None, rehearsal: bool = False,
) -> Call:
    """The call that an outcome makes.

    Args:
        request: what was asked.
        outcome: what came.
        price: dollars per million tokens; None where unknown.
        attempt: how many times it was sent.
        latency_s: seconds until it came.
        at: UTC, ISO 8601; now where it is None.
        rehearsal: whether nobody real answered.
    """
    answer = outcome if isinstance(outcome, Answer) else None
    failure = outcome if isinstance(outcome, Failure) else None
    usage = answer.usage if answer else None
    cost = cost_of(price, usage) if answer else None
    return Call(
        id=request.id, namespace=request.namespace, body=request.body, repeat=request.repeat,
        message=answer.message if answer else None, finish_reason=answer.finish_reason if answer else None,
        usage=usage, model=answer.model if answer else None, latency_s=round(latency_s, 4),
        cost_usd=0.0 if failure is not None and not failure.billed else cost, attempts=attempt, at=at or now(),
        failure=failure, rehearsal=rehearsal, apart=answer is not None and thinks_aloud(answer),
    )


def settled(call: Call, again: bool | Collection[str] = False) -> bool:
    """Whether a stored outcome stands: an answer, or a failure that would come again for the same money."""
    if call.failure is None:
        return True
    asked = again if isinstance(again, bool) else call.failure.kind in again
    return call.failure.kind in FINAL and call.failure.code not in NOT_THERE and not asked


def explain(failure: Failure) -> ProviderError:
    """The error of a failure that stops a run, with what mends it."""
    hints = {
        "quota": "add credit or raise the limit at the host, then run the same command again: only the rest is asked",
        "auth": "check the key; `synth doctor` names the variable that it is read from",
        "rate_limit": "run the same command again when the host takes requests: only the rest is asked",
        "connection": "is the server running? `synth doctor --online` asks it; --base-url names another",
        "bad_request": "every request so far was refused like this: mend the recipe's `generate`, then run again",
    }
    if (failure.code or "").startswith(NO_KEY):
        return ProviderError(failure.message, f"export {str(failure.code).removeprefix(NO_KEY)}=...")
    if failure.code == NO_SUCH_MODEL:
        return ProviderError(failure.message, "name another model: --model PROVIDER:MODEL")
    if failure.code == UNSUPPORTED:
        return ProviderError(failure.message, "then run the same command again; a refused request costs nothing")
    if failure.code == WRONG_ADDRESS:
        return ProviderError(failure.message, "give the right address: --base-url URL, or base_url in synth.toml")
    return ProviderError(failure.message, hints.get(failure.kind, ""))
