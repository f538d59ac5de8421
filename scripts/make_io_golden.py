#!/usr/bin/env python3
"""Writes tests/golden/io with the reference implementations of the formats.

    pip install numpy==2.4.6 safetensors==0.8.0 pyarrow==26.0.1 && scripts/make_io_golden.py

Values are small integers and fractions, so that the tests can state them.
"""

import io
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden" / "io"


def counting(dtype, *shape):
    return (np.arange(np.prod(shape)) / 2).astype(dtype).reshape(shape)


def save_npy(name, array, version):
    with open(GOLDEN / name, "wb") as file:
        np.lib.format.write_array(file, array, version=version)


LONG_NAME = "x" * 60 + "/" + "y" * 60 + "/0002.txt"  # ustar splits it at a slash
LONGER_NAME = "z" * 300 + ".txt"  # needs PAX or GNU


def save_tar(name, format, mode="w", names=()):
    with tarfile.open(GOLDEN / name, mode, format=format) as tar:

        def add(member, content=b"", **fields):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            info.mtime = 1.5 if format == tarfile.PAX_FORMAT else 1  # a fraction makes a PAX header
            for field, value in fields.items():
                setattr(info, field, value)
            tar.addfile(info, io.BytesIO(content))

        add("photos", type=tarfile.DIRTYPE)
        add("photos/0000.txt", b"first")
        add("photos/link.txt", type=tarfile.SYMTYPE, linkname="0000.txt")
        add("photos/hard.txt", type=tarfile.LNKTYPE, linkname="photos/0000.txt")
        add("photos/empty.txt")
        add("caf\u00e9.txt", bytes(range(256)) * 3)
        for member in names:
            add(member, b"named " + str(len(member)).encode())
        add("last.txt", b"last")


def save_parquet():
    table = pa.table(
        {
            "image_path": pa.array(["a/1.jpg", "b\u00e4.jpg", ""]),
            "large": pa.array(["x", None, "z"], pa.large_string()),
            "category": pa.array(["cat", "dog", "cat"]).dictionary_encode(),
            "key": pa.array([7, 8, 9], pa.int32()),
            "big": pa.array([2**63, 1, None], pa.uint64()),
            "similarity": pa.array([0.5, float("nan"), None]),
            "nsfw": pa.array([True, None, False]),
            "tags": pa.array([["a", "b"], [], None]),
            "day": pa.array([0, 1, None], pa.date32()),
        }
    )
    pq.write_table(table, GOLDEN / "types.parquet", row_group_size=2, compression="zstd")


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
    save_tar("pax.tar", tarfile.PAX_FORMAT, names=(LONG_NAME, LONGER_NAME))
    save_tar("gnu.tar", tarfile.GNU_FORMAT, names=(LONG_NAME, LONGER_NAME))
    save_tar("ustar.tar", tarfile.USTAR_FORMAT, names=(LONG_NAME,))
    save_tar("pax.tar.gz", tarfile.PAX_FORMAT, mode="w:gz", names=(LONG_NAME, LONGER_NAME))
    save_parquet()


if __name__ == "__main__":
    main()
