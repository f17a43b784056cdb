"""A TIFF file of these tags and strips: nothing is added and nothing checked, so that any layout can be written."""

import struct

import numpy as np

#: The number of each type, and `struct`'s code for a value.
TYPES = {"short": (3, "H"), "long": (4, "I"), "rational": (5, "II")}
TAGS = {"ImageWidth": (256, "long"), "ImageLength": (257, "long"), "BitsPerSample": (258, "short"),
        "Compression": (259, "short"), "PhotometricInterpretation": (262, "short"), "FillOrder": (266, "short"),
        "StripOffsets": (273, "long"), "SamplesPerPixel": (277, "short"), "RowsPerStrip": (278, "long"),
        "StripByteCounts": (279, "long"), "MaxSampleValue": (281, "short"), "ColorMap": (320, "short"),
        "JPEGInterchangeFormat": (513, "long"), "JPEGInterchangeFormatLength": (514, "long"),
        "YCbCrCoefficients": (529, "rational"), "YCbCrSubSampling": (530, "short"),
        "ReferenceBlackWhite": (532, "rational")}
#: Where the first strip begins in a file that is no BigTIFF.
FIRST_STRIP = 8


def tiff(tags, strips, order="<", is_big=False, without=()):
    """The bytes of a file. `tags` are lists of values by name, where a rational is a pair; those of `without` are left
    out; `order` is `struct`'s sign for the order of bytes."""
    header, offset, place = (16, "Q", 8) if is_big else (FIRST_STRIP, "I", 4)
    body = bytearray(header)
    offsets = [append(body, strip) for strip in strips]
    tags = tags | {"StripOffsets": offsets, "StripByteCounts": [len(strip) for strip in strips]}
    tags = sorted((*TAGS[name], values) for name, values in tags.items() if name not in without)
    directory = struct.pack(order + ("Q" if is_big else "H"), len(tags))
    for number, type_name, values in tags:
        kind, code = TYPES[type_name]
        data = b"".join(struct.pack(order + code, *np.atleast_1d(value)) for value in values)
        if len(data) > place:
            data = struct.pack(order + offset, append(body, data))
        directory += struct.pack(order + "HH" + offset, number, kind, len(values)) + data.ljust(place, b"\0")
    at = append(body, directory + bytes(place))  # no directory comes next
    version = struct.pack(order + "HHHQ", 43, 8, 0, at) if is_big else struct.pack(order + "HI", 42, at)
    body[:header] = (b"II" if order == "<" else b"MM") + version
    return bytes(body)


def append(body, data):
    """Appends the data at an even offset, and gives the offset."""
    body += bytes(len(body) % 2)
    body += data
    return len(body) - len(data)
