"""What `python -m benchmarks.gpu --json docs/gpu.json` measured, as the README's tables.

python -m benchmarks.gpu_table     write the README's part anew from docs/gpu.json

Two keys of the record are written by hand and vanish when it is measured anew: `note`, what else the machine
did, and `run`, a run of `wbkit train` there, whose metrics.csv is docs/gpu_w32.csv. The record that is
committed was copied from the printed tables, hence its four digits; MMPose ran with torch's defaults, in
which convolutions are TF32.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from benchmarks.readme import grid, write_block
from wbkit.recipes import RECIPES

RECORD = Path(__file__).resolve().parent.parent / "docs/gpu.json"
MARKS = ("<!-- gpu -->", "<!-- end of gpu -->")
MODES = ("fp32", "tf32", "bf16", "bf16 graph", "bf16 compiled")
COCO_PEOPLE = 150_000
_SPEED = re.compile(r"(?P<recipe>\S+) (?P<what>forward|training), (?P<mode>.+), batch (?P<batch>\d+)")


def rows_of(content: dict, title: str) -> list[dict]:
    """All rows under this title, which may occur once a recipe."""
    return [row for table in content["tables"] if table["title"] == title for row in table["rows"]]


def speed_table(content: dict) -> str:
    """Images a second, and their share of the measured peak: a line a recipe, work and batch."""
    lines: dict[tuple, dict[str, dict]] = {}
    for title in ("Inference", "Training", "Compiled"):
        for row in rows_of(content, title):
            found = _SPEED.fullmatch(row["what"])
            key = found["recipe"], found["what"], int(found["batch"])
            lines.setdefault(key, {})[found["mode"]] = row
    used = [mode for mode in MODES if any(mode in line for line in lines.values())]
    table = []
    for (recipe, what, batch), line in sorted(lines.items()):
        cells = [f"{line[m]['img/s']:,.0f} ({_share(line[m])})" if m in line else "" for m in used]
        table.append([f"`{recipe}`", what, str(batch), *cells])
    return grid(["recipe", "what", "batch", *(f"{mode}, img/s" for mode in used)], table)


def hours(content: dict) -> str:
    """What the fastest training row of each recipe means for its schedule on COCO, in words.

    `wbkit train` captures no CUDA graph, so that such rows do not count.
    """
    best: dict[str, dict] = {}
    for row in rows_of(content, "Training") + rows_of(content, "Compiled"):
        found = _SPEED.fullmatch(row["what"])
        if found["mode"].endswith("graph"):
            continue
        if found["what"] == "training" and row["img/s"] > best.get(found["recipe"], {"img/s": 0})["img/s"]:
            best[found["recipe"]] = row | {"mode": found["mode"]}
    told = []
    for name, row in best.items():
        samples = RECIPES[name].schedule.epochs * COCO_PEOPLE
        told.append(f"`{name}` {samples / row['img/s'] / 3600:.0f} h ({row['mode']})")
    return (
        f"At its fastest training row, each run of a recipe over COCO's {COCO_PEOPLE:,} labelled people "
        f"takes one such GPU: {', '.join(told)}."
    )


def run_in_words(run: dict) -> str:
    """A training run on that GPU."""
    scores = ", ".join(f"{part} {ap:.3f}" for part, ap in run["AP"].items())
    return (
        f"`{run['recipe']}` trained there on synthetic people, from random weights: {run['epochs']} epochs "
        f"of {run['people']:,} people in {run['minutes']} minutes, {run['images_per_second']} images a "
        f"second in bfloat16, batch {run['batch']}, while {run['beside']}. AP on `data/wholebody-mini`'s val "
        f"with ground-truth boxes: {scores}."
    )


def _share(row: dict) -> str:
    return f"{row['of peak']:.0%}" if row["of peak"] >= 0.1 else f"{row['of peak']:.1%}"


def codec_table(content: dict) -> str:
    """Milliseconds of the codec on the device, beside the time to read or write the maps once."""
    rows = [[r["what"], f"{r['ms']:.2f}", f"{r['floor ms']:.2f}"] for r in rows_of(content, "Codec")]
    return grid(["codec", "ms", "floor, ms"], rows)


def peer_table(content: dict) -> str:
    """MMPose on the same machine."""
    rows = []
    for row in rows_of(content, "MMPose, same inputs"):
        rate = f"{row['img/s']:,.0f}" if row.get("img/s") else ""
        rows.append([row["what"], f"{row['ms']:.1f}", rate])
    return grid(["MMPose 1.3.2", "ms", "img/s"], rows)


def render(content: dict) -> str:
    """The block between the marks."""
    peaks = content["peaks"]
    speeds = ", ".join(f"{m} {peaks[m] / 1e12:.0f}" for m in ("fp32", "tf32", "bf16"))
    checked = rows_of(content, "Parity with the CPU")
    wrong = [row["what"] for row in checked if not row["right"]]
    same = f"parity with the CPU: {len(checked) - len(wrong)} of {len(checked)} checks passed"
    measured = bool(rows_of(content, "Inference"))
    parts = [
        f"{content['device']}, torch {content['torch']}; matrix products {speeds} TFLOP/s, memory "
        f"{peaks['copy'] / 1e12:.1f} TB/s; {same}{', not ' + ', '.join(wrong) if wrong else ''}. "
        + (f"{content['note']} " if "note" in content else "")
        + "In brackets the share of the measured peak.",
        speed_table(content) if measured else "",
        hours(content) if rows_of(content, "Training") else "",
        codec_table(content) if rows_of(content, "Codec") else "",
        peer_table(content) if rows_of(content, "MMPose, same inputs") else "",
        f"Left out: {'; '.join(content['left_out'])}." if content["left_out"] else "",
        run_in_words(content["run"]) if "run" in content else "",
    ]
    return "\n\n".join(part for part in parts if part)


if __name__ == "__main__":
    write_block(MARKS, render(json.loads(RECORD.read_text())))
