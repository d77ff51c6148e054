"""A conversation in progress: the last turns in memory, and a decision on each new one."""

from collections import deque
from typing import final

from distill.export.runtime.classifier import Classifier
from distill.export.runtime.deciding.task import Prediction
from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.inputs import SplitTurn, Turn
from distill.export.runtime.reading.rows import check_length
from distill.export.runtime.reading.turns import CONVERSATION, NEXT, turns_read


@final
class Conversation:
    """A conversation that a classifier follows turn by turn; it holds as many turns as the bundle reads.

    Each turn is tokenized once, when it is added. One conversation belongs to one thread; several may share a
    classifier.

    Args:
        classifier: of a bundle that reads turns.
        role: whose next turn is decided, where the bundle decides the next turns of several roles.

    Raises:
        InputError: the bundle reads no conversations, or does not decide this role.
    """

    def __init__(self, classifier: Classifier, *, role: str | None = None) -> None:
        if not isinstance(classifier, Classifier):
            raise InputError(f"classifier: A {type(classifier).__name__} is none. Pass what load returns.")
        reads = turns_read(classifier.input)
        if role is None and reads.predict == NEXT and len(reads.decides) > 1:
            raise InputError(f"role: The bundle decides the next turn of {' or '.join(reads.decides)}. Name one.")
        if role is not None and role not in reads.decides:
            raise InputError(f"role: The bundle does not decide this role. It decides {', '.join(reads.decides)}.")
        self._classifier, self._reads = classifier, reads
        self._to_come = classifier.split(Turn(role or reads.decides[0], ""), "role")
        self._turns: deque[SplitTurn] = deque(maxlen=reads.turns + 1)
        self._silent: deque[SplitTurn] = deque(maxlen=reads.turns + 1)  # said last, without a text
        self._number = 0

    def add(self, speaker: str, text: str) -> Prediction | None:
        """Add a turn and decide it, or the turn that comes next where the bundle decides that one.

        A bundle of whole conversations decides the conversation as if it ended here.

        Returns:
            The prediction; None where the bundle does not decide turns of this speaker.

        Raises:
            InputError: the speaker is unknown, or the text cannot be read; the turn is not added.
        """
        where = f"turn {self._number + 1}"
        turn = self._reads.turn((speaker, text), where)
        check_length(len(turn.text), where)
        split = self._classifier.split(turn, where)
        was_said = bool(self._turns) and bool(self._turns[-1].turn.text.strip())
        is_silent = self._reads.predict == CONVERSATION and was_said and not text.strip()
        turns = [*self._turns] if is_silent else [*self._turns, *self._silent, split]
        found = self._decided(turns)
        if is_silent:
            self._silent.append(split)
        else:
            self._turns.extend((*self._silent, split))
            self._silent.clear()
        self._number += 1
        return found

    def _decided(self, turns: list[SplitTurn]) -> Prediction | None:
        if self._reads.predict == NEXT:
            turns = [*turns, self._to_come]
        elif turns[-1].turn.speaker not in self._reads.decides:
            return None
        return self._classifier.decide_turns(turns[-self._reads.turns - 1 :])
