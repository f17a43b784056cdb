"""The report's own service, rebuilt: Flask, Keras's `model.predict` for each request, Pillow.

    LOBULE_PEERS_MODEL=FOLDER gunicorn --workers 4 --bind 127.0.0.1:8000 flask_app:app
"""

import json
import os
from pathlib import Path

import keras
from flask import Flask, jsonify, request
from PIL import Image

from image import preprocess

FOLDER = Path(os.environ["LOBULE_PEERS_MODEL"])
RULE = json.loads((FOLDER / "preprocess.json").read_text())

app = Flask(__name__)
model = keras.models.load_model(FOLDER / "network.keras")


@app.get("/")
def status():
    return jsonify(status="ok")


@app.post("/predict")
def predict():
    pixels = preprocess(Image.open(request.files["file"].stream), RULE, exact=False)
    malignant = float(model.predict(pixels, verbose=0)[0, 1])
    label, confidence = ("Malignant", malignant) if malignant > 0.5 else ("Benign", 1 - malignant)
    return jsonify(label=label, confidence=confidence, probability_malignant=malignant)
