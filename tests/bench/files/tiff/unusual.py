"""TIFF files that no library writes: packed samples of any depth, reversed bits, stated ranges, subsampled chroma, old
JPEG, and tags that are missing."""

import io

import imagecodecs
import numpy as np
from PIL import Image

from drawn import levels, packed, rgb, size, waves
from reference import by_opencv, on_white

from .writer import FIRST_STRIP, tiff

COMPRESSIONS = {"raw": (1, bytes), "lzw": (5, imagecodecs.lzw_encode), "deflate": (8, imagecodecs.zlib_encode),
                "packbits": (32773, imagecodecs.packbits_encode)}
REVERSED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1], axis=1)[:, 0]
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6


class Sheet:
    """What all kinds share: a size, a compression, an order of bytes and the cut into strips."""

    def __init__(self, random, small):
        self.height, self.width = size(random, small)
        self.compression = str(random.choice(list(COMPRESSIONS)))
        self.order = str(random.choice(["<", ">"]))
        self.is_big = bool(random.random() < 0.2)
        self.rows_per_strip = int(random.integers(1, self.height + 1))

    def file(self, kind, rows, photometric, bits, samples=1, rows_in_strip=None, reversed_bits=False, without=(),
             **tags):
        """The name and the bytes of a file of these rows of bytes, with more tags by name."""
        number, compress = COMPRESSIONS[self.compression]
        step = rows_in_strip or self.rows_per_strip
        strips = [compress(rows[at : at + step].tobytes()) for at in range(0, len(rows), step)]
        if reversed_bits:
            strips = [REVERSED[np.frombuffer(strip, np.uint8)].tobytes() for strip in strips]
            tags["FillOrder"] = [2]
        tags = {"ImageWidth": [self.width], "ImageLength": [self.height], "BitsPerSample": bits,
                "Compression": [number], "PhotometricInterpretation": [photometric], "SamplesPerPixel": [samples],
                "RowsPerStrip": [step]} | tags
        words = ["tiff", kind, self.compression]
        words += ["reversed-bits"] * reversed_bits + ["bigtiff"] * self.is_big + ["big-endian"] * (self.order == ">")
        return "-".join(words), tiff(tags, strips, self.order, self.is_big, without)

    def words(self, numbers):
        """Rows of 16-bit samples in the file's order of bytes."""
        return numbers.astype(self.order + "u2").view(np.uint8).reshape(self.height, -1)


def by_hand(random, small):
    kinds = [any_depth, any_depth, stated_white, palette, ycbcr, old_jpeg, least_tags, four_samples]
    return kinds[int(random.integers(len(kinds)))](random, Sheet(random, small))


def any_depth(random, sheet):
    """Samples of 1 to 16 bits, packed without gaps, from the highest bit of a byte on or from its lowest."""
    bits, samples = int(random.integers(1, 17)), int(random.choice([1, 3]))
    numbers = levels(waves(random, sheet.height, sheet.width, samples), bits)
    flat = numbers.reshape(sheet.height, -1)
    rows = sheet.words(flat) if bits == 16 else packed(flat, bits)
    kind, photometric = ("rgb", RGB) if samples == 3 else ("grey", BLACK_IS_ZERO)
    name, data = sheet.file(f"{kind}-{bits}", rows, photometric, [bits] * samples, samples,
                            reversed_bits=bool(random.random() < 0.3))
    return name, data, rgb(numbers / (2**bits - 1))


def stated_white(random, sheet):
    """Samples of 10, 12 or 14 bits stored in 16, with MaxSampleValue."""
    bits = int(random.choice([10, 12, 14]))
    numbers = levels(waves(random, sheet.height, sheet.width, 1), bits)
    white = 2**bits - 1
    name, data = sheet.file(f"grey-{bits}-in-16", sheet.words(numbers[..., 0]), BLACK_IS_ZERO, [16],
                            MaxSampleValue=[white])
    return name, data, rgb(numbers / white)


def palette(random, sheet):
    """A palette of 16-bit levels, as it must be, or of 8-bit levels, as some programs write it."""
    bits, of_levels = int(random.choice([1, 2, 4, 8])), int(random.choice([8, 16]))
    indices = levels(waves(random, sheet.height, sheet.width, 1), bits)[..., 0]
    colours = random.integers(0, 2**of_levels, (2**bits, 3))
    colours[0, 0] = 2**of_levels - 1  # so that it cannot be taken for the other kind
    name, data = sheet.file(f"palette-{bits}-of-{of_levels}-bit-levels", packed(indices, bits), PALETTE, [bits],
                            ColorMap=colours.T.ravel().tolist())
    return name, data, (colours >> (of_levels - 8)).astype(np.uint8)[indices]


def ycbcr(random, sheet):
    """YCbCr that is not JPEG: blocks that share their chroma, stated coefficients and ranges."""
    across, down = [(1, 1), (2, 1), (2, 2), (1, 2), (4, 1), (4, 2), (4, 4)][int(random.integers(7))]
    if (across, down) == (4, 4):  # libtiff takes the wrong chroma at the right edge of other widths
        sheet.width += -sheet.width % 8
    colours = Image.fromarray(levels(waves(random, sheet.height, sheet.width, 3), 8)).convert("YCbCr")
    padded = np.pad(colours, ((0, -sheet.height % down), (0, -sheet.width % across), (0, 0)), mode="edge")
    blocks = padded.reshape(-1, down, padded.shape[1] // across, across, 3).swapaxes(1, 2)
    blocks = blocks.reshape(len(blocks), -1, down * across, 3)
    rows = np.dstack([blocks[..., 0], blocks[..., 1:].mean(axis=2)]).astype(np.uint8).reshape(len(blocks), -1)
    rows_in_strip = int(random.integers(1, len(rows) + 1))
    tags = {"YCbCrSubSampling": [across, down], "RowsPerStrip": [rows_in_strip * down]}
    if random.random() < 0.3:
        tags["ReferenceBlackWhite"] = [(16, 1), (235, 1), (128, 1), (240, 1), (128, 1), (240, 1)]
    if random.random() < 0.3:
        tags["YCbCrCoefficients"] = [(2126, 10000), (7152, 10000), (722, 10000)]
    name, data = sheet.file(f"ycbcr-{across}x{down}", rows, YCBCR, [8] * 3, 3, rows_in_strip, **tags)
    return name, data, by_opencv(data)  # which lets libtiff convert the colours


def old_jpeg(random, sheet):
    """The JPEG of TIFF 6.0 where one stream holds the image."""
    file = io.BytesIO()
    Image.fromarray(levels(waves(random, sheet.height, sheet.width, 3), 8)).save(file, "JPEG", quality=90)
    stream = np.frombuffer(file.getvalue(), np.uint8)[None]
    sheet.compression, sheet.is_big = "raw", False
    _, data = sheet.file("", stream, YCBCR, [8] * 3, 3, Compression=[6], RowsPerStrip=[sheet.height],
                         YCbCrSubSampling=[2, 2], JPEGInterchangeFormat=[FIRST_STRIP],
                         JPEGInterchangeFormatLength=[stream.size])
    return f"tiff-old-jpeg{'-big-endian' * (sheet.order == '>')}", data, np.asarray(Image.open(file))


def least_tags(random, sheet):
    """One strip, of which the file says neither how many rows nor how many bytes it has."""
    numbers = levels(waves(random, sheet.height, sheet.width, 3), 8)
    sheet.compression = "raw"
    name, data = sheet.file("rgb-8-least-tags", numbers.reshape(sheet.height, -1), RGB, [8] * 3, 3, sheet.height,
                            without=["RowsPerStrip", "StripByteCounts"])
    return name, data, numbers


def four_samples(random, sheet):
    """Red, green, blue and a fourth sample of no stated meaning, which Pillow takes for alpha; one depth for all."""
    numbers = levels(waves(random, sheet.height, sheet.width, 4), 8)
    name, data = sheet.file("rgb-alpha-8-unstated", numbers.reshape(sheet.height, -1), RGB, [8], 4)
    return name, data, on_white(numbers)
