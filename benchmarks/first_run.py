"""How long `synth run plots` takes in an empty folder, from the command to the checked files, and its peak memory.

    python benchmarks/first_run.py [TIMES]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS = (396, 1944)
"""What the recipe draws, and the whole grid."""


def run(rows: int) -> tuple[float, float]:
    """Wall-clock seconds and peak resident megabytes of one run."""
    command = [Path(sys.executable).parent / "synth", "run", "plots", "--no-tune", "--set", f"sample.rows={rows}"]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command}: exit code {process.returncode}")
    return seconds, used.ru_maxrss / 1024


def main() -> None:
    """Prints the median time and the highest peak for each number of rows."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print("| rows | median s | slowest s | peak MB |")
    print("|---|---|---|---|")
    for rows in ROWS:
        runs = [run(rows) for _ in range(times)]
        seconds, peaks = [run[0] for run in runs], [run[1] for run in runs]
        print(f"| {rows:,} | {statistics.median(seconds):.1f} | {max(seconds):.1f} | {max(peaks):.0f} |")


if __name__ == "__main__":
    main()
