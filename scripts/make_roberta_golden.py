#!/usr/bin/env python3
"""Makes the golden files of tests/golden/roberta: tiny CLIP models with RoBERTa as their text tower, in open_clip's form on the
hub, and what open_clip computes with them: token ids, embeddings, and every gradient of a loss.

Run it in the environment of `scripts/setup --references`:

    .deps/references/bin/python scripts/make_roberta_golden.py tests/golden/roberta

The two differ in their projection (open_clip's hf_proj_type), in the type of the weights and in the tokenizer's files.
"""

import argparse
import json
import pathlib
import tempfile

import open_clip
import tokenizers
import torch
import transformers
from open_clip.tokenizer import HFTokenizer
from safetensors.torch import save_file

SPECIALS = ["<s>", "<pad>", "</s>", "<unk>"]
VOCABULARY, CONTEXT, WIDTH, HEADS, MLP_WIDTH, PROJECTION = 400, 77, 128, 2, 96, 48

# Among them one that is longer than 77 tokens, and one with special tokens written out, padding tokens too.
TEXTS = [
    "A dog runs on the beach.",
    "Two dogs\u2019 owners talk; it&#39;s raining &amp; cold",
    "",
    "caf\u00e9 tables outside,  Paris \u4e2d\u6587 \U0001F436",
    "THE OLD LIGHTHOUSE, we're there in 1998",
    "a <mask> in a <pad> of<pad> <unk> grass <s> and </s> trees",
    "The woman, who'd read 12 newspapers on the train, couldn't remember where she'd left her umbrella, her hat, the three "
    "cats and the dog that she had brought along, so the conductor helped her look for all of them under every seat.",
    "x",
]

KINDS = {
    "mlp": dict(proj="mlp", layers=2, dtype=torch.float16, files="vocab.json and merges.txt"),
    "linear": dict(proj="linear", layers=1, dtype=torch.float32, files="tokenizer.json"),
}


def train_tokenizer(folder, files):
    """Writes the files of a RoBERTa tokenizer as they are on the hub, of a vocabulary of VOCABULARY tokens."""
    bpe = tokenizers.ByteLevelBPETokenizer()
    bpe.train_from_iterator(TEXTS, vocab_size=VOCABULARY - 2, min_frequency=1, special_tokens=SPECIALS, show_progress=False)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        bpe.save_model(str(scratch))
        vocabulary = json.loads((scratch / "vocab.json").read_text(encoding="utf-8"))
        # As in roberta-base: a token that no merge makes, and <mask> as the last.
        vocabulary["madeupword0000"] = len(vocabulary)
        vocabulary["<mask>"] = len(vocabulary)
        assert len(vocabulary) == VOCABULARY, len(vocabulary)
        (scratch / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
        mask = tokenizers.AddedToken("<mask>", lstrip=True, special=True)
        transformers.RobertaTokenizer(str(scratch / "vocab.json"), str(scratch / "merges.txt"), mask_token=mask).save_pretrained(folder)
        if files == "tokenizer.json":
            return
        (folder / "tokenizer.json").unlink()
        for name in ("vocab.json", "merges.txt"):
            (folder / name).write_bytes((scratch / name).read_bytes())
    token = {"content": "<mask>", "lstrip": True, "normalized": False, "rstrip": False, "single_word": False}
    (folder / "special_tokens_map.json").write_text(json.dumps({"mask_token": token}, indent=1) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "RobertaTokenizer"}) + "\n")


def build_model(kind):
    """open_clip's CustomTextCLIP with a RoBERTa of random weights."""
    text = transformers.RobertaConfig(vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=kind["layers"],
                                      num_attention_heads=HEADS, intermediate_size=MLP_WIDTH, max_position_embeddings=CONTEXT + 3,
                                      type_vocab_size=1, layer_norm_eps=1e-5)
    torch.manual_seed(7)
    with tempfile.TemporaryDirectory() as scratch:
        text.save_pretrained(scratch)
        model = open_clip.CustomTextCLIP(
            embed_dim=PROJECTION, quick_gelu=True,
            vision_cfg=open_clip.CLIPVisionCfg(layers=1, width=32, head_width=16, patch_size=8, image_size=16),
            text_cfg=dict(hf_model_name=scratch, hf_model_pretrained=False, hf_pooler_type="mean_pooler", hf_proj_type=kind["proj"]))
    # Biases and norms not at 0 and 1: a tensor that is ignored must show. Rounded to the type that is stored.
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name != "logit_scale":
                parameter.add_(0.08 * torch.randn(parameter.shape, generator=generator))
            parameter.copy_(parameter.to(kind["dtype"]).float())
    return model.float().eval()


def make(name, root):
    kind = KINDS[name]
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    train_tokenizer(folder, kind["files"])
    model = build_model(kind)
    state = {n: t.to(kind["dtype"]).contiguous() for n, t in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors", {"format": "pt"})
    config = {"model_cfg": {"embed_dim": PROJECTION, "quick_gelu": True,
                            "vision_cfg": {"image_size": 16, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
                            "text_cfg": {"hf_model_name": "roberta-base", "hf_tokenizer_name": "roberta-base",
                                         "hf_proj_type": kind["proj"], "hf_pooler_type": "mean_pooler"}},
              "preprocess_cfg": {"mean": list(open_clip.OPENAI_DATASET_MEAN), "std": list(open_clip.OPENAI_DATASET_STD)}}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n")

    # In double precision: the sums over tokens in the gradients nearly cancel, so that float32's rounding shows in them.
    model.double()
    ids = HFTokenizer(str(folder), context_length=CONTEXT)(TEXTS)
    embeddings = model.encode_text(ids)
    generator = torch.Generator().manual_seed(3)
    images = torch.randn(len(TEXTS), PROJECTION, generator=generator).double()
    loss = open_clip.ClipLoss()(torch.nn.functional.normalize(images, dim=-1), torch.nn.functional.normalize(embeddings, dim=-1),
                                model.logit_scale.exp())
    loss.backward()
    tensors = {"token_ids": ids, "embeddings": embeddings, "images": images, "loss": loss}
    # A matrix is stored as its products with a vector from either side: small, and whatever differs shows.
    for parameter, value in model.named_parameters():
        if value.grad is None:
            continue
        if value.ndim < 2 or len(value) == 1:
            tensors[f"grad.{parameter}"] = value.grad
            continue
        left, right = (torch.randn(size, generator=generator).double() for size in value.shape)
        for side, vector in (("left", left), ("right", right)):
            tensors[f"{side}.{parameter}"] = vector
        tensors[f"grad_left.{parameter}"] = left @ value.grad
        tensors[f"grad_right.{parameter}"] = value.grad @ right
    rounded = {n: t.detach().float() if t.is_floating_point() else t for n, t in tensors.items()}
    save_file({n: t.contiguous() for n, t in rounded.items()}, folder / "golden.safetensors")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=pathlib.Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in KINDS:
        make(name, args.output)


if __name__ == "__main__":
    main()
