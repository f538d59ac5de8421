"""What all contestants are given: models with random weights, and triples of real captions with random image embeddings.

Everything is made once in the work folder, from fixed seeds:

    MODEL/            open_clip's form of a model (open_clip_config.json, open_clip_model.safetensors)
    MODEL/hf          the same text tower for transformers
    triples.jsonl     as `paraclip train` reads it
    MODEL/embeddings  image embeddings of the model's width, random unit rows
"""

import json
import random
import shutil

SEED = 1
PARTS = ("caption", "paraphrase_1", "paraphrase_2")


def make_model(name, folder):
    """open_clip's model `name` with random weights, as its own save_for_hf writes it."""
    import open_clip
    import torch
    from open_clip.push_to_hf_hub import save_for_hf

    class NoTokenizer:
        def save_pretrained(self, folder):
            pass

    torch.manual_seed(SEED)
    save_for_hf(open_clip.create_model(name), NoTokenizer(), open_clip.get_model_config(name), folder, safe_serialization=True)


def make_text_tower(folder, target):
    """The text tower of an open_clip model as transformers' CLIPTextModelWithProjection."""
    import torch
    import transformers
    from safetensors.torch import load_file

    text = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
    width, projection = text["text_cfg"]["width"], text["embed_dim"]
    config = transformers.CLIPTextConfig(
        hidden_size=width, intermediate_size=4 * width, num_hidden_layers=text["text_cfg"]["layers"],
        num_attention_heads=text["text_cfg"]["heads"], projection_dim=projection, hidden_act="gelu", bos_token_id=49406,
        eos_token_id=49407)
    model = transformers.CLIPTextModelWithProjection(config)
    theirs = load_file(folder / "open_clip_model.safetensors")
    tensors = {"embeddings.token_embedding.weight": theirs["token_embedding.weight"],
               "embeddings.position_embedding.weight": theirs["positional_embedding"],
               "final_layer_norm.weight": theirs["ln_final.weight"], "final_layer_norm.bias": theirs["ln_final.bias"]}
    names = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2",
             "attn.out_proj": "self_attn.out_proj"}
    for layer in range(config.num_hidden_layers):
        source, to = f"transformer.resblocks.{layer}.", f"encoder.layers.{layer}."
        for kind in ("weight", "bias"):
            for old, new in names.items():
                tensors[f"{to}{new}.{kind}"] = theirs[f"{source}{old}.{kind}"]
            for part, values in zip("qkv", theirs[f"{source}attn.in_proj_{kind}"].chunk(3)):
                tensors[f"{to}self_attn.{part}_proj.{kind}"] = values
    state = {f"text_model.{name}": value.contiguous() for name, value in tensors.items()}
    state["text_projection.weight"] = theirs["text_projection"].T.contiguous()
    known = model.state_dict()
    if set(state) - set(known) or {name for name in set(known) - set(state) if "position_ids" not in name}:
        raise RuntimeError(f"transformers names its tensors otherwise: {sorted(set(known) ^ set(state))[:8]}")
    with torch.no_grad():
        model.load_state_dict(state, strict=False)
    model.save_pretrained(target)


def shuffled(text, generator):
    words = text.split()
    generator.shuffle(words)
    return " ".join(words)


def make_triples(captions, path, count):
    """`count` triples of three captions each: the shuffled captions in order, shuffled anew for every pass. From the second pass on,
    a caption's words are shuffled too: equal texts would be computed once."""
    texts = [line.split("\t")[0] for line in captions.read_text("utf-8").splitlines()]
    texts = [text for text in texts if text.strip()]
    shuffle, pool, passes = random.Random(SEED), [], 0
    with open(path, "w", encoding="utf-8") as out:
        for number in range(count):
            if len(pool) < len(PARTS):
                pool = [shuffled(text, shuffle) for text in texts] if passes else texts[:]
                shuffle.shuffle(pool)
                passes += 1
            record = {"index": number, "image_id": f"image-{number:06}"} | {part: pool.pop() for part in PARTS}
            out.write(json.dumps(record) + "\n")
    return len(texts)


def make_embeddings(width, count, folder):
    import numpy as np

    rows = np.random.default_rng(SEED).standard_normal((count, width), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    (folder / "img_emb").mkdir(parents=True)
    np.save(folder / "img_emb/img_emb_0.npy", rows)
    (folder / "ids.txt").write_text("".join(f"image-{number:06}\n" for number in range(count)))


def make_all(work, captions, models, count):
    """Makes what is missing in the folder `work`. Returns the paths."""
    triples = work / "triples.jsonl"
    if not triples.exists() or sum(1 for _ in open(triples, encoding="utf-8")) < count:
        make_triples(captions, triples, count)
    paths = {"triples": triples}
    for name in models:
        folder = work / name
        if not (folder / "hf/model.safetensors").exists():
            shutil.rmtree(folder, ignore_errors=True)
            make_model(name, folder)
            make_text_tower(folder, folder / "hf")
        ids = folder / "embeddings/ids.txt"
        if not ids.exists() or sum(1 for _ in open(ids)) < count:
            shutil.rmtree(folder / "embeddings", ignore_errors=True)
            make_embeddings(json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]["embed_dim"], count,
                            folder / "embeddings")
        paths[name] = folder
    return paths
