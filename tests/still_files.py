"""Makes AVIF and HEIC stills of tiles, with transparency and turns, out of boxes and coded pictures.

Shapes: H W pixels.
"""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def box(kind: bytes, *content: bytes) -> bytes:
    """A box of ISO/IEC 14496-12."""
    data = b"".join(content)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def full(kind: bytes, *content: bytes, version: int = 0, flags: int = 0) -> bytes:
    """A box with version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


def coded_picture(picture: np.ndarray) -> tuple[bytes, bytes]:
    """HEVC's parameter sets as the property `hvcC`, and the picture (H, W, 3) as one length-prefixed sample."""
    context = av.CodecContext.create("libx265", "w")
    context.height, context.width, context.pix_fmt = *picture.shape[:2], "yuv420p"
    context.time_base = Fraction(1, 25)
    context.options = {"crf": "4", "preset": "ultrafast", "x265-params": "log-level=none:repeat-headers=1:keyint=1:info=0"}
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p", dst_color_range="MPEG")
    frame.pts = 0
    stream = b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
    units = [unit.rstrip(b"\0") for unit in stream.split(b"\0\0\1") if unit.strip(b"\0")]
    sets = [unit for unit in units if unit[0] >> 1 & 63 in (32, 33, 34)]
    slices = [unit for unit in units if unit[0] >> 1 & 63 < 32]
    arrays = b"".join(struct.pack(">BHH", 0x80 | unit[0] >> 1 & 63, 1, len(unit)) + unit for unit in sets)
    told = bytes([1, 1]) + struct.pack(">I", 0x60000000) + bytes([0x90, 0, 0, 0, 0, 0, 93, 0xF0, 0, 0xFC, 0xFD, 0xF8, 0xF8,
                                                                  0, 0, 0x0F, len(sets)])
    return told + arrays, b"".join(struct.pack(">I", len(unit)) + unit for unit in slices)


def write_heic(path: Path, picture: np.ndarray, *, tile: int | None = None, quarter_turns: int = 0,
               mirror: int | None = None, alpha: np.ndarray | None = None) -> Path:
    """Returns `path`, now a HEIC of a picture (H, W, 3), in tiles of `tile` pixels where given, with `alpha` (H, W)."""
    height, width = picture.shape[:2]
    tiles = [picture] if tile is None else [
        np.pad(picture[top : top + tile, left : left + tile],
               ((0, max(0, top + tile - height)), (0, max(0, left + tile - width)), (0, 0)), mode="edge")
        for top in range(0, height, tile) for left in range(0, width, tile)]
    columns, rows = (1, 1) if tile is None else (-(-width // tile), -(-height // tile))
    shown = [*tiles] + ([] if alpha is None else [np.repeat(alpha[..., None], 3, 2)])
    coded = [coded_picture(one) for one in shown]
    numbers = range(1, len(coded) + 1)
    primary = 1 if tile is None else len(coded) + 1
    kinds = [(number, b"hvc1") for number in numbers] + ([] if tile is None else [(primary, b"grid")])
    entries = [full(b"infe", struct.pack(">HH4s", number, 0, kind), b"\0", version=2) for number, kind in kinds]
    properties = [box(b"hvcC", told) for told, _ in coded]
    properties += [full(b"ispe", struct.pack(">II", one.shape[1], one.shape[0])) for one in shown]
    properties += [full(b"ispe", struct.pack(">II", width, height)), box(b"irot", bytes([quarter_turns]))]
    properties += [box(b"imir", bytes([mirror or 0])),
                   full(b"auxC", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")]
    count = len(coded)
    held = {number: [number, count + number] for number in numbers}
    held.setdefault(primary, [2 * count + 1])
    held[primary] += [2 * count + 2] + ([] if mirror is None else [2 * count + 3])
    if alpha is not None:
        held[count] += [2 * count + 4]
    told = b"".join(struct.pack(">HB", item, len(own)) + bytes(own) for item, own in sorted(held.items()))
    refers = [] if tile is None else [box(b"dimg", struct.pack(f">HH{len(tiles)}H", primary, len(tiles),
                                                              *range(1, len(tiles) + 1)))]
    refers += [] if alpha is None else [box(b"auxl", struct.pack(">HHH", count, 1, primary))]
    grid = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)

    def meta(start: int) -> bytes:
        places, offset = [], start
        for number, (_, sample) in zip(numbers, coded, strict=True):
            places.append(struct.pack(">HHHHII", number, 0, 0, 1, offset, len(sample)))
            offset += len(sample)
        if tile is not None:
            places.append(struct.pack(">HHHHII", primary, 1, 0, 1, 0, len(grid)))
        return full(b"meta", full(b"hdlr", struct.pack(">I4s12x", 0, b"pict"), b"\0"),
                    full(b"pitm", struct.pack(">H", primary)),
                    full(b"iloc", struct.pack(">HH", 0x4400, len(places)), *places, version=1),
                    full(b"iinf", struct.pack(">H", len(entries)), *entries), *([full(b"iref", *refers)] if refers else []),
                    box(b"iprp", box(b"ipco", *properties), full(b"ipma", struct.pack(">I", len(held)), told)),
                    box(b"idat", grid))

    head = box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    start = len(head) + len(meta(0)) + 8
    path.write_bytes(head + meta(start) + box(b"mdat", *(sample for _, sample in coded)))
    return path
