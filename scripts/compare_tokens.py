#!/usr/bin/env python3
"""Token ids of real captions: paraclip's against open_clip's and transformers' own.

    .deps/references/bin/python scripts/compare_tokens.py --program build/release/paraclip --model ../shared/models/flickr8k-base \\
        --data ../shared/data
"""

import argparse
import pathlib
import subprocess
import sys

from real_captions import captions


def ours(program, model, family, texts):
    command = [program, "tokenize", "--quiet", "--family", family, "--model", model]
    result = subprocess.run(command, input="\n".join(texts) + "\n", capture_output=True, text=True,
                            encoding="utf-8", check=True)
    return [[int(i) for i in line.split()] for line in result.stdout.splitlines()]


def theirs(family, model, texts):
    if family == "hf":
        import transformers
        tokenizer = transformers.CLIPTokenizer.from_pretrained(model)
        return [tokenizer(text).input_ids for text in texts]
    import open_clip
    tokenizer = open_clip.SimpleTokenizer()
    return [[tokenizer.sot_token_id] + tokenizer.encode(text) + [tokenizer.eot_token_id]
            for text in texts]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    args = parser.parse_args()
    texts = captions(args.data)
    failed = False
    for family in ("open_clip", "hf"):
        mine = ours(args.program, args.model, family, texts)
        reference = theirs(family, args.model, texts)
        differing = [i for i, (a, b) in enumerate(zip(mine, reference, strict=True)) if a != b]
        print(f"token ids, {family:<10} {len(texts)} texts, {len(differing)} lists differ")
        for i in differing[:5]:
            print(f"  {texts[i]!r}: {mine[i]} against {reference[i]}")
        failed |= bool(differing)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
