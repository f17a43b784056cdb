"""Images: the preprocessing that a weights file asks for, and one to send, drawn by a formula.

The preprocessing is written with the peers' own libraries. It must give what src/pixels gives, and the group
`agreement` holds it to that.
"""

import io

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 700, 460  # as BreakHis's


def preprocess(image, rule, exact=True):
    """A PIL image as f32 (1, size, size, 3); `rule` is the metadata's entry `preprocess`.

    Pillow's own antialiased resize is faster and rounds elsewhere, which shows in the third digit: not `exact`.
    """
    image = image.convert("RGB")
    size = rule["size"]
    if rule["resampling"] == "antialiased" and exact:
        pixels = antialiased(np.asarray(image, np.float64), size)
    elif rule["resampling"] == "antialiased":
        pixels = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR), np.float32)
    else:
        pixels = bilinear(np.asarray(image, np.float32), size)
    return finish(pixels, rule)[None].astype(np.float32)


def finish(pixels, rule):
    """What comes between resizing and the network, for pixels (..., 3) from 0 to 255, with numpy's eigenvectors."""
    colours = pixels.reshape(-1, 3).T / 255
    if stretch := rule.get("decorrelation_stretch"):
        lms = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
        lab = np.diag([1 / 3**0.5, 1 / 6**0.5, 1 / 2**0.5]) @ np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]])
        points = lab @ np.log(np.maximum(lms @ colours, 1 / 255))
        mean = points.mean(axis=1, keepdims=True)
        values, vectors = np.linalg.eigh(np.cov(points, bias=True) + stretch["noise"] * np.eye(3))
        whitening = vectors @ np.diag(values**-0.5) @ vectors.T
        points = np.diag(stretch["deviation"]) @ whitening @ (points - mean) + mean
        colours = np.clip(np.linalg.inv(lms) @ np.exp(np.linalg.inv(lab) @ points), 0, 1)
    return ((colours.T - rule["mean"]) / rule["std"]).reshape(pixels.shape)


def antialiased(pixels, size):
    """Rows first, then columns, by weights of 16 bits; each pass rounds to 8 bits. All sums are exact in f64."""
    for axis in [0, 1]:
        source = pixels.shape[axis]
        centres = (np.arange(size)[:, None] + 0.5) * source / size
        weights = np.maximum(0, 1 - abs(np.arange(source) + 0.5 - centres) / max(source / size, 1))
        weights /= weights.sum(axis=1, keepdims=True)
        unit = 2 ** np.ceil(14 - np.log2(weights.max()))
        pixels = np.moveaxis(np.tensordot(np.rint(weights * unit), pixels, (1, axis)), 0, axis)
        pixels = np.clip(np.floor(pixels / unit + 0.5), 0, 255)
    return pixels


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
