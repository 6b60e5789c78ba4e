"""Weights for other programs: MMPose 1.x checkpoints, ONNX graphs, half-size safetensors."""

from __future__ import annotations

import warnings
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from wbkit.checkpoints import save_pose_weights
from wbkit.errors import InputError
from wbkit.files import atomic_write
from wbkit.hrnet import PoseNet
from wbkit.predict import normalize
from wbkit.recipes import Recipe

ONNX_TOLERANCE = 1e-4  # largest difference to PyTorch, relative to the largest heatmap value
_OPSET = 17


def export_mmpose(model: PoseNet, path: str | Path, recipe: Recipe) -> dict[str, list[int]]:
    """Write a checkpoint that MMPose 1.x loads (`init_model`, `--cfg-options load_from=...`).

    The keys are PoseNet's own, which are MMPose's; `tests/golden` holds its list to compare with.

    Returns:
        what its configuration's `model.head` must say for these weights, beside the usual; also in `meta`.
    """
    hidden = [m.out_channels for m in model.head.conv_layers if isinstance(m, nn.Conv2d)]
    head = {"conv_out_channels": hidden, "conv_kernel_sizes": [3] * len(hidden)} if hidden else {}
    content = {
        "meta": {"wbkit": recipe.metadata(), "head": head},
        "state_dict": {k: v.detach().cpu().clone() for k, v in model.state_dict().items()},
    }
    with atomic_write(path) as temporary:
        torch.save(content, temporary)
    return head


def export_safetensors(model: PoseNet, path: str | Path, recipe: Recipe, half: bool = False) -> None:
    """Write wbkit's own format; `half` stores convolutions in float16, half the size."""
    save_pose_weights(model, path, recipe.metadata(), torch.float16 if half else None)


class CropsToHeatmaps(nn.Module):
    """What the ONNX graph holds: RGB crops (B, H, W, 3) uint8 -> heatmaps (B, K, H/4, W/4) float32.

    Normalising is inside, so that nobody has to repeat it; cutting and decoding are outside.
    """

    def __init__(self, model: PoseNet):
        super().__init__()
        self.model = model

    def forward(self, crops: Tensor) -> Tensor:
        return self.model(normalize(crops))


def export_onnx(model: PoseNet, path: str | Path, recipe: Recipe) -> float:
    """Write an ONNX graph `crops` -> `heatmaps` (see `CropsToHeatmaps`), any batch size.

    Returns:
        the largest difference between onnxruntime's heatmaps and PyTorch's, relative to the largest value.

    Raises:
        InputError: the packages onnx and onnxruntime are missing, or the difference exceeds
            `ONNX_TOLERANCE` (no file is then written).
    """
    try:
        import onnx  # noqa: F401  (torch's exporter asks for it late, with a long trace)
        import onnxruntime
    except ImportError as error:
        raise InputError(
            f"the package {error.name} is missing", "Install the extra: pip install 'wbkit[onnx]'"
        ) from error
    width, height = recipe.input_size
    network = CropsToHeatmaps(deepcopy(model)).cpu().eval()  # a copy: the caller's stays where it is
    crops = torch.randint(0, 256, (2, height, width, 3), dtype=torch.uint8)
    with atomic_write(path) as temporary:
        with warnings.catch_warnings():
            # About tracing, which freezes the check of the input's shape. The newer exporter takes minutes
            # for a net of so many layers and splits the weights off into a second file.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                (crops,),
                temporary,
                input_names=["crops"],
                output_names=["heatmaps"],
                dynamic_axes={"crops": {0: "batch"}, "heatmaps": {0: "batch"}},
                opset_version=_OPSET,
                dynamo=False,
            )
        session = onnxruntime.InferenceSession(str(temporary), providers=["CPUExecutionProvider"])
        difference = _difference(session, network, torch.cat([crops, crops.flip(0)[:1]]))
        if not difference <= ONNX_TOLERANCE:
            raise InputError(
                f"onnxruntime's heatmaps differ by {difference:.1e}", "Please report it", file=path
            )
    return difference


def _difference(session, network: nn.Module, crops: Tensor) -> float:
    with torch.inference_mode():
        ours = network(crops).numpy()
    theirs = session.run(None, {"crops": crops.numpy()})[0]
    return float(np.abs(ours - theirs).max() / np.abs(ours).max())
