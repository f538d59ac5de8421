"""The latency of one query: from a text of ten words to its unit embedding, one at a time."""

import statistics

from contestants import Workers, compare, percentile, ratio, turns
from training import CHECKED, SUFFIXES, TOLERANCES

QUERY = "a small brown dog runs across the green summer meadow"
# By name: worker, precision, further options of its setup.
CONTESTANTS = {
    "open_clip fp32": ("peer_open_clip.py", "fp32", {}),
    "open_clip bf16": ("peer_open_clip.py", "bf16", {}),
    "open_clip fp32, compiled": ("peer_open_clip.py", "fp32", {"compile": True}),
    "open_clip bf16, compiled": ("peer_open_clip.py", "bf16", {"compile": True}),
    "transformers fp32": ("peer_transformers.py", "fp32", {}),
    "transformers bf16": ("peer_transformers.py", "bf16", {}),
    "onnx fp32": ("peer_onnx.py", "fp32", {}),
    "trimmed fp32": ("peer_trimmed.py", "fp32", {}),
    "trimmed bf16": ("peer_trimmed.py", "bf16", {}),
    "paraclip fp32": ("paraclip", "fp32", {}),
    "paraclip bf16": ("paraclip", "bf16", {}),
}
CALLS = 10  # Of a contestant in one turn.
WARM_UP = 5


def run_model(bench, model, names):
    turns_of_each = 2 if bench.quick else 24
    result = {"query": QUERY, "calls": CALLS * turns_of_each, "contestants": {}}
    with Workers(bench, {name: CONTESTANTS[name][0] for name in names}) as workers:
        reference = None
        for name, worker in workers.items():
            _, precision, options = CONTESTANTS[name]
            bench.say(f"{model}: queries: {name}: loading, checking, warming up")
            versions = worker.ask(do="setup", model=str(bench.data[model]), triples=str(bench.data["triples"]), precision=precision,
                                  threads=bench.threads, training=False, samples=CHECKED, **options)
            bench.versions |= versions
            reply = worker.ask(do="check", samples=list(range(CHECKED)), captions=bench.captions(CHECKED))
            reference = reference or reply  # The first contestant is open_clip in float32.
            differences = compare(name, reply, reference, TOLERANCES[precision])
            worker.ask(do="query", text=QUERY, count=WARM_UP)
            result["contestants"][name] = {"precision": precision, "check": differences, "turns": []}
        for number in range(turns_of_each):
            for name in turns(names, number):
                result["contestants"][name]["turns"].append(workers[name].ask(do="query", text=QUERY, count=CALLS)["seconds"])
            bench.say(f"{model}: queries: turn {number + 1} of {turns_of_each}")
        for name, worker in workers.items():
            entry = result["contestants"][name]
            calls = [seconds for turn in entry["turns"] for seconds in turn]
            entry |= {"median_ms": 1000 * statistics.median(calls), "p99_ms": 1000 * percentile(calls, 0.99),
                      "min_ms": 1000 * min(calls), "peak_gb": worker.peak_gb()}
    return result


def run(bench):
    models = ["ViT-B-32"] if bench.quick else list(SUFFIXES)
    result = {}
    for model in models:
        # Compiling says nothing new of the larger model.
        names = [name for name in CONTESTANTS if bench.wants(name) and not ("compiled" in name and (bench.quick or model != "ViT-B-32"))]
        result[model] = run_model(bench, model, names)
    return result


def summarise(result):
    keys = {}
    for model, part in result.items():
        suffix, contestants = SUFFIXES[model], part["contestants"]
        medians = {name: [statistics.median(turn) for turn in entry["turns"]] for name, entry in contestants.items()}
        for name, entry in contestants.items():
            plain = name.replace(",", "").replace(" ", "_")
            keys[f"query_ms_{plain}{suffix}"] = entry["median_ms"]
            keys[f"query_p99_ms_{plain}{suffix}"] = entry["p99_ms"]
        for precision in ("fp32", "bf16"):
            ours = f"paraclip {precision}"
            if ours not in medians:
                continue
            for peer, key in ((f"open_clip {precision}", "open_clip"), (f"open_clip {precision}, compiled", "open_clip_compiled"),
                              (f"transformers {precision}", "transformers"), ("onnx fp32", "onnx"), (f"trimmed {precision}", "trimmed")):
                if peer in medians:
                    keys[f"query_{precision}_vs_{key}{suffix}"] = ratio(medians[peer], medians[ours])["median"]
    return keys
