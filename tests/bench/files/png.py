"""PNG files of every colour type and depth, interlaced or not, with any filter, palette and kind of transparency."""

import struct
import zlib

import numpy as np

from drawn import levels, packed, size, waves

DEPTHS = {0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16]}
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
#: (x, y) where each pass of an interlaced image begins, and its steps


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def filtered(random, rows, bytes_per_pixel):
    """The rows with a filter each."""
    out, above = [], np.zeros(rows.shape[1], np.int64)
    for row in rows.astype(np.int64):
        left = np.concatenate([np.zeros(bytes_per_pixel, np.int64), row])[: len(row)]
        corner = np.concatenate([np.zeros(bytes_per_pixel, np.int64), above])[: len(row)]
        kind = int(random.integers(5))
        p = left + above - corner
        a, b, c = abs(p - left), abs(p - above), abs(p - corner)
        paeth = np.where((a <= b) & (a <= c), left, np.where(b <= c, above, corner))
        guess = [0 * row, left, above, (left + above) // 2, paeth][kind]
        out.append(bytes([kind]) + ((row - guess) % 256).astype(np.uint8).tobytes())
        above = row
    return b"".join(out)


def draw(random, small):
    colour = int(random.choice([0, 2, 3, 4, 6]))
    bits = int(random.choice(DEPTHS[colour]))
    interlaced = random.random() < 0.3
    height, width = size(random, small)
    channels = CHANNELS[colour]
    numbers = levels(waves(random, height, width, channels), bits)
    before = b""
    if colour == 3:
        before += chunk(b"PLTE", random.integers(0, 256, 3 * 2**bits, dtype=np.uint8).tobytes())
        if random.random() < 0.5:
            before += chunk(b"tRNS", random.integers(0, 256, int(random.integers(1, 2**bits + 1)), np.uint8).tobytes())
    elif colour in (0, 2) and random.random() < 0.3:
        before += chunk(b"tRNS", numbers[0, 0].astype(">u2").tobytes())
    if random.random() < 0.15:
        before += chunk(b"eXIf", exif(int(random.integers(1, 9))))
    passes = PASSES if interlaced else [(0, 0, 1, 1)]
    data = b""
    for x, y, step_x, step_y in passes:
        part = numbers[y::step_y, x::step_x]
        if part.size:
            rows = packed(part.reshape(part.shape[0], -1), bits)
            data += filtered(random, rows, max(1, channels * bits // 8))
    data = zlib.compress(data, int(random.integers(1, 10)))
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced))
    parts = np.array_split(np.frombuffer(data, np.uint8), int(random.integers(1, 4)))
    name = f"png-{['grey', '', 'rgb', 'palette', 'grey-alpha', '', 'rgba'][colour]}-{bits}{'-interlaced' * interlaced}"
    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before
    return name, file + b"".join(chunk(b"IDAT", part.tobytes()) for part in parts) + chunk(b"IEND", b""), None


def exif(orientation):
    return b"II*\0\x08\0\0\0" + struct.pack("<HHHIHHI", 1, 0x112, 3, 1, orientation, 0, 0)
