"""What size costs: a batch of 32,768 triples, the loss alone on 65,536, two processes instead of two threads."""

import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys

from contestants import Workers, ratio
from training import BATCH

MODEL = "ViT-B-32"
LARGE = 32768
LOSS_BATCH = 65536
LOSS_WIDTH = 512
PRECISION = "bf16"
MEMORY_GB = 5.5  # What the large batch may take: --memory of `paraclip train`.


def setup(bench, worker, batch):
    bench.versions |= worker.ask(do="setup", model=str(bench.data[MODEL]), triples=str(bench.data["triples"]), precision=PRECISION,
                                 threads=bench.threads, training=True, batch=batch, samples=batch, memory_gb=MEMORY_GB)


def run_large(bench):
    """One step of a large batch between steps of a batch of 256, each in a process of its own."""
    large, small_steps = (64, 1) if bench.quick else (LARGE, 4)
    small = min(BATCH, large // 2)
    with Workers(bench, {"large": "paraclip", "small": "paraclip"}) as workers:
        setup(bench, workers["small"], small)

        def small_seconds():
            replies = [workers["small"].ask(do="step", samples=list(range(i * small, (i + 1) * small))) for i in range(small_steps)]
            return [reply["seconds"] for reply in replies]

        small_seconds()
        before = small_seconds()
        setup(bench, workers["large"], large)
        bench.say(f"a step of {large} triples, after {small_steps} of {small} at {small / statistics.median(before):.1f} a second")
        reply = workers["large"].ask(do="step", samples=list(range(large)))
        bench.say(f"a step of {large} triples: {large / reply['seconds']:.1f} a second")
        return {"batch": large, "seconds": reply["seconds"], "loss": reply["loss"], "peak_gb": workers["large"].peak_gb(),
                "small_batch": small, "small_seconds": before + small_seconds(), "small_peak_gb": workers["small"].peak_gb()}


def run_loss(bench):
    """The three losses with the gradients of all embeddings: seconds, and memory beyond the embeddings, gradients included."""
    batch = 1024 if bench.quick else LOSS_BATCH
    with Workers(bench, {"loss": "paraclip"}) as workers:
        worker = workers["loss"]
        worker.ask(do="embeddings", batch=batch, width=LOSS_WIDTH, threads=bench.threads)
        worker.reset_peak()
        embeddings = worker.memory_gb()
        bench.say(f"the loss of {batch} triples")
        result = worker.ask(do="loss")
        bench.say(f"the loss of {batch} triples: {result['seconds']:.1f} s")
        return result | {"batch": batch, "width": LOSS_WIDTH, "gb": worker.peak_gb() - embeddings}


def run_processes(bench):
    """`paraclip train` with one process of two threads and with two of one, in turn: triples a second of its own log."""
    steps, rounds = (2, 1) if bench.quick else (8, 2)
    batch = 16 if bench.quick else BATCH
    folder = bench.scratch / "processes"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    triples = folder / "triples.jsonl"
    with open(bench.data["triples"], encoding="utf-8") as source:
        triples.write_text("".join(itertools.islice(source, batch * steps)), encoding="utf-8")
    environment = os.environ | {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    launchers = {"one process": ([], bench.threads)}
    launchers[f"{bench.threads} processes"] = (["mpirun", "-n", str(bench.threads), "--bind-to", "none"], 1)
    result = {"batch": batch, "steps": steps, "triples_per_second": {name: [] for name in launchers}, "losses": {}}
    for number in range(rounds):
        for name, (launcher, threads) in launchers.items():
            output = folder / f"{name} {number}".replace(" ", "-")
            command = launcher + [bench.program, "train", "--quiet", "--model", bench.data[MODEL], "--triples", triples,
                                  "--image-embeddings", bench.data[MODEL] / "embeddings", "-o", output, "--epochs", 1, "--batch-size",
                                  batch, "--log-every", 1, "--warmup", 0, "--text-only", "--threads", threads, "--precision", PRECISION]
            done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
            if done.returncode != 0:
                sys.exit(f"bench: {' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}")
            lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
            lines = [line for line in lines if line["kind"] == "train"]
            # The first step sets up what the others use again.
            result["triples_per_second"][name].append(statistics.median(line["triples_per_second"] for line in lines[1:]))
            result["losses"][name] = [line["loss"] for line in lines]
            bench.say(f"{name}: {result['triples_per_second'][name][-1]:.1f} triples a second")
            shutil.rmtree(output)
    one, several = (result["losses"][name] for name in launchers)
    result["loss_difference"] = max(abs(a - b) / a for a, b in zip(one, several, strict=True))
    return result


def summarise_large(result):
    rate = result["batch"] / result["seconds"]
    small = result["small_batch"] / statistics.median(result["small_seconds"])
    return {"batch_32768_share": rate / small, "batch_32768_triples_per_second": rate, "batch_32768_peak_gb": result["peak_gb"]}


def summarise_loss(result):
    return {"loss_65536_gb": result["gb"], "loss_65536_seconds": result["seconds"]}


def summarise_processes(result):
    one, several = result["triples_per_second"].values()
    return {"processes_vs_threads": ratio(several, one)["median"], "processes_triples_per_second": statistics.median(several)}
