"""The service: `lobule serve` against the report's own stack (Flask, gunicorn with 4 workers, Keras).

Both run at the same time and are loaded in turns. The load generator runs on the same cores; its share is told.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import models
import image
import table
from processes import Service
from turns import ratios

HERE = Path(__file__).parent
GROWTH_MIB = 5
# How far lobule's probability may be from Flask's, by the precision that it says it computed in: what rounds differently,
# and what a weights file must keep to before it is served in int8.
TOLERANCE = {"f32": 1e-4, "int8": 0.03}


def run(arguments):
    """Start, latency, throughput and memory of both, and whether lobule's memory grows."""
    file = models.folder(arguments) / "drawn.png"
    file.write_bytes(image.drawn_png())
    figures = {"starts": starts(arguments, file)}
    services = {name: start(arguments, name, file) for name in ["flask", "lobule"]}
    flask, lobule = (json.loads(service.body) for service in services.values())
    precision = lobule["model"]["precision"]
    probabilities = [answer["probability_malignant"] for answer in (flask, lobule)]
    if abs(probabilities[0] - probabilities[1]) > TOLERANCE[precision]:
        print(f"WARNING: Flask says {probabilities[0]}, lobule {probabilities[1]}; they do unequal work", file=sys.stderr)
    for service in services.values():
        load(service, file, clients=4, requests=40)  # every worker's first prediction builds its graph
    figures["one client"] = load_in_turns(arguments, services, file, clients=1)
    figures["eight clients"] = load_in_turns(arguments, services, file, clients=8)
    figures["memory"] = [{name: service.memory_mib() for name, service in services.items()}]
    for service in services.values():
        service.stop()
    figures["growth"] = growth(arguments, file)
    return tabulate(figures, precision), figures


def tabulate(figures, precision):
    """The table, with what it does not show as notes."""
    rows = []
    for what, group, key in [("start to first answered prediction, ms", "starts", "ms"),
                             ("one client, p50, ms", "one client", "p50_ms"),
                             ("8 clients, requests/s", "eight clients", "requests_per_second"),
                             ("8 clients, p99, ms", "eight clients", "p99_ms"),
                             ("memory of all processes after load (PSS), MiB", "memory", "pss"),
                             ("the same, resident (RSS) summed up, MiB", "memory", "rss")]:
        result = ratios(figures[group], "flask", lambda figures, key=key: figures[key])
        rows.append([what, table.digits(result["peer"]), table.digits(result["lobule"]), table.ratio(result)])
    grown = figures["growth"]
    flat = abs(grown["after_many_mib"] - grown["after_few_mib"]) <= GROWTH_MIB
    busy = max(turn["cpu_seconds"] / turn["elapsed_seconds"] for turn in
               [turn for round_ in figures["eight clients"] for turn in round_.values()])
    notes = [f"Lobule's resident memory after {grown['few']} requests {grown['after_few_mib']:.1f} MiB, after "
             f"{grown['many']} requests {grown['after_many_mib']:.1f} MiB; flat within {GROWTH_MIB} MiB: {flat}.",
             f"The load generator took at most {busy:.1%} of one core.",
             f"Lobule says that it computed in {precision}."]
    columns = ["", "Flask + gunicorn -w 4 + Keras", "lobule", "lobule / Flask"]
    return table.markdown("Service: a PNG of 700x460 pixels, posted as a form", columns, rows, notes)


def starts(arguments, file):
    """Starts both in turns; Flask takes so long that lobule is started several times in each of its turns."""
    rounds, repeats = (1, 3) if arguments.quick else (3, 7)
    results = []
    for _ in range(rounds):
        times = {name: [start_once(arguments, name, file) for _ in range(count)]
                 for name, count in [("flask", 1), ("lobule", repeats)]}
        results.append({name: {"ms": statistics.median(row), "all_ms": row} for name, row in times.items()})
    return results


def start_once(arguments, name, file):
    """Milliseconds from the start of the process to its first answered prediction."""
    service = start(arguments, name, file)
    service.stop()
    return service.seconds_to_answer * 1e3


def load_in_turns(arguments, services, file, clients):
    """Loads one service after the other, each while the other idles."""
    rounds, seconds = (1, 2) if arguments.quick else (3, 10)
    return [{name: load(service, file, clients, seconds=seconds) for name, service in services.items()}
            for _ in range(rounds)]


def growth(arguments, file):
    """Lobule's resident memory after few and after many requests of 8 clients."""
    few, many = (20, 100) if arguments.quick else (200, 2000)
    service = start(arguments, "lobule", file)
    load(service, file, clients=8, requests=few)
    after_few = service.memory_mib()["rss"]
    load(service, file, clients=8, requests=many - few)
    after_many = service.memory_mib()["rss"]
    service.stop()
    return {"few": few, "many": many, "after_few_mib": after_few, "after_many_mib": after_many}


def start(arguments, name, file):
    """A new process of either service, which has answered once."""
    log = arguments.venv / "logs" / f"service-{name}.txt"
    log.parent.mkdir(exist_ok=True)
    if name == "lobule":
        command = [arguments.lobule, "serve", "--listen", "127.0.0.1:{port}", "--weights", arguments.weights]
        return Service(command, file, log)
    command = [Path(sys.executable).with_name("gunicorn"), "--workers", "4", "--bind", "127.0.0.1:{port}",
               "--timeout", "180", "flask_app:app"]
    return Service(command, file, log, {"LOBULE_PEERS_MODEL": str(file.parent)}, HERE)


def load(service, file, clients, **limit):
    """What the load generator says of so many clients; `limit` is seconds or requests."""
    command = [sys.executable, HERE / "load.py", str(service.port), file, str(clients)]
    command += [word for key, value in limit.items() for word in (f"--{key}", str(value))]
    result = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    if result["errors"]:
        sys.exit(f"{result['errors']} requests failed; the service's words are in {service.log}")
    return result
