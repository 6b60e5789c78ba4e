"""What each `wbkit` command can be told, with examples: the texts of `wbkit COMMAND --help`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from wbkit.keypoints import PARTS

INPUT_SIZE = (
    "with --rescore: crops of the model that made the results (the shipped one: 256x384); duplicates are "
    "judged by boxes of this shape (default: 192x256)"
)


def demo(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--data",
        type=Path,
        metavar="DIR",
        help="COCO-WholeBody folder, or labels.json:pictures (default: data/coco, else the embedded set)",
    )
    add("--out", type=Path, default=Path("outputs/demo"), metavar="DIR", help="default: %(default)s")
    add("--checkpoint", metavar="F", help="default: the model in data/models")
    _zoom_option(parser)


def _zoom_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--zoom",
        metavar="F",
        help="weights of a second look at faces and hands (recipe tiny_zoom), or the word none (default: "
        "with the model in data/models its own, with others none)",
    )


def _model_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--recipe",
        metavar="R",
        help="w32_dark_256x192, w48_dark_plus_384x288, tiny; default: as the checkpoint says",
    )
    add(
        "--checkpoint",
        metavar="F",
        help="weights: file, address, or the name of published ones (default: the model in data/models)",
    )
    _device_options(parser)
    add(
        "--bf16",
        action="store_true",
        help="bfloat16: faster on GPUs and CPUs with AVX512-BF16 or AMX, hundredths of a pixel off",
    )
    add("--compile", action="store_true", help="compile first: for GPUs; CPUs are about as fast without")
    add(
        "--exact",
        action="store_true",
        help="leave BatchNorm and memory layout as in training, for comparisons to the last digit",
    )
    add("--no-flip", action="store_true", help="no averaging with the mirrored picture")
    _zoom_option(parser)


def _device_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--device", help="cpu, cuda, cuda:1 ... (default: a GPU if there is one)")
    text = "people a batch (default: 32, for predict on a CPU 8)"
    add("--batch-size", type=positive(int), metavar="N", help=text)


def predict(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("images", nargs="+", type=Path, metavar="IMAGE", help="pictures, folders of them, or one video")
    add("--boxes", type=Path, metavar="FILE", help="person boxes, see below")
    add("--min-box-score", type=float, default=0.3, metavar="S", help="of --boxes (default: %(default)s)")
    add("--annotations", type=Path, metavar="A.json", help="take image ids from here, by file name")
    add(
        "--detector",
        default="auto",
        help="without --boxes: auto, fasterrcnn, hog or whole (default: %(default)s)",
    )
    add(
        "--detect-every",
        type=positive(int),
        default=15,
        metavar="N",
        help="frames of a video; between them people are followed (default: %(default)s)",
    )
    _model_options(parser)
    add(
        "--out",
        type=Path,
        default=Path("outputs/predict/results.json"),
        metavar="FILE",
        help="results, .json or .csv, or a folder; drawings go beside them (default: %(default)s)",
    )
    add("--resume", action="store_true", help="go on with the run for --out that was interrupted")
    add("--parts", type=parts, metavar="P,P", help="drawn, and in a .csv: body,foot,face,lefthand,righthand")
    add("--threshold", type=float, default=0.2, metavar="T", help="of points drawn (default: %(default)s)")
    add(
        "--video-format",
        choices=(".webm", ".mp4"),
        default=".webm",
        help="of a drawn video: .webm plays in browsers, .mp4 elsewhere (default: %(default)s)",
    )


def evaluate(parser: argparse.ArgumentParser) -> None:
    files = parser.add_argument_group("a results file of any model")
    files.add_argument("--annotations", type=Path, metavar="A.json", help="COCO-WholeBody annotations")
    files.add_argument("--results", type=Path, metavar="R.json", help="COCO-WholeBody results")
    files.add_argument(
        "--rescore",
        action="store_true",
        help="first rescore (box score x mean keypoint score) and suppress duplicates, as MMPose",
    )
    files.add_argument("--input-size", type=size_wh, metavar="WxH", help=INPUT_SIZE)
    files.add_argument(
        "--reference", action="store_true", help="also run xtcocotools, and print the largest difference"
    )
    pipeline = parser.add_argument_group("a checkpoint, on a COCO-WholeBody folder")
    pipeline.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder with annotations/, val2017/, person_detection_results/; or labels.json:pictures",
    )
    pipeline.add_argument(
        "--boxes", choices=("gt", "detections"), help="whose boxes (default: gt, the labels')"
    )
    _workers_option(pipeline)
    _model_options(pipeline)
    parser.add_argument("--out", type=Path, metavar="table.csv", help="also write the table")


def _workers_option(parser: argparse.ArgumentParser) -> None:
    text = "processes that read pictures (default: %(default)s)"
    parser.add_argument("--workers", type=not_negative, default=2, metavar="N", help=text)


def reproduce(parser: argparse.ArgumentParser) -> None:
    add = partial(parser.add_argument, metavar="DIR", type=Path)
    add(
        "--data",
        default=Path("data/coco"),
        help="COCO-WholeBody folder with detections (default: %(default)s)",
    )
    add("--out", default=Path("outputs/reproduce"), help="tables, one a system (default: %(default)s)")
    _device_options(parser)
    _workers_option(parser)


def analyse(parser: argparse.ArgumentParser) -> None:
    from wbkit.failure_report.options import EPILOG, add_arguments

    add_arguments(parser)
    parser.add_argument("--input-size", type=size_wh, metavar="WxH", help=INPUT_SIZE)
    parser.epilog = EPILOG


def train(parser: argparse.ArgumentParser) -> None:
    _what_to_train(parser)
    _how_to_train(parser)


def positive(kind: type) -> Callable[[str], float]:
    """An argparse type: a number of that kind above 0."""

    def number(text: str) -> float:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    number.__name__ = f"positive {kind.__name__}"  # argparse's message for text that is no number
    return number


def not_negative(text: str) -> int:
    """An argparse type: 0, 1, 2, ..."""
    if (value := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return value


def size_wh(text: str) -> tuple[int, int]:
    """An argparse type: "384x512" -> (384, 512)."""
    try:
        width, height = map(positive(int), text.lower().split("x"))
    except (ValueError, argparse.ArgumentTypeError) as error:
        problem = f"{text!r} is no size; write WIDTHxHEIGHT, such as 384x512"
        raise argparse.ArgumentTypeError(problem) from error
    return width, height


def parts(text: str) -> tuple[str, ...]:
    """An argparse type: names of parts, between commas."""
    names = tuple(text.split(","))
    known = list(PARTS)[:5]
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(known)}")
    return names


def _what_to_train(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what").add_argument
    add(
        "--recipe",
        default="tiny",
        metavar="R",
        help="w32_dark_256x192, w48_dark_plus_384x288, tiny (default), tiny_zoom (faces, hands)",
    )
    _training_data(add)
    add("--keypoints", type=int, choices=(17, 133), default=133, help="17: COCO's body only (default: 133)")
    add(
        "--init",
        metavar="F",
        help="weights to start from: file, address, published name (validated first, with its head), or "
        "imagenet: those from which the published systems began",
    )
    add(
        "--head",
        choices=("load", "fresh", "carry_body"),
        default="load",
        help="head of --init: loaded, left fresh, or only its 17 body maps carried over",
    )
    add("--epochs", type=positive(int), metavar="N", help="milestones move in proportion")
    add(
        "--input-size",
        type=size_wh,
        metavar="WxH",
        help="other crops than the recipe's: start small, then --init from there",
    )
    add("--batch-size", type=positive(int), metavar="N", help="over all processes")
    add("--learning-rate", type=positive(float), metavar="LR", help="default: the recipe's, scaled")
    add("--seed", type=not_negative, default=0, metavar="S", help="default: 0")


def _training_data(add: Callable) -> None:
    add(
        "--data",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="COCO-WholeBody folders with train2017/, or labels.json:pictures",
    )
    add(
        "--synthetic",
        type=positive(int),
        metavar="N",
        help="instead: people rendered on the fly, N samples an epoch",
    )
    add(
        "--mix",
        choices=("everyday", "hard", "both"),
        default="everyday",
        help="of --synthetic: as in wbkit synth, or both in turn (default: %(default)s)",
    )
    add(
        "--val-data",
        type=Path,
        metavar="DIR",
        help="folder with val2017/, or labels.json:pictures (default: one of --data)",
    )


def _how_to_train(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("how").add_argument
    add("--out", type=Path, metavar="DIR", help="default: outputs/train/RECIPE")
    add(
        "--resume",
        nargs="?",
        const=True,
        default=False,
        choices=("auto",),
        help="go on with the run in --out; auto: if there is one (for jobs that a cluster starts again)",
    )
    add("--minutes", type=positive(float), metavar="M", help="stop then, with the state kept for --resume")
    add("--device", help="cpu, cuda, ... (default: a GPU if there is one)")
    add("--precision", choices=("auto", "fp32", "bf16"), default="auto", help="default: auto")
    add(
        "--micro-batch", type=positive(int), metavar="N", help="samples a forward pass, where memory is short"
    )
    add(
        "--workers",
        type=not_negative,
        metavar="N",
        help="processes that make samples (default: 1, for a GPU 4)",
    )
    add("--compile", action="store_true", help="torch.compile (GPUs)")
    add("--sync-bn", action="store_true", help="BatchNorm over all GPUs")
    add("--freeze-bn", action="store_true", help="BatchNorm keeps its statistics")
    add(
        "--validate-every",
        type=positive(int),
        metavar="N",
        help="epochs (default: the recipe's, 10 of the published, 1 of tiny)",
    )
    add(
        "--save-every",
        type=positive(int),
        metavar="N",
        help="updates from state to state (default: five minutes)",
    )


def export(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--checkpoint", metavar="F", help="default: data/models/tiny.safetensors (beside it its second look)")
    add("--recipe", metavar="R", help="default: as the checkpoint says")
    add(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="the ending says what: .pth .onnx .safetensors",
    )
    add("--half", action="store_true", help="safetensors: convolutions in float16")


def synth(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="folder to write; must be new or unfinished")
    add("--pictures", type=int, required=True, metavar="N", help="training pictures")
    add("--val", type=int, default=0, metavar="N", help="validation pictures (default 0)")
    add("--seed", type=int, default=0, metavar="S", help="picture i depends on (S, i) only (default 0)")
    add("--workers", type=int, metavar="W", help="processes (default: one a CPU core)")
    add("--size", type=size_wh, default=(384, 512), metavar="WxH", help="pixels (default 384x512)")
    add(
        "--mix",
        choices=("everyday", "hard"),
        default="everyday",
        help="hard: more people who sit, squat, turn away, stand far off, more hands near by "
        "(default: %(default)s)",
    )


def download(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("what", choices=("coco-val", "checkpoint"))
    add("name", nargs="?", help="which checkpoint: a recipe's name or an address")
    add("--data", type=Path, metavar="DIR", help="where COCO goes (default: data/coco)")
