"""What no schema can tell schemathesis: the bytes of a file are those of an image."""

import base64
import struct
import zlib

import schemathesis
from hypothesis import strategies


def png(width, height, colour):
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    rows = (b"\0" + bytes(colour) * width) * height
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


SIDES, LEVELS = strategies.integers(1, 64), strategies.integers(0, 255)
IMAGES = strategies.builds(png, SIDES, SIDES, strategies.tuples(LEVELS, LEVELS, LEVELS))

schemathesis.openapi.format("binary", IMAGES)
schemathesis.openapi.format("byte", IMAGES.map(lambda image: base64.b64encode(image).decode()))
for kind in ["application/octet-stream", "application/x-www-form-urlencoded", "image/*"]:
    schemathesis.openapi.media_type(kind, IMAGES)
