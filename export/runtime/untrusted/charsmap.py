"""Check of SentencePiece's compiled character map.

The tokenizers package walks the map without bounds checks and panics when it leaves it. The map holds the size of
a trie, the trie (one number per unit) and the replacements, each ended by a zero. From the unit at place `p` with
the offset `o` a byte `c` leads to the unit at `p ^ o ^ c`; the unit at `p ^ o` says where a replacement begins.
"""

import numpy as np

SIZE_BYTES = 4

# flag of the units that hold the start of a replacement
VALUE = 1 << 31

HAS_VALUE = 1 << 8

WIDE = 1 << 9

OFFSET_SHIFT = 10

BYTE = 0xFF

MAX_REPLACEMENT = 64  # bytes; NFKC's longest has 33


def check_charsmap(content: bytes) -> None:
    """Refuse a map that leads outside itself, or turns single characters into long texts.

    Raises:
        ValueError: the map is not well formed.
    """
    size = int.from_bytes(content[:SIZE_BYTES], "little")
    trie = content[SIZE_BYTES : SIZE_BYTES + size]
    replacements = content[SIZE_BYTES + size :]
    if not trie or len(trie) != size or size % 4:
        raise ValueError("the trie is cut short")
    units = np.frombuffer(trie, dtype="<u4").astype(np.int64)  # (U,)
    is_value = (units & VALUE) != 0
    wide = np.where(units & WIDE, 8, 0)
    target = np.arange(len(units)) ^ ((units >> OFFSET_SHIFT) << wide)
    if is_value[0] or (~is_value & ((target | BYTE) >= len(units))).any():
        raise ValueError("a unit leads out of the trie")
    holders = target[~is_value & ((units & HAS_VALUE) != 0)]
    if not is_value[holders].all():
        raise ValueError("a unit has no value where it says so")
    text = replacements.decode("utf-8")
    if max(map(len, replacements.split(b"\0"))) > MAX_REPLACEMENT or not text.endswith("\0"):
        raise ValueError("a replacement is too long, or has no end")
    starts = np.zeros(len(replacements), dtype=np.bool_)  # (R,)
    starts[0] = True
    starts[1:] = np.frombuffer(replacements, np.uint8)[:-1] == 0  # right after the end of the one before
    places = units[is_value] & (VALUE - 1)
    if (places >= len(replacements)).any() or not starts[places].all():
        raise ValueError("a value is not where a replacement begins")
