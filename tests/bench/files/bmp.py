"""BMP files of every header, depth and direction, run-length encoded or not, with masks and alpha."""

import struct

import numpy as np

from drawn import levels, packed, size, waves

HEADERS = {"core": 12, "info": 40, "v2": 52, "v3": 56, "v4": 108, "v5": 124}
MASKS = {16: [(0x7C00, 0x3E0, 0x1F, 0), (0xF800, 0x7E0, 0x1F, 0)],
         32: [(0xFF0000, 0xFF00, 0xFF, 0xFF000000), (0xFF0000, 0xFF00, 0xFF, 0), (0xFF, 0xFF00, 0xFF0000, 0xFF000000)]}


def draw(random, small):
    header = str(random.choice(list(HEADERS)))
    bits = int(random.choice([1, 4, 8, 24] if header == "core" else [1, 4, 8, 16, 24, 24, 32, 32]))
    height, width = size(random, small)
    top_down = header != "core" and random.random() < 0.2
    masks, palette, compression = None, b"", 0
    if bits <= 8:
        numbers = levels(waves(random, height, width, 1), bits)[..., 0]
        entry = 3 if header == "core" else 4
        colours = random.integers(0, 256, (2**bits, entry), dtype=np.uint8)
        colours[:, 3:] = 0
        palette = colours.tobytes()
        rows = packed(numbers, bits)
        if bits in (4, 8) and header != "core" and not top_down and random.random() < 0.4:
            compression = {8: 1, 4: 2}[bits]
    elif bits == 24:
        rows = levels(waves(random, height, width, 3), 8)[..., ::-1].reshape(height, -1)
    else:
        masks = MASKS[bits][int(random.integers(len(MASKS[bits])))]
        if header == "info" and random.random() < 0.5:
            masks = MASKS[bits][0][:3] + (0,)  # what is meant without masks
        compression = 0 if masks[3] == 0 and masks[:3] == MASKS[bits][0][:3] and header == "info" else 3
        if header in ("info", "v2"):
            masks = masks[:3] + (0,)
        dtype = "<u2" if bits == 16 else "<u4"
        values = waves(random, height, width, 4)
        if random.random() < 0.3:
            values[..., 3] = 0
        words = np.zeros((height, width), np.uint64)
        for channel, mask in enumerate(masks):
            if mask:
                low = (mask & -mask).bit_length() - 1
                words |= np.rint(values[..., channel] * (mask >> low)).astype(np.uint64) << np.uint64(low)
        rows = words.astype(dtype).view(np.uint8).reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))
    data = (rows if top_down else rows[::-1]).tobytes()
    if compression in (1, 2):
        data = run_lengths(numbers[::-1], bits)
    name = f"bmp-{header}-{bits}{['', '-rle', '-rle', '-masks'][compression]}{'-top-down' * top_down}"
    return name, file(header, width, -height if top_down else height, bits, compression, masks, palette, data), None


def file(header, width, height, bits, compression, masks, palette, data):
    length = HEADERS[header]
    if header == "core":
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", length, width, height, 1, bits, compression, len(data), 2835, 2835, 0, 0)
        masks = masks or (0, 0, 0, 0)
        if header == "info" and compression == 3:
            info += struct.pack("<III", *masks[:3])
        elif length >= 52:
            info += struct.pack("<IIII", *masks)[: min(16, length - 40)]
        if length >= 108:
            info += b"BGRs" + bytes(48)
        if length == 124:
            info += struct.pack("<IIII", 4, 0, 0, 0)
    offset = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + info + palette + data


def run_lengths(rows, bits):
    """Encoded runs of one level, for the rows from below."""
    out = b""
    for row in rows:
        at = 0
        while at < len(row):
            run = 1
            while at + run < len(row) and row[at + run] == row[at] and run < 255:
                run += 1
            level = int(row[at])
            out += bytes([run, level if bits == 8 else level * 17])
            at += run
        out += b"\0\0"
    return out + b"\0\1"
