"""Whether lobule and all peers give the same probability for the same image."""

import sys

import crates
import latency
import models
import table
from turns import Peer, run_lobule

TOLERANCE = 1e-4


def run(arguments):
    """One image through lobule and through each form of each peer."""
    command = [*latency.environment("f32"), arguments.lobule, "predict", "--weights", arguments.weights,
               "--format", "json", models.TISSUE]
    lobule = run_lobule(command)["probability_malignant"]
    rows, figures = [], {"lobule": lobule}
    for name, settings in latency.with_crates(arguments, crates.program(arguments), threads=1).items():
        for setting, spec in settings.items():
            peer = Peer(arguments, name, setting, **spec)
            probability = peer.turn(0)["probability"]
            peer.close()
            figures[f"{name}, {setting}"] = probability
            rows.append([name, setting, f"{probability:.6f}", f"{abs(probability - lobule):.1e}"])
    apart = max(abs(value - lobule) for value in figures.values())
    verdict = f"All agree within {TOLERANCE}: {apart < TOLERANCE}; lobule says {lobule:.6f} for {models.TISSUE.name}."
    if apart >= TOLERANCE:
        print(f"WARNING: the answers differ by {apart}; what follows compares unequal things", file=sys.stderr)
    title = "Agreement: probability of malignancy, decoding and resizing included"
    return table.markdown(title, ["peer", "setting", "probability", "apart"], rows, [verdict]), figures
