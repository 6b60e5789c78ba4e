"""Measure everything and put it into the README: python -m benchmarks.record (about 40 quiet minutes).

Each of `PARTS` goes to docs/performance.json when it is done, with its day; between the marks
`<!-- performance -->` and `<!-- end of performance -->` README.md is written from that file by this tool, and
tests/test_benchmarks.py compares them. After a change that some parts show, `--only PART ...` measures these
alone (another shipped model: all but the table); `--only` without a part only writes the README anew.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import date
from pathlib import Path

import pandas as pd

import benchmarks.__main__ as bench
from benchmarks import eight_bits, explorers, growth, peer_env, shift, stages, training_types
from benchmarks.readme import grid, write_block
from wbkit.files import atomic_write

ROOT = Path(__file__).resolve().parent.parent
RECORD, FIGURE = ROOT / "docs/performance.json", ROOT / "docs/growth.png"
MARKS = ("<!-- performance -->", "<!-- end of performance -->")


def _table() -> dict:
    return bench.run(bench.ROWS, PICTURES, peers=True)


def _stages() -> dict:
    with tempfile.TemporaryDirectory() as folder:
        found = {"demo": stages.profile_demo(Path(folder)), "training": stages.profile_training(8)}
    return {name: table.reset_index(names="stage").to_dict("records") for name, table in found.items()}


def _growth() -> dict:
    grown = growth.measure()
    growth.draw(grown, FIGURE)
    slopes = growth.slopes(grown).astype(object)
    return {"growth": slopes.where(slopes.notna(), None).to_dict("records")}


PICTURES = 5000  # of the evaluation rows
PARTS = {  # name -> what it adds to the record
    "table": _table,
    "keypoint-shift": lambda: {"keypoint_shift": shift.keypoint_shift()},
    "eight-bits": lambda: {"eight_bits": eight_bits.measure() if eight_bits.supported() else None},
    "stages": _stages,
    "training-types": lambda: {"training_types": training_types.measure()},
    "growth": _growth,
    "explorers": lambda: {"explorers": explorers.measure().to_dict("records")},
}


def days_in_words(days: dict[str, str]) -> str:
    """One day for all parts, or each part's."""
    if len(set(days.values())) == 1:
        return f"measured on {next(iter(days.values()))}"
    return "measured on: " + ", ".join(f"{part.replace('-', ' ')} {day}" for part, day in days.items())


def duration(value: float | None) -> str:
    """Three digits; seconds from ten on."""
    if value is None or pd.isna(value):
        return "-"
    if value >= 10_000:
        return f"{value / 1000:.1f} s"
    return f"{value:.0f} ms" if value >= 1000 else f"{value:.3g} ms"


def _mb(value: float | None) -> str:
    return "-" if value is None or pd.isna(value) else f"{value:.0f}"


def _reached(row: pd.Series) -> str:
    """Whether what is wanted is there, or could be."""
    beyond = row.reached == "no" and row["at the floor"] < row.target
    return f"no (at the floor: {row['at the floor']:.2f})" if beyond else row.reached


def speed_table(content: dict) -> str:
    """The rows beside the peers."""
    rows = []
    for what, row in bench.as_table(content["rows"]).iterrows():
        target = "" if pd.isna(row.target) else f"{row.target:g}"
        faster = "-" if pd.isna(row["times faster"]) else f"**{row['times faster']:.3g}**"
        floor = "-" if pd.isna(row.floor) else f"{duration(row.floor)} (x {row['times the floor']:.1f})"
        memory = f"{_mb(row['peer MB'])} / {_mb(row['wbkit MB'])}"
        cells = [
            what.strip(),
            duration(row.peer),
            duration(row.wbkit),
            faster,
            target,
            _reached(row),
            floor,
            memory,
        ]
        rows.append([f"… {cells[0]}" if what.startswith(" ") else cells[0], *cells[1:]])
    head = ["what (133 keypoints)", "peer", "wbkit", "times faster", "wanted", "reached", "floor", "MB, both"]
    return grid(head, rows)


def stage_table(content: dict) -> str:
    """Where the time of `wbkit demo` and of training goes."""
    rows = []
    for name, title in (("demo", "`wbkit demo`"), ("training", "8 updates of `tiny`")):
        total = sum(r["s"] for r in content[name])
        parts = [f"{r['stage']} {r['share']:.0%}" for r in content[name] if r["share"] >= 0.01]
        rows.append([title, f"{total:.1f} s", ", ".join(parts)])
    return grid(["what", "time", "where it goes"], rows)


def render(content: dict) -> str:
    """The block between the marks."""
    grown = ", ".join(f"{r['stage']} with {r['grows with']} {r['exponent']:.2f}" for r in content["growth"])
    steep = [f"{r['stage']} ({r['grows with']})" for r in content["growth"] if r["steeper than linear"]]
    held = [r for r in content["growth"] if r["exponent of MB"] is not None]
    memory = ", ".join(
        f"{r['stage']} with {r['grows with']} {r['exponent of MB']:.2f} ({r['MB']:.0f} MB)" for r in held
    )
    worst = f"Steeper than {growth.STEEP}: {', '.join(steep) or 'none'}."
    machine = f"{content['cores']} cores, {content['processor']}, torch {content['torch']}"
    return "\n\n".join(
        [
            f"{machine}; table: one run, {content['pictures']:,} pictures in the evaluation rows; "
            f"{days_in_words(content['days'])}.",
            speed_table(content),
            bench.remarks(bench.ROWS),
            shift.in_words(content["keypoint_shift"]) + ".",
            *([eight_bits.in_words(content["eight_bits"]) + "."] if content["eight_bits"] else []),
            training_types.in_words(content["training_types"]),
            stage_table(content),
            explorers.in_words(content["explorers"]) + ".",
            f"Exponents of growth (1 is linear) of time: {grown}. Of memory, with what the largest problem "
            f"takes: {memory}; the others take less than {growth.LITTLE_MB} MB. {worst}",
            "![Time and memory of each stage over its size, as shares of the largest](docs/growth.png)",
        ]
    )


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.record", description=__doc__, formatter_class=raw)
    parser.add_argument("--only", nargs="*", choices=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}")
    chosen = parser.parse_args().only
    chosen = list(PARTS) if chosen is None else chosen
    if "explorers" in chosen and (problem := explorers.lab.why_not()):
        raise SystemExit(problem)  # now, and not at the end
    if "table" in chosen and peer_env.ready() is None:
        others = " ".join(part for part in PARTS if part != "table")
        raise SystemExit(f"The table needs its peers; the other parts do not: --only {others}")
    content = json.loads(RECORD.read_text())
    for part in chosen:
        content |= PARTS[part]()
        content["days"][part] = date.today().isoformat()
        with atomic_write(RECORD) as temporary:
            temporary.write_text(json.dumps(content, indent=1))
    write_block(MARKS, render(content))


if __name__ == "__main__":
    main()
