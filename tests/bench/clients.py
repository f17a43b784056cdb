"""Clients of other model servers, each with its own library, against a service that runs: all get what /predict answers.

    AIP_HTTP_PORT=8080 AIP_HEALTH_ROUTE=/vertex/health AIP_PREDICT_ROUTE=/vertex/predict target/release/lobule serve
    python3 tests/bench/clients.py http://127.0.0.1:8080

prints a line for each way to ask, and exits with 1 where one has another answer. The libraries are those of
requirements.txt. Vertex AI's has a class for a container on this machine, which wants Docker to start one; here it is
given the service that runs, and does the rest: the health check, and predictions by its own requests.
"""

import argparse
import base64
import io
import json
import sys
import urllib.request
from pathlib import Path

import numpy as np
import tritonclient.http as triton
from google.cloud.aiplatform.prediction import LocalEndpoint
from huggingface_hub import InferenceClient
from PIL import Image

import image

TISSUE = Path(__file__).resolve().parents[1] / "fixtures/tissue.png"
TOLERANCE = 1e-6  # a probability has six digits, and FP32 hardly more


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("url", help="of the service, such as http://127.0.0.1:8080")
    arguments.add_argument("--health-route", default="/vertex/health", help="its AIP_HEALTH_ROUTE")
    arguments.add_argument("--predict-route", default="/vertex/predict", help="its AIP_PREDICT_ROUTE")
    arguments = arguments.parse_args()
    url = arguments.url.rstrip("/")
    drawn = image.drawn_png()
    files = [TISSUE.read_bytes(), drawn, jpeg(drawn)]
    expected = [predict(url, file) for file in files]
    failed = 0
    for name, ask in [
        ("tritonclient, files as bytes", lambda: triton_files(url, files)),
        ("tritonclient, files as base64 in JSON", lambda: triton_json(url, files)),
        ("tritonclient, pixels as bytes", lambda: triton_pixels(url, files)),
        ("huggingface_hub, files", lambda: hugging_face(url, files)),
        ("huggingface_hub, base64 with top_k", lambda: hugging_face(url, files, top_k=2)),
        ("google-cloud-aiplatform, LocalEndpoint", lambda: vertex(url, arguments, files)),
    ]:
        try:
            found = ask()
        except Exception as error:  # whatever a library says, the others are asked too
            found, failed = [], failed + 1
            print(f"{name}: FAILED, {type(error).__name__}: {error}")
        if found:
            same = [index for index, its in enumerate(found) if agrees(its, expected[index])]
            failed += len(same) < len(found)
            told = ", ".join(f"{label} {probability:.6f}" for label, probability in found)
            print(f"{name}: {len(same)} of {len(found)} as /predict: {told}")
    print("FAILED" if failed else "all agree")
    sys.exit(failed > 0)


def agrees(found, expected):
    """Whether a label and a probability of malignancy are those of /predict."""
    return found[0] == expected[0] and abs(found[1] - expected[1]) <= TOLERANCE


def predict(url, file):
    """What /predict says: the label and the probability of malignancy."""
    with urllib.request.urlopen(urllib.request.Request(f"{url}/predict", file)) as answer:
        found = json.load(answer)
    return found["label"], found["probability_malignant"]


def jpeg(file):
    """The same image as a JPEG."""
    bytes_ = io.BytesIO()
    Image.open(io.BytesIO(file)).save(bytes_, "JPEG", quality=90)
    return bytes_.getvalue()


def triton_files(url, files):
    """By the client of Triton, as it is: files and answers are bytes behind the JSON."""
    tensor = triton.InferInput("image", [len(files)], "BYTES")
    tensor.set_data_from_numpy(np.array(files, dtype=object))
    return triton_ask(url, tensor)


def triton_json(url, files):
    """By the same, all in JSON."""
    texts = np.array([base64.b64encode(file) for file in files], dtype=object)
    tensor = triton.InferInput("image", [len(files)], "BYTES")
    tensor.set_data_from_numpy(texts, binary_data=False)
    names = ["probability_malignant", "label"]
    return triton_ask(url, tensor, [triton.InferRequestedOutput(name, binary_data=False) for name in names])


def triton_pixels(url, files):
    """By the same, what Pillow decodes of the first file, a PNG: decoders of JPEG differ by a level here and there."""
    pixels = np.asarray(Image.open(io.BytesIO(files[0])).convert("RGB"))[None]
    tensor = triton.InferInput("pixels", pixels.shape, "UINT8")
    tensor.set_data_from_numpy(pixels)
    return triton_ask(url, tensor)


def triton_ask(url, tensor, outputs=None):
    """An inference of the model that the server names, once it says that all is ready."""
    client = triton.InferenceServerClient(url.removeprefix("http://"))
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("lobule")
    assert client.get_server_metadata()["name"] == "lobule"
    metadata = client.get_model_metadata("lobule")
    answer = client.infer(metadata["name"], [tensor], metadata["versions"][0], outputs, request_id="7")
    assert answer.get_response()["id"] == "7"
    labels = [label if isinstance(label, str) else label.decode() for label in answer.as_numpy("label")]
    return list(zip(labels, answer.as_numpy("probability_malignant").tolist()))


def hugging_face(url, files, **parameters):
    """By Hugging Face's client; with parameters it sends JSON."""
    client = InferenceClient(model=f"{url}/huggingface", token="no-token")
    found = []
    for file in files:
        scores = client.image_classification(file, **parameters)
        found.append((scores[0].label, next(score.score for score in scores if score.label == "Malignant")))
    return found


def vertex(url, arguments, files):
    """By Vertex AI's class for a container on this machine."""
    endpoint = LocalEndpoint("no image", serving_container_predict_route=arguments.predict_route,
                             serving_container_health_route=arguments.health_route, host_port=url.rpartition(":")[2])
    endpoint.container_is_running = True
    assert endpoint.run_health_check().status_code == 200
    request = json.dumps({"instances": [{"b64": base64.b64encode(file).decode()} for file in files]})
    answer = endpoint.predict(request=request, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    return [(its["label"], its["probability_malignant"]) for its in answer.json()["predictions"]]


if __name__ == "__main__":
    main()
