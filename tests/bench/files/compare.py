"""Drawn files of every kind, decoded by lobule and by a reference, pixel by pixel; and damaged ones.

    cargo build --release --example decode
    python tests/bench/files/compare.py --decode target/release/examples/decode --files 2000 --damaged 600 --seed 1

A file of which the pixels are known, as drawn or by the reference, must be read, and its pixels may differ by 1 level
(lossless) or 2 in the mean (JPEG and lossy WebP). A damaged file must be refused, or have all its pixels: those of the
whole file, to the same tolerance, or of what the reference makes of it: samples that nothing checks are other samples.
"""

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

import bmp
import jpeg
import png
import tiff
import webp
from damage import damage
from reference import reference

FORMATS = {"png": png, "jpeg": jpeg, "tiff": tiff, "webp": webp, "bmp": bmp}


def drawn(form, random, small):
    """A file's name, its bytes and what it shows: as it was drawn, else as the reference reads it, else None."""
    name, data, shows = FORMATS[form].draw(random, small)
    return name, data, reference(data) if shows is None else shows


class Lobule:
    """The example `decode`, a process for all files."""

    def __init__(self, program):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([program], stdin=pipe, stdout=pipe)
        self.folder = tempfile.TemporaryDirectory()

    def decode(self, data):
        """The pixels, or why not."""
        path = Path(self.folder.name) / "file"
        path.write_bytes(data)
        self.process.stdin.write(f"{path}\n".encode())
        self.process.stdin.flush()
        line = self.process.stdout.readline().decode().strip()
        if line.startswith("refused"):
            return line
        width, height = map(int, line.split())
        return np.frombuffer(self.process.stdout.read(width * height * 3), np.uint8).reshape(height, width, 3)


def is_lossy(name):
    return "jpeg" in name or "lossy" in name


def difference(name, got, want):
    """How far the pixels are apart: the most for a lossless format, the mean for a lossy one."""
    if got.shape != want.shape:
        return float("inf")
    apart = np.abs(got.astype(int) - want.astype(int))
    return float(apart.mean() if is_lossy(name) else apart.max())


def tolerance(name):
    return 2 if is_lossy(name) else 1


def same_pixels(name, got, want):
    return got is not None and want is not None and difference(name, got, want) <= tolerance(name)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--decode", required=True, help="the example `decode`")
    arguments.add_argument("--files", type=int, default=2000)
    arguments.add_argument("--damaged", type=int, default=600)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--formats", default=",".join(FORMATS))
    arguments.add_argument("--keep", type=Path, help="a folder for the files that went wrong")
    arguments = arguments.parse_args()
    random, lobule = np.random.default_rng(arguments.seed), Lobule(arguments.decode)
    formats = arguments.formats.split(",")

    def keep(kind, number, name, data):
        if arguments.keep:
            arguments.keep.mkdir(parents=True, exist_ok=True)
            (arguments.keep / f"{kind}-{number}-{name}").write_bytes(data)

    read, refused, wrong, largest = Counter(), Counter(), Counter(), Counter()
    for number in range(arguments.files):
        form = formats[number % len(formats)]
        name, data, want = drawn(form, random, small=random.random() < 0.7)
        got = lobule.decode(data)
        if want is None:
            read[form, "unknown"] += 1
            continue
        read[form, "known"] += 1
        if isinstance(got, str):
            refused[name, got] += 1
            keep("refused", number, name, data)
        elif (apart := difference(name, got, want)) > tolerance(name):
            wrong[name, f"{apart:.1f} levels apart, {got.shape} for {want.shape}"] += 1
            keep("wrong", number, name, data)
        else:
            largest[form] = max(largest[form], apart)
    print(f"{arguments.files} files, seed {arguments.seed}: {refused.total()} refused, {wrong.total()} wrong")
    for form in formats:
        print(f"  {form}: the pixels of {read[form, 'known']} are known, of {read[form, 'unknown']} not; "
              f"at most {largest[form]:.2f} levels apart")
    for title, counts in [("refused", refused), ("wrong", wrong)]:
        for (name, reason), count in counts.most_common():
            print(f"  {title}: {count} {name}: {reason}")

    outcome, bad = Counter(), Counter()
    for number in range(arguments.damaged):
        form = formats[number % len(formats)]
        name, data, whole = drawn(form, random, small=False)
        kind, broken = damage(random, form, data)
        got = lobule.decode(broken)
        if isinstance(got, str):
            outcome[form, "refused"] += 1
            continue
        if same_pixels(name, got, whole):
            outcome[form, "all pixels"] += 1
        elif kind != "missing scan" and same_pixels(name, got, reference(broken)):
            outcome[form, "as the reference"] += 1
        elif not is_lossy(name) and not same_pixels(name, reference(data), whole):
            outcome[form, "not judged, for the reference does not read the whole file rightly either"] += 1
        else:
            outcome[form, "WRONG"] += 1
            bad[name, kind] += 1
            keep("damaged", number, f"{kind}-{name}".replace(" ", "-"), broken)
    print(f"{arguments.damaged} damaged files:")
    for (form, what), count in sorted(outcome.items()):
        print(f"  {form}: {count} {what}")
    for (name, kind), count in bad.most_common():
        print(f"  wrong: {count} {name}, {kind}")
    sys.exit(bool(wrong or bad or sum(refused.values()) * 50 > sum(read[form, "known"] for form in formats)))


if __name__ == "__main__":
    main()
