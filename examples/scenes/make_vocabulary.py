#!/usr/bin/env python3
"""Learns a small byte-level BPE vocabulary in CLIP's form from captions (tab-separated: image_id, caption).

    make_vocabulary.py CAPTIONS.tsv SIZE FOLDER

Writes vocab.json and merges.txt: 256 byte symbols, the same with "</w>", the merges, start and end token.
"""
import json
import sys

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

# What CLIP splits text at, before the merges (open_clip's tokenizer.py).
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def byte_symbols():
    """CLIP's printable stand-ins for the 256 bytes, in the order of its vocabulary."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]


def main():
    captions, size, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    with open(captions, encoding="utf-8") as file:
        texts = [line.rstrip("\n").split("\t")[1] for line in file][1:]
    symbols = byte_symbols()
    count = size - 2 * len(symbols) - 2

    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=2 * size, initial_alphabet=symbols, end_of_word_suffix="</w>", show_progress=False))
    merges = [" ".join(merge) if not isinstance(merge, str) else merge
              for merge in json.loads(tokenizer.to_str())["model"]["merges"]][:count]

    words = symbols + [symbol + "</w>" for symbol in symbols] + [merge.replace(" ", "") for merge in merges]
    words += ["<|startoftext|>", "<|endoftext|>"]
    assert len(words) == len(set(words)) == size, "too few captions for so many merges"
    with open(f"{folder}/merges.txt", "w", encoding="utf-8") as file:
        file.write("#version: 0.2\n" + "".join(merge + "\n" for merge in merges))
    with open(f"{folder}/vocab.json", "w", encoding="utf-8") as file:
        json.dump({word: index for index, word in enumerate(words)}, file, ensure_ascii=False)
    print(f"{len(merges)} merges from {len(texts)} captions")


main()
