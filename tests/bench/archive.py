"""How many images a second `lobule predict FOLDER --output FILE` does, beside the best Python that we know for it.

    python3 tests/bench/archive.py                 both, in turns, after a search for the fastest peer
    python3 tests/bench/archive.py --kinds         both for each kind of file by itself
    python3 tests/bench/archive.py --whole         lobule alone, on the whole folder
    python3 tests/bench/archive.py --images 3000 --measured 500 --probe 200 --rounds 1      a smoke run

The folder of images (archive_folder.py says what is in it) is made at the first start. The peer (archive_peer.py) is
OpenVINO with OpenCV; it is searched for the fastest of its ways to share out the work, sizes of batches and forms of the
network, once in the precision that OpenVINO takes by itself and once in whole numbers of 8 bits, and each is measured once
more with imagecodecs for PNG, which is faster than OpenCV. A turn of
lobule's is a whole process, from its start to the finished file; the peer's begins when it has loaded everything, which
takes it seconds. Both read the same folders, and the files are in the system's cache. Memory is what all processes of a
turn have resident together at most, and is looked at often but not always. The environment and the packages are those
of peers.py.
"""

import argparse
import csv
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True  # no __pycache__ between the sources

import archive_folder
from peers import REQUIREMENTS, ROOT, absolute, enter_environment

PEER = Path(__file__).with_name("archive_peer.py")
CORES = len(os.sched_getaffinity(0))
WAYS = [("processes", CORES, 4), ("processes", CORES, 8), ("processes", CORES, 16), ("threads", CORES, 1),
        ("threads", CORES, 8), ("threads", CORES, 16), ("threads", CORES + 1, 8), ("queue", CORES, 1),
        ("queue", CORES, 8), ("queue", CORES + 1, 8)]
DECODERS = ["opencv", "imagecodecs"]


def main():
    arguments = parse_arguments()
    for file, way in [(arguments.lobule, "build it with `cargo build --release`, or name one by --lobule"),
                      (arguments.weights, "name one by --weights")]:
        if not file.is_file():
            sys.exit(f"there is no {file}; {way}")
    enter_environment(arguments.venv)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    archive_folder.make(arguments.folder, arguments.data, arguments.images)
    (arguments.folder / "answers").mkdir(exist_ok=True)
    machine = importlib.import_module("machine").describe(arguments.lobule, REQUIREMENTS)
    print(f"{machine['line']}\n", flush=True)
    if arguments.whole:
        whole(arguments)
    elif arguments.kinds:
        kinds(arguments)
    else:
        compare(arguments)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lobule", type=absolute, default=ROOT / "target/release/lobule", help="the program")
    parser.add_argument("--weights", type=absolute, default=ROOT / "weights/lobule.safetensors", help="its weights")
    parser.add_argument("--data", type=absolute, default=os.environ.get("LOBULE_BREAKHIS", ROOT / "../shared/breakhis"),
                        help="folder of BreakHis's images [env: LOBULE_BREAKHIS]")
    parser.add_argument("--folder", type=absolute, default=ROOT / "target/archive", help="where the images are made")
    parser.add_argument("--venv", type=absolute, default=ROOT / "target/peers",
                        help="folder of the virtual environment, which also takes models")
    parser.add_argument("--images", type=int, default=100_000, help="how many there shall be [default: 100000]")
    parser.add_argument("--measured", type=int, default=10_000, help="images of a turn, in hundreds [default: 10000]")
    parser.add_argument("--probe", type=int, default=800,
                        help="images of a turn in the search for the fastest peer, in hundreds [default: 800]")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of turns [default: 3]")
    parser.add_argument("--kinds", action="store_true", help="compare by kinds of files")
    parser.add_argument("--whole", action="store_true", help="let lobule do the whole folder, once")
    parser.add_argument("--json", type=absolute, metavar="FILE", help="where to write all figures")
    return parser.parse_args()


def compare(arguments):
    """The table: lobule, and the fastest peer in each precision."""
    import table

    folders = some(arguments, arguments.measured)
    warm(folders)
    found = peers(arguments, some(arguments, arguments.probe))
    lobule = {"lobule": lambda: run_lobule(arguments, folders)}
    players = lobule | {name: lambda name=name, spec=each["spec"]: run_peer(arguments, spec, folders, name)
                        for name, each in found.items()}
    rounds = in_turns(players, arguments.rounds)
    fastest = min(found, key=lambda name: statistics.median(1 / turns[name]["rate"] for turns in rounds))
    rows = [row(name, found[name]["setting"] if name in found else "as it comes", rounds) for name in players]
    notes = [f"The fastest peer is {fastest}.", *(said for name in found for said in where(name, rounds)),
             *agreement(arguments, found)]
    title = f"Predicting for {rounds[0]['lobule']['images']} files of an archive, {arguments.rounds} rounds"
    columns = ["program", "setting", "images/s", "lobule / it", "CPU, % of the cores", "CPU, ms an image",
               "peak memory, MiB", "files answered"]
    print(table.markdown(title, columns, rows, notes))
    save(arguments, {"rounds": rounds, "peers": found, "fastest": fastest})


def row(name, setting, rounds):
    """One program's line: medians, of the rates with the least and the most."""
    turns = [each[name] for each in rounds]
    ratios = [each["lobule"]["rate"] / each[name]["rate"] for each in rounds]
    return [name, setting, spread([turn["rate"] for turn in turns]), "" if name == "lobule" else spread(ratios, 2),
            *(f"{statistics.median(turn[figure] for turn in turns):.{digits}f}"
              for figure, digits in [("cpu_percent", 0), ("cpu_ms", 2), ("peak_mib", 0)]), turns[0]["answered"]]


def spread(values, digits=0):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def where(name, rounds):
    """Where the peer's time went, as shares of what its workers did."""
    stages = rounds[-1][name]["stages"]
    total = sum(stages.values())
    if total and "inference" in stages:
        yield f"{name}: " + ", ".join(f"{stage} {100 * took / total:.0f} %" for stage, took in stages.items()) + "."


def in_turns(players, rounds):
    """All rounds: a list of {player's name: its figures}."""
    results = []
    for number in range(rounds):
        results.append({})
        for name, turn in players.items():
            results[-1][name] = turn()
            figures = results[-1][name]
            print(f"  round {number + 1} of {rounds}: {name}: {figures['rate']:.0f} images/s, "
                  f"{figures['cpu_ms']:.2f} ms of a processor an image", file=sys.stderr)
    return results


def some(arguments, count):
    """The first folders of so many images together."""
    folders = sorted((arguments.folder / "images").glob("*/*"))
    return folders[:max(1, count // archive_folder.TOGETHER)]


def warm(folders):
    """Reads all files, so that no turn waits for the disk."""
    for file in {file.resolve() for folder in folders for file in folder.iterdir()}:
        file.read_bytes()


def networks(arguments):
    """The files of the network's forms by the peers' names, and the preprocessing that it wants."""
    import models
    import quantise

    folder, quantised = models.folder(arguments), models.quantised(arguments)
    both = {"OpenVINO, default": [folder / f"{form}.xml" for form in models.FORMS]}
    if quantised:
        both["OpenVINO int8"] = [quantised / f"{form}.xml" for form in quantise.FORMS]
    rule = json.loads((folder / "preprocess.json").read_text())
    if not rule.get("decorrelation_stretch") or rule["resampling"] != "antialiased":
        sys.exit("archive_peer.py only does the preprocessing of the weights file that comes with lobule")
    return both, rule


def peers(arguments, folders):
    """The fastest of each network, first of all ways and then of all forms of the network, with each decoder of PNG."""
    both, rule = networks(arguments)
    found = {}
    for name, forms in both.items():
        spec = {"rule": rule, "precision": None, "decoder": DECODERS[0], "model": str(forms[0])}
        tried = {}
        ways = [{"way": way, "workers": workers, "batch": batch} for way, workers, batch in WAYS]
        for choice in [ways, [{"model": str(form)} for form in forms]]:
            candidates = {setting(spec | each): spec | each for each in choice}
            players = {key: lambda each=each: run_peer(arguments, each, folders, "probe")
                       for key, each in candidates.items()}
            rounds = in_turns(players, min(2, arguments.rounds))
            best = {key: max(turns[key]["rate"] for turns in rounds) for key in candidates}
            spec = candidates[max(best, key=best.get)]
            tried |= best
        print(f"{name}: {setting(spec)}", file=sys.stderr)
        for decoder in DECODERS:
            chosen = spec | {"decoder": decoder}
            found[f"{name}, PNG by {decoder}"] = {"spec": chosen, "setting": setting(chosen), "tried": tried}
    return found


def setting(spec):
    return f"{spec['way']} of {spec['workers']}, batch {spec['batch']}, {Path(spec['model']).stem}"


def answers(arguments, name):
    return arguments.folder / "answers" / f"{name.replace(', ', '-').replace(' ', '-')}.csv"


def run_lobule(arguments, folders, precision="auto", name="lobule"):
    """One turn of lobule's."""
    output = answers(arguments, name)
    command = [arguments.lobule, "predict", "--weights", arguments.weights, *folders, "--output", output]
    figures, _ = measured(command, output, {"LOBULE_PRECISION": precision}, codes=[0, 1])
    rows = read(output)
    answered = sum(row["probability_malignant"] != "" for row in rows)
    return figures | derived(figures, len(rows)) | {"answered": answered}


def run_peer(arguments, spec, folders, name):
    """One turn of the peer's; its time and its processor's time are those that it says itself."""
    output = answers(arguments, name)
    spec = spec | {"folders": [str(folder) for folder in folders], "output": str(output)}
    figures, printed = measured([sys.executable, "-B", PEER, json.dumps(spec)], output, {})
    figures |= json.loads(printed.splitlines()[-1])
    return figures | derived(figures, figures["images"])


def derived(figures, images):
    return {"images": images, "rate": images / figures["seconds"], "cpu_ms": figures["cpu_seconds"] / images * 1e3,
            "cpu_percent": 100 * figures["cpu_seconds"] / figures["seconds"] / CORES}


def measured(command, output, environment, codes=(0,), pause=0.1, watch=None):
    """Runs a command: its seconds, processor's seconds and peak memory; and what it printed.

    What it says on stderr goes to a file beside its output. `watch` is called after each look at its memory with that.
    """
    log, printed = output.with_suffix(".log"), output.with_suffix(".out")
    with log.open("w") as errors, printed.open("w") as out:
        began, peak = time.perf_counter(), 0.0
        process = subprocess.Popen(list(map(str, command)), stdout=out, stderr=errors, env=os.environ | environment)
        ended = 0
        while not ended:
            resident = resident_mib(process.pid)
            peak = max(peak, resident)
            if watch:
                watch(resident)
            until = time.perf_counter() + pause
            while not ended and time.perf_counter() < until:
                time.sleep(0.01)
                ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in codes:
        sys.exit(f"`{Path(str(command[0])).name}` failed with {process.returncode}; its last words are in {log}")
    return {"seconds": seconds, "cpu_seconds": usage.ru_utime + usage.ru_stime, "peak_mib": peak}, printed.read_text()


def resident_mib(pid):
    """What a process and all that it started have resident, in MiB."""
    from processes import family

    total = 0
    try:
        for member in family(pid):
            total += int(Path(f"/proc/{member}/statm").read_text().split()[1])
    except OSError:
        pass  # one of them has ended meanwhile
    return total * os.sysconf("SC_PAGE_SIZE") / 2**20


def read(file):
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def agreement(arguments, found):
    """How far apart the probabilities are in the last turns, and in f32. Decoders of JPEG differ among themselves."""
    folders = some(arguments, arguments.probe)
    run_lobule(arguments, folders, "f32", "lobule, f32")
    spec = next(iter(found.values()))["spec"] | {"precision": "f32"}
    run_peer(arguments, spec, folders, "OpenVINO, f32")
    pairs = [("lobule, f32", "OpenVINO, f32"), *(("lobule", name) for name in found)]
    for ours, theirs in pairs:
        yield apart(ours, theirs, read(answers(arguments, ours)), read(answers(arguments, theirs)))


def apart(ours, theirs, our_rows, their_rows):
    """One line about two tables of the same files."""
    left = {row["file"]: row["probability_malignant"] for row in our_rows}
    right = {row["file"]: row["probability"] for row in their_rows}
    said, by_kind = [], {}
    for file in left.keys() & right.keys():
        if left[file]:
            kind = "JPEG" if file.endswith(".jpg") else "lossless files"
            by_kind.setdefault(kind, []).append(abs(float(left[file]) - float(right[file])))
    for kind, values in sorted(by_kind.items()):
        values.sort()
        said.append(f"{kind} median {statistics.median(values):.4f}, 99 % {values[len(values) * 99 // 100]:.4f}, most "
                    f"{values[-1]:.4f} ({len(values)} files)")
    return f"{ours} and {theirs}, difference of the probabilities: {'; '.join(said)}."


def kinds(arguments):
    """Both for each kind of file by itself, with as many files of it as are in a turn's folders."""
    import table

    both, rule = networks(arguments)
    way = {"way": "processes", "workers": CORES, "batch": 8, "precision": None, "rule": rule}
    rows, figures = [], {}
    for kind in archive_folder.KINDS:
        folder = arguments.folder / "by-kind" / kind
        folder.mkdir(parents=True, exist_ok=True)
        for file in [file for each in some(arguments, arguments.measured) for file in each.glob(f"*-{kind}.*")]:
            if not (folder / file.name).exists():
                (folder / file.name).symlink_to(file.resolve())
        warm([folder])
        players = {"lobule": lambda folder=folder: run_lobule(arguments, [folder])}
        for name, forms in both.items():
            for decoder in DECODERS[:2 if kind == "png" else 1]:
                spec = way | {"model": str(forms[0]), "decoder": decoder}
                players[f"{name}, {decoder}"] = (
                    lambda spec=spec, folder=folder: run_peer(arguments, spec, [folder], "kind"))
        rounds = figures[kind] = in_turns(players, arguments.rounds)
        rows += [[kind, *row(name, "", rounds)[:1], *row(name, "", rounds)[2:]] for name in players]
    columns = ["kind", "program", "images/s", "lobule / it", "CPU, % of the cores", "CPU, ms an image",
               "peak memory, MiB", "files answered"]
    print(table.markdown("Kinds of files, the peer with processes and batches of 8", columns, rows))
    save(arguments, figures)


def whole(arguments):
    """Lobule on the whole folder, which is not read before: its rate, and what it has resident second by second."""
    output = answers(arguments, "whole")
    first, samples = output.with_name(output.name + ".parts") / "000000", []
    for old in [first, output, output.with_name(output.name + ".run.json")]:
        old.unlink(missing_ok=True)
    began = time.perf_counter()

    def watch(resident):
        samples.append({"seconds": time.perf_counter() - began, "resident_mib": resident, "thousand": first.exists()})

    images = arguments.folder / "images"
    command = [arguments.lobule, "predict", "--weights", arguments.weights, images, "--output", output]
    figures, _ = measured(command, output, {}, codes=[0, 1], pause=1.0, watch=watch)
    rows = read(output)
    figures |= derived(figures, len(rows))
    early = next((sample["resident_mib"] for sample in samples if sample["thousand"]), samples[-1]["resident_mib"])
    figures |= {"at_the_first_thousand_mib": early, "failed": sum(row["probability_malignant"] == "" for row in rows),
                "run": json.loads(output.with_name(output.name + ".run.json").read_text()), "samples": samples}
    print(f"{figures['images']} files in {figures['seconds']:.0f} s: {figures['rate']:.0f} images/s, "
          f"{figures['cpu_percent']:.0f} % of {CORES} cores, {figures['cpu_ms']:.2f} ms of a processor an image; "
          f"resident {early:.1f} MiB at the first thousand images and {figures['peak_mib']:.1f} MiB at most; "
          f"{figures['failed']} files without an answer")
    save(arguments, figures)


def save(arguments, figures):
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1, default=str) + "\n")


if __name__ == "__main__":
    main()
