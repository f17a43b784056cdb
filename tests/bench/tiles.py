"""Fields of large images: files of other writers in every layout, one answer for all of them, and what memory it took.

    python3 tests/bench/tiles.py target/release/lobule FOLDER [--side 20000] [--tile 2000]

FOLDER is for the files, one at a time of up to 1.2 GB at a side of 20,000. Needs geojson, imagecodecs, numpy, pandas, pillow, shapely and tifffile, and
WSInfer for its converter alone: `pip install --no-deps wsinfer`.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import geojson
import numpy
import tifffile
from PIL import Image
from shapely import union_all
from shapely.geometry import shape

Image.MAX_IMAGE_PIXELS = None
TISSUE = Path(__file__).parent.parent / "fixtures/tissue.png"


def drawn(side):
    """The drawn tissue again and again, each time in other colours, so that no two fields are the same."""
    tissue = numpy.asarray(Image.open(TISSUE).convert("RGB"))
    height, width = tissue.shape[:2]
    wide = numpy.tile(tissue, (1, side // width + 1, 1))[:, :side]
    image, light = numpy.empty((side, side, 3), numpy.uint8), numpy.linspace(0.6, 1.0, side, dtype=numpy.float32)
    for top in range(0, side, height):
        rows = image[top:top + height]
        rows[:] = wide[:len(rows)] * light[top:top + height, None, None] * light[None, ::-1, None]
    return image


def written(image, folder):
    """The same pixels in files of other programs, one after the other, of which each is gone when the next one comes."""
    planes = numpy.moveaxis(image, 2, 0)
    layouts = {
        "one-strip.tif": dict(data=image),
        "strips-lzw.tif": dict(data=image, compression="lzw", rowsperstrip=16),
        "tiles-big.tif": dict(data=image, tile=(512, 512), compression="zlib", predictor=True, bigtiff=True),
        "planes.tif": dict(data=planes, planarconfig="separate", tile=(256, 256), compression="packbits"),
        "motorola.tif": dict(data=image, byteorder=">", tile=(1024, 128), compression="zlib"),
        "16-bits.tif": dict(data=None, compression="zlib", rowsperstrip=64),
        "image.png": None,
    }
    for name, layout in layouts.items():
        if layout:
            if layout["data"] is None:
                layout["data"] = image * numpy.uint16(257)
            tifffile.imwrite(folder / name, photometric="rgb", **layout)
        else:
            Image.fromarray(image).save(folder / name, compress_level=1)
        yield folder / name
        (folder / name).unlink()


def run(program, file, tile, form):
    """What it prints, the seconds and the most memory in MB. (What wait4 says of memory has that of this script in it.)"""
    began, peak = time.monotonic(), 0
    command = [program, "predict", "--tile", str(tile), "--format", form, str(file)]
    with tempfile.TemporaryFile("w+") as answers, tempfile.TemporaryFile("w+") as log:
        child = subprocess.Popen(command, stdout=answers, stderr=log)
        while child.poll() is None:
            status = Path(f"/proc/{child.pid}/status").read_text()
            peak = max([peak] + [int(line.split()[1]) / 1024 for line in status.splitlines() if "VmHWM" in line])
            time.sleep(0.01)
        for stream in [answers, log]:
            stream.seek(0)
        if child.returncode:
            sys.exit(f"{file}: {log.read()}")
        return answers.read(), time.monotonic() - began, peak


def check_geojson(text, side):
    collection = geojson.loads(text)
    assert json.loads(text)["complete"] is True
    invalid = [feature for feature in collection["features"] if not feature.is_valid]
    assert not invalid, invalid[:1]
    covered = union_all([shape(feature["geometry"]) for feature in collection["features"]])
    assert covered.equals(shape({"type": "Polygon", "coordinates": [[(0, 0), (side, 0), (side, side), (0, side), (0, 0)]]}))
    return collection


def check_wsinfer(csv, collection, folder):
    """WSInfer's own converter reads the CSV and draws the same fields with the same probabilities."""
    place = importlib.util.find_spec("wsinfer").submodule_search_locations[0]  # the package itself wants torch
    spec = importlib.util.spec_from_file_location("write_geojson", Path(place) / "write_geojson.py")
    converter = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(converter)
    (folder / "model-outputs-geojson").mkdir(exist_ok=True)
    (folder / "fields.csv").write_text(csv)
    converter.make_geojson(folder / "fields.csv", folder)
    converted = json.loads((folder / "model-outputs-geojson/fields.geojson").read_text())
    assert len(converted["features"]) == len(collection["features"])
    for theirs, ours in zip(converted["features"], collection["features"]):
        assert shape(theirs["geometry"]).equals(shape(ours["geometry"]))
        probability = ours["properties"]["measurements"]["probability_malignant"]
        assert theirs["properties"]["measurements"]["prob_Malignant"] == probability


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--tile", type=int, default=2_000)
    arguments = parser.parse_args()
    images, others = arguments.folder / "images", arguments.folder / "others"
    for folder in [images, others]:
        folder.mkdir(parents=True, exist_ok=True)
    image = drawn(arguments.side)
    print(f"{image.nbytes / 2**20:.0f} MB of pixels, {arguments.side}x{arguments.side}, in fields of {arguments.tile}")
    expected = None
    for file in written(image, images):
        text, seconds, peak = run(arguments.program, file, arguments.tile, "csv")
        rows = [line.split(",")[1:] for line in text.splitlines()]
        expected = expected or rows
        assert rows == expected, f"{file.name} is answered otherwise"
        print(f"{file.name:16} {len(rows) - 1} fields, {seconds:5.1f} s, {peak:5.0f} MB", flush=True)
        if file.suffix == ".png":
            collection = check_geojson(run(arguments.program, file, arguments.tile, "geojson")[0], arguments.side)
            check_wsinfer(run(arguments.program, file, arguments.tile, "wsinfer")[0], collection, others)
    print("all files have the same answers; GeoJSON is valid and covers the image; WSInfer's converter takes the CSV")


if __name__ == "__main__":
    main()
