"""Batches on the loopback server: a file of requests goes in, answers come out in another order, by the clock.

A batch is validating for one `pace_s`, in progress for `paces` more, then finalizing for one. What it answers is
decided once, by `Service.decide`, so that faults by marker and by rate work as they do live, and is in the ledger as
`answered` with `batch`. What is made is `made` with what: batch.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from tests.servers._answers import Reply, error, tokens
from tests.servers._tuning import Tuning, ok, page

ROUTES = ("batches.create", "batches.list", "batches.retrieve", "batches.cancel")
EXPIRED = {"code": "batch_expired",
           "message": "This request could not be executed before the completion window expired."}
Decide = Callable[[dict[str, Any], str, bytes, int], tuple[str, Reply]]


class Plan(NamedTuple):
    """How batches behave: `batch` of the server's options.

    Attributes:
        pace_s: seconds of one state.
        paces: how many of them a batch is in progress.
        expire: share of the lines that the first batch leaves undone: it expires; later ones end.
        lines: the most that a file may have.
        queued: prompt tokens that may wait for a model; None for no limit.
        stop: hangs once, having written `stopped`: `create` before a batch is made, `created` after.
        faults: route -> statuses, each met once, in order.
        fails: every batch fails its validation.
    """

    pace_s: float = 0.05
    paces: int = 2
    expire: float = 0.0
    lines: int = 50_000
    queued: int | None = None
    stop: str | None = None
    faults: dict[str, list[int]] = {}  # noqa: RUF012 - never changed
    fails: bool = False


class Batches:
    """Batches of one server. `decide` answers one request."""

    def __init__(self, plan: dict[str, Any], files: Tuning, decide: Decide) -> None:
        self.plan = Plan(**plan)
        self.files, self.decide = files, decide
        self.stop = self.plan.stop
        self.faults = {route: list(codes) for route, codes in self.plan.faults.items()}
        self.batches: dict[str, dict[str, Any]] = {}

    def route(self, method: str, path: str) -> tuple[str, str]:
        """The name of a route and the id in its path; empty for one that is not ours."""
        match (method, *path.removeprefix("/v1/").split("/")):
            case ("POST", "batches"):
                return "batches.create", ""
            case ("GET", "batches"):
                return "batches.list", ""
            case ("GET", "batches", name):
                return "batches.retrieve", name
            case ("POST", "batches", name, "cancel"):
                return "batches.cancel", name
        return "", ""

    def answer(self, route: str, name: str, query: dict[str, str], body: bytes) -> Reply:
        """The reply to a request."""
        if self.faults.get(route):
            status = self.faults[route].pop(0)
            return error(status, "The server had an error while processing your request.", "server_error", None)
        if route == "batches.create":
            return self._create(orjson.loads(body))
        if route == "batches.list":
            return page([self.shown(batch) for batch in list(self.batches.values())[::-1]], query)
        if name not in self.batches:
            return error(404, f"No batch found with id '{name}'.", "invalid_request_error", None)
        if route == "batches.cancel":
            self.batches[name].setdefault("cancelled", time.time())
        return ok(self.shown(self.batches[name]))

    def _stopped(self, at: str) -> bool:
        if self.stop != at:
            return False
        self.stop = None
        self.files.write({"event": "stopped", "at": at})
        return True

    def _create(self, asked: dict[str, Any]) -> Reply:
        if self._stopped("create"):
            return Reply(0, b"", close="hang")
        file = self.files.files.get(asked["input_file_id"])
        if file is None or file["purpose"] != "batch" or asked["completion_window"] != "24h":
            return error(400, "Invalid input_file_id, purpose or window.", "invalid_request_error", None)
        batch_id = f"batch_{len(self.batches) + 1:04d}"
        self.batches[batch_id] = {
            "id": batch_id, "made": time.time(), "asked": asked, "errors": self._errors(asked), "output": None,
            "error": None, "first": not self.batches,
        }
        self.files.write({"event": "made", "what": "batch", "id": batch_id, "input": asked["input_file_id"]})
        return Reply(0, b"", close="hang") if self._stopped("created") else ok(self.shown(self.batches[batch_id]))

    def _lines(self, asked: dict[str, Any]) -> list[bytes]:
        return self.files.contents[asked["input_file_id"]].splitlines()

    def _errors(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """What the validation of a file finds, as the API words it."""
        if self.plan.fails:
            return [{"code": "invalid_request", "message": "The file cannot be used.", "param": None, "line": None}]
        lines = self._lines(asked)
        if len(lines) > self.plan.lines:
            return [{"code": "too_many_tasks", "message": f"The batch has over {self.plan.lines} requests.",
                     "param": None, "line": None}]
        seen, models, found = set(), set(), []
        for number, line in enumerate(lines, 1):
            request = orjson.loads(line)
            if request["custom_id"] in seen:
                found.append({"code": "duplicate_custom_id", "param": "custom_id", "line": number, "message":
                              "The custom_id for this request is a duplicate of another request."})
            seen.add(request["custom_id"])
            models.add(request["body"]["model"])
            if request["url"] != asked["endpoint"] or request["method"] != "POST":
                found.append({"code": "invalid_url", "message": "The URL is another than the batch's endpoint.",
                              "param": "url", "line": number})
        if len(models) > 1:
            found.append({"code": "mismatched_model", "message": "One model per batch.", "param": "model",
                          "line": None})
        waiting = sum(self._prompt_tokens(batch["asked"]) for batch in self.batches.values()
                      if self.state(batch) in ("validating", "in_progress"))
        if self.plan.queued is not None and waiting + self._prompt_tokens(asked) > self.plan.queued:
            found.append({"code": "token_limit_exceeded", "param": None, "line": None, "message":
                          f"Enqueued token limit reached. Limit: {self.plan.queued:,} enqueued tokens."})
        return found

    def _prompt_tokens(self, asked: dict[str, Any]) -> int:
        bodies = (orjson.loads(line)["body"] for line in self._lines(asked))
        return sum(tokens(str(message.get("content") or "")) for body in bodies for message in body["messages"])

    def state(self, batch: dict[str, Any]) -> str:
        """By the clock."""
        until = batch.get("cancelled", time.time())
        age = (until - batch["made"]) / self.plan.pace_s
        if age < 1:
            state = "validating"
        elif batch["errors"]:
            return "failed"
        elif age < 1 + self.plan.paces:
            state = "in_progress"
        elif age < 2 + self.plan.paces:
            state = "finalizing"
        else:
            return "expired" if self._left(batch) else "completed"
        return "cancelled" if "cancelled" in batch else state

    def _left(self, batch: dict[str, Any]) -> int:
        """Lines that are not done."""
        lines = len(self._lines(batch["asked"]))
        return round(lines * self.plan.expire) if batch["first"] else 0

    def shown(self, batch: dict[str, Any]) -> dict[str, Any]:
        """A batch as the API shows it now."""
        state, total = self.state(batch), len(self._lines(batch["asked"]))
        if state in ("completed", "expired") and batch["output"] is None:
            self._finish(batch)
        made = int(batch["made"])
        failed = state == "failed"
        return {
            "id": batch["id"], "object": "batch", "endpoint": batch["asked"]["endpoint"], "status": state,
            "input_file_id": batch["asked"]["input_file_id"], "completion_window": "24h", "created_at": made,
            "errors": {"object": "list", "data": batch["errors"]} if failed else None,
            "output_file_id": batch["output"], "error_file_id": batch["error"],
            "metadata": batch["asked"].get("metadata"), "expires_at": made + 86_400, "request_counts": {
                "total": 0 if failed else total, "completed": total - self._left(batch) if batch["output"] else 0,
                "failed": 0}, "x_new": {"deep": [1]},
        }

    def _finish(self, batch: dict[str, Any]) -> None:
        """Answers the lines, in another order than they came; failures and what expired go to a file of their own."""
        lines = [orjson.loads(line) for line in self._lines(batch["asked"])]
        lines.sort(key=lambda line: hashlib.sha256(line["custom_id"].encode()).digest())
        done = len(lines) - self._left(batch)
        good, bad = [], []
        for number, line in enumerate(lines):
            if number >= done:
                bad.append({"id": f"batch_req_{number}", "custom_id": line["custom_id"], "response": None,
                            "error": EXPIRED})
                continue
            raw = orjson.dumps(line["body"])
            seed = hashlib.sha256(raw).digest()
            text = "\n".join(str(message.get("content") or "") for message in line["body"]["messages"])
            kind, reply = self.decide(line["body"], text, seed, 1)
            self.files.write({"event": "answered", "batch": batch["id"], "body": seed[:10].hex(), "kind": kind,
                              "status": reply.status, "paid": reply.paid, "custom_id": line["custom_id"]})
            try:
                body = orjson.loads(reply.body)
            except orjson.JSONDecodeError:
                body = {"error": {"message": "no answer", "type": "server_error", "param": None, "code": None}}
            told = {"id": f"batch_req_{number}", "custom_id": line["custom_id"], "error": None, "response": {
                "status_code": reply.status or 500, "request_id": f"req_{number}", "body": body}}
            (good if reply.status == 200 else bad).append(told)
        for side, told in (("output", good), ("error", bad)):
            if told or side == "output":
                data = b"".join(orjson.dumps(each, option=orjson.OPT_APPEND_NEWLINE) for each in told)
                batch[side] = self.files.file(f"{batch['id']}_{side}.jsonl", data, "batch_output")["id"]
