"""Seeded damage of files: bytes flipped, cut off, spliced, or fields that lie, by kind, with checksums made good.

A mutation is a pure function of the good bytes and a random generator: a finding is reproduced by its number.
"""

import ast
import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np

KINDS = ("wav", "mp3", "mp4", "png", "jpg", "npz", "safetensors", "yaml")
ALSO = ("csv", "npy", "pth")
EXTREMES = (0, 1, 2, 3, 0x7F, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0xFFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
PARENTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"dinf"}
VALUES = ("-1", "0", "999999999999", "1e999", ".nan", "null", "''", "[]", "{}", "[1, [2, [3]]]", "true", "text", "1e-320",
          "'\\0'", "&a [*a]", "${x}", "${oc.env:HOME}", "!!python/object/apply:os.system ['touch MARKER']", "!!binary aGVsbG8=",
          "2024-01-01", "0x7fffffffffffffff", "[" * 500, "{a: " * 30 + "1" + "}" * 30, "50000000", "[70000000]", "0.5", "-3")
LEAVES = (0, -1, 1, 2, 7, 10**9, 10**30, 1e308, 0.5, "", "text", None, [], {}, [1, 2], {"a": 1}, True, [[1]], 300000)
YAML_LINES = ("unknown: 1", "- a", "\tx: 1", "loop: {steps: -1}", "? [a]\n: b", "%YAML 9", "---", "'a", "batch: &b {c: *b}",
              "1: 2", "null: 3", "loop: 3", "material: null")
DTYPES = ("<f4", "<f8", "|b1", "<i8", "|O", "<U9", "|S3", "<c16", "<M8[s]", "|V7", "<U99999999", "[('a', '<f4')]", ">f4")
SHAPES = ("(0,)", "()", "(1000000000, 68, 3)", "(-1, 68, 3)", "(8, 68)", "(8, 68, 3, 1)", "(2**62, 68, 3)",
          "(8, 1000000000, 3)", "(8.0, 68, 3)", "(True, 68, 3)", "(4611686018427387904, 4611686018427387904)",
          "(8, 0, 3)", "((8,), 68, 3)")


def mutated(content: bytes, kind: str, random: np.random.Generator, others: Mapping[str, bytes]) -> tuple[bytes, str]:
    """The damaged bytes and what was done to them. `others` are good files by kind, to be spliced in."""
    if kind in LIES and random.random() < 0.45:
        return LIES[kind](content, random), f"{kind} lie"
    way = ("flip", "truncate", "splice", "flip, truncate")[random.choice(4, p=(0.4, 0.2, 0.3, 0.1))]
    if "flip" in way:
        content = flipped(content, random)
    if "truncate" in way:
        content = content[: int(random.integers(0, len(content)))]
    if way == "splice":
        content = spliced(content, random, others)
    return content, way


def flipped(content: bytes, random: np.random.Generator) -> bytes:
    """One to sixteen bytes changed, half the time among the first 400."""
    data = bytearray(content)
    reach = min(len(data), 400) if random.random() < 0.5 else len(data)
    for place in random.integers(0, reach, int(random.integers(1, 17))):
        data[place] = data[place] ^ (1 << int(random.integers(8))) if random.random() < 0.5 else int(random.integers(256))
    return bytes(data)


def spliced(content: bytes, random: np.random.Generator, others: Mapping[str, bytes]) -> bytes:
    """A piece of this or another file put in, written over, doubled, or taken out."""
    start, stop = sorted(int(place) for place in random.integers(0, len(content) + 1, 2))
    way = int(random.integers(4))
    if way == 0:
        return content[:start] + content[stop:]
    source = content if way == 1 else others[sorted(others)[int(random.integers(len(others)))]]
    first, last = sorted(int(place) for place in random.integers(0, len(source) + 1, 2))
    piece = source[first : min(last, first + 5000)]
    return content[:start] + piece + content[start + (len(piece) if way == 2 else 0) :]


def picked(random: np.random.Generator, items):
    return items[int(random.integers(len(items)))]


def lying_wav(content: bytes, random: np.random.Generator) -> bytes:
    place, form = picked(random, ((4, "<I"), (16, "<I"), (20, "<H"), (22, "<H"), (24, "<I"), (28, "<I"), (32, "<H"), (34, "<H"),
                                  (40, "<I")))
    value = picked(random, EXTREMES) & (0xFFFF if form == "<H" else 0xFFFFFFFF)
    return content[:place] + struct.pack(form, value) + content[place + struct.calcsize(form) :]


def lying_mp3(content: bytes, random: np.random.Generator) -> bytes:
    if random.random() < 0.3:   # a tag that says it is longer than the file, or is
        size = bytes(int(random.integers(128)) for _ in range(4))
        return b"ID3" + bytes([int(random.integers(2, 6)), 0, int(random.integers(256))]) + size + content
    data = bytearray(content)
    heads = [place for place in range(len(data) - 4) if data[place] == 0xFF and data[place + 1] & 0xE0 == 0xE0]
    for place in (picked(random, heads) for _ in range(int(random.integers(1, 4)))):
        data[place + int(random.integers(1, 4))] = int(random.integers(256))
    return bytes(data)


def atoms(content: bytes, start: int = 0, stop: int | None = None) -> list[tuple[int, int, bytes]]:
    """Begin, size and type of all boxes of an mp4."""
    found, stop = [], len(content) if stop is None else stop
    while start + 8 <= stop:
        size, kind = struct.unpack(">I4s", content[start : start + 8])
        if size < 8:
            break
        found.append((start, size, kind))
        if kind in PARENTS:
            found += atoms(content, start + 8, start + size)
        start += size
    return found


def lying_mp4(content: bytes, random: np.random.Generator) -> bytes:
    start, size, kind = picked(random, [one for one in atoms(content) if one[2] != b"mdat"])
    place = start if size < 12 or random.random() < 0.15 else start + 8 + 4 * int(random.integers((size - 8) // 4))
    data = bytearray(content)
    for _ in range(int(random.integers(1, 3))):
        if random.random() < 0.2:
            data[place : place + 2] = struct.pack(">H", picked(random, EXTREMES) & 0xFFFF)
        else:
            data[place : place + 4] = struct.pack(">I", picked(random, EXTREMES))
        place = start + 8 + 4 * int(random.integers(max(1, (size - 8) // 4)))
    return bytes(data[: len(content)])


def png_chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Type and data of each chunk."""
    chunks, place = [], 8
    while place + 8 <= len(content):
        size, kind = struct.unpack(">I4s", content[place : place + 8])
        chunks.append((kind, content[place + 8 : place + 8 + size]))
        place += 12 + size
    return chunks


def png_file(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG of chunks whose checksums are right."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)


def lying_png(content: bytes, random: np.random.Generator) -> bytes:
    chunks = png_chunks(content)
    number = int(random.integers(len(chunks)))
    kind, data = chunks[number]
    way = int(random.integers(4))
    if way == 0 or kind == b"IHDR":
        head = bytearray(chunks[0][1])
        place = int(random.integers(2)) * 4
        if random.random() < 0.6:
            head[place : place + 4] = struct.pack(">I", picked(random, (*EXTREMES, 16384, 11585)))
        else:
            head[int(random.integers(8, 13))] = picked(random, (0, 1, 2, 3, 4, 6, 8, 16, 255))
        chunks[0] = (b"IHDR", bytes(head))
    elif way == 1:
        kinds = (b"acTL", b"PLTE", b"tRNS", b"eXIf", b"iCCP", b"gAMA", b"cHRM", b"zTXt", b"IHDR")
        chunks.insert(number, (picked(random, kinds), random.bytes(int(random.integers(40)))))
    elif way == 2:
        chunks[number] = (kind, flipped(data, random) if data else b"x")
    else:
        chunks.pop(number)
    return png_file(chunks)


def lying_jpg(content: bytes, random: np.random.Generator) -> bytes:
    data, segments, place = bytearray(content), [], 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:
        segments.append(place)
        place += 2 + struct.unpack(">H", data[place + 2 : place + 4])[0]
    frames = [one for one in segments if data[one + 1] in (0xC0, 0xC1, 0xC2)]
    if frames and random.random() < 0.5:
        where = frames[0] + picked(random, (5, 7))
        data[where : where + 2] = struct.pack(">H", picked(random, (0, 1, 7, 16384, 65500, 65535)))
    elif random.random() < 0.3:
        tags = b"Exif\0\0II*\0" + struct.pack("<IHHHIII", 8, int(random.integers(4)), 0x112, picked(random, (2, 3, 4, 9)),
                                             picked(random, EXTREMES), picked(random, EXTREMES), picked(random, EXTREMES))
        data[2:2] = b"\xff\xe1" + struct.pack(">H", len(tags) + 2) + tags
    else:
        where = picked(random, segments) + int(random.integers(1, 30))
        data[where : where + 1] = bytes([picked(random, (0, 1, 0x3F, 0x7F, 0xFF))])
    return bytes(data)


def npy(shape: str, dtype: str, data: bytes, *, columns_first: bool = False) -> bytes:
    """A .npy with any header."""
    quoted = dtype if dtype.startswith("[") else repr(dtype)
    head = f"{{'descr': {quoted}, 'fortran_order': {columns_first}, 'shape': {shape}, }}".encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data


def lying_npy(content: bytes, random: np.random.Generator) -> bytes:
    size = struct.unpack("<H", content[8:10])[0]
    head = ast.literal_eval(content[10 : 10 + size].decode().strip())
    shape, dtype = str(head["shape"]), head["descr"]
    if random.random() < 0.5:
        shape = picked(random, SHAPES)
    else:
        dtype = picked(random, DTYPES)
    return npy(shape, dtype, content[10 + size :], columns_first=bool(random.random() < 0.2))


def lying_npz(content: bytes, random: np.random.Generator) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    name = picked(random, sorted(entries))
    way, method = int(random.integers(7)), picked(random, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2,
                                                           zipfile.ZIP_LZMA))
    if way in (0, 1, 2):
        entries[name] = lying_npy(entries[name], random)
    elif way == 3:
        entries[picked(random, ("extra.npy", "a" * 9000, "../up.npy", "points.npy ", "x/"))] = entries.pop(name)
    elif way == 4:
        size = struct.unpack("<H", entries[name][8:10])[0]
        entries[name] = entries[name][: 10 + size] + flipped(entries[name][10 + size :], random)
    elif way == 5:
        texts = ("{" * 5000, "[" * 90000, '{"a": 1e999}', "\udcff{}", "{}" * 9, "x\n\ny", '{"refs": ["' + "a" * 70000 + '"]}')
        text = picked(random, texts).encode("utf-32-le", "surrogatepass")
        entries["producer.npy"] = npy("()", f"<U{len(text) // 4}", text)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for one, data in entries.items():
            archive.writestr(zipfile.ZipInfo(one), data, method)    # dated 1980, so that bytes do not tell the time
    made = bytearray(file.getvalue())
    if way == 6:    # the archive's own records lie
        records = [place for place in range(len(made) - 4) if made[place : place + 4] in (b"PK\1\2", b"PK\3\4", b"PK\5\6")]
        where = picked(random, records) + int(random.integers(4, 44))
        made[where : where + 2] = struct.pack("<H", picked(random, EXTREMES) & 0xFFFF)
    return bytes(made)


def changed_leaf(tree, random: np.random.Generator):
    """A JSON value with one leaf, key or branch changed."""
    if isinstance(tree, dict) and tree and random.random() < 0.9:
        name = picked(random, sorted(tree))
        return {**tree, name: changed_leaf(tree[name], random)}
    if isinstance(tree, list) and tree and random.random() < 0.85:
        number = int(random.integers(len(tree)))
        return [*tree[:number], changed_leaf(tree[number], random), *tree[number + 1 :]]
    return picked(random, LEAVES)


def lying_safetensors(content: bytes, random: np.random.Generator) -> bytes:
    """The header changed; more often than not with the checksum made good, so that more than the checksum is asked."""
    size = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :]
    way = int(random.integers(6))
    if way == 0:
        return struct.pack("<Q", picked(random, (*EXTREMES, 2**63, 2**40, size + 1, size - 1))) + content[8:]
    if way in (1, 2, 3):
        config = changed_leaf(json.loads(header["__metadata__"]["config"]), random)
        header["__metadata__"]["config"] = json.dumps(config)
    elif way == 4:
        name = picked(random, sorted(one for one in header if one != "__metadata__"))
        header[name] = changed_leaf(header[name], random)
    else:
        header = changed_leaf(header, random)
    if random.random() < 0.85 and isinstance(header, dict) and isinstance(header.get("__metadata__"), dict):
        told = header["__metadata__"]
        named = {key: value for key, value in told.items() if key != "sha256"}
        text = json.dumps({**header, "__metadata__": named}, sort_keys=True)
        told["sha256"] = hashlib.sha256(text.encode() + b"\n" + data).hexdigest()
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def lying_yaml(content: bytes, random: np.random.Generator) -> bytes:
    lines = content.decode().splitlines()
    number = int(random.integers(len(lines)))
    way = int(random.integers(5))
    if way <= 2 and ":" in lines[number]:
        key, _, rest = lines[number].rpartition(":") if way else lines[number].partition(":")
        lines[number] = f"{key}: {picked(random, VALUES)}{'}' * rest.count('}')}"
    elif way == 3:
        lines.insert(number, picked(random, (lines[number], *YAML_LINES)))
    else:
        lines[number] = lines[number][: int(random.integers(len(lines[number]) + 1))]
    return "\n".join(lines).encode()


def lying_csv(content: bytes, random: np.random.Generator) -> bytes:
    lines = [line.split(",") for line in content.decode().splitlines()]
    number = int(random.integers(len(lines)))
    way = int(random.integers(4))
    if way <= 1:
        lines[number][int(random.integers(len(lines[number])))] = picked(random, (
            "", "-1", "999999999", "nan", "../../x", "a" * 300, "\0", '"', "True", "1e5", "/", "train", "ü\u2028"))
    elif way == 2:
        lines[number] = lines[number][: int(random.integers(len(lines[number])))]
    else:
        lines.insert(number, [*lines[number], "more"])
    return "\n".join(",".join(line) for line in lines).encode()


LIES = {"wav": lying_wav, "mp3": lying_mp3, "mp4": lying_mp4, "png": lying_png, "jpg": lying_jpg, "npz": lying_npz,
        "safetensors": lying_safetensors, "yaml": lying_yaml, "csv": lying_csv, "npy": lying_npy}
