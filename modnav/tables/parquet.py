"""Read and write the tables of a session as Parquet files.

A folder holds ``trials.parquet``, ``steps.parquet`` and, where units were recorded,
``units.parquet``. The metadata of each column has its ``unit`` and ``meaning``, that of the file,
under ``modnav``, what else is known of the session, as JSON.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # likewise
from typing_extensions import Self

from modnav.files import drop_leftovers, one_line, replacing

from .conform import Recording, check, conform
from .schema import SCHEMA, VERSION, unit_column
from .units import tell_units

__all__ = ["TableWriter", "claim", "read_table", "read_tables", "write_tables"]


class TableWriter:
    """Write a table in parts; the file appears when all of it is on disk.

    Use it as a context: after an error the file is as it was before.

    Args:
        path: Parquet file.
        table: ``trials``, ``steps`` or ``units``.
        notes: What else the file should tell, e.g. the checkpoint; anything JSON can hold.
    """

    def __init__(self, path: Path, table: str, notes: Mapping[str, Any] | None = None) -> None:
        self.path = path
        self.table = table
        self._notes = json.dumps({"schema": VERSION, "table": table, **(notes or {})})
        self._open_files = ExitStack()
        self._schema: Any = None
        self._writer: Any = None

    def write(self, frame: pd.DataFrame) -> None:
        """Append rows that :func:`modnav.tables.conform` returned, as one row group.

        Raises:
            ValueError: If they have other columns than earlier ones.
        """
        if self._writer is None:
            self._open(list(frame.columns))
        if list(frame.columns) != self._schema.names:
            raise ValueError(f"{self.table} has other columns than its earlier rows")
        rows = pa.Table.from_pandas(frame, schema=self._schema, preserve_index=False)
        self._writer.write_table(rows)

    def _open(self, names: list[str]) -> None:
        self._schema = _arrow_schema(names, self.table, self._notes)
        floats = [f.name for f in self._schema if pa.types.is_floating(f.type)]
        part = self._open_files.enter_context(replacing(self.path))
        writer = pq.ParquetWriter(
            part,
            self._schema,
            compression="zstd",
            # bytes of like rank lie together, which packs floats better
            use_byte_stream_split=floats,
            use_dictionary=[name for name in names if name not in set(floats)],
            write_statistics=False,
            write_page_checksum=True,
        )
        self._writer = self._open_files.enter_context(writer)

    def __enter__(self) -> Self:
        """Nothing is made before there are rows."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Move the file to its place, or drop it after an error."""
        self._open_files.__exit__(kind, error, trace)


def _arrow_schema(names: Sequence[str], table: str, notes: str) -> Any:
    known = {c.name: c for c in SCHEMA[table]}
    columns = [known.get(n) or unit_column(n) for n in names]
    fields = [
        pa.field(
            c.name, pa.type_for_alias(c.dtype), metadata={"unit": c.unit, "meaning": c.meaning}
        )
        for c in columns
    ]
    return pa.schema(fields, metadata={"modnav": notes})


def write_tables(
    folder: str | os.PathLike[str],
    recordings: Recording | Iterable[Recording],
    *,
    notes: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write the tables of a session into a folder.

    Args:
        folder: Where to; it is made if need be.
        recordings: The tables, or parts of them in order: each is on disk before the next is
            asked for, so that a session needs not fit into memory.
        notes: What else the files should tell; anything JSON can hold.
        overwrite: Whether to replace tables that are there.

    Returns:
        The files.

    Raises:
        ValueError: If the folder holds tables and may not be overwritten, or a table does not fit
            the schema; the files are then as they were.
    """
    place = Path(folder)
    claim(place, overwrite=overwrite)
    for table in SCHEMA:
        drop_leftovers(place / f"{table}.parquet")
    parts = [recordings] if isinstance(recordings, Recording) else recordings
    writers: dict[str, TableWriter] = {}
    with ExitStack() as stack:
        for part in parts:
            whole = {
                table: conform(frame, table)
                for table, frame in zip(SCHEMA, part, strict=True)
                if frame is not None
            }
            check(Recording(**whole))
            for table, frame in whole.items():
                if table not in writers:
                    path = place / f"{table}.parquet"
                    writers[table] = stack.enter_context(TableWriter(path, table, notes))
                writers[table].write(frame)
    if "units" not in writers:  # those of an earlier session would not fit the others
        (place / "units.parquet").unlink(missing_ok=True)
    return [writer.path for writer in writers.values()]


def claim(folder: Path, *, overwrite: bool) -> None:
    """Make sure that tables may be written into a folder.

    Raises:
        ValueError: If it is no folder, or holds tables and ``overwrite`` is false.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; a folder is expected")
    there = [t for t in SCHEMA if (folder / f"{t}.parquet").exists()]
    if there and not overwrite:
        raise ValueError(
            f"{folder} holds {', '.join(f'{t}.parquet' for t in there)} already; "
            "choose another folder, or replace them with --overwrite (overwrite=True)"
        )


def read_table(
    path: str | os.PathLike[str], table: str, layers: Sequence[str] | None = None
) -> pd.DataFrame:
    """Read a table.

    Args:
        path: Parquet file.
        table: ``trials``, ``steps`` or ``units``.
        layers: Layers to read of ``units``, e.g. ``["actor.belief"]``; all by default.

    Returns:
        The table.

    Raises:
        ValueError: If it cannot be read or is not such a table, a column is in another unit of
            measure, or a layer is not in it.
    """
    if not Path(path).is_file():
        raise ValueError(f"{path} is not a file; a table of {table} is expected")
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            _check_units(file.schema_arrow, table, path)
            columns = None if layers is None else _columns(file.schema_arrow.names, layers, path)
            # one block for each column, freed as it is taken over: half the memory
            rows = file.read(columns)
            frame = rows.to_pandas(split_blocks=True, self_destruct=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a readable Parquet file: {_line(error)}") from error
    try:
        return conform(frame, table)
    except ValueError as error:
        raise ValueError(f"{path} is not a table of modnav: {_line(error)}") from error


def _line(error: Exception) -> str:
    return one_line(" ".join(str(error).split()))


def _check_units(schema: Any, table: str, path: str | os.PathLike[str]) -> None:
    known = {c.name: c.unit for c in SCHEMA[table]}
    for field in schema:
        unit = (field.metadata or {}).get(b"unit")
        needed = known.get(field.name)
        if unit is not None and needed is not None and unit.decode() != needed:
            raise ValueError(
                f"{path}: {table}.{field.name} is in {unit.decode()!r}; it must be {needed!r}"
            )


def _columns(names: list[str], layers: Sequence[str], path: str | os.PathLike[str]) -> list[str]:
    held = dict.fromkeys(name.rpartition(".")[0] for name in names if "." in name)
    for layer in layers:
        if layer not in held:
            raise ValueError(f"{path} has no layer {layer!r}; it has {', '.join(held) or 'none'}")
    return [n for n in names if n in ("trial", "step") or n.rpartition(".")[0] in layers]


def read_tables(
    folder: str | os.PathLike[str],
    *,
    units: bool = True,
    layers: Sequence[str] | None = None,
    doubts: bool = True,
) -> Recording:
    """Read the tables of a session.

    Args:
        folder: Where they are.
        units: Whether to read ``units``, which is large, where there is one.
        layers: Layers to read of it; all by default.
        doubts: Whether to warn (:class:`modnav.errors.UnitWarning`) of columns that seem to be in
            another unit of measure; not needed for what modnav simulated.

    Returns:
        The tables.

    Raises:
        ValueError: As :func:`read_table`, and if they do not belong together.
    """
    place = Path(folder)
    trials, steps = (read_table(place / f"{t}.parquet", t) for t in ("trials", "steps"))
    activity = None
    if units and (place / "units.parquet").exists():
        activity = read_table(place / "units.parquet", "units", layers)
    recording = Recording(trials, steps, activity)
    check(recording)
    if doubts:
        tell_units(str(place), trials, steps)
    return recording
