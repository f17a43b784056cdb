"""What a file shows, by the program that its users would look at it with: 8-bit RGB, upright, on white."""

import io
import struct

import cv2
import numpy as np
import pyvips
from PIL import Image, ImageCms, ImageOps

Image.MAX_IMAGE_PIXELS = None
BITS_PER_SAMPLE = 258
SRGB = ImageCms.createProfile("sRGB")
UNREADABLE = (OSError, SyntaxError, ValueError, TypeError, struct.error, Image.DecompressionBombError)
TURNS = {2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1], 5: lambda a: a.swapaxes(0, 1),
         6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(a, 2).swapaxes(0, 1), 8: lambda a: np.rot90(a)}


def reference(data):
    """Height x width x 3 levels; None where the reference reads no image."""
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return by_libtiff(data)
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
        if image.format == "PNG" and (data[24] == 16 or data[25] in (0, 2) and b"tRNS" in data):
            return by_libpng(data, image)
        return by_pillow(image)
    except UNREADABLE:
        return None


def by_pillow(image):
    profile = image.info.get("icc_profile")
    upright = ImageOps.exif_transpose(image)
    has_alpha = upright.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in upright.info
    if image.format == "BMP" and has_alpha and upright.getextrema()[3][1] == 0:  # bytes that are there for nothing
        has_alpha = False
    rgb = upright.convert("RGBA" if has_alpha else "RGB")
    if profile and upright.mode in ("RGB", "RGBA"):
        rgb = ImageCms.profileToProfile(rgb, ImageCms.ImageCmsProfile(io.BytesIO(profile)), SRGB)
    return on_white(np.asarray(rgb)) if has_alpha else np.asarray(rgb)


def by_libpng(data, image):
    """PNG of 16 bits, which Pillow cuts to 8, or with one transparent level, which Pillow compares after scaling."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        return None
    if data[25] == 0 and "transparency" in image.info:  # OpenCV drops it
        return None
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    pixels = upright(to_8_bits(pixels), image.getexif().get(0x112))
    return on_white(pixels) if pixels.shape[2] == 4 else pixels


def by_libtiff(data):
    """TIFF, by the first program over libtiff that takes its samples for what they are; each turns it upright."""
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
        bits = max(image.tag_v2.get(BITS_PER_SAMPLE, [1]))
        if bits <= 8 and image.mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK"):
            return by_pillow(image)
    except UNREADABLE:
        pass
    try:
        image = pyvips.Image.new_from_buffer(data, "", fail_on="error").autorot()
        if image.format in ("uchar", "ushort") and image.interpretation != "cmyk" and image.bands <= 4:
            pixels = to_8_bits(np.atleast_3d(image.numpy()))
            return on_white(pixels) if image.hasalpha() else rgb(pixels)
    except pyvips.Error:
        pass
    return by_opencv(data)


def by_opencv(data):
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return None if pixels is None else pixels[..., ::-1]


def to_8_bits(pixels):
    if pixels.dtype == np.uint8:
        return pixels
    return ((pixels.astype(np.int64) * 255 + 32767) // 65535).astype(np.uint8)


def upright(pixels, orientation):
    """The pixels turned as the orientation of TIFF and EXIF says; 1 or None is upright."""
    return TURNS.get(orientation, lambda a: a)(pixels)


def on_white(pixels):
    """RGB, of colours or grey with an alpha behind them."""
    pixels = pixels.astype(np.int64)
    colours, alpha = pixels[..., :-1], pixels[..., -1:]
    return rgb(((colours * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8))


def rgb(pixels):
    """Grey in three channels, or colours as they are."""
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3))
