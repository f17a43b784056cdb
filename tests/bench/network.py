"""The fused DenseNet121 in Keras, with the weights of a lobule weights file.

In: a weights file (safetensors, tensors named and laid out as torchvision does it). Out: a `keras.Model` from
preprocessed images (batch, 128, 128, 3) to probabilities (batch, 2), benign first. The same network with weights
from a formula is in tests/fixtures/keras_golden.py.
"""

import json

import keras
import numpy as np
from safetensors import safe_open

TAPS = {"block2": "conv3_block12_concat", "block3": "conv4_block24_concat", "block4": "conv5_block16_concat"}
BLOCKS = [6, 12, 24, 16]


def metadata(path):
    """What the weights file says of itself."""
    with safe_open(path, "numpy") as file:
        return json.loads(file.metadata()["lobule"])


def build():
    """The network with random weights; DenseNet's own final norm is not part of it."""
    layers = keras.layers
    backbone = keras.applications.DenseNet121(include_top=False, weights=None, input_shape=(128, 128, 3))
    heads = []
    for block, tap in TAPS.items():
        x = layers.GlobalAveragePooling2D()(backbone.get_layer(tap).output)
        x = layers.Dense(64, activation="relu", name=f"fusion_{block}_dense")(x)
        heads.append(layers.BatchNormalization(name=f"fusion_{block}_norm")(x))
    x = layers.Dense(16, activation="relu", name="classifier_dense")(layers.Concatenate()(heads))
    x = layers.Dropout(0.45)(layers.BatchNormalization(name="classifier_norm")(x))
    return keras.Model(backbone.input, layers.Dense(2, activation="softmax", name="classifier_output")(x))


def load(path):
    """The network with the weights of the file, its temperature divided into the last layer."""
    about = metadata(path)
    if about["architecture"].get("blocks") != BLOCKS or about["preprocess"]["size"] != 128:
        raise SystemExit(f"{path} is no fused DenseNet121 for 128x128 pixels; the peers only rebuild that one")
    model = build()
    with safe_open(path, "numpy") as file:
        names = file.keys()
        tensors = {name: file.get_tensor(name).astype(np.float32) for name in names}
    for keras_name, name in layer_names().items():
        model.get_layer(keras_name).set_weights(layer_weights(tensors, name))
    output = model.get_layer("classifier_output")
    output.set_weights([weight / np.float32(about["temperature"]) for weight in output.get_weights()])
    return model


def layer_weights(tensors, name):
    """A layer's weights in Keras's order and layout: HWIO for convolutions, (inputs, outputs) for dense layers."""
    weight = tensors[f"{name}.weight"]
    if weight.ndim == 4:
        return [weight.transpose(2, 3, 1, 0)]
    if weight.ndim == 2:
        return [weight.T, tensors[f"{name}.bias"]]
    return [weight] + [tensors[f"{name}.{ending}"] for ending in ["bias", "running_mean", "running_var"]]


def layer_names():
    """Keras's name of each layer that has weights, and torchvision's."""
    names = {"conv1_conv": "features.conv0", "conv1_bn": "features.norm0"}
    for block, count in enumerate(BLOCKS, 1):
        for layer in range(1, count + 1):
            keras_name = f"conv{block + 1}_block{layer}"
            name = f"features.denseblock{block}.denselayer{layer}"
            names[f"{keras_name}_0_bn"] = f"{name}.norm1"
            names[f"{keras_name}_1_conv"] = f"{name}.conv1"
            names[f"{keras_name}_1_bn"] = f"{name}.norm2"
            names[f"{keras_name}_2_conv"] = f"{name}.conv2"
        if block < len(BLOCKS):
            names[f"pool{block + 1}_bn"] = f"features.transition{block}.norm"
            names[f"pool{block + 1}_conv"] = f"features.transition{block}.conv"
    for block in TAPS:
        names[f"fusion_{block}_dense"] = f"fusion.{block}.dense"
        names[f"fusion_{block}_norm"] = f"fusion.{block}.norm"
    return names | {"classifier_dense": "classifier.dense", "classifier_norm": "classifier.norm",
                    "classifier_output": "classifier.output"}
