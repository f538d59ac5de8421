#!/usr/bin/env python3
"""Our statistics and rankings beside scipy's, numpy's and Faiss's, on random input and on input of which most values tie.

    .deps/references/bin/python scripts/compare_metrics.py BUILD/tests/eval/dump_metrics

    statistics   Spearman, Pearson, mean and median of values that count several times (as in a bootstrap), against scipy and numpy
                 over the values written out as often as they count
    ranking      AO@k, JS@k, R@k, ranks and their median, correlations of whole rankings (scipy), against numpy's stable sort of the whole pool; the top k against Faiss's
                 IndexFlatIP, of queries whose scores are far enough apart for float32 sums

Prints the largest differences as a Markdown table; exits with 1 where one is beyond its tolerance.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import faiss
import numpy as np
import scipy.stats

TOLERANCE = 1e-9  # Of numbers in percent and of ranks: rounding of float64 sums in another order.
ROUNDS = 5
K = 10


class Program:
    def __init__(self, path, folder):
        self.path, self.folder = path, folder

    def __call__(self, command, arrays, *arguments):
        files = []
        for i, array in enumerate(arrays):
            files.append(self.folder / f"{i}.npy")
            np.save(files[-1], array)
        done = subprocess.run([str(part) for part in (self.path, command, *files, *arguments)], stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)


class Table:
    """The largest difference of each quantity on each kind of input."""

    def __init__(self):
        self.rows = {}

    def add(self, quantity, reference, kind, ours, theirs):
        ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
        if ours.shape != theirs.shape:
            sys.exit(f"{quantity}: {ours.shape} values, expected {theirs.shape}")
        row = self.rows.setdefault((quantity, reference, kind), [0, 0.0])
        row[0] += ours.size
        row[1] = max(row[1], float(np.abs(ours - theirs).max(initial=0)))

    def print(self):
        """Whether all differences are within the tolerance."""
        print("| quantity | compared with | input | values | largest difference | tolerance |\n|---|---|---|---|---|---|")
        for (quantity, reference, kind), (count, largest) in sorted(self.rows.items()):
            print(f"| {quantity} | {reference} | {kind} | {count} | {largest:.1e} | {TOLERANCE:.0e} |")
        return all(largest <= TOLERANCE for _, largest in self.rows.values())


def compare_statistics(program, rng, table):
    for _ in range(ROUNDS):
        size = 1000
        tied = rng.integers(0, 6, size).astype(np.float64)
        inputs = {
            "random": (rng.standard_normal(size), rng.standard_normal(size)),
            "correlated": (x := rng.standard_normal(size), x + rng.standard_normal(size)),
            "ties": (tied, np.minimum(tied, rng.integers(0, 6, size)).astype(np.float64)),
            "ties in one": (tied / 5, rng.standard_normal(size)),
        }
        for kind, (x, y) in inputs.items():
            for counted, weights in (("", np.ones(size)), (", resampled", np.bincount(rng.integers(0, size, size), minlength=size))):
                ours = program("statistics", (x, y, weights.astype(np.float64)))
                x_all, y_all = np.repeat(x, weights.astype(np.int64)), np.repeat(y, weights.astype(np.int64))
                kind_counted = kind + counted
                table.add("Spearman", "scipy", kind_counted, ours["spearman"], 100 * scipy.stats.spearmanr(x_all, y_all).statistic)
                table.add("Pearson", "scipy", kind_counted, ours["pearson"], 100 * scipy.stats.pearsonr(x_all, y_all).statistic)
                table.add("mean", "numpy", kind_counted, ours["mean"], x_all.mean())
                table.add("median", "numpy", kind_counted, ours["median"], np.median(x_all))


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def whole_rankings(queries, pool):
    """All rows of the pool for each query: by the score in float32, then by row."""
    scores = (queries.astype(np.float64) @ pool.astype(np.float64).T).astype(np.float32)
    return np.argsort(-scores, axis=1, kind="stable"), scores


def rank_similarities(first, second):
    """AO@k and JS@k of two rankings."""
    overlaps = [len(set(first[:depth]) & set(second[:depth])) for depth in range(1, K + 1)]
    average = np.mean([overlap / depth for depth, overlap in enumerate(overlaps, 1)])
    return average, overlaps[-1] / len(set(first[:K]) | set(second[:K]))


def compare_rankings(program, rng, table):
    queries, items, width = 300, 500, 32
    for _ in range(ROUNDS):
        base = rng.standard_normal((queries, width))
        inputs = {
            "random": (unit(base), unit(base + rng.standard_normal(base.shape)), unit(rng.standard_normal((items, width)))),
            "ties": tuple(rng.integers(0, 2, (count, 4)).astype(np.float32) - np.float32(0.5) for count in (queries, queries, items)),
        }
        for kind, (query, paraphrase, pool) in inputs.items():
            targets = rng.integers(0, items, queries)
            ours = program("ranking", (query, paraphrase, pool, targets), K)
            first, scores = whole_rankings(query, pool)
            second, second_scores = whole_rankings(paraphrase, pool)
            ranks = 1 + np.argmax(first == targets[:, None], axis=1)
            similarities = [rank_similarities(*pair) for pair in zip(first, second)]
            table.add("top 10", "numpy", kind, ours["top_k"], first[:, :K].ravel())
            table.add("ranks", "numpy", kind, ours["ranks"], ranks)
            table.add("R@10", "numpy", kind, ours["recall"], 100 * np.mean(ranks <= K))
            table.add("median rank", "numpy", kind, ours["median_rank"], np.median(ranks))
            table.add("AO@10", "numpy", kind, ours["average_overlap"], [average for average, _ in similarities])
            correlations = [100 * scipy.stats.spearmanr(*pair).statistic for pair in zip(scores, second_scores)]
            table.add("rank correlation", "scipy", kind, ours["rank_correlation"], correlations)
            table.add("JS@10", "numpy", kind, ours["jaccard"], [jaccard for _, jaccard in similarities])
            if kind == "random":
                index = faiss.IndexFlatIP(width)
                index.add(pool)
                best = np.sort(scores, axis=1)[:, ::-1][:, : K + 1]
                clear = np.diff(best, axis=1).max(axis=1) < -1e-6
                top = np.reshape(ours["top_k"], (queries, K))
                table.add("top 10", "Faiss", "random, no near ties", top[clear].ravel(), index.search(query, K)[1][clear].ravel())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    arguments = parser.parse_args()
    rng, table = np.random.default_rng(11), Table()
    with tempfile.TemporaryDirectory() as name:
        program = Program(arguments.program, Path(name))
        compare_statistics(program, rng, table)
        compare_rankings(program, rng, table)
    return 0 if table.print() else 1


if __name__ == "__main__":
    sys.exit(main())
