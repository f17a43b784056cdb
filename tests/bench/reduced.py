"""Peers that compute in less than f32, as they come or quantised, beside lobule in what it takes by itself.

Alone on one thread and on two, and on two beside a busy loop on each core.
"""

import functools

import busy_neighbour
import latency
import models
import quantise


def run(arguments):
    peers = functools.partial(engines, models.folder(arguments), models.quantised(arguments))
    alone, alone_figures = latency.compare(arguments, "auto", peers)
    beside, beside_figures = busy_neighbour.compare(arguments, "auto", peers(threads=2))
    return f"{alone}\n{beside}", {"alone": alone_figures, "busy_neighbour": beside_figures}


def engines(folder, quantised, threads):
    """As latency.engines; without a folder of quantised networks, only what needs none."""
    choices = [True] if threads == 1 else [True, False]
    default = {"engine": "openvino", "folder": folder, "threads": threads, "precision": None}
    peers = {"OpenVINO, default": {
        f"{form}, pinning={pinning}": {**default, "form": form, "pinning": pinning}
        for form in models.FORMS for pinning in choices}}
    if quantised is None:
        return peers
    runtime = {"engine": "onnxruntime", "folder": quantised, "threads": threads}
    return peers | {
        "OpenVINO int8": {
            f"{form}, pinning={pinning}": {**default, "folder": quantised, "form": form, "pinning": pinning}
            for form in quantise.FORMS for pinning in choices},
        "ONNX Runtime int8": {
            f"{form}, spinning={spinning}": {**runtime, "form": form, "spinning": spinning}
            for form in quantise.FORMS for spinning in choices},
    }
