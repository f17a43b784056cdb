"""From the bytes of a PNG of 700x460 pixels to the network's input, on one thread."""

import models
import image
import table
from turns import Lobule, Peer, can, ratios, run_lobule, take_turns


def run(arguments):
    """Pillow and OpenCV against `lobule bench --decode`."""
    title = "Decoding and resizing a PNG of 700x460 pixels"
    if not can(arguments.lobule, "--decode"):
        return table.markdown(title, ["skipped"], [["this lobule has no `bench --decode FILE`"]]), {}
    folder = models.folder(arguments)
    file = folder / "drawn.png"
    file.write_bytes(image.drawn_png())
    peers = [Peer(arguments, name, "one thread", engine=engine, folder=folder, threads=1, file=file)
             for name, engine in [("Pillow and numpy", "pillow"), ("OpenCV", "opencv")]]
    rounds = take_turns([*peers, lobule(arguments, file)], arguments.rounds, arguments.seconds)
    results = {peer.name: ratios(rounds, peer.name, p50) for peer in peers}
    for peer in peers:
        peer.close()
    rows = [[name, table.digits(result["peer"]), table.digits(result["lobule"]), table.ratio(result)]
            for name, result in results.items()]
    columns = ["peer", "peer, ms", "lobule, ms", "lobule / peer (below 1: lobule is faster)"]
    note = "One thread. Pillow antialiases as lobule does; OpenCV's bilinear does not, which is less work."
    return table.markdown(title, columns, rows, [note]), results


def lobule(arguments, file):
    """`lobule bench --decode` with as many images as fill a turn."""
    def command(images):
        return [arguments.lobule, "bench", "--weights", arguments.weights, "--decode", file, "--threads", "1",
                "--images", str(images), "--json"]

    probe = p50(run_lobule(command(20)))
    return Lobule(lambda seconds: command(max(10, round(1000 * seconds / probe))))


def p50(figures):
    """The median time in ms: of a peer; of lobule, which times decoding and the way to the input one by one."""
    return figures["p50_ms"] if "p50_ms" in figures else figures["decode_ms"]["p50"] + figures["tensor_ms"]["p50"]
