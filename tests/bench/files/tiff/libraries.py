"""TIFF files as tifffile, Pillow and libvips write them."""

import io

import numpy as np
import pyvips
import tifffile
from PIL import Image

from drawn import levels, rgb, size, waves
from reference import by_pillow as shown_by_pillow
from reference import on_white, upright

#: How tifffile names the colours, how many samples they have, and what the samples after them are.
COLOURS = {
    "grey": ("minisblack", 1, []),
    "white-is-zero": ("miniswhite", 1, []),
    "grey-alpha": ("minisblack", 1, ["unassalpha"]),
    "grey-premultiplied": ("minisblack", 1, ["assocalpha"]),
    "rgb": ("rgb", 3, []),
    "rgb-alpha": ("rgb", 3, ["unassalpha"]),
    "rgb-premultiplied": ("rgb", 3, ["assocalpha"]),
    "rgb-and-unspecified": ("rgb", 3, ["unspecified"]),
    "rgb-and-two-unspecified": ("rgb", 3, ["unspecified", "unspecified"]),
    "palette": ("palette", 1, []),
    "cmyk": ("separated", 4, []),
}
FLOATS = {"float16": np.float16, "float32": np.float32, "float64": np.float64}
ORIENTATION = 274
CODES = {"raw": None, "lzw": "lzw", "deflate": "adobe_deflate", "old-deflate": "deflate", "packbits": "packbits",
         "webp": "webp", "jpeg": "jpeg"}


def by_tifffile(random, small):
    """Every kind of colour, depth, compression, predictor and order; strips and tiles; thumbnails, masks and pages."""
    colours = str(random.choice([*COLOURS, "rgb", "rgb", "rgb", "grey"]))
    depth = str(random.choice(["8", "8", "16"])) if colours != "palette" else "8"
    if colours in ("grey", "rgb") and random.random() < 0.3:
        depth = str(random.choice(["32", *FLOATS]))
    compression = str(random.choice([code for code in (*CODES, "jpeg", "jpeg") if is_written(code, colours, depth)]))
    words = ["tiff", colours, depth, compression]
    samples, values = drawn_samples(random, small, colours, depth)
    photometric, _, others = COLOURS[colours]
    options = {"photometric": photometric, "extrasamples": others or None, "compression": CODES[compression]}
    shows = None if compression == "jpeg" else shown(colours, values)
    if colours == "palette":
        table = random.integers(256, 65536, (3, 256)).astype(np.uint16)
        options["colormap"] = table
        shows = (table.T >> 8).astype(np.uint8)[samples[..., 0]]
    if compression == "webp":
        options["compressionargs"] = {"lossless": True, "level": 90}
    if compression == "jpeg":
        options["compressionargs"] = {"level": int(random.integers(70, 97))}
        if colours == "rgb":
            across, down = [(1, 1), (2, 1), (2, 2)][int(random.integers(3))]
            options["subsampling"] = across, down
            words.append(f"ycbcr-{across}x{down}")
    if random.random() < 0.5:
        options["tile"] = tuple(16 * int(side) for side in random.integers(1, 3 if small else 9, 2))
        words.append("tiles")
    else:
        step = 16 if compression == "jpeg" else 1  # as many rows as share their chroma, or all
        options["rowsperstrip"] = step * int(random.integers(1, -(-len(samples) // step) + 1))
        words.append("strips")
    if samples.shape[2] == 1:
        samples = samples[..., 0]
    elif compression in ("jpeg", "webp") or random.random() < 0.65:
        options["planarconfig"] = "contig"
    else:
        options["planarconfig"] = "separate"
        samples = np.moveaxis(samples, 2, 0)
        words.append("separate")
    if compression in ("lzw", "deflate", "old-deflate") and random.random() < 0.5:
        options["predictor"] = 3 if depth in FLOATS else 2
        words.append(f"predictor{options['predictor']}")
    if shows is not None and random.random() < 0.25:
        orientation = int(random.integers(2, 9))
        options["extratags"] = [(ORIENTATION, "H", 1, orientation, True)]
        words.append(f"orientation{orientation}")
        shows = upright(shows, orientation)
    return write_pages(random, words, samples, options, shows)


def drawn_samples(random, small, colours, depth):
    """Samples as they are stored, and the values from 0 to 1 that they stand for."""
    _, count, others = COLOURS[colours]
    values = waves(random, *size(random, small), count + len(others))
    if others and random.random() < 0.3:
        values[..., count:] = random.uniform(0.2, 1)
    if "premultiplied" in colours:
        values[..., :count] *= values[..., count:]
    if depth in FLOATS:
        samples = values.astype(FLOATS[depth])
        return samples, samples.astype(np.float64)
    samples = levels(values, int(depth))
    return samples, samples / (2 ** int(depth) - 1)


def is_written(compression, colours, depth):
    """Whether tifffile writes such samples with this compression."""
    if compression == "jpeg":
        return depth == "8" and colours in ("grey", "rgb")
    return compression != "webp" or depth == "8" and colours in ("rgb", "rgb-alpha")


def write_pages(random, words, samples, options, shows):
    """The file, with a thumbnail or a mask before the image or a page after it now and then.

    The references show whatever comes first, so that nothing may come before an image whose pixels only they know.
    """
    is_big, order = bool(random.random() < 0.2), str(random.choice(["<", ">"]))
    words += ["bigtiff"] * is_big + ["big-endian"] * (order == ">")
    file, chance = io.BytesIO(), random.random()
    small = np.zeros((8, 8, 3), np.uint8)
    with tifffile.TiffWriter(file, bigtiff=is_big, byteorder=order) as writer:
        if chance < 0.05 and shows is not None:
            writer.write(small, photometric="rgb", subfiletype=1, metadata=None)
            words.append("thumbnail-first")
        elif chance < 0.1 and shows is not None:
            writer.write(small[..., 0] > 0, photometric="mask", subfiletype=4, metadata=None)
            words.append("mask-first")
        writer.write(samples, metadata=None, **options)
        if chance > 0.85:
            writer.write(small, photometric="rgb", metadata=None)
            words.append("two-pages")
    return "-".join(words), file.getvalue(), shows


def shown(colours, values):
    """What samples from 0 to 1 show."""
    _, count, others = COLOURS[colours]
    colour, alpha = values[..., :count], values[..., count : count + 1]
    if colours == "white-is-zero":
        colour = 1 - colour
    if colours == "cmyk":
        colour = (1 - colour[..., :3]) * (1 - colour[..., 3:])
    if others == ["assocalpha"]:
        colour = colour / np.maximum(alpha, 1e-9)
    pixels = rgb(np.minimum(colour, 1))
    if others in (["unassalpha"], ["assocalpha"]):
        return on_white(np.dstack([pixels, levels(alpha, 8)]))
    return pixels


def by_pillow(random, small):
    """Every mode that Pillow writes in whole bytes or bits."""
    modes = {"1": "bilevel", "L": "grey", "LA": "grey-alpha", "P": "palette", "RGB": "rgb", "RGBA": "rgb-alpha",
             "CMYK": "cmyk", "YCbCr": "ycbcr"}
    mode = str(random.choice(list(modes)))
    height, width = size(random, small)
    image = Image.fromarray(levels(waves(random, height, width, 4), 8))
    if mode == "P":
        image = image.convert("RGB").quantize(int(random.integers(2, 257)))
    else:
        image = (image if "A" in mode else image.convert("RGB")).convert(mode)
    codes = {"raw": "raw", "lzw": "tiff_lzw", "deflate": "tiff_adobe_deflate", "old-deflate": "tiff_deflate",
             "packbits": "packbits", "jpeg": "jpeg"}
    if mode in ("1", "P", "LA", "RGBA"):
        del codes["jpeg"]
    compression = str(random.choice(list(codes)))
    words, options = ["tiff", modes[mode], compression], {"compression": codes[compression]}
    shows = shown_by_pillow(image)
    if compression == "jpeg":
        options["quality"], shows = int(random.integers(70, 96)), None
    elif random.random() < 0.25:
        orientation = int(random.integers(2, 9))
        options["tiffinfo"] = {ORIENTATION: orientation}
        words.append(f"orientation{orientation}")
        shows = upright(shows, orientation)
    file = io.BytesIO()
    image.save(file, "TIFF", **options)
    return "-".join(words), file.getvalue(), shows


def by_libvips(random, small):
    """As programs for slides export: tiles and pyramids, JPEG with either kind of colour, few bits a sample."""
    kinds = {"grey": ("b-w", 1), "few-bits": ("b-w", 1), "rgb": ("srgb", 3), "rgb-alpha": ("srgb", 4),
             "rgb-16": ("rgb16", 3)}
    kind = str(random.choice(list(kinds)))
    interpretation, channels = kinds[kind]
    height, width = size(random, small)
    if kind == "few-bits":
        width += width % 2  # libvips writes another last sample in an odd row of a tile
    values = waves(random, height, width, channels)
    compression = str(random.choice(["none", "lzw", "deflate", "packbits", *["jpeg"] * (kind in ("grey", "rgb"))]))
    words, options = ["tiff", kind, "raw" if compression == "none" else compression], {"compression": compression}
    if kind == "few-bits":
        bits = int(random.choice([1, 2, 4]))
        options["bitdepth"], words[1] = bits, f"grey-{bits}"
        values = levels(values, bits) / (2**bits - 1)
    elif random.random() < 0.2:
        options |= {"pyramid": True}
        words.append("pyramid")
    if random.random() < 0.5 or "pyramid" in options:
        tile_width, tile_height = (16 * int(side) for side in random.integers(1, 3 if small else 9, 2))
        options |= {"tile": True, "tile_width": tile_width, "tile_height": tile_height}
    words.append("tiles" if "tile" in options else "strips")
    if channels == 1 and random.random() < 0.3:
        options["miniswhite"] = True
        words.append("white-is-zero")
    has_predictor = compression in ("lzw", "deflate") and kind != "few-bits" and random.random() < 0.5
    options["predictor"] = "horizontal" if has_predictor else "none"
    words += ["predictor2"] * has_predictor
    if compression == "jpeg":
        options |= {"Q": int(random.integers(70, 97)), "rgbjpeg": bool(random.random() < 0.3)}
        if options["rgbjpeg"] and "tile" in options:
            options["Q"] = max(options["Q"], 90)  # below that libvips writes YCbCr and says RGB, which libtiff refuses
    if random.random() < 0.2:
        options["bigtiff"] = True
        words.append("bigtiff")
    pixels = levels(values, 8)
    shows = None if compression == "jpeg" else on_white(pixels) if channels == 4 else rgb(values)
    image = pyvips.Image.new_from_array(levels(values, 16) if kind == "rgb-16" else pixels)
    return "-".join(words), image.copy(interpretation=interpretation).tiffsave_buffer(**options), shows
