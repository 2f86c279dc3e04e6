"""Batches at a host that speaks OpenAI's API: half the price, another queue, answers within a day.

The bodies are those of live requests, so their ids are, too. Files and jobs go through the `openai` package; what comes
back is read as a live answer is.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from pipeline.engine.protocol import Answer, CallFailed, Look
from pipeline.hosts.client import Host
from pipeline.hosts.requests import URL, request_head
from pipeline.store.batches import Batch
from pipeline.types import CallRequest, Failure

from ._http import Reply
from .openai import OpenAI, encode

WINDOW = "24h"
OURS = "synth_batch"
"""Metadata of a batch of ours: its name, by which it is found again."""
MOMENTS = ("completed_at", "expired_at", "cancelled_at", "failed_at", "created_at")


class OpenAIBatch:
    """One provider entry, open for batches. See `engine.BatchHost`.

    Args:
        live: reads answers.
        host: files and jobs.
    """

    def __init__(self, live: OpenAI, host: Host) -> None:
        self.namespace, self.base_url = live.namespace, live.base_url
        self._live, self._host = live, host

    def line(self, request: CallRequest, name: str) -> bytes:
        """See BatchHost."""
        head = orjson.dumps(request_head(name))[:-1]
        return head + b',"body":' + encode(request.body) + b"}\n"

    def submit(self, batch: Batch, path: Path) -> dict[str, Any]:
        """See BatchHost."""
        host, name = self._host, f"synth-{batch.name}.jsonl"
        made = self._find(batch)
        if made is None:
            file = host.found_or_made(lambda: host.find_file(name, batch.bytes, "batch"),
                                      lambda: host.upload(path, name, "batch"))
            body: dict[str, Any] = {"input_file_id": file, "endpoint": URL, "completion_window": WINDOW,
                                    "metadata": {OURS: batch.name}}
            made = host.found_or_made(lambda: self._find(batch),
                                      lambda: host.get("batches.create", again=False, **body))
        return {"status": str(made.get("status")), "id": host.id_of(made), "base_url": self.base_url}

    def look(self, batch: Batch) -> Look:
        """See BatchHost."""
        told = self._host.get("batches.retrieve", str(batch.remote["id"]))
        counts, errors = told.get("request_counts") or {}, (told.get("errors") or {}).get("data") or []
        files = {side: told[f"{side}_file_id"] for side in ("output", "error") if told.get(f"{side}_file_id")}
        ended = next((told[key] for key in MOMENTS if told.get(key)), 0)
        at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(ended))
        return Look(str(told.get("status")), int(counts.get("completed") or 0) + int(counts.get("failed") or 0),
                    int(counts.get("total") or 0), errors, files, at)

    def fetch(self, file: str, path: Path) -> None:
        """See BatchHost."""
        self._host.fetch(file, path)

    def outcome(self, value: Mapping[str, Any]) -> Answer | Failure:
        """See BatchHost."""
        response, error = value.get("response"), value.get("error")
        if not isinstance(response, dict):
            said = error if isinstance(error, dict) else {}
            return Failure("server", str(said.get("message") or "no answer"), code=said.get("code"))
        reply = Reply(int(response.get("status_code") or 0), {}, orjson.dumps(response.get("body")))
        try:
            return self._live.read(reply)
        except CallFailed as failed:
            return failed.failure

    def close(self) -> None:
        """See BatchHost."""
        self._host.__exit__()

    def _find(self, batch: Batch) -> dict[str, Any] | None:
        return next((each for each in self._host.pages("batches.list")
                     if (each.get("metadata") or {}).get(OURS) == batch.name), None)
