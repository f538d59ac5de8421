"""docs/benchmarks.md from the results of bench/run.py. Every figure in it is read from them."""

import statistics

import report_text
from contestants import ratio

PEERS = ("open_clip {}", "open_clip {}, compiled", "transformers {}", "onnx fp32", "trimmed {}")


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def spread(values, digits=1):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def times(found):
    return f"{found['median']:.2f} ({found['min']:.2f} to {found['max']:.2f})"


def ratios(ours_of, better, precisions=("fp32", "bf16")):
    """How many times faster than each peer: rows of a table. `better(ours, theirs)` gives the ratio."""
    rows = []
    for peer in PEERS:
        cells = []
        for precision in precisions:
            ours, theirs = ours_of.get(f"paraclip {precision}"), ours_of.get(peer.format(precision))
            cells.append(times(better(ours, theirs)) if ours and theirs else "")
        if any(cells):
            rows.append([peer.replace(" {}", "")] + cells)
    return rows


def training_section(result):
    out = [report_text.TRAINING.format(batch=next(iter(result.values()))["batch"])]
    for model, part in result.items():
        contestants = part["contestants"]
        rates = {name: entry["triples_per_second"] for name, entry in contestants.items()}
        rows = [[name, spread(rates[name]), f"{entry['peak_gb']:.1f}", str(entry["micro_batch"]), str(entry["measured"]),
                 f"{entry['check']['loss']:.0e}", f"{entry['check']['embeddings']:.0e}"] for name, entry in contestants.items()]
        tokens = statistics.mean(part["text_tokens"]) / part["batch"] / 3 if part["text_tokens"] else 0
        out.append(f"### {model}\n\n{part['rounds']} rounds, medians (least to greatest); {tokens:.1f} tokens in a text.\n\n" +
                   table(("", "triples a second", "peak memory, GB", "micro-batch", "triples measured", "loss differs", "embeddings differ"),
                         rows))
        out.append("How many times as fast paraclip is, of the rounds' own ratios:\n\n" +
                   table(("against", "fp32", "bf16"), ratios(rates, ratio)))
        compiled = [f"{name} {entry['first_seconds']:.0f} s" for name, entry in contestants.items() if "compiled" in name]
        if compiled:
            out.append(f"The first calls, which compile, are not counted; they took: {'; '.join(compiled)}.")
        out.append(products_table(part))
    return "\n\n".join(out)


def products_table(part):
    rows = []
    for precision, rounds in part["products"].items():
        ours = part["contestants"].get(f"paraclip {precision}")
        if not rounds or not ours:
            continue
        reached = [flops / seconds / 1e9 for flops, seconds in zip(part["needed_flops"], ours["seconds"])]
        rows.append([f"the whole step, {precision}", spread(reached, 0), "", ""])
        for kind in rounds[0]:
            averages = [rates[kind]["average"] for rates in rounds]
            rows.append([f"products alone, {precision}, {report_text.KINDS[kind]}", spread(averages, 0),
                         f"{max(rates[kind]['best'] for rates in rounds):.0f}", times(ratio(reached, averages))])
    return table(("", "GFLOP/s", "best shape", "the step's share of it"), rows)


def query_section(result):
    out = []
    for model, part in result.items():
        contestants = part["contestants"]
        rows = [[name, f"{entry['median_ms']:.2f}", f"{entry['p99_ms']:.2f}", f"{entry['min_ms']:.2f}"]
                for name, entry in contestants.items()]
        medians = {name: [statistics.median(turn) for turn in entry["turns"]] for name, entry in contestants.items()}
        out.append(report_text.QUERY.format(model=model, query=part["query"], calls=part["calls"]) + "\n\n" +
                   table(("", "median, ms", "99th percentile, ms", "least, ms"), rows) +
                   "\n\nHow many times as fast paraclip is, of the turns' own medians:\n\n" +
                   table(("against", "fp32", "bf16"), ratios(medians, lambda ours, theirs: ratio(theirs, ours))))
    return "\n\n".join(out)


def large_section(result):
    small = [result["small_batch"] / seconds for seconds in result["small_seconds"]]
    rate = result["batch"] / result["seconds"]
    return report_text.LARGE + "\n\n" + table(
        ("batch", "triples a second", "peak memory of the process, GB"),
        [[f"{result['small_batch']}", spread(small), f"{result['small_peak_gb']:.2f}"],
         [f"{result['batch']}", f"{rate:.1f}, {100 * rate / statistics.median(small):.0f}% of the median above", f"{result['peak_gb']:.2f}"]])


def loss_section(result):
    return report_text.LOSS.format(**result)


def processes_section(result):
    rows = [[name, spread(rates)] for name, rates in result["triples_per_second"].items()]
    return report_text.PROCESSES.format(**result) + "\n\n" + table(("", "triples a second"), rows)


def kernels_section(result):
    """Benchmarks are named WHAT/WHO; those that differ in WHO alone share a row."""
    rows = {}
    for name, entry in result.items():
        what, who = name.split("/")
        rows.setdefault(what, {})[who] = entry["microseconds"]
    heads = sorted({who for row in rows.values() for who in row}, key=lambda who: who != "paraclip")
    cells = [[name] + [spread(row[who], 0) if who in row else "" for who in heads] for name, row in sorted(rows.items())]
    return report_text.KERNELS + "\n\n" + table(["µs"] + heads, cells)


def embed_section(result):
    rows = [[name, f"{value:.1f}", f"{value / result['medians']['open_clip fp32, loop']:.2f}"] for name, value in result["medians"].items()]
    return report_text.EMBED.format(**result) + "\n\n" + table(("", "images a second", "against open_clip's fp32 loop"), rows)


def load_section(result):
    return report_text.LOAD + "\n\n" + "\n".join("    " + line if line else "" for line in result["table"].rstrip().splitlines())


SECTIONS = {"train": ("The training step", training_section), "large": ("Large batches", large_section), "loss": (None, loss_section),
            "processes": ("Processes and threads", processes_section), "query": ("One query", query_section),
            "kernels": ("Kernels", kernels_section), "embed": ("Images", embed_section), "load": ("Loading a model", load_section)}


def page(results, summary):
    parts = [report_text.HEAD + conditions(results)]
    for name, (title, section) in SECTIONS.items():
        if name in results:
            parts.append((f"## {title}\n\n" if title else "") + section(results[name]["result"]))
    parts.append(report_text.SUMMARY + "\n\n" + table(("key", "value"), [[f"`{key}`", f"{value:.4g}"] for key, value in summary.items()
                                                                          if "_vs_" in key or "share" in key or "batch_" in key or "loss_" in key]))
    return "\n\n".join(parts) + "\n"


def conditions(results):
    """Where and with what the parts were measured: one line where they agree."""
    lines = {}
    for name, part in results.items():
        where = part["machine"]
        line = (f"{where['processor']}, {where['cores']} cores, {where['threads']} threads, {where['memory_gib']} GiB of memory, "
                f"Linux {where['kernel']}")
        lines.setdefault(line, []).append(name)
    versions = {}
    for part in results.values():
        versions |= part["versions"]
    measured = "; ".join(f"{line} ({', '.join(names)})" if len(lines) > 1 else line for line, names in lines.items())
    dates = sorted({part["date"] for part in results.values()})
    minutes = sum(part["minutes"] for part in results.values())
    return (f"Measured on: {measured}. {', '.join(f'{name} {version}' for name, version in sorted(versions.items()))}. "
            f"{' and '.join(dates)}, {minutes:.0f} minutes in all.")
