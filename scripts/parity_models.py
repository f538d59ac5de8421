"""Checkpoints of every architecture at full size, with random weights, in the forms in which people have them. The reference
library makes, saves and runs each; used by compare_architectures.py and compare_training.py."""

import argparse
import json
import logging
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

import open_clip
import torch
import transformers
from open_clip.push_to_hf_hub import save_for_hf
from safetensors.torch import load_file
from tokenizers import AddedToken, ByteLevelBPETokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

CONTEXT = 77


@dataclass
class Reference:
    """A library's own model: `text(ids)` and `image(pixels)` give embeddings that are not normalised."""
    module: torch.nn.Module
    text: Callable
    image: Callable
    tokenize: Callable  # Texts to ids [texts, length], padded by `pad`.
    pixels: Callable  # A PIL image to [3, size, size].
    pad: int

    def trained(self):
        """What ParaCLIP trains: all but the image tower."""
        return [(name, value) for name, value in self.module.named_parameters()
                if not name.startswith(("visual.", "vision_model.", "visual_projection."))]


@dataclass
class Checkpoint:
    path: Path  # What paraclip is given as --model.
    family: str  # hf or open_clip
    reference: Reference
    activation: str = "-"  # What it is given as --activation.
    tokenizer: list = field(default_factory=lambda: ["--family", "open_clip"])  # Options of paraclip tokenize.

    def options(self):
        return ["--model", self.path] + ([] if self.activation == "-" else ["--activation", self.activation])


def quiet():
    """The libraries say of every model that its weights are random, and that tracing is old."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    transformers.utils.logging.disable_progress_bar()


def canonical(name):
    """A tensor's name without the prefixes of wrappers."""
    return re.sub(r"^((module|_orig_mod|text)\.)+", "", name)


def stored_tensors(path):
    """The tensors of a checkpoint as its own library reads them, under canonical names."""
    if path.is_dir():
        files = sorted(path.glob("*.safetensors")) or sorted(path.glob("*.bin"))
    else:
        files = [path]
    tensors = {}
    for file in files:
        if file.suffix == ".safetensors":
            state = load_file(file)
        elif file.name == "archive.pt":
            state = torch.jit.load(file).state_dict()
        else:
            state = torch.load(file, mmap=True, weights_only=False)
            state = state.get("state_dict", state)
        tensors |= {canonical(name): value for name, value in state.items()}
    for buffer in ("input_resolution", "context_length", "vocab_size"):  # Of OpenAI's archives.
        tensors.pop(buffer, None)
    return tensors


def spread_weights(module):
    """Weights under which inputs differ and no tensor could be ignored unseen: larger than what random ones begin with, biases
    and norms not 0 and 1."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
            elif parameter.ndim and "position" not in name:
                parameter.mul_(1.5)
    return module.float().eval()


# open_clip


class NoTokenizer:
    """A folder without one means CLIP's own."""

    def save_pretrained(self, folder):
        pass


def open_clip_reference(model, transform, tokenizer, pad=0):
    return Reference(model, model.encode_text, model.encode_image, tokenizer, transform, pad)


def make_open_clip(name, **options):
    torch.manual_seed(1)
    model, _, transform = open_clip.create_model_and_transforms(name, **options)
    return spread_weights(model), transform


def folder_form(name, safe=True, custom_text=False):
    """What open_clip's save_for_hf writes."""
    def make(work):
        model, transform = make_open_clip(name, force_custom_text=custom_text)
        config = open_clip.get_model_config(name) | ({"custom_text": True} if custom_text else {})
        save_for_hf(model, NoTokenizer(), config, work / "model", safe_serialization=safe)
        return Checkpoint(work / "model", "open_clip", open_clip_reference(model, transform, open_clip.get_tokenizer(name)))
    return make


def pt_form(name, wrap):
    """A file of torch.save, of whatever `wrap` makes of the state dict."""
    def make(work):
        model, transform = make_open_clip(name)
        torch.save(wrap(model.state_dict()), work / "model.pt")
        return Checkpoint(work / "model.pt", "open_clip", open_clip_reference(model, transform, open_clip.get_tokenizer(name)),
                          activation="quick_gelu" if open_clip.get_model_config(name).get("quick_gelu") else "gelu")
    return make


def prefixed(prefix, state):
    return {prefix + name: value for name, value in state.items()}


def openclip_training(state):
    moments = {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.zeros(4)}}, "param_groups": [{"lr": 1e-3, "params": [0]}]}
    return {"epoch": 32, "name": "run", "state_dict": prefixed("module.", state), "optimizer": moments}


def metaclip(state):
    return {"epoch": 1, "state_dict": prefixed("_orig_mod.", state)}


def laclip(state):
    return {"epoch": 35, "state_dict": prefixed("module.", state), "args": argparse.Namespace(model="CLIP_VITB32", lr=1e-3)}


def paraclip_form(state):
    return {"state_dict": state}


def openai_archive(name):
    """A TorchScript archive, mostly of float16, as OpenAI publishes CLIP; open_clip runs what it reads from it."""
    def make(work):
        model, transform = make_open_clip(name)
        open_clip.model.convert_weights_to_lp(model, torch.float16)
        size = model.visual.image_size[0]
        for key, value in (("input_resolution", size), ("context_length", CONTEXT), ("vocab_size", model.vocab_size)):
            if hasattr(model, key):
                delattr(model, key)
            model.register_buffer(key, torch.tensor(value))
        mask = model.attn_mask  # OpenAI's is no buffer.
        del model.attn_mask
        model.attn_mask = mask
        example = torch.zeros(1, 3, size, size, dtype=torch.float16), torch.ones(1, CONTEXT, dtype=torch.long)
        with torch.no_grad():
            torch.jit.trace(model, example, check_trace=False).save(str(work / "archive.pt"))
        model = open_clip.load_openai_model(str(work / "archive.pt"), precision="fp32", device="cpu").eval()
        return Checkpoint(work / "archive.pt", "open_clip", open_clip_reference(model, transform, open_clip.get_tokenizer(name)))
    return make


ROBERTA_VOCABULARY = 50265


def write_roberta(folder, captions):
    """A "roberta-base" without weights: its configuration, and a tokenizer of its size trained on captions."""
    if folder.exists():
        return
    transformers.RobertaConfig(vocab_size=ROBERTA_VOCABULARY, max_position_embeddings=514, type_vocab_size=1,
                               layer_norm_eps=1e-5).save_pretrained(folder)
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(captions, vocab_size=ROBERTA_VOCABULARY - 1, min_frequency=1, show_progress=False,
                            special_tokens=["<s>", "<pad>", "</s>", "<unk>"])
    bpe.save_model(str(folder))
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    while len(vocabulary) < ROBERTA_VOCABULARY - 1:  # As in roberta-base, which has three of them.
        vocabulary[f"madeupword{len(vocabulary)}"] = len(vocabulary)
    vocabulary["<mask>"] = len(vocabulary)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    transformers.RobertaTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"),
                                  mask_token=AddedToken("<mask>", lstrip=True, special=True)).save_pretrained(folder)


def roberta_form(projection):
    """open_clip's folder with a RoBERTa text tower. "roberta-base" is a folder of the working directory."""
    def make(work):
        config = open_clip.get_model_config("roberta-ViT-B-32")
        if projection != "mlp":  # Which is the default.
            config["text_cfg"]["hf_proj_type"] = projection
        model, transform = make_open_clip("roberta-ViT-B-32", text_cfg=config["text_cfg"] | {"hf_model_pretrained": False})
        tokenizer = open_clip.tokenizer.HFTokenizer("roberta-base", context_length=CONTEXT)
        save_for_hf(model, tokenizer, config, work / "model", safe_serialization=True)
        return Checkpoint(work / "model", "open_clip",
                          open_clip_reference(model, transform, tokenizer, tokenizer.tokenizer.pad_token_id),
                          tokenizer=["--family", "roberta", "--model", work / "model"])
    return make


# transformers

# Image tower: width, layers, heads, patch size. Text tower: width, heads, layers. Width of embeddings.
SHAPES = {"B/32": ((768, 12, 12, 32), (512, 8, 12), 512), "B/16": ((768, 12, 12, 16), (512, 8, 12), 512),
          "L/14": ((1024, 24, 16, 14), (768, 12, 12), 768), "H/14": ((1280, 32, 16, 14), (1024, 16, 24), 1024)}


def write_clip_tokenizer(folder):
    """CLIP's vocabulary as transformers reads it, made of open_clip's."""
    own = open_clip.SimpleTokenizer()
    specials = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {specials.get(token, token): number for token, number in own.encoder.items()}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    merges = [" ".join(pair) for pair in own.bpe_ranks]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2"] + merges) + "\n", encoding="utf-8")


def hf_reference(model, tokenizer, processor):
    def tokenize(texts):
        return tokenizer(texts, padding=True, truncation=True, max_length=CONTEXT, return_tensors="pt").input_ids

    return Reference(model, lambda ids: model.text_projection(model.text_model(input_ids=ids).pooler_output),
                     lambda pixels: model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output), tokenize,
                     lambda image: processor(image, return_tensors="pt")["pixel_values"][0], tokenizer.pad_token_id)


def hf_form(shape, activation, end, size=224, shards=None, pickled=False):
    def make(work):
        (width, layers, heads, patch), (text_width, text_heads, text_layers), projection = SHAPES[shape]
        vision = dict(hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers, num_attention_heads=heads,
                      image_size=size, patch_size=patch, projection_dim=projection, hidden_act=activation)
        text = dict(hidden_size=text_width, intermediate_size=4 * text_width, num_hidden_layers=text_layers,
                    num_attention_heads=text_heads, projection_dim=projection, hidden_act=activation, eos_token_id=end)
        torch.manual_seed(1)
        model = spread_weights(transformers.CLIPModel(
            transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=projection)))
        folder = work / "model"
        model.save_pretrained(folder, **({"max_shard_size": shards} if shards else {}))
        if pickled:  # Which transformers no longer writes, but most of the hub's repositories have.
            torch.save(model.state_dict(), folder / "pytorch_model.bin")
            (folder / "model.safetensors").unlink()
        if shards and len(list(folder.glob("*.safetensors"))) < 3:
            raise RuntimeError("fewer than three shards")
        write_clip_tokenizer(folder)
        tokenizer = transformers.CLIPTokenizer.from_pretrained(folder)
        processor = CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": size, "width": size})
        processor.save_pretrained(folder)
        return Checkpoint(folder, "hf", hf_reference(model, tokenizer, processor), tokenizer=["--family", "hf", "--model", folder])
    return make


# Reading what paraclip wrote


def load_open_clip(folder):
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")  # Strict: no key missing or left over.
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    pad = getattr(getattr(tokenizer, "tokenizer", None), "pad_token_id", 0)
    return open_clip_reference(model.eval(), transform, tokenizer, pad)


def load_hf(folder):
    model, info = transformers.CLIPModel.from_pretrained(folder, output_loading_info=True)
    odd = {kind: keys for kind, keys in info.items() if keys}
    if odd:
        raise RuntimeError(f"transformers does not load {folder} cleanly: {odd}")
    transformers.CLIPImageProcessor.from_pretrained(folder)  # The one that users get; its resizing is torchvision's.
    return hf_reference(model.eval(), transformers.AutoTokenizer.from_pretrained(folder),
                        CLIPImageProcessorPil.from_pretrained(folder))


LOADERS = {"open_clip": load_open_clip, "hf": load_hf}

# What every row of the table is, and how large: fewer texts and photos go through the large ones.
CHECKPOINTS = {
    "open_clip B/32": ("B", folder_form("ViT-B-32")),
    "open_clip B/32 quick, module. .pt": ("B", pt_form("ViT-B-32-quickgelu", openclip_training)),
    "open_clip B/16, .bin": ("B", folder_form("ViT-B-16", safe=False)),
    "MetaCLIP B/32, _orig_mod. .pt": ("B", pt_form("ViT-B-32-quickgelu", metaclip)),
    "LaCLIP B/32, .pt with args": ("B", pt_form("ViT-B-32", laclip)),
    "ParaCLIP B/32, .pt": ("B", pt_form("ViT-B-32", paraclip_form)),
    "OpenAI L/14, TorchScript fp16": ("L", openai_archive("ViT-L-14-quickgelu")),
    "open_clip L/14-336 quick": ("L", folder_form("ViT-L-14-336-quickgelu")),
    "open_clip H/14": ("H", folder_form("ViT-H-14")),
    "DFN H/14 quick, text.": ("H", folder_form("ViT-H-14-quickgelu", custom_text=True)),
    "roberta B/32, MLP": ("B", roberta_form("mlp")),
    "roberta B/32, linear": ("B", roberta_form("linear")),
    "HF B/32 quick, eos 2": ("B", hf_form("B/32", "quick_gelu", end=2)),
    "HF B/16 gelu, shards": ("B", hf_form("B/16", "gelu", end=49407, shards="200MB")),
    "HF L/14 quick, .bin": ("L", hf_form("L/14", "quick_gelu", end=2, pickled=True)),
    "HF L/14-336 quick": ("L", hf_form("L/14", "quick_gelu", end=49407, size=336)),
    "HF H/14 gelu": ("H", hf_form("H/14", "gelu", end=49407)),
}
