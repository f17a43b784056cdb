"""What less than f32 costs the peers: their probabilities on real images beside those of their own f32."""

import json
import os

import numpy as np
from PIL import Image

import engines
import models
import reduced
import table
from image import preprocess

EVERY_WHEN_QUICK = 10


def run(arguments):
    """Every network of every peer of `reduced` on all images, of which a quick run takes a tenth."""
    folder = models.folder(arguments)
    files = models.images(arguments)[::EVERY_WHEN_QUICK if arguments.quick else 1]
    if not files:
        return "Quantised peers: no real images, so nothing to judge them by.\n", {}
    rule = json.loads((folder / "preprocess.json").read_text())
    images = [preprocess(Image.open(file), rule) for file in files]
    malignant = np.array([file.name.startswith("SOB_M") for file in files])
    threads = len(os.sched_getaffinity(0))
    exact, rows, figures = {}, [], {}
    for name, settings in reduced.engines(folder, models.quantised(arguments), threads).items():
        for spec in {spec["form"]: spec for spec in settings.values()}.values():
            engine = spec["engine"]
            if engine not in exact:
                exact[engine] = probabilities({"engine": engine, "folder": folder, "threads": threads}, images)
            found = probabilities(spec, images)
            apart = abs(found - exact[engine])
            result = {"largest": apart.max(), "p99": np.quantile(apart, 0.99), "auc": auc(found, malignant),
                      "auc_f32": auc(exact[engine], malignant)}
            figures[f"{name}, {spec['form']}"] = {key: float(value) for key, value in result.items()}
            rows.append([name, spec["form"], *(f"{value:.4f}" for value in result.values())])
    title = f"Quantised peers on {len(files)} real images: probability of malignancy against the peer's own f32"
    columns = ["peer", "network", "largest difference", "99th percentile", "ROC-AUC", "ROC-AUC in f32"]
    note = "Weights that were trained on these images have a higher ROC-AUC on them than on others."
    return table.markdown(title, columns, rows, [note]), {"images": len(files), "results": figures}


def probabilities(spec, images):
    """What a peer says of each image."""
    arguments = dict(spec)
    judge = getattr(engines, arguments.pop("engine"))(**arguments).judge
    return np.array([float(judge(image)) for image in images])


def auc(scores, malignant):
    """How often a malignant image has the higher score than a benign one; a tie counts half."""
    differences = scores[malignant][:, None] - scores[~malignant]
    return ((differences > 0) + (differences == 0) / 2).mean()
