"""What a command prints in a notebook, put together as it came: myst-nb ends each piece with a new line."""

from collections.abc import Sequence
from typing import Any

import myst_nb.core.render


def joined(outputs: Sequence[Any]) -> list[Any]:
    """Return outputs of a cell with the pieces of each stream as one."""
    found: list[Any] = []
    streams: dict[str, Any] = {}
    for output in outputs:
        name = output["name"] if output["output_type"] == "stream" else ""
        if name in streams:
            streams[name]["text"] += output["text"]
            continue
        found.append(output.copy())
        if name:
            streams[name] = found[-1]
    return found


def setup(app: Any) -> dict[str, bool]:
    """Put it in the place of myst-nb's."""
    assert callable(myst_nb.core.render.coalesce_streams)
    myst_nb.core.render.coalesce_streams = joined
    return {"parallel_read_safe": True}
