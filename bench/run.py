#!/usr/bin/env python3
"""Side-by-side benchmarks against the peers, in one run: what `make bench` starts.

    .deps/references/bin/python bench/run.py --build build/release --data ../shared/data
    .deps/references/bin/python bench/run.py --report

Contestants are processes that take their turns A B C, A B C, ... on the same captions and threads; what each computes is
checked against open_clip first. Results go to build/bench/results.json as they come, one part after the other, and from there
to build/bench/summary.json (flat keys) and docs/benchmarks.md; --report makes these two again and measures nothing.
A part that is not run keeps the results of the run before.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path

import data
import kernel_bench
import query
import report
import scale
import training

HERE = Path(__file__).parent.resolve()
CAPTIONS = "cc3m_val/Validation_GCC-1.1.0-Validation.tsv"
PHOTOS = "flickr8k/images"


def run_embed(bench):
    out = bench.scratch / "embed.json"
    subprocess.run([sys.executable, HERE / "embed_images.py", "--program", bench.program, "--photos", bench.photos, "--output", out,
                    *(["--count", "32", "--rounds", "1"] if bench.quick else [])], check=True, stdout=subprocess.DEVNULL)
    return json.loads(out.read_text())


def run_load(bench):
    done = subprocess.run([sys.executable, HERE / "load_model.py", "--program", bench.program, "--rounds", "1" if bench.quick else "5"],
                          check=True, stdout=subprocess.PIPE, text=True)
    return {"table": done.stdout}


def summarise_embed(result):
    return {"embed_fp32_ratio": result["fp32_ratio"], "embed_bf16_ratio": result["bf16_ratio"]}


# By name: what measures, what makes flat keys of it, minutes on two quiet cores.
PARTS = {
    "train": (training.run, training.summarise, 16),
    "query": (query.run, query.summarise, 4),
    "large": (scale.run_large, scale.summarise_large, 12),
    "loss": (scale.run_loss, scale.summarise_loss, 3),
    "processes": (scale.run_processes, scale.summarise_processes, 2),
    "kernels": (kernel_bench.run, kernel_bench.summarise, 2),
    "embed": (run_embed, summarise_embed, 6),
    "load": (run_load, lambda _: {}, 2),
}


class Bench:
    """What all parts are given."""

    def __init__(self, args):
        build = args.build.resolve()
        self.program, self.worker = build / "paraclip", build / "bench/paraclip_bench_worker"
        self.kernels = build / "bench/paraclip_bench_kernels"
        self.scratch, self.threads, self.quick, self.rounds = args.output.resolve(), args.threads, args.quick, args.rounds
        self.photos = args.data.resolve() / PHOTOS
        self.contestants = args.contestants
        self.versions = {}
        self.start = time.monotonic()
        self.minutes_left = 0
        self.scratch.mkdir(parents=True, exist_ok=True)
        (self.scratch / "workers.log").unlink(missing_ok=True)
        models = ["ViT-B-32"] if self.quick else list(training.SUFFIXES)
        count = scale.BATCH * 8 if self.quick else scale.LARGE
        self.say("models and triples")
        self.data = data.make_all(self.scratch, args.data.resolve() / CAPTIONS, models, count)

    def wants(self, name):
        """open_clip in float32 is what all are checked against."""
        return name == "open_clip fp32" or not self.contestants or any(part in name for part in self.contestants)

    def captions(self, count):
        with open(self.data["triples"], encoding="utf-8") as file:
            return [json.loads(line)["caption"] for line in islice(file, count)]

    def say(self, text):
        minutes = (time.monotonic() - self.start) / 60
        print(f"[{minutes:5.1f} min, about {self.minutes_left} left from here] {text}" if self.minutes_left else f"[{minutes:5.1f} min] {text}",
              file=sys.stderr, flush=True)


def machine(threads):
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"processor": name, "cores": len(os.sched_getaffinity(0)), "threads": threads, "memory_gib": round(memory),
            "kernel": platform.release()}


def write_json(path, value):
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(value, indent=1) + "\n")
    partial.rename(path)


def measure(args, results):
    bench = Bench(args)
    names = args.only or list(PARTS)
    for number, name in enumerate(names):
        bench.minutes_left = 0 if args.quick else sum(PARTS[part][2] for part in names[number:])
        load = os.getloadavg()[0]
        started = time.monotonic()
        bench.versions = {"python": platform.python_version()}
        result = PARTS[name][0](bench)
        results[name] = {"result": result, "machine": machine(args.threads), "versions": bench.versions, "quick": args.quick,
                         "minutes": (time.monotonic() - started) / 60, "load_average_before": load,
                         "date": datetime.now(timezone.utc).strftime("%Y-%m-%d")}
        write_json(args.output / "results.json", results)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build/release"), help="folder of the program and bench/")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help=f"folder with {CAPTIONS} and {PHOTOS}")
    parser.add_argument("--output", type=Path, default=Path("build/bench"))
    parser.add_argument("--page", type=Path, default=Path("docs/benchmarks.md"))
    parser.add_argument("--only", type=lambda text: text.split(","), help=f"parts: {','.join(PARTS)}")
    parser.add_argument("--contestants", type=lambda text: text.split(","), help="only those whose names contain one of these")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="of the training step")
    parser.add_argument("--quick", action="store_true", help="tiny batches, one round: shows that all works, measures nothing")
    parser.add_argument("--report", action="store_true", help="measure nothing: make the summary and the page again")
    args = parser.parse_args()
    unknown = set(args.only or []) - set(PARTS)
    if unknown:
        parser.error(f"--only: no part '{', '.join(unknown)}': there are {', '.join(PARTS)}")
    path = args.output / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    if not args.report:
        measure(args, results)
    summary = {key: value for name, (_, summarise, _) in PARTS.items() if name in results
               for key, value in summarise(results[name]["result"]).items()}
    write_json(args.output / "summary.json", summary)
    # What --quick measured is no result.
    if not any(part["quick"] for part in results.values()):
        args.page.write_text(report.page(results, summary))
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
