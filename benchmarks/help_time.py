"""How long `synth --help` takes beside `python -c pass`: pairs, so that a busy machine slows both alike.

    python benchmarks/help_time.py [PAIRS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path


def seconds(command: list[str]) -> float:
    """Wall-clock seconds of one run."""
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main() -> None:
    """Prints the medians of both and of their paired ratio, with quartiles."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    ours = [str(Path(sys.executable).parent / "synth"), "--help"]
    bare = [sys.executable, "-c", "pass"]
    for command in (ours, bare):
        seconds(command)  # the first run reads the disk and writes bytecode
    times = [(seconds(ours), seconds(bare)) for _ in range(pairs)]
    ratios = [a / b for a, b in times]
    print(f"| {pairs} pairs | median ms | quartiles |")
    print("|---|---|---|")
    for name, values in (("synth --help", [a for a, _ in times]), ("python -c pass", [b for _, b in times])):
        low, middle, high = statistics.quantiles(values, n=4)
        print(f"| {name} | {middle * 1000:.0f} | {low * 1000:.0f} to {high * 1000:.0f} |")
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"| ratio | {middle:.1f} | {low:.1f} to {high:.1f} |")


if __name__ == "__main__":
    main()
