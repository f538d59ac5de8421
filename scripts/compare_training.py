#!/usr/bin/env python3
"""`paraclip train` on a full-size ViT-B/32 against a training loop of open_clip's parts: the same batches, initial weights and
hyper-parameters.

    .deps/references/bin/python scripts/compare_training.py --build BUILD --data ../shared/data

Prints the losses of 20 steps and exits with 1 where they differ by more than the tolerance (docs/parity.md), or where open_clip
does not load what was saved or embeds texts with it differently.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

import parity_models
import parity_training

BATCH, STEPS, RATE, WARMUP = 32, 20, 1e-4, 5
TOLERANCE = 1e-5  # Relative, of a loss and of a gradient norm.
TUNED_TOLERANCE = 2e-6  # Of an element of a unit vector.


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, type=Path, help="folder with the program and tests/")
    parser.add_argument("--data", required=True, type=Path)
    args = parser.parse_args()
    build, triples = args.build.resolve(), args.data.resolve() / "flickr8k/triples_llm.jsonl"
    parity_models.quiet()
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        data, output = Path("data"), Path("output")
        checkpoint = parity_models.folder_form("ViT-B-32")(Path(work))
        records, images = parity_training.write_data(data, triples, STEPS * BATCH, 512)
        order = parity_training.dump(build / "tests/train/dump_training", checkpoint, data, BATCH, RATE, WARMUP)["samples"]
        command = [build / "paraclip", "train", "--quiet", *checkpoint.options(), "--triples", data / "triples.jsonl",
                   "--image-embeddings", data / "embeddings", "-o", output, "--batch-size", BATCH, "--epochs", 1, "--lr", RATE,
                   "--warmup", WARMUP, "--log-every", 1]
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
        records_of_steps = map(json.loads, (output / "metrics.jsonl").read_text().splitlines())
        ours = [record for record in records_of_steps if record["kind"] == "train"]

        print(f"`paraclip train`, ViT-B/32, batch {BATCH}, against open_clip's ClipLoss three times, AdamW and schedule:\n")
        print("step  loss, paraclip  loss, open_clip  gradient norm, paraclip  open_clip", flush=True)
        trainer = parity_training.Trainer(checkpoint.reference, records, images, RATE, WARMUP, STEPS)
        worst = 0
        for step, (record, samples) in enumerate(zip(ours, order, strict=True)):
            loss, norm = trainer.step(samples)
            worst = max(worst, abs(record["loss"] / loss - 1), abs(record["grad_norm"] / norm - 1))
            print(f"{step + 1:4}  {record['loss']:14.6f}  {loss:15.6f}  {record['grad_norm']:23.6f}  {norm:9.6f}", flush=True)

        tuned = parity_models.load_open_clip((output / "last").resolve())
        texts = [record["caption"] for record in records[:32]]
        Path("texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
        out = subprocess.run([build / "tests/clip/dump_embeddings", output / "last", "-", "fp32", "texts", "texts.txt"], check=True,
                             stdout=subprocess.PIPE).stdout
        with torch.inference_mode():
            theirs = torch.nn.functional.normalize(tuned.text(tuned.tokenize(texts)), dim=-1).numpy()
        difference = np.abs(np.frombuffer(out, dtype=np.float32).reshape(theirs.shape) - theirs).max()
        print(f"\nlargest relative difference {worst:.1e} (tolerance {TOLERANCE:.0e})")
        print(f"saved and loaded by open_clip: texts differ by {difference:.1e} (tolerance {TUNED_TOLERANCE:.0e})")
    return 0 if worst <= TOLERANCE and difference <= TUNED_TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
