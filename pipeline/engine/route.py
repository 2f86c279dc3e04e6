"""Several providers behind one seam: each question goes to the one whose namespace it carries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.types import CallRequest, Message

from .protocol import Answer, Provider


class Routed:
    """The first provider, and beside it those that a step, a second answer or a judge names. All are real, or none is.

    A run is paced as the first one is; the others get what its pace lets through.
    """

    def __init__(self, providers: Mapping[str, Provider]) -> None:
        self._all = dict(providers)
        self._first = next(iter(self._all.values()))
        self.namespace, self.rehearsal = self._first.namespace, self._first.rehearsal

    def body(self, model: str, messages: list[Message], parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The first one's; see `Provider.body`."""
        return self._first.body(model, messages, parameters)

    async def ask(self, request: CallRequest) -> Answer:
        """Asks the one that the question is for; see `Provider.ask`."""
        return await self._all[request.namespace].ask(request)

    async def models(self) -> list[str]:
        """The first one's."""
        return await self._first.models()

    async def close(self) -> None:
        """Closes all of them."""
        for provider in self._all.values():
            await provider.close()


def routed(providers: Iterable[Provider]) -> Provider:
    """One provider that asks each of them what is theirs: itself, where there is one."""
    found = {provider.namespace: provider for provider in providers}
    return next(iter(found.values())) if len(found) == 1 else Routed(found)
