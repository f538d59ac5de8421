#!/usr/bin/env python3
"""The demo's base model in transformers and in paraclip: embeddings of drawn scenes and of queries.

    .deps/references/bin/python scripts/compare_scenes_base.py --program BUILD/paraclip --scenes BUILD/examples/scenes/scenes

transformers loads examples/scenes/base with no key missing or left over. Prints the largest differences of unit vectors; exits
with 1 above 1.3e-4, which is what float16, the type of embedding files, can be off by.
"""
import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import CLIPModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

TOLERANCE = 1.3e-4
BASE = Path(__file__).resolve().parent.parent / "examples/scenes/base"


def unit(rows):
    rows = rows if isinstance(rows, torch.Tensor) else rows.pooler_output
    return (rows / rows.norm(dim=-1, keepdim=True)).numpy()


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True, type=Path)
    parser.add_argument("--scenes", required=True, type=Path)
    args = parser.parse_args()
    model, info = CLIPModel.from_pretrained(BASE, output_loading_info=True)
    odd = {kind: keys for kind, keys in info.items() if keys}
    if odd:
        sys.exit(f"transformers does not load {BASE} cleanly: {odd}")
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        subprocess.run([args.scenes, "--seed", "9", "--count", "50", "-o", work / "scenes", "--quiet"], check=True,
                       stdout=subprocess.DEVNULL)
        pairs = (BASE.parent / "pairs.tsv").read_text().splitlines()[1:101]
        texts = [query for pair in pairs for query in pair.split("\t")]
        (work / "texts.txt").write_text("\n".join(texts) + "\n")
        for kind, source in (("images", work / "scenes/images"), ("texts", work / "texts.txt")):
            subprocess.run([args.program, "embed", "--model", BASE, f"--{kind}", source, "-o", work / kind, "--quiet"], check=True,
                           stdout=subprocess.DEVNULL)
        files = sorted((work / "scenes/images").iterdir())
        pixels = CLIPImageProcessorPil.from_pretrained(BASE)([Image.open(file) for file in files], return_tensors="pt")
        tokens = CLIPTokenizer.from_pretrained(BASE)(texts, padding=True, return_tensors="pt")
        failed = False
        for kind, folder, expected in (("images", "img_emb", unit(model.get_image_features(**pixels))),
                                       ("texts", "text_emb", unit(model.get_text_features(**tokens)))):
            ours = np.load(work / kind / folder / f"{folder}_0.npy").astype(np.float32)
            worst = np.abs(ours - expected).max()
            failed |= not worst <= TOLERANCE
            print(f"demo's base in transformers: {len(ours)} {kind}, largest difference {worst:.1e} (tolerance {TOLERANCE:.1e})")
    sys.exit(failed)


main()
