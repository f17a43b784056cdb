"""TIFF files of every usual layout, as tifffile, Pillow and libvips write them, and by hand what they do not."""

from .libraries import by_libvips, by_pillow, by_tifffile
from .unusual import by_hand

#: One that has more to vary stands here more than once.
WRITERS = [by_tifffile, by_tifffile, by_tifffile, by_pillow, by_libvips, by_hand, by_hand]


def draw(random, small):
    return WRITERS[int(random.integers(len(WRITERS)))](random, small)
