"""Makes tests/fixtures/decoded.json: small drawn files of every kind, and the pixels that the references make of them.

    python tests/bench/files/golden.py

Written with the versions of tests/bench/requirements.txt. The test that reads it needs no Python.
"""

import base64
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from compare import drawn, tolerance
from once_wrong import files

COUNTS = {"png": 70, "jpeg": 45, "tiff": 150, "webp": 25, "bmp": 55}


def record(name, data, pixels):
    entry = {"name": name, "file": base64.b64encode(data).decode()}
    if pixels is not None:
        png = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(png, "PNG", optimize=True)
        entry |= {"shows": base64.b64encode(png.getvalue()).decode(), "lossy": tolerance(name) == 2}
    return entry


def main():
    records = [record(*file) for file in files()]
    for number, (form, count) in enumerate(COUNTS.items()):
        random, kept = np.random.default_rng(number), 0
        while kept < count:
            name, data, pixels = drawn(form, random, small=True)
            if pixels is not None and len(data) < 3000 and pixels.shape[1] > 4:
                records.append(record(name, data, pixels))
                kept += 1
    path = Path(__file__).parents[2] / "fixtures" / "decoded.json"
    path.write_text("[\n" + ",\n".join(map(json.dumps, records)) + "\n]\n")
    print(f"{len(records)} files, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
