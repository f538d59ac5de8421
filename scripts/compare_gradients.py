#!/usr/bin/env python3
"""Every gradient of one step on a full-size ViT-B/32, computed in several ways that must agree.

    .deps/references/bin/python scripts/compare_gradients.py --build BUILD --data ../shared/data

    memory      all activations kept, against as few as the memory allows (the gradient cache)
    processes   one process with two threads, against two with one each (mpirun)
    precision   fp32 against bf16: how far bf16 is off, for comparison; no tolerance
    padding     packed, against open_clip padded to 77 positions

Prints, for each, the largest difference of any gradient, relative to the largest element of its tensor, and the median over
tensors; exits with 1 where one is beyond its tolerance (docs/parity.md).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from safetensors.torch import load_file

import parity_models
import parity_training

BATCH, PADDED_BATCH = 256, 32
TOLERANCES = {"memory": 0.0, "processes": 2e-5, "precision": float("inf"), "padding": 5e-5}
RANKS = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def differences(ours, theirs):
    """Of each tensor: the largest difference relative to the largest element."""
    if ours.keys() != theirs.keys():
        raise RuntimeError(f"gradients of one side only: {sorted(ours.keys() ^ theirs.keys())}")
    return {name: ((ours[name] - value).abs().max() / value.abs().max().clamp_min(1e-30)).item() for name, value in theirs.items()}


class Dump:
    def __init__(self, build, checkpoint, data):
        self.program, self.model, self.data = build / "tests/train/dump_gradients", checkpoint.path, data

    def __call__(self, batch=BATCH, precision="fp32", memory=0, processes=1):
        """The loss and the gradients."""
        file = Path("gradients.safetensors").absolute()
        command = [self.program, self.model, self.data, batch, precision, memory, file]
        environment = os.environ | RANKS | {"OMP_NUM_THREADS": str(2 // processes)}
        if processes > 1:
            command = ["mpirun", "-n", processes, "--bind-to", "none", *command]
        done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout)["loss"], load_file(file)

    def least_memory(self):
        """The least that is not refused, in steps of 50 MB."""
        memory = 500_000_000
        while True:
            try:
                return memory, self(memory=memory)
            except RuntimeError as error:
                if "--memory" not in str(error):
                    raise
                memory += 50_000_000


def padded_gradients(checkpoint, records, images):
    """Of open_clip, padded, over the first triples."""
    trainer, found = parity_training.Trainer(checkpoint.reference, records, images, 0.0, 0, 1), {}
    loss, _ = trainer.step(list(range(PADDED_BATCH)), lambda gradients: found.update({k: v.clone() for k, v in gradients.items()}))
    return loss, found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, type=Path, help="folder with tests/")
    parser.add_argument("--data", required=True, type=Path)
    args = parser.parse_args()
    build, triples = args.build.resolve(), args.data.resolve() / "flickr8k/triples_llm.jsonl"
    parity_models.quiet()
    failed = False
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        checkpoint = parity_models.folder_form("ViT-B-32")(Path(work))
        records, images = parity_training.write_data(Path("data"), triples, BATCH, 512)
        dump = Dump(build, checkpoint, Path("data").absolute())

        def row(name, what, first, second):
            nonlocal failed
            each = differences(second[1], first[1])
            worst = max(each, key=each.get)
            failed |= not each[worst] <= TOLERANCES[name]
            print(f"{name:10} {what:44} loss {abs(second[0] / first[0] - 1):.1e}  largest {each[worst]:.1e} (tolerance {TOLERANCES[name]:.0e})"
                  f"  median {statistics.median(each.values()):.1e}  in {worst}", flush=True)

        print(f"{len(checkpoint.reference.trained())} gradients of a step, ViT-B/32, relative differences:\n", flush=True)
        plain = dump()
        memory, least = dump.least_memory()
        row("memory", f"batch {BATCH}: any, and {memory / 1e9:.2f} GB", plain, least)
        row("processes", f"batch {BATCH}: 1, and 2", plain, dump(processes=2))
        row("precision", f"batch {BATCH}: fp32, and bf16", plain, dump(precision="bf16"))
        row("padding", f"batch {PADDED_BATCH}: open_clip padded to 77, and packed", padded_gradients(checkpoint, records, images), dump(batch=PADDED_BATCH))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
