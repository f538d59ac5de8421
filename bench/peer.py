"""What the workers that stand for the peers have in common: the protocol, the step around their text towers, the data.

A worker is a process that reads requests and writes replies, a line of JSON each, on its stdin and stdout:

    setup  model, triples, samples,     loads a model, the first `samples` triples and their images' embeddings, and, with
           precision, threads,          `training`, makes the optimizer
           training
    check  samples                      loss of these triples and the embeddings of their captions, without an update
    step   samples, of, micro_batch     a training step of `of` triples of which `samples` are measured: seconds of the
                                        forward and backward pass, and of clipping, update and clearing of gradients
    query  text, count                  seconds of each of `count` calls from the text to its embedding
    trim                                gives memory that is held unused back to the system
    exit
"""

import ctypes
import json
import os
import sys
import time
import traceback
from itertools import islice
from pathlib import Path

import torch
import torch.nn.functional as F

PARTS = ("caption", "paraphrase_1", "paraphrase_2")
CONTEXT = 77


def info_nce(a, b, scale):
    """open_clip's ClipLoss in one process."""
    logits = scale * a @ b.T
    labels = torch.arange(len(a))
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2


class Peer:
    """One contestant. A subclass loads its tower and computes the embeddings of texts."""

    def setup(self, request):
        torch.set_num_threads(request["threads"])
        torch.manual_seed(1)
        self.bf16 = request["precision"] == "bf16"
        self.folder = Path(request["model"])
        self.request = request
        self.load()
        self.load_triples(Path(request["triples"]), request["samples"])
        if request["training"]:
            self.make_optimizer()
        return {"torch": torch.__version__}

    # ---- What a subclass has to say.
    def load(self):
        """Makes the model from self.folder."""
        raise NotImplementedError

    def encode(self, texts):
        """Unit embeddings of prepared texts."""
        raise NotImplementedError

    def prepare(self, texts):
        """From lists of token ids, start to end token, to what encode() takes: here all padded to 77."""
        ids = torch.zeros(len(texts), CONTEXT, dtype=torch.long)
        for row, text in zip(ids, texts):
            row[:len(text)] = torch.tensor(text)
        return ids

    def parameters(self):
        """What is trained, the logarithm of the logit scale last."""
        raise NotImplementedError

    # ---- What all share.
    def autocast(self):
        return torch.autocast("cpu", torch.bfloat16, enabled=self.bf16)

    def tokenize(self, texts):
        from open_clip.tokenizer import SimpleTokenizer
        if not hasattr(self, "tokenizer"):
            self.tokenizer = SimpleTokenizer()
        return [row[:int(row.argmax()) + 1].tolist() for row in self.tokenizer(texts)]

    def load_triples(self, path, count):
        import numpy as np
        with open(path, encoding="utf-8") as file:
            records = [json.loads(line) for line in islice(file, count)]
        tokens = self.tokenize([record[part] for part in PARTS for record in records])
        self.triples = [tokens[i::len(records)] for i in range(len(records))]
        self.images = torch.from_numpy(np.load(path.parent / self.folder.name / "embeddings/img_emb/img_emb_0.npy", mmap_mode="r")[:count].copy())

    def make_optimizer(self):
        parameters = self.parameters()
        self.optimizer = torch.optim.AdamW(
            [{"params": [value for value in parameters if value.ndim >= 2], "weight_decay": 0.1},
             {"params": [value for value in parameters if value.ndim < 2], "weight_decay": 0.0}],
            lr=1e-6, betas=(0.9, 0.98), eps=1e-6, fused=True)

    def update(self):
        parameters = self.parameters()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        self.optimizer.step()
        with torch.no_grad():
            parameters[-1].clamp_(0, 4.6052)
        self.optimizer.zero_grad()

    def features(self, samples):
        """The embeddings of the captions, then of the first and of the second paraphrases."""
        return self.encode(self.prepare([self.triples[sample][part] for part in range(len(PARTS)) for sample in samples])).float()

    def loss(self, samples, features):
        """The three losses of ParaCLIP among `samples`."""
        caption, first, second = features.chunk(len(PARTS))
        scale = self.parameters()[-1].float().exp()
        return info_nce(self.images[samples], second, scale) + info_nce(caption, first, scale) + info_nce(first, second, scale)

    def check(self, request):
        """As it is measured afterwards: the texts of a batch together, or one after the other."""
        samples = request["samples"]
        if self.request["training"]:
            features = self.features(samples)
            return {"loss": self.loss(samples, features).item(), "embeddings": features[:len(samples)].tolist()}
        with torch.inference_mode():
            rows = [self.encode(self.prepare([self.triples[sample][0]])).float() for sample in samples]
            return {"embeddings": torch.cat(rows).tolist()}

    def step(self, request):
        samples, size = request["samples"], request["micro_batch"]
        total = 0.0
        start = time.perf_counter()
        for begin in range(0, len(samples), size):
            part = samples[begin:begin + size]
            loss = self.loss(part, self.features(part)) * (len(part) / request["of"])
            loss.backward()
            total += loss.item()
        middle = time.perf_counter()
        self.update()
        return {"seconds": middle - start, "update_seconds": time.perf_counter() - middle, "loss": total * request["of"] / len(samples)}

    def trim(self, _):
        ctypes.CDLL(None).malloc_trim(0)
        return {}

    def query(self, request):
        seconds = []
        with torch.inference_mode():
            for _ in range(request["count"]):
                start = time.perf_counter()
                self.encode(self.prepare(self.tokenize([request["text"]])))
                seconds.append(time.perf_counter() - start)
        return {"seconds": seconds}


def serve(peer):
    """Answers requests until "exit" or the end of the input. What libraries print goes to stderr."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "exit":
            return
        try:
            reply = {"setup": peer.setup, "check": peer.check, "step": peer.step, "query": peer.query, "trim": peer.trim}[request["do"]](request)
        except Exception as error:
            traceback.print_exc()
            reply = {"error": f"{type(error).__name__}: {error}"}
        out.write(json.dumps(reply) + "\n")
        out.flush()
