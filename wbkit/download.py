"""Fetch a file once: resumed after an interruption, verified by its hash, kept in a cache folder.

OpenMMLab, torchvision and the HRNet authors end a checkpoint's name with the first hex digits of its
SHA-256 (`...-469327ef_20200922.pth`, `...-36af842e.pth`), the convention of `torch.hub`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pooch
import requests
from tqdm.auto import tqdm

from wbkit.errors import InputError
from wbkit.files import cache_folder, one_process

ATTEMPTS = 4  # how often one call takes up a transfer that broke off
TIMEOUT = (10, 60)  # seconds to connect, seconds without a byte
CHUNK = 1 << 16  # what a break can lose at most
ALGORITHMS = ("sha256", "sha512", "sha1", "md5")
BY_HAND = "download it with a browser and give the path of the file"


class _BrokenOff(Exception):
    """The transfer stopped early; what arrived is kept."""


def is_url(text: object) -> bool:
    """Whether `text` is an http(s) address (a `Path` never is)."""
    return isinstance(text, str) and text.lower().startswith(("http://", "https://"))


def hash_in_name(name: str) -> str | None:
    """The hex digits (8 to 64) that end a file name by `torch.hub`'s convention, or None.

    `a-469327ef_20200922.pth` and `a-469327ef.pth` give `"469327ef"`; digits alone are taken for a date or a
    step number (`a-20200922.pth`, `step-00010000.pth`) and give None.
    """
    match = re.search(r"-([0-9a-f]{8,64})(?:_\d{8})?(?:\.\w+)+$", name)
    return None if match is None or match[1].isdecimal() else match[1]


def verify_file(path: str | Path, known_hash: str | None = None) -> str | None:
    """Compare a file with `known_hash`, or else with the hash in its name.

    Args:
        path: the file.
        known_hash: `"algorithm:hex"` (sha256, sha512, sha1, md5) or SHA-256's hex alone; a beginning will do.

    Returns:
        What was verified, such as `"sha256:469327ef"`; None if there is nothing to compare with.

    Raises:
        InputError: the file has another hash (the message gives both), or `known_hash` is not a hash.
    """
    expected = _expected_hash(Path(path).name, known_hash)
    found = None if expected is None else _file_hash(path, expected)
    if found is not None and not found.startswith(expected):
        raise InputError(
            f"has another hash than it should: expected {expected}, found {found[: max(len(expected), 15)]}",
            "Download it again; if you changed it on purpose, rename it without the -hash at the end",
            file=path,
        )
    return expected


def fetch(
    url: str, folder: str | Path | None = None, *, known_hash: str | None = None, progress: bool = True
) -> Path:
    """Download `url` unless a good copy lies in `folder`; go on where an interrupted download stopped.

    What has arrived lies in `folder` as `.NAME.part` until it is complete and verified. A cached file is
    verified on every call and fetched again if damaged. Several processes may ask for the same file: one
    fetches, the others wait.

    Args:
        url: http or https address.
        folder: where to keep the file; by default `wbkit.files.cache_folder("checkpoints")`, where a file
            without any known hash gets a name that is unique to its address.
        known_hash: as in `verify_file`; by default the hash in the address's file name. Without either,
            only the length is checked.
        progress: show a progress bar.

    Returns:
        The path of the complete, verified file.

    Raises:
        InputError: no network, an HTTP error, a transfer that keeps breaking off, a wrong hash (the file is
            removed), a full disk or an unwritable folder. The message gives the address and a remedy.
    """
    name = _file_name(url)
    expected = _expected_hash(name, known_hash)
    if folder is None and expected is None:
        name = pooch.utils.unique_file_name(url)
    path = (cache_folder("checkpoints") if folder is None else Path(folder)) / name
    try:
        if _is_good(path, expected):
            return path
        with one_process(path.with_name(f".{name}.lock")):
            if not _is_good(path, expected):  # another process may have fetched it
                _download(url, path, expected, progress)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        problem = "the disk is full" if full else f"cannot be written ({error.strerror or error})"
        remedy = (
            "Free some space there, or set WBKIT_CACHE to a folder elsewhere; a later call goes on from here"
        )
        raise InputError(f"{problem}: {path.parent}", remedy, file=url) from error
    return path


def _file_name(url: str) -> str:
    """The last part of the address, safe as a file name."""
    if not is_url(url):
        raise InputError("is not an http(s) address", "Give a full address, or the path of a file", file=url)
    name = unquote(urlsplit(url).path).rsplit("/", 1)[-1]
    if name in ("", ".", "..") or re.search(r"[\\\0:]", name):
        raise InputError("does not end in a file name", "Give the address of the file itself", file=url)
    return name


def _expected_hash(name: str, known_hash: str | None) -> str | None:
    """`"algorithm:hex"` in lower case, from the argument or else from the name."""
    if known_hash is None:
        digits = hash_in_name(name)
        return None if digits is None else f"sha256:{digits}"
    algorithm, _, digits = known_hash.lower().rpartition(":")
    algorithm = algorithm or "sha256"
    if algorithm not in ALGORITHMS or not re.fullmatch(r"[0-9a-f]{8,128}", digits):
        form = f'Write it as "sha256:<hex>"; known algorithms: {", ".join(ALGORITHMS)}'
        raise InputError(f'known_hash "{known_hash}" is not a hash', form, file=name)
    return f"{algorithm}:{digits}"


def _file_hash(path: str | Path, like: str) -> str:
    """`"algorithm:hex"` of a file, with the algorithm of `like`."""
    algorithm = like.partition(":")[0]
    with Path(path).open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def _is_good(path: Path, expected: str | None) -> bool:
    """Whether the file is there, with the expected hash if one is known."""
    return path.is_file() and (expected is None or _file_hash(path, expected).startswith(expected))


def _download(url: str, path: Path, expected: str | None, progress: bool) -> None:
    """Complete the part that is there, verify it, move it to `path`."""
    part = path.with_name(f".{path.name}.part")
    resumed = part.exists()
    if resumed and expected is None and not _tag_file(part).exists():
        part.unlink()  # nothing could tell whether the rest belongs to the same file
    _transfer_stubbornly(url, part, progress)
    found = None if expected is None else _file_hash(part, expected)
    _tag_file(part).unlink(missing_ok=True)
    if found is None or found.startswith(expected):
        os.replace(part, path)
        return
    part.unlink()
    if resumed:  # its beginning may have been another version of the file: once more, from zero
        return _download(url, path, expected, progress)
    raise InputError(
        f"the downloaded file has the wrong hash and was removed: expected {expected}, found {found}",
        f"Try again; if it stays so, the file there has changed or a proxy answers in its place: {BY_HAND}",
        file=url,
    )


def _transfer_stubbornly(url: str, part: Path, progress: bool) -> None:
    """Take the transfer up again a few times when it breaks off."""
    for attempt in range(ATTEMPTS):
        try:
            return _transfer(url, part, progress)
        except _BrokenOff as error:
            reason = error
            time.sleep(0.2 * 2**attempt if attempt < ATTEMPTS - 1 else 0)
    raise InputError(
        f"the download broke off {ATTEMPTS} times ({reason})",
        "Call again: it goes on from what has arrived",
        file=url,
    )


def _transfer(url: str, part: Path, progress: bool) -> None:
    """One request: append to `part` what it lacks, or start over where the server does not resume."""
    done = part.stat().st_size if part.exists() else 0
    with _request(url, done, _tag_file(part)) as response:
        first, total = _content_range(response)
        if response.status_code == 416 and total == done:
            return  # it was complete already
        if response.status_code == 416 or first not in (0, done):
            part.unlink(missing_ok=True)
            raise _BrokenOff("the server has another length than before")
        tag, version = _tag_file(part), _version(response)
        if first and tag.exists() and version not in ("", tag.read_text()):  # a server that ignores If-Range
            part.unlink()
            raise _BrokenOff("the file on the server has changed")
        if first == 0:
            tag.write_text(version) if version else tag.unlink(missing_ok=True)
        _append(response, part, first, total, progress)


def _request(url: str, done: int, tag: Path) -> requests.Response:
    """Ask for the bytes from `done` on, or all if the file is no longer that of `tag` (RFC 9110, 13.1.5)."""
    headers = {"Accept-Encoding": "identity"}
    if done:
        headers |= {"Range": f"bytes={done}-"} | ({"If-Range": tag.read_text()} if tag.exists() else {})
    try:
        response = requests.get(url, headers=headers, stream=True, timeout=TIMEOUT)
    except requests.RequestException as error:
        why = f"cannot be reached ({type(error).__name__})"
        remedy = f"Check the address and the network (a proxy is set by HTTPS_PROXY), or {BY_HAND}"
        raise InputError(why, remedy, file=url) from error
    if response.status_code in (200, 206, 416):
        return response
    response.close()
    answer = f"the server answers {response.status_code} {response.reason}"
    raise InputError(answer, f"Check the address; try later, or {BY_HAND}", file=url)


def _content_range(response: requests.Response) -> tuple[int, int | None]:
    """First byte of this answer, and the length of the whole file where the server says it."""
    stated = re.fullmatch(
        r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", "").strip()
    )
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else None
    if stated is None:
        return -1, None
    return int(stated[1] or 0), None if stated[2] == "*" else int(stated[2])


def _append(response: requests.Response, part: Path, first: int, total: int | None, progress: bool) -> None:
    """Write the body to `part` from byte `first` on."""
    name = part.name.removeprefix(".").removesuffix(".part")
    bar = tqdm(
        total=total,
        initial=first,
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        desc=name,
        disable=not progress,
    )
    with bar, part.open("ab" if first else "wb") as file:
        try:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
        except requests.RequestException as error:
            raise _BrokenOff(f"{type(error).__name__} after {file.tell()} of {total or '?'} bytes") from error
        if total is not None and file.tell() < total:
            raise _BrokenOff(f"closed after {file.tell()} of {total} bytes")


def _tag_file(part: Path) -> Path:
    """Where the version of the half-fetched file is noted."""
    return part.with_suffix(".tag")


def _version(response: requests.Response) -> str:
    """The server's strong ETag or else date of the file, as If-Range wants it; "" without either."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")
