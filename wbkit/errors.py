"""The one exception for input that cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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


_NO_MEMORY = ("can't allocate memory", "out of memory", "_STATUS_ALLOC_FAILED")  # CPU, CUDA, its libraries


@contextmanager
def memory_for(what: str, remedy: str) -> Iterator[None]:
    """Tell in an InputError that memory is out: a GPU's (a class of its own, or words) or the CPU's."""
    try:
        yield
    except RuntimeError as error:
        if type(error).__name__ == "OutOfMemoryError" or any(words in str(error) for words in _NO_MEMORY):
            raise InputError(f"memory is out with {what} at once", remedy) from error
        raise
