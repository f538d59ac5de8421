#!/usr/bin/env python3
"""Loading a full-size model: seconds and peak memory, paraclip's beside transformers', in one run.

    .deps/references/bin/python bench/load_model.py --program build/release/paraclip [--rounds 5]

Makes a CLIPModel ViT-L/14 with random weights (1.7 GB) in a temporary folder, then, in turn and in fresh processes:

  both towers   `paraclip inspect`, which loads and hashes both; CLIPModel.from_pretrained
  text tower    `paraclip embed` of one text; CLIPTextModelWithProjection.from_pretrained and one text
  image tower   `paraclip embed` of one picture; CLIPVisionModelWithProjection.from_pretrained and one picture

The file is in the page cache for the timings. Then it is taken out of it, and what the text tower's load has read of it is counted
in the page cache. Python's imports are told apart: the seconds in brackets are those of the whole process.
"""

import argparse
import base64
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHILD = r"""
import resource, sys, time
import torch, transformers
transformers.utils.logging.disable_progress_bar()
kind, model = sys.argv[1:]
started = time.perf_counter()
with torch.no_grad():
    if kind == "both towers":
        loaded = transformers.CLIPModel.from_pretrained(model)
    elif kind == "text tower":
        loaded = transformers.CLIPTextModelWithProjection.from_pretrained(model)
        loaded(input_ids=torch.tensor([[49406, 320, 1929, 49407]]))
    else:
        loaded = transformers.CLIPVisionModelWithProjection.from_pretrained(model)
        loaded(pixel_values=torch.zeros(1, 3, 224, 224))
seconds = time.perf_counter() - started
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""

# One gray pixel.
PICTURE = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==")


def make_model(folder):
    import torch
    import transformers

    tower = dict(hidden_act="quick_gelu", projection_dim=768)
    config = transformers.CLIPConfig(
        projection_dim=768,
        text_config=dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, **tower),
        vision_config=dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16,
                           patch_size=14, **tower))
    torch.manual_seed(1)
    transformers.CLIPModel(config).save_pretrained(folder)
    steps = {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 224}}
    (folder / "preprocessor_config.json").write_text(json.dumps(steps))


def run(command):
    """Seconds of the process and its peak resident memory in bytes, with what it printed."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit status {status}")
    return time.perf_counter() - started, usage.ru_maxrss * 1024, out


def cached_bytes(path):
    out = subprocess.run(["fincore", "--bytes", "--noheadings", "--output", "RES", str(path)], check=True, capture_output=True)
    return int(out.stdout)


def evict(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        model = work / "model"
        print("making a ViT-L/14", file=sys.stderr)
        # In a process of its own: a child's peak counts what its parent had when it was forked.
        maker = multiprocessing.get_context("spawn").Process(target=make_model, args=(model,))
        maker.start()
        maker.join()
        weights = model / "model.safetensors"
        (work / "pictures").mkdir()
        (work / "pictures" / "one.png").write_bytes(PICTURE)
        (work / "text.txt").write_text("a dog\n")

        def ours(kind, output):
            if kind == "both towers":
                return [options.program, "inspect", "--json", model]
            what = ["--texts", work / "text.txt"] if kind == "text tower" else ["--images", work / "pictures"]
            return [options.program, "embed", "-q", "--model", model, *what, "-o", work / output]

        size = weights.stat().st_size
        print(f"{size / 1e9:.2f} GB of weights; median of {options.rounds} rounds; GB are peaks of resident memory\n")
        print(f"{'':14}{'paraclip':>18}{'transformers':>28}{'time':>9}{'memory':>9}")
        for kind in ("both towers", "text tower", "image tower"):
            samples = []
            for number in range(options.rounds + 1):  # The first one warms the page cache.
                seconds, memory, _ = run(ours(kind, f"out-{kind[:4]}-{number}"))
                whole, peak, out = run([sys.executable, "-c", CHILD, kind, model])
                samples.append((seconds, memory / 1e9, float(out.split()[0]), peak / 1e9, whole))
            own, own_gb, theirs, their_gb, whole = (statistics.median(column) for column in zip(*samples[1:]))
            print(f"{kind:14}{own:7.2f} s {own_gb:6.2f} GB{theirs:10.2f} s ({whole:5.2f}){their_gb:7.2f} GB"
                  f"{theirs / own:8.1f}x{their_gb / own_gb:8.2f}x")
        evict(weights)
        left = cached_bytes(weights)
        run(ours("text tower", "out-cold"))
        read = cached_bytes(weights) - left
        print(f"\nthe text tower's load has read {read / 1e9:.2f} of {size / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
