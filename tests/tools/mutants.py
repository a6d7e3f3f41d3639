"""Files gone wrong: damage to bytes, to archives, to text and to what a file holds, and attacks.

Every function takes a ``random.Random`` and draws one mutant of what it is given.
"""

import importlib
import io
import random
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import torch

SIZES = (0, 1, 0x7F, 0xFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)
"""Numbers that lengths and offsets are overwritten with."""

TOKENS = (
    *("nan", "inf", "-inf", "-1", "0", "1e999", "1e30", "0.5", "1" * 5000, "true", "null", "~"),
    *("", "x", '"', "'", "{", "[", "]", "&a", "*a", "!!python/name:os.system", ",", ":", "\n"),
    *("\0", "\r", "\t", "\ufeff", "\u2028", "é", "../..", "-", "- ", "2001-99-99", "0x", "0b2"),
)
"""What words of a text are replaced with."""


def damaged(whole: bytes, draw: random.Random) -> bytes:
    """Flip bits, overwrite, cut, insert, delete, repeat or swap bytes, or write a huge size."""
    content, n = bytearray(whole), len(whole)
    a, b = sorted(draw.randrange(n + 1) for _ in range(2))
    b = min(b, a + draw.choice((1, 4, 64, n)))
    kind = draw.randrange(9)
    if kind <= 1:
        # half of the flips hit the end, where archives and tables have their directory
        for _ in range(draw.choice((1, 1, 1, 8))):
            place = draw.randrange(n) if kind else -draw.randrange(1, min(n, 2000) + 1)
            content[place] ^= 1 << draw.randrange(8)
    elif kind == 2:
        content[a:b] = draw.choice((bytes(b - a), b"\xff" * (b - a), draw.randbytes(b - a)))
    elif kind == 3:
        del content[a:]
    elif kind == 4:
        content[a:a] = draw.randbytes(draw.choice((1, 7, 300)))
    elif kind == 5:
        del content[a:b]
    elif kind == 6:
        content[a:a] = content[a:b]
    elif kind == 7:
        part = bytes(content[a:b])
        del content[a:b]
        place = draw.randrange(len(content) + 1)
        content[place:place] = part
    else:
        form, width = draw.choice((("<I", 4), (">I", 4), ("<Q", 8)))
        size = draw.choice(SIZES) & (2 ** (8 * width) - 1)
        a = min(a, n - width)
        content[a : a + width] = struct.pack(form, size)
    return bytes(content)


def rearranged(whole: bytes, draw: random.Random) -> bytes:
    """Swap, drop, rename, repeat or add members of an archive; checksums are right afterwards."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    i, j = draw.randrange(len(members)), draw.randrange(len(members))
    (name, content), root = members[i], members[0][0].split("/")[0]
    kind = draw.randrange(7)
    if kind == 0:
        members[i], members[j] = (name, members[j][1]), (members[j][0], content)
    elif kind == 1:
        del members[i]
    elif kind == 2:
        members[i] = (draw.choice(("../../x", "/x", name + "x", " ", name.upper())), content)
    elif kind == 3:
        members.append((name, members[j][1]))
    elif kind == 4:
        extra = draw.choice(("constants.pkl", "code/__torch__.py", ".format_version", "data/99"))
        members.append((f"{root}/{extra}", content))
    elif kind == 5:
        members[i] = (name, damaged(content or b"x", draw))
    else:
        evil = draw.choice(attacks("true"))
        members = [(n, evil if n.endswith("data.pkl") else c) for n, c in members]
    made = io.BytesIO()
    compression = draw.choice((zipfile.ZIP_STORED,) * 5 + (zipfile.ZIP_DEFLATED,))
    with zipfile.ZipFile(made, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return made.getvalue()


def garbled(text: str, draw: random.Random) -> str:
    """Replace, repeat, drop or swap words or lines of a text."""
    lines = text.splitlines(keepends=True)
    for _ in range(draw.choice((1, 1, 2))):
        i, j = draw.randrange(len(lines)), draw.randrange(len(lines))
        kind = draw.randrange(6)
        if kind == 0:
            lines[i], lines[j] = lines[j], lines[i]
        elif kind == 1:
            lines[i] = lines[i] * draw.choice((0, 2, 3))
        elif kind == 2:
            lines[i] = " " * draw.randrange(5) + lines[i].lstrip()
        else:
            words = lines[i].replace(",", " , ").replace(":", " : ").split(" ")
            words[draw.randrange(len(words))] = draw.choice(TOKENS)
            lines[i] = " ".join(words).replace(" , ", ",").replace(" : ", ":")
    return "".join(lines)


def odd_value(draw: random.Random) -> Any:
    """Return a value that a file of tensors and plain values may hold, but rarely should."""
    deep: Any = []
    for _ in range(300):
        deep = [deep]
    wide: Any = [1]
    for _ in range(40):
        wide = [wide, wide]
    values: tuple[Callable[[], Any], ...] = (
        lambda: draw.choice((None, True, -1, 0, 3, 10**6, 2**40, 2**70, 0.5)),
        lambda: draw.choice((float("nan"), float("inf"), "", "x", "os.system", b"x", "x\ny" * 99)),
        lambda: draw.choice(([], {}, (), [[]], {"a": 1}, {1: 2}, deep, wide, [None] * 7)),
        lambda: torch.zeros(draw.choice((0, 1, 7))),
        lambda: torch.full((draw.choice((1, 300)),), float(draw.choice(("nan", "inf", 1)))),
        lambda: torch.zeros(3, 4, dtype=draw.choice((torch.int64, torch.float64, torch.bool))),
        lambda: torch.zeros(1).expand(draw.choice((10**6, 2**40)), 10**5),
        lambda: torch.zeros(2, 2).to_sparse(),
        lambda: torch.zeros(5, device="meta"),
    )
    return draw.choice(values)()


def altered(value: Any, draw: random.Random, new: Callable[[random.Random], Any]) -> Any:
    """Return a copy in which one part, chosen at random, is another or missing."""
    if isinstance(value, dict) and value and draw.random() < 0.95:
        other, key = dict(value), draw.choice(list(value))
        if draw.random() < 0.15:
            del other[key]
        else:
            other[key] = altered(other[key], draw, new)
        return other
    if isinstance(value, (list, tuple)) and value and draw.random() < 0.9:
        items = list(value)
        place = draw.randrange(len(items))
        items[place] = altered(items[place], draw, new)
        return items if isinstance(value, list) else tuple(items)
    return new(draw)


class Call:
    """Calls a function when it is unpickled."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.function, self.args = function, args

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.function, self.args


FUNCTIONS = (
    *("os.system", "posix.system", "subprocess.call", "builtins.eval", "builtins.exec"),
    *("builtins.__import__", "builtins.getattr", "importlib.import_module", "runpy.run_path"),
    *("os.remove", "torch.load", "numpy.load", "shutil.rmtree", "operator.methodcaller"),
    *("webbrowser.open", "pickle.loads", "torch.hub.load_state_dict_from_url", "pty.spawn"),
)
"""Functions that no file of weights, tables or names needs."""


def call(draw: random.Random, command: str) -> Call:
    """Return an object that runs a command, or something else that it should not."""
    name = draw.choice(FUNCTIONS)
    module, _, function = name.rpartition(".")
    code = f"__import__('os').system({command!r})"
    given = code if function in ("eval", "exec") else command
    return Call(getattr(importlib.import_module(module), function), given)


def attacks(command: str) -> list[bytes]:
    """Return pickles, written by hand, that run a command or exhaust the machine if believed."""
    text = b"X" + struct.pack("<I", len(command)) + command.encode()
    short = b"\x8c" + bytes([len(command)]) + command.encode()

    def named(module: bytes, name: bytes) -> bytes:
        return b"".join(b"\x8c" + bytes([len(word)]) + word for word in (module, name)) + b"\x93"

    calls = [
        b"\x80\x02cos\nsystem\n" + text + b"\x85R.",
        b"\x80\x02cposix\nsystem\n" + text + b"\x85R.",
        b"(ios\nsystem\n" + text + b"o.",
        b"(" + text + b"ios\nsystem\n.",
        b"(cos\nsystem\n" + text + b"o.",
        b"\x80\x04" + named(b"os", b"system") + short + b"\x85R.",
        b"\x80\x04" + named(b"torch", b"serialization.os.system") + short + b"\x85R.",
        b"\x80\x04" + named(b"pandas", b"io.common.os.system") + short + b"\x85R.",
        b"\x80\x02cos\nsystem\n" + text + b"\x85\x81.",
        b"\x80\x04cos\nsystem\n" + text + b"\x85}\x92.",
        b"\x80\x02c__builtin__\neval\n" + text + b"\x85R.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(NK\x00ttR.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x08\x00\x00\x00__code__NsRb.",
        b"\x80\x02}X\x01\x00\x00\x00xccollections\nOrderedDict\n)R}X\x06\x00\x00\x00updatecos\nsystem\nsbs.",
    ]
    tricks = [
        b"\x80\x02\x82\x01.",  # an extension of copyreg
        b"\x80\x02P../../x\n.",  # a persistent name
        b"\x80\x02K\x00Q.",
        b"\x80\x02]r\xff\xff\xff\x07.",  # a place in the memo beyond all others
        b"\x80\x02]r\xff\xff\xff\x7f.",
        b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",  # bytes without end
        b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"x.",
        b"\x80\x05\x96" + struct.pack("<Q", 2**35) + b"x.",
        b"\x80\x02\x8b" + struct.pack("<i", -5) + b"x.",
        b"\x80\x04\x95" + struct.pack("<Q", 2**63 - 1) + b"K\x01.",
        b"\x80\x02" + b"]" * 30_000 + b"a" * 29_999 + b".",  # lists in lists
        b"\x80\x02" + b"(" * 100_000 + b".",
        b"\x80\x02I" + b"9" * 10_000 + b"\n.",
        b"\x80\x02]q\x00h\x00a.",  # a list that holds itself
        b"\x80\x02}q\x00h\x00h\x00s.",
        b"\x80\xff.",
        b"0.",
    ]
    return calls + tricks
