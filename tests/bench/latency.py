"""The time for one image of 128x128 pixels in f32, network only, on one thread and on two.

The group `reduced` compares what computes in less than f32 in the same way.
"""

import functools
import statistics

import crates
import models
import table
from turns import Lobule, Peer, fastest, ratios, run_lobule, take_turns


def run(arguments):
    return compare(arguments, "f32", functools.partial(with_crates, arguments, crates.program(arguments)))


def compare(arguments, precision, peers, level=None):
    """First each peer's settings against each other, then the best of each against lobule in that precision.

    A `level` holds lobule to these vector instructions.
    """
    rows, figures, said = [], {}, set()
    for threads in [1, 2]:
        players, settings = [], {}
        for name, candidates in peers(threads).items():
            best, settings[name] = best_setting(arguments, name, candidates)
            players.append(best)
        ours = lobule(arguments, threads, precision, level)
        rounds = take_turns([*players, ours], arguments.rounds, arguments.seconds)
        results = {player.name: ratios(rounds, player.name, p50) for player in players}
        said |= {turns["lobule"].get("precision", "f32") for turns in rounds}
        for player in players:
            player.close()
            result = results[player.name]
            rows.append([player.name, player.setting, threads, table.digits(result["peer"]),
                         table.digits(result["lobule"]), table.ratio(result)])
        figures[f"{threads} threads"] = {"settings_p50_ms": settings, "results": results}
    held = f", held to {level.upper()}" if level else ""
    title = f"Latency of one image, {precision}{held}, medians of {arguments.rounds} rounds"
    columns = ["peer", "its best setting", "threads", "peer, ms", "lobule, ms",
               "lobule / peer (below 1: lobule is faster)"]
    notes = ["Lobule's time includes making the input of a 128x128 image; the peers get the finished tensor.",
             f"Lobule says that it computed in {' and '.join(sorted(said))}."]
    return table.markdown(title, columns, rows, notes), figures


def best_setting(arguments, name, candidates):
    """The peer at the fastest of its settings, and each setting's time."""
    loaded = [Peer(arguments, name, setting, **spec) for setting, spec in candidates.items()]
    return fastest(loaded, 2 if arguments.quick else 5, arguments.seconds / 2, p50)


def with_crates(arguments, program, threads):
    """As engines, with the peers that are Rust crates."""
    folder = models.folder(arguments)
    forms = [form for form in models.FORMS if form != "nhwc"]
    return engines(folder, threads) | crates.engines(program, folder, arguments.weights, forms, threads)


def engines(folder, threads):
    """The peers and the settings that are tried: functions in engines.py and their arguments."""
    where = {"folder": folder, "threads": threads}
    pools = [1] if threads == 1 else [1, 2]
    choices = [True] if threads == 1 else [True, False]
    of_one_thread = {"tract": {form: {"engine": "tract", "folder": folder, "form": form} for form in models.FORMS}}
    return (of_one_thread if threads == 1 else {}) | {
        "Keras model.predict": {
            f"inter_op={inter_op}, jit={jit}": {"engine": "keras_predict", "inter_op": inter_op, "jit": jit, **where}
            for inter_op in pools for jit in [False, True]},
        "TensorFlow graph": {
            f"{form}, inter_op={inter_op}": {"engine": "tensorflow_graph", "inter_op": inter_op, "form": form, **where}
            for inter_op in pools for form in ["traced", "frozen", "xla"]},
        "ONNX Runtime": {
            f"{form}, spinning={spinning}": {"engine": "onnxruntime", "form": form, "spinning": spinning, **where}
            for form in models.FORMS for spinning in choices},
        "OpenVINO": {
            f"{form}, pinning={pinning}": {"engine": "openvino", "form": form, "pinning": pinning, **where}
            for form in models.FORMS for pinning in choices},
    }


def environment(precision, level=None):
    """What goes before a command of lobule's."""
    return ["env", f"LOBULE_PRECISION={precision}", *([f"LOBULE_SIMD={level}"] if level else [])]


def lobule(arguments, threads, precision, level=None):
    """`lobule bench` with as many images as fill a turn: it times each one alone, and then all side by side."""
    def command(images):
        return [*environment(precision, level), arguments.lobule, "bench", "--weights", arguments.weights,
                "--threads", str(threads), "--images", str(images), "--json"]

    probe = statistics.median(run_lobule(command(20))["latency_ms"]["p50"] for _ in range(3))
    return Lobule(lambda seconds: command(max(10, round(1000 * seconds / probe))))


def p50(figures):
    """The median time of a turn in ms, of a peer or of lobule."""
    return figures["p50_ms"] if "p50_ms" in figures else figures["latency_ms"]["p50"]
