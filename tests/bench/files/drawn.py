"""What the files show: smooth waves with an edge and some noise, in every depth, so that swapped channels, rows that
slip and levels that are scaled wrongly all show in the pixels."""

import numpy as np


def waves(random, height, width, channels):
    """Values from 0 to 1, of this height, width and number of channels."""
    y, x = np.mgrid[0:height, 0:width]
    planes = []
    for _ in range(channels):
        a, b, phase = random.uniform(0.02, 0.3), random.uniform(0.02, 0.3), random.uniform(0, 6)
        planes.append(0.5 + 0.42 * np.sin(a * x + b * y + phase))
    image = np.dstack(planes)
    image[: height // 3, : width // 4] = random.random(channels)
    if height * width > 1600:  # small files are kept in the repository, and noise cannot be compressed
        image += random.normal(0, 0.01, image.shape)
    return np.clip(image, 0, 1)


def levels(values, bits):
    """Whole numbers of so many bits."""
    numbers = np.rint(values * (2**bits - 1))
    return numbers.astype(np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32)


def rgb(values):
    """Levels of 8 bits in three channels, of grey or of three colours."""
    return np.broadcast_to(levels(values, 8), (*values.shape[:2], 3))


def packed(rows, bits):
    """Rows (height, samples) of whole numbers as bytes, most significant bits first, each row padded to a byte."""
    if bits == 8:
        return rows.astype(np.uint8)
    if bits == 16:
        return rows.astype(">u2").view(np.uint8).reshape(len(rows), -1)
    spread = (rows[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(spread.reshape(len(rows), -1).astype(np.uint8), axis=1)


def size(random, small):
    """Height and width, now and then of one pixel or one beyond a multiple of 16."""
    most = 30 if small else 300
    one = lambda: int(random.choice([1, 8, 15, 16, 17, 33])) if random.random() < 0.3 else int(random.integers(2, most))
    return one(), one()
