"""Whether networks that Keras saved answer here as they do in Keras, decode and resize included.

    python keras_import.py LOBULE ORIGINALS IMAGENET

LOBULE is the program, ORIGINALS a folder of images, IMAGENET a safetensors file of DenseNet121 in torchvision's names.
Each network is built and saved by Keras in every form that it has, imported, and asked for each image; what is printed
is the largest difference of a probability. It also tries Keras's DenseNet121 as a start of a training.
"""

import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from safetensors import safe_open

import network

TOLERANCE = 1e-4
SIZE = 128
layers = keras.layers


def head(taps, answer):
    fused = []
    for tap in taps:
        x = layers.GlobalAveragePooling2D()(tap)
        fused.append(layers.BatchNormalization()(layers.Dense(64, activation="relu")(x)))
    x = layers.BatchNormalization()(layers.Dense(16, activation="relu")(layers.Concatenate()(fused)))
    x = layers.Dropout(0.45)(x)
    return layers.Dense(2, activation="softmax")(x) if answer == "softmax" else layers.Dense(1, activation="sigmoid")(x)


def fused(nested, inside, answer):
    """The report's network; `nested` keeps the backbone as a model of its own, `inside` scales within the model."""
    backbone = keras.applications.DenseNet121(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    taps = [backbone.get_layer(name).output for name in network.TAPS.values()]
    if not nested:
        return keras.Model(backbone.input, head(taps, answer))
    image = keras.Input((SIZE, SIZE, 3))
    scaled = image
    if inside == "rescaling":
        scaled = layers.Rescaling(1 / 255)(image)
    if inside == "normalization":
        scaled = layers.Rescaling(1 / 255)(image)
        scaled = layers.Normalization(mean=[0.485, 0.456, 0.406], variance=[0.229**2, 0.224**2, 0.225**2])(scaled)
    return keras.Model(image, head(keras.Model(backbone.input, taps)(scaled), answer))


def baseline(answer):
    stack = [keras.Input((SIZE, SIZE, 3))]
    for filters in [32, 64, 128]:
        stack += [layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D()]
    stack += [layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dropout(0.5)]
    stack += [layers.Dense(2, activation="softmax") if answer == "softmax" else layers.Dense(1, activation="sigmoid")]
    return keras.Sequential(stack)


def every_layer(model):
    for layer in model.layers:
        yield from every_layer(layer) if hasattr(layer, "layers") else [layer]


def randomise(model, images, seed):
    """Random norms, with the moments that the images have, so that the answers differ from image to image."""
    random = np.random.default_rng(seed)
    norms = [layer for layer in every_layer(model) if isinstance(layer, layers.BatchNormalization)]
    for norm in norms:
        count = norm.gamma.shape[0]
        norm.gamma.assign(random.uniform(0.5, 1.5, count))
        norm.beta.assign(random.normal(0, 0.3, count))
        norm.momentum = 0.2
    if norms:
        for _ in range(4):
            model(images, training=True)


def put_imagenet(model, path):
    with safe_open(path, "numpy") as file:
        tensors = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}
    names = {name: ours for name, ours in network.layer_names().items() if ours.startswith("features.")}
    by_name = {layer.name: layer for layer in every_layer(model)}
    for name, ours in names.items():
        by_name[name].set_weights(network.layer_weights(tensors, ours))


def saved(model, folder, stem):
    """The model in every form; those without a graph only where they have no layers that scale."""
    for ending in ["keras", "h5", "weights.h5"]:
        path = folder / f"{stem}.{ending}"
        model.save_weights(path) if ending == "weights.h5" else model.save(path)
        yield path


def answers(lobule, weights, images):
    command = [lobule, "predict", "--weights", weights, "--format", "json", *images]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return np.array([json.loads(line)["probability_malignant"] for line in lines])


def main(lobule, originals, imagenet):
    paths = sorted(Path(originals).glob("*.png"))
    pixels = [tf.image.resize(tf.io.decode_png(path.read_bytes(), 3), (SIZE, SIZE)) for path in paths]
    pixels = tf.stack(pixels)
    worst = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        cases = [("baseline", None, "", answer) for answer in ["softmax", "sigmoid"]]
        for nested, weights in itertools.product(["flattened", "nested"], ["random", "ImageNet"]):
            cases += [(nested, weights, "", "softmax")]
        cases += [("flattened", "random", "", "sigmoid"), ("nested", "ImageNet", "rescaling", "softmax"),
                  ("nested", "ImageNet", "normalization", "sigmoid")]
        for number, (kind, weights, inside, answer) in enumerate(cases):
            keras.utils.set_random_seed(number)
            model = baseline(answer) if kind == "baseline" else fused(kind == "nested", inside, answer)
            given = pixels if inside else pixels / 255
            randomise(model, given, number)
            if weights == "ImageNet":
                put_imagenet(model, imagenet)
            if kind != "baseline":  # the moments are those of the weights
                for _ in range(4):
                    model(given, training=True)
            expected = model.predict(given, verbose=0)[:, -1]
            for path in saved(model, folder, f"network{number}"):
                if inside and path.name.endswith(".weights.h5"):
                    continue
                out = folder / "out.safetensors"
                subprocess.run([lobule, "import", path, "-o", out], check=True, capture_output=True)
                apart = np.abs(answers(lobule, out, paths) - expected).max()
                worst = max(worst, apart)
                size = out.stat().st_size / 1e6
                form = path.name.split(".", 1)[1]
                print(f"{kind:9} {weights or '':8} {inside:13} {answer:7} .{form:10} apart {apart:.1e}, "
                      f"answers {expected.min():.3f} to {expected.max():.3f}, {size:.1f} MB", flush=True)
    print(f"all within {TOLERANCE} on {len(paths)} images: {worst < TOLERANCE}")
    return worst < TOLERANCE


if __name__ == "__main__":
    sys.exit(not main(*sys.argv[1:]))
