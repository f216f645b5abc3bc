"""Bad files given to every command, in worker processes that may not hang, crash, fill the memory or leave half a result.

    python -m tests.fuzz_run COUNT [--seed 0] [--only NUMBER ...] [--keep FOLDER] [--report FILE.json]

One process imports everything and makes the good files, then forks workers; a worker runs the commands' own `main`, case
after case, under RLIMIT_AS and 20 seconds of processor time per case (ten minutes by the clock, since machines are busy).
What a case does follows from the seed and its number alone. Exit code 1 with the findings on stdout where there are any.
"""

import argparse
import io
import json
import logging
import os
import re
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from headsync.commands.program import main as program
from tests.fuzz_commands import READER, SLOTS, Slot, shares
from tests.fuzz_mutations import KINDS, mutated

CPU_S, WALL_S = 20, 600
EXTRA_BYTES = 2 << 30       # of address space beyond what the imports take
ALIEN = 0.2                 # share of cases whose file is of another kind than its place asks for
CASES_PER_WORKER = 400


class Case(NamedTuple):
    """What a number stands for."""

    number: int
    slot: Slot
    kind: str
    way: str
    content: bytes


class Outcome(NamedTuple):
    """How a case ended."""

    number: int
    command: str
    kind: str
    way: str
    code: int               # exit code; -signal where the worker died
    wrong: str              # "" where all is well
    said: str               # on stderr
    seconds: float          # of processor time


def make_case(number: int, seed: int, good: Path) -> Case:
    """Case `number`, the same at any time."""
    random = np.random.default_rng((seed, number))
    slot = SLOTS[random.choice(len(SLOTS), p=shares())]
    kind = slot.kinds[int(random.integers(len(slot.kinds)))]
    source = next(path for path in (good / slot.corpus / slot.source, good / (slot.source or f"a.{kind}")) if path.is_file())
    if random.random() < ALIEN:
        kind = KINDS[int(random.integers(len(KINDS)))]
        source = good / {"safetensors": "generator.safetensors", "yaml": "syncers.yaml"}.get(kind, f"a.{kind}")
    others = {name: (good / f"a.{name}").read_bytes() for name in ("wav", "mp3", "mp4", "png", "jpg", "npz")}
    content, way = mutated(source.read_bytes(), kind, random, others)
    return Case(number, slot, kind, way, content)


def lay_out(case: Case, good: Path, out: Path) -> list[str]:
    """The command line of a case whose files are now in `out`."""
    slot = case.slot
    suffix = Path(slot.source).suffix or f".{slot.kinds[0] if case.kind not in slot.kinds else case.kind}"
    bad, corpus = out / f"bad{suffix}", out / "corpus"
    if slot.corpus:
        shutil.copytree(good / slot.corpus, corpus, copy_function=os.link)
        if (corpus / slot.source).exists():
            bad = corpus / slot.source
            bad.unlink()
            if slot.source.startswith("clips/"):
                shutil.rmtree(corpus / "frames")
    if "{out}/videos" in slot.argv or slot.command == READER + "sources":
        (out / "videos").mkdir()
        os.link(good / "a.mp4", out / "videos" / "a.mp4")
        bad = out / "videos" / "b.mp4" if slot.kinds == ("mp4",) else bad
    if "--published {out}" in slot.argv:
        bad = out / "alex.pth"
        os.link(good / "a.pth", out / "backbone.pth")
    bad.write_bytes(case.content.replace(b"MARKER", str(out / "MARKER").encode()))
    return [token.format(bad=bad, good=good, out=out, corpus=corpus) for token in slot.argv.split()]


def fault_of(case: Case, out: Path, code: object, said: str, trace: str) -> str:
    """What is wrong with how a command ended; "" where nothing is."""
    lines = [line for line in said.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("headsync: ") and not line.startswith("headsync: note: ")]
    left = [str(path.relative_to(out)) for path in out.rglob("*.partial*")]
    whole = [name for name in case.slot.outs if (out / name).exists()]
    if trace:
        return f"traceback: {trace.strip().splitlines()[-1]}"
    if (out / "MARKER").exists():
        return "a file ran code"
    if any("Warning" in line for line in lines):
        return "a Python warning"
    if any(re.search(r": unexpected \w+(Error|Exception|Interrupt): ", line) for line in told):
        return "an error that was not expected"
    if code not in (0, 1, 2):
        return f"exit code {code}"
    if left:
        return f"left behind: {left}"
    if code == 2 and (len(told) != 1 or lines[-1] != told[0]):
        return "exit code 2 without its one line"
    if code == 2 and whole:
        return f"exit code 2, yet {whole} stand"
    if code == 1 and not told:
        return "exit code 1 and nothing named"
    if code == 0 and case.slot.outs and not whole:
        return "exit code 0 without a result"
    return ""


def main_of(slot: Slot) -> Callable[[list[str]], int]:
    """The command's entry point, or the reader's."""
    if not slot.command.startswith(READER):
        return lambda argv: program([*slot.command.split()[1:], *argv])
    from tests.fuzz_readers import main_of as reader_main

    return reader_main(slot.command.removeprefix(READER))


def run_case(case: Case, good: Path, place: Path) -> Outcome:
    """Give the bad file to the command, in this process."""
    out = place / f"case {case.number}"
    out.mkdir()
    main, argv = main_of(case.slot), lay_out(case, good, out)
    begun, trace, code = time.process_time(), "", None
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    resource.setrlimit(resource.RLIMIT_CPU, (int(used) + CPU_S, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    said = tempfile.TemporaryFile(dir=place)
    os.dup2(said.fileno(), 2)
    try:
        with redirect_stdout(io.StringIO()):
            code = main(argv)
    except SystemExit as end:
        code = end.code
    except BaseException:
        trace = traceback.format_exc()
    sys.stderr.flush()
    said.seek(0)
    text = said.read().decode(errors="replace")
    said.close()
    wrong = fault_of(case, out, code, text, trace)
    shutil.rmtree(out, ignore_errors=True)
    return Outcome(case.number, case.slot.command, case.kind, case.way, -1 if code is None else code, wrong,
                   (trace or text)[-3000:], round(time.process_time() - begun, 3))


def work(numbers: list[int], seed: int, good: Path, place: Path, pipe: int) -> None:
    """Run cases and write each outcome as a line; the number first, so that a death has a name."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + EXTRA_BYTES, size + EXTRA_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with os.fdopen(pipe, "w") as told:
        for number in numbers:
            told.write(f"{number}\n")
            told.flush()
            told.write(json.dumps(run_case(make_case(number, seed, good), good, place)) + "\n")
            told.flush()


def start(numbers: list[int], seed: int, good: Path, place: Path) -> tuple[int, int]:
    """A forked worker's process number and what it says."""
    reads, writes = os.pipe()
    child = os.fork()
    if child:
        os.close(writes)
        return child, reads
    code = 1
    try:
        os.close(reads)
        work(numbers, seed, good, place, writes)
        code = 0
    finally:
        os._exit(code)


def run_all(numbers: list[int], seed: int, good: Path, place: Path) -> Iterator[Outcome]:
    """Every case's outcome; a worker that dies or hangs is a finding, and the next one goes on behind it."""
    left = list(numbers)
    while left:
        child, reads = start(left[:CASES_PER_WORKER], seed, good, place)
        done, running = [], None
        for line in lines_of(reads):
            if line.startswith("["):
                done.append(running)
                running = None
                yield Outcome(*json.loads(line))
            else:
                running = int(line)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL if running is not None else 0)
        status = os.waitpid(child, 0)[1]
        if running is not None:
            case = make_case(running, seed, good)
            fallen = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
            wrong = {-signal.SIGXCPU: f"hangs: over {CPU_S} s", -signal.SIGKILL: f"hangs: over {WALL_S} s by the clock"}.get(
                fallen, f"crash: {fallen}")
            done.append(running)
            yield Outcome(running, case.slot.command, case.kind, case.way, fallen, wrong, "", 0.0)
        left = left[max(1, len(done)):]
        for folder in place.glob("case *"):
            shutil.rmtree(folder, ignore_errors=True)


def lines_of(reads: int):
    """Lines from a pipe until it ends, or until WALL_S pass without one."""
    held = b""
    try:
        while select.select([reads], [], [], WALL_S)[0]:
            piece = os.read(reads, 1 << 16)
            if not piece:
                return
            *whole, held = (held + piece).split(b"\n")
            yield from (line.decode() for line in whole)
    finally:
        os.close(reads)


def prepare(good: Path) -> None:
    """The good files, and everything imported that a command would import."""
    from tests.fuzz_material import make_material, stand_in

    for slot in SLOTS:
        main_of(slot)
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])      # loads a compiler, which every worker would load again
    stand_in()
    good.mkdir(parents=True)
    make_material(good)


def main() -> int:
    """Run, tell, and say with the exit code whether there was a finding."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, nargs="+")
    parser.add_argument("--keep", type=Path, help="write the bad files of --only here, run nothing")
    parser.add_argument("--report", type=Path, help="a JSON line per case is added here")
    options = parser.parse_args()
    warnings.simplefilter("always")
    logging.captureWarnings(False)
    with tempfile.TemporaryDirectory(prefix="fuzz ") as folder:
        place, begun = Path(folder), time.monotonic()
        good = place / "good"
        prepare(good)
        ready = time.monotonic() - begun
        numbers = options.only or list(range(options.first, options.first + options.count))
        if options.keep:
            for case in (make_case(number, options.seed, good) for number in numbers):
                (options.keep / f"{case.number}.{case.kind}").write_bytes(case.content)
                print(case.number, case.slot, case.kind, case.way)
            return 0
        outcomes = []
        for one in run_all(numbers, options.seed, good, place):
            outcomes.append(one)
            if one.wrong:
                print(f"{one.number} {one.command} {one.kind}, {one.way}: {one.wrong}\n{one.said}\n", flush=True)
            if options.report:
                with options.report.open("a") as file:
                    file.write(json.dumps(one) + "\n")
        took = time.monotonic() - begun
    findings = [one for one in outcomes if one.wrong]
    slowest = sorted(outcomes, key=lambda one: -one.seconds)[:5]
    print(f"{len(outcomes)} cases in {took:.0f} s ({ready:.0f} s to make ready): exit codes "
          f"{dict(sorted(Counter(one.code for one in outcomes).items()))}, {len(findings)} findings; slowest: "
          f"{', '.join(f'{one.number} {one.command} {one.kind} {one.seconds:.1f} s' for one in slowest)}")
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
