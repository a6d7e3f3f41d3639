"""Made-up trials of monkeys in the published form, pickled as pandas of several versions do."""

import copyreg
import io
import pickle
from types import FunctionType
from typing import ClassVar

import numpy as np
import pandas as pd

from modnav.published import monkey_recordings


def monkey(trials=5, gain=1.0, perturbed=False, seed=0):
    """Make up trials of a monkey in the published form, the first two 64 and 66 cm off."""
    draw = np.random.default_rng(seed)
    rows = []
    for k in range(trials):
        count = int(draw.integers(700, 900))
        angle, r = np.deg2rad(draw.uniform(55, 125)), draw.uniform(150, 400)
        x, y = r * np.cos(angle), r * np.sin(angle)
        off = {0: 64.0, 1: 66.0}.get(k, draw.uniform(0, 130))
        way = np.linspace(0, 1, count)
        row = {
            "target_x": x,
            "target_y": y,
            "target_r": r,
            "target_theta": np.rad2deg(angle),
            "pos_x": way * x,
            "pos_y": way * (y - off),
            "pos_r_end": np.hypot(x, y - off),
            "relative_radius_end": off,
            "rewarded": off < 65,
            "time": np.arange(count) / 833,
            "action_v": draw.uniform(-1, 1, count),
            "action_w": draw.uniform(-1, 1, count),
            "gain_v": 200.0 * gain,
            "gain_w": 90.0 * gain,
            "floor_density": k,
        }
        if perturbed:
            still = k == 2
            row |= {
                "perturb_vpeak": 0.0 if still else draw.uniform(-200, 200),
                "perturb_wpeak": 0.0 if still else draw.uniform(-120, 120),
                "perturb_start_time": np.nan if still else draw.uniform(0, 1),
                "perturb_start_time_ori": draw.uniform(0, 1),
                "perturb_v": np.nan if still else draw.normal(size=count),
                "perturb_w": np.nan if still else draw.normal(size=count),
            }
        rows.append(row)
    return pd.DataFrame(rows)


class Pretended:
    """Object that is pickled as a class or function of old pandas, by its name only."""

    def __init__(self, *args, state=None):
        self.args, self.state = args, state


class DataFrame(Pretended):
    place = "pandas.core.frame"

    def __reduce__(self):
        return copyreg.__newobj__, (DataFrame,), self.state


class BlockManager(Pretended):
    place = "pandas.core.internals.managers"

    def __reduce__(self):
        return copyreg.__newobj__, (BlockManager,), self.state


class Index(Pretended):
    place = "pandas.core.indexes.base"

    def __reduce__(self):
        return _new_Index, (type(self), self.state), None


class RangeIndex(Index):
    place = "pandas.core.indexes.range"


class Int64Index(Index):
    place = "pandas.core.indexes.numeric"


def _new_Index(kind, state):
    raise AssertionError("pickles mention it, nothing calls it")


class OldPickler(pickle._Pickler):  # type: ignore[name-defined]
    """Pickler that names classes and functions as python 3.8, numpy 1 and pandas 1.2 did."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_global(self, obj, name=None):
        module = getattr(obj, "place", None) or obj.__module__.replace("numpy._core", "numpy.core")
        if obj is _new_Index:
            module = Index.place
        self.save(module)
        self.save(obj.__name__)
        self.write(pickle.STACK_GLOBAL)
        self.memoize(obj)

    dispatch[FunctionType] = save_global


def as_pandas_1_2(frame, protocol=4):
    """Return a table as pandas 1.2 pickled it: blocks of one type, placed by slices or arrays."""
    names = np.array(list(frame.columns), dtype=object)
    blocks = []
    kinds = [str(x) for x in frame.dtypes]
    for kind in dict.fromkeys(kinds):
        where = np.flatnonzero([x == kind for x in kinds])
        values = np.empty((len(frame), len(where)), object if kind == "str" else kind)
        for k, place in enumerate(where):
            values[:, k] = frame.iloc[:, place].to_numpy()
        one_run = len(where) == 1 or (np.diff(where) == 1).all()
        spot = slice(int(where[0]), int(where[-1]) + 1, 1) if one_run else where
        blocks.append({"values": values.T, "mgr_locs": spot})  # in the order of columns
    axes = [
        Index(state={"data": names, "name": None}),
        RangeIndex(state={"name": None, "start": 0, "stop": len(frame), "step": 1}),
    ]
    values = [block["values"] for block in blocks]
    items = [Index(state={"data": names[b["mgr_locs"]], "name": None}) for b in blocks]
    state = (axes, values, items, {"0.14.1": {"axes": axes, "blocks": blocks}})
    content = io.BytesIO()
    attributes = {
        "_mgr": BlockManager(state=state),
        "_typ": "dataframe",
        "_metadata": [],
        "attrs": {},
        "_flags": {"allows_duplicate_labels": True},
    }
    OldPickler(content, protocol).dump(DataFrame(state=attributes))
    return content.getvalue()


def with_calls(frame, protocol=5):
    """Return a table as the pandas at hand pickles it."""
    return pickle.dumps(frame, protocol)


FORMS = {
    "1.2": as_pandas_1_2,
    "1.2, protocol 5": lambda frame: as_pandas_1_2(frame, 5),
    "now": with_calls,
    "now, protocol 4": lambda frame: with_calls(frame, 4),
    "now, protocol 2": lambda frame: with_calls(frame, 2),
    "now, names as objects": lambda frame: with_calls(
        frame.set_axis(frame.columns.astype(object), axis=1)
    ),
    "now, names as python text": lambda frame: with_calls(
        frame.set_axis(
            pd.Index(frame.columns, dtype=pd.StringDtype("python", na_value=np.nan)), axis=1
        )
    ),
    "now, other index": lambda frame: with_calls(frame.set_axis(range(7, 7 + len(frame)))),
    "now, block by block": lambda frame: with_calls(
        pd.concat([frame.iloc[:, :4], frame.iloc[:, 4:]], axis=1)
    ),
}


def tables(frame, **options):
    """Return all trials and steps of a frame."""
    parts = list(monkey_recordings(frame, "Bruno", **options))
    trials, steps, _ = zip(*parts, strict=True)
    return pd.concat(trials, ignore_index=True), pd.concat(steps, ignore_index=True)
