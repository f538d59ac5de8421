#!/usr/bin/env python3
"""Makes the golden files of tests/golden/clip: tiny CLIP models with random weights and what transformers and open_clip
compute with them (token ids, embeddings, loss, every gradient, ten training steps).

Run it in the environment of `scripts/setup --references`:

    .deps/references/bin/python scripts/make_golden.py tests/golden/clip
"""

import argparse
import json
import math
import pathlib

import numpy as np
import open_clip
import torch
import transformers
from safetensors.torch import save_file

MERGES = 200  # Of CLIP's own, the most frequent ones: enough for real words to have several tokens.
WIDTH, LAYERS, HEADS, PROJECTION, CONTEXT = 32, 2, 4, 24, 24

TRIPLES = [
    ("DSC_0042.jpg two dogs run on the beach!!", "Two dogs run along a beach.", "A pair of hounds race over the sand."),
    ("red car for sale - only $900", "A red car that is for sale.", "A crimson automobile on offer."),
    ("MAN WITH GUITAR", "A man holds a guitar.", "A guy carrying a stringed instrument."),
    ("the old lighthouse, cape cod", "An old lighthouse on a cape.", "An ageing beacon by the sea."),
    ("kids playing soccer in the rain", "Children play soccer in the rain.", "Youngsters kick a ball during a shower."),
    ("woman reading newspaper on train", "A woman reads a newspaper on a train.", "A lady studies the news while riding the rails."),
    ("3 cats sleeping / sofa", "Three cats sleep on a sofa.", "A trio of felines naps on a couch."),
    ("chef prepares pasta #food", "A chef prepares pasta.", "A cook makes noodles."),
    ("snowy mountain at sunrise (wallpaper)", "A snowy mountain at sunrise.", "Dawn over a white peak."),
    ("boy jumps into swimming pool", "A boy jumps into a pool.", "A lad leaps into the water."),
    ("caf\u00e9 tables outside, Paris", "Tables outside a caf\u00e9 in Paris.", "Seats in front of a Parisian coffee house."),
    ("bride & groom cutting cake", "A bride and a groom cut a cake.", "Newlyweds slice their dessert."),
    ("yellow school bus stops at corner", "A yellow school bus stops at a corner.", "A vehicle for pupils halts at a crossing."),
    ("surfer rides a big wave", "A surfer rides a large wave.", "Someone on a board glides down a huge swell."),
    ("kids playing soccer in the rain", "Children play soccer in the rain.", "Boys and girls enjoy football in wet weather."),
    ("horse standing in green field", "A horse stands in a green field.", "A mare waits on a meadow."),
]


def write_tokenizer(folder, merges_file):
    """A vocabulary of CLIP's form with its first merges: bytes, bytes with </w>, merges, two specials."""
    lines = merges_file.read_text(encoding="utf-8").split("\n")[: MERGES + 1]
    printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    symbols = [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    tokens = symbols + [s + "</w>" for s in symbols] + [line.replace(" ", "") for line in lines[1:]]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2"] + lines[1:]) + "\n", encoding="utf-8")
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}, ensure_ascii=False), encoding="utf-8")
    return len(tokens)


def build_model(kind, vocabulary):
    torch.manual_seed(7)
    # All old repositories say eos_token_id 2, which means pooling at the highest id.
    end = 2 if kind == "full" else vocabulary - 1
    text = dict(vocab_size=vocabulary, hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=LAYERS,
                num_attention_heads=HEADS, max_position_embeddings=CONTEXT, projection_dim=PROJECTION,
                bos_token_id=vocabulary - 2, eos_token_id=end, pad_token_id=vocabulary - 1,
                hidden_act="quick_gelu" if kind == "full" else "gelu")
    if kind == "full":
        vision = dict(hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=1, num_attention_heads=2,
                      image_size=8, patch_size=4, projection_dim=PROJECTION)
        model = transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=PROJECTION))
    else:
        model = transformers.CLIPTextModelWithProjection(transformers.CLIPTextConfig(**text))
        model.logit_scale = torch.nn.Parameter(torch.tensor(2.6592))
    # Larger than the initialisation's, biases and norms not at 0 and 1: a tensor that is ignored must show.
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name != "logit_scale":
                parameter.add_(0.08 * torch.randn(parameter.shape, generator=generator))
    return model.float().eval()


def embed_hf(model, ids):
    """Text embeddings, not normalised, of padded ids [batch, CONTEXT]."""
    if isinstance(model, transformers.CLIPModel):
        pooled = model.text_model(input_ids=ids).pooler_output
        return model.text_projection(pooled)
    return model(input_ids=ids).text_embeds


def open_clip_twin(model, kind, vocabulary):
    """open_clip's model with the same text weights."""
    twin = open_clip.model.CLIP(
        embed_dim=PROJECTION, quick_gelu=kind == "full",
        vision_cfg=open_clip.CLIPVisionCfg(layers=1, width=WIDTH, head_width=16, patch_size=4, image_size=8),
        text_cfg=open_clip.CLIPTextCfg(context_length=CONTEXT, vocab_size=vocabulary, width=WIDTH, heads=HEADS, layers=LAYERS))
    source = dict(model.named_parameters())
    with torch.no_grad():
        for name, parameter in twin.named_parameters():
            if not name.startswith("visual."):
                parameter.copy_(hf_value(source, name))
    return twin.float().eval()


def hf_value(source, name):
    """The tensor of open_clip's `name`, put together from HF's."""
    simple = {"positional_embedding": "text_model.embeddings.position_embedding.weight",
              "token_embedding.weight": "text_model.embeddings.token_embedding.weight", "logit_scale": "logit_scale",
              "ln_final.weight": "text_model.final_layer_norm.weight", "ln_final.bias": "text_model.final_layer_norm.bias"}
    if name in simple:
        return source[simple[name]]
    if name == "text_projection":
        return source["text_projection.weight"].T
    _, _, layer, rest = name.split(".", 3)
    block = f"text_model.encoder.layers.{layer}."
    if rest.startswith("attn.in_proj_"):
        kind = rest.removeprefix("attn.in_proj_")
        return torch.cat([source[f"{block}self_attn.{part}_proj.{kind}"] for part in "qkv"])
    for theirs, hfs in (("ln_1", "layer_norm1"), ("ln_2", "layer_norm2"), ("attn.out_proj", "self_attn.out_proj"),
                        ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2")):
        if rest.startswith(theirs + "."):
            return source[block + rest.replace(theirs, hfs)]
    raise KeyError(name)


def paraclip_loss(embed, ids, images, logit_scale, clip_loss):
    """L1(I, T'') + L2(T, T') + L3(T', T''), each open_clip's ClipLoss. `ids` is [3, batch, CONTEXT]."""
    caption, first, second = (torch.nn.functional.normalize(embed(part), dim=-1) for part in ids)
    scale = logit_scale.exp()
    return clip_loss(images, second, scale) + clip_loss(caption, first, scale) + clip_loss(first, second, scale)


def train(model, ids, images, clip_loss, batches, base_lr, warmup):
    """Ten steps as open_clip trains: AdamW, no decay on 1-D tensors, cosine, clipping, clamped logit scale."""
    text = [(n, p) for n, p in model.named_parameters() if not n.startswith(("vision_model.", "visual_projection."))]
    optimizer = torch.optim.AdamW([{"params": [p for _, p in text if p.ndim >= 2], "weight_decay": 0.1},
                                   {"params": [p for _, p in text if p.ndim < 2], "weight_decay": 0.0}],
                                  lr=base_lr, betas=(0.9, 0.98), eps=1e-6)
    schedule = open_clip_train_cosine(optimizer, base_lr, warmup, len(batches))
    records = []
    for step, batch in enumerate(batches):
        schedule(step)
        optimizer.zero_grad()
        loss = paraclip_loss(lambda part: embed_hf(model, part), ids[:, batch], images[batch], model.logit_scale, clip_loss)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_([p for _, p in text], 1.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        records.append({"loss": loss.item(), "grad_norm": norm.item(), "lr": optimizer.param_groups[0]["lr"]})
    return records


def open_clip_train_cosine(optimizer, base_lr, warmup, steps):
    from open_clip_train.scheduler import cosine_lr
    return cosine_lr(optimizer, base_lr, warmup, steps)


def make(kind, root, merges_file):
    folder = root / kind
    model_folder = folder / "model"
    model_folder.mkdir(parents=True, exist_ok=True)
    vocabulary = write_tokenizer(model_folder, merges_file)
    model = build_model(kind, vocabulary)
    tokenizer = transformers.CLIPTokenizer.from_pretrained(model_folder)
    model.config.save_pretrained(model_folder)
    config = json.loads((model_folder / "config.json").read_text())
    config["architectures"] = [type(model).__name__]
    (model_folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    state = {n: p.detach().clone().contiguous() for n, p in model.named_parameters()}
    save_file(state, model_folder / "model.safetensors", {"format": "pt"})

    ids = torch.stack([tokenizer([t[i] for t in TRIPLES], padding="max_length", truncation=True, max_length=CONTEXT,
                                 return_tensors="pt").input_ids for i in range(3)])
    generator = torch.Generator().manual_seed(3)
    images = torch.nn.functional.normalize(torch.randn(len(TRIPLES), PROJECTION, generator=generator), dim=-1)
    clip_loss = open_clip.ClipLoss()
    tensors = {"token_ids": ids, "images": images}

    flat = ids.reshape(-1, CONTEXT)
    twin = open_clip_twin(model, kind, vocabulary)
    with torch.no_grad():
        tensors["embeddings.transformers"] = embed_hf(model, flat)
        tensors["embeddings.open_clip"] = twin.encode_text(flat)
    losses = {}
    for name, embed, module in (("transformers", lambda part: embed_hf(model, part), model), ("open_clip", twin.encode_text, twin)):
        module.zero_grad()
        loss = paraclip_loss(embed, ids, images, module.logit_scale, clip_loss)
        loss.backward()
        losses[name] = loss.item()
        for parameter, value in module.named_parameters():
            if value.grad is not None:
                tensors[f"grad.{name}.{parameter}"] = value.grad.clone()

    order = torch.Generator().manual_seed(5)
    batches = [torch.randperm(len(TRIPLES), generator=order)[:8].tolist() for _ in range(10)]
    steps = train(model, ids, images, clip_loss, batches, base_lr=1e-3, warmup=3)
    for name, value in model.named_parameters():
        if not name.startswith(("vision_model.", "visual_projection.")):
            tensors[f"trained.{name}"] = value.detach()
    save_file({n: t.contiguous() for n, t in tensors.items()}, folder / "golden.safetensors")
    golden = {"made_by": {"torch": torch.__version__, "transformers": transformers.__version__, "open_clip": open_clip.__version__},
              "loss": losses, "batches": batches, "base_lr": 1e-3, "warmup": 3, "steps": steps}
    (folder / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")

    with open(folder / "triples.jsonl", "w", encoding="utf-8") as file:
        for index, (caption, first, second) in enumerate(TRIPLES):
            file.write(json.dumps({"index": index, "image_id": f"image-{index:02}", "caption": caption, "paraphrase_1": first,
                                   "paraphrase_2": second}, ensure_ascii=False) + "\n")
    embeddings = folder / "embeddings" / "img_emb"
    embeddings.mkdir(parents=True, exist_ok=True)
    np.save(embeddings / "img_emb_0.npy", images.numpy())
    (folder / "embeddings" / "ids.txt").write_text("".join(f"image-{i:02}\n" for i in range(len(TRIPLES))))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--merges", type=pathlib.Path, default=pathlib.Path(".deps/clip/bpe_merges.txt"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    for kind in ("full", "text_only"):
        make(kind, args.output, args.merges)


if __name__ == "__main__":
    main()
