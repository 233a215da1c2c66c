"""Strategies that damage bytes, texts, JSON content and tables."""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]


def deep(levels: int, leaf: Any = 1) -> Any:
    """Lists in lists."""
    for _ in range(levels):
        leaf = [leaf]
    return leaf


ODD_TEXTS = (
    *("", " ", "x", "²", "٣", "-1", "0", "1e999", "nan", "NaN", "inf", "-.inf", "9" * 5000),
    *("\x00", "a\x00b", "\ud800", "\udcff", "\x1b[31m", "a\nb", "\r", "\u202e", "é", "e\u0301"),
    *("../../x", "/etc/passwd", "/proc/x", "~", "~nobody/x", "file:///x", "C:\\x", "a" * 300),
    *("a/" * 3000, "**", "**x", "x[", "*", "?", "=1+1", "@x", "<b>", "{}", "[]", "null", "true"),
    *("${oc.env:HOME}", "${oc.decode:'[1,2]'}", "${seed}", "${x", "${.}", "2024-13-01", "012"),
    *("1_000", "1:30", "0x1F", "0o7", "[1", "{a: 1", "&a [*a]", "*a", "!!int x", "!!float x"),
    *("!!timestamp 2024-99-99", "!!python/name:os.system", "!!binary x", "!!set {a}", "<<: 1"),
    *("[" * 5000, "{a: " * 3000, "%YAML 9.9", "- a\n-b", "a: b: c", "k=5", "100%", "0%", "None"),
)
ODD_VALUES: tuple[Any, ...] = (
    *ODD_TEXTS,
    *(None, True, False, 0, -1, 1, 2, 5, 10**6, 2**31, 2**32, 2**63, 10**30, -(10**30), 10**12),
    *(0.0, -0.0, 0.5, 1.5, -1e308, 1e308, 1e-320, float("nan"), float("inf"), -float("inf")),
    *([], {}, [None], [[]], [{}], ["x"], [1, "a"], {"": 1}, {"x": "y"}, {"a": {"b": []}}),
    *([1] * 2000, {str(i): i for i in range(500)}, deep(60), deep(150), deep(900)),
)
odd_text = st.sampled_from(ODD_TEXTS)
odd_value = st.one_of(
    st.sampled_from(ODD_VALUES),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.sampled_from(ODD_VALUES), max_size=3),
)


@st.composite
def damaged_bytes(draw: Draw, content: bytes, tail: int = 0) -> bytes:
    """Flips, cuts, repeats, inserts or recodes bytes.

    Those of a file with a footer are mostly in its last `tail`.
    """
    data, how = bytearray(content), draw(st.integers(0, 9))
    low = max(0, len(data) - tail) if tail and draw(st.booleans()) else 0
    at = draw(st.integers(low, max(low, len(data) - 1)))
    length = draw(st.integers(1, 64))
    if how <= 3:
        for _ in range(draw(st.integers(1, 8))):
            place = draw(st.integers(low, max(low, len(data) - 1)))
            data[place : place + 1] = bytes([draw(st.integers(0, 255))])
    elif how == 4:
        del data[at:]
    elif how == 5:
        del data[at : at + length]
    elif how == 6:
        data[at:at] = data[at : at + length] * draw(st.integers(1, 50))
    elif how == 7:
        data[at:at] = draw(st.binary(min_size=1, max_size=16))
    elif how == 8:
        return draw(st.sampled_from(CODINGS))(content)
    else:
        data[at : at + length] = bytes(min(length, len(data) - at))
    return bytes(data)


def _recoded(coding: str) -> Callable[[bytes], bytes]:
    return lambda content: content.decode("utf-8", "replace").encode(coding, "replace")


CODINGS: tuple[Callable[[bytes], bytes], ...] = (
    *map(_recoded, ("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "ascii")),
    lambda content: content.replace(b"\n", b"\r\n"),
    lambda content: content.replace(b"\n", b"\r"),
    lambda content: content.rstrip(b"\n") + b"\x1a",
    lambda content: gzip.compress(content, mtime=0),
    lambda content: content + content,
    lambda content: content + b"\n" * 10_000,
)


@st.composite
def odd_fields(draw: Draw, content: bytes) -> bytes:
    """Replaces fields of a binary header, such as sizes, rates and channels, by odd numbers."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        width = draw(st.sampled_from((1, 2, 4, 8)))
        at = draw(st.integers(0, min(128, max(0, len(data) - width))))
        number = draw(st.sampled_from((0, 1, 3, 7, 127, 128, 255, 2**15, 2**31 - 1, 2**31, -1)))
        order = draw(st.sampled_from(("little", "big")))
        data[at : at + width] = (number % 256**width).to_bytes(width, order)
    return bytes(data)


SPECIAL = (
    *(b"", b"\x00", b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf", b"\xf5\x80", b"{}", b"[]", b"null"),
    *(
        b'{"a": 1, "a": 2}',
        b'[{"a": 1}, {"a": 2}]',
        b"\xfe\xff\x00a",
        b"\xff\xfea\x00",
        b"PARE" * 4,
    ),
    *(b"0", b'""', b"PAR1", b"PAR1" * 3, b"SQLite format 3\x00", b"\n" * 1000, b"[" * 100_000),
    *(b'{"a":' * 20_000, b"9" * 6000, b"[1e999]", b"NaN", b'"\\ud800"', b"\x1f\x8b\x08\x00"),
    b"RIFF\xff\xff\xff\xffWAVEfmt ",
)


@st.composite
def damaged_text(draw: Draw, content: bytes) -> bytes:
    """Replaces words, values and lines of a text file, or damages its bytes."""
    how = draw(st.integers(0, 9))
    if how == 0:
        return draw(damaged_bytes(content))
    if how == 1:
        return draw(st.sampled_from(SPECIAL))
    text = content.decode()
    spots = [m.span() for m in re.finditer(r'"[^"\n]*"|[\w.+-]+|\n', text)] or [(0, len(text))]
    for _ in range(draw(st.integers(1, 3))):
        start, end = draw(st.sampled_from(spots))
        new = draw(st.one_of(odd_text, st.text(max_size=8)))
        old = text[start:end]
        if how <= 5 and old.startswith('"'):
            new = json.dumps(new)
        elif how == 6:
            start = end
        elif how == 7:
            new = ""
        elif how == 8:
            new = old * draw(st.integers(2, 40))
        text = text[:start] + new + text[end:]
    return text.encode("utf-8", "surrogatepass")


@st.composite
def damaged_content(draw: Draw, content: Any) -> Any:
    """Replaces, removes, repeats or adds one value at a place in JSON content."""
    if isinstance(content, dict | list) and content and draw(st.integers(0, 9)):
        keys: Sequence[Any] = list(content) if isinstance(content, dict) else range(len(content))
        key, how = draw(st.sampled_from(keys)), draw(st.integers(0, 11))
        made = content.copy()
        if how == 0:
            del made[key]
        elif how == 1 and isinstance(made, dict):
            made[draw(odd_text)] = draw(odd_value)
        elif how == 2 and isinstance(made, dict):
            made[draw(odd_text)] = made.pop(key)
        elif how == 1 and isinstance(made, list):
            made = made * draw(st.integers(0, 30))
        else:
            made[key] = draw(damaged_content(content[key]))
        return made
    return draw(odd_value)


def as_json(content: Any) -> bytes:
    """JSON as Python writes it, with NaN, and lone surrogates escaped."""
    return json.dumps(content, indent=1).encode()


@st.composite
def damaged_table(draw: Draw, content: bytes) -> bytes:
    """Changes columns, types and values of a Parquet file, or damages its bytes."""
    if draw(st.integers(0, 4)) == 0:
        ways = damaged_bytes(content, tail=3000), odd_footer(content), st.sampled_from(SPECIAL)
        return draw(st.one_of(*ways))
    table = pq.read_table(pa.BufferReader(content))
    for _ in range(draw(st.integers(1, 2))):
        table = _changed_table(draw, table)
    sink = io.BytesIO()
    layout = draw(st.sampled_from(LAYOUTS))
    try:
        pq.write_table(table, sink, **layout)
    except (pa.ArrowException, OSError):  # Parquet has no such type or layout
        return content[:-1]
    return sink.getvalue()


@st.composite
def odd_footer(draw: Draw, content: bytes) -> bytes:
    """Changes bytes of the Thrift footer, whose length stays right: positions, counts, types."""
    size = int.from_bytes(content[-8:-4], "little")
    footer = bytearray(content[-8 - size : -8])
    for _ in range(draw(st.integers(1, 3))):
        footer[draw(st.integers(0, size - 1))] = draw(st.sampled_from((0, 1, 2, 127, 128, 255)))
    return content[: -8 - size] + bytes(footer) + content[-8:]


LAYOUTS: tuple[dict[str, Any], ...] = (
    *({}, {}, {"compression": "none"}, {"compression": "gzip"}, {"compression": "brotli"}),
    *({"compression": "lz4"}, {"row_group_size": 1}, {"row_group_size": 3}, {"version": "1.0"}),
    *({"data_page_version": "2.0"}, {"use_dictionary": False}, {"store_schema": False}),
    *({"write_statistics": False}, {"data_page_size": 8}, {"use_byte_stream_split": True}),
)
TYPES = (
    *(pa.string(), pa.int8(), pa.int16(), pa.int64(), pa.float32(), pa.float64(), pa.bool_()),
    *(pa.binary(), pa.null(), pa.list_(pa.int64()), pa.dictionary(pa.int32(), pa.string())),
    *(pa.struct([("x", pa.int64())]), pa.timestamp("s"), pa.large_string(), pa.uint64()),
    *(pa.timestamp("ns", "Asia/Tokyo"), pa.date32(), pa.time64("us"), pa.duration("ms")),
    *(pa.decimal128(38, 9), pa.decimal256(60), pa.float16(), pa.large_binary(), pa.binary(4)),
    *(pa.large_list(pa.string()), pa.list_(pa.int8(), 2), pa.map_(pa.string(), pa.int8())),
    *(pa.string_view(), pa.dictionary(pa.int8(), pa.float32())),
)
_NUMBERS = (-1, -2, 0, 1, 99, 32767, -32768, 2**31, 2**62, -(2**62), 0.5, 1e308, -1e308)
_CELLS = (*_NUMBERS, float("nan"), float("inf"), "", "x", None, True, "a" * 300, [1], [], b"\xff")


def _changed_table(draw: Draw, table: pa.Table) -> pa.Table:
    if not table.num_columns:
        return pa.table({"x": [1]})
    how, name = draw(st.integers(0, 10)), draw(st.sampled_from(table.column_names))
    place = table.column_names.index(name)
    if how == 0:
        return table.remove_column(place)
    if how == 1:
        new = draw(st.sampled_from(("x", "", *table.column_names)))
        return table.rename_columns([new if n == name else n for n in table.column_names])
    if how == 2:
        return table.append_column(draw(st.sampled_from(("x", name))), table.column(place))
    if how == 3:
        return table.slice(draw(st.integers(0, 20)), draw(st.sampled_from((0, 1, 7, 20))))
    if how == 4:
        return pa.concat_tables([table] * draw(st.integers(2, 4)))
    if how == 5:
        order = np.random.default_rng(0).permutation(len(table))
        return pa.concat_tables([table.slice(row, 1) for row in order] or [table])
    values = table.column(place).to_pylist()
    if how in (6, 7):
        cell, some = draw(st.sampled_from(_CELLS)), draw(st.integers(1, 3))
        rows = range(len(values)) if draw(st.booleans()) else range(0, len(values), some * 7)
        values = [cell if i in rows else v for i, v in enumerate(values)]
        kinds: tuple[Any, ...] = (table.schema.field(place).type, None, *TYPES)
    else:
        kinds = (draw(st.sampled_from(TYPES)), None)
    for kind in kinds:
        try:
            return table.set_column(place, name, pa.array(values, kind))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
            continue
        except (TypeError, ValueError):
            continue
    return table.set_column(place, name, pa.array([str(v) for v in values]))
