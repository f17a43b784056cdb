"""Files of torch, torchvision and timm as `--init`.

    cargo build --release
    pip install torch torchvision timm safetensors
    python3 tests/bench/torch_backbones.py --data breakhis/originals [--lobule target/release/lobule]

saves one DenseNet121 of random weights in all forms that the guide names, and fails where the control that looks through
it in `lobule evaluate --init` has other figures than by the first form, the network as it is in safetensors; what is
another network, or a pickle that runs something, has to be refused. The folder needs images of ten cases or more.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import safetensors.torch
import timm
import torch
import torchvision

ROOT = Path(__file__).parents[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lobule", default=ROOT / "target/release/lobule")
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}, timm {timm.__version__}")
    torch.manual_seed(1)
    network = torchvision.models.densenet121()
    for name, tensor in network.state_dict().items():
        if name.endswith(("running_mean", "bias")):
            tensor.uniform_(-0.1, 0.1)
        elif tensor.ndim == 1:
            tensor.uniform_(0.8, 1.2)
    for parameter in network.parameters():
        parameter.data = parameter.data.half().float()  # so that half the bits hold it to the last one
    state = network.state_dict()
    with tempfile.TemporaryDirectory() as folder:
        failed = accepted(arguments, state, Path(folder)) + refused(arguments, state, Path(folder))
    sys.exit(1 if failed else 0)


def accepted(arguments, state, folder):
    """How many of the forms give other figures than the first."""
    convs = {name: tensor.half() if tensor.ndim == 4 else tensor for name, tensor in state.items()}
    bare = {name.removeprefix("features."): tensor for name, tensor in state.items()}
    by_timm = timm.create_model("densenet121", pretrained=False)
    by_timm.load_state_dict(state)
    backbone = timm.create_model("densenet121", pretrained=False, num_classes=0)
    backbone.load_state_dict({name: tensor for name, tensor in state.items() if not name.startswith("classifier")})
    forms = {
        "safetensors of torchvision": state,
        "safetensors of timm": by_timm.state_dict(),
        "safetensors, timm without a classifier": backbone.state_dict(),
        "safetensors, convolutions in f16": convs,
        "safetensors, f64": {name: tensor.double() for name, tensor in state.items()},
        "safetensors without features.": bare,
        "pth of torchvision": state,
        "pth of timm": by_timm.state_dict(),
        "pth, convolutions in f16": convs,
        "pth, torchvision's old names": {old(name): tensor for name, tensor in state.items()},
        "pth without features.": bare,
        "pth of DataParallel": {f"module.{name}": tensor for name, tensor in state.items()},
        "pth of a Lightning module": {"epoch": 3, "state_dict": {f"model.backbone.{n}": t for n, t in state.items()}},
        "pth with an optimiser": {"model": state, "optimizer": torch.optim.Adam([torch.zeros(3)]).state_dict()},
        "pth without norm5, classifier and counts": {
            name: tensor for name, tensor in state.items()
            if "norm5" not in name and "classifier" not in name and "num_batches" not in name},
        "pth of parameters, channels last": {
            name: torch.nn.Parameter(t.contiguous(memory_format=torch.channels_last)) if t.ndim == 4 else t
            for name, t in state.items()},
        "pth from before torch 1.6": state,
        "pth from before torch 1.6, old names": {old(name): tensor for name, tensor in state.items()},
    }
    first, failed = None, 0
    for form, tensors in forms.items():
        target = folder / "any.file"
        if form.startswith("safetensors"):
            safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, target)
        else:
            torch.save(tensors, target, _use_new_zipfile_serialization="before" not in form)
        ended = evaluate(arguments, target)
        if ended.returncode:
            print(f"{form}: FAILED, {ended.stderr.strip()}")
            failed += 1
            continue
        figures = json.loads(ended.stdout)["controls"]["frozen_taps"]
        if figures is None or figures["nll"] is None:
            sys.exit("the control has no figures; take a folder with images of more cases")
        first = first or figures
        failed += figures != first
        print(f"{form}: {'passed' if figures == first else f'FAILED, {figures} instead of {first}'}")
    return failed


def old(name):
    """torchvision's spelling of its first years."""
    for part in ["norm1", "norm2", "conv1", "conv2"]:
        name = name.replace(f".{part}.", f".{part[:-1]}.{part[-1]}.") if "denselayer" in name else name
    return name


class Attack:
    """Runs something when it is unpickled."""

    def __reduce__(self):
        return exec, ("raise SystemExit('executed')",)


def refused(arguments, state, folder):
    """How many of the files that must be refused are not, each with what the sentence has to say."""
    other = {"densenet169": "layers", "densenet161": "layers", "resnet18": "the first convolution of a DenseNet"}
    files = {name: (getattr(torchvision.models, name)().state_dict(), said) for name, said in other.items()}
    files["a blurred DenseNet of timm"] = (timm.create_model("densenetblur121d").state_dict(), "features.conv0.weight")
    files["a missing layer"] = ({n: t for n, t in state.items() if "block2.denselayer3.conv2" not in n}, "no such tensor")
    files["a NaN"] = (state | {"features.norm0.bias": torch.full((64,), torch.nan)}, "NaN")
    files["a whole model"] = (torch.nn.Sequential(torch.nn.ReLU()), "torch.nn.modules.container.Sequential")
    files["a pickle with code"] = ({"state_dict": state, "more": Attack()}, "exec")
    failed = 0
    for name, (content, said) in files.items():
        target = folder / "any.file"
        torch.save(content, target)
        ended = evaluate(arguments, target)
        passed = ended.returncode == 1 and said in ended.stderr and "panicked" not in ended.stderr
        failed += not passed
        print(f"{name}: {'refused' if passed else 'FAILED'}: {ended.stderr.strip()[:240]}")
    return failed


def evaluate(arguments, init):
    command = [arguments.lobule, "evaluate", "--data", arguments.data, "--init", init, "--exchanges", "0", "--json"]
    return subprocess.run(command, capture_output=True, text=True)


if __name__ == "__main__":
    main()
