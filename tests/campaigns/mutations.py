"""Ways to spoil a thing: bytes, JSON, protobuf messages; and texts that nobody would write. All from a seed."""

import copy
import random
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message

NASTY_INTEGERS = (
    0, 1, -1, 2, 3, 7, 127, 128, 255, 2**16, 2**31 - 1, 2**31, -(2**31), 2**32, 2**40, 2**63 - 1, -(2**63),
)  # fmt: skip
NASTY_VALUES: tuple[Any, ...] = (
    *NASTY_INTEGERS, None, True, False, 0.5, -0.0, 1e308, 1e-320, 2**70, -(2**70), "", " ", "a", "\0", "\n",
    "\x1b[2J", "\u202e", "../x", "/etc/passwd", "C:\\x", "x" * 5000, "\U0001f600", "\ud800", [], {}, [[]],
    [None], {"": None}, {"type": "Sequence"}, {"Regex": "(a+)+$"}, {"String": ""}, [0] * 1000, ["a"] * 3,
)  # fmt: skip
SNIPPETS = (
    b"\0",
    b"\xff" * 8,
    b"\x80" * 10,
    b"NaN",
    b"1e999",
    b'"',
    b"{",
    b"}",
    b"[" * 50,
    b"\\ud800",
    b"\x1a\x00",
)
SCRIPTS = ((0x20, 0x7F), (0x00, 0x20), (0x300, 0x370), (0x590, 0x700), (0x4E00, 0x9FFF), (0xFE00, 0xFE10))
MARKS = (
    "\u200d",
    "\u200b",
    "\u202e",
    "\ufeff",
    "\ufffd",
    "\ufdfa",
    "\u0301",
    "\U0001f468\u200d\U0001f469",
    "\U0001f3fd",
)
LONG = 2**20


def spoiled_bytes(rng: random.Random, content: bytes) -> bytes:
    """A few places of `content` flipped, cut out, doubled or filled with what parsers stumble over."""
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at = rng.randrange(len(found) + 1)
        span = rng.choice((1, 1, 2, 4, 16, 64))
        kind = rng.randrange(6)
        if kind == 0 and at < len(found):
            found[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(found):
            found[at] = rng.randrange(256)
        elif kind == 2:
            del found[at : at + span]
        elif kind == 3:
            found[at:at] = found[at : at + span]
        elif kind == 4:
            found[at:at] = rng.choice(SNIPPETS)
        else:
            found[at : at + span] = rng.randbytes(span)
    return bytes(found[: rng.randrange(len(found) + 1)] if rng.random() < 0.05 else found)


def spoiled_json(rng: random.Random, data: Any) -> Any:
    """A copy of parsed JSON with one to three places changed."""
    found = copy.deepcopy(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if not found:
            break
        inner, key = _place(rng, found)
        kind = rng.randrange(6)
        if kind == 0:
            del inner[key]
        elif kind == 1:  # another part of the same file
            other, name = _place(rng, found)
            inner[key] = copy.deepcopy(other[name])
        elif kind == 2 and isinstance(inner, dict):
            inner[rng.choice(("", "type", "x" * 300, "\ud800", str(key).upper()))] = _nasty(rng)
        elif kind == 3 and isinstance(inner[key], list):
            inner[key].extend(copy.deepcopy(inner[key]) or [_nasty(rng)])
        elif kind == 4 and isinstance(inner[key], int | float):
            inner[key] = rng.choice(NASTY_INTEGERS)
        else:
            inner[key] = _nasty(rng)
    return found


def _nasty(rng: random.Random) -> Any:
    """A value of its own: one that is shared would be spoiled for all later cases."""
    return copy.deepcopy(rng.choice(NASTY_VALUES))


def _place(rng: random.Random, data: Any) -> tuple[Any, Any]:
    """A place of parsed JSON, as what holds it and its key; near the top as likely as in a long table."""
    while True:
        key = rng.choice(list(data)) if isinstance(data, dict) else rng.randrange(len(data))
        inner = data[key]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.3:
            return data, key
        data = inner


def spoiled_message(rng: random.Random, message: Message) -> None:
    """One to four fields of a protobuf message changed in place."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        places = [(inner, field) for inner in _messages(message) for field, _ in inner.ListFields()]
        if not places:
            return
        # by kind of field first, or nearly every change would strike a name
        names = sorted({field.full_name for _, field in places})
        chosen = rng.choice(names)
        inner, field = rng.choice([place for place in places if place[1].full_name == chosen])
        _spoil_field(rng, message, inner, field)


def _messages(message: Message) -> Iterator[Message]:
    yield message
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for inner in value if _is_list(value) else [value]:
            yield from _messages(inner)


def _is_list(value: Any) -> bool:
    return not isinstance(value, Message | str | bytes | int | float)


def _spoil_field(rng: random.Random, whole: Message, inner: Message, field: Any) -> None:
    value = getattr(inner, field.name)
    kind = rng.randrange(4)
    if kind == 0:
        inner.ClearField(field.name)
    elif field.message_type is not None:
        items = list(value) if _is_list(value) else []
        if not items:
            return
        if kind == 1:
            value.add().CopyFrom(rng.choice(items))
        elif kind == 2:
            del value[rng.randrange(len(items))]
        else:
            others = [item for item in _messages(whole) if type(item) is type(items[0])]
            value[rng.randrange(len(items))].CopyFrom(copy.deepcopy(rng.choice(others)))
    elif _is_list(value):
        at = rng.randrange(len(value))
        if kind == 1:
            value.append(_spoiled_scalar(rng, whole, field, value[at]))
        elif kind == 2:
            del value[at]
        else:
            value[at] = _spoiled_scalar(rng, whole, field, value[at])
    else:
        setattr(inner, field.name, _spoiled_scalar(rng, whole, field, value))


def _spoiled_scalar(rng: random.Random, whole: Message, field: Any, value: Any) -> Any:
    """Another value of the same type: often one that stands under the same name elsewhere in the message."""
    if field.enum_type is not None:
        return rng.choice(field.enum_type.values).number
    if rng.random() < 0.5 and not isinstance(value, bytes):
        return rng.choice(list(_same_field(whole, field)))
    if isinstance(value, int):
        # what any integer field takes
        return rng.choice([number for number in NASTY_INTEGERS if 0 <= number < 2**31 or number == -1])
    if isinstance(value, float):
        return rng.choice((0.0, -1.0, 1e38, -1e38, float("nan"), float("inf")))
    if isinstance(value, bytes):
        return spoiled_bytes(rng, value)
    return rng.choice(("", "x", value + "x", value[:-1], "logits", "input_ids", "\u202e"))


def _same_field(whole: Message, field: Any) -> Iterator[Any]:
    """All values of a field in a message."""
    for inner in _messages(whole):
        for other, value in inner.ListFields():
            if other.full_name == field.full_name:
                yield from value if _is_list(value) else [value]


def random_text(rng: random.Random) -> str:
    """A text over all planes, scripts and signs; now and then a long one, or one with lone surrogates."""
    kind = rng.randrange(10)
    if kind == 0:
        return rng.choice(
            ("", " ", "\0", "\n", "x", "\ud800", "\udfff", "\U0010ffff", "\ufeff", rng.choice(MARKS))
        )
    if kind == 1:
        return rng.choice(MARKS) * rng.randrange(2000)
    if kind == 2:
        return "\n".join(_run(rng, 5) for _ in range(rng.randrange(300)))
    if kind == 3 and rng.random() < 0.02:
        return (_run(rng, 30) or "x") * (LONG // 30)
    if kind == 4:
        return rng.choice("abcsad!.中\u0301 ") * rng.randrange(5000)
    parts = [_run(rng, rng.randrange(1, 12)) for _ in range(rng.randrange(1, 20))]
    if rng.random() < 0.03:
        parts.append(chr(rng.randrange(0xD800, 0xE000)))
    if rng.random() < 0.3:
        parts += ["happy", "sad", "[CLS]", "[PAD]", "[UNK]", "</s>", "##a", "▁"][: rng.randrange(9)]
    rng.shuffle(parts)
    return rng.choice(("", " ", "\n", "\u200d")).join(parts)


def _run(rng: random.Random, length: int) -> str:
    """Characters of one script, or of any plane."""
    low, high = rng.choice(SCRIPTS) if rng.random() < 0.5 else (rng.randrange(17) << 16, 0)
    if high:
        return "".join(chr(rng.randrange(low, high)) for _ in range(length))
    return "".join(chr(low | rng.randrange(0xD800)) for _ in range(length))
