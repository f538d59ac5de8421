#!/usr/bin/env python3
"""ONNX Runtime on the text tower of open_clip as torch.onnx.export writes it: queries only, float32, padded to 77 positions."""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
import torch

sys.path.insert(0, str(Path(__file__).parent))
from peer import Peer, serve

OPSET = 17


def export(folder, target):
    import open_clip
    model = open_clip.create_model_from_pretrained(f"local-dir:{folder}", return_transform=False).eval()

    class TextTower(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, ids):
            return self.model.encode_text(ids, normalize=True)

    partial = target.with_suffix(".partial")
    # The exporter by tracing needs no further package, and its graph is the one that ONNX Runtime's fusions know.
    torch.onnx.export(TextTower(), (torch.zeros(1, 77, dtype=torch.long),), partial, input_names=["ids"], output_names=["embedding"],
                      opset_version=OPSET, dynamo=False, dynamic_axes={"ids": {0: "batch"}, "embedding": {0: "batch"}})
    partial.rename(target)


class Onnx(Peer):
    def load(self):
        file = self.folder / "text.onnx"
        if not file.exists():
            export(self.folder, file)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.request["threads"]
        self.session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def parameters(self):
        return [torch.tensor(1 / 0.07).log()]

    def encode(self, ids):
        return torch.from_numpy(self.session.run(None, {"ids": ids.numpy().astype(np.int64)})[0])

    def setup(self, request):
        return super().setup(request) | {"onnxruntime": onnxruntime.__version__, "opset": OPSET}


if __name__ == "__main__":
    serve(Onnx())
