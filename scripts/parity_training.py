"""ParaCLIP's training step with the references' own parts: open_clip's ClipLoss three times and its schedule, torch's AdamW."""

import json
import math
import subprocess
from itertools import islice

import numpy as np
import open_clip
import torch
from open_clip_train.scheduler import cosine_lr

PARTS = ("caption", "paraphrase_1", "paraphrase_2")


def write_data(folder, triples, count, width):
    """`count` real triples and, as their images, random unit rows of float16 that both sides read. Returns both."""
    (folder / "embeddings/img_emb").mkdir(parents=True)
    with open(triples, encoding="utf-8") as file:
        records = [json.loads(line) for line in islice(file, count)]
    for number, record in enumerate(records):
        record["image_id"] = f"image-{number:04}"
    (folder / "triples.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    rows = torch.randn(count, width, generator=torch.Generator().manual_seed(3))
    rows = torch.nn.functional.normalize(rows, dim=-1).numpy().astype(np.float16)
    np.save(folder / "embeddings/img_emb/img_emb_0.npy", rows)
    (folder / "embeddings/ids.txt").write_text("".join(f"{record['image_id']}\n" for record in records))
    return records, torch.from_numpy(rows.astype(np.float32))


def dump(program, checkpoint, data, batch, rate, warmup, output=None):
    """What tests/train/dump_training.cc prints."""
    command = [program, checkpoint.path, checkpoint.activation, data, batch, rate, warmup] + ([output] if output else [])
    result = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, check=True)
    return json.loads(result.stdout)


def loss_of(reference, records, images, samples):
    """L1(I, T'') + L2(T, T') + L3(T', T'') of these samples."""
    ids = reference.tokenize([records[sample][part] for part in PARTS for sample in samples])
    caption, first, second = torch.nn.functional.normalize(reference.text(ids), dim=-1).chunk(3)
    clip_loss, scale = open_clip.ClipLoss(), reference.module.logit_scale.exp()
    return clip_loss(images[samples], second, scale) + clip_loss(caption, first, scale) + clip_loss(first, second, scale)


class Trainer:
    """As open_clip_train trains: no decay on 1-D tensors, warm-up and cosine, clipping, clamped logit scale."""

    def __init__(self, reference, records, images, rate, warmup, steps):
        self.reference, self.records, self.images = reference, records, images
        self.trained = [value for _, value in reference.trained()]
        self.optimizer = torch.optim.AdamW(
            [{"params": [value for value in self.trained if value.ndim >= 2], "weight_decay": 0.1},
             {"params": [value for value in self.trained if value.ndim < 2], "weight_decay": 0.0}],
            lr=rate, betas=(0.9, 0.98), eps=1e-6)
        self.schedule = cosine_lr(self.optimizer, rate, warmup, steps)
        self.steps = 0

    def step(self, samples, gradients=None):
        """Returns the loss and the gradient norm; `gradients` is called with every gradient before clipping."""
        self.schedule(self.steps)
        self.steps += 1
        self.optimizer.zero_grad()
        loss = loss_of(self.reference, self.records, self.images, samples)
        loss.backward()
        if gradients:
            gradients({name: value.grad for name, value in self.reference.trained()})
        norm = torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        with torch.no_grad():
            self.reference.module.logit_scale.clamp_(0, math.log(100))
        return loss.item(), norm.item()
