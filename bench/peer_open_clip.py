#!/usr/bin/env python3
"""open_clip's own text tower, padded to 77 positions: eager, or, with "compile", by torch.compile.

The image tower is dropped after loading; bf16 is open_clip's own amp_bf16, an autocast. The texts of a micro-batch are one call.
"""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from peer import Peer, serve


class OpenClip(Peer):
    def load(self):
        import open_clip
        self.model = open_clip.create_model_from_pretrained(f"local-dir:{self.folder}", return_transform=False)
        del self.model.visual
        self.model.train(self.request["training"])
        if self.request.get("compile"):
            # Without this, a second shape of input would be compiled for symbolic sizes, which is slower.
            self.encode_text = torch.compile(self.model.encode_text, dynamic=False)
        else:
            self.encode_text = self.model.encode_text

    def parameters(self):
        return [value for name, value in self.model.named_parameters() if name != "logit_scale"] + [self.model.logit_scale]

    def encode(self, ids):
        with self.autocast():
            return self.encode_text(ids, normalize=True)

    def setup(self, request):
        import open_clip
        return super().setup(request) | {"open_clip": open_clip.__version__}


if __name__ == "__main__":
    serve(OpenClip())
