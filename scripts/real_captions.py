"""The real captions that token ids are compared on: Conceptual Captions' validation set, COCO's of 2017, Flickr8k's."""

import json


def captions(data):
    """Every caption in the folder `data`, one line each."""
    texts = [line.split("\t")[0] for line in (data / "cc3m_val/Validation_GCC-1.1.0-Validation.tsv").read_text("utf-8").split("\n")]
    texts += [a["caption"] for a in json.loads((data / "coco_captions_val2017/captions_val2017.json").read_text())["annotations"]]
    for part in ("train", "dev"):
        texts += [line.split("\t")[1] for line in (data / f"flickr8k/captions_{part}.tsv").read_text("utf-8").split("\n")[1:] if line]
    return [text for text in texts if text.strip() and "\n" not in text]
