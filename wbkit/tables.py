"""Lists of JSON records -> NumPy columns, with errors that name the file, the record and the field."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wbkit.errors import InputError

PERSON_CATEGORY = 1
"""COCO's category id of people, the only one that COCO-WholeBody has."""


def _array(values: Any, dtype: type) -> np.ndarray:
    """`np.array`, but TypeError for text that reads like a number, which NumPy would take for one."""
    array = np.array(values)
    text = array.dtype.kind in "US" or (
        array.dtype.kind == "O" and any(isinstance(v, str) for v in array.flat)
    )
    if text and not issubclass(dtype, np.str_):
        raise TypeError
    if dtype is np.int64 and array.dtype.kind not in "bi":
        return np.array(values, dtype)  # an error for what int64 cannot hold
    return array.astype(dtype, copy=False)


class Table:
    """Records of one JSON list, turned into columns; a bad value is reported with its record and field.

    Args:
        records: the parsed list.
        file: where it comes from, for messages.
        kind: what a record is called there, such as "annotation".
        places: index of each record in the file, where some were left out.

    Every method raises InputError for the first record that does not fit.
    """

    def __init__(self, records: Sequence[dict], file: str, kind: str, places: Sequence[int] | None = None):
        if not isinstance(records, Sequence) or not all(isinstance(r, dict) for r in records):
            raise InputError(
                f'"{kind}s" is not a list of objects', "Fetch or write the file again", file=file
            )
        self.records, self.file, self.kind = records, file, kind
        self.places = range(len(records)) if places is None else places  # in the file

    def column(self, field: str, get: Callable[[dict], Any], dtype: type, shape: tuple = ()) -> np.ndarray:
        """`get` of every record as one array (N, *shape); the first record that does not fit is reported."""
        try:
            values = _array([get(r) for r in self.records], dtype).reshape(-1, *shape)
            if len(values) == len(self.records) or not self.records:
                return values
        except (KeyError, TypeError, ValueError, OverflowError):
            pass
        for index, record in enumerate(self.records):
            try:
                one = _array(get(record), dtype)
                problem = (
                    f"has {one.size} numbers, expected {math.prod(shape)}" if one.shape != shape else None
                )
            except KeyError:
                lacking = sum(field not in r for r in self.records)
                problem = "is missing" + (f" in {lacking} of {len(self.records)}" if lacking > 1 else "")
            except (TypeError, ValueError, OverflowError):
                values = record[field] if shape and isinstance(record[field], list) else [record[field]]
                wrong = next((v for v in values if not isinstance(v, (int, float))), values)
                problem = f"holds {wrong!r:.60}, which is not a number"
            if problem:
                raise self.error(index, field, problem)
        raise AssertionError("a column failed, but none of its records did")

    def numbers(self, field: str, length: int | None = None) -> np.ndarray:
        """A field that every record must have, finite: (N,) or (N, length) float64."""
        shape = () if length is None else (length,)
        values = self.column(field, lambda r: r[field], np.float64, shape)
        finite = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))  # (N,); also of no records
        self.reject(~finite, field, "is not finite (NaN, inf or null)")
        return values

    def integers(self, field: str) -> np.ndarray:
        """A whole number that every record must have: (N,) int64."""
        values = self.numbers(field)
        self.reject(values != np.round(values), field, "is not a whole number")
        return self.column(field, lambda r: int(r[field]), np.int64)

    def optional(
        self, field: str, default: Callable[[dict], Any], dtype: type, shape: tuple = ()
    ) -> np.ndarray:
        """A field that a record may leave out; what is given must be finite."""
        number = float if dtype in (bool, np.int64) else dtype  # cast later: null and 1.7 would pass
        values = self.column(field, lambda r: r[field] if field in r else default(r), number, shape)
        given = np.array([field in r for r in self.records], dtype=bool)
        finite = np.isfinite(values).reshape(len(given), math.prod(shape)).all(1)
        self.reject(given & ~finite, field, "is not finite (NaN, inf or null)")
        if dtype is np.int64:
            self.reject(values != np.round(values), field, "is not a whole number")
            return self.column(field, lambda r: int(r[field] if field in r else default(r)), dtype)
        return values.astype(dtype, copy=False)

    def unique_ids(self) -> np.ndarray:
        """The field "id", no value twice: (N,) int64."""
        ids = self.integers("id")
        first = np.zeros(len(ids), bool)
        first[np.unique(ids, return_index=True)[1]] = True
        self.reject(~first, "id", "is used twice")
        return ids

    def require_person_category(self) -> None:
        """Every record's category must be COCO's person."""
        category = self.integers("category_id")
        self.reject(category != PERSON_CATEGORY, "category_id", f"is not {PERSON_CATEGORY}, the person")

    def reject(self, bad: np.ndarray, field: str, problem: str) -> None:
        """Raise for the first bad record; the message shows a short value, and counts the others."""
        if bad.any():
            index, others = int(np.argmax(bad)), int(bad.sum()) - 1
            value = str(self.records[index].get(field, ""))
            shown = f"{value} " if 0 < len(value) <= 60 and value != "None" else ""
            raise self.error(index, field, shown + problem + (f"; {others} more like it" if others else ""))

    def error(self, index: int, field: str, problem: str) -> InputError:
        """The error to raise for one record."""
        record = self.records[index]
        name = f"{self.kind} {self.places[index]}" + (f" (id {record['id']})" if "id" in record else "")
        remedy = "Correct or remove this record"
        if all(field not in r for r in self.records):
            remedy = f"Write it into every {self.kind}"
        if field.endswith("_kpts") and field not in record:
            remedy = (
                "Other records of this file have it: write zeros for a part that is not labelled or not "
                "predicted"
            )
        return InputError(problem, remedy, file=self.file, record=name, field=field)
