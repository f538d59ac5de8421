#!/usr/bin/env python3
"""Image embeddings of full-size models with random weights: paraclip's against open_clip's and transformers' own.

    .deps/references/bin/python scripts/compare_image_embeddings.py --program BUILD/paraclip \\
        --dump BUILD/tests/clip/dump_embeddings --photos FOLDER

Each reference makes its model, saves it, and embeds the photos with its own preprocessing. `paraclip embed` reads what was
saved and embeds the same files. Then both towers of a tiny model in either form are trained a few steps by `paraclip train`,
and the reference reads what was saved and embeds as well. Prints a table; exits with 1 where a tolerance is exceeded.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import open_clip
import torch
import transformers
from open_clip.push_to_hf_hub import save_for_hf
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

FP32 = 2e-6  # Unit vectors, whose elements are of size 0.05.
STORED = 1.3e-4  # Embedding files are float16, which is off by up to 1.2e-4 between 0.25 and 0.5.
BF16 = 0.999  # Cosine.
# name, quick_gelu, photos: the large model sees fewer.
OPEN_CLIP = [("ViT-B-32", False, 24), ("ViT-B-16-quickgelu", True, 24), ("ViT-L-14", False, 6)]
# name, width, layers, heads, patch size, embedding width, activation, photos
HF = [("ViT-B/32", 768, 12, 12, 32, 512, "quick_gelu", 24), ("ViT-B/16", 768, 12, 12, 16, 512, "gelu", 24),
      ("ViT-L/14", 1024, 24, 16, 14, 768, "quick_gelu", 6)]


def spread_weights(module):
    """Weights under which photos differ and no tensor could be ignored unseen: larger than what random ones begin with,
    biases and norms not 0 and 1."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
            elif "position" not in name:
                parameter.mul_(1.5)


class NoTokenizer:
    """A folder without one means CLIP's own."""

    def save_pretrained(self, folder):
        pass


def make_open_clip(name, folder):
    config = open_clip.get_model_config(name)
    config["text_cfg"]["layers"] = 1  # The text tower takes no part.
    torch.manual_seed(1)
    model = open_clip.model.CLIP(**config).eval()
    spread_weights(model.visual)
    size = config["vision_cfg"]["image_size"]
    open_clip.model.set_model_preprocess_cfg(model, {"size": size, "mean": open_clip.OPENAI_DATASET_MEAN,
                                                     "std": open_clip.OPENAI_DATASET_STD})
    save_for_hf(model, NoTokenizer(), open_clip.get_model_config(name) | {"text_cfg": config["text_cfg"]}, folder,
                safe_serialization=True)
    transform = open_clip.image_transform(size, is_train=False)
    return (lambda pixels: model.encode_image(pixels)), lambda image: transform(image)


def make_hf(width, layers, heads, patch_size, projection, activation, folder):
    vision = dict(hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers, num_attention_heads=heads,
                  image_size=224, patch_size=patch_size, projection_dim=projection, hidden_act=activation)
    text = dict(num_hidden_layers=1, projection_dim=projection, hidden_act=activation)
    torch.manual_seed(1)
    model = transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=projection)).eval()
    spread_weights(model.vision_model)
    spread_weights(model.visual_projection)
    model.save_pretrained(folder)
    processor = CLIPImageProcessorPil()
    processor.save_pretrained(folder)
    return (lambda pixels: model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output),
            lambda image: processor(image, return_tensors="pt")["pixel_values"][0])


def unit(rows):
    return torch.nn.functional.normalize(torch.as_tensor(rows).float(), dim=-1)


def embed_reference(model, transform, files, bf16):
    rows = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        for file in files:
            rows.append(model(transform(Image.open(file)).unsqueeze(0)))
    return unit(torch.cat(rows))


def embed_paraclip(program, folder, photos, out, precision):
    """The rows of the files in the order of their names, as `paraclip embed` stores them."""
    subprocess.run([program, "embed", "--quiet", "--model", folder, "--images", photos, "-o", out, "--precision", precision],
                   check=True, stdout=subprocess.DEVNULL)
    return torch.from_numpy(np.load(next((out / "img_emb").glob("*.npy"))).astype(np.float32))


def dump_paraclip(program, folder, files, precision, width):
    rows = []
    for start in range(0, len(files), 8):
        command = [program, folder, "-", precision, "images", *files[start:start + 8]]
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        rows.append(np.frombuffer(out, dtype=np.float32).reshape(-1, width))
    return torch.from_numpy(np.concatenate(rows))


class Table:
    def __init__(self):
        self.failed = False
        print("| model | images | fp32, largest difference | the same, as stored | bf16, lowest cosine | the reference's own bf16 | "
              "cosine between images |\n|---|---|---|---|---|---|---|")

    def check(self, value, limit, good):
        self.failed |= not good
        return f"{value:.1e} (at most {limit:.1e})" if limit < 0.5 else f"{value:.5f} (at least {limit})"

    def at_most(self, value, limit):
        return self.check(value, limit, value <= limit)

    def at_least(self, value, limit):
        return self.check(value, limit, value >= limit)

    def add(self, name, model, transform, args, folder, files):
        expected = embed_reference(model, transform, files, bf16=False)
        bf16 = embed_reference(model, transform, files, bf16=True)
        del model
        dump = [dump_paraclip(args.dump, folder, files, precision, expected.shape[1]) for precision in ("fp32", "bf16")]
        stored = embed_paraclip(args.program, folder, files[0].parent, folder / "embeddings", "fp32")
        difference = (dump[0] - expected).abs().max().item()
        lowest = (dump[1] * expected).sum(1).min().item()
        own = (bf16 * expected).sum(1).min().item()
        between = (expected @ expected.T)[~torch.eye(len(files), dtype=torch.bool)].mean().item()
        print(f"| {name} | {len(files)} | {self.at_most(difference, FP32)} | "
              f"{self.at_most((stored - expected).abs().max().item(), STORED)} | {self.at_least(lowest, BF16)} | {own:.5f} | "
              f"{between:.2f} |", flush=True)


def make_photos(folder, photos, count):
    """JPEGs of 500x375, so that all are resized and cropped."""
    folder.mkdir()
    files = []
    for i, photo in enumerate(photos[:count]):
        files.append(folder / f"{i:03}.jpg")
        Image.open(photo).convert("RGB").resize((500, 375), Image.Resampling.LANCZOS).save(files[-1], quality=90)
    return files


def compare_trained(args, root, files):
    """Whether the references read what `paraclip train` writes in either family's form."""
    failed = False
    captions = root / "captions.tsv"
    captions.write_text("image_id\tcaption\n" + "".join(f"{file.name}\tphoto number {i}\n" for i, file in enumerate(files)))
    print("\n| saved by `paraclip train`, read by | images | texts |\n|---|---|---|")
    for kind in ("quick_gelu", "gelu"):
        for family, peer in (("hf", "transformers"), ("open_clip", "open_clip")):
            base = Path("tests/golden/vision") / kind / family
            out = root / f"{kind}-{family}"
            subprocess.run([args.program, "train", "--quiet", "--objective", "clip", "--unlock", "image", "--model", base, "--images",
                            files[0].parent, "--captions", captions, "-o", out, "--batch-size", "4", "--epochs", "2", "--lr", "1e-3",
                            "--warmup", "1"], check=True, stdout=subprocess.DEVNULL)
            saved = out / "last"
            tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(base) if family == "open_clip" else \
                transformers.CLIPTokenizer.from_pretrained(saved)
            texts = ["two dogs on the beach", "a red car"]
            ids = tokenizer(texts, padding="max_length", max_length=20, return_tensors="pt").input_ids
            if family == "hf":
                model = transformers.CLIPModel.from_pretrained(saved).eval()
                processor = CLIPImageProcessorPil.from_pretrained(saved)
                def encode_image(pixels):
                    return model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)
                def encode_text(ids):
                    return model.text_projection(model.text_model(input_ids=ids).pooler_output)
                def transform(image):
                    return processor(image, return_tensors="pt")["pixel_values"][0]
            else:
                model, transform = open_clip.create_model_from_pretrained(f"local-dir:{saved.resolve()}")
                encode_image, encode_text = model.eval().encode_image, model.encode_text
            expected = embed_reference(encode_image, transform, files, bf16=False)
            images = (dump_paraclip(args.dump, saved, files, "fp32", expected.shape[1]) - expected).abs().max().item()
            lines = root / "texts.txt"
            lines.write_text("\n".join(texts) + "\n")
            subprocess.run([args.program, "embed", "--quiet", "--model", saved, "--texts", lines, "-o", out / "texts"], check=True,
                           stdout=subprocess.DEVNULL)
            rows = np.load(next((out / "texts" / "text_emb").glob("*.npy"))).astype(np.float32)
            with torch.inference_mode():
                difference = (torch.from_numpy(rows) - unit(encode_text(ids))).abs().max().item()
            moved = (dump_paraclip(args.dump, base, files, "fp32", expected.shape[1]) - expected).abs().max().item()
            # Few dimensions, so elements are of size 0.3 to 1, and their float16 is off by up to 2.4e-4.
            failed |= images > 1e-5 or difference > 3e-4 or moved < 1e-3
            print(f"| {peer}, {kind} | {images:.1e} (at most 1e-05; training moved them by {moved:.1e}) | {difference:.1e} as stored "
                  "(at most 3e-04) |", flush=True)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, type=Path)
    parser.add_argument("--dump", required=True, type=Path)
    parser.add_argument("--photos", required=True, type=Path)
    parser.add_argument("--only", help="models whose name contains this")
    args = parser.parse_args()
    args.program, args.dump = args.program.resolve(), args.dump.resolve()
    torch.set_num_threads(2)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    photos = sorted(args.photos.rglob("*.jpg"))
    if not photos:
        sys.exit(f"no *.jpg in {args.photos}")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        pictures = {count: make_photos(root / f"photos-{count}", photos, count) for count in (6, 24)}
        failed = compare_trained(args, root, pictures[24])
        print()
        table = Table()
        for name, quick, count in OPEN_CLIP:
            label = f"open_clip {name}, {'quick_gelu' if quick else 'gelu'}"
            if args.only and args.only not in label:
                continue
            with tempfile.TemporaryDirectory() as folder:
                table.add(label, *make_open_clip(name, Path(folder)), args, Path(folder), pictures[count])
        for name, *shape, activation, count in HF:
            label = f"transformers {name}, {activation}"
            if args.only and args.only not in label:
                continue
            with tempfile.TemporaryDirectory() as folder:
                table.add(label, *make_hf(*shape, activation, Path(folder)), args, Path(folder), pictures[count])
    return 1 if table.failed or failed else 0


if __name__ == "__main__":
    sys.exit(main())
