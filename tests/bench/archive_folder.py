"""The folder of very many images that archive.py measures on: made once of BreakHis's, mostly of links.

Each image of BreakHis as it is published has 700x460 pixels. Where the data have it as a PNG of that size, that is
taken; of the others they have 224x224 pixels, which are enlarged, with the grain that enlarging loses lent from one of
the originals, so that the files are as heavy as the originals are. Each of these pictures is written once in each kind
of file; all images of the folder are hard links to them, or symbolic ones to the originals. Of 20 images there are of
each kind as many as `KINDS` says; 1 image of 100 is broken: a text, an image that was cut off, or empty.
"""

import csv
import json
import multiprocessing
import os
import random
import shutil
import sys
from pathlib import Path

KINDS = {"png": 8, "jpeg": 6, "tiff": 3, "webp": 3}
ENDINGS = {"png": "png", "jpeg": "jpg", "tiff": "tif", "webp": "webp"}
TOGETHER = 100  # images of the innermost folders, of which ten make one
BROKEN = ["text", "cut", "empty"]


def make(folder, data, count):
    """Fills the folder, unless it has been done for as many images and the same data."""
    marker = folder / "made.json"
    made = {"images": count, "data": str(data.resolve()), "kinds": KINDS}
    if marker.is_file() and json.loads(marker.read_text()) == made:
        return
    pictures = names(data)
    if not pictures:
        sys.exit(f"there are no images of BreakHis in {data}; name its folder by --data or LOBULE_BREAKHIS")
    marker.unlink(missing_ok=True)
    for old in ["images", "by-kind"]:
        shutil.rmtree(folder / old, ignore_errors=True)
    images = plan(count, pictures)
    write_sources(folder, data, sorted({(picture, kind) for _, picture, kind, _ in images}))
    for name, picture, kind, broken in images:
        place = folder / "images" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        link(place, source(folder, picture, kind), broken)
    marker.write_text(json.dumps(made))


def names(data):
    """BreakHis's images by their names without an ending."""
    table = data / "manifest.csv"
    if not table.is_file():
        return []
    with table.open(newline="") as lines:
        return [Path(row["filename"]).stem for row in csv.DictReader(lines)]


def plan(count, pictures):
    """(path in the folder, picture, kind, how it is broken or none) of each image; kinds take all pictures in turn."""
    draw, used, images = random.Random(7), dict.fromkeys(KINDS, 0), []
    slots = [kind for kind, share in KINDS.items() for _ in range(share)]
    for number in range(count):
        if number % len(slots) == 0:
            draw.shuffle(slots)
        kind = slots[number % len(slots)]
        picture = pictures[used[kind] % len(pictures)]
        used[kind] += 1
        broken = BROKEN[number // 100 % len(BROKEN)] if number % 100 == 50 else None
        name = f"{number:06}-{broken or kind}.{ENDINGS[kind]}"
        images.append((f"{number // TOGETHER // 10:03}/{number // TOGETHER % 10}/{name}", picture, kind, broken))
    return images


def source(folder, picture, kind):
    return folder / "sources" / kind / f"{picture}.{ENDINGS[kind]}"


def link(place, target, broken):
    """One image of the folder."""
    if broken == "text":
        place.write_text("this is no image\n" * 50)
    elif broken == "empty":
        place.touch()
    elif broken == "cut":
        place.write_bytes(target.read_bytes()[:target.stat().st_size // 2])
    elif target.is_symlink():
        place.symlink_to(target.resolve())
    else:
        os.link(target, place)


def write_sources(folder, data, wanted):
    """Those files that are not there yet, on all cores."""
    by_picture = {}
    for picture, kind in wanted:
        if not source(folder, picture, kind).exists():
            by_picture.setdefault(picture, []).append(kind)
    if not by_picture:
        return
    for kind in KINDS:
        (folder / "sources" / kind).mkdir(parents=True, exist_ok=True)
    print(f"writing files of {len(by_picture)} pictures", file=sys.stderr)
    with multiprocessing.get_context("spawn").Pool() as pool:
        pool.starmap(write, [(folder, data, *each) for each in by_picture.items()], chunksize=8)


def write(folder, data, picture, kinds):
    """One picture in the kinds that are wanted: PNG and WebP with Pillow's settings, TIFF as LZW with differences."""
    import cv2
    from PIL import Image

    pixels = drawn(data, picture)
    for kind in kinds:
        target = source(folder, picture, kind)
        unfinished = target.with_name("." + target.name)
        original = data / "originals" / f"{picture}.png"
        if kind == "png" and original.is_file():
            target.symlink_to(original.resolve())
            continue
        if kind == "tiff":
            _, coded = cv2.imencode(".tif", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
            unfinished.write_bytes(coded.tobytes())
        else:
            options = {"png": {}, "jpeg": {"quality": 90}, "webp": {"lossless": True}}[kind]
            Image.fromarray(pixels).save(unfinished, kind, **options)
        unfinished.rename(target)


def drawn(data, picture):
    """A picture's pixels in RGB: the original's, or enlarged and with another original's grain."""
    import cv2
    import numpy as np

    originals = sorted((data / "originals").glob("*.png"))
    if (own := data / "originals" / f"{picture}.png") in originals:
        return cv2.imread(str(own), cv2.IMREAD_COLOR_RGB)
    small = cv2.imread(str(data / "images" / f"{picture}.webp"), cv2.IMREAD_COLOR_RGB)
    lender = cv2.imread(str(random.Random(picture).choice(originals)), cv2.IMREAD_COLOR_RGB)
    side, size = small.shape[:2][::-1], lender.shape[:2][::-1]
    kept = cv2.resize(cv2.resize(lender, side, interpolation=cv2.INTER_AREA), size, interpolation=cv2.INTER_CUBIC)
    enlarged = cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)
    return np.clip(enlarged.astype(np.int16) + lender - kept, 0, 255).astype(np.uint8)
