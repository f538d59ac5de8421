"""The training step of all contestants in alternation, and the bare matrix products of that step."""

import statistics
import time

from contestants import Workers, compare, ratio, turns

BATCH = 256
CHECKED = 32
# By name: worker, precision, further options of its setup, the sizes of micro-batches (in triples) that it may choose from.
PADDED_TRIPLES = 32
PADDED = (8, 32)
TRIMMED = (32, 64, 128)  # 256 takes 10 GB, which does not fit beside the other contestants.
CONTESTANTS = {
    "open_clip fp32": ("peer_open_clip.py", "fp32", {}, PADDED),
    "open_clip bf16": ("peer_open_clip.py", "bf16", {}, PADDED),
    "open_clip fp32, compiled": ("peer_open_clip.py", "fp32", {"compile": True}, (CHECKED,)),
    "open_clip bf16, compiled": ("peer_open_clip.py", "bf16", {"compile": True}, (CHECKED,)),
    "transformers fp32": ("peer_transformers.py", "fp32", {}, PADDED),
    "transformers bf16": ("peer_transformers.py", "bf16", {}, PADDED),
    "trimmed fp32": ("peer_trimmed.py", "fp32", {}, TRIMMED),
    "trimmed bf16": ("peer_trimmed.py", "bf16", {}, TRIMMED),
    "paraclip fp32": ("paraclip", "fp32", {}, (BATCH,)),
    "paraclip bf16": ("paraclip", "bf16", {}, (BATCH,)),
}
# What is run of a model: L/14 without the peers that B/32 has shown to be no faster than open_clip.
OF_MODEL = {"ViT-B-32": list(CONTESTANTS),
            "ViT-L-14": [name for name in CONTESTANTS if "compiled" not in name and "transformers" not in name]}
SUFFIXES = {"ViT-B-32": "", "ViT-L-14": "_l14"}
TOLERANCES = {"fp32": 1e-5, "bf16": 2e-2}
KINDS = {"fp32": ("libtorch", "onednn", "own"), "bf16": ("libtorch", "own")}


def measured(name, batch):
    """How many of a batch's triples a round of this contestant computes: of the padded ones, which take long, a part."""
    return min(PADDED_TRIPLES, batch) if CONTESTANTS[name][3] is not TRIMMED and CONTESTANTS[name][0] != "paraclip" else batch


def first_steps(worker, name, batch):
    """Warms up, and chooses the fastest size of micro-batch. Returns it, with the seconds of the first step."""
    count = measured(name, batch)
    sizes = [size for size in CONTESTANTS[name][3] if size <= count] or [count]
    samples, first, rates = list(range(count)), None, {}
    for size in sizes:
        # Twice where there is a choice: the first step with new shapes sets up the libraries.
        for _ in range(2 if len(sizes) > 1 else 1):
            reply = worker.ask(do="step", samples=samples, of=batch, micro_batch=size)
            rates[size] = reply["seconds"]
            first = first or reply["seconds"]
    return min(rates, key=rates.get), first


def product_rates(worker, precision, tokens, quick):
    """GFLOP/s of the blocks' products: all of them together, and the best one."""
    result = {}
    for kind in KINDS[precision]:
        reply = worker.ask(do="products", precision=precision, tokens=tokens, kind=kind, repeats=1 if quick else 3)
        times = [(entry["flops"], statistics.median(entry["seconds"])) for entry in reply["products"]]
        result[kind] = {"average": sum(flops for flops, _ in times) / sum(seconds for _, seconds in times) / 1e9,
                        "best": max(flops / seconds for flops, seconds in times) / 1e9}
    return result


def start_contestant(bench, model, name, worker, part, reference):
    """Loads, checks and warms up. Returns what the contestant computed, and its entry in the results."""
    _, precision, options, _ = CONTESTANTS[name]
    bench.say(f"{model}: {name}: loading, checking, warming up")
    bench.versions |= worker.ask(do="setup", model=str(bench.data[model]), triples=str(bench.data["triples"]), precision=precision,
                                 threads=bench.threads, training=True, batch=part["batch"],
                                 samples=max(CHECKED, part["batch"] * part["rounds"]), **options)
    start = time.perf_counter()
    reply = worker.ask(do="check", samples=list(range(CHECKED)), captions=bench.captions(CHECKED))
    checking = time.perf_counter() - start
    differences = compare(name, reply, reference or reply, TOLERANCES[precision])
    size, first = first_steps(worker, name, part["batch"])
    worker.give_memory_back()
    worker.reset_peak()
    return reply, {"micro_batch": size, "measured": measured(name, part["batch"]), "check": differences, "precision": precision,
                   "first_seconds": checking + first, "seconds": [], "triples_per_second": [], "loss": []}


def take_turn(bench, model, name, worker, entry, part, number):
    """One contestant's step in round `number`."""
    batch, count = part["batch"], entry["measured"]
    samples = list(range(number * batch, number * batch + count))
    reply = worker.ask(do="step", samples=samples, of=batch, micro_batch=entry["micro_batch"])
    seconds = reply["seconds"] * batch / count + reply["update_seconds"]
    for key, value in (("seconds", seconds), ("loss", reply["loss"]), ("triples_per_second", batch / seconds)):
        entry[key].append(value)
    if "needed_flops" in reply and len(part["needed_flops"]) == number:
        part["needed_flops"].append(reply["needed_flops"])
        part["text_tokens"].append(reply["text_tokens"])
    bench.say(f"{model}: round {number + 1} of {part['rounds']}: {name}: {batch / seconds:.1f} triples a second")


def run_model(bench, model, names):
    """One precision after the other: all contestants at once would not fit into 24 GiB."""
    part = {"batch": 16 if bench.quick else BATCH, "rounds": 1 if bench.quick else bench.rounds, "contestants": {},
            "needed_flops": [], "text_tokens": [], "products": {precision: [] for precision in KINDS}}
    entries, reference = part["contestants"], None
    for precision in KINDS:
        group = {name: CONTESTANTS[name][0] for name in names if CONTESTANTS[name][1] == precision}
        with Workers(bench, group) as workers:
            for name, worker in workers.items():
                reply, entries[name] = start_contestant(bench, model, name, worker, part, reference)
                reference = reference or reply  # The first contestant is open_clip in float32.
            for number in range(part["rounds"]):
                for name in turns(workers, number):
                    take_turn(bench, model, name, workers[name], entries[name], part, number)
                ours = workers.get(f"paraclip {precision}")
                if ours:
                    part["products"][precision].append(product_rates(ours, precision, part["text_tokens"][number], bench.quick))
            for name, worker in workers.items():
                entries[name]["peak_gb"] = worker.peak_gb()
    return part


def run(bench):
    models = ["ViT-B-32"] if bench.quick else list(OF_MODEL)
    result = {}
    for model in models:
        names = OF_MODEL[model]
        if bench.quick:
            names = [name for name in names if "compiled" not in name]
        result[model] = run_model(bench, model, [name for name in names if bench.wants(name)])
    return result


def summarise(result):
    """The flat keys of summary.json, with their ratios' spread."""
    keys = {}
    for model, part in result.items():
        suffix, contestants = SUFFIXES[model], part["contestants"]
        rates = {name: entry["triples_per_second"] for name, entry in contestants.items()}
        for name, entry in contestants.items():
            plain = name.replace(",", "").replace(" ", "_")
            keys[f"triples_per_second_{plain}{suffix}"] = statistics.median(rates[name])
            keys[f"train_peak_gb_{plain}{suffix}"] = entry["peak_gb"]
        for precision in KINDS:
            ours = rates.get(f"paraclip {precision}")
            if not ours:
                continue
            for peer, key in (("open_clip {}", "open_clip"), ("open_clip {}, compiled", "open_clip_compiled"),
                              ("transformers {}", "transformers"), ("trimmed {}", "trimmed")):
                theirs = rates.get(peer.format(precision))
                if theirs:
                    keys[f"train_{precision}_vs_{key}{suffix}"] = ratio(ours, theirs)["median"]
            reached = [flops / seconds / 1e9 for flops, seconds in zip(part["needed_flops"], contestants[f"paraclip {precision}"]["seconds"])]
            for kind, key in (("libtorch", "peak"), ("onednn", "onednn_peak"), ("own", "own_peak")):
                rows = [rates[kind]["average"] for rates in part["products"][precision] if kind in rates]
                if rows:
                    keys[f"train_{precision}_{key}_share{suffix}"] = ratio(reached, rows)["median"]
    return keys
