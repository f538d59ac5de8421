"""The kernels beside libtorch's own operators, by Google Benchmark (bench/kernels.cc)."""

import json
import os
import subprocess


def run(bench):
    out = bench.scratch / "kernels.json"
    command = [bench.kernels, f"--benchmark_out={out}", "--benchmark_out_format=json",
               f"--benchmark_min_time={0.02 if bench.quick else 0.3}", f"--benchmark_repetitions={1 if bench.quick else 3}",
               # In turn instead of one after the other, so that a disturbance meets all.
               "--benchmark_enable_random_interleaving=true"]
    bench.say("kernels")
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL,
                   env=os.environ | {"OMP_NUM_THREADS": str(bench.threads)})
    samples = {}
    for entry in json.loads(out.read_text())["benchmarks"]:
        if entry["run_type"] == "iteration":
            samples.setdefault(entry["run_name"].removesuffix("/real_time"), []).append(entry["real_time"])
    return {name: {"microseconds": values} for name, values in samples.items()}


def summarise(_):
    return {}
