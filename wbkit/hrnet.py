"""HRNet: parallel branches from high to low resolution, fused again and again.

Sun et al., "Deep High-Resolution Representation Learning for Human Pose Estimation" (CVPR 2019).
Attribute names (conv1, layer1, transition1, stage2.0.branches, fuse_layers, ...) are those of the
published checkpoints; renaming one breaks loading.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

STRIDE = 32  # the lowest branch runs at 1/32 of the input


def conv_bn(c_in: int, c_out: int, kernel: int = 3, stride: int = 1, relu: bool = False) -> nn.Sequential:
    """Convolution that keeps the size (up to stride), BatchNorm, optional ReLU."""
    layers = [nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(c_out)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a skip connection: (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)) + x, inplace=True)


class Bottleneck(nn.Module):
    """1x1 reduce, 3x3, 1x1 expand by 4: (B, C, H, W) -> (B, 4 * planes, H, W)."""

    expansion = 4

    def __init__(self, c_in: int, planes: int):
        super().__init__()
        c_out = planes * self.expansion
        self.conv1 = nn.Conv2d(c_in, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, c_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.downsample = conv_bn(c_in, c_out, kernel=1) if c_in != c_out else None

    def forward(self, x: Tensor) -> Tensor:
        skip = x if self.downsample is None else self.downsample(x)
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        return F.relu(self.bn3(self.conv3(y)) + skip, inplace=True)


class Transition(nn.ModuleList):
    """Between two stages: match channels, and start one new branch at half the lowest resolution."""

    def __init__(self, before: list[int], after: list[int]):
        pairs = zip(before, after, strict=False)  # `after` has one branch more
        kept = [nn.Identity() if b == a else conv_bn(b, a, relu=True) for b, a in pairs]
        new = nn.Sequential(conv_bn(before[-1], after[-1], stride=2, relu=True))
        super().__init__([*kept, new])

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        return [layer(x) for layer, x in zip(self, [*xs, xs[-1]], strict=True)]


def fuse_path(channels: list[int], src: int, dst: int) -> nn.Module:
    """Carry branch `src` to the resolution and channels of branch `dst`."""
    if src == dst:
        return nn.Identity()
    if src > dst:  # from lower resolution: 1x1 convolution, then upsample
        scale = 2 ** (src - dst)
        return nn.Sequential(
            *conv_bn(channels[src], channels[dst], kernel=1), nn.Upsample(scale_factor=scale)
        )
    # from higher resolution: halve step by step; only the last step changes channels and has no ReLU
    steps = [conv_bn(channels[src], channels[src], stride=2, relu=True) for _ in range(dst - src - 1)]
    return nn.Sequential(*steps, conv_bn(channels[src], channels[dst], stride=2))


class HighResolutionModule(nn.Module):
    """Four blocks per branch, then every output is the sum of all branches at its resolution."""

    def __init__(self, channels: list[int], num_outputs: int):
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(BasicBlock(c) for _ in range(4))) for c in channels)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(fuse_path(channels, src, dst) for src in range(len(channels)))
            for dst in range(num_outputs)
        )

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        xs = [branch(x) for branch, x in zip(self.branches, xs, strict=True)]
        return [F.relu(sum(path(x) for path, x in zip(paths, xs, strict=True))) for paths in self.fuse_layers]


def make_stage(channels: list[int], num_modules: int, num_outputs: int | None = None) -> nn.Sequential:
    """Stack modules; the last may keep only its first `num_outputs` branches."""
    outputs = [len(channels)] * (num_modules - 1) + [num_outputs or len(channels)]
    return nn.Sequential(*(HighResolutionModule(channels, n) for n in outputs))


class HRNet(nn.Module):
    """The backbone: normalised image (B, 3, H, W) -> features at 1/4 resolution (B, width, H/4, W/4).

    Args:
        width: channels of the highest-resolution branch; W32 and W48 are the published sizes.
            Branch i has `width * 2**i` channels and runs at 1/(4 * 2**i) of the input.
    """

    def __init__(self, width: int = 32):
        super().__init__()
        c = [width * 2**i for i in range(4)]
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = nn.Conv2d(64, 64, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(Bottleneck(64, 64), *(Bottleneck(256, 64) for _ in range(3)))
        self.transition1 = Transition([256], c[:2])
        self.stage2 = make_stage(c[:2], num_modules=1)
        self.transition2 = Transition(c[:2], c[:3])
        self.stage3 = make_stage(c[:3], num_modules=4)
        self.transition3 = Transition(c[:3], c)
        self.stage4 = make_stage(c, num_modules=3, num_outputs=1)

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(images)), inplace=True)  # (B, 64, H/2, W/2)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)  # (B, 64, H/4, W/4)
        xs = [self.layer1(x)]  # [(B, 256, H/4, W/4)]
        xs = self.stage2(self.transition1(xs))  # 2 branches
        xs = self.stage3(self.transition2(xs))  # 3 branches
        xs = self.stage4(self.transition3(xs))  # 4 branches in, the highest resolution out
        return xs[0]  # (B, width, H/4, W/4)


class HeatmapHead(nn.Module):
    """Features (B, C, H, W) -> a heatmap per keypoint (B, K, H, W), by a 1x1 convolution.

    Its weights start near zero (std .001), so that an untrained net predicts empty maps: most pixels of
    most targets are zero, and the first steps need not unlearn noise.

    With C channels all K maps of a picture are mixtures of C, so that a narrow net cannot tell neighbouring
    points apart; `hidden` channels, made by a 3x3 convolution before the last layer, widen that. Keyed as
    MMPose's HeatmapHead with `conv_out_channels=(hidden,), conv_kernel_sizes=(3,)`.
    """

    def __init__(self, channels: int, num_keypoints: int, hidden: int = 0):
        super().__init__()
        self.conv_layers = nn.Sequential()
        if hidden:
            convolution = nn.Conv2d(channels, hidden, 3, padding=1)
            self.conv_layers.extend([convolution, nn.BatchNorm2d(hidden), nn.ReLU(inplace=True)])
        self.final_layer = nn.Conv2d(hidden or channels, num_keypoints, 1)
        nn.init.normal_(self.final_layer.weight, std=0.001)
        nn.init.zeros_(self.final_layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        return self.final_layer(self.conv_layers(features))


class PoseNet(nn.Module):
    """HRNet and its heatmap head, keyed as MMPose 1.x keys them (`backbone.*`, `head.*`).

    Args:
        width: channels of the highest-resolution branch (32, 48; 16 or 18 for a laptop).
        num_keypoints: heatmaps to predict, 133 for COCO-WholeBody.
        head_channels: of a convolution before the last layer; 0, none, as published.
    """

    def __init__(self, width: int = 32, num_keypoints: int = 133, head_channels: int = 0):
        super().__init__()
        self.backbone = HRNet(width)
        self.head = HeatmapHead(width, num_keypoints, head_channels)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised RGB images (B, 3, H, W) -> heatmaps (B, K, H/4, W/4).

        Raises:
            ValueError: `images` is not (B, 3, H, W) with H and W multiples of 32.
        """
        shape = tuple(images.shape)
        if len(shape) != 4 or shape[1] != 3 or shape[2] % STRIDE or shape[3] % STRIDE or 0 in shape[2:]:
            raise ValueError(
                f"images have shape {shape}, expected (B, 3, H, W) with H and W multiples of {STRIDE}: "
                "the four branches halve the size three more times after the stem"
            )
        return self.head(self.backbone(images))
