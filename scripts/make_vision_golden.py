#!/usr/bin/env python3
"""Makes the golden files of tests/golden/vision: tiny CLIP models with random weights, each as an HF folder and as an open_clip
folder, and what transformers and open_clip compute with them (image and text embeddings, joint loss, every gradient).

Run it in the environment of `scripts/setup --references`:

    .deps/references/bin/python scripts/make_vision_golden.py tests/golden/vision
"""

import argparse
import copy
import dataclasses
import json
import pathlib

import make_golden
import open_clip
import torch
import transformers
from open_clip.model import set_model_preprocess_cfg
from open_clip.push_to_hf_hub import save_for_hf
from safetensors.torch import save_file
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

make_golden.MERGES = 40  # Enough for some words to have fewer tokens than letters.
CONTEXT, PROJECTION = 20, 12
CAPTIONS = ["two dogs on the beach", "a red car", "a man with a guitar", "the old lighthouse", "three cats", "snow"]


@dataclasses.dataclass
class Kind:
    """A model. open_clip has as many heads as heads of `head_width` fit."""

    activation: str
    image_size: int
    patch_size: int
    head_width: int
    layers: int
    end_token_is_2: bool  # Which tells transformers to pool at the highest id.


KINDS = {"quick_gelu": Kind("quick_gelu", 17, 5, 8, 2, True),  # Two columns and rows of pixels are no patch's.
         "gelu": Kind("gelu", 12, 4, 12, 1, False)}
TEXT_WIDTH, TEXT_HEADS, TEXT_LAYERS, VISION_WIDTH = 16, 2, 1, 24


def open_clip_config(kind, vocabulary):
    config = {"embed_dim": PROJECTION,
              "vision_cfg": {"image_size": kind.image_size, "layers": kind.layers, "width": VISION_WIDTH,
                             "head_width": kind.head_width, "patch_size": kind.patch_size},
              "text_cfg": {"context_length": CONTEXT, "vocab_size": vocabulary, "width": TEXT_WIDTH, "heads": TEXT_HEADS,
                           "layers": TEXT_LAYERS}}
    return {**config, "quick_gelu": True} if kind.activation == "quick_gelu" else config


def build_hf(kind, vocabulary):
    text = dict(vocab_size=vocabulary, hidden_size=TEXT_WIDTH, intermediate_size=4 * TEXT_WIDTH, num_hidden_layers=TEXT_LAYERS,
                num_attention_heads=TEXT_HEADS, max_position_embeddings=CONTEXT, projection_dim=PROJECTION,
                bos_token_id=vocabulary - 2, eos_token_id=2 if kind.end_token_is_2 else vocabulary - 1,
                pad_token_id=vocabulary - 1, hidden_act=kind.activation)
    vision = dict(hidden_size=VISION_WIDTH, intermediate_size=4 * VISION_WIDTH, num_hidden_layers=kind.layers,
                  num_attention_heads=VISION_WIDTH // kind.head_width, image_size=kind.image_size, patch_size=kind.patch_size,
                  projection_dim=PROJECTION, hidden_act=kind.activation)
    torch.manual_seed(17)
    model = transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=PROJECTION))
    # Larger than the initialisation's, biases and norms not at 0 and 1: a tensor that is ignored must show.
    generator = torch.Generator().manual_seed(19)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name != "logit_scale":
                parameter.add_(0.15 * torch.randn(parameter.shape, generator=generator))
    return model.float().eval()


def hf_value(source, name):
    """The tensor of open_clip's `name`, put together from HF's."""
    if not name.startswith("visual."):
        return make_golden.hf_value(source, name)
    name = name.removeprefix("visual.")
    embeddings = "vision_model.embeddings."
    simple = {"class_embedding": embeddings + "class_embedding", "conv1.weight": embeddings + "patch_embedding.weight",
              "positional_embedding": embeddings + "position_embedding.weight"}
    for ours, theirs in (("ln_pre", "pre_layrnorm"), ("ln_post", "post_layernorm")):
        simple |= {f"{ours}.{part}": f"vision_model.{theirs}.{part}" for part in ("weight", "bias")}
    if name in simple:
        return source[simple[name]]
    if name == "proj":
        return source["visual_projection.weight"].T
    text = {key.replace("vision_model.", "text_model."): value for key, value in source.items() if key.startswith("vision_model.")}
    return make_golden.hf_value(text, name)


def build_open_clip(hf, config):
    """open_clip's model with the same weights."""
    model = open_clip.model.CLIP(**copy.deepcopy(config))
    source = dict(hf.named_parameters())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(hf_value(source, name))
    set_model_preprocess_cfg(model, {"size": config["vision_cfg"]["image_size"], "mean": open_clip.OPENAI_DATASET_MEAN,
                                     "std": open_clip.OPENAI_DATASET_STD})
    return model.float().eval()


def save_hf(folder, model, kind):
    """Where the tokenizer already is."""
    model.config.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    config["architectures"] = ["CLIPModel"]
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    save_file({n: p.detach().contiguous() for n, p in model.named_parameters()}, folder / "model.safetensors", {"format": "pt"})
    size = kind.image_size
    CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": size, "width": size}).save_pretrained(folder)


def compute_hf(model, pixels, ids):
    images = model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)
    return images, model.text_projection(model.text_model(input_ids=ids).pooler_output)


def compute_open_clip(model, pixels, ids):
    return model.encode_image(pixels), model.encode_text(ids)


def joint_loss(images, texts, logit_scale):
    rows = [torch.nn.functional.normalize(x, dim=-1) for x in (images, texts)]
    return open_clip.ClipLoss()(*rows, logit_scale.exp())


def make(name, kind, root):
    folder = root / name
    hf_folder, open_clip_folder = folder / "hf", folder / "open_clip"
    for path in (hf_folder, open_clip_folder):
        path.mkdir(parents=True, exist_ok=True)
    vocabulary = make_golden.write_tokenizer(hf_folder, pathlib.Path(".deps/clip/bpe_merges.txt"))
    tokenizer = transformers.CLIPTokenizer.from_pretrained(hf_folder)
    config = open_clip_config(kind, vocabulary)
    hf = build_hf(kind, vocabulary)
    twin = build_open_clip(hf, config)
    save_hf(hf_folder, hf, kind)
    save_for_hf(twin, tokenizer, config, open_clip_folder, safe_serialization=True)

    ids = tokenizer(CAPTIONS, padding="max_length", truncation=True, max_length=CONTEXT, return_tensors="pt").input_ids
    pixels = torch.randn(len(CAPTIONS), 3, kind.image_size, kind.image_size, generator=torch.Generator().manual_seed(23))
    tensors, losses = {"pixels": pixels, "token_ids": ids}, {}
    for peer, model, compute in (("transformers", hf, compute_hf), ("open_clip", twin, compute_open_clip)):
        images, texts = compute(model, pixels, ids)
        loss = joint_loss(images, texts, model.logit_scale)
        loss.backward()
        losses[peer] = loss.item()
        tensors |= {f"images.{peer}": images.detach(), f"texts.{peer}": texts.detach()}
        tensors |= {f"grad.{peer}.{n}": p.grad for n, p in model.named_parameters()}
    save_file({n: t.contiguous() for n, t in tensors.items()}, folder / "golden.safetensors")
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "open_clip": open_clip.__version__}
    golden = {"made_by": versions, "loss": losses, "captions": CAPTIONS}
    (folder / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=pathlib.Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name, kind in KINDS.items():
        make(name, kind, args.output)


if __name__ == "__main__":
    main()
