"""The peers that are Rust crates: the program of rust_peers/, built as its users would build theirs."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).with_name("rust_peers")


def program(arguments):
    """The program, built into the folder of the virtual environment; none where cargo cannot build it."""
    target = arguments.venv / "rust_peers"
    command = ["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", HERE / "Cargo.toml"]
    try:
        built = subprocess.run(command, env=os.environ | {"CARGO_TARGET_DIR": str(target)}, check=False).returncode == 0
    except OSError:
        built = False
    if not built:
        print("cargo could not build the peers in tests/bench/rust_peers (see above); they are left out",
              file=sys.stderr)
        return None
    return target / "release/rust-peers"


def engines(program, folder, weights, forms, threads):
    """rten and candle's own modules, as latency.engines has the others."""
    if program is None:
        return {}
    where = {"program": program, "folder": folder}
    return {
        "rten": {form: {**where, "engine": "rten", "form": form, "threads": threads} for form in forms},
        "candle": {"own modules": {**where, "engine": "candle", "weights": weights,
                                   "environment": {"RAYON_NUM_THREADS": str(threads)}}},
    }
