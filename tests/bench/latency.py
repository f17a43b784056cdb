"""The time for one image of 128x128 pixels in f32, network only, on one thread and on two."""

import statistics

import models
import table
from turns import Lobule, Peer, fastest, ratios, run_lobule, take_turns


def run(arguments):
    """First each peer's settings against each other, then the best of each against lobule."""
    folder = models.folder(arguments)
    rows, figures = [], {}
    for threads in [1, 2]:
        players, settings = [], {}
        for name, candidates in engines(threads).items():
            loaded = [Peer(arguments, name, setting, folder=folder, threads=threads, **spec)
                      for setting, spec in candidates.items()]
            best, settings[name] = fastest(loaded, 2 if arguments.quick else 5, arguments.seconds / 2, p50)
            players.append(best)
        rounds = take_turns([*players, lobule(arguments, threads)], arguments.rounds, arguments.seconds)
        results = {player.name: ratios(rounds, player.name, p50) for player in players}
        for player in players:
            player.close()
            result = results[player.name]
            rows.append([player.name, player.setting, threads, table.digits(result["peer"]),
                         table.digits(result["lobule"]), table.ratio(result)])
        figures[f"{threads} threads"] = {"settings_p50_ms": settings, "results": results}
    title = f"Latency of one image, f32, medians of {arguments.rounds} rounds"
    columns = ["peer", "its best setting", "threads", "peer, ms", "lobule, ms",
               "lobule / peer (below 1: lobule is faster)"]
    note = "Lobule's time includes making the input of a 128x128 image; the peers get the finished tensor."
    return table.markdown(title, columns, rows, [note]), figures


def engines(threads):
    """The peers and the settings that are tried: arguments of their functions in engines.py."""
    pools = [1] if threads == 1 else [1, 2]
    choices = [True] if threads == 1 else [True, False]
    return {
        "Keras model.predict": {
            f"inter_op={inter_op}, jit={jit}": {"engine": "keras_predict", "inter_op": inter_op, "jit": jit}
            for inter_op in pools for jit in [False, True]},
        "TensorFlow graph": {
            f"{form}, inter_op={inter_op}": {"engine": "tensorflow_graph", "inter_op": inter_op, "form": form}
            for inter_op in pools for form in ["traced", "frozen", "xla"]},
        "ONNX Runtime": {
            f"{form}, spinning={spinning}": {"engine": "onnxruntime", "form": form, "spinning": spinning}
            for form in models.FORMS for spinning in choices},
        "OpenVINO": {
            f"{form}, pinning={pinning}": {"engine": "openvino", "form": form, "pinning": pinning}
            for form in models.FORMS for pinning in choices},
    }


def lobule(arguments, threads):
    """`lobule bench` with as many images as fill a turn: it times each one alone, and then all side by side."""
    def command(images):
        return [arguments.lobule, "bench", "--weights", arguments.weights, "--threads", str(threads),
                "--images", str(images), "--json"]

    probe = statistics.median(run_lobule(command(20))["latency_ms"]["p50"] for _ in range(3))
    return Lobule(lambda seconds: command(max(10, round(1000 * seconds / probe))))


def p50(figures):
    """The median time of a turn in ms, of a peer or of lobule."""
    return figures["p50_ms"] if "p50_ms" in figures else figures["latency_ms"]["p50"]
