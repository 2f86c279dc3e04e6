"""CPU and memory of the engine and the store for one call: looked up, reserved, answered, written, indexed.

    python benchmarks/asking.py 20000

The provider is a coroutine that answers at once with 2.4 KB, so that nothing but our own work is measured.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from pipeline.digest import call_id, digest
from pipeline.engine import Answer, Asker, Limits, Progress, drive
from pipeline.prices import Price
from pipeline.store import Dataset, SampleWriter
from pipeline.types import CallRef, CallRequest, Message, Sample, Usage

TEXT = "The keeper of the light finds a letter. " * 60
PROMPT = "Write a plot outline of about 300 words.\n" + "Genre: x. Place: y. " * 40
PRICE = Price(0.4, 1.6, None, "2026-11", "a benchmark")


class Instant:
    """Answers at once."""

    namespace, rehearsal = "instant", False

    def body(self, model: str, messages: list[Message], parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The body as it is given."""
        return {"model": model, "messages": messages, **parameters}

    async def ask(self, request: CallRequest) -> Answer:
        """The same text and the call's id."""
        await asyncio.sleep(0)
        return Answer({"role": "assistant", "content": TEXT + request.id}, "stop", Usage(200, 500), "m-1")

    async def models(self) -> list[str]:
        """One."""
        return ["m"]

    async def close(self) -> None:
        """Nothing is open."""


def question(number: int) -> CallRequest:
    """Question `number`, with a prompt of 0.8 KB."""
    messages = [{"role": "user", "content": f"{number} {PROMPT}"}]
    body = {"model": "m", "messages": messages, "max_tokens": 1000, "temperature": 1.0}
    return CallRequest(call_id("instant", "chat", body), "instant", body)


def row(number: int, text: str, call: str) -> Sample:
    """The row of an answer."""
    messages = [{"role": "user", "content": f"Genre {number}"}, {"role": "assistant", "content": text}]
    made = {"writer": "w", "train": "t", "draw": f"d{number}", "model": "m-1", "rehearsal": False}
    calls = (CallRef(call, "step:answer"),)
    return Sample(digest("sample", call), messages, {"n": number}, calls=calls, provenance=made)


def asked(dataset: Dataset, rows: SampleWriter, count: int) -> None:
    """`count` questions, 32 at once."""
    asker: list[Asker] = []

    def make() -> Asker:
        asker.append(Asker(Instant(), dataset.calls, Limits(price=PRICE), Progress()))
        return asker[0]

    async def work(number: int) -> None:
        call = await asker[0].ask(question(number))
        rows.add(row(number, call.text, call.id))

    drive(range(count), work, make)


def main(count: int) -> None:
    """Prints a table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "set"
        for name in ("asked and written", "found again"):
            cpu, wall = time.process_time(), time.monotonic()
            with Dataset.create(path) as dataset, dataset.lock("samples"), dataset.sample_writer() as rows:
                asked(dataset, rows, count)
            cpu, wall = time.process_time() - cpu, time.monotonic() - wall
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(f"{name:18} {count:,} calls: {cpu / count * 1e3:.3f} ms CPU and {wall / count * 1e3:.3f} ms each, "
                  f"{peak} MB at most")
        (path / "calls" / "index.sqlite").unlink()
        cpu = time.process_time()
        with Dataset.open(path) as dataset:
            assert dataset.calls.spent().answered == count
        print(f"{'indexed anew':18} {count:,} calls: {time.process_time() - cpu:.2f} s CPU")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
