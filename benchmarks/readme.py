"""Parts of README.md that are written from records: tables, and what stands between two marks."""

from __future__ import annotations

from pathlib import Path

from wbkit.files import atomic_write

README = Path(__file__).resolve().parent.parent / "README.md"


def grid(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows])


def block(marks: tuple[str, str]) -> str:
    """What stands between the marks, without the empty lines around it."""
    return README.read_text().split(marks[0])[1].split(marks[1])[0].strip()


def write_block(marks: tuple[str, str], text: str) -> None:
    """Replace what stands between the marks."""
    before, rest = README.read_text().split(marks[0])
    with atomic_write(README) as temporary:
        temporary.write_text(f"{before}{marks[0]}\n{text}\n{marks[1]}{rest.split(marks[1])[1]}")
