#!/usr/bin/env python3
"""Writes tests/golden/io with the reference implementations of the formats.

    pip install numpy==2.4.6 safetensors==0.8.0 && scripts/make_io_golden.py

Values are small integers and fractions, so that the tests can state them.
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden" / "io"


def counting(dtype, *shape):
    return (np.arange(np.prod(shape)) / 2).astype(dtype).reshape(shape)


def save_npy(name, array, version):
    with open(GOLDEN / name, "wb") as file:
        np.lib.format.write_array(file, array, version=version)


def main():
    GOLDEN.mkdir(parents=True, exist_ok=True)
    save_file(
        {
            "f64": counting("<f8", 2, 2),
            "f32": counting("<f4", 2, 3),
            "f16": counting("<f2", 5),
            "i64": np.array(-7, dtype="<i8"),
            "u16": np.array([1, 65535], dtype="<u2"),
            "bool": np.array([True, False, True]),
            "none": np.zeros((0, 4), dtype="<f4"),
        },
        GOLDEN / "types.safetensors",
        metadata={"format": "np", "note": "ä"},
    )
    save_npy("f16_v1.npy", counting("<f2", 3, 4), (1, 0))
    save_npy("f32_v2.npy", counting("<f4", 2, 3, 2), (2, 0))
    save_npy("f64_v3_fortran.npy", np.asfortranarray(counting("<f8", 2, 3)), (3, 0))
    save_npy("i64_scalar.npy", np.array(-7, dtype="<i8"), (1, 0))
    save_npy("i32.npy", np.array([1, -2], dtype="<i4"), (1, 0))
    save_npy("u8_empty.npy", np.zeros((0, 3), dtype="u1"), (1, 0))
    save_npy("f32_big_endian.npy", counting(">f4", 2), (1, 0))
    save_npy("objects.npy", np.array([None, "x"], dtype=object), (1, 0))
    save_npy("records.npy", np.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")]), (1, 0))


if __name__ == "__main__":
    main()
