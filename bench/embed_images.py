#!/usr/bin/env python3
"""Images a second: `paraclip embed` against open_clip, ViT-B/32 with random weights, the same photos, in alternation.

    .deps/references/bin/python bench/embed_images.py --program build/release/paraclip --photos FOLDER

A rate covers all that is done once the model is in memory: reading, decoding, preprocessing, computing, normalising and
writing the embeddings as float16. Loading the model is left out on both sides. open_clip runs in float32, under bfloat16
autocast and wholly in bfloat16, each as a plain loop and with a DataLoader of two workers; its best counts for each
precision. Every run is a process of its own; the order of the contestants turns with each round; medians are compared.
Writes build/bench/embed.json.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from data import make_model

THREADS = 2
PEERS = {f"open_clip {precision}, {'DataLoader' if workers else 'loop'}": (precision, workers)
         for precision in ("fp32", "bf16 autocast", "bf16") for workers in (0, 2)}
PROGRAM = {"paraclip fp32": "fp32", "paraclip bf16": "bf16"}


def run_peer(folder, photos, precision, workers, batch_size, out):
    """In a process of its own: seconds from the first file to the embeddings on the disk."""
    import numpy as np
    import open_clip
    import torch
    from PIL import Image

    torch.set_num_threads(THREADS)
    model, transform = open_clip.create_model_from_pretrained(f"local-dir:{folder}", precision="bf16" if precision == "bf16" else "fp32")
    model.eval()
    files = sorted(photos.glob("*.jpg"))

    class Photos(torch.utils.data.Dataset):
        def __len__(self):
            return len(files)

        def __getitem__(self, index):
            return transform(Image.open(files[index]))

    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16 autocast"):
        start = time.perf_counter()
        if workers:
            batches = torch.utils.data.DataLoader(Photos(), batch_size=batch_size, num_workers=workers)
        else:
            batches = (torch.stack([transform(Image.open(file)) for file in files[i:i + batch_size]])
                       for i in range(0, len(files), batch_size))
        rows = []
        for pixels in batches:
            features = model.encode_image(pixels.bfloat16() if precision == "bf16" else pixels)
            rows.append(torch.nn.functional.normalize(features.float(), dim=-1))
        np.save(out, torch.cat(rows).half().numpy())
        return time.perf_counter() - start


def time_peer(folder, photos, precision, workers, batch_size, scratch):
    command = [sys.executable, __file__, "--peer", precision, "--workers", str(workers), "--batch-size", str(batch_size),
               "--model", folder, "--photos", photos, "--out", scratch / "peer.npy"]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": str(THREADS)})
    return float(out.stdout.split()[-1])


def time_program(program, folder, photos, precision, batch_size, scratch):
    out = scratch / f"{precision}-{time.monotonic_ns()}"
    command = [program, "embed", "--quiet", "--json", "--model", folder, "--images", photos, "-o", out, "--precision", precision,
               "--batch-size", str(batch_size), "--workers", str(THREADS)]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": str(THREADS)})
    return json.loads(result.stdout)["seconds"]


def make_photos(source, folder, count):
    from PIL import Image

    folder.mkdir()
    photos = sorted(source.rglob("*.jpg"))
    if not photos:
        sys.exit(f"no *.jpg in {source}")
    for i in range(count):
        image = Image.open(photos[i % len(photos)]).convert("RGB")
        image.resize((500, 375), Image.Resampling.LANCZOS).save(folder / f"{i:05}.jpg", quality=90)


def machine():
    name = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                 if line.startswith("model name")), platform.processor())
    return f"{name}, {len(os.sched_getaffinity(0))} threads"


def measure(args, scratch):
    folder, photos = scratch / "model", scratch / "photos"
    make_model("ViT-B-32", folder)
    make_photos(args.photos, photos, args.count)
    contestants = {name: lambda p=p, w=w: time_peer(folder, photos, p, w, args.batch_size, scratch) for name, (p, w) in PEERS.items()}
    contestants |= {name: lambda p=p: time_program(args.program, folder, photos, p, args.batch_size, scratch)
                    for name, p in PROGRAM.items()}
    rates, loads = {name: [] for name in contestants}, []
    names = list(contestants)
    for turn in range(args.rounds):
        loads.append(os.getloadavg()[0])
        for i in range(len(names)):
            name = names[(i + turn * len(names) // args.rounds) % len(names)]
            rates[name].append(args.count / contestants[name]())
            print(f"round {turn + 1}: {name}: {rates[name][-1]:.1f}", file=sys.stderr)
    return rates, loads


def report(rates, loads, args):
    medians = {name: statistics.median(values) for name, values in rates.items()}
    best = {}
    for name, (precision, _) in PEERS.items():
        best[precision] = max(best.get(precision, 0), medians[name])
    fastest = max(best.values())
    result = {"machine": machine(), "images": args.count, "batch_size": args.batch_size, "rounds": args.rounds,
              "load_average_before_rounds": loads, "images_per_second": rates, "medians": medians,
              "fp32_ratio": medians["paraclip fp32"] / best["fp32"], "bf16_ratio": medians["paraclip bf16"] / fastest}
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{result['machine']}; {args.count} JPEGs of 500x375, ViT-B/32, batches of {args.batch_size}, medians of {args.rounds} rounds\n")
    print("| | images a second | against open_clip's fp32 | against its fastest |\n|---|---|---|---|")
    for name, value in medians.items():
        print(f"| {name} | {value:.1f} | {value / best['fp32']:.2f} | {value / fastest:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path)
    parser.add_argument("--photos", required=True, type=Path)
    parser.add_argument("--count", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--output", type=Path, default=Path("build/bench/embed.json"))
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--model", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer:
        print(run_peer(args.model, args.photos, args.peer, args.workers, args.batch_size, args.out))
        return
    args.program = args.program.resolve()
    with tempfile.TemporaryDirectory() as name:
        report(*measure(args, Path(name)), args)


if __name__ == "__main__":
    main()
