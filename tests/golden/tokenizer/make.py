"""Makes golden.jsonl from texts.json: the ids that open_clip and transformers give, without start and end token.

Run with open-clip-torch 3.3.0, transformers 5.23.0, ftfy 6.3.1 and regex 2026.11.15:
    python make.py FOLDER    # with vocab.json, merges.txt and tokenizer_config.json of CLIP
"""

import json
import pathlib
import sys

from open_clip.tokenizer import SimpleTokenizer
from transformers import CLIPTokenizer

here = pathlib.Path(__file__).parent
open_clip = SimpleTokenizer()
hf = CLIPTokenizer.from_pretrained(sys.argv[1])
with open(here / "golden.jsonl", "w") as out:
    for text in json.loads((here / "texts.json").read_text()):
        ids = hf(text, add_special_tokens=False)["input_ids"]
        out.write(json.dumps({"text": text, "open_clip": open_clip.encode(text), "hf": ids}) + "\n")
