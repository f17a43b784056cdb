"""The best loop in Python that we know for an archive of images: OpenVINO, OpenCV, numpy and all cores.

    python archive_peer.py '{"model": "...", "rule": {...}, "way": "processes", ...}'

walks `folders`, and writes a row for each image that can be read into the CSV file `output` as it goes. Prints one line
of JSON when everything is loaded and warm, and one at the end: the images, the seconds since the first line, and where
the workers' time went. The ways are:

- `processes`: workers that share nothing, with one thread and one request each, take a batch of files at a time;
- `threads`: the same with threads, which share Python's lock;
- `queue`: threads decode, and batches go to OpenVINO's `AsyncInferQueue`, which is set for throughput.

What is done to an image is what src/pixels does, to less than a hundredth in the probability: an antialiased resize by
products of matrices, which take 0.6 of the time of Pillow's, and what image.finish does, in f32 by OpenCV.
"""

import collections
import concurrent.futures
import contextlib
import csv
import functools
import json
import multiprocessing
import os
import sys
import threading
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy reads it when it is imported; more threads would wait for one another

import cv2
import numpy as np
import openvino

ENDINGS = {".png", ".webp", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"}
LABELS = ["Benign", "Malignant"]
LMS = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
LAB = np.diag([1 / 3**0.5, 1 / 6**0.5, 1 / 2**0.5]) @ np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]])


class Preprocess:
    """From a file to the network's input."""

    def __init__(self, rule, decoder):
        self.size, self.decoder = rule["size"], decoder
        stretch = rule["decorrelation_stretch"]
        self.deviation, self.noise = np.diag(stretch["deviation"]), stretch["noise"] * np.eye(3)
        self.to_cones = (LMS / 255).astype(np.float32)
        self.from_cones = np.linalg.inv(LMS).astype(np.float32)
        mean, std = np.array(rule["mean"]), np.array(rule["std"])
        self.normalise = np.column_stack([np.diag(1 / std), -mean / std]).astype(np.float32)

    def pixels(self, file):
        """The decoded image in RGB, or none where it cannot be read."""
        if self.decoder == "imagecodecs" and file.endswith(".png"):
            import imagecodecs

            try:
                pixels = imagecodecs.png_decode(Path(file).read_bytes())
                if pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3:
                    return pixels
            except (RuntimeError, ValueError):
                return None
        try:
            return cv2.imread(file, cv2.IMREAD_COLOR_RGB)
        except cv2.error:
            return None

    def resized(self, pixels):
        """The square, antialiased; OpenCV's own resizing to an area is no faster and differs in the second digit."""
        height, width = pixels.shape[:2]
        rows = banded(pixels.reshape(height, -1).astype(np.float32), self.size).reshape(self.size, width, 3)
        columns = banded(cv2.transpose(rows).reshape(width, -1), self.size).reshape(self.size, self.size, 3)
        return np.rint(cv2.transpose(columns))

    def finished(self, small):
        """image.finish in f32."""
        logarithms = cv2.transform(small, self.to_cones)
        np.maximum(logarithms, np.float32(1 / 255), out=logarithms)
        cv2.log(logarithms, dst=logarithms)
        mean = np.array(cv2.mean(logarithms)[:3])
        logarithms -= mean.astype(np.float32)
        points = logarithms.reshape(-1, 3)
        covariance = LAB @ (points.T @ points / len(points)).astype(np.float64) @ LAB.T
        values, vectors = np.linalg.eigh(covariance + self.noise)
        whitening = vectors @ np.diag(values**-0.5) @ vectors.T
        stretch = np.linalg.solve(LAB, self.deviation @ whitening @ LAB)
        colours = cv2.transform(logarithms, np.column_stack([stretch, mean]).astype(np.float32))
        np.exp(colours, out=colours)
        colours = cv2.transform(colours, self.from_cones)
        np.clip(colours, 0, 1, out=colours)
        return cv2.transform(colours, self.normalise)

    def input(self, file, times):
        """The network's input in rows of R, G, B, or none; adds what it took to `times`."""
        began = time.perf_counter()
        pixels = self.pixels(file)
        decoded = time.perf_counter()
        values = None if pixels is None else self.finished(self.resized(pixels))
        times["decode"] += decoded - began
        times["preprocess"] += time.perf_counter() - decoded
        return values


def banded(values, size):
    """The rows (source, anything) in f32 made `size` rows, by products with what is not zero of the weights."""
    result = np.empty((size, values.shape[1]), np.float32)
    for first, low, high, weights in bands(len(values), size):
        np.matmul(weights, values[low:high], out=result[first:first + len(weights)])
    return result


@functools.lru_cache(maxsize=64)
def bands(source, size, together=16):
    """The weights of antialiased resizing, as blocks of rows: (the first one, the sources from, to, their weights)."""
    centres = (np.arange(size)[:, None] + 0.5) * source / size
    weights = np.maximum(0, 1 - abs(np.arange(source) + 0.5 - centres) / max(source / size, 1))
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    blocks = []
    for first in range(0, size, together):
        block = weights[first:first + together]
        used = np.flatnonzero(block.any(axis=0))
        blocks.append((first, used[0], used[-1] + 1, np.ascontiguousarray(block[:, used[0]:used[-1] + 1])))
    return blocks


def compiled(spec, threads):
    """The network for a batch of that size, set for throughput."""
    core = openvino.Core()
    network = core.read_model(spec["model"])
    shape = [spec["batch"], *list(network.input().shape)[1:]]
    network.reshape(shape)
    settings = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
    if spec["precision"]:
        settings["INFERENCE_PRECISION_HINT"] = spec["precision"]
    return core.compile_model(network, "CPU", settings)


def filled(buffer, values):
    """Puts an image into its place in a batch, whose channels come first in some forms of the network."""
    np.copyto(buffer, values if buffer.shape == values.shape else values.transpose(2, 0, 1))


class Worker:
    """One thread's loop: takes files, gives rows."""

    def __init__(self, spec, model):
        self.request = model.create_infer_request()
        self.preprocess = Preprocess(spec["rule"], spec["decoder"])
        self.batch = np.zeros(list(model.input().shape), np.float32)
        self.request.set_input_tensor(openvino.Tensor(self.batch, shared_memory=True))
        self.request.infer()

    def rows(self, files):
        """Rows of those files, at most a batch of them, that can be read; and what took how long."""
        times, read, cpu = collections.Counter(), [], time.thread_time()
        for file in files:
            values = self.preprocess.input(file, times)
            if values is not None:
                filled(self.batch[len(read)], values)
                read.append(file)
        began = time.perf_counter()
        if read:
            self.request.infer()
        times["inference"] += time.perf_counter() - began
        times["cpu"] += time.thread_time() - cpu
        return rows_of(read, self.request.get_output_tensor().data), times


def rows_of(files, probabilities):
    return [(file, LABELS[int(malignant >= 0.5)], f"{malignant:.6f}")
            for file, malignant in zip(files, probabilities[:, 1].tolist(), strict=False)]


# Of a worker process or a worker thread.
LOCAL = threading.local()


def begin(spec, barrier, model=None):
    """Loads a worker, in its own process or thread."""
    cv2.setNumThreads(1)
    LOCAL.worker, LOCAL.barrier = Worker(spec, model or compiled(spec, 1)), barrier


def work(files):
    return LOCAL.worker.rows(files)


def wait(_):
    """Something that each worker does once, so that all have been loaded."""
    LOCAL.barrier.wait()


@contextlib.contextmanager
def processes(spec):
    """A pool of processes, loaded: gives the function from a list of batches to all their rows, in order."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(spec["workers"], begin, (spec, context.Barrier(spec["workers"]))) as pool:
        pool.map(wait, range(spec["workers"]), chunksize=1)
        yield lambda batches: pool.imap(work, batches)
        pool.close()
        pool.join()


@contextlib.contextmanager
def threads(spec):
    """As `processes`, with threads, a stream for each."""
    arguments = (spec, threading.Barrier(spec["workers"]), compiled(spec, spec["workers"]))
    with concurrent.futures.ThreadPoolExecutor(spec["workers"], initializer=begin, initargs=arguments) as pool:
        list(pool.map(wait, range(spec["workers"])))
        yield lambda batches: in_order(pool, work, batches, 2 * spec["workers"])


def in_order(pool, function, items, ahead):
    """`pool.map` that takes an item when there is room, for a long list."""
    waiting = collections.deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@contextlib.contextmanager
def queue(spec):
    """Threads that decode, and OpenVINO's queue for the inference; rows come as they are ready."""
    cv2.setNumThreads(1)
    model = compiled(spec, len(os.sched_getaffinity(0)))
    requests, done = openvino.AsyncInferQueue(model), collections.deque()
    requests.set_callback(lambda request, files: done.append(rows_of(files, request.get_output_tensor().data)))
    preprocess, shape = Preprocess(spec["rule"], spec["decoder"]), list(model.input().shape)

    def prepare(file):
        times = collections.Counter()
        return file, preprocess.input(file, times), times

    def run(batches):
        files = (file for batch in batches for file in batch)
        batch, read, times = np.zeros(shape, np.float32), [], collections.Counter()
        for file, values, took in in_order(pool, prepare, files, 2 * shape[0] + 2 * spec["workers"]):
            times.update(took)
            if values is not None:
                filled(batch[len(read)], values)
                read.append(file)
            if len(read) == shape[0]:
                requests.start_async({0: batch}, read)
                batch, read = np.zeros(shape, np.float32), []
            while done:
                yield done.popleft(), {}
        if read:
            requests.start_async({0: batch}, read)
        requests.wait_all()
        while done:
            yield done.popleft(), {}
        yield [], times

    requests.start_async({0: np.zeros(shape, np.float32)}, [])
    requests.wait_all()
    done.clear()
    with concurrent.futures.ThreadPoolExecutor(spec["workers"]) as pool:
        yield run


def files_in(folders):
    """All images of folders at any depth."""
    for folder in folders:
        for place, inner, names in os.walk(folder):
            inner.sort()
            for name in sorted(names):
                if os.path.splitext(name)[1].lower() in ENDINGS:
                    yield os.path.join(place, name)


def batches_of(files, size):
    """Lists of so many files, of which the last may be shorter."""
    batch = []
    for file in files:
        batch.append(file)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def main():
    spec = json.loads(sys.argv[1])
    ways = {"processes": processes, "threads": threads, "queue": queue}
    with ways[spec["way"]](spec) as run:
        print(json.dumps({"ready": True}), flush=True)
        print(json.dumps(classify(spec, run)), flush=True)


def classify(spec, run):
    """Writes the rows; what there is to say of it."""
    began, cpu, answered, times = time.perf_counter(), time.process_time(), 0, collections.Counter()
    files = list(files_in(spec["folders"]))
    with open(spec["output"], "w", newline="") as output:
        writer = csv.writer(output)
        writer.writerow(["file", "label", "probability"])
        for rows, took in run(batches_of(files, spec["batch"])):
            writer.writerows(rows)
            answered += len(rows)
            times.update(took)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    if spec["way"] == "processes":
        cpu += times["cpu"]
    times.pop("cpu", None)
    return {"images": len(files), "answered": answered, "seconds": seconds, "cpu_seconds": cpu, "stages": dict(times)}


if __name__ == "__main__":
    main()
