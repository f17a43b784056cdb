"""WebP files as Pillow's libwebp writes them: lossy and lossless, with alpha, orientation, and several frames."""

import io

from PIL import Image

from drawn import levels, size, waves


def draw(random, small):
    mode = str(random.choice(["RGB", "RGBA"]))
    height, width = size(random, small)
    image = lambda: Image.fromarray(levels(waves(random, height, width, len(mode)), 8), mode)
    options = {"lossless": bool(random.random() < 0.5), "quality": int(random.integers(30, 101)),
               "method": int(random.integers(0, 7)), "exact": bool(random.random() < 0.5)}
    words = ["webp", mode.lower(), "lossless" if options["lossless"] else "lossy"]
    if random.random() < 0.2:
        tags = Image.Exif()
        tags[0x112] = int(random.integers(1, 9))
        options["exif"] = tags
        words.append("exif")
    if random.random() < 0.15:
        options.update(save_all=True, append_images=[image(), image()])
        words.append("frames")
    file = io.BytesIO()
    image().save(file, "WEBP", **options)
    return "-".join(words), file.getvalue(), None
