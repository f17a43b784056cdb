"""As the group latency, with all programs held to AVX2, which is all that Cloud Run promises.

Of the peers these are the ones that an environment variable can hold to it: what uses oneDNN.
"""

import functools

import latency
import models

HELD = {"ONEDNN_MAX_CPU_ISA": "AVX2"}


def run(arguments):
    return latency.compare(arguments, "f32", functools.partial(engines, models.folder(arguments)), level="avx2")


def engines(folder, threads):
    """Those of the group latency, a variable more."""
    every = latency.engines(folder, threads)
    return {f"{name}, AVX2": {setting: {**spec, "environment": HELD} for setting, spec in every[name].items()}
            for name in ["TensorFlow graph", "OpenVINO"]}
