"""How an AVIF or HEIC still is put together: its tiles, how they are turned, and where its transparency lies.

FFmpeg decodes every coded item as a stream of its own; which of them make the picture is in the boxes read here.
Source: ISO/IEC 23008-12 (HEIF), ISO/IEC 14496-12 (boxes). Shapes: H W pixels.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_MOST_META_BYTES = 1 << 24
_MOST_TILES = 4096
_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")


class Composed(NamedTuple):
    """A picture of one item, or of tiles row by row."""

    tiles: tuple[int, ...]          # item numbers, which are the numbers of FFmpeg's streams
    columns: int
    size: tuple[int, int] | None    # (H, W) that the tiles are cut to; None for a single item


class Still(NamedTuple):
    """A still picture's parts."""

    picture: Composed
    alpha: Composed | None
    quarter_turns: int              # anticlockwise, to be applied to what is composed of several tiles
    mirror: int | None              # after that: 0 swaps top and bottom, 1 left and right


class _Meta(NamedTuple):
    primary: int
    kinds: dict[int, bytes]                     # of each item
    data: dict[int, tuple[int, int, int]]       # of each item: how stored (0 in the file, 1 in idat), offset, length
    inside: bytes                               # idat
    refers: list[tuple[bytes, int, list[int]]]  # kind of reference, from, to
    properties: dict[int, list[tuple[bytes, bytes]]]


def still_parts(path: Path | str) -> Still:
    """Returns how a still is put together. ValueError, without the file's name, when its boxes make no sense."""
    try:
        meta = _read_meta(path)
        alpha = next((source for kind, source, to in meta.refers
                      if kind == b"auxl" and meta.primary in to and _is_alpha(meta, source)), None)
        turned = dict(meta.properties.get(meta.primary, []))
        mirror = turned.get(b"imir")
        return Still(_composed(path, meta, meta.primary), None if alpha is None else _composed(path, meta, alpha),
                     turned.get(b"irot", b"\0")[0] & 3, None if mirror is None else mirror[0] & 1)
    except (struct.error, IndexError, KeyError) as error:
        raise ValueError("its boxes are damaged") from error


def _is_alpha(meta: _Meta, item: int) -> bool:
    return any(kind == b"auxC" and data[4:].split(b"\0")[0] in _ALPHA for kind, data in meta.properties.get(item, []))


def _composed(path: Path | str, meta: _Meta, item: int) -> Composed:
    if meta.kinds.get(item) != b"grid":
        return Composed((item,), 1, None)
    how, offset, length = meta.data[item]
    if how == 1:
        told = meta.inside[offset : offset + length]
    else:
        with open(path, "rb") as file:
            file.seek(offset)
            told = file.read(min(length, 16))
    rows, columns = told[2] + 1, told[3] + 1
    width, height = struct.unpack(">II" if told[1] & 1 else ">HH", told[4 : 12 if told[1] & 1 else 8])
    tiles = next(to for kind, source, to in meta.refers if kind == b"dimg" and source == item)
    if len(tiles) != rows * columns or len(tiles) > _MOST_TILES or not height or not width:
        raise ValueError(f"{len(tiles)} tiles do not make {rows} rows of {columns}")
    return Composed(tuple(tiles), columns, (height, width))


def _read_meta(path: Path | str) -> _Meta:
    content = _meta_box(path)
    boxes = dict(_boxes(content, 4))
    primary = boxes[b"pitm"]
    return _Meta(_number(primary, 4, 2 if primary[0] == 0 else 4), _kinds(boxes[b"iinf"]), _data(boxes[b"iloc"]),
                 boxes.get(b"idat", b""), _references(boxes.get(b"iref", bytes(4))), _properties(boxes[b"iprp"]))


def _meta_box(path: Path | str) -> bytes:
    """The content of a file's box `meta`."""
    with open(path, "rb") as file:
        while True:
            size, kind = struct.unpack(">I4s", file.read(8))
            head = 8
            if size == 1:
                size, head = struct.unpack(">Q", file.read(8))[0], 16
            if kind == b"meta" and head <= size <= _MOST_META_BYTES:
                return file.read(size - head)
            if size < head:
                raise ValueError("its boxes are damaged")
            file.seek(size - head, 1)


def _boxes(content: bytes, place: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of the boxes in `content`."""
    while place + 8 <= len(content):
        size, kind = struct.unpack(">I4s", content[place : place + 8])
        size = size or len(content) - place
        if size < 8:
            return
        yield kind, content[place + 8 : place + size]
        place += size


def _number(content: bytes, place: int, size: int) -> int:
    """A whole number of so many bytes, none of them for 0."""
    if place + size > len(content):
        raise IndexError(place)
    return int.from_bytes(content[place : place + size], "big")


def _kinds(content: bytes) -> dict[int, bytes]:
    kinds = {}
    for kind, item in _boxes(content, 6 if content[0] == 0 else 8):
        if kind == b"infe" and item[0] >= 2:
            size = 2 if item[0] == 2 else 4
            kinds[_number(item, 4, size)] = item[6 + size : 10 + size]
    return kinds


def _data(content: bytes) -> dict[int, tuple[int, int, int]]:
    """Where each item's first extent lies."""
    version, sizes, base_size = content[0], content[4], content[5] >> 4
    offset_size, length_size = sizes >> 4, sizes & 15
    index_size = content[5] & 15 if version else 0
    wide = 4 if version == 2 else 2
    count, place, data = _number(content, 6, wide), 6 + wide, {}
    for _ in range(count):
        item, place = _number(content, place, wide), place + wide
        how, place = (_number(content, place, 2) & 15, place + 2) if version else (0, place)
        base, place = _number(content, place + 2, base_size), place + 2 + base_size
        extents, place = _number(content, place, 2), place + 2
        for number in range(extents):
            place += index_size
            offset, length = _number(content, place, offset_size), _number(content, place + offset_size, length_size)
            place += offset_size + length_size
            if number == 0:
                data[item] = how, base + offset, length
    return data


def _references(content: bytes) -> list[tuple[bytes, int, list[int]]]:
    size = 4 if content[0] else 2
    return [(kind, _number(box, 0, size),
             [_number(box, size + 2 + size * number, size) for number in range(_number(box, size, 2))])
            for kind, box in _boxes(content, 4)]


def _properties(content: bytes) -> dict[int, list[tuple[bytes, bytes]]]:
    """Kind and content of each item's properties."""
    boxes = dict(_boxes(content))
    known, told = list(_boxes(boxes[b"ipco"])), boxes[b"ipma"]
    size, wide = 2 if told[0] == 0 else 4, 2 if told[3] & 1 else 1
    place, properties = 8, {}
    for _ in range(_number(told, 4, 4)):
        item, count, place = _number(told, place, size), _number(told, place + size, 1), place + size + 1
        numbers = [_number(told, place + wide * number, wide) & (0x7FFF if wide == 2 else 0x7F) for number in range(count)]
        place += wide * count
        properties[item] = [known[number - 1] for number in numbers if 0 < number <= len(known)]
    return properties
