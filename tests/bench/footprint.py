"""What a program takes up to its first answer: the time from the start of its process, and its memory at most.

Each is held to one core, on one thread, and started anew each turn. A peer loads its network and the finished tensor
and answers; of lobule it is `predict`, which decodes an image besides, because `bench` answers after all its images.
"""

import contextlib
import functools
import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import crates
import latency
import models
import reduced
import table
from turns import Peer, run_lobule, take_turns

STARTS = 5
# One setting of each peer, as the groups latency and reduced name it.
SETTINGS = {
    "Keras model.predict": "inter_op=1, jit=False",
    "TensorFlow graph": "frozen, inter_op=1",
    "ONNX Runtime": "norms, spinning=True",
    "OpenVINO": "norms, pinning=True",
    "tract": "norms",
    "rten": "norms",
    "candle": "own modules",
    "OpenVINO, default": "norms, pinning=True",
    "OpenVINO int8": "norms-most, pinning=True",
    "ONNX Runtime int8": "norms-most, spinning=True",
}


@dataclass
class Program:
    """A player whose turn is a new process, by `start`."""

    name: str
    setting: str
    start: Callable

    def turn(self, _seconds):
        return self.start()


def run(arguments):
    players = [*peers(arguments), *(lobule(arguments, precision) for precision in ["f32", "int8"])]
    starts = 1 if arguments.quick else STARTS
    with one_core():
        rounds = take_turns(players, starts, 0)
    rows, figures = [], {}
    for player in players:
        found = figures[player.name] = {figure: [turns[player.name][figure] for turns in rounds]
                                        for figure in ["start_ms", "peak_mib"]}
        rows.append([player.name, player.setting, *(table.digits(statistics.median(each)) for each in found.values())])
    title = f"Start and memory of a program with one answer, on one core, medians of {starts} starts"
    columns = ["program", "setting", "start to first answer, ms", "peak, MiB"]
    notes = ["Lobule's time includes decoding the image and the end of its process.",
             "TensorFlow's graph is made from Keras's network when it starts, so it loads Keras too."]
    return table.markdown(title, columns, rows, notes), figures


def peers(arguments):
    """Those of the groups latency and reduced that are there."""
    every = latency.with_crates(arguments, crates.program(arguments), threads=1)
    every |= reduced.engines(models.folder(arguments), models.quantised(arguments), threads=1)
    return [Program(name, setting, functools.partial(start_peer, arguments, name, setting, every[name][setting]))
            for name, setting in SETTINGS.items() if name in every]


def start_peer(arguments, name, setting, spec):
    """Its first answer is part of its start; its memory is read after one more."""
    peer = Peer(arguments, name, setting, **spec)
    peak_mib = peer.turn(0)["peak_mib"]
    peer.close()
    return {"start_ms": peer.start_ms, "peak_mib": peak_mib}


def lobule(arguments, precision):
    command = [*latency.environment(precision), arguments.lobule, "predict", "--weights", arguments.weights,
               "--format", "json", models.TISSUE]

    def start():
        figures = run_lobule(command)
        return {"start_ms": figures["whole_ms"], "peak_mib": figures["peak_mib"]}

    return Program(f"lobule, {precision}", "predict", start)


@contextlib.contextmanager
def one_core():
    """Holds what is started in the block to one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
