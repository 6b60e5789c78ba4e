"""The `wbkit` command: `wbkit COMMAND --help` explains each with examples."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from wbkit import __version__
from wbkit.errors import InputError

EPILOGS = {
    "demo": """examples:
  wbkit demo                                   the embedded people, or data/coco if you have it
  wbkit demo --data data/coco --out outputs/x  your COCO-WholeBody folder

Predicts everybody in the ground truth's boxes (the first 300 of a large set) with the model that comes with
wbkit, prints AP by part and the ten worst keypoints, and draws poses, heatmaps and precision-recall.""",
    "predict": """examples:
  wbkit predict photo.jpg --checkpoint w32_dark_256x192          fetches the published weights once
  wbkit predict a.jpg b.jpg --boxes boxes.json --checkpoint my.safetensors --recipe tiny
  torchrun --nproc-per-node 2 --no-python wbkit predict *.jpg --checkpoint ...   each process takes a share

boxes.json: {"photo.jpg": [[x, y, width, height], ...]} (a fifth number is the box's score), or a COCO
detection file whose image_id is the number in the picture's name. Without boxes people are looked for.""",
    "evaluate": """examples:
  wbkit evaluate --annotations coco_wholebody_val_v1.0.json --results results.json
  wbkit evaluate --annotations A.json --results R.json --rescore --reference
  wbkit evaluate --recipe w32_dark_256x192 --checkpoint w32_dark_256x192 --data data/coco --boxes detections

The first form scores any model's results; the second also rescores and suppresses as MMPose does, and
runs xtcocotools beside it; the third runs the whole pipeline and prints the published row beside it.""",
    "reproduce": """examples:
  wbkit reproduce --data data/coco

Measures the published systems (w32_dark_256x192, w48_dark_plus_384x288) on COCO-WholeBody val with the
detector's boxes and flip test, and prints the published numbers beside the measured ones. Needs COCO val2017,
COCO-WholeBody's annotations and the detections (wbkit download coco-val says where); fetches the checkpoints.
Minutes on a GPU, hours on a CPU; what was measured stays in --out, so an interrupted run goes on.""",
    "train": """examples:
  wbkit train --recipe tiny --data data/people --out outputs/train/tiny         a laptop
  wbkit train --recipe tiny --data data/people --out outputs/train/tiny --resume   ... goes on
  wbkit train --recipe tiny --synthetic 20000 --val-data data/wholebody-mini    rendered on the fly
  torchrun --nproc-per-node 8 --no-python wbkit train --recipe w32_dark_256x192 --data data/coco --workers 4

the + recipe, COCO's 17 keypoints first, then 133 with a fresh last layer:
  wbkit train --recipe w48_dark_plus_384x288 --data data/coco --keypoints 17 --out w48_17
  wbkit train --recipe w48_dark_plus_384x288 --data data/coco --init w48_17/final.safetensors --head fresh

The total batch is the recipe's whatever the number of GPUs: --micro-batch adds gradients up where memory
is short. Another --batch-size scales the learning rate in proportion. On CPUs without AMX expect a few
pictures a second for W32: train the recipe called tiny there.""",
    "export": """examples:
  wbkit export --checkpoint outputs/train/tiny/best.safetensors --out tiny.pth          for MMPose 1.x
  wbkit export --checkpoint outputs/train/tiny/best.safetensors --out tiny.onnx         RGB crops -> heatmaps
  wbkit export --checkpoint outputs/train/tiny/best.safetensors --half --out small.safetensors

The ONNX graph takes uint8 RGB crops (batch, height, width, 3), normalises them itself, and is compared with
PyTorch by onnxruntime before it is kept (pip install 'wbkit[onnx]').""",
    "synth": """examples:
  wbkit synth --out data/people --pictures 20000 --val 500 --seed 1 --workers 8
  wbkit synth --out data/hard --pictures 20000 --seed 2 --mix hard      more seats, squats, backs, far people

Rendered people with exact labels, in COCO-WholeBody's format and folder layout: wbkit demo --data data/people
works on it. The same seed gives the same pictures whatever the workers; a killed run goes on.""",
    "download": """examples:
  wbkit download coco-val
  wbkit download checkpoint w32_dark_256x192

Interrupted downloads go on where they stopped; hashes are verified. What has no stable public address is
named with the page to get it from.""",
}


def build_parser() -> argparse.ArgumentParser:
    """All commands and options."""
    parser = argparse.ArgumentParser(
        prog="wbkit", description="Whole-body human pose estimation: HRNet, DARK, COCO-WholeBody."
    )
    parser.add_argument("--version", action="version", version=f"wbkit {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _demo_options(_command(commands, "demo", "model, predictions, AP by part, pictures: a minute or two"))
    _predict_options(_command(commands, "predict", "133 keypoints for every person in your pictures"))
    _evaluate_options(_command(commands, "evaluate", "AP and AR by part, of a results file or a checkpoint"))
    _reproduce_options(_command(commands, "reproduce", "the published rows beside your own measurement"))
    _analyse_options(_command(commands, "analyse", "why and where results fail: tables, figures, one page"))
    _train_options(_command(commands, "train", "train a recipe, on one CPU or many GPUs"))
    _export_options(_command(commands, "export", "weights for MMPose, ONNX, or half the size"))
    _synth_options(_command(commands, "synth", "make pictures of synthetic people with exact labels"))
    _download_options(_command(commands, "download", "fetch COCO's pictures or published checkpoints"))
    return parser


def _command(commands, name: str, summary: str) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=EPILOGS.get(name),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _demo_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="COCO-WholeBody folder (default: data/coco, else the embedded set)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("outputs/demo"), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument("--checkpoint", metavar="F", help="default: the model in data/models")
    parser.set_defaults(run=run_demo)


def _model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--recipe",
        metavar="R",
        help="w32_dark_256x192, w48_dark_plus_384x288, tiny; default: as the checkpoint says",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="F",
        help="weights: file, address, or the name of published ones (default: the model in data/models)",
    )
    _device_options(parser)
    parser.add_argument(
        "--bf16",
        action="store_true",
        help="bfloat16: faster on GPUs and CPUs with AVX512-BF16 or AMX, hundredths of a pixel off",
    )
    parser.add_argument("--compile", action="store_true", help="compile first (half a minute), then faster")
    parser.add_argument(
        "--exact",
        action="store_true",
        help="leave BatchNorm and memory layout as in training, for comparisons to the last digit",
    )
    parser.add_argument("--no-flip", action="store_true", help="no averaging with the mirrored picture")


def _device_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", help="cpu, cuda, cuda:1 ... (default: a GPU if there is one)")
    parser.add_argument(
        "--batch-size", type=int, default=32, metavar="N", help="people a batch (default: %(default)s)"
    )


def _predict_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    parser.add_argument("--boxes", type=Path, metavar="FILE", help="person boxes, see below")
    parser.add_argument(
        "--detector",
        default="auto",
        help="without --boxes: auto, fasterrcnn, hog or whole (default: %(default)s)",
    )
    _model_options(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("outputs/predict/results.json"),
        metavar="FILE",
        help="results file; drawings go beside it (default: %(default)s)",
    )
    parser.set_defaults(run=run_predict)


def _evaluate_options(parser: argparse.ArgumentParser) -> None:
    files = parser.add_argument_group("a results file of any model")
    files.add_argument("--annotations", type=Path, metavar="A.json", help="COCO-WholeBody annotations")
    files.add_argument("--results", type=Path, metavar="R.json", help="COCO-WholeBody results")
    files.add_argument(
        "--rescore",
        action="store_true",
        help="first rescore (box score x mean keypoint score) and suppress duplicates, as MMPose",
    )
    files.add_argument(
        "--reference", action="store_true", help="also run xtcocotools, and print the largest difference"
    )
    pipeline = parser.add_argument_group("a checkpoint, on a COCO-WholeBody folder")
    pipeline.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder with annotations/, val2017/, person_detection_results/",
    )
    pipeline.add_argument(
        "--boxes", choices=("gt", "detections"), default="gt", help="whose boxes (default: %(default)s)"
    )
    _workers_option(pipeline)
    _model_options(pipeline)
    parser.add_argument("--out", type=Path, metavar="table.csv", help="also write the table")
    parser.set_defaults(run=run_evaluate)


def _workers_option(parser: argparse.ArgumentParser) -> None:
    text = "processes that read pictures (default: %(default)s)"
    parser.add_argument("--workers", type=int, default=2, metavar="N", help=text)


def _reproduce_options(parser: argparse.ArgumentParser) -> None:
    add = partial(parser.add_argument, metavar="DIR", type=Path)
    add(
        "--data",
        default=Path("data/coco"),
        help="COCO-WholeBody folder with detections (default: %(default)s)",
    )
    add("--out", default=Path("outputs/reproduce"), help="tables, one a system (default: %(default)s)")
    _device_options(parser)
    _workers_option(parser)
    parser.set_defaults(run=run_reproduce)


def _analyse_options(parser: argparse.ArgumentParser) -> None:
    from wbkit.failure_report.options import EPILOG, add_arguments

    add_arguments(parser)
    parser.epilog = EPILOG
    parser.set_defaults(run=run_analyse)


def _train_options(parser: argparse.ArgumentParser) -> None:
    _what_to_train(parser)
    _how_to_train(parser)
    parser.set_defaults(run=run_train)


def positive(kind: type) -> Callable[[str], float]:
    """An argparse type: a number of that kind above 0."""

    def number(text: str) -> float:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    number.__name__ = f"positive {kind.__name__}"  # argparse's message for text that is no number
    return number


def _what_to_train(parser: argparse.ArgumentParser) -> None:
    from wbkit.synth.write import parse_size

    what = parser.add_argument_group("what")
    what.add_argument(
        "--recipe",
        default="tiny",
        metavar="R",
        help="w32_dark_256x192, w48_dark_plus_384x288, tiny (default)",
    )
    what.add_argument("--data", type=Path, metavar="DIR", help="COCO-WholeBody folder with train2017/")
    what.add_argument(
        "--synthetic",
        type=positive(int),
        metavar="N",
        help="instead: people rendered on the fly, N samples an epoch",
    )
    what.add_argument("--val-data", type=Path, metavar="DIR", help="folder with val2017/ (default: --data)")
    what.add_argument(
        "--keypoints", type=int, choices=(17, 133), default=133, help="17: COCO's body only (default: 133)"
    )
    what.add_argument("--init", metavar="F", help="weights to start from: file, address or published name")
    what.add_argument(
        "--head",
        choices=("load", "fresh", "carry_body"),
        default="load",
        help="head of --init: loaded, left fresh, or only its 17 body maps carried over",
    )
    what.add_argument("--epochs", type=positive(int), metavar="N", help="milestones move in proportion")
    what.add_argument(
        "--input-size",
        type=parse_size,
        metavar="WxH",
        help="other crops than the recipe's: start small, then --init from there",
    )
    what.add_argument("--batch-size", type=positive(int), metavar="N", help="over all processes")
    what.add_argument(
        "--learning-rate", type=positive(float), metavar="LR", help="default: the recipe's, scaled"
    )
    what.add_argument("--seed", type=int, default=0, metavar="S", help="default: 0")


def _how_to_train(parser: argparse.ArgumentParser) -> None:
    how = parser.add_argument_group("how")
    how.add_argument("--out", type=Path, metavar="DIR", help="default: outputs/train/RECIPE")
    how.add_argument("--resume", action="store_true", help="go on with the run in --out")
    how.add_argument(
        "--minutes", type=positive(float), metavar="M", help="stop then, with the state kept for --resume"
    )
    how.add_argument("--device", help="cpu, cuda, ... (default: a GPU if there is one)")
    how.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto", help="default: auto")
    how.add_argument(
        "--micro-batch", type=positive(int), metavar="N", help="samples a forward pass, where memory is short"
    )
    how.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes that make samples (default: 1)"
    )
    how.add_argument("--compile", action="store_true", help="torch.compile (GPUs)")
    how.add_argument("--sync-bn", action="store_true", help="BatchNorm over all GPUs")
    how.add_argument("--freeze-bn", action="store_true", help="BatchNorm keeps its statistics")
    how.add_argument(
        "--validate-every", type=positive(int), default=1, metavar="N", help="epochs (default: 1)"
    )
    how.add_argument(
        "--save-every", type=positive(int), default=200, metavar="N", help="updates between states (200)"
    )


def _export_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", metavar="F", help="default: the model in data/models")
    parser.add_argument("--recipe", metavar="R", help="default: as the checkpoint says")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="the ending says what: .pth .onnx .safetensors",
    )
    parser.add_argument("--half", action="store_true", help="safetensors: convolutions in float16")
    parser.set_defaults(run=run_export)


def _synth_options(parser: argparse.ArgumentParser) -> None:
    from wbkit.synth.write import add_arguments, run

    add_arguments(parser)
    parser.set_defaults(run=run)


def _download_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("coco-val", "checkpoint"))
    parser.add_argument("name", nargs="?", help="which checkpoint: a recipe's name or an address")
    parser.add_argument("--data", type=Path, metavar="DIR", help="where COCO goes (default: data/coco)")
    parser.set_defaults(run=run_download)


# Commands import what they need when they run: `wbkit evaluate --results` never waits for torch.


def run_demo(options: argparse.Namespace) -> None:
    from wbkit.commands.demo import run_demo

    run_demo(options.data, options.out, options.checkpoint)


def run_predict(options: argparse.Namespace) -> None:
    from wbkit.commands.predict import predict_files

    predict_files(options)


def run_evaluate(options: argparse.Namespace) -> None:
    from wbkit.commands.evaluate import evaluate_checkpoint, evaluate_results

    if options.results or options.annotations:
        if not (options.results and options.annotations):
            raise InputError("--annotations and --results go together", "Give both")
        evaluate_results(options)
    elif options.data:
        evaluate_checkpoint(options)
    else:
        raise InputError(
            "there is nothing to evaluate",
            "Give --annotations and --results, or --data with --checkpoint (wbkit evaluate --help)",
        )


def run_reproduce(options: argparse.Namespace) -> None:
    from wbkit.commands.reproduce import reproduce

    reproduce(options)


def run_analyse(options: argparse.Namespace) -> None:
    from wbkit.failure_report.command import analyse_results

    analyse_results(options)


def run_train(options: argparse.Namespace) -> None:
    from wbkit.commands.train import train

    train(options)


def run_export(options: argparse.Namespace) -> None:
    from wbkit.commands.export import export

    export(options)


def run_download(options: argparse.Namespace) -> None:
    from wbkit.commands.download import download_checkpoint, download_coco_val

    if options.what == "coco-val":
        download_coco_val(options.data)
    else:
        download_checkpoint(options.name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status: 0, or 2 for input that cannot be used."""
    options = build_parser().parse_args(arguments)
    try:
        options.run(options)
    except InputError as error:
        print(f"wbkit {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
