"""The other half of the loopback server: files, uploads, fine-tuning jobs, events, checkpoints, models, and faults.

A job lives by the clock: validating for one `pace_s`, queued for one, maybe paused for one, then ten steps in each.
What is made is in the ledger as `made` (what: file, upload or job), so that a test can count what was made twice.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote

import orjson

from tests.servers._answers import ERRORS, Reply, error

ROUTES = ("files.create", "files.list", "files.content", "files.retrieve", "uploads.create", "uploads.part",
          "uploads.complete", "jobs.create", "jobs.list", "jobs.retrieve", "jobs.cancel", "jobs.events",
          "jobs.checkpoints", "models.retrieve")
STOPS = ("half_upload", "uploaded", "create", "created")
STEPS_A_PACE = 10
BARRED = error(403, "OpenAI is winding down the fine-tuning platform and your organization is no longer able to create "
               "new fine-tuning training jobs.", "invalid_request_error", "training_not_available")
TOKEN = re.compile(r"<\|[a-z_]+\|>")


class Plan(NamedTuple):
    """How tuning behaves: `tune` of the server's options.

    Attributes:
        pace_s: seconds of one state.
        steps: of every job; three epochs.
        barred: jobs are refused as an organisation that may tune no more is.
        stop: hangs once at one of STOPS, having written `stopped` into the ledger: while a file is on its way, after a
            file or a job was made, or when the request for a job is in.
        faults: route -> names of ERRORS, or `lost` (does it, and the answer never arrives), each met once, in order.
        fail: error of every job: code, message, param.
        paused: jobs are paused for a while, with few keys.
        extra: unknown keys and event types in everything.
        messages: metrics stand in the messages of events and nowhere else, as with older jobs.
        result: csv, base64 or none.
        shutdown: model -> its shutdown_date.
        unknown: models that do not exist.
        metadata: whether jobs keep theirs.
    """

    pace_s: float = 0.05
    steps: int = 30
    barred: bool = False
    stop: str | None = None
    faults: dict[str, list[str]] = {}  # noqa: RUF012 - never changed
    fail: dict[str, Any] | None = None
    paused: bool = False
    extra: bool = False
    messages: bool = False
    result: str = "csv"
    shutdown: dict[str, str] = {}  # noqa: RUF012
    unknown: tuple[str, ...] = ()
    metadata: bool = True


class Tuning:
    """Files and jobs of one server."""

    def __init__(self, plan: dict[str, Any], write: Any, key: str | None) -> None:
        self.plan = Plan(**plan)
        unknown = set(self.plan.faults) - set(ROUTES) or {self.plan.stop} - {None, *STOPS}
        if unknown:
            raise ValueError(f"no such route or stop: {unknown}")
        self.write, self.key = write, key
        self.faults = {route: list(names) for route, names in self.plan.faults.items()}
        self.stop = self.plan.stop
        self.files: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.uploads: dict[str, dict[str, Any]] = {}
        self.parts: dict[str, bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.number = 0
        self.batches: Any = None  # set by the server: they use the same files

    def route(self, method: str, path: str) -> tuple[str, str]:
        """The name of a route and the id in its path; empty for one that is not ours."""
        words = path.removeprefix("/v1/").split("/")
        match (method, *words):
            case ("POST", "files" | "uploads" as what):
                return f"{what}.create", ""
            case ("GET", "files"):
                return "files.list", ""
            case ("GET", "files", name):
                return "files.retrieve", name
            case ("GET", "files", name, "content"):
                return "files.content", name
            case ("POST", "uploads", name, "parts" | "complete" as what):
                return f"uploads.{what.removesuffix('s')}", name
            case ("POST", "fine_tuning", "jobs"):
                return "jobs.create", ""
            case ("GET", "fine_tuning", "jobs"):
                return "jobs.list", ""
            case ("GET", "fine_tuning", "jobs", name):
                return "jobs.retrieve", name
            case ("POST", "fine_tuning", "jobs", name, "cancel"):
                return "jobs.cancel", name
            case ("GET", "fine_tuning", "jobs", name, "events" | "checkpoints" as what):
                return f"jobs.{what}", name
            case ("GET", "models", name):
                return "models.retrieve", unquote(name)
        return self.batches.route(method, path) if self.batches else ("", "")

    def half_read(self, method: str, path: str) -> bool:
        """Whether an upload hangs before it is read to its end, once."""
        return self.route(method, path)[0] == "files.create" and self._stopped("half_upload")

    def serve(
        self, method: str, target: str, kind: str, body: bytes, token: str | None
    ) -> tuple[Reply, dict[str, Any]]:
        """The reply to a request, and what the ledger says of it."""
        path, _, query = target.partition("?")
        route, name = self.route(method, path)
        self.number += 1
        event = {"n": f"t{self.number}", "route": route, "id": name, "body": hashlib.sha256(body).hexdigest()[:20]}
        self.write({"event": "received", **event})
        fault = self.faults.get(route) and self.faults[route].pop(0)
        if self.key is not None and token != f"Bearer {self.key}":
            shown = (token or "").removeprefix("Bearer ")
            reply = error(401, f"Incorrect API key provided: {shown}.", "invalid_request_error", "invalid_api_key")
        elif fault and fault != "lost":
            reply = ERRORS[fault]
        else:
            reply = self._answer(route, name, {k: v[-1] for k, v in parse_qs(query).items()}, kind, body)
            if fault == "lost":
                reply = ERRORS["reset"]
        return reply, {**event, "kind": fault or ("ok" if reply.status == 200 else "refused"), "paid": False}

    def _stopped(self, at: str) -> bool:
        if self.stop != at:
            return False
        self.stop = None
        self.write({"event": "stopped", "at": at})
        return True

    def _answer(self, route: str, name: str, query: dict[str, str], kind: str, body: bytes) -> Reply:
        if route == "files.create":
            return self._upload(kind, body)
        if route.startswith("uploads."):
            return self._part(route, name, kind, body)
        if route.startswith("batches."):
            return self.batches.answer(route, name, query, body)
        if route == "files.list":
            found = [file for file in self.files.values() if query.get("purpose") in (None, file["purpose"])]
            return page(found[::-1], query)
        if route in ("files.retrieve", "files.content"):
            if name not in self.files:
                return error(404, f"No such File object: {name}", "invalid_request_error", None)
            return ok(self.files[name]) if route == "files.retrieve" else Reply(200, self.contents[name])
        if route == "models.retrieve":
            return self._model(name)
        if route == "jobs.create":
            return self._create(orjson.loads(body))
        if route == "jobs.list":
            wanted = {key[9:-1]: value for key, value in query.items() if key.startswith("metadata[")}
            found = [self.shown(job) for job in self.jobs.values()
                     if not self.plan.metadata or wanted.items() <= (job["metadata"] or {}).items()]
            return page(found[::-1], query)
        if name not in self.jobs:
            return error(404, f"Could not find fine tune: {name}", "invalid_request_error", "fine_tune_not_found")
        job = self.jobs[name]
        if route == "jobs.cancel":
            job.setdefault("cancelled", time.time())
        if route == "jobs.events":
            return page(self.events(job)[::-1], query)
        return page(self.checkpoints(job), query) if route == "jobs.checkpoints" else ok(self.shown(job))

    # -- files -----------------------------------------------------------------------------------

    def _upload(self, kind: str, body: bytes) -> Reply:
        fields = multipart(kind, body)
        name, data = fields["file"]
        purpose = fields["purpose"][1].decode()
        if purpose == "fine-tune":
            for number, line in enumerate(data.splitlines(), 1):
                try:
                    sound = isinstance(orjson.loads(line), dict)
                except orjson.JSONDecodeError:
                    sound = False
                if not sound:
                    start = line[:16].decode("utf-8", "replace")
                    return error(400, "Expected file to have JSONL format, where every line is a JSON dictionary. Line "
                                 f'{number} is not a dictionary (HINT: line starts with: "{start}...").',
                                 "invalid_request_error", None)
        file = self.file(name, data, purpose)
        return Reply(0, b"", close="hang") if self._stopped("uploaded") else ok(file)

    def file(self, name: str, data: bytes, purpose: str) -> dict[str, Any]:
        """A new file."""
        file_id = f"file-{len(self.files) + 1:04d}"
        self.contents[file_id] = data
        self.files[file_id] = {
            "id": file_id, "object": "file", "bytes": len(data), "created_at": int(time.time()), "filename": name,
            "purpose": purpose, "status": "processed", "status_details": None, "expires_at": None,
        } | ({"x_region": "loopback"} if self.plan.extra else {})
        self.write({"event": "made", "what": "file", "id": file_id, "filename": name, "bytes": len(data),
                    "purpose": purpose, "sha256": hashlib.sha256(data).hexdigest()})
        return self.files[file_id]

    def _part(self, route: str, name: str, kind: str, body: bytes) -> Reply:
        if route == "uploads.create":
            upload = {"id": f"upload_{len(self.uploads) + 1:04d}", "object": "upload", "status": "pending",
                      "created_at": int(time.time()), "expires_at": int(time.time()) + 3600, **orjson.loads(body)}
            self.uploads[upload["id"]] = upload
            self.write({"event": "made", "what": "upload", "id": upload["id"]})
            return ok(upload)
        upload = self.uploads[name]
        if route == "uploads.part":
            part_id = f"part_{len(self.parts) + 1:04d}"
            self.parts[part_id] = multipart(kind, body)["data"][1]
            return ok({"id": part_id, "object": "upload.part", "created_at": int(time.time()), "upload_id": name})
        data = b"".join(self.parts[part] for part in orjson.loads(body)["part_ids"])
        if len(data) != upload["bytes"]:
            return error(400, "The bytes of the parts are not those of the upload.", "invalid_request_error", None)
        return ok({**upload, "status": "completed", "file": self.file(upload["filename"], data, upload["purpose"])})

    def _model(self, name: str) -> Reply:
        if name in self.plan.unknown:
            return error(404, f"The model '{name}' does not exist", "invalid_request_error", "model_not_found")
        return ok({"id": name, "object": "model", "created": 1764000000, "owned_by": "loopback",
                   "shutdown_date": self.plan.shutdown.get(name)})

    # -- jobs ------------------------------------------------------------------------------------

    def _create(self, body: dict[str, Any]) -> Reply:
        if self._stopped("create"):
            return Reply(0, b"", close="hang")
        if self.plan.barred:
            return BARRED
        for key in ("training_file", "validation_file"):
            if body.get(key) is not None and body[key] not in self.files:
                return error(400, f"File '{body[key]}' does not exist", "invalid_request_error", "invalid_file")
        job_id = f"ftjob-{len(self.jobs) + 1:04d}"
        self.jobs[job_id] = {
            "id": job_id, "object": "fine_tuning.job", "model": body["model"], "created": time.time(), "body": body,
            "metadata": body.get("metadata") if self.plan.metadata else None, "result": None,
        }
        self.write({"event": "made", "what": "job", "id": job_id, "request": body})
        return Reply(0, b"", close="hang") if self._stopped("created") else ok(self.shown(self.jobs[job_id]))

    def fault_of(self, job: dict[str, Any]) -> dict[str, Any] | None:
        """What the validation of a job's files finds."""
        if self.plan.fail:
            return self.plan.fail
        lines = self.contents[job["body"]["training_file"]].splitlines()
        if len(lines) < 10:
            return {"code": "invalid_n_examples", "param": "training_file", "message":
                    f"Training file has {len(lines)} example(s), but must have at least 10 examples"}
        for number, line in enumerate(lines, 1):
            found = TOKEN.search(line.decode())
            if found:
                return {"code": "invalid_training_file", "param": "training_file", "message":
                        f"invalid file format. Example {number} message contains an invalid token: {found[0]}"}
        return None

    def status(self, job: dict[str, Any]) -> tuple[str, int]:
        """State and steps done, by the clock."""
        age = (time.time() - job["created"]) / self.plan.pace_s
        begins = 2 + self.plan.paused
        if "cancelled" in job:
            cut = (job["cancelled"] - job["created"]) / self.plan.pace_s
            return "cancelled", max(0, min(self.plan.steps, int((cut - begins) * STEPS_A_PACE)))
        if age < 1:
            return "validating_files", 0
        if self.fault_of(job):
            return "failed", 0
        if age < 2:
            return "queued", 0
        if age < begins:
            return "paused", 0
        steps = int((age - begins) * STEPS_A_PACE)
        return ("running", steps) if steps < self.plan.steps else ("succeeded", self.plan.steps)

    def shown(self, job: dict[str, Any]) -> dict[str, Any]:
        """A job as the API shows it now."""
        state, _ = self.status(job)
        body, done = job["body"], state in ("succeeded", "failed", "cancelled")
        if state == "paused":  # the published example has these keys and no more
            return {key: job[key] for key in ("id", "object", "model", "metadata")} | {
                "status": state, "created_at": int(job["created"]), "training_file": body["training_file"]}
        fault = self.fault_of(job) if state == "failed" else None
        if state == "succeeded" and job["result"] is None and self.plan.result != "none":
            job["result"] = self.file("step_metrics.csv", self._csv(), "fine-tune-results")["id"]
        asked = (body.get("method") or {}).get("supervised", {}).get("hyperparameters") or {}
        known = {"n_epochs": 3, "batch_size": 1, "learning_rate_multiplier": 1.8}
        resolved = {key: asked[key] if asked.get(key, "auto") != "auto" else value if state not in (
            "validating_files", "queued") else "auto" for key, value in known.items()}
        model = f"ft:{job['model']}:loopback:{body.get('suffix') or ''}:{job['id'][-4:]}"
        return {
            "id": job["id"], "object": "fine_tuning.job", "model": job["model"], "status": state,
            "created_at": int(job["created"]), "error": {} if state == "validating_files" else fault,
            "fine_tuned_model": model if state == "succeeded" else None, "hyperparameters": resolved,
            "finished_at": int(time.time()) if done else None, "organization_id": "org-loopback",
            "result_files": [job["result"]] if job["result"] else [], "seed": body.get("seed", 0),
            "trained_tokens": 5768 if state == "succeeded" else None, "training_file": body["training_file"],
            "validation_file": body.get("validation_file"), "metadata": job["metadata"], "integrations": [],
            "estimated_finish": int(job["created"] + self.plan.pace_s * 9) if state == "running" else None,
            "method": body.get("method"),
        } | ({"user_provided_suffix": body.get("suffix"), "x_new": {"deep": [1]}} if self.plan.extra else {})

    def events(self, job: dict[str, Any]) -> list[dict[str, Any]]:
        """A job's events so far, oldest first."""
        state, steps = self.status(job)
        told: list[tuple[str, dict[str, Any] | None]] = [
            ("Created fine-tuning job", None), (f"Validating training file: {job['body']['training_file']}", {})]
        done = map(self.metrics, range(1, steps + 1))
        told += [(text, None if self.plan.messages else data) for text, data in done]
        if self.plan.extra and state != "validating_files":
            told.insert(2, ("Moderation checks passed", {"blocked": False}))
        if state == "succeeded":
            told += [("New fine-tuned model created", {}), ("The job has successfully completed", {})]
        elif state in ("failed", "cancelled"):
            told.append((f"The job {state}", {}))
        return [
            {"object": "fine_tuning.job.event", "id": f"ftevent-{job['id'][-4:]}-{number:05d}", "level": "info",
             "created_at": int(job["created"]) + number, "message": text, "data": data,
             "type": "moderation_checks" if text.startswith("Moderation") else "metrics" if data and "step" in data
             else "message"}
            for number, (text, data) in enumerate(told)
        ]

    def metrics(self, step: int) -> tuple[str, dict[str, Any]]:
        """The event of a step: every tenth has the validation file's whole loss, every fifth that of a batch."""
        loss = round(2.5 * 0.93**step, 4)
        data = {"step": step, "total_steps": self.plan.steps, "train_loss": loss,
                "train_mean_token_accuracy": round(1 - loss / 3, 4)}
        text = f"Step {step}/{self.plan.steps}: training loss={loss:.2f}"
        if step % 5 == 0:
            data |= {"valid_loss": round(loss * 1.2, 4), "valid_mean_token_accuracy": round(0.9 - loss / 3, 4)}
            text += f", validation loss={loss * 1.2:.2f}"
        if step % 10 == 0:
            data |= {"full_valid_loss": round(loss * 1.1, 4),
                     "full_valid_mean_token_accuracy": round(0.95 - loss / 3, 4)}
            text += f", full validation loss={loss * 1.1:.2f}"
        return text, data

    def checkpoints(self, job: dict[str, Any]) -> list[dict[str, Any]]:
        """One per epoch that is over."""
        _, steps = self.status(job)
        third = max(1, self.plan.steps // 3)
        return [
            {"object": "fine_tuning.job.checkpoint", "id": f"ftckpt_{step:04d}", "created_at": int(job["created"]),
             "fine_tuning_job_id": job["id"], "step_number": step, "metrics": self.metrics(step)[1],
             "fine_tuned_model_checkpoint": f"ft:{job['model']}:loopback::{job['id'][-4:]}:ckpt-step-{step}"}
            for step in range(third, steps + 1, third)
        ][::-1]

    def _csv(self) -> bytes:
        rows = ["step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"]
        for step in range(1, self.plan.steps + 1):
            data = self.metrics(step)[1]
            values = (data.get(key) for key in ("train_loss", "train_mean_token_accuracy", "valid_loss",
                                                "valid_mean_token_accuracy"))
            rows.append(",".join([str(step), *("" if value is None else str(value) for value in values)]))
        text = "\n".join(rows).encode() + b"\n"
        return base64.b64encode(text) if self.plan.result == "base64" else text


def ok(value: Any) -> Reply:
    """A 200 with a JSON body."""
    return Reply(200, orjson.dumps(value))


def page(items: list[dict[str, Any]], query: dict[str, str]) -> Reply:
    """A list as the API gives it: `limit` items after the one named by `after`."""
    start = next((i + 1 for i, item in enumerate(items) if item["id"] == query.get("after")), 0)
    some = items[start : start + int(query.get("limit", 20))]
    return ok({"object": "list", "data": some, "has_more": start + len(some) < len(items)})


def multipart(kind: str, body: bytes) -> dict[str, tuple[str, bytes]]:
    """Name of a field -> its file name and bytes."""
    parsed = BytesParser(policy=HTTP).parsebytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + body)
    fields = {}
    for part in parsed.iter_parts():
        name = part.get_param("name", header="content-disposition")
        data = part.get_payload(decode=True)
        fields[str(name)] = (part.get_filename() or "", data if isinstance(data, bytes) else b"")
    return fields
