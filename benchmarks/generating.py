"""`synth generate` against a real loopback server: speed, limits and faults, each beside a bare client.

    python benchmarks/generating.py [--times N] [speed] [first] [limit] [faults] [random] [memory]

The server (tests/servers) is a process of its own and keeps a ledger: what was paid twice is counted there. In each
round ours and the bare clients take turns on servers of the same kind, so that a busy machine slows both alike: read
the ratios.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.clients import PROMPT  # noqa: E402
from tests.servers import Server, running  # noqa: E402

RECIPE = """\
synth: 1
name: rows
axes: {{number: {{numbers: {{min: 1, max: {rows}}}}}}}
sample: {{rows: {rows}, how: product}}
prompt: {{user: {prompt}}}
train: {{user: "{{{{number}}}}"}}
generate: {{model: "openai:story-small", max_tokens: 200, floor: 0.0}}
"""


class Ran(NamedTuple):
    """A finished process: wall and CPU seconds, peak memory in MB, exit code."""

    seconds: float
    cpu: float
    peak: float
    code: int
    out: bytes = b""


def wait(process: subprocess.Popen[bytes], started: float) -> Ran:
    """Waits for the end of a process."""
    out = process.stdout.read() if process.stdout else b""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Ran(time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024,
               process.returncode, out)


def start(folder: Path, server: Server, *options: str) -> subprocess.Popen[bytes]:
    """`synth generate rows` in a folder, its talk into a file there."""
    env = os.environ | {"PYTHONPATH": str(HERE.parent), "OPENAI_API_KEY": "sk-benchmark-0123456789", "NO_COLOR": "1"}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed is compiled once
    command = [sys.executable, "-m", "pipeline", "generate", "rows", "--base-url", server.base_url, "--yes", *options]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def recipe(folder: Path, rows: int) -> None:
    """The recipe of so many rows."""
    prompt = orjson.dumps(PROMPT + "{{number}}").decode()
    (folder / "rows.yaml").write_text(RECIPE.format(rows=rows, prompt=prompt))


def ours(server: Server, rows: int, *options: str) -> Ran:
    """One whole run in a new folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recipe(folder, rows)
        ran = wait(start(folder, server, *options), time.perf_counter())
        if ran.code:
            raise SystemExit(f"exit code {ran.code}: {(folder / 'log').read_text()}")
        made = (folder / "datasets/rows/samples.jsonl").read_bytes().count(b"\n")
        assert made == rows, f"{made} rows of {rows}"
        return ran


def bare(kind: str, server: Server, rows: int, in_flight: int) -> dict[str, float]:
    """One run of a bare client."""
    command = [sys.executable, str(HERE / "clients.py"), kind, server.base_url, str(rows), str(in_flight)]
    return orjson.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def busy(server: Server) -> float:
    """Seconds from the first request to the last answer, by the server's clock."""
    ledger = server.ledger()
    times = [event["t"] for event in ledger if event["event"] in ("received", "answered")]
    return max(times) - min(times)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median, and the range."""
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def kinds() -> list[str]:
    """The bare clients that can run here."""
    import importlib.util

    return ["raw", "httpx2", *(["aiohttp"] if importlib.util.find_spec("aiohttp") else [])]


def speed(times: int, rows: int = 5000, in_flight: int = 100) -> None:
    """5,000 rows at 50 ms, 100 in flight: requests a second while generating; CPU a row."""
    rates: dict[str, list[float]] = {name: [] for name in ("ours", *kinds())}
    cpus: dict[str, list[float]] = {name: [] for name in rates}
    for _ in range(times):
        for name in rates:
            with running(latency_s=0.05) as server:
                if name == "ours":
                    few = ours(server, 50, "--concurrency", str(in_flight))
                else:
                    found = bare(name, server, rows, in_flight)
                    rates[name].append(rows / found["seconds"])
                    cpus[name].append(found["cpu"] / rows * 1000)
                    continue
            with running(latency_s=0.05) as server:
                ran = ours(server, rows, "--concurrency", str(in_flight))
                rates[name].append(rows / busy(server))
                cpus[name].append((ran.cpu - few.cpu) / (rows - 50) * 1000)
    print(f"\n| {rows:,} rows, 50 ms, {in_flight} in flight | req/s | ours beside it | ms CPU a row |")
    print("|---|---|---|---|")
    for name in rates:
        ratios = [a / b for a, b in zip(rates["ours"], rates[name])]
        print(f"| {name} | {spread(rates[name], 0)} | {spread(ratios)} | {spread(cpus[name], 3)} |", flush=True)


def first(times: int) -> None:
    """One row, the whole process."""
    runs = []
    for _ in range(3 * times):
        with running() as server:
            runs.append(ours(server, 1))
    print(f"\none row, whole process: {spread([run.seconds for run in runs])} s, "
          f"peak {spread([run.peak for run in runs], 0)} MB", flush=True)


def limit(times: int, rows: int = 3000) -> None:
    """6,000 requests and 2.13 million tokens a minute, enforced by the second; what the server counts decides."""
    rules: dict[str, Any] = {"rpm": 6000, "tpm": 2_130_000, "burst_s": 1.0, "latency_s": 0.5, "refuse_s": 0.005}
    print("\n| a limit of 6,000 RPM and 2.13 M TPM, 3,000 rows | share of the limit | 429s | of rows |")
    print("|---|---|---|---|")
    ways: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
        ("ours, told --rpm and --tpm", rules, ("--rpm", "6000", "--tpm", "2130000")),
        ("ours, from the headers", rules, ()),
        ("ours, from 429s alone", rules | {"says": False}, ()),
    ]
    for name, how, options in ways:
        shares, refused = [], []
        for _ in range(times):
            with running(**how) as server:
                ours(server, rows, "--concurrency", "100", *options)
                shares.append(_share(server, rules))
                refused.append(server.kinds()["rate_limit"])
        print(f"| {name} | {spread([100 * share for share in shares], 1)} % | {spread(refused, 0)} | "
              f"{100 * statistics.median(refused) / rows:.2f} % |", flush=True)
    with running(**rules) as server:
        found = bare("naive", server, rows, 100)
        print(f"| naive client | {100 * _share(server, rules):.1f} % | {found['refused']:,.0f} | "
              f"{100 * found['refused'] / rows:.0f} % |", flush=True)


def _share(server: Server, rules: dict[str, Any]) -> float:
    """The shortest time that the buckets allow for what was let in, in terms of the time it took."""
    answered = server.answered("ok")
    asked = {event["n"]: event["t"] for event in server.received()}
    times = [asked[event["n"]] for event in answered]
    tokens = len(PROMPT) // 4 + 201  # as the server counts them
    shortest = max((len(times) * each - size / 60 * rules["burst_s"]) / (size / 60)
                   for each, size in ((1, rules["rpm"]), (tokens, rules["tpm"])))
    return shortest / (max(times) - min(times))


def faults(times: int, rows: int = 2000) -> None:
    """5% 429, 3% 500, 1% reset, 1% hang, 1% malformed; a time-out of 10 s."""
    rates = {"rate_limit": 0.05, "server_500": 0.03, "reset": 0.01, "hang": 0.01, "malformed": 0.01}
    seconds, twice = [], []
    for turn in range(times):
        with running(latency_s=0.05, rates=rates, seed=turn) as server:
            ours(server, rows, "--concurrency", "100", "--timeout", "10")
            seconds.append(busy(server))
            unusable = sum(event["kind"] == "malformed" for event in server.answered())
            twice.append(server.paid().total() - rows - unusable)
    print(f"\nmixed faults, {rows:,} rows, time-out 10 s: all rows in {spread(seconds, 1)} s; paid again "
          f"beyond the unusable: {max(twice)}", flush=True)


def chance(times: int, rows: int = 2000) -> None:
    """30% of requests refused at random, retry-after 1 s."""
    ratios, without, with_them = [], [], []
    for turn in range(times):
        for rates, found in (({}, without), ({"rate_limit": 0.3}, with_them)):
            with running(latency_s=0.5, refuse_s=0.005, rates=rates, seed=turn) as server:
                ours(server, rows, "--concurrency", "32")
                found.append(busy(server))
        ratios.append(with_them[-1] / without[-1])
    print(f"\n30% random 429s, {rows:,} rows, 0.5 s, 32 in flight: {spread(without, 1)} s without, "
          f"{spread(with_them, 1)} s with them, ratio {spread(ratios)}", flush=True)


def memory(times: int) -> None:
    """Peak memory of the whole process over the number of rows; a server without latency."""
    print("\n| rows | peak MB |\n|---|---|")
    for rows in (1000, 10_000, 50_000, 200_000)[: max(2, times + 1)]:
        with running() as server:
            print(f"| {rows:,} | {ours(server, rows, '--concurrency', '32').peak:.0f} |", flush=True)


CASES: dict[str, Callable[[int], None]] = {
    "speed": speed, "first": first, "limit": limit, "faults": faults, "random": chance, "memory": memory}


def main() -> None:
    """Runs the cases that are named, all where none is."""
    words = sys.argv[1:]
    times = int(words.pop(words.index("--times") + 1)) if "--times" in words else 3
    chosen = [word for word in words if word != "--times"] or list(CASES)
    for case in chosen:
        CASES[case](times)


if __name__ == "__main__":
    main()
