"""Images: the preprocessing that a weights file asks for, and one to send, drawn by a formula.

The preprocessing is written with the peers' own libraries. It must give what src/pixels gives, and the group
`agreement` holds it to that.
"""

import io

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 700, 460  # as BreakHis's


def preprocess(image, rule):
    """A PIL image as f32 (1, size, size, 3); `rule` is the metadata's entry `preprocess`."""
    image = image.convert("RGB")
    size = rule["size"]
    if rule["resampling"] == "antialiased":
        # Rows first, then columns: each pass rounds to 8 bits, so their order shows in the fourth digit.
        for shape in [(image.width, size), (size, size)]:
            image = image.resize(shape, Image.Resampling.BILINEAR)
        pixels = np.asarray(image, np.float32)
    else:
        pixels = bilinear(np.asarray(image, np.float32), size)
    return ((pixels / 255 - np.float32(rule["mean"])) / np.float32(rule["std"]))[None].astype(np.float32)


def bilinear(pixels, size):
    """`tf.image.resize`: half-pixel centres, no antialiasing."""
    for axis in [1, 0]:
        last = pixels.shape[axis] - 1
        at = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32((last + 1) / size) - np.float32(0.5)
        lower, upper = np.maximum(np.floor(at), 0).astype(int), np.minimum(np.ceil(at), last).astype(int)
        weight = np.expand_dims(at - np.floor(at), [1 - axis, 2])
        low, high = pixels.take(lower, axis), pixels.take(upper, axis)
        pixels = low + (high - low) * weight
    return pixels


def drawn_png():
    """The bytes of a PNG of BreakHis's size and about its weight: soft purple blobs under the grain of a camera."""
    random = np.random.default_rng(7)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    density = np.zeros((HEIGHT, WIDTH), np.float32)
    for _ in range(120):
        cx, cy, radius = random.uniform(0, WIDTH), random.uniform(0, HEIGHT), random.uniform(6, 30)
        density += np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / radius**2)
    stain = np.clip(density, 0, 1)[..., None]
    colour = (1 - stain) * np.float32([228, 190, 216]) + stain * np.float32([112, 70, 150])
    grain = random.normal(0, 1, (HEIGHT, WIDTH, 1)) * 4 + random.normal(0, 1, (HEIGHT, WIDTH, 3)) * 1.2
    file = io.BytesIO()
    Image.fromarray(np.clip(colour + grain, 0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()
