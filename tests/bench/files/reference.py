"""What a file shows, by the program that its users would look at it with: 8-bit RGB, upright, on white."""

import io
import struct

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps

Image.MAX_IMAGE_PIXELS = None
SRGB = ImageCms.createProfile("sRGB")


def reference(data):
    """Height x width x 3 levels; None where the reference reads no image."""
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
        if image.format == "TIFF":
            return by_libtiff(data, image)
        if image.format == "PNG" and (data[24] == 16 or data[25] in (0, 2) and b"tRNS" in data):
            return by_libpng(data, image)
        return by_pillow(image)
    except (OSError, SyntaxError, ValueError, TypeError, struct.error, Image.DecompressionBombError):
        return None


def by_pillow(image):
    profile = image.info.get("icc_profile")
    upright = ImageOps.exif_transpose(image)
    has_alpha = upright.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in upright.info
    rgb = upright.convert("RGBA" if has_alpha else "RGB")
    if profile and upright.mode in ("RGB", "RGBA"):
        rgb = ImageCms.profileToProfile(rgb, ImageCms.ImageCmsProfile(io.BytesIO(profile)), SRGB)
    return on_white(np.asarray(rgb)) if has_alpha else np.asarray(rgb)


def by_libpng(data, image):
    """PNG of 16 bits, which Pillow cuts to 8, or with one transparent level, which Pillow compares after scaling."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        return None
    bits, colour = data[24], data[25]
    if colour == 0 and "transparency" in image.info:  # OpenCV drops it
        return None
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    if bits == 16:
        pixels = ((pixels.astype(np.int64) * 255 + 32767) // 65535).astype(np.uint8)
    turn = {2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1], 5: lambda a: a.swapaxes(0, 1),
            6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(a, 2).swapaxes(0, 1), 8: lambda a: np.rot90(a)}
    pixels = turn.get(image.getexif().get(0x112), lambda a: a)(pixels)
    return on_white(pixels) if pixels.shape[2] == 4 else pixels


def on_white(rgba):
    rgba = rgba.astype(np.int64)
    alpha = rgba[..., 3:]
    return ((rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
