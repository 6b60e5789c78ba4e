"""A recipe is everything that makes a published number: network, codec, augmentation, schedule, test.

The two seed systems are those of MMPose's COCO-WholeBody model zoo (top-down heatmap, HRNet + DARK);
augmentation and schedule are MMPose 1.3.2's configuration files of the same names.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

_OPENMMLAB = "https://download.openmmlab.com/mmpose"


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training crop, in the order in which they are applied.

    Attributes:
        flip_probability: mirror the picture.
        half_body_probability: zoom in on the upper or lower body of a person with at least
            `half_body_min_keypoints` labelled keypoints; `half_body_min_upper` and `_lower` of
            them must be there for a half to be chosen.
        prefer_upper_probability: upper rather than lower, where both could be chosen.
        half_body_padding: around the extent of the chosen keypoints (the box's own padding is dropped).
        shift: largest shift of the centre, as a share of the padded box, applied with `shift_probability`.
        scale: smallest and largest factor on the box.
        rotation_deg: largest rotation, applied with `rotation_probability`.
        photometric: factor on the chances of other light, blur, noise and compression; 0 is the
            published recipes' none.
        erase_probability: cover patches of the crop.

    Shift, scale and rotation draw from a normal distribution cut off at one standard deviation, which
    lies at the largest value.
    """

    flip_probability: float = 0.5
    half_body_probability: float = 0.3
    half_body_min_keypoints: int = 9
    half_body_min_upper: int = 2
    half_body_min_lower: int = 3
    prefer_upper_probability: float = 0.7
    half_body_padding: float = 1.5
    shift: float = 0.16
    shift_probability: float = 0.3
    scale: tuple[float, float] = (0.5, 1.5)
    rotation_deg: float = 80.0
    rotation_probability: float = 0.6
    photometric: float = 0.0
    erase_probability: float = 0.0


@dataclass(frozen=True)
class Schedule:
    """Adam with warm-up and steps.

    Attributes:
        batch_size: samples per update, over all devices.
        learning_rate: for that batch size.
        epochs: passes over the training persons.
        warmup_steps: updates over which the rate grows linearly from `warmup_factor` of it.
        milestones: epochs after which the rate is multiplied by `gamma`.
        to_zero: instead of milestones the rate falls in a straight line that would reach 0 after the last
            update, which makes most of a run that is too short for plateaus.
        validate_every: epochs from one validation to the next.
    """

    batch_size: int = 512
    learning_rate: float = 5e-4
    epochs: int = 210
    warmup_steps: int = 500
    warmup_factor: float = 0.001
    milestones: tuple[int, ...] = (170, 200)
    gamma: float = 0.1
    to_zero: bool = False
    validate_every: int = 10


@dataclass(frozen=True)
class Recipe:
    """One system, from picture to table row. Sizes are (W, H).

    Attributes:
        name: key in `RECIPES` or `SECOND_LOOKS`.
        width: of HRNet.
        head_channels: of a convolution before the last layer, 0 for none; see `HeatmapHead`.
        input_size, heatmap_size, sigma, unbiased, blur_kernel_size, udp: see `HeatmapCodec`.
        padding: of the person box.
        flip_test: average with the mirrored picture's heatmaps; `shift_flipped` moves those one pixel
            right first, because flipping a heatmap with stride 4 misaligns it by about one.
        refine: "none", "quarter" or "dark".
        keypoint_threshold, nms_threshold: of rescoring and OKS-NMS.
        augmentation, schedule: of training.
        zoom: crops are of faces and hands, which a first look has found (`wbkit.zoom`).
        published: part -> (AP, AR) on COCO-WholeBody v1.0 val, or empty.
        checkpoint_url: the published weights, or None.
        backbone_url: the ImageNet weights from which these were trained, or None.
    """

    name: str
    width: int
    input_size: tuple[int, int]
    heatmap_size: tuple[int, int]
    sigma: float
    num_keypoints: int = 133
    head_channels: int = 0
    unbiased: bool = True
    blur_kernel_size: int = 11
    udp: bool = False
    padding: float = 1.25
    flip_test: bool = True
    shift_flipped: bool = True
    refine: str = "dark"
    keypoint_threshold: float = 0.2
    nms_threshold: float = 0.9
    zoom: bool = False
    augmentation: Augmentation = field(default_factory=Augmentation)
    schedule: Schedule = field(default_factory=Schedule)
    published: dict[str, tuple[float, float]] = field(default_factory=dict)
    checkpoint_url: str | None = None
    backbone_url: str | None = None

    def codec_settings(self) -> dict:
        """Keyword arguments for `HeatmapCodec`."""
        names = ("input_size", "heatmap_size", "sigma", "unbiased", "blur_kernel_size", "udp")
        return {name: getattr(self, name) for name in names}

    def at(self, input_size: tuple[int, int]) -> Recipe:
        """The same recipe on smaller or larger crops (W, H); sigma stays, in heatmap px."""
        return replace(self, input_size=input_size, heatmap_size=(input_size[0] // 4, input_size[1] // 4))

    def metadata(self) -> dict[str, str]:
        """What a weights file says of itself: enough to use it without asking."""
        return {"recipe": self.name, "input_size": f"{self.input_size[0]}x{self.input_size[1]}"}


W32_DARK_256x192 = Recipe(
    name="w32_dark_256x192",
    width=32,
    input_size=(192, 256),
    heatmap_size=(48, 64),
    sigma=2.0,
    published={
        "body": (0.694, 0.764),
        "foot": (0.565, 0.674),
        "face": (0.736, 0.808),
        "hand": (0.503, 0.602),
        "wholebody": (0.582, 0.671),
    },
    backbone_url=f"{_OPENMMLAB}/pretrain_models/hrnet_w32-36af842e.pth",
    checkpoint_url=f"{_OPENMMLAB}/top_down/hrnet/hrnet_w32_coco_wholebody_256x192_dark-469327ef_20200922.pth",
)

W48_DARK_PLUS_384x288 = Recipe(
    name="w48_dark_plus_384x288",
    width=48,
    input_size=(288, 384),
    heatmap_size=(72, 96),
    sigma=3.0,  # decoded with kernel 11 all the same, as published
    schedule=Schedule(batch_size=256),
    published={
        "body": (0.742, 0.807),
        "foot": (0.705, 0.804),
        "face": (0.840, 0.892),
        "hand": (0.602, 0.694),
        "wholebody": (0.661, 0.743),
    },
    backbone_url=f"{_OPENMMLAB}/pretrain_models/hrnet_w48-8ef0771d.pth",
    checkpoint_url=f"{_OPENMMLAB}/top_down/hrnet/hrnet_w48_coco_wholebody_384x288_dark-f5726563_20200918.pth",
)

TINY = Recipe(
    name="tiny",
    width=16,
    input_size=(256, 384),  # faces and hands, 110 of the 133 points, need the pixels
    heatmap_size=(64, 96),
    sigma=2.0,
    head_channels=64,  # 16 channels hold 16 different maps, too few for 133 points
    udp=True,  # flip test needs no shift then
    shift_flipped=False,
    augmentation=Augmentation(
        half_body_probability=0.15,
        scale=(0.75, 1.25),
        rotation_deg=30.0,
        rotation_probability=0.5,
        photometric=0.6,
        erase_probability=0.15,
    ),
    schedule=Schedule(
        batch_size=32, learning_rate=1.5e-3, epochs=6, warmup_steps=200, to_zero=True, validate_every=1
    ),
)

TINY_ZOOM = replace(
    TINY.at((96, 96)),
    name="tiny_zoom",
    zoom=True,
    padding=1.5,  # of the square around a part's points, which leaves out the forehead and the wrist
    augmentation=replace(
        TINY.augmentation,
        half_body_probability=0.0,
        shift=0.2,  # the first look is not exact
        shift_probability=0.9,
        scale=(0.75, 1.33),
        rotation_deg=45.0,
        rotation_probability=0.6,
    ),
    schedule=replace(TINY.schedule, batch_size=48),
)

RECIPES: dict[str, Recipe] = {r.name: r for r in (W32_DARK_256x192, W48_DARK_PLUS_384x288, TINY)}
"""Every system by name."""
SECOND_LOOKS: dict[str, Recipe] = {TINY_ZOOM.name: TINY_ZOOM}
"""Recipes of networks that look again at what a system has found (`wbkit.zoom`), by name."""
