"""Training steps of the whole network: batch 32, all layers trainable, batch norms on the batch's moments, Adam.

Keras's settings are loaded side by side before the best is kept, which takes 11 GB of memory.
"""

import os

import models
import table
from turns import Lobule, Peer, can, fastest, ratios, run_lobule, take_turns

BATCH = 32


def run(arguments):
    """Keras's best setting against `lobule bench --train`."""
    title = f"Training, batch {BATCH}"
    if not can(arguments.lobule, "--train", "--batch", "--steps"):
        return table.markdown(title, ["skipped"], [["this lobule has no `bench --train --batch N --steps N`"]]), {}
    folder = models.folder(arguments)
    threads = len(os.sched_getaffinity(0))
    seconds = 4 * arguments.seconds
    candidates = [Peer(arguments, "Keras train_on_batch", f"inter_op={inter_op}, jit={jit}", engine="keras_training",
                       folder=folder, threads=threads, inter_op=inter_op, jit=jit, batch=BATCH)
                  for inter_op, jit in ([(1, False)] if arguments.quick else [(1, False), (2, False), (2, True)])]
    keras, settings = fastest(candidates, 2, seconds, lambda figures: 1 / images_per_second(figures))
    rounds = take_turns([keras, lobule(arguments, threads)], max(2, arguments.rounds // 3), seconds)
    keras.close()
    speed = ratios(rounds, keras.name, images_per_second)
    memory = ratios(rounds, keras.name, lambda figures: figures["peak_mib"])
    rows = [[what, keras.setting, *map(table.digits, [result["peer"], result["lobule"]]), table.ratio(result)]
            for what, result in [("images/s (ratio above 1: lobule is faster)", speed),
                                 ("peak resident MiB (below 1: lobule is smaller)", memory)]]
    columns = ["", f"best setting of {keras.name}", "Keras", "lobule", "lobule / Keras"]
    figures = {"settings_seconds_per_image": settings, "speed": speed, "memory": memory}
    return table.markdown(f"{title}, {threads} threads", columns, rows), figures


def lobule(arguments, threads):
    """`lobule bench --train` with as many steps as fill a turn."""
    def command(steps):
        return [arguments.lobule, "bench", "--train", "--batch", str(BATCH), "--threads", str(threads),
                "--steps", str(steps), "--json"]

    probe = images_per_second(run_lobule(command(1)))
    return Lobule(lambda seconds: command(max(2, round(seconds * probe / BATCH))))


def images_per_second(figures):
    """Of a turn, of Keras or of lobule."""
    return figures["images_per_second"]
