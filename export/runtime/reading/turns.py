"""Turns of a conversation as an input: the turn that is decided, whole, and as many turns before it as fit.

A row of tokens is the decided turn in the first part of the template, and then, in the second part, the turns
before it, the newest first. Each turn begins with the piece of its role. A turn before the decided one is read
whole or not at all, and the farthest are left out first; where the template has the place of the newest, that one
turn loses its beginning if it does not fit whole, so that what the decided turn answers is read. A row without
context is the first part alone, and so every longer row begins with it. Training, the runtime and the page in
docs/browser/ read rows by this template; tests/vectors/turns.json holds them together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, Self, final

from tokenizers import Tokenizer

from distill.export.runtime.errors import BundleError, InputError
from distill.export.runtime.reading.rows import Turn, Window, check_length, kind_of
from distill.export.runtime.reading.turn_reader import Frame, Reader, TurnReader
from distill.export.runtime.untrusted.fields import Fields, has_surrogate, is_printable

TURNS = "turns"

# what is decided: a turn that was said, the one that comes next, or the whole conversation by its last turns
Predict = Literal["this", "next", "conversation"]

THIS: Predict = "this"
NEXT: Predict = "next"
CONVERSATION: Predict = "conversation"

PREDICTS = {str(name): name for name in (THIS, NEXT, CONVERSATION)}

# places in a template: the decided turn, and the turns before it
TARGET, CONTEXT = "{target}", "{turns}"

# before the place of the turns: the newest of them loses its beginning where it does not fit; without this place
# it is left out then, with all turns before it
NEWEST = "{newest}"

MAX_TURNS = 100

MAX_ROLES = 20

MAX_ROLE = 100  # characters in the name of a role or of a piece

MAX_FRAME = 10  # pieces in one part of a template

PROBE = "a"


class Named(Protocol):
    """Any kind of input."""

    @property
    def kind(self) -> str:
        """The name of the kind in a manifest."""


@final
@dataclass(frozen=True)
class Template:
    """The pieces around the decided turn, and around the turns before it."""

    target: tuple[str, ...]
    context: tuple[str, ...]

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Self:
        """Return what a tokenizer puts around one text; its end is behind the context once more."""
        encoding = tokenizer.encode(PROBE)
        read = [place for place, inside in enumerate(encoding.attention_mask) if inside]  # some files pad
        own = [place for place in read if not encoding.special_tokens_mask[place]]
        if not own:
            raise BundleError("tokenizer: The tokenizer has no piece for plain letters. Use another tokenizer.")
        start, end = (
            [encoding.tokens[place] for place in read if side(place)] for side in (own[0].__gt__, own[-1].__lt__)
        )
        return cls((*start, TARGET, *end), (NEWEST, CONTEXT, *end))

    @classmethod
    def from_dict(cls, data: object, where: str) -> Self:
        """Check and build."""
        fields = Fields(data, where, ("target", "context"))
        return cls(_frame(fields, "target", (TARGET,)), _frame(fields, "context", (CONTEXT,), (NEWEST, CONTEXT)))

    @property
    def cuts_newest(self) -> bool:
        """Return whether the newest turn of context loses its beginning where it does not fit."""
        return NEWEST in self.context


@final
@dataclass(frozen=True)
class Turns:
    """A turn of a conversation, read with the turns before it.

    Attributes:
        turns: most turns before the decided one.
        roles: the names of the speakers, each with the piece that begins its turns.
        decides: the roles whose turns are decided.
        predict: "this" decides a turn that was said; "next" decides a turn before it is said, by its role alone;
            "conversation" decides a conversation once, by its last turn and those before it.
        segments: number of token types: 0 for the decided turn, 1 for the newest before it, and so on; all turns
            that are farther away share the last.
        template: None where it is still to be taken from a tokenizer.
    """

    turns: int
    roles: Mapping[str, str]
    decides: tuple[str, ...]
    predict: Predict = "this"
    segments: int = 2
    template: Template | None = None
    kind: str = TURNS

    @classmethod
    def from_dict(cls, data: object, where: str) -> Self:
        """Check and build."""
        keys = ("kind", "turns", "roles", "decides", "predict", "segments", "template")
        fields = Fields(data, where, keys)
        fields.choice("kind", (TURNS,))
        roles = _roles(fields)
        decides = fields.names("decides", MAX_ROLES)
        if not set(decides) <= roles.keys():
            raise fields.error("decides", "a list of names that 'roles' has")
        return cls(
            turns=fields.integer("turns", 0, MAX_TURNS),
            roles=roles,
            decides=decides,
            predict=PREDICTS[fields.choice("predict", PREDICTS)],
            segments=fields.integer("segments", 1, MAX_TURNS + 1),
            template=Template.from_dict(fields.raw("template"), f"{where}: template"),
        )

    @property
    def pieces(self) -> tuple[str, ...]:
        """The pieces of the roles, each once."""
        return tuple(dict.fromkeys(self.roles.values()))

    def with_template(self, tokenizer: Tokenizer) -> "Turns":
        """Return the input with its template written out."""
        return self if self.template is not None else replace(self, template=Template.of(tokenizer))

    def without_context(self) -> "Turns":
        """Return the input that reads the decided turn alone."""
        return replace(self, turns=0)

    def row(self, value: object, where: str) -> Window:
        """See `Input.row`: a window, or a list of turns whose last is decided.

        Where the next turn is decided, the list has the turns before it, and its role is the one that is decided.
        """
        if isinstance(value, Window):
            turns: Sequence[object] = (*value.context, value.target)
        elif isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
            raise InputError(
                f"{where}: This is {type(value).__name__}, but the bundle reads turns of a conversation. Pass a "
                "list of them, each with its speaker and text, or use predict_turns."
            )
        else:
            turns = value
            if self.predict == NEXT:
                turns = (*value, Turn(self._only_role(where), ""))
        if not turns:
            raise InputError(f"{where}: The list of turns is empty. Pass at least the turn to decide.")
        return self._checked(turns, where)

    def _only_role(self, where: str) -> str:
        if len(self.decides) > 1:
            raise InputError(
                f"{where}: This bundle decides the next turn of {' or '.join(self.decides)}. Use "
                "predict_turns, or a Conversation with a role."
            )
        return self.decides[0]

    def _checked(self, turns: Sequence[object], where: str) -> Window:
        first = 0 if self.predict == CONVERSATION else max(0, len(turns) - self.turns - 1)
        said = [self.turn(turn, f"{where}, turn {at}") for at, turn in enumerate(turns[first:], first + 1)]
        *context, target = said[: self.spoken(said)][-self.turns - 1 :]
        if target.speaker not in self.decides:
            raise InputError(
                f"{where}: The last turn is of a role that this bundle does not decide. It decides "
                f"{', '.join(self.decides)}."
            )
        check_length(sum(len(turn.text) for turn in (*context, target)), where)
        return Window(Turn(target.speaker, "") if self.predict == NEXT else target, tuple(context))

    def turn(self, value: object, where: str) -> Turn:
        """Return one turn as the caller gave it, checked: a `Turn`, a pair, or a mapping of speaker and text.

        Raises:
            InputError: it is not such a turn, or of an unknown speaker.
        """
        if isinstance(value, Mapping) and "speaker" in value and "text" in value:
            value = value["speaker"], value["text"]
        if not isinstance(value, tuple | list) or len(value) != 2:
            raise InputError(f"{where}: A turn must have a speaker and a text. Pass distill.Turn(speaker, text).")
        speaker, text = value
        if not isinstance(text, str):
            raise InputError(f"{where}: The text must be a string, but is {kind_of(text)}.")
        if not isinstance(speaker, str) or speaker not in self.roles:
            raise InputError(f"{where}: The speaker is unknown. Name one of {', '.join(self.roles)}.")
        if has_surrogate(text):
            raise InputError(
                f"{where}: The text cannot be tokenized. It must be valid Unicode without lone surrogates."
            )
        return Turn(speaker, text)

    def spoken(self, turns: Sequence[Turn]) -> int:
        """Return how many of some turns are read: of a whole conversation those up to the last with a text.

        Training reads them so. All are read where none has a text, because something must be decided.
        """
        if self.predict != CONVERSATION:
            return len(turns)
        said = (number for number in range(len(turns), 0, -1) if turns[number - 1].text.strip())
        return next(said, len(turns))

    def windows(self, turns: Sequence[object], where: str) -> list[Window | None]:
        """Return the row of each turn of a conversation; None for turns of a role that is not decided.

        Where whole conversations are decided, that of the last turn with a text is the only one.

        Raises:
            InputError: one of them is not a turn, or too long.
        """
        checked = [self.turn(turn, f"{where}[{number}]") for number, turn in enumerate(turns)]
        for number, turn in enumerate(checked):
            check_length(len(turn.text), f"{where}[{number}]")
        last = self.spoken(checked) - 1
        return [
            Window(
                Turn(turn.speaker, "") if self.predict == NEXT else turn,
                tuple(checked[max(0, number - self.turns) : number]),
            )
            if turn.speaker in self.decides and (self.predict != CONVERSATION or number == last)
            else None
            for number, turn in enumerate(checked)
        ]

    def special_tokens(self, tokenizer: Tokenizer) -> int:
        """See `Input.special_tokens`: those of a row without context, its role included."""
        template = self.template or Template.of(tokenizer)
        return len(template.target)

    def reader(self, tokenizer: Tokenizer, max_tokens: int, *, type_ids: bool) -> Reader:
        """See `Input.reader`; each piece of the template and of the roles must be in the vocabulary."""
        template = self.template or Template.of(tokenizer)
        return TurnReader(
            tokenizer,
            max_tokens,
            type_ids=type_ids,
            turns=self.turns,
            segments=self.segments,
            roles=self.roles,
            frames=(split_at(template.target, TARGET), split_at(template.context, CONTEXT)),
            cuts_newest=template.cuts_newest,
        )


def turns_read(reads: Named) -> Turns:
    """Return what a bundle reads of a conversation.

    Raises:
        InputError: it reads none.
    """
    if not isinstance(reads, Turns):
        raise InputError(f"This bundle reads a {reads.kind} and no conversation. Use predict.")
    return reads


def split_at(frame: tuple[str, ...], place: str) -> Frame:
    """Return a template's pieces before and behind its place, without other places."""
    at = frame.index(place)
    return tuple(piece for piece in frame[:at] if piece != NEWEST), frame[at + 1 :]


def _frame(fields: Fields, key: str, *forms: tuple[str, ...]) -> tuple[str, ...]:
    """Return one part of a template: a few pieces around its place or places, in one of some forms."""
    values = fields.texts(key, MAX_FRAME)
    places = [at for at, value in enumerate(values) if "{" in value]
    whole = values[places[0] : places[-1] + 1] if places else ()
    if whole not in forms or any(len(value) > MAX_ROLE for value in values):
        raise fields.error(key, f"a list of pieces with {' or '.join(map(' '.join, forms))} once")
    return values


def _roles(fields: Fields) -> dict[str, str]:
    roles = {name: piece for name, piece in fields.mapping("roles").items() if isinstance(piece, str)}
    texts = [*roles, *roles.values()]
    usable = all(text.strip() and len(text) <= MAX_ROLE and is_printable(text) for text in texts)
    if not 0 < len(roles) <= MAX_ROLES or len(roles) != len(fields.mapping("roles")) or not usable:
        raise fields.error("roles", f"a JSON object of 1 to {MAX_ROLES} names of speakers, each with its piece")
    return roles
