"""Makes tests/golden/image: small pictures of every kind, and what Pillow, open_clip and transformers make of them.

    .deps/references/bin/python scripts/make_image_golden.py

manifest.json lists the pictures and, for each, where its results lie in expected.bin: [offset, bytes].
"""

import json
import re
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import open_clip
import PIL
import transformers
from compare_images import make_pictures, photo_like, pixels_of
from open_clip.transform import image_transform
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "golden" / "image"
# 18x13 becomes 11x8: three columns too many, where the families crop at different places. A tall picture is resized
# vertically first.
SIZE, TALL = (18, 13), (13, 60)
RESIZED = [(11, 17), (31, 7)]


def open_clip_config(size, **steps):
    return {"model_cfg": {"vision_cfg": {"image_size": size}}, "preprocess_cfg": steps}


BASIC = [open_clip_config(8), {"size": {"shortest_edge": 8}, "crop_size": {"height": 8, "width": 8}}]
FURTHER = [
    open_clip_config(8, resize_mode="longest"),
    open_clip_config(9, resize_mode="squash", interpolation="random"),
    open_clip_config(24, mean=[0.5, 0.4, 0.3], std=[0.2, 0.3, 0.7]),
    {"size": 7, "crop_size": 12, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.7]},
    {"size": {"height": 9, "width": 9}, "do_center_crop": False, "rescale_factor": 0.01},
    {"size": 9, "crop_size": 8, "do_rescale": False},
    {"do_resize": False, "crop_size": 10, "do_normalize": False},
]


def preprocess(image, config):
    if "model_cfg" in config:
        size = config["model_cfg"]["vision_cfg"]["image_size"]
        return image_transform(size, is_train=False, **config["preprocess_cfg"])(image).numpy()
    return CLIPImageProcessorPil(**config)(image, return_tensors="np")["pixel_values"][0]


class Writer:
    def __init__(self):
        self.expected = bytearray()
        self.pictures = []

    def place(self, array):
        data = np.ascontiguousarray(array).tobytes()
        self.expected += data
        return [len(self.expected) - len(data), len(data)]

    def add(self, kind, file, configs):
        name = re.sub(r"[^a-z0-9]+", "-", kind.lower()).strip("-") + file.suffix
        (FOLDER / name).write_bytes(file.read_bytes())
        image = Image.open(file)
        image.load()
        entry = {"file": name, "mode": image.mode, "width": image.width, "height": image.height,
                 "decoded": self.place(pixels_of(image)), "rgb": self.place(np.asarray(image.convert("RGB")))}
        resized = [(size, image.resize(size, Image.Resampling.BICUBIC)) for size in RESIZED]
        entry["resized"] = [{"width": size[0], "height": size[1], "at": self.place(pixels_of(result))}
                            for size, result in resized]
        entry["preprocessed"] = [{"config": config, "at": self.place(preprocess(image, config))} for config in configs]
        self.pictures.append(entry)


def main():
    warnings.simplefilter("ignore")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    writer = Writer()
    with tempfile.TemporaryDirectory() as name:
        for kind, files in make_pictures(Path(name), [SIZE]).items():
            writer.add(kind, files[0], BASIC + (FURTHER if kind in ("PNG RGB", "PNG RGBA", "JPEG CMYK") else []))
        tall = Image.fromarray(photo_like(np.random.default_rng(5), *TALL, 3))
        path = Path(name) / "tall.png"
        tall.save(path)
        writer.add("tall", path, BASIC + FURTHER)
        exif = Image.Exif()
        exif[0x0112] = 6  # Orientation: turn to the right.
        path = Path(name) / "turned.jpg"
        tall.save(path, exif=exif)
        writer.add("EXIF orientation", path, BASIC)
    versions = {"pillow": PIL.__version__, "open_clip": open_clip.__version__, "transformers": transformers.__version__}
    pictures = ",\n".join(json.dumps(picture) for picture in writer.pictures)
    (FOLDER / "manifest.json").write_text(f'{{"made_by": {json.dumps(versions)}, "pictures": [\n{pictures}\n]}}\n')
    (FOLDER / "expected.bin").write_bytes(writer.expected)
    return 0


if __name__ == "__main__":
    sys.exit(main())
