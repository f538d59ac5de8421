#!/usr/bin/env python3
"""CLIP's text tower in PyTorch without padding, as fast as the author could make it: the strongest peer.

  * A text ends at its end token. All tokens of a batch are one matrix [tokens, width] for every linear layer and norm.
  * The texts are sorted by length: those of one length are a view of that matrix, and causal scaled-dot-product
    attention takes each such view as it is, without padding or copies of keys and values.
  * The last layer computes keys and values of all tokens, and the rest of it for the pooled tokens alone.
  * fp32: linear layers go to oneDNN in the forward pass and where it is the faster one in the backward pass (libtorch's
    default for float32 is MKL, less than half as fast on AMD's processors).
  * bf16: the tower runs on bfloat16 copies of the weights, refreshed after each step, with float32 masters in fused AdamW.
  * The memory of a step is kept for the next one instead of being handed back to the system.
"""

import ctypes
import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open

sys.path.insert(0, str(Path(__file__).parent))
from peer import CONTEXT, PARTS, Peer, serve

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h
BLOCK = ("ln_1.weight", "ln_1.bias", "attn.in_proj_weight", "attn.in_proj_bias", "attn.out_proj.weight", "attn.out_proj.bias",
         "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias")


def onednn(x, weight, bias=None):
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


class OneDnnLinear(torch.autograd.Function):
    """x W^T + b in float32 by oneDNN."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return onednn(x, weight, bias)

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        return onednn(gradient, weight.t()), onednn(gradient.t(), x.t()), gradient.sum(0)


class Trimmed(Peer):
    def load(self):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, -1)
        config = json.loads((self.folder / "open_clip_config.json").read_text())["model_cfg"]["text_cfg"]
        self.width, self.heads, self.layers = config["width"], config["heads"], config["layers"]
        names = ["token_embedding.weight", "positional_embedding"]
        names += [f"transformer.resblocks.{layer}.{name}" for layer in range(self.layers) for name in BLOCK]
        names += ["ln_final.weight", "ln_final.bias", "text_projection", "logit_scale"]
        with safe_open(self.folder / "open_clip_model.safetensors", "pt") as file:
            self.masters = [file.get_tensor(name).float() for name in names]
        copies = self.masters
        if self.bf16:
            copies = [value.bfloat16() for value in self.masters[:-1]] + self.masters[-1:]
        self.copies = [value.requires_grad_() for value in copies]
        self.linear = F.linear if self.bf16 else OneDnnLinear.apply
        self.scale = (self.width // self.heads) ** -0.5
        self.mask = torch.full((CONTEXT, CONTEXT), -torch.inf, dtype=self.copies[0].dtype).triu(1)
        self.chunk = 192

    def parameters(self):
        return self.masters

    def prepare(self, texts):
        """Texts sorted by length, in chunks of self.chunk, each (ids, positions, runs of (texts, length), pooled rows);
        and where each text went."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        chunks = []
        for begin in range(0, len(order), self.chunk):
            part = [texts[i] for i in order[begin:begin + self.chunk]]
            lengths = [len(text) for text in part]
            runs = [(lengths.count(length), length) for length in sorted(set(lengths))]
            chunks.append((torch.tensor([token for text in part for token in text]),
                           torch.cat([torch.arange(length) for length in lengths]), runs, torch.tensor(lengths).cumsum(0) - 1))
        place = torch.empty(len(texts), dtype=torch.long)
        place[torch.tensor(order)] = torch.arange(len(texts))
        return chunks, place

    def heads_of(self, rows, count, parts):
        """[count * length, parts * width] to `parts` views of [count, heads, length, head width]."""
        return rows.view(count, -1, parts, self.heads, self.width // self.heads).permute(2, 0, 3, 1, 4)

    def attend(self, qkv, runs):
        """Causal attention, [tokens, 3 width] to [tokens, width]."""
        out = []
        for (count, length), rows in zip(runs, qkv.split([count * length for count, length in runs])):
            q, k, v = self.heads_of(rows, count, 3)
            scores = torch.matmul(q * self.scale, k.transpose(-1, -2)) + self.mask[:length, :length]
            out.append(torch.matmul(scores.softmax(-1), v).transpose(1, 2).reshape(count * length, self.width))
        return torch.cat(out)

    def attend_last(self, queries, kv, runs):
        """The pooled tokens' queries [texts, width] with all keys and values [tokens, 2 width], to [texts, width]."""
        out = []
        rows_of_runs = kv.split([count * length for count, length in runs])
        for (count, _), rows, q in zip(runs, rows_of_runs, queries.split([count for count, _ in runs])):
            k, v = self.heads_of(rows, count, 2)
            scores = torch.matmul(self.heads_of(q, count, 1)[0] * self.scale, k.transpose(-1, -2))
            out.append(torch.matmul(scores.softmax(-1), v).transpose(1, 2).reshape(count, self.width))
        return torch.cat(out)

    def blocks(self, x, runs, last):
        """[tokens, width] to the pooled rows [texts, width]."""
        linear, weights = self.linear, iter(self.copies[2:])
        for layer in range(self.layers):
            norm1, norm1_bias, qkv, qkv_bias, out, out_bias, norm2, norm2_bias, fc1, fc1_bias, fc2, fc2_bias = (
                next(weights) for _ in BLOCK)
            y = F.layer_norm(x, (self.width,), norm1, norm1_bias)
            if layer + 1 < self.layers:
                attended = self.attend(linear(y, qkv, qkv_bias), runs)
            else:
                q = linear(y[last], qkv[:self.width], qkv_bias[:self.width])
                attended = self.attend_last(q, linear(y, qkv[self.width:], qkv_bias[self.width:]), runs)
                x = x[last]
            x = x + linear(attended, out, out_bias)
            y = F.gelu(linear(F.layer_norm(x, (self.width,), norm2, norm2_bias), fc1, fc1_bias))
            x = x + linear(y, fc2, fc2_bias)
        return x

    def encode(self, batch):
        chunks, place = batch
        tokens, positions, runs, last = zip(*chunks)
        x = F.embedding(torch.cat(tokens), self.copies[0]) + F.embedding(torch.cat(positions), self.copies[1])
        parts = x.split([len(part) for part in tokens])
        x = torch.cat([self.blocks(*inputs) for inputs in zip(parts, runs, last)])
        norm, norm_bias, projection = self.copies[-4:-1]
        return F.normalize((F.layer_norm(x, (self.width,), norm, norm_bias) @ projection).float(), dim=-1)[place]

    def step(self, request):
        """One loss over the whole batch, whose texts are computed in chunks."""
        self.chunk = request["micro_batch"] * len(PARTS)
        return super().step(request | {"micro_batch": len(request["samples"])})

    def update(self):
        if self.bf16:
            for master, copy in zip(self.masters[:-1], self.copies):
                master.grad = copy.grad.float()
                copy.grad = None
        super().update()
        if self.bf16:
            torch._foreach_copy_([copy.detach() for copy in self.copies[:-1]], [master.detach() for master in self.masters[:-1]])


if __name__ == "__main__":
    serve(Trimmed())
