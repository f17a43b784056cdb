"""The network in the forms that the peers load, made once for a weights file.

    python models.py WEIGHTS FOLDER

leaves in the folder: `network.keras`; three forms of it in ONNX and OpenVINO's own format, because it differs from
peer to peer which is the fastest; `image.npy`, the preprocessed image of the timings; `preprocess.json`.
The forms are `nhwc` (input as Keras has it), `nchw` (input transposed) and `norms` (nchw whose multiplications and
additions by channel, which is what the converter makes of a batch norm, are one BatchNormalization again).
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TISSUE = Path(__file__).parents[1] / "fixtures/tissue.png"
FORMS = ["nhwc", "nchw", "norms"]
CALIBRATION = 128


def folder(arguments):
    """The folder with the models of the given weights file, which is filled when it is not there yet."""
    sources = [arguments.weights, *(HERE / name for name in ["models.py", "network.py", "image.py"])]
    target = arguments.venv / "models" / digest(sources)
    fill(target, "converting the network for the peers", [HERE / "models.py", arguments.weights])
    return target


def quantised(arguments):
    """The folder with the forms that quantise.py makes, filled likewise; none without images to calibrate by."""
    files = images(arguments)
    if not files:
        print(f"no images in {arguments.data / 'images'}, so no quantised peers; name their folder by --data",
              file=sys.stderr)
        return None
    count = min(CALIBRATION, len(files))
    files = [files[at * len(files) // count] for at in range(count)]
    target = folder(arguments) / f"int8-{digest([HERE / 'quantise.py', *files])}"
    fill(target, "quantising the network for the peers", [HERE / "quantise.py", target.parent, *files])
    return target


def images(arguments):
    """The real images, under their original names."""
    return sorted((arguments.data / "images").glob("SOB_[BM]_*"))


def digest(files):
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def fill(target, message, program):
    """Runs a program that writes into the folder it is given last, unless that folder is there."""
    if target.is_dir():
        return
    print(message, file=sys.stderr)
    unfinished = target.with_suffix(".part")
    unfinished.mkdir(parents=True, exist_ok=True)
    log = unfinished / "log.txt"
    with log.open("w") as output:
        command = [sys.executable, *program, unfinished]
        if subprocess.run(command, stdout=output, stderr=output, check=False).returncode:
            sys.exit(f"{message} failed; the reason is in {log}")
    unfinished.rename(target)


def convert(weights, target):
    """Writes all forms into the folder `target`."""
    import numpy as np
    from PIL import Image

    import network
    from image import preprocess

    rule = network.metadata(weights)["preprocess"]
    (target / "preprocess.json").write_text(json.dumps(rule))
    np.save(target / "image.npy", preprocess(Image.open(TISSUE), rule))
    model = network.load(weights)
    model.save(target / "network.keras")
    write_onnx(model, target)
    write_openvino(target)


def write_onnx(model, target):
    """The three forms in ONNX, for a batch of one."""
    import onnx
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec((1, 128, 128, 3), tf.float32, name="images")]
    function = tf.function(lambda images: model(images, training=False), input_signature=signature)
    for form, transposed in [("nhwc", None), ("nchw", ["images"])]:
        converted, _ = tf2onnx.convert.from_function(function, signature, opset=18, inputs_as_nchw=transposed)
        onnx.save(converted, target / f"{form}.onnx")
    join_norms(converted)
    onnx.checker.check_model(converted)
    onnx.save(converted, target / "norms.onnx")


def join_norms(model):
    """Makes one BatchNormalization of each multiplication by channel with the addition behind it."""
    from onnx import NodeProto, helper, numpy_helper

    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    readers = {name: node for node in graph.node for name in node.input}
    nodes, joined = [], set()
    for node in graph.node:
        addition = readers.get(node.output[0])
        scale, shift = by_channel(node, "Mul", constants), by_channel(addition, "Add", constants)
        if scale is not None and shift is not None:
            names = [f"{node.name}/{part}" for part in ["scale", "shift", "mean", "variance"]]
            values = [scale, shift, 0 * scale, 0 * scale + 1]
            graph.initializer.extend(map(numpy_helper.from_array, values, names))
            inputs = [name for name in node.input if name not in constants] + names
            nodes.append(helper.make_node("BatchNormalization", inputs, addition.output, epsilon=0.0))
            joined.add(addition.output[0])
        elif node.output[0] not in joined:
            nodes.append(NodeProto.FromString(node.SerializeToString()))
    used = {name for node in nodes for name in node.input}
    unused = [tensor for tensor in graph.initializer if tensor.name not in used]
    for tensor in unused:
        graph.initializer.remove(tensor)
    del graph.node[:]
    graph.node.extend(nodes)


def by_channel(node, kind, constants):
    """What a node of that kind multiplies or adds, when that is one number for each channel; else none."""
    if node is None or node.op_type != kind:
        return None
    values = [constants[name] for name in node.input if name in constants]
    shaped = len(values) == 1 and values[0].ndim == 4 and values[0].shape[1] == values[0].size
    return values[0].ravel() if shaped else None


def write_openvino(target):
    """The same forms as OpenVINO's XML, with weights in full precision."""
    import openvino

    for form in FORMS:
        converted = openvino.convert_model(target / f"{form}.onnx")
        openvino.save_model(converted, target / f"{form}.xml", compress_to_fp16=False)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
