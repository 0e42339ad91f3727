"""PNG pictures with fewer colours: a page of text needs no more than a palette of 256."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

_HEAD = b"\x89PNG\r\n\x1a\n"


def smaller(png: bytes) -> bytes:
    """Return a picture with its 256 commonest colours, each other one as the nearest of these.

    Args:
        png: A picture of 8 bits a channel, not interlaced, as browsers make them.
    """
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    assert depth == 8
    channels = {2: 3, 6: 4}[kind]
    data = zlib.decompress(b"".join(body for name, body in _chunks(png) if name == b"IDAT"))
    pixels = [
        list(zip(row[0::channels], row[1::channels], row[2::channels], strict=True))
        for row in _rows(data, width * channels, channels)
    ]
    counts = Counter(pixel for row in pixels for pixel in row)
    colours = [colour for colour, _ in counts.most_common(256)]
    places = {colour: number for number, colour in enumerate(colours)}
    for colour in counts:
        if colour not in places:
            places[colour] = min(range(len(colours)), key=lambda n: _far(colours[n], colour))
    rows = b"".join(b"\0" + bytes(places[pixel] for pixel in row) for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = (
        (b"IHDR", head),
        (b"PLTE", b"".join(map(bytes, colours))),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    )
    return _HEAD + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_HEAD)
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length


def _rows(data: bytes, length: int, channels: int) -> Iterator[bytearray]:
    """Yield the rows of a picture as they were before each was filtered."""
    above = bytearray(length)
    for at in range(0, len(data), length + 1):
        kind, row = data[at], bytearray(data[at + 1 : at + 1 + length])
        for n, value in enumerate(row):
            left = row[n - channels] if n >= channels else 0
            corner = above[n - channels] if n >= channels else 0
            row[n] = (value + _guess(kind, left, above[n], corner)) & 0xFF
        yield row
        above = row


def _guess(kind: int, left: int, up: int, corner: int) -> int:
    if kind == 4:
        near = left + up - corner
        return min((left, up, corner), key=lambda each: abs(near - each))
    return (0, left, up, (left + up) // 2)[kind]


def _far(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))
