#!/usr/bin/env python3
"""transformers' CLIPTextModelWithProjection, padded to 77 positions; bf16 is an autocast."""

import math
import sys
from pathlib import Path

import torch
import transformers

sys.path.insert(0, str(Path(__file__).parent))
from peer import Peer, serve


class Transformers(Peer):
    def load(self):
        transformers.utils.logging.disable_progress_bar()
        self.model = transformers.CLIPTextModelWithProjection.from_pretrained(self.folder / "hf").train(self.request["training"])
        self.logit_scale = torch.nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def parameters(self):
        return list(self.model.parameters()) + [self.logit_scale]

    def encode(self, ids):
        with self.autocast():
            return torch.nn.functional.normalize(self.model(input_ids=ids).text_embeds.float(), dim=-1)

    def setup(self, request):
        return super().setup(request) | {"transformers": transformers.__version__}


if __name__ == "__main__":
    serve(Transformers())
