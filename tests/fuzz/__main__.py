"""Coverage-guided fuzzing of `targets` with atheris: `python -m tests.fuzz [--seconds 60] [TARGET ...]`.

Each target is a process of its own for its share of the time; it begins with the seeds of `tests/corpus` and with what earlier
runs found worth keeping in `build/fuzz`. What breaks a promise is written there as `TARGET-crash-...`: mend it, and put the file into
`tests/corpus/TARGET/`. Ends with 1 if anything did.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).parents[2]
CORPUS, BUILD = ROOT / "tests" / "corpus", ROOT / "build" / "fuzz"
LONGEST = 4096
"""Bytes of an input."""
SLOWEST_S = 20
"""An input that takes longer is a fault."""
SHARES = {"decode": 3, "mapping": 2, "join": 1, "config": 2, "engine": 2}


def main(arguments: Sequence[str]) -> int:
    """Run the targets one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(SHARES))
    given = parser.parse_args(arguments)
    wanted = given.targets or list(SHARES)
    if unknown := sorted(set(wanted) - SHARES.keys()):
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(SHARES)}")
    results = {}
    for name in wanted:
        seconds = max(given.seconds * SHARES[name] // sum(SHARES[each] for each in wanted), 1)
        results[name] = result = run(name, seconds)
        found = ", ".join(result["crashes"]) or "nothing"
        sys.stdout.write(f"{name:8} {result['executions']:>9,} executions in {seconds:>4} s, found: {found}\n")
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "fuzz.json").write_text(json.dumps(results, indent=2) + "\n")
    return int(any(result["crashes"] for result in results.values()))


class Result(TypedDict):
    """How one target went."""

    seconds: int
    executions: int
    crashes: list[str]


def run(name: str, seconds: int) -> Result:
    """One target in a process of its own; executions and the files of what broke it."""
    kept = BUILD / name
    kept.mkdir(parents=True, exist_ok=True)
    before = set(BUILD.glob(f"{name}-*"))
    command = [sys.executable, "-m", "tests.fuzz", "--inside", name, str(seconds), str(kept)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    executions = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    crashes = sorted(str(path.relative_to(ROOT)) for path in set(BUILD.glob(f"{name}-*")) - before)
    if done.returncode != 0 or executions is None:
        sys.stderr.write(done.stdout[-3000:] + done.stderr[-1500:])
        crashes = crashes or [f"the process ended with {done.returncode}"]
    return {"seconds": seconds, "executions": int(executions[1]) if executions else 0, "crashes": crashes}


def inside(name: str, seconds: str, kept: str) -> None:
    """Fuzz one target in this process, which atheris ends."""
    import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]  # the group `fuzz` brings it

    with atheris.instrument_imports(include=["detectors", "monitor"]):
        from tests.fuzz.targets import TARGETS
    warnings.simplefilter("error")
    seeds = CORPUS / name
    limits = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-timeout={SLOWEST_S}", "-rss_limit_mb=2048"]
    told = ["-print_final_stats=1", f"-artifact_prefix={BUILD / name}-", "-verbosity=1"]
    words = [f"-dict={CORPUS / 'words.dict'}", kept, *([str(seeds)] if seeds.is_dir() else [])]
    atheris.Setup(["fuzz", *limits, *told, *words], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        os.environ.setdefault("PYTHONHASHSEED", "0")
        inside(*sys.argv[2:])
    else:
        sys.exit(main(sys.argv[1:]))
