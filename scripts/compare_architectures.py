#!/usr/bin/env python3
"""Checkpoints of every architecture at full size, with random weights, in every form: paraclip's numbers against the library's
whose form it is.

    .deps/references/bin/python scripts/compare_architectures.py --build BUILD --data ../shared/data [--only NAME,...]

One row a checkpoint (scripts/parity_models.py), which the library makes, saves and runs:

    ids     lists of token ids that differ, of real captions and odd texts
    text    text embeddings, unit vectors: largest difference
    image   image embeddings of photos, from their files, unit vectors: largest difference
    loss    of a ParaCLIP step over real triples: difference
    grad    every gradient of that step: largest difference, relative to the largest element of its tensor
    steps   ten training steps: largest difference of a loss
    back    `paraclip convert` to the other family and back: tensors that are not the same bit for bit
    other   what was converted, in the other library, loaded with no key missing or left over: as text and image
    tuned   what saving gives after the ten steps, in the library itself: likewise

A number beyond its tolerance (docs/parity.md says why it is what it is) is marked with "!", and makes the exit status 1.
"""

import argparse
import gc
import os
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

import parity_models
import parity_training
import real_captions

# The order of the columns.
TOLERANCES = {"ids": 0, "text": 2e-6, "image": 2e-6, "loss": 1e-5, "grad": 5e-5, "steps": 5e-5, "back": 0, "other": 2e-6,
              "tuned": 2e-6}
# By the size of a model: texts, photos, triples a step, learning rate. At 1e-4 the loss of random H/14 weights leaps from 2.3 to 8.1
# in a step, and what is rounding before is 4e-4 after.
AMOUNTS = {"B": (100, 8, 4, 1e-4), "L": (40, 4, 3, 1e-4), "H": (30, 2, 3, 1e-5)}
WARMUP, STEPS = 3, 10
CAPTIONS = 2000  # Whose ids are compared.

# With special tokens written out, of which a text may have several: the first end token is the one that counts. {start} and {end}
# are those of the family (open_clip's family also takes OpenAI's spelling, which open_clip itself does not: docs/tokenizer.md).
ODD_TEXTS = [
    "a dog {end} runs on the beach", "a dog {end} runs {end} on the beach{end}", "{start} {start} a cat", "{end}", "", " ",
    "two </s> sentences <s> and <pad> a pad <mask>", "  Two   dogs\u2019 owners;  it&#39;s &amp; \u2026 cold\t",
    "caf\u00e9 \u4e2d\u6587 \U0001F436\U0001F3FD \u0130stanbul \ufb01ne \uff21\uff22\uff23",
    "I'm we're THEY'LL O'Neill's 3,000.50$ #tag @you http://x.y/z?a=b", "word " * 200, "supercalifragilisticexpialidocious" * 8,
]
SPECIALS = {"open_clip": ("<start_of_text>", "<end_of_text>"), "hf": ("<|startoftext|>", "<|endoftext|>")}


def say(message):
    print(message, file=sys.stderr, flush=True)


class Comparison:
    """One checkpoint's row."""

    def __init__(self, args, inputs, size, work, checkpoint):
        self.args, self.inputs, self.work, self.checkpoint = args, inputs, work, checkpoint
        texts, photos, self.batch, self.rate = AMOUNTS[size]
        start, end = SPECIALS[checkpoint.family]
        self.odd_texts = [text.replace("{start}", start).replace("{end}", end) for text in ODD_TEXTS]
        self.texts = self.odd_texts + inputs.captions[:texts]
        self.photos = inputs.photos[:photos]
        self.row = {}

    def program(self, *command, **options):
        return subprocess.run([str(part) for part in (self.args.build / "paraclip", *command)], check=True, stdout=subprocess.PIPE,
                              **options).stdout

    def dump(self, path, activation, kind, files):
        out = subprocess.run([self.args.build / "tests/clip/dump_embeddings", path, activation, "fp32", kind, *files], check=True,
                             stdout=subprocess.PIPE).stdout
        return torch.from_numpy(np.frombuffer(out, dtype=np.float32).copy())

    def texts_file(self, texts):
        file = self.work / "texts.txt"
        file.write_text("".join(text + "\n" for text in texts), encoding="utf-8")
        return file

    @torch.no_grad()
    def embed_texts(self, reference, texts):
        ids = reference.tokenize(texts)
        return torch.nn.functional.normalize(torch.cat([reference.text(part) for part in ids.split(16)]), dim=-1)

    @torch.no_grad()
    def embed_images(self, reference):
        rows = [reference.image(reference.pixels(Image.open(photo)).unsqueeze(0)) for photo in self.photos]
        return torch.nn.functional.normalize(torch.cat(rows), dim=-1)

    def compare_ids(self):
        texts = self.odd_texts + self.inputs.captions
        out = self.program("tokenize", "--quiet", "--context-length", parity_models.CONTEXT, *self.checkpoint.tokenizer,
                           self.texts_file(texts))
        ours = [[int(number) for number in line.split()] for line in out.decode().splitlines()]
        theirs = self.checkpoint.reference.tokenize(texts).tolist()
        pad = self.checkpoint.reference.pad
        differing = [text for text, own, other in zip(texts, ours, theirs, strict=True)
                     if own + [pad] * (len(other) - len(own)) != other]
        for text in differing[:3]:
            say(f"  other ids: {text!r}")
        self.row["ids"] = len(differing)

    def compare_embeddings(self):
        checkpoint = self.checkpoint
        self.text_rows = self.embed_texts(checkpoint.reference, self.texts)
        self.image_rows = self.embed_images(checkpoint.reference)
        ours = self.dump(checkpoint.path, checkpoint.activation, "texts", [self.texts_file(self.texts)])
        self.row["text"] = difference(ours, self.text_rows)
        self.row["image"] = difference(self.dump(checkpoint.path, checkpoint.activation, "images", self.photos), self.image_rows)

    def compare_conversion(self):
        """Without a form in the other family (RoBERTa has none in transformers) it is converted to its own."""
        checkpoint = self.checkpoint
        there, back = self.work / "there", self.work / "back"
        other = "open_clip" if checkpoint.family == "hf" else "hf"
        if "roberta" in checkpoint.tokenizer:
            other = checkpoint.family
        self.program("convert", "--quiet", *checkpoint.options(), "--to", other, "-o", there)
        self.program("convert", "--quiet", "--model", there, "--to", checkpoint.family, "-o", back)
        self.row["back"] = differing_tensors(parity_models.stored_tensors(checkpoint.path), parity_models.stored_tensors(back))
        self.inputs.file_lists[other] = sorted(file.name for file in there.iterdir())
        remove(back)
        texts = self.inputs.captions[:8]  # Plain ones, whose ids are the same in both families.
        reference = parity_models.LOADERS[other](there)
        plain = self.embed_texts(self.checkpoint.reference, texts)
        self.row["other"] = max(difference(self.embed_texts(reference, texts), plain),
                                difference(self.embed_images(reference), self.image_rows))
        del reference
        remove(there)

    def compare_training(self):
        checkpoint, data, output = self.checkpoint, self.work / "data", self.work / "output"
        records, images = parity_training.write_data(data, self.inputs.triples, STEPS * self.batch, self.text_rows.shape[1])
        program = self.args.build / "tests/train/dump_training"
        ours = parity_training.dump(program, checkpoint, data, self.batch, self.rate, WARMUP, output)
        self.compare_tuned(output / "tuned")
        gradients = load_file(output / "gradients.safetensors")
        trainer = parity_training.Trainer(checkpoint.reference, records, images, self.rate, WARMUP, STEPS)

        def compare_gradients(theirs):
            self.row["grad"] = gradient_difference(gradients, theirs)

        losses = [trainer.step(samples, None if step else compare_gradients)[0] for step, samples in enumerate(ours["samples"])]
        differences = [abs(own - other) for own, other in zip(ours["losses"], losses, strict=True)]
        say("  losses " + " ".join(f"{loss:.4f}" for loss in losses))
        self.row["loss"], self.row["steps"] = differences[0], max(differences)

    def compare_tuned(self, folder):
        """Saved in the form of its family, with the image tower as it was."""
        texts = self.inputs.captions[:8]
        reference = parity_models.LOADERS[self.checkpoint.family](folder)
        ours = self.dump(folder, "-", "texts", [self.texts_file(texts)])
        moved = difference(ours, self.embed_texts(self.checkpoint.reference, texts))
        self.row["tuned"] = max(difference(ours, self.embed_texts(reference, texts)),
                                difference(self.embed_images(reference), self.image_rows))
        if moved < 1e-3:
            raise RuntimeError(f"training moved the text embeddings by {moved:.1e} only")
        del reference
        remove(folder)

    def run(self):
        for part in (self.compare_ids, self.compare_embeddings, self.compare_conversion, self.compare_training):
            start = time.monotonic()
            try:
                part()
            except Exception:  # The other columns are of use all the same.
                say(traceback.format_exc())
            gc.collect()
            say(f"  {part.__name__} {time.monotonic() - start:.0f} s")


def difference(ours, theirs):
    return (ours.reshape(theirs.shape) - theirs).abs().max().item()


def differing_tensors(source, back):
    names = source.keys() | back.keys()
    return sum(name not in source or name not in back or source[name].dtype != back[name].dtype
               or not torch.equal(source[name], back[name]) for name in names)


def gradient_difference(ours, theirs):
    """Relative to the largest element of the tensor. A key's bias is 0 in exact arithmetic: relative to that of the query's."""
    theirs = {parity_models.canonical(name): value for name, value in theirs.items()}
    ours = {parity_models.canonical(name): value for name, value in ours.items()}
    if ours.keys() != theirs.keys():
        raise RuntimeError(f"gradients of one side only: {sorted(ours.keys() ^ theirs.keys())}")
    worst = 0
    for name, value in theirs.items():
        measure = theirs[name.replace("k_proj.bias", "q_proj.bias").replace("key.bias", "query.bias")]
        worst = max(worst, difference(ours[name], value) / measure.abs().max().item())
    return worst


def remove(folder):
    subprocess.run(["rm", "-rf", folder], check=True)


class Inputs:
    def __init__(self, data, work):
        self.all_captions = real_captions.captions(data)
        self.captions = self.all_captions[:: len(self.all_captions) // CAPTIONS][:CAPTIONS]
        self.triples = data / "flickr8k/triples_llm.jsonl"
        self.photos = []
        for number, photo in enumerate(sorted((data / "flickr8k/images").rglob("*.jpg"))[:8]):
            self.photos.append(work / f"{number}.jpg")  # Not square, so that they are resized and cropped.
            Image.open(photo).convert("RGB").resize((500, 375), Image.Resampling.LANCZOS).save(self.photos[-1], quality=90)
        self.file_lists = {}


def print_header():
    print(f"{'':<34}" + "".join(f"{name:>9}" if name not in ("ids", "back") else f"{name:>6}" for name in TOLERANCES))
    print_row("tolerance", TOLERANCES)


def print_row(name, row):
    """Returns whether all is within tolerance."""
    line, good = f"{name:<34}", True
    for column, tolerance in TOLERANCES.items():
        value = row.get(column)
        within = value is not None and value <= tolerance
        good &= within
        whole = column in ("ids", "back")
        text = "none" if value is None else str(value) if whole else f"{value:.1e}"
        line += f"{text + ('' if within else '!'):>{6 if whole else 9}}"
    print(line, flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, type=Path, help="folder with the program and tests/")
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--only", help="rows whose names contain one of these, with commas between them")
    parser.add_argument("--keep", type=Path, help="work in this folder and leave the checkpoints there")
    args = parser.parse_args()
    args.build, args.data = args.build.resolve(), args.data.resolve()
    parity_models.quiet()
    names = [name for name in parity_models.CHECKPOINTS
             if not args.only or any(part.strip() in name for part in args.only.split(","))]
    if not names:
        sys.exit("no such row; there are: " + ", ".join(parity_models.CHECKPOINTS))
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        root = args.keep.resolve() if args.keep else Path(scratch)
        root.mkdir(parents=True, exist_ok=True)
        os.chdir(root)
        inputs = Inputs(args.data, root)
        if any("roberta" in name for name in names):
            parity_models.write_roberta(root / "roberta-base", inputs.all_captions)
        print_header()
        failed = []
        for number, name in enumerate(names):
            say(f"{name} ({number + 1} of {len(names)}, {time.monotonic() - started:.0f} s)")
            work = root / f"checkpoint-{number}"
            work.mkdir()
            size, make = parity_models.CHECKPOINTS[name]
            comparison = Comparison(args, inputs, size, work, make(work))
            comparison.run()
            if not print_row(name, comparison.row):
                failed.append(name)
            del comparison
            gc.collect()
            if not args.keep:
                remove(work)
    for family, files in inputs.file_lists.items():
        print(f"files of {family}'s form: {', '.join(files)}")
    print(f"{len(names)} checkpoints in {(time.monotonic() - started) / 60:.0f} minutes; "
          + (f"beyond tolerance: {', '.join(failed)}" if failed else "all within tolerance"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
