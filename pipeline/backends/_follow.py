"""A job followed to its end: its states, its events from where they were left, its result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..hosts.client import Host, Refused
from . import RUNNING, TERMINAL, Report, TuneProgress
from ._told import line_of, rows_of

FIRST_S, MOST_S = 0.2, 30.0
"""Seconds between two looks at a job: short while something happens, longer while nothing does."""
GROWS = 1.5
LOGGED = ("train_loss", "validation_loss")


class Follower:
    """One job and what is known of it.

    Args:
        host: open for questions.
        remote: as in finetune.json: `job`, and `event`, the last one that was read.
        report: receives states, messages and lines of metrics.
        sleep: waits so many seconds.
        clock: seconds since the epoch, for the time that is left.

    Attributes:
        remote: with everything that became known.
    """

    def __init__(
        self, host: Host, remote: Mapping[str, Any], report: Report, sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.remote = dict(remote)
        self._host, self._report, self._sleep, self._clock = host, report, sleep, clock
        self._id = str(remote["job"])
        self._last = TuneProgress(str(remote.get("status") or RUNNING))

    def to_the_end(self) -> dict[str, Any]:
        """Follows until the state is a last one.

        Returns:
            The job as its host shows it.

        Raises:
            Refused: the host does not answer any more. The job goes on without us.
        """
        wait = FIRST_S
        while True:
            job = self._host.get("fine_tuning.jobs.retrieve", self._id)
            before = self.remote
            self._note(job)
            self._events()
            status = str(job.get("status"))
            if status in TERMINAL:
                self._result(job)
                return job
            moved = self.remote != before
            wait = FIRST_S if moved else min(MOST_S, wait * GROWS)
            self._sleep(wait)

    def _note(self, job: Mapping[str, Any]) -> None:
        """Takes over what a job says of itself, and reports it where it is new."""
        known = {key: job[key] for key in ("status", "trained_tokens", "hyperparameters", "result_files")
                 if job.get(key) not in (None, [], {})}
        if all(self.remote.get(key) == value for key, value in known.items()):
            return
        self.remote = {**self.remote, **known}
        finish = job.get("estimated_finish")
        left = float(finish) - self._clock() if isinstance(finish, int | float) and finish > 0 else None
        self._say(state=str(job.get("status")), seconds_left=left if left and left > 0 else None, remote=self.remote)

    def _events(self) -> None:
        """Reads what is new, oldest first. The cursor moves once all of it is on disk."""
        news = list(self._new())
        for event in reversed(news):
            line = line_of(event)
            if line is not None:
                self._log(line)
            elif event.get("message"):
                self._say(message=str(event["message"]))
        if news:
            self.remote = {**self.remote, "event": news[0].get("id")}
            self._say(remote=self.remote)

    def _new(self) -> Iterator[dict[str, Any]]:
        """Events that were not read yet, newest first, as OpenAI lists them."""
        listed: list[dict[str, Any]] = []
        for event in self._host.pages("fine_tuning.jobs.list_events", self._id):
            if event.get("id") == self.remote.get("event"):
                if not listed or _newest_first([*listed, event]):
                    break
                listed.clear()  # a host that lists the oldest first: what came before is known
                continue
            listed.append(event)
        yield from listed if _newest_first(listed) else reversed(listed)

    def _log(self, line: dict[str, Any]) -> None:
        """Reports a step."""
        steps = line.pop("steps", None) or self._last.steps
        epochs = (self.remote.get("hyperparameters") or {}).get("n_epochs")
        if steps and isinstance(epochs, int | float):
            line["epoch"] = round(line["step"] / steps * epochs, 4)
        losses = {key: line[key] for key in LOGGED if key in line}
        self._say(step=line["step"], steps=steps, logged=line, **losses)

    def _say(self, **news: Any) -> None:
        """A report that is whole: what is known, with the news."""
        last = self._last
        kept = {key: getattr(last, key) for key in ("state", "step", "steps", *LOGGED, "seconds_left")}
        self._last = TuneProgress(**{**kept, **news})
        self._report(self._last)

    def _result(self, job: Mapping[str, Any]) -> None:
        """What a job left: metrics of its result files, and the models of its checkpoints."""
        files = job.get("result_files")
        for file in files if isinstance(files, list) else []:
            try:
                data = self._host.content("files.content", str(file))
            except Refused as refused:
                self._say(message=f"its result file cannot be read: {refused.message}")
                continue
            for line in rows_of(data):
                self._log(line)
        try:
            kept = list(self._host.pages("fine_tuning.jobs.checkpoints.list", self._id))
        except Refused:
            return  # some hosts keep none
        marks = [{"model": each.get("fine_tuned_model_checkpoint"), "step": each.get("step_number"),
                  "metrics": each.get("metrics")} for each in kept]
        if marks:
            self.remote = {**self.remote, "checkpoints": sorted(marks, key=lambda mark: str(mark["step"]).zfill(12))}
            self._say(remote=self.remote)


def _newest_first(events: list[dict[str, Any]]) -> bool:
    """Whether a list goes back in time; one of one moment is taken to."""
    times = [event["created_at"] for event in events if isinstance(event.get("created_at"), int | float)]
    return len(times) < 2 or times[0] >= times[-1]
