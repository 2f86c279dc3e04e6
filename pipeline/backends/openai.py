"""A host tunes: files and jobs as OpenAI's API has them, at any address that speaks it.

Check, upload, create, follow, result. Killed anywhere and run again, it finds its files by name and bytes and its job
by the metadata that it carries, so nothing is uploaded or created twice.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from .. import hosts
from ..errors import ProviderError, RecipeError, did_you_mean
from ..hosts.access import Access, access
from ..hosts.client import Host, Refused
from ..prices import TrainingPrice, training_price_of
from ..settings import Settings
from ..tokens import example_limit
from ..types import Problem
from . import CANCELLED, FAILED, Bill, Job, Options, RemoteBackend, RemoteJob, Report, Tuned, TuneProgress
from ._bill import Measured, bill_of, charged, measured, too_long
from ._closing import BARRED, barred, ended, notice, shutdown, table, ways_on
from ._follow import Follower
from ._told import line_at_fault, moment, tokens_at_fault

LARGEST = 8 * 10**9
"""Bytes that /uploads takes."""
SUFFIX = 64
SEEDS = 2**31
"""The API's limits: characters of a suffix, and seeds below this (openai-openapi f85dbe22)."""
OVER = (FAILED, CANCELLED)
FILES = {"train": "training_file", "validation": "validation_file"}
OURS, ATTEMPT, DATASET = "synth_finetune", "synth_attempt", "synth_dataset"
"""Metadata of a job of ours: the fine-tune's id, which try it is, and the dataset's name."""

Auto = Literal["auto"]


class HostOptions(Options):
    """What a host lets one choose; `auto` leaves it to the host."""

    base: str = Field(default_factory=lambda: str(table()["default_base"]),
                      description="HOST:MODEL, or a model of OpenAI's; ft:... goes on with a tuned one")
    n_epochs: Auto | Annotated[int, Field(ge=1, le=50)] = Field("auto", description="times that every row is seen")
    batch_size: Auto | Annotated[int, Field(ge=1, le=256)] = Field("auto", description="rows of one step")
    learning_rate_multiplier: Auto | Annotated[float, Field(gt=0)] = Field(
        "auto", description="of the host's own learning rate")
    suffix: str | None = Field(None, min_length=1, max_length=SUFFIX, description="in the model's name; the dataset's")


class HostBackend(RemoteBackend[HostOptions]):
    """Jobs at a host.

    Args:
        name: the printed name.
        settings: provider entries, prices, timeouts.
        env: holds keys.
        today: for what ends at a date.
        sleep: waits between questions.
    """

    fewest = 10

    def __init__(
        self, name: str, settings: Settings, env: Mapping[str, str], *, today: Callable[[], date] = date.today,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(name, settings, env)
        self._today, self._sleep = today, sleep
        self._measured: dict[Path, Measured] = {}

    # -- before anything is spent ----------------------------------------------------------------

    def problems(self, job: Job[HostOptions]) -> list[Problem]:
        """See Backend. Asks the host for the model; uploads nothing."""
        entry, base = self._entry(job.options)
        ways = ways_on(job.name, str(job.train))
        over = ended(entry.base_url, self._today(), ways)
        if over is not None:
            return [over]
        found = [notice(base, entry.base_url, self._today(), ways)]
        with self._host(entry) as host:
            found.append(self._base_problem(host, base, ways))
        context = example_limit(base)
        for path in (job.train, job.validation):
            if path is None:
                continue
            if context is not None:
                found += too_long(path, self._measure(path, base), context)
            if path.stat().st_size > LARGEST:
                found.append(Problem("error", "too-large", str(path), f"over the {LARGEST:,} bytes that hosts take",
                                     f"synth export {job.name} --split 0.5"))
        return [problem for problem in found if problem is not None]

    def _base_problem(self, host: Host, base: str, ways: str) -> Problem | None:
        """What the host says of a model: unknown, or switched off at a date. A host that does not say is believed."""
        try:
            model = host.get("models.retrieve", base)
        except Refused as refused:
            status, code = refused.failure.status, refused.failure.code
            if status not in (404, 405) or (status == 404 and code not in ("model_not_found", None)):
                raise
            if code is None:
                return shutdown(base, host.base_url, {}, self._today(), ways)
            listed = host.get("models.list").get("data")
            known = sorted(str(each.get("id")) for each in listed or () if isinstance(each, dict))
            near = did_you_mean(base, known)
            hint = near if near.startswith("did you mean") else f"synth doctor   shows where {host.name} is"
            return Problem("error", "unknown-base", base, f"{host.name} has no such model", hint)
        return shutdown(base, host.base_url, model, self._today(), ways)

    def bill(self, job: Job[HostOptions]) -> Bill | None:
        """See Backend."""
        _, base = self._entry(job.options)
        epochs = None if job.options.n_epochs == "auto" else job.options.n_epochs
        return bill_of(self._measure(job.train, base), epochs, self._price(job.options))

    def _measure(self, path: Path, base: str) -> Measured:
        if path not in self._measured:
            self._measured[path] = measured(path, base, example_limit(base))
        return self._measured[path]

    def _price(self, options: HostOptions) -> TrainingPrice | None:
        """The base's price; a host on this machine whose price nobody said is free."""
        entry, base = self._entry(options)
        known = training_price_of(base, entry.name, self.settings)
        return TrainingPrice(0.0, "", "a host on this machine") if known is None and entry.local else known

    # -- the road --------------------------------------------------------------------------------

    def run(self, job: Job[HostOptions], report: Report) -> Tuned:
        """See Backend."""
        return self._road(job, report, follow=True)

    def submit(self, job: Job[HostOptions], report: Report) -> Tuned:
        """See RemoteBackend."""
        return self._road(job, report, follow=False)

    def _road(self, job: Job[HostOptions], report: Report, *, follow: bool) -> Tuned:
        entry, base = self._entry(job.options)
        with self._host(entry) as host:
            remote = dict(job.remote) | {"host": host.name, "base_url": host.base_url}
            if not remote.get("job"):
                try:
                    remote = self._begin(host, base, job, remote, report)
                except Refused as refused:
                    fault = self._line_fault(job, refused.failure.message, None, "refused-file")
                    if fault is None or refused.failure.kind != "bad_request":
                        raise
                    return Tuned(FAILED, problems=(fault,), remote=remote)
            if not follow:
                return Tuned(str(remote["status"]), cost_usd=None, remote=remote)
            follower = Follower(host, remote, report, self._sleep)
            try:
                state = follower.to_the_end()
            except Refused as refused:
                if refused.failure.status != 404:
                    raise
                raise self._lost(job, host, remote) from None
            return self._tuned(job, state, follower.remote)

    def _lost(self, job: Job[HostOptions], host: Host, remote: Mapping[str, Any]) -> ProviderError:
        """A job that its host does not know: this is another host, or the job was deleted."""
        made = job.remote.get("base_url") or host.base_url
        elsewhere = f"--base-url {made}   is where it was made\n" if made != host.base_url else ""
        return ProviderError(f"{host.base_url}: knows no job {remote['job']}",
                             f"{elsewhere}rm -r {job.folder}   forgets it; the next run makes another")

    def _begin(
        self, host: Host, base: str, job: Job[HostOptions], remote: dict[str, Any], report: Report
    ) -> dict[str, Any]:
        """Has the job made, or finds it; `remote` is on disk after each step."""
        mine = {OURS: job.id, ATTEMPT: str(job.attempt), DATASET: job.name}
        found = self._find_job(host, mine, None)
        if found is None:
            files = {"train": self._upload(host, job, job.train, report)}
            if job.validation is not None:
                files["validation"] = self._upload(host, job, job.validation, report)
            remote = remote | {"files": files}
            report(TuneProgress("creating", remote=remote))
            body = self._body(base, job, files, mine)
            try:
                found = host.found_or_made(lambda: self._find_job(host, mine, files["train"]),
                                           lambda: host.get("fine_tuning.jobs.create", again=False, **body))
            except Refused as refused:
                if refused.failure.code == BARRED:
                    raise barred(host.name, refused.failure.message, ways_on(job.name, str(job.train))) from None
                raise
        files = {side: found[key] for side, key in FILES.items() if found.get(key)}
        status, name = str(found.get("status")), host.id_of(found)
        remote = remote | {"files": files, "job": name, "status": status}
        report(TuneProgress(status, f"job {name} at {host.name}", remote=remote))
        return remote

    def _upload(self, host: Host, job: Job[HostOptions], path: Path, report: Report) -> str:
        name = upload_name(job.name, path)
        size = path.stat().st_size
        report(TuneProgress("uploading", f"{path.name}, {size:,} bytes, as {name}"))
        return host.found_or_made(lambda: host.find_file(name, size), lambda: host.upload(path, name))

    def _find_job(self, host: Host, mine: Mapping[str, str], train: str | None) -> dict[str, Any] | None:
        """The job of this attempt: by its metadata, or by its training file where the host keeps no metadata."""
        for job in host.pages("fine_tuning.jobs.list", metadata={OURS: mine[OURS]}):
            kept = job.get("metadata")
            if kept:
                if all(kept.get(key) == mine[key] for key in (OURS, ATTEMPT)):
                    return job
            elif train is not None and job.get("training_file") == train and job.get("status") not in OVER:
                return job
        return None

    def _body(
        self, base: str, job: Job[HostOptions], files: Mapping[str, str], mine: Mapping[str, str]
    ) -> dict[str, Any]:
        """What a job is created with."""
        how = job.options
        body: dict[str, Any] = {"model": base, "training_file": files["train"]}
        if "validation" in files:
            body["validation_file"] = files["validation"]
        return body | {
            "suffix": how.suffix or job.name[:SUFFIX], "seed": job.seed % SEEDS, "metadata": dict(mine),
            "method": {"type": "supervised", "supervised": {"hyperparameters": {
                "n_epochs": how.n_epochs, "batch_size": how.batch_size,
                "learning_rate_multiplier": how.learning_rate_multiplier}}},
        }

    def _tuned(self, job: Job[HostOptions], state: Mapping[str, Any], remote: dict[str, Any]) -> Tuned:
        status = str(state.get("status"))
        price = self._price(job.options)
        problems: tuple[Problem, ...] = ()
        error = state.get("error")
        if status == FAILED:
            said = error if isinstance(error, dict) else {}
            message = str(said.get("message") or "the host gives no reason")
            code = str(said.get("code") or "job-failed")
            fault = self._line_fault(job, message, said.get("param"), code)
            problems = (fault or Problem("error", code, str(remote["job"]), message, f"synth check {job.name}"),)
        model = state.get("fine_tuned_model")
        return Tuned(status, str(model) if model else None, problems=problems, remote=remote,
                     cost_usd=charged(state.get("trained_tokens"), price, status))

    def _line_fault(self, job: Job[HostOptions], message: str, param: object, code: str) -> Problem | None:
        """A complaint about a line, with that line's place; None where it names no line of the file.

        Some hosts count from 0: where the message names a special token, the line that has it is meant.
        """
        path = job.validation if param == "validation_file" and job.validation else job.train
        number = line_at_fault(message)
        if number is None:
            return None
        with path.open("rb") as file:
            near = [line.decode("utf-8", "replace") for line in islice(file, number - 1, number + 1)]
        if not near:
            return None
        named = tokens_at_fault(message)
        if named and not any(token in near[0] for token in named) and any(token in near[-1] for token in named):
            number += 1
        return Problem("error", code, f"{path}:{number}", message, f"synth inspect {job.name} {path}:{number}")

    # -- what the host knows ---------------------------------------------------------------------

    def jobs(self, options: HostOptions) -> list[RemoteJob]:
        """See RemoteBackend."""
        entry, _ = self._entry(options)
        with self._host(entry) as host:
            return [_listed(job) for job in host.pages("fine_tuning.jobs.list")]

    def cancel(self, options: HostOptions, job_id: str) -> str:
        """See RemoteBackend."""
        entry, _ = self._entry(options)
        with self._host(entry) as host:
            return str(host.get("fine_tuning.jobs.cancel", job_id).get("status"))

    def _entry(self, options: HostOptions) -> tuple[Access, str]:
        """The right to the base's host, and the base's name there."""
        name, base = hosts.split(options.base, self.settings)
        if name == hosts.REHEARSAL:
            raise RecipeError("the rehearsal tunes nothing", "finetune: {backend: lora, base: tiny}")
        return access(name, hosts.entry_of(name, self.settings, self.env), self.env), base

    def _host(self, entry: Access) -> Host:
        return Host(entry, self.settings.timeout_s, self.settings.retries, self._sleep)


def upload_name(dataset: str, path: Path) -> str:
    """The name that a file is uploaded under: the same bytes have the same one, others another."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{dataset}-{path.stem}-{digest[:16]}{path.suffix}"


def _listed(job: Mapping[str, Any]) -> RemoteJob:
    kept = job.get("metadata")
    mine = kept if isinstance(kept, dict) else {}
    created, tuned = job.get("created_at"), job.get("fine_tuned_model")
    return RemoteJob(
        str(job.get("id")), str(job.get("model")), str(job.get("status")),
        moment(created) if isinstance(created, int | float) else "", str(tuned) if tuned else None,
        mine.get(OURS), mine.get(DATASET),
    )


plugin: type[HostBackend] = HostBackend
