"""Counts the values that differ between paraclip's image side and its references.

    .deps/references/bin/python scripts/compare_images.py BUILD/tests/image/dump_pixels FOLDER [--count 500]

FOLDER holds photos (JPEG). They are decoded, resized to sizes that are not theirs and preprocessed, by paraclip and by
Pillow, open_clip's transform and transformers' CLIPImageProcessorPil. So are pictures of every mode and container,
made here. Prints one Markdown table; exits with 1 where anything differs. `--time` measures instead, on one thread.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

OPEN_CLIP = {"model_cfg": {"vision_cfg": {"image_size": 224}}, "preprocess_cfg": {}}
HF = {"image_processor_type": "CLIPImageProcessor"}


def read_records(program, arguments, files):
    """The (header, bytes) pairs that dump_pixels writes, a few files at a time."""
    for start in range(0, len(files), 50):
        names = [str(file) for file in files[start:start + 50]]
        out = subprocess.run([program, *map(str, arguments), *names], stdout=subprocess.PIPE, check=True).stdout
        position = 0
        for _ in names:
            end = out.index(b"\n", position)
            header = json.loads(out[position:end])
            position = end + 1 + header["bytes"]
            yield header, out[end + 1:position]


def pixels_of(image):
    """A Pillow image's bytes in paraclip's layout."""
    array = np.asarray(image)
    return array.astype(np.uint8) * 255 if image.mode == "1" else array


class Tally:
    """Counts of differing values, a row a kind of picture and a column a step."""

    def __init__(self):
        self.rows = {}

    def add(self, kind, step, ours, theirs):
        row = self.rows.setdefault(kind, {}).setdefault(step, [0, 0, 0.0])
        ours = np.frombuffer(ours, dtype=theirs.dtype)
        theirs = theirs.ravel()
        if ours.shape != theirs.shape:
            sys.exit(f"{kind}, {step}: {ours.shape} values, expected {theirs.shape}")
        row[0] += int((ours != theirs).sum())
        row[1] += ours.size
        row[2] = max(row[2], float(np.abs(ours.astype(np.float64) - theirs).max()))

    def print(self):
        steps = ["decode", "resize", "open_clip", "transformers"]
        print("| pictures | " + " | ".join(steps) + " |\n|---" * 1 + "|---" * len(steps) + "|")
        for kind, row in self.rows.items():
            cells = []
            for step in steps:
                wrong, total, largest = row[step]
                cells.append(f"{wrong} of {total}" + (f" (largest {largest:.3g})" if wrong else ""))
            print(f"| {kind} | " + " | ".join(cells) + " |")

    def wrong(self):
        return sum(cell[0] for row in self.rows.values() for cell in row.values())


def make_transforms():
    from open_clip.transform import image_transform
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    processor = CLIPImageProcessorPil()
    transform = image_transform(224, is_train=False)
    return {
        "open_clip": lambda image: transform(image).numpy(),
        "transformers": lambda image: processor(image, return_tensors="np")["pixel_values"][0],
    }


def compare(program, folder, kinds, tally):
    """`kinds`: {name: [files]}."""
    configs = {"open_clip": folder / "open_clip_config.json", "transformers": folder / "preprocessor_config.json"}
    configs["open_clip"].write_text(json.dumps(OPEN_CLIP))
    configs["transformers"].write_text(json.dumps(HF))
    transforms = make_transforms()
    for kind, files in kinds.items():
        for file, (header, data) in zip(files, read_records(program, ["decode"], files)):
            if "error" in header:
                sys.exit(header["error"])
            image = Image.open(file)
            image.load()
            if header["mode"] != image.mode:
                sys.exit(f"{file}: mode {header['mode']}, Pillow has {image.mode}")
            tally.add(kind, "decode", data, pixels_of(image))
        for width, height in ((300, 301), (97, 61), (224, 149)):
            records = read_records(program, ["resize", width, height], files)
            for file, (header, data) in zip(files, records):
                resized = Image.open(file).resize((width, height), Image.Resampling.BICUBIC)
                tally.add(kind, "resize", data, pixels_of(resized))
        for step, transform in transforms.items():
            records = read_records(program, ["preprocess", configs[step]], files)
            for file, (header, data) in zip(files, records):
                if "error" in header:
                    sys.exit(header["error"])
                tally.add(kind, step, data, transform(Image.open(file)))


def photo_like(rng, width, height, channels):
    """Smooth shapes with noise: an image that codecs and filters treat like a photo."""
    small = rng.integers(0, 256, (5, 7, channels), dtype=np.uint8)
    layers = [Image.fromarray(small[..., c]).resize((width, height), Image.Resampling.BICUBIC) for c in range(channels)]
    noise = rng.integers(-12, 13, (height, width, channels))
    array = np.clip(np.stack([np.asarray(layer, dtype=np.int64) for layer in layers], -1) + noise, 0, 255)
    return array.astype(np.uint8)


def write_png16(path, array, alpha, transparent=None):
    """A 16-bit PNG of gray, gray with alpha, RGB or RGBA, which Pillow cannot write."""
    import struct
    import zlib

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width, channels = array.shape
    color_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    trns = chunk(b"tRNS", struct.pack(f">{channels}H", *transparent)) if transparent is not None else b""
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + trns + chunk(b"IDAT", zlib.compress(rows))
                     + chunk(b"IEND", b""))


def make_pictures(folder, sizes):
    """Pictures of every mode and container: {kind: [files]}."""
    rng = np.random.default_rng(3)
    kinds = {}

    def add(kind, image, suffix, **options):
        path = folder / f"{len(kinds)}-{sum(map(len, kinds.values()))}.{suffix}"
        image.save(path, **options)
        kinds.setdefault(kind, []).append(path)

    for width, height in sizes:
        array = photo_like(rng, width, height, 4)
        rgb, rgba = Image.fromarray(array[..., :3]), Image.fromarray(array)
        gray, cmyk = Image.fromarray(array[..., 0]), Image.fromarray(array, mode="CMYK")
        gray_alpha = Image.merge("LA", (gray, Image.fromarray(array[..., 3])))
        palette = rgb.quantize(200)
        for name, subsampling in (("4:4:4", 0), ("4:2:2", 1), ("4:2:0", 2)):
            add(f"JPEG {name}", rgb, "jpg", quality=88, subsampling=subsampling)
        add("JPEG progressive", rgb, "jpg", quality=75, progressive=True)
        add("JPEG gray", gray, "jpg", quality=90)
        add("JPEG CMYK", cmyk, "jpg", quality=90)
        add("PNG RGB", rgb, "png")
        add("PNG RGB, a transparent colour", rgb, "png", transparency=tuple(int(v) for v in array[0, 0, :3]))
        add("PNG RGBA", rgba, "png")
        add("PNG gray", gray, "png")
        add("PNG gray, a transparent level", gray, "png", transparency=int(array[0, 0, 0]))
        add("PNG gray and alpha", gray_alpha, "png")
        add("PNG 1 bit", gray.convert("1"), "png")
        for bits in (1, 2, 4):
            add(f"PNG palette, {bits} bits", rgb.quantize(2**bits), "png", bits=bits)
        add("PNG palette, 8 bits", palette, "png")
        add("PNG palette, one transparent", palette, "png", transparency=3)
        add("PNG palette with alpha", palette, "png", transparency=bytes(rng.integers(0, 256, 200, dtype=np.uint8)))
        deep = rng.integers(0, 65536, (height, width, 4), dtype=np.uint16)
        dark = deep[..., :1] // 200
        for channels in (1, 2, 3, 4):
            path = folder / f"deep-{channels}-{width}-{height}.png"
            write_png16(path, deep[..., :channels], channels in (2, 4))
            kinds.setdefault(f"PNG 16 bits, {channels} channels", []).append(path)
        path = folder / f"dark-{width}-{height}.png"
        write_png16(path, dark, False, transparent=[int(dark[0, 0, 0])])
        kinds.setdefault("PNG 16 bits, dark gray, a transparent level", []).append(path)
        add("WebP lossy", rgb, "webp", quality=80)
        add("WebP lossless", rgb, "webp", lossless=True)
        add("WebP lossy with alpha", rgba, "webp", quality=80)
        add("WebP lossless with alpha", rgba, "webp", lossless=True, exact=True)
        add("WebP animation", rgba, "webp", save_all=True, append_images=[rgba.rotate(90).resize(rgba.size)])
    return kinds


def make_photos(folder, photos, size):
    """Photos of a size that a camera or the web would give, of real ones: blown up and coded anew."""
    paths = []
    for i, photo in enumerate(photos):
        path = folder / f"photo-{i}.jpg"
        Image.open(photo).convert("RGB").resize(size, Image.Resampling.LANCZOS).save(path, quality=90)
        paths.append(path)
    return paths


def measure(program, folder, photos):
    """Images a second, one thread, paraclip and the references in the same run, the best of three rounds."""
    import torch

    torch.set_num_threads(1)
    for name, config in (("open_clip_config.json", OPEN_CLIP), ("preprocessor_config.json", HF)):
        (folder / name).write_text(json.dumps(config))
    files = make_photos(folder, photos[:40], (500, 375))
    transforms = make_transforms()
    images = [Image.open(file) for file in files]
    for image in images:
        image.load()

    def per_second(work, items):
        start = time.perf_counter()
        for item in items:
            work(item)
        return len(items) / (time.perf_counter() - start)

    jobs = {
        "decode, Pillow": (lambda file: Image.open(file).load(), files),
        "resize, Pillow": (lambda image: image.resize((298, 224), Image.Resampling.BICUBIC), images),
        "preprocess, open_clip": (transforms["open_clip"], images),
        "preprocess, transformers": (transforms["transformers"], images),
    }
    best = {}
    for _ in range(3):
        for name, (work, items) in jobs.items():
            best[name] = max(best.get(name, 0), per_second(work, items))
        for family, config in (("open_clip", "open_clip_config.json"), ("transformers", "preprocessor_config.json")):
            out = subprocess.run([program, "time", folder / config, "5", *files], stdout=subprocess.PIPE, check=True)
            result = json.loads(out.stdout)
            for name, value in (("decode, paraclip", result["decode_per_second"]),
                                (f"preprocess as {family}, paraclip", result["preprocess_per_second"])):
                best[name] = max(best.get(name, 0), value)
    print("| step, 500x375 JPEG to 224 | images a second |\n|---|---|")
    for name in sorted(best):
        print(f"| {name} | {best[name]:.0f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--time", action="store_true")
    arguments = parser.parse_args()
    photos = sorted(arguments.photos.rglob("*.jpg"))[:arguments.count]
    if not photos:
        sys.exit(f"no *.jpg in {arguments.photos}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.time:
            measure(arguments.program, folder, photos)
            return 0
        tally = Tally()
        compare(arguments.program, folder, {"photos": photos}, tally)
        compare(arguments.program, folder, {"photos made 500x375": make_photos(folder, photos[:100], (500, 375))}, tally)
        compare(arguments.program, folder, make_pictures(folder, [(131, 97), (640, 427), (45, 230), (250, 900)]), tally)
        tiny = [file for files in make_pictures(folder, [(1, 1), (2, 3), (1, 40), (33, 1)]).values() for file in files]
        compare(arguments.program, folder, {"1x1, 2x3, 1x40, 33x1 of all kinds": tiny}, tally)
        rng = np.random.default_rng(4)
        huge = [folder / "huge.jpg", folder / "huge.png"]
        for file in huge:
            Image.fromarray(photo_like(rng, 6000, 4000, 3)).save(file)
        compare(arguments.program, folder, {"6000x4000": huge}, tally)
        tally.print()
        return 1 if tally.wrong() else 0


if __name__ == "__main__":
    sys.exit(main())
