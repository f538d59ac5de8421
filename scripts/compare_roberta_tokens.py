#!/usr/bin/env python3
"""Token ids of RoBERTa text towers: paraclip's against those of open_clip's HFTokenizer.

RoBERTa's own vocabulary is not at hand offline: one of the same kind is trained on the captions that are then compared, and
written as the files of a RoBERTa checkpoint, once as vocab.json and merges.txt, once as tokenizer.json.

    .deps/references/bin/python scripts/compare_roberta_tokens.py --program build/release/paraclip --data ../shared/data
"""

import argparse
import html
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import ftfy
import tokenizers
import transformers
from open_clip.tokenizer import HFTokenizer, whitespace_clean
from real_captions import captions

# Blocks of Unicode, by their first and last code point, and pieces that the two programs might take apart differently.
BLOCKS = [(0x20, 0x7E), (0x80, 0xFF), (0x100, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F),
          (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2100, 0x218F), (0x2460, 0x24FF), (0x3000, 0x30FF), (0x4E00, 0x4EFF), (0xAC00, 0xAC80),
          (0xFB00, 0xFB4F), (0xFE00, 0xFE0F), (0xFF01, 0xFFEF), (0x1D400, 0x1D4FF), (0x1F300, 0x1F6FF), (0x1F900, 0x1F9FF)]
PIECES = ["<s>", "</s>", "<pad>", "<unk>", "<mask>", " <mask>", "  <mask> ", "<MASK>", "<|endoftext|>", "'s", "'LL", "'ll", "''ve", " 's", "  ", " ",
          "\t", "\r", "\v", "\f", "\x1c", "\x85", "\xa0", "\u2028", "\u3000", "\u200b", "\u200d", "\ufeff", "\x00", "\x1b[31m", "&amp;",
          "&amp;lt;s&amp;gt;", "&lt;mask&gt;", "&nbsp;", "&#32;", "&#x1c;", "&EACUTE;", "&eacute", "madeupword0000", "\U0001F468\u200d\U0001F469\u200d\U0001F467",
          "\u201cquoted\u201d", "\u2019s", "1234567890", "a" * 300, "\u0130", "\u03a3", "\ufb01"]


def random_texts(count):
    generator = random.Random(5)

    def piece():
        if generator.random() < 0.4:
            return generator.choice(PIECES)
        first, last = generator.choice(BLOCKS)
        return "".join(chr(generator.randint(first, last)) for _ in range(generator.randint(1, 6)))

    return ["".join(piece() for _ in range(generator.randint(1, 8))).replace("\n", " ") for _ in range(count)]


def write_tokenizer(folder, texts, size, as_json):
    folder.mkdir()
    bpe = tokenizers.ByteLevelBPETokenizer()
    bpe.train_from_iterator(texts, vocab_size=size - 1, min_frequency=1, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], show_progress=False)
    bpe.save_model(str(folder))
    vocabulary = json.loads((folder / "vocab.json").read_text("utf-8"))
    while len(vocabulary) < size - 1:  # As fairseq fills up its own.
        vocabulary[f"madeupword{len(vocabulary):04}"] = len(vocabulary)
    vocabulary["<mask>"] = size - 1
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), "utf-8")
    if as_json:
        mask = tokenizers.AddedToken("<mask>", lstrip=True, special=True)
        tokenizer = transformers.RobertaTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), mask_token=mask)
        (folder / "vocab.json").unlink()
        (folder / "merges.txt").unlink()
        tokenizer.save_pretrained(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "RobertaTokenizer"}))


def ours(program, folder, texts):
    command = [program, "tokenize", "--quiet", "--family", "roberta", "--model", folder, "--context-length", "77"]
    result = subprocess.run(command, input="".join(text + "\n" for text in texts).encode(), capture_output=True, check=True)
    return [[int(i) for i in line.split()] for line in result.stdout.decode().splitlines()]


def clean_without_repair(text):
    """open_clip's cleaning less the repair of mojibake."""
    return whitespace_clean(html.unescape(html.unescape(ftfy.fix_text(text, fix_encoding=False))))


def theirs(folder, texts, clean=None):
    tokenizer = HFTokenizer(str(folder), context_length=77)
    clean = clean or tokenizer.clean_fn
    lists = []
    for first in range(0, len(texts), 1000):
        batch = [clean(text) for text in texts[first:first + 1000]]
        # As HFTokenizer.__call__, less the padding, which cannot be told from a <pad> that is written out.
        lists += tokenizer.tokenizer(batch, max_length=77, truncation=True).input_ids
    return lists


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--random", type=int, default=20000, metavar="N", help="random texts")
    parser.add_argument("--show", type=int, default=5, metavar="N", help="differences to print")
    args = parser.parse_args()
    texts = captions(args.data)
    nasty = json.loads((pathlib.Path(__file__).parent.parent / "tests/golden/tokenizer/texts.json").read_text("utf-8"))
    sets = {"captions": texts, "nasty texts": [t for t in nasty if "\n" not in t], "random texts": random_texts(args.random)}
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        for name, as_json in (("vocab.json", False), ("tokenizer.json", True)):
            folder = pathlib.Path(scratch) / name
            write_tokenizer(folder, texts, 50265, as_json)
            for what, compared in sets.items():
                mine, reference = ours(args.program, folder, compared), theirs(folder, compared)
                differing = [i for i, (a, b) in enumerate(zip(mine, reference, strict=True)) if a != b]
                repaired = theirs(folder, [compared[i] for i in differing], clean_without_repair)
                others = [i for i, ids in zip(differing, repaired, strict=True) if mine[i] != ids]
                print(f"token ids, roberta, {name:<14} {len(compared):>6} {what:<12} {len(differing)} lists differ, "
                      f"{len(differing) - len(others)} by ftfy's fix_encoding", flush=True)
                for i in others[:args.show]:
                    print(f"  {compared[i]!r}: {mine[i]} against {reference[i]}")
                failed |= bool(others) or (what == "captions" and bool(differing))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
