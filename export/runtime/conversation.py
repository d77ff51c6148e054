"""A conversation in progress: the last turns in memory, and a decision on each new one."""

from collections import deque
from typing import final

from distill.export.runtime.classifier import Classifier
from distill.export.runtime.deciding.task import Prediction
from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.inputs import Turn, Window
from distill.export.runtime.reading.turns import NEXT, turns_read


@final
class Conversation:
    """A conversation that a classifier follows turn by turn; it holds as many turns as the bundle reads.

    One conversation belongs to one thread; several may share a classifier.

    Args:
        classifier: of a bundle that reads turns.
        role: whose next turn is decided, where the bundle decides the next turns of several roles.

    Raises:
        InputError: the bundle reads no conversations, or does not decide this role.
    """

    def __init__(self, classifier: Classifier, *, role: str | None = None) -> None:
        reads = turns_read(classifier.input)
        if role is None and reads.predict == NEXT and len(reads.decides) > 1:
            raise InputError(f"role: The bundle decides the next turn of {' or '.join(reads.decides)}. Name one.")
        if role is not None and role not in reads.decides:
            raise InputError(f"role: The bundle does not decide this role. It decides {', '.join(reads.decides)}.")
        self._classifier, self._reads = classifier, reads
        self._role = role or reads.decides[0]
        self._turns: deque[Turn] = deque(maxlen=reads.turns + 1)
        self._number = 0

    def add(self, speaker: str, text: str) -> Prediction | None:
        """Add a turn and decide it, or the turn that comes next where the bundle decides that one.

        A bundle of whole conversations decides the conversation as if it ended here.

        Returns:
            The prediction; None where the bundle does not decide turns of this speaker.

        Raises:
            InputError: the speaker is unknown, or the text cannot be read; the turn is not added.
        """
        turn = self._reads.turn((speaker, text), f"turn {self._number + 1}")
        before = tuple(self._turns)
        if self._reads.predict == NEXT:
            window = Window(
                Turn(self._role, ""), (*before, turn)[-self._reads.turns :] if self._reads.turns else ()
            )
            found: Prediction | None = self._classifier(window)
        else:
            window = Window(turn, before[-self._reads.turns :] if self._reads.turns else ())
            found = self._classifier(window) if speaker in self._reads.decides else None
        self._turns.append(turn)
        self._number += 1
        return found
