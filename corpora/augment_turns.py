"""Augmentation of conversations: those of train again, by the same speakers in the same order, with turns changed.

A turn that is changed alone may answer what nobody said. So conversations are made whole: the context of a row is
what was made of the turns before it, and the teacher labels the row as it reads there.
"""

from collections.abc import Callable, Collection, Sequence

import numpy as np

from distill.corpora.augment import MAX_BARREN_TEXTS, Augmenter, text_key
from distill.corpora.storage.text_store import StoredTexts, TextStore
from distill.corpora.storage.windows import Conversations, Ints, Windows
from distill.export.runtime.reading.inputs import Turn

# share of the turns of a made conversation that are changed; the others keep it on its subject
CHANGED = 0.5


def augment_turns(
    windows: Windows,
    rows: int,
    augmenter: Augmenter,
    store: TextStore,
    *,
    known: Collection[bytes],
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
) -> Windows:
    """Return up to `rows` distinct new rows of made conversations; fewer if hardly any new ones are left.

    A made conversation has the turns of one of train, and decides those that are rows there. A row that is known,
    or was made before, is left out.

    Args:
        windows: the train rows.
        rows: number of rows to make.
        augmenter: the ways to make texts; one of two texts takes another turn of the same speaker.
        store: gets the texts of the made conversations, and has no other text yet.
        known: `text_key` of the rows that must not be made.
        seed: seed of everything that is drawn.
        advance: is told the number of rows whenever some were made.
    """
    log, rng = windows.log, np.random.default_rng((seed, len(windows)))
    decided = np.unique(windows.places)
    talks = np.unique(log.starts[decided])
    ends = np.searchsorted(log.starts, talks, side="right").astype(np.int32)
    others = _turns_of_speakers(log, talks, ends)
    seen, places = set[bytes](), list[int]()
    starts, speakers = [np.empty(0, dtype=np.int32)], [np.empty(0, dtype=np.int8)]
    barren = 0
    while len(places) < rows and barren < MAX_BARREN_TEXTS and len(talks):
        drawn = int(rng.integers(len(talks)))
        span = np.arange(talks[drawn], ends[drawn], dtype=np.int32)
        made = _again(log, span, augmenter, others, rng)
        new: dict[bytes, int] = {}
        for place in decided[np.searchsorted(decided, span[0]) : np.searchsorted(decided, ends[drawn])] - span[0]:
            key = text_key(windows.row(made[max(0, place - windows.most) : place + 1]))
            if key not in known and key not in seen and len(places) + len(new) < rows:
                new.setdefault(key, len(store) + int(place))
        barren = 0 if new else barren + 1
        if not new:
            continue
        seen.update(new)
        places.extend(new.values())
        starts.append(np.full(len(span), len(store), dtype=np.int32))
        speakers.append(log.speakers[span])
        store.extend(turn.text for turn in made)
        advance(len(new))
    numbers = np.arange(len(store), dtype=np.int32)
    again = Conversations(store, numbers, np.concatenate(starts), np.concatenate(speakers), log.names)
    return Windows(again, np.array(places, dtype=np.int32), windows.most, silent=windows.silent)


def _turns_of_speakers(log: Conversations, talks: Ints, ends: Ints) -> list[StoredTexts]:
    """Return what each speaker says in some conversations, which begin and end at some places."""
    spans = [np.arange(*span, dtype=np.int32) for span in zip(talks, ends, strict=True)]
    said = np.concatenate([np.empty(0, dtype=np.int32), *spans])
    speakers = log.speakers[said]
    return [StoredTexts(log.texts, np.sort(log.rows[said[speakers == one]])) for one in range(len(log.names))]


def _again(
    log: Conversations, span: Ints, augmenter: Augmenter, others: Sequence[StoredTexts], rng: np.random.Generator
) -> list[Turn]:
    """Return the turns at some places with some of them changed; one that would be empty stays as it is."""
    made = []
    for turn, speaker, draw in zip(
        log.turns(span), log.speakers[span].tolist(), rng.random(len(span)), strict=True
    ):
        text = augmenter.change(turn.text, others[speaker], rng) if draw < CHANGED else ""
        made.append(Turn(turn.speaker, text or turn.text))
    return made
