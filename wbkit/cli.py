"""The `wbkit` command: `wbkit COMMAND --help` explains each with examples."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from pkgutil import resolve_name
from tempfile import gettempdir
from typing import NamedTuple
from zlib import crc32

from wbkit import __version__, options
from wbkit.errors import InputError
from wbkit.files import one_process
from wbkit.help_texts import EXAMPLES


class Command(NamedTuple):
    """What `wbkit --help` says of it, its options, and what runs with them: imported only then."""

    summary: str
    add_options: Callable[[argparse.ArgumentParser], None]
    target: str


COMMANDS = {
    "demo": Command(
        "model, predictions, AP by part, pictures: a minute or two", options.demo, "commands.demo:demo"
    ),
    "predict": Command(
        "133 keypoints for every person in your pictures", options.predict, "commands.predict:predict_files"
    ),
    "evaluate": Command(
        "AP and AR by part, of a results file or a checkpoint", options.evaluate, "commands.evaluate:evaluate"
    ),
    "reproduce": Command(
        "the published rows beside your own measurement", options.reproduce, "commands.reproduce:reproduce"
    ),
    "analyse": Command(
        "why and where results fail: tables, figures, one page",
        options.analyse,
        "failure_report.command:analyse_results",
    ),
    "train": Command("train a recipe, on one CPU or many GPUs", options.train, "commands.train:train"),
    "export": Command("weights for MMPose, ONNX, or half the size", options.export, "commands.export:export"),
    "synth": Command("make pictures of synthetic people with exact labels", options.synth, "synth.write:run"),
    "download": Command(
        "fetch COCO's pictures or published checkpoints", options.download, "commands.download:download"
    ),
}


def build_parser() -> argparse.ArgumentParser:
    """All commands and options."""
    parser = argparse.ArgumentParser(
        prog="wbkit", description="Whole-body human pose estimation: HRNet, DARK, COCO-WholeBody."
    )
    parser.add_argument("--version", action="version", version=f"wbkit {__version__}")
    parsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        added = parsers.add_parser(
            name,
            help=command.summary,
            description=command.summary[0].upper() + command.summary[1:] + ".",
            epilog=EXAMPLES.get(name),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_options(added)
    return parser


def run(chosen: argparse.Namespace) -> None:
    """Do it. Commands are imported now: `wbkit evaluate --results` never waits for torch."""
    with alone(chosen):
        resolve_name(f"wbkit.{COMMANDS[chosen.command].target}")(chosen)


def alone(chosen: argparse.Namespace) -> AbstractContextManager:
    """Keeps a second run of this machine out, where what two write into one place would mix."""
    if chosen.command not in ("train", "predict", "analyse", "synth") or os.environ.get("RANK", "0") != "0":
        return nullcontext()  # other processes of one run come in with the first
    out = chosen.out or Path("outputs/train", chosen.recipe)
    if chosen.command == "predict" and (out.is_dir() or not out.suffix):
        out = out / "results.json"
    user = getattr(os, "getuid", int)()  # another user's lock could not be opened
    place = f"{chosen.command} {out.resolve()}"
    lock = Path(gettempdir(), f"wbkit-{user}-{crc32(place.encode()):08x}.lock")
    if not os.access(lock.parent, os.W_OK):
        return nullcontext()
    return one_process(lock, busy=f"another wbkit {chosen.command} is writing to {out}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status: 0, or 2 for input that cannot be used."""
    chosen = build_parser().parse_args(arguments)
    try:
        run(chosen)
    except InputError as error:
        print(f"wbkit {chosen.command}: {error}", file=sys.stderr)
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
