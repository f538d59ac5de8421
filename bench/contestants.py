"""Contestants as processes that answer requests, the order in which they have their turns, and what becomes of the numbers."""

import json
import math
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


class Worker:
    """A process that reads requests and writes replies, a line of JSON each (bench/peer.py)."""

    def __init__(self, name, command, threads, scratch):
        self.name = name
        # A cache of compiled code from a run before would make the time of compiling look small.
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads),
                                    "TORCHINDUCTOR_CACHE_DIR": str(scratch / "inductor"), "PYTHONWARNINGS": "ignore"}
        with open(scratch / "workers.log", "a") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=log, text=True, env=environment)

    def ask(self, **request):
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:  # It ended between two requests: the kernel's choice where memory ran out.
            line = ""
        if not line:
            sys.exit(f"bench: '{self.name}' ended with status {self.process.wait()} on '{request['do']}'; see workers.log")
        reply = json.loads(line)
        if "error" in reply:
            sys.exit(f"bench: '{self.name}' failed on '{request['do']}': {reply['error']}")
        return reply

    def give_memory_back(self):
        """What a Python peer's warm-up took and holds unused; ours holds what its steps use."""
        if not self.name.startswith("paraclip"):
            self.ask(do="trim")

    def reset_peak(self):
        """Begins anew to look for the peak of its resident memory."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def peak_gb(self):
        return self.memory_gb("VmHWM")

    def memory_gb(self, what="VmRSS"):
        """Its resident memory now, or another of the kernel's figures."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(what + ":")) * 1024 / 1e9

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait()


class Workers:
    """All contestants of a part, alive as long as the `with`."""

    def __init__(self, bench, commands):
        """`commands`: by name, the worker's script, or "paraclip" for the one that was built."""
        self.workers = {}
        for name, script in commands.items():
            command = [bench.worker] if script == "paraclip" else [sys.executable, HERE / script]
            self.workers[name] = Worker(name, command, bench.threads, bench.scratch)

    def __enter__(self):
        return self.workers

    def __exit__(self, *_):
        for worker in self.workers.values():
            worker.close()


def turns(names, number):
    """The contestants in the order of round `number`: each round begins with another one."""
    names = list(names)
    shift = number % len(names)
    return names[shift:] + names[:shift]


def compare(name, reply, reference, tolerance):
    """Stops the run where a contestant's loss or embeddings are not the reference's. Returns the largest difference."""
    differences = {"embeddings": max(abs(x - y) for a, b in zip(reply["embeddings"], reference["embeddings"], strict=True)
                                     for x, y in zip(a, b, strict=True))}
    if "loss" in reply and "loss" in reference:
        differences["loss"] = abs(reply["loss"] - reference["loss"]) / abs(reference["loss"])
    for what, difference in differences.items():
        if not difference <= tolerance:
            sys.exit(f"bench: the {what} of '{name}' differ from open_clip's by {difference:.1e}, more than {tolerance:.0e}: "
                     "its times would say nothing")
    return differences


def ratio(ours, theirs):
    """The median, least and greatest of the rounds' own ratios."""
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}


def percentile(values, share):
    """The least value that at least `share` of the values do not exceed."""
    return sorted(values)[math.ceil(len(values) * share) - 1]
