#!/usr/bin/env python3
"""Writes the files of torch in tests/golden/io.

    pip install numpy==2.4.6 torch==2.15.0 && scripts/make_torch_golden.py

Values are small integers and fractions, so that the tests can state them.
"""

import argparse
import collections
from pathlib import Path

import numpy as np
import torch

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden" / "io"


def counting(*shape, dtype=torch.float32):
    return (torch.arange(int(np.prod(shape))) / 2).to(dtype).reshape(shape)


def every_type():
    shared = counting(3, 4)
    return collections.OrderedDict(
        f32=shared,
        transposed=shared.t(),
        row=shared[1],
        column=torch.nn.Parameter(shared[:, 2]),
        scalar=torch.tensor(-7),
        empty=torch.empty(0, 3),
        f16=counting(5, dtype=torch.float16),
        bf16=torch.nn.Parameter(counting(5, dtype=torch.bfloat16), requires_grad=False),
        f64=counting(2, 2, dtype=torch.float64),
        i8=torch.tensor([-1, 2], dtype=torch.int8),
        u8=torch.tensor([1, 255], dtype=torch.uint8),
        i16=torch.tensor([-1, 2], dtype=torch.int16),
        i32=torch.tensor([-1, 2], dtype=torch.int32),
        bool=torch.tensor([True, False, True]),
        c64=torch.tensor([1 + 2j]),
        u16=torch.tensor([1, 65535], dtype=torch.uint16),
        f8=counting(5).to(torch.float8_e4m3fn),
        count=3,
        note="not a tensor",
    )


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(counting(2, 3))
        self.register_buffer("steps", torch.tensor([1, 2]))
        self.register_buffer("nothing", None)
        self.sizes = [1, 2]

    def forward(self, x):
        return x @ self.weight.t()


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.visual = Block()
        self.layers = torch.nn.Sequential(torch.nn.LayerNorm(2), torch.nn.Sequential(torch.nn.Identity()))
        self.layers[1].add_module("last", torch.nn.Linear(2, 3))
        self.scale = torch.nn.Parameter(torch.tensor(1.5))
        self.names = ["a", "b"]
        self.width = 7
        self.fill()

    def fill(self):
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(counting(*parameter.shape))

    def forward(self, x):
        return self.layers(self.visual(x)) * self.scale


def checkpoint():
    """What a training script saves: open_clip's keys, and the arguments as LaCLIP keeps them."""
    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    model.fill()
    return {
        "epoch": 3,
        "name": "a run",
        "args": argparse.Namespace(
            lr=1e-3,
            names=["a", None, True],
            seed=2**70,
            shift=-5,
            device=torch.device("cuda:0"),
            dtype=torch.float16,
            size=torch.Size([1, 2]),
            betas=(0.9, 0.98, 0, 1),
            tags={"x"},
            raw=b"\x00\xff",
            best=np.float64(1.5),
            history=collections.defaultdict(list, loss=[1.0, 0.5]),
        ),
        "optimizer": optimizer.state_dict(),
        "state_dict": {f"module.{name}": value for name, value in model.state_dict().items()},
    }


def main():
    stream = {"_use_new_zipfile_serialization": False}
    torch.save(every_type(), GOLDEN / "torch_zip.pt")
    torch.save(every_type(), GOLDEN / "torch_protocol5.pt", pickle_protocol=5)
    torch.save(every_type(), GOLDEN / "torch_stream.pt", **stream)
    torch.save(checkpoint(), GOLDEN / "torch_checkpoint.pt")
    torch.save(checkpoint(), GOLDEN / "torch_checkpoint_stream.pt", **stream)
    torch.save(torch.nn.Linear(1, 1), GOLDEN / "torch_module.pt")
    torch.jit.save(torch.jit.script(Model()), GOLDEN / "torch_script.pt")
    half = Model().half().eval()
    torch.jit.save(torch.jit.trace(half, torch.ones(1, 3).half()), GOLDEN / "torch_trace_f16.pt")


if __name__ == "__main__":
    main()
