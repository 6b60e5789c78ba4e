"""Weights for other programs: MMPose 1.x checkpoints, ONNX graphs, half-size safetensors."""

from __future__ import annotations

import warnings
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from wbkit.errors import InputError
from wbkit.files import atomic_write
from wbkit.hrnet import PoseNet
from wbkit.keypoints import NUM_KEYPOINTS
from wbkit.predict import MEAN_RGB, STD_RGB, normalize
from wbkit.recipes import Recipe

ONNX_TOLERANCE = 1e-4  # largest difference to PyTorch, relative to the largest heatmap value
_OPSET = 17


def export_mmpose(model: PoseNet, path: str | Path, recipe: Recipe) -> Path:
    """Write a checkpoint for MMPose 1.x, and beside it the configuration that it needs.

    The keys are PoseNet's own, which are MMPose's; `tests/golden` holds its list to compare with.

    Returns:
        the configuration's path: `path` with the ending .py.
    """
    content = {
        "meta": {"wbkit": recipe.metadata()},
        "state_dict": {k: v.detach().cpu().clone() for k, v in model.state_dict().items()},
    }
    with atomic_write(path) as temporary:
        torch.save(content, temporary)
    config = Path(path).with_suffix(".py")
    with atomic_write(config) as temporary:
        temporary.write_text(mmpose_config(model, recipe, Path(path).name))
    return config


_CONFIG = """# For MMPose 1.x: inference_topdown(init_model("{stem}.py", "{name}"), "photo.jpg")
default_scope = "mmpose"
codec = dict({codec})
model = dict(
    type="TopdownPoseEstimator",
    data_preprocessor=dict(type="PoseDataPreprocessor", mean={mean}, std={std}, bgr_to_rgb=True),
    backbone=dict(
        type="HRNet",
        extra=dict(
            stage1=dict(num_modules=1, num_branches=1, block="BOTTLENECK", num_blocks=[4], num_channels=[64]),
{stages}
        ),
    ),
    head=dict(
        type="HeatmapHead",
        in_channels={width},
        out_channels={num_keypoints},
        deconv_out_channels=None,
        conv_out_channels={hidden},
        conv_kernel_sizes={kernels},
        loss=dict(type="KeypointMSELoss", use_target_weight=True),
        decoder=codec,
    ),
    test_cfg=dict(flip_test={flip_test}, flip_mode="heatmap", shift_heatmap={shift_flipped}),
)
train_dataloader = dict(dataset=dict(type="{dataset}"))  # whose names of keypoints these are
pipeline = [
    dict(type="LoadImage"),
    dict(type="GetBBoxCenterScale", padding={padding}),
    dict(type="TopdownAffine", input_size={input_size}, use_udp={udp}),
    dict(type="PackPoseInputs"),
]
test_dataloader = dict(dataset=dict(type="{dataset}", pipeline=pipeline))
"""
_STAGE = """            stage{i}=dict(
                num_modules={modules}, num_branches={i}, block="BASIC", num_blocks={blocks}, num_channels={c}
            ),"""


def mmpose_config(model: PoseNet, recipe: Recipe, name: str) -> str:
    """Network, codec and test pipeline as a configuration of MMPose 1.x.

    Args:
        name: of the checkpoint, for the comment that says how to use both.
    """
    hidden = [m.out_channels for m in model.head.conv_layers if isinstance(m, nn.Conv2d)]
    widths = [recipe.width * 2**i for i in range(4)]
    stages = ((2, 1), (3, 4), (4, 3))  # branches, modules
    codec = {"type": "UDPHeatmap"} if recipe.udp else {"type": "MSRAHeatmap", "unbiased": recipe.unbiased}
    codec |= {k: getattr(recipe, k) for k in ("input_size", "heatmap_size", "sigma", "blur_kernel_size")}
    return _CONFIG.format(
        **vars(recipe) | {"name": name},
        stem=Path(name).stem,
        codec=", ".join(f"{key}={value!r}" for key, value in codec.items()),
        mean=list(MEAN_RGB),
        std=list(STD_RGB),
        stages="\n".join(
            _STAGE.format(i=i, modules=modules, blocks=[4] * i, c=widths[:i]) for i, modules in stages
        ),
        hidden=hidden,
        kernels=[3] * len(hidden),
        dataset="CocoWholeBodyDataset" if recipe.num_keypoints == NUM_KEYPOINTS else "CocoDataset",
    )


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

    Its metadata names recipe and input size; `HeatmapCodec(**recipe.codec_settings()).decode` takes the
    heatmaps, as a tensor.

    Returns:
        the largest difference between onnxruntime's heatmaps and PyTorch's, relative to the largest value.

    Raises:
        InputError: the packages onnx and onnxruntime are missing, or the difference exceeds
            `ONNX_TOLERANCE` (no file is then written).
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise InputError(
            f"the package {error.name} is missing",
            "Install the extra: pip install --editable '.[onnx]' in the checkout",
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
        graph = onnx.load(temporary)
        onnx.helper.set_model_props(graph, recipe.metadata())
        onnx.save(graph, temporary)
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
