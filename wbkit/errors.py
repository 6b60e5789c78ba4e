"""The one exception for input that cannot be used."""

from __future__ import annotations

from functools import partial
from pathlib import Path


class InputError(ValueError):
    """Something handed in cannot be used; the message says where, what is wrong and what to do.

    Args:
        problem: what is wrong, with the offending value.
        remedy: what the user can do about it, a whole sentence.
        file: the file it was found in, if any.
        record: which record of the file (for example ``"annotation 12 (id 345)"``).
        field: the field of that record.

    All five stay readable as attributes; `str()` joins them into one line.
    """

    def __init__(
        self,
        problem: str,
        remedy: str = "",
        *,
        file: str | Path | None = None,
        record: str | None = None,
        field: str | None = None,
    ):
        self.problem, self.remedy = problem, remedy
        self.file, self.record, self.field = (None if file is None else str(file)), record, field
        place = [self.file, record, None if field is None else f'field "{field}"']
        where = ", ".join(p for p in place if p)
        told = f"{problem}. {remedy}" if remedy else problem
        super().__init__(f"{where}: {told}" if where else told)

    def __reduce__(self):
        """Pickling, so that a worker process can hand it over."""
        make = partial(InputError, file=self.file, record=self.record, field=self.field)
        return make, (self.problem, self.remedy)


def memory_is_out(error: RuntimeError) -> bool:
    """Whether torch ran out of a device's memory (a class of its own) or of the CPU's (words only)."""
    return type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
