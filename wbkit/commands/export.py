"""`wbkit export`: a checkpoint in another program's format."""

from __future__ import annotations

import argparse

import torch

from wbkit.checkpoints import save_pose_weights
from wbkit.commands.models import load_model
from wbkit.errors import InputError
from wbkit.export import export_mmpose, export_onnx

FORMATS = {".pth": "mmpose", ".onnx": "onnx", ".safetensors": "safetensors"}


def export(options: argparse.Namespace) -> None:
    """Load the checkpoint and write it as the ending of --out asks."""
    kind = FORMATS.get(options.out.suffix)
    if kind is None:
        raise InputError(
            f"ending {options.out.suffix!r} is not known",
            f"End it with {', '.join(FORMATS)}",
            file=options.out,
        )
    if options.half and kind != "safetensors":
        raise InputError("--half is for .safetensors", "Leave it out")
    model, recipe = load_model(options.checkpoint, options.recipe)
    if kind == "mmpose" and recipe.zoom:
        problem = "MMPose has no second looks: this network knows right hands only"
        raise InputError(problem, "Let --out end in .onnx or .safetensors", file=options.out)
    if kind == "onnx":
        difference = export_onnx(model, options.out, recipe)
        print(f"onnxruntime's heatmaps differ from PyTorch's by {difference:.1e} of the largest value")
        if recipe.zoom:
            print("It knows faces and right hands: mirror left ones (wbkit.predict.Predictor.average)")
    elif kind == "mmpose":
        config = export_mmpose(model, options.out, recipe)
        print(f"MMPose's configuration for it: {config}")
    else:
        save_pose_weights(model, options.out, recipe.metadata(), torch.float16 if options.half else None)
    print(f"Written: {options.out} ({options.out.stat().st_size / 1e6:.1f} MB)")
