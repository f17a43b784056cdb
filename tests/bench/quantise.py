"""The network in whole numbers of 8 bits, as ONNX Runtime's and OpenVINO's own tools make it.

    python quantise.py MODELS IMAGE... FOLDER

MODELS is the folder that models.py fills; the images calibrate. Leaves in the folder each of `FORMS` in ONNX and
OpenVINO's own format, and `image.npy`. The forms `most` have all in whole numbers but the few dense layers of the
heads, with which OpenVINO answers 1 to every image; in the forms `convolutions` batch norms and concatenations stay in
f32 too. Presets of nncf other than its own are no faster and further off, and are not tried.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import models
from engines import in_form
from image import preprocess

QUANTISED_IN_ONNX = {
    "most": ["Conv", "Relu", "Mul", "Add", "Concat", "AveragePool", "MaxPool", "Pad", "Transpose", "ReduceMean"],
    "convolutions": ["Conv", "Relu"],
}
LEFT_IN_OPENVINO = {"most": ["MatMul"], "convolutions": ["MatMul", "Multiply", "Add", "Concat"]}
FORMS = [f"{form}-{which}" for form in models.FORMS for which in QUANTISED_IN_ONNX]


def main(source, *files):
    *files, target = map(Path, files)
    source = Path(source)
    rule = json.loads((source / "preprocess.json").read_text())
    images = [preprocess(Image.open(file), rule) for file in files]
    shutil.copy(source / "image.npy", target)
    for form in models.FORMS:
        inputs = [in_form(image, form) for image in images]
        write_onnx(source / f"{form}.onnx", inputs, target)
        write_openvino(source / f"{form}.xml", inputs, target)


def write_onnx(source, inputs, target):
    """Static, per channel, QDQ, u8 by i8 of the full range, after the preparation that ONNX Runtime's guide wants."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = target / "prepared.onnx"
    quant_pre_process(source, prepared, skip_symbolic_shape=True)
    name = onnx.load(prepared).graph.input[0].name

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.left = iter(inputs)

        def get_next(self):
            image = next(self.left, None)
            return None if image is None else {name: image}

    for which, operators in QUANTISED_IN_ONNX.items():
        quantize_static(prepared, target / f"{source.stem}-{which}.onnx", Reader(), quant_format=QuantFormat.QDQ,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, per_channel=True,
                        reduce_range=False, op_types_to_quantize=operators)
    prepared.unlink()


def write_openvino(source, inputs, target):
    """By `nncf.quantize`, everything else as it comes."""
    import nncf
    import openvino

    for which, types in LEFT_IN_OPENVINO.items():
        network = nncf.quantize(openvino.Core().read_model(source), nncf.Dataset(inputs), subset_size=len(inputs),
                                ignored_scope=nncf.IgnoredScope(types=types))
        openvino.save_model(network, target / f"{source.stem}-{which}.xml", compress_to_fp16=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
