"""JPEG files as Pillow's libjpeg writes them: grey, colour and CMYK, every sampling, progressive, with restart marks
and any orientation."""

import io

from PIL import Image

from drawn import levels, size, waves


def draw(random, small):
    mode = str(random.choice(["L", "RGB", "RGB", "RGB", "CMYK"]))
    height, width = size(random, small)
    pixels = levels(waves(random, height, width, {"L": 1, "RGB": 3, "CMYK": 4}[mode]), 8)
    options = {"quality": int(random.integers(40, 101)), "progressive": bool(random.random() < 0.4),
               "optimize": bool(random.random() < 0.3)}
    if mode == "RGB":
        options["subsampling"] = int(random.integers(3))
    if random.random() < 0.3:
        options["restart_marker_blocks"] = int(random.integers(1, 9))
    if random.random() < 0.2:
        tags = Image.Exif()
        tags[0x112] = int(random.integers(1, 9))
        options["exif"] = tags
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if mode == "L" else pixels, mode).save(file, "JPEG", **options)
    words = ["jpeg", mode.lower()]
    words += [name for name in ("progressive", "restart_marker_blocks", "exif") if options.get(name)]
    if mode == "RGB":
        words.append(["444", "422", "420"][options["subsampling"]])
    return "-".join(words), file.getvalue() + (b"trailing bytes" if random.random() < 0.1 else b""), None
