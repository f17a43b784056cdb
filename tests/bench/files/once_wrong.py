"""Files that programs of this kind have read wrongly, as their users reported it, each with what it shows: pixels, or
`REFUSED` where nobody can know."""

import io
import struct

import numpy as np
import tifffile
from PIL import Image

REFUSED = None


def drawn(height=23, width=35):
    y, x = np.mgrid[0:height, 0:width]
    waves = [150 + 60 * np.sin(x / 9), 90 + 50 * np.cos(y / 7), 160 + 40 * np.sin((x + y) / 11)]
    return np.dstack(waves).astype(np.uint8)


def tiff(pixels, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **{"photometric": "rgb", **options})
    return file.getvalue()


def saved(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def shown(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def bmp_without_alpha(pixels, header):
    """32 bits with a mask for alpha, whose bytes are all zero."""
    height, width = pixels.shape[:2]
    rows = np.dstack([pixels[..., ::-1], np.zeros((height, width), np.uint8)])[::-1].tobytes()
    info = struct.pack("<IiiHHIIiiII", header, width, height, 1, 32, 3, len(rows), 2835, 2835, 0, 0)
    info += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    info += (b"BGRs" + bytes(48)) * (header >= 108) + struct.pack("<IIII", 4, 0, 0, 0) * (header == 124)
    return b"BM" + struct.pack("<IHHI", 14 + len(info) + len(rows), 0, 0, 14 + len(info)) + info + rows


def files():
    """Name, bytes and what they show."""
    a = drawn()
    rgb = Image.fromarray(a)
    planar = np.moveaxis(drawn(17, 16), 2, 0)
    yield "planar-tiff-tiles-over-the-edge", tiff(planar, planarconfig="separate", tile=(16, 16)), drawn(17, 16)
    yield "lzw-tiff-tiles-over-the-edge", tiff(a[:22, :30], compression="lzw", tile=(16, 16)), a[:22, :30]
    jpeg = tiff(a, compression="jpeg", tile=(32, 32))
    yield "jpeg-in-tiff", jpeg, tifffile.imread(io.BytesIO(jpeg))
    palette = saved(rgb.quantize(64), "TIFF")
    yield "palette-tiff", palette, shown(palette)
    cmyk = saved(rgb.convert("CMYK"), "TIFF")
    yield "cmyk-tiff", cmyk, shown(cmyk)
    grey_alpha = np.dstack([a[..., 0], np.full(a.shape[:2], 128, np.uint8)])
    on_white = ((a[..., :1].astype(int) * 128 + 255 * 127 + 127) // 255).astype(np.uint8)
    yield ("grey-and-alpha-tiff", tiff(grey_alpha, photometric="minisblack", extrasamples=["unassalpha"]),
           np.repeat(on_white, 3, axis=2))
    four = tiff((a[..., 0] >> 4), photometric="minisblack", bitspersample=4)
    yield "four-bit-tiff", four, np.repeat((a[..., :1] >> 4) * 17, 3, axis=2)
    big = rgb.resize((350, 230))
    scan = saved(big, "JPEG", quality=90)
    start, middle = scan.index(b"\xff\xda") + 14, len(scan) // 2
    yield "jpeg-half-of-its-scan-and-an-end-mark", scan[: start + (len(scan) - start) // 2] + b"\xff\xd9", REFUSED
    yield "jpeg-with-a-hole", scan[:middle] + bytes(1024) + scan[middle + 1024 :], REFUSED
    progressive = saved(big, "JPEG", quality=90, progressive=True)
    second = progressive.index(b"\xff\xda", progressive.index(b"\xff\xda") + 2)
    yield "progressive-jpeg-of-one-scan", progressive[:second] + b"\xff\xd9", REFUSED
    alpha = np.full((*a.shape[:2], 1), 128, np.uint8)
    blended = ((a.astype(int) * 128 + 255 * 127 + 127) // 255).astype(np.uint8)
    yield "straight-alpha-tiff", tiff(np.dstack([a, alpha]), extrasamples=["unassalpha"]), blended
    premultiplied = np.rint(a.astype(int) * 128 / 255).astype(np.uint8)
    yield "premultiplied-alpha-tiff", tiff(np.dstack([premultiplied, alpha]), extrasamples=["assocalpha"]), blended
    for header in (56, 108, 124):
        yield f"bmp-without-alpha-{header}", bmp_without_alpha(a, header), a
    yield "tiff-of-32-bits", tiff(a.astype(np.uint32) * 16843009), a
    yield "float-tiff-of-unknown-range", tiff(a.astype(np.float32)), REFUSED
    yield "tiff-of-12-bits-in-16", tiff(a.astype(np.uint16) * 16), REFUSED
    yield "bigtiff", tiff(a, bigtiff=True), a
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as pages:
        pages.write(a[::4, ::4], photometric="rgb", subfiletype=1)
        pages.write(a, photometric="rgb")
    yield "tiff-thumbnail-first", file.getvalue(), a
