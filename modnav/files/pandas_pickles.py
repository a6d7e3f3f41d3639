"""Tables pickled by pandas: their columns are read, nothing in the file is run.

Neither pandas nor numpy is asked to make anything of the file. Stand-ins record what it says about
a ``DataFrame`` (see :mod:`modnav.files.stand_ins`), and the columns that are wanted are put together from
its blocks. Classes and functions are admitted by their exact module and name; a file that wants
another is refused by that name.

Two layouts are known. Until 1.2 pandas gave the manager of a table a state with blocks as
dictionaries under ``"0.14.1"``; since 1.3 it gives a tuple of calls of ``_unpickle_block``. Either
may be of any pickle protocol. Tried were files of pandas 3.1 and, by hand, 1.5.3, and imitations of
those of 1.2, which pandas 1.5.3 reads too; no file that pandas 1.2 itself wrote was at hand.
Compressed files were not, nor categories as pandas 1.2 keeps them. Texts and categories are read; the index of rows, and columns of dates and
of numbers that may be missing, are passed over; a file with other types is refused by the name of
their class.
"""

import os
import re
from collections.abc import Collection
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .names import one_line
from .stand_ins import StandIn, StandInUnpickler

__all__ = ["Columns", "read_columns"]

_PASSED_OVER = {
    "pandas pandas.core.indexes.multi": "MultiIndex",
    "pandas pandas.core.indexes.category": "CategoricalIndex",
    "pandas pandas.core.indexes.datetimes": "DatetimeIndex _new_DatetimeIndex",
    "pandas pandas.core.arrays.categorical": "Categorical",
    "pandas pandas.core.dtypes.dtypes": "CategoricalDtype DatetimeTZDtype",
    "pandas.arrays pandas.core.arrays.datetimes": "DatetimeArray",
    "pandas.arrays pandas.core.arrays.timedeltas": "TimedeltaArray",
    "pandas.arrays pandas.core.arrays.integer": "IntegerArray",
    "pandas.arrays pandas.core.arrays.floating": "FloatingArray",
    "pandas.arrays pandas.core.arrays.boolean": "BooleanArray",
    "pandas pandas.core.arrays.integer": "Int64Dtype",
    "pandas pandas.core.arrays.floating": "Float64Dtype",
    "pandas pandas.core.arrays.boolean": "BooleanDtype",
    "pandas._libs.tslibs.offsets": "Day",
    "pandas pandas._libs.tslibs.timestamps": "Timestamp _unpickle_timestamp",
    "datetime": "date datetime timedelta timezone",
}
"""Indexes of rows and columns of other types, of which nothing is used: modules and names."""

_NAMES: dict[str, tuple[tuple[str, str], ...]] = {
    "frame": (("pandas.core.frame", "DataFrame"), ("pandas", "DataFrame")),
    "manager": (("pandas.core.internals.managers", "BlockManager"),),
    "block": (("pandas._libs.internals", "_unpickle_block"),),
    "index": (("pandas.core.indexes.base", "_new_Index"),),
    "slice": (("builtins", "slice"), ("__builtin__", "slice")),
    "array": (
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
    ),
    "buffer": (("numpy.core.numeric", "_frombuffer"), ("numpy._core.numeric", "_frombuffer")),
    "dtype": (("numpy", "dtype"),),
    "scalar": (("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar")),
    "bytes": (
        ("_codecs", "encode"),
        ("builtins", "bytes"),
        ("builtins", "bytearray"),
        ("__builtin__", "bytes"),
        ("__builtin__", "bytearray"),
        ("pyarrow.lib", "py_buffer"),
    ),
    "texts": (
        ("pandas.arrays", "ArrowStringArray"),
        ("pandas.core.arrays.string_arrow", "ArrowStringArray"),
        ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"),
    ),
    "arrow": (("pyarrow.lib", "_restore_array"),),
    "arrow type": (("pyarrow.lib", "type_for_alias"),),
    "mentioned": (
        ("numpy", "ndarray"),
        ("pandas", "Index"),
        ("pandas.core.indexes.base", "Index"),
        ("pandas", "RangeIndex"),
        ("pandas.core.indexes.range", "RangeIndex"),
        ("pandas.core.indexes.numeric", "Int64Index"),
        ("pandas.core.indexes.numeric", "Float64Index"),
        ("pandas", "StringDtype"),
        ("pandas.core.arrays.string_", "StringDtype"),
        ("pandas.arrays", "StringArray"),
        ("pandas.core.arrays.string_", "StringArray"),
    ),
    "passed over": tuple(
        (module, name)
        for modules, names in _PASSED_OVER.items()
        for module in modules.split()
        for name in names.split()
    ),
}


class _Named(StandIn):
    """A stand-in that knows which of :data:`_NAMES` it is."""

    __slots__ = ()
    kind: ClassVar[str]


def _stand_in(pair: tuple[str, str], what: str) -> type[StandIn]:
    class Admitted(_Named):
        __slots__ = ()
        named = ".".join(pair)
        kind = what

    return Admitted


_ADMITTED = {pair: _stand_in(pair, kind) for kind, pairs in _NAMES.items() for pair in pairs}


class Columns(NamedTuple):
    """Columns of a table.

    Attributes:
        found: For each column that was wanted an array ``(rows,)``, of numbers or of objects:
            arrays, lists of these, numbers, text, and None where there is none.
        others: Names of the columns that were not, or are of a type that is passed over.
    """

    found: dict[str, Any]
    others: list[str]


def read_columns(path: str | os.PathLike[str], wanted: Collection[str]) -> Columns:
    """Read columns of a table that pandas pickled, uncompressed.

    Args:
        path: The file.
        wanted: Names of the columns; those that the table lacks are left out.

    Raises:
        ValueError: If there is no such file, it is damaged or no table, or it asks for anything
            that is not admitted; the message is one line.
    """
    try:
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            unpickler = StandInUnpickler(file, size, _ADMITTED)
            try:
                return _columns(unpickler.load(), wanted)
            except Exception as error:  # damaged files and odd ones raise many kinds
                reason = f"is damaged or of another kind: {error or type(error).__name__}"
                if unpickler.refused is not None:
                    reason = f"is refused: it asks for {unpickler.refused}, which no table needs"
                raise ValueError(f"{path} {one_line(reason)}") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from error


def _kind(value: Any) -> str:
    return value.kind if isinstance(value, _Named) else type(value).__name__


def _columns(frame: Any, wanted: Collection[str]) -> Columns:
    if _kind(frame) != "frame":
        raise ValueError(f"it holds no table, but a {getattr(frame, 'named', _kind(frame))}")
    manager = frame.state["_mgr"]
    if manager.state is not None:  # until pandas 1.2
        state = manager.state[3]["0.14.1"]
        axes, blocks = state["axes"], [(b["mgr_locs"], b["values"]) for b in state["blocks"]]
    else:
        parts, axes = manager.args
        blocks = [(block.args[1], block.args[0]) for block in parts]
    names = [_name(label) for label in _labels(axes[0])]
    found, seen = {}, list[int]()
    for placement, values in blocks:
        places = _places(placement, len(names))
        seen += places
        rows = [(row, names[k]) for row, k in enumerate(places) if names[k] in wanted]
        if rows:
            block = _block(values)
            if block is None:
                continue
            for row, name in rows:
                if block.ndim != 2 or len(block) != len(places):
                    raise ValueError(f"column {name} is not a plain array")
                try:
                    found[name] = _cells(block[row])
                except ValueError as error:
                    raise ValueError(f"column {name}: {error}") from error
    used = [name for name in names if name in wanted]
    if sorted(seen) != list(range(len(names))) or len(set(used)) < len(used):
        raise ValueError("its columns and their names do not match one to one")
    return Columns(found, [name for name in names if name not in found])


def _name(label: Any) -> str:
    if label is not None and not isinstance(label, (str, int, float)):
        raise ValueError(f"a column is named by a {type(label).__name__}")
    return str(label)


def _places(placement: Any, columns: int) -> list[int]:
    if _kind(placement) == "slice":
        return list(range(columns)[slice(*placement.args)])
    return [range(columns)[k] for k in _array(placement).tolist()]


def _labels(index: Any) -> list[Any]:
    """Return the names of the columns, kept as objects, or as text since pandas 3."""
    if _kind(index) != "index":
        raise ValueError("the names of its columns are not a plain index")
    data = index.args[1]["data"]
    return list((_texts(data) if _kind(data) == "texts" else _array(data)).tolist())


def _texts(data: Any) -> Any:
    """Return texts as objects; None for one that is missing, where that is known."""
    if not isinstance(data.state, dict):
        return _array(data.state[1])
    kind, length, _, start, (known, offsets, text), *_ = data.state["_pa_array"].args[0]
    wide = {"large_string": "<i8", "string": "<i4"}[kind.args[0]]
    ends = np.frombuffer(_bytes(offsets), wide)[start : start + length + 1].tolist()
    bits = np.ones(start + length, bool)
    if known is not None:
        bits = np.unpackbits(np.frombuffer(_bytes(known), np.uint8), bitorder="little")
    letters, there = _bytes(text), bits[start : start + length].tolist()
    found = np.empty(length, object)
    for k, (a, b) in enumerate(pairwise(ends)):
        found[k] = letters[a:b].decode() if there[k] else None
    return found


def _block(values: Any) -> Any:
    """Return the columns of a block, ``(columns, rows)``; None for a type that is passed over.

    Texts and categories are a block for each column.
    """
    made_as = values.args[0] if _kind(values) == "texts" and values.args else values
    if getattr(made_as, "named", "").endswith(".Categorical"):
        return np.atleast_2d(_categories(values.state))
    if _kind(values) == "passed over":
        return None
    return np.atleast_2d(_texts(values)) if _kind(values) == "texts" else _array(values)


def _categories(state: Any) -> Any:
    """Return the category of each row as an object; None for one that has none."""
    if isinstance(state, dict):  # until pandas 1.2
        dtype, codes = state["_dtype"], state["_codes"]
    else:
        dtype, codes, *_ = state
    labels = [*_labels(dtype.state["categories"]), None]  # the last for code -1
    return np.array([labels[k] for k in _array(codes).ravel().tolist()], object)


def _bytes(value: Any) -> bytes | bytearray:
    if isinstance(value, (bytes, bytearray)):
        return value
    if _kind(value) != "bytes":
        raise ValueError(f"numbers are given as {_kind(value)}; they must be bytes")
    first = value.args[0] if value.args else b""
    return first.encode("latin1") if isinstance(first, str) else _bytes(first)


def _dtype(record: Any) -> np.dtype[Any]:
    name = record.args[0]
    if not re.fullmatch("[biuf][1248]|O8", name):
        raise ValueError(f"an array holds items of kind {name!r}; they must be numbers or objects")
    kind = np.dtype(name)
    order = record.state[1] if record.state else "="
    return kind if kind == object else kind.newbyteorder(order)


def _array(record: Any) -> Any:
    """Return an array that a file describes; the items of one of objects are as in the file."""
    if _kind(record) == "buffer":
        data, dtype, shape, order, *axes = record.args
        kind = _dtype(dtype)
        if kind == object:
            raise ValueError("an array takes objects from bytes")
        flat = np.frombuffer(_bytes(data), kind)
        if order == "K":  # since numpy 2.4: axes in the order of memory
            return flat.reshape(shape).transpose(*axes)
        return flat.reshape(shape, order=order)
    if _kind(record) != "array":
        raise ValueError(f"there is a {getattr(record, 'named', _kind(record))} for an array")
    _, shape, dtype, by_columns, data = record.state
    kind = _dtype(dtype)
    if kind != object:
        flat = np.frombuffer(_bytes(data), kind)
        return flat.reshape(shape, order="F" if by_columns else "C")
    items = np.empty(len(data), object)
    for k, item in enumerate(data):
        items[k] = item
    return items.reshape(shape)  # numpy lists objects row by row, whatever their order in memory


def _cells(column: Any) -> Any:
    if column.dtype != object:
        return column
    found = np.empty(len(column), object)
    for k, cell in enumerate(column):
        found[k] = _cell(cell)
    return found


def _cell(cell: Any) -> Any:
    array = _array(cell) if _kind(cell) in ("array", "buffer") else cell
    items = array
    if isinstance(array, np.ndarray) and array.dtype == object:
        items = array.ravel().tolist()
    if not isinstance(items, list):
        return _plain(array)
    found = [_item(x) for x in items]
    return found if any(isinstance(x, np.ndarray) for x in found) else np.array(found)


def _item(value: Any) -> Any:
    """Return an item of a list, which may be an array or a list of plain values itself."""
    if isinstance(value, list):
        return np.array([_plain(x) for x in value])
    return _plain(_array(value) if _kind(value) in ("array", "buffer") else value)


def _plain(value: Any) -> Any:
    if _kind(value) == "scalar":
        dtype, data = value.args
        kind = _dtype(dtype)
        return data if kind == object else np.frombuffer(_bytes(data), kind)[0]
    if value is not None and not isinstance(value, (bool, int, float, str, np.ndarray)):
        named = getattr(value, "named", type(value).__name__)
        raise ValueError(f"a cell holds a {named}; it must be numbers, an array or text")
    return value
