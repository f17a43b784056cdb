"""The peers: for each, one function that loads it and gives back a function doing one unit of its work.

`Work.call` does it once and returns the probability of malignancy, or nothing where there is none; `Work.images` is
how many images that is; `Work.judge`, where a peer has one, gives the probability of another image. Libraries are
imported where they are used, so that a process holds only its own peer.
"""

import io
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass
class Work:
    """What is timed."""

    call: Callable
    images: int = 1
    judge: Callable | None = None


def tensorflow(threads, inter_op=1):
    """TensorFlow with its two pools set; `inter_op` is how many operators may run side by side."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(inter_op)
    return tensorflow


def keras_predict(folder, threads, inter_op=1, jit=False):
    """`model.predict`, as the report's service calls it."""
    tensorflow(threads, inter_op)
    import keras

    model = keras.models.load_model(folder / "network.keras")
    model.compile(jit_compile=jit)
    image = np.load(folder / "image.npy")
    return Work(lambda: model.predict(image, verbose=0)[0, 1])


def tensorflow_graph(folder, threads, inter_op=1, form="frozen"):
    """A graph without Keras around it: as traced, compiled by XLA, or with the weights frozen into it."""
    tf = tensorflow(threads, inter_op)
    import keras
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    model = keras.models.load_model(folder / "network.keras")
    image = tf.constant(np.load(folder / "image.npy"))
    signature = [tf.TensorSpec(image.shape, tf.float32)]
    graph = tf.function(lambda x: model(x, training=False), input_signature=signature, jit_compile=form == "xla")
    if form == "frozen":
        frozen = convert_variables_to_constants_v2(graph.get_concrete_function())
        return Work(lambda: frozen(image)[0].numpy()[0, 1])
    return Work(lambda: graph(image).numpy()[0, 1])


def in_form(image, form):
    """An image (1, size, size, 3) as the input of that form of the network wants it."""
    return image if form.startswith("nhwc") else np.ascontiguousarray(image.transpose(0, 3, 1, 2))


def onnxruntime(folder, threads, form="nchw", spinning=True):
    """ONNX Runtime on the CPU, all optimisations on."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    session = onnxruntime.InferenceSession(folder / f"{form}.onnx", options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    inputs = {name: in_form(np.load(folder / "image.npy"), form)}
    return Work(lambda: session.run(None, inputs)[0][0, 1],
                judge=lambda image: session.run(None, {name: in_form(image, form)})[0][0, 1])


def tract(folder, form="nchw"):
    """tract, which computes on one thread."""
    import tract

    image = in_form(np.load(folder / "image.npy"), form)
    model = tract.onnx().load(folder / f"{form}.onnx")
    model.set_input_fact(0, ",".join(map(str, image.shape)) + ",f32")
    runnable = model.into_model().into_runnable()
    return Work(lambda: runnable.run([image])[0].to_numpy()[0, 1])


def openvino(folder, threads, form="nchw", pinning=True, precision="f32"):
    """OpenVINO on the CPU, set for latency; without a precision it takes what the processor has, such as bf16."""
    import openvino

    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": pinning}
    if precision:
        settings["INFERENCE_PRECISION_HINT"] = precision
    request = openvino.Core().compile_model(folder / f"{form}.xml", "CPU", settings).create_infer_request()

    def take(image):
        request.set_input_tensor(openvino.Tensor(in_form(image, form)))

    def call():
        request.infer()
        return request.get_output_tensor().data[0, 1]

    def judge(image):
        take(image)
        return call()

    take(np.load(folder / "image.npy"))
    return Work(call, judge=judge)


def keras_training(folder, threads, inter_op=1, jit=False, form="train_on_batch", batch=32):
    """Training steps of the whole network: batch norms on the batch's moments, Adam, dropout."""
    tensorflow(threads, inter_op)
    import keras

    model = keras.models.load_model(folder / "network.keras")
    model.compile(keras.optimizers.Adam(1e-3), "categorical_crossentropy", jit_compile=jit)
    random = np.random.default_rng(1)
    count = batch if form == "train_on_batch" else 4 * batch
    images = random.normal(size=(count, 128, 128, 3)).astype(np.float32)
    labels = np.eye(2, dtype=np.float32)[random.integers(0, 2, count)]

    def call():
        if form == "train_on_batch":
            model.train_on_batch(images, labels)
        else:
            model.fit(images, labels, batch_size=batch, epochs=1, shuffle=False, verbose=0)

    return Work(call, count)


def pillow(folder, threads, file):
    """Pillow and numpy: PNG to the network's input. Pillow has no threads."""
    import json

    from PIL import Image

    data = file.read_bytes()
    rule = json.loads((folder / "preprocess.json").read_text())
    mean, scale = 255 * np.float32(rule["mean"]), 1 / (255 * np.float32(rule["std"]))

    def call():
        image = Image.open(io.BytesIO(data)).convert("RGB")
        pixels = np.asarray(image.resize((128, 128), Image.Resampling.BILINEAR), np.float32)
        np.multiply(pixels - mean, scale)

    return Work(call)


def opencv(folder, threads, file):
    """OpenCV: PNG to the network's input; its bilinear resize does not antialias, which is less work."""
    import json

    import cv2

    cv2.setNumThreads(threads)
    data = np.frombuffer(file.read_bytes(), np.uint8)
    rule = json.loads((folder / "preprocess.json").read_text())
    mean, scale = 255 * np.float32(rule["mean"]), 1 / (255 * np.float32(rule["std"]))

    def call():
        small = cv2.resize(cv2.imdecode(data, cv2.IMREAD_COLOR), (128, 128), interpolation=cv2.INTER_LINEAR)
        pixels = cv2.cvtColor(small, cv2.COLOR_BGR2RGB).astype(np.float32)
        np.multiply(pixels - mean, scale)

    return Work(call)
