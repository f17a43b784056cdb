"""What `lobule export` writes, in onnx's checker, ONNX Runtime and torchvision.

    cargo build --release
    pip install numpy pillow onnx onnxruntime            # and torch, torchvision, safetensors for --torchvision
    python3 tests/bench/onnx_export.py --images breakhis/originals [--lobule target/release/lobule] [--weights F ...]
        [--torchvision]

exports each weights file (without any, the built-in network) in all forms, and fails where a graph is refused or a
probability is further from that of `lobule predict` than 1e-4. The resize is that of the guide, word for word.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from PIL import Image

from image import finish

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "src/guide/interchange.md").read_text()
TOLERANCE = 1e-4
BATCHES = [1, 8]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lobule", default=ROOT / "target/release/lobule")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--weights", type=Path, nargs="*", default=[None])
    parser.add_argument("--torchvision", action="store_true")
    arguments = parser.parse_args()
    failed = 0
    for weights in arguments.weights:
        with tempfile.TemporaryDirectory() as folder:
            failed += compare(arguments, [] if weights is None else ["--weights", weights], Path(folder))
            if arguments.torchvision:
                load_in_torchvision(arguments.lobule, [] if weights is None else ["--weights", weights], Path(folder))
    sys.exit(1 if failed else 0)


def compare(arguments, weights, folder):
    """Exports a network in all forms and compares its probabilities; returns how many forms fail."""
    files = sorted(path for path in arguments.images.iterdir() if path.is_file())
    said = run(arguments.lobule, "predict", "--format", "json", *weights, *files).splitlines()
    wanted = np.array([json.loads(line)["probability_malignant"] for line in said])
    failed, rule = 0, None
    for flags in [[], ["--logits"], ["--without-preprocess"], ["--without-preprocess", "--logits"]]:
        target = folder / "network.onnx"
        run(arguments.lobule, "export", "--onnx", target, *weights, *flags)
        model = check(target)
        says = {entry.key: entry.value for entry in model.metadata_props}
        rule, temperature = json.loads(says["preprocess"]), float(says["temperature"])
        pixels = np.stack([resize(rule)(Image.open(file).convert("RGB"), rule["size"]) for file in files])
        inputs = pixels.transpose(0, 3, 1, 2).astype(np.float32)
        if "--without-preprocess" in flags:
            inputs = np.stack([finish(image.transpose(1, 2, 0), rule).transpose(2, 0, 1) for image in inputs])
            inputs = inputs.astype(np.float32)
        session = onnxruntime.InferenceSession(target)
        [name] = [node.name for node in session.get_inputs()]
        for batch in BATCHES:
            parts = [session.run(None, {name: inputs[at:at + batch]})[0] for at in range(0, len(inputs), batch)]
            outputs = np.concatenate(parts).astype(np.float64)
            if "--logits" in flags:
                outputs = np.exp(outputs / temperature)
                outputs /= outputs.sum(axis=1, keepdims=True)
            apart = abs(outputs[:, 1] - wanted).max()
            failed += bool(apart >= TOLERANCE)
            print(f"{says['name']} {says['version']}, {' '.join(flags) or 'all inside'}, batch {batch}: "
                  f"{len(wanted)} images, at most {apart:.1e} apart: {'FAILED' if apart >= TOLERANCE else 'passed'}")
    return failed


def check(path):
    """The model, having passed onnx's checker and its shape inference, which must find every shape."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    known = {value.name for value in [*inferred.graph.value_info, *inferred.graph.output]}
    missing = [name for node in model.graph.node for name in node.output if name not in known]
    if missing:
        sys.exit(f"shape inference finds no shape of {missing[:5]}")
    return model


def resize(rule):
    """The lines of the guide that resize as a weights file asks for."""
    blocks = [block for block in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL) if "def resize" in block]
    scope = {"np": np}
    exec(blocks[0 if rule["resampling"] == "antialiased" else 1], scope)
    return scope["resize"]


def load_in_torchvision(lobule, weights, folder):
    """The two lines of the guide, and what they leave missing."""
    import safetensors.torch
    import torchvision

    target = folder / "backbone.safetensors"
    run(lobule, "export", "--torchvision", target, *weights)
    network = torchvision.models.densenet121()
    left = network.load_state_dict(safetensors.torch.load_file(target), strict=False)
    missing = [name for name in left.missing_keys if not name.endswith("num_batches_tracked")]
    head = [name for name in missing if not name.startswith(("features.norm5.", "classifier."))]
    if left.unexpected_keys or head:
        sys.exit(f"torchvision finds {left.unexpected_keys} unexpected and {head} missing")
    print(f"torchvision {torchvision.__version__} loads the backbone; missing: {', '.join(missing)}")


def run(program, *arguments):
    exact = {**os.environ, "LOBULE_PRECISION": "f32"}  # as the graph computes
    ended = subprocess.run([program, *arguments], capture_output=True, text=True, env=exact)
    if ended.returncode:
        sys.exit(ended.stderr)
    return ended.stdout


if __name__ == "__main__":
    main()
