"""Ratings as files: CSV, JSONL or Parquet, with a data dictionary and checksums, and back again.

Raters get names that are made for one export alone. A cell that a spreadsheet would run as a
formula is guarded by an apostrophe, which reading the file takes off again.
"""

import csv
import hashlib
import hmac
import io
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rolecraft.errors import ResultsError
from rolecraft.store.rating_rows import BY_NAME, COLUMNS, Table

FORMAT = "rolecraft.ratings/1"
SUFFIXES = (".csv", ".jsonl", ".parquet")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
_CONSENT = "publish"
VERSIONS = ("form", "seq", "kind")  # which tell the version of a rating that counts


def write(table: Table, out: Path, *, published: bool = False, board: Mapping[str, Any]) -> Path:
    """Write the rows and, beside them, dictionary and manifest; the path of the manifest.

    `published` leaves out raters who do not agree to publishing. `board` is what `replay` must get.
    Raises `ResultsError` for another suffix or a folder that cannot be written.
    """
    if out.suffix not in SUFFIXES:
        raise ResultsError(
            f"{out.name} ends in {out.suffix!r}. An export ends in {', '.join(SUFFIXES)}."
        )
    rekeyed = rekey(only_published(table) if published else table)
    body = _BYTES[out.suffix](rekeyed)
    dictionary = _dictionary().encode()
    files = {out.name: body, f"{out.stem}.dictionary.json": dictionary}
    manifest = {
        "format": FORMAT,
        "rows": len(next(iter(rekeyed.values()), [])),
        "published_only": published,
        "board": dict(board),
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    files[f"{out.stem}.manifest.json"] = _pretty(manifest).encode()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (out.parent / name).write_bytes(data)
    except OSError as error:
        raise ResultsError(
            f"{out} cannot be written: {error.strerror}. Name a folder with free space that you "
            "may write."
        ) from error
    return out.parent / f"{out.stem}.manifest.json"


def read(path: Path) -> tuple[Table, dict[str, Any]]:
    """The rows and the manifest of an export.

    Raises `ResultsError` when a file is missing, is none of ours, or is not what was written.
    """
    manifest_path = path.parent / f"{path.stem}.manifest.json"
    try:
        data = path.read_bytes()
        manifest: dict[str, Any] = json.loads(manifest_path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ResultsError(
            f"{path} cannot be read with its manifest {manifest_path.name}: {error}. Keep the "
            "files of an export together."
        ) from error
    if manifest.get("format") != FORMAT or path.suffix not in SUFFIXES:
        raise ResultsError(f"{path} is no export of ratings in the format {FORMAT}.")
    if hashlib.sha256(data).hexdigest() != manifest["sha256"].get(path.name):
        raise ResultsError(
            f"{path} is not what was exported: its checksum differs from its manifest's. Export "
            "again, or take the untouched copy."
        )
    return _TABLES[path.suffix](data), manifest


def only_published(table: Table) -> Table:
    """The rows of raters who agree to publishing."""
    keep = [_CONSENT in consents.split(",") for consents in table["consents"]]
    return {
        name: [value for value, kept in zip(values, keep, strict=True) if kept]
        for name, values in table.items()
    }


def until(table: Table, number: int) -> Table:
    """The ratings up to this number as they counted then, without what was withdrawn since.

    Needs the columns of `VERSIONS`.
    """
    if max(table["number"], default=0) <= number:
        return table
    rows = list(zip(*(table[name] for name in ("number", *VERSIONS)), strict=True))
    gone = {form for _, form, _, kind in rows if kind == "withdraw"}
    newest: dict[str, int] = {}
    for at, form, seq, kind in rows:
        if at <= number and kind in ("submit", "revise") and form not in gone:
            newest[form] = max(seq, newest.get(form, 0))
    counts = [int(newest.get(form) == seq) for _, form, seq, _ in rows]
    early = [at <= number for at, *_ in rows]
    return {
        name: [value for value, kept in zip(values, early, strict=True) if kept]
        for name, values in {**table, "current": counts}.items()
    }


def rekey(table: Table, key: bytes | None = None) -> Table:
    """The same rows with raters under names that no other export has."""
    key = key or secrets.token_bytes(32)
    names: dict[str, str] = {}
    for rater in table["rater"]:
        if rater not in names:
            names[rater] = "r" + hmac.new(key, rater.encode(), hashlib.sha256).hexdigest()[:12]
    return {**table, "rater": [names[rater] for rater in table["rater"]]}


def guarded(text: str) -> str:
    """A cell that no spreadsheet runs."""
    return "'" + text if text.startswith(_FORMULA) else text


def _unguarded(text: str) -> str:
    return text[1:] if text.startswith("'") else text


def _csv_bytes(table: Table) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(table)
    texts = [BY_NAME[name].type == "text" for name in table]
    for row in zip(*table.values(), strict=True):
        writer.writerow(
            [
                guarded(value) if text else _number(value)
                for value, text in zip(row, texts, strict=True)
            ]
        )
    # the mark tells spreadsheets that it is UTF-8
    return stream.getvalue().encode("utf-8-sig")


def _csv_table(data: bytes) -> Table:
    reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    names = next(reader)
    columns = list(zip(*reader, strict=True)) or [() for _ in names]
    return {
        name: [_parsed(name, cell) for cell in column]
        for name, column in zip(names, columns, strict=True)
    }


def _parsed(name: str, cell: str) -> Any:
    kind = BY_NAME[name].type
    if kind == "text":
        return _unguarded(cell)
    if cell == "":
        return None
    return int(cell) if kind == "int" else float(cell)


def _number(value: Any) -> str:
    return "" if value is None else repr(value)


def _jsonl_bytes(table: Table) -> bytes:
    rows = zip(*table.values(), strict=True)
    lines = (json.dumps(dict(zip(table, row, strict=True)), ensure_ascii=False) for row in rows)
    return "".join(line + "\n" for line in lines).encode()


def _jsonl_table(data: bytes) -> Table:
    rows = [json.loads(line) for line in data.decode().split("\n") if line]
    names = list(rows[0]) if rows else [column.name for column in COLUMNS]
    return {name: [row[name] for row in rows] for name in names}


def _parquet_bytes(table: Table) -> bytes:
    import pyarrow
    from pyarrow import parquet

    kinds = {"text": pyarrow.string(), "int": pyarrow.int64(), "real": pyarrow.float64()}
    schema = pyarrow.schema([(name, kinds[BY_NAME[name].type]) for name in table])
    sink = io.BytesIO()
    parquet.write_table(pyarrow.table(dict(table), schema=schema), sink)
    return sink.getvalue()


def _parquet_table(data: bytes) -> Table:
    from pyarrow import parquet

    found: Table = parquet.read_table(io.BytesIO(data)).to_pydict()
    return found


_BYTES = {".csv": _csv_bytes, ".jsonl": _jsonl_bytes, ".parquet": _parquet_bytes}
_TABLES = {".csv": _csv_table, ".jsonl": _jsonl_table, ".parquet": _parquet_table}


def _dictionary() -> str:
    return _pretty(
        {
            "format": FORMAT,
            "unit": "one row for each rating, reply and criterion",
            "columns": [
                {"name": one.name, "type": one.type, "about": one.about} for one in COLUMNS
            ],
        }
    )


def _pretty(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
