# SPDX-License-Identifier: GPL-2.0-or-later
"""Decodes ASN.1 by a pattern, step by step as the kernel does (lib/asn1_decoder.c). Knows no message's meaning.

What was found before the data broke is told all the same, because the kernel acts on it as it goes: whoever reads the
notes in their order answers with the first thing that is wrong, as the kernel does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dlkm.core.errors import MalformedError

_CONSTRUCTED, _LONG_TAG, _INDEFINITE = 0x20, 0x1F, 0x80
_SHORT = 2  # bytes of the shortest header
_LENGTH_BYTES = 2  # the decoder takes no length above 65,535 …
_SEARCHED_LENGTH_BYTES = 7  # … but where it looks for the end of a value of indefinite length
_DEPTH = 10  # constructed values within each other


@dataclass(frozen=True, slots=True)
class Value:
    """One value: tag, content, and both with the length between them as they stand."""

    tag: int
    content: bytes
    whole: bytes


Note = Callable[[Value], object]


@dataclass(frozen=True, slots=True)
class One:
    """A value that a pattern expects. `tag` None: any.

    `parts`: what is within a constructed one; `many`: these again and again, once at least. `optional`: it may lack.
    `after` is told of it when all of it was read.
    """

    tag: int | None
    parts: "Sequence[One | Choice]" = ()
    many: bool = False
    optional: bool = False
    after: Note | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several; `after` is told whatever becomes of it."""

    among: Sequence[One]
    optional: bool = False
    after: Callable[[], object] | None = None


@dataclass(slots=True)
class _Decoder:
    data: bytes
    end: int
    place: int = 0
    matched: bool = False
    depth: int = 0

    def broken(self, why: str) -> MalformedError:
        return MalformedError(why, offset=self.place)

    def all(self, pattern: "Sequence[One | Choice]") -> None:
        for element in pattern:
            if isinstance(element, One):
                self.one(element, skip=element.optional)
            else:
                self.choice(element)

    def choice(self, choice: Choice) -> None:
        """The first that fits; at the end of what holds it, none need fit (FLAG_MATCHED is still that of before)."""
        for number, one in enumerate(choice.among):
            if not number or not self.matched:
                self.one(one, skip=True)
        if not choice.optional and not self.matched:
            raise self.broken("a value of another kind is wanted")
        if choice.after is not None:
            choice.after()

    def one(self, one: One, *, skip: bool) -> None:
        """A value that matches, with all that is within; one that does not match is left, or an error."""
        if skip and self.place == self.end:
            return
        self.matched = False
        start = self.place
        if self.end - start < _SHORT:
            raise self.broken("cut off")
        tag = self.data[start]
        if tag & _LONG_TAG == _LONG_TAG:
            raise self.broken("a tag of several bytes")
        compound = one.tag is not None and bool(one.tag & _CONSTRUCTED)
        if one.tag is not None and (one.tag ^ tag) & ~(one.tag & _CONSTRUCTED):
            if skip:
                return
            raise self.broken("a value of another kind is wanted")
        self.matched = True
        length = self.length(tag, start + 1)
        if compound:
            self.compound(one, tag, length, start=start)
        else:
            self.leaf(one, tag, length, start=start)

    def length(self, tag: int, place: int) -> int | None:
        """The length that stands there; None for an indefinite one. The place is then where the content begins."""
        size = self.data[place]
        self.place = place + 1
        if size < _INDEFINITE:
            return self.within(size)
        if size == _INDEFINITE:
            if not tag & _CONSTRUCTED:
                raise self.broken("an indefinite length where none may be")
            self.within(_SHORT)
            return None
        count = size - _INDEFINITE
        if count > _LENGTH_BYTES:
            raise self.broken("a length that makes no sense")
        self.within(count)
        self.place += count
        return self.within(int.from_bytes(self.data[self.place - count : self.place], "big"))

    def within(self, size: int) -> int:
        if size > self.end - self.place:
            raise self.broken(f"{size} bytes leave what holds them")
        return size

    def leaf(self, one: One, tag: int, length: int | None, *, start: int) -> None:
        """A value whose content is left alone."""
        content = self.place
        self.place = _after_indefinite(self, content) if length is None else content + length
        if one.after is not None:
            one.after(Value(tag, self.data[content : self.place], self.data[start : self.place]))

    def compound(self, one: One, tag: int, length: int | None, *, start: int) -> None:
        """A value with others in it."""
        if self.depth >= _DEPTH:
            raise self.broken("too deep")
        content, outer = self.place, self.end
        self.end = outer if length is None else content + length
        self.depth += 1
        self.all(one.parts)
        while one.many and self.more(length):
            self.all(one.parts)
        self.depth -= 1
        stop = self.close(length)
        self.end, self.matched = outer, True
        if one.after is not None:
            one.after(Value(tag, self.data[content:stop], self.data[start : self.place]))

    def more(self, length: int | None) -> bool:
        """Whether a list goes on."""
        if length is not None:
            return self.place < self.end
        self.within(_SHORT)
        return self.data[self.place] != 0

    def close(self, length: int | None) -> int:
        """The end of a constructed value's content."""
        if length is not None:
            if self.place != self.end:
                raise self.broken("there is more than belongs here")
            return self.place
        self.within(_SHORT)
        if self.data[self.place : self.place + 2] != b"\0\0":
            raise self.broken("its end is missing")
        self.place += 2
        return self.place - 2


def _after_indefinite(decoder: _Decoder, start: int) -> int:
    """Behind the end of a value of indefinite length (asn1_find_indefinite_length); its two zero bytes are content."""
    scan = _Scan(decoder, start)
    level = 1
    while level:
        tag = scan.header()
        if not tag:
            if scan.byte():
                raise decoder.broken("its end is damaged")
            level -= 1
        elif scan.indefinite(tag):
            level += 1
    return scan.place


@dataclass(slots=True)
class _Scan:
    """Passes over values, whatever they are."""

    decoder: _Decoder
    place: int

    def byte(self) -> int:
        self.place += 1
        return self.decoder.data[self.place - 1]

    def rest(self, wanted: int) -> None:
        if self.decoder.end - self.place < wanted:
            raise self.decoder.broken("cut off")

    def header(self) -> int:
        """The next tag, all of its bytes passed."""
        self.rest(_SHORT)
        tag = self.byte()
        more = tag & _LONG_TAG == _LONG_TAG
        while more:
            self.rest(_SHORT)
            more = self.byte() >= _INDEFINITE
        return tag

    def indefinite(self, tag: int) -> bool:
        """Passes over a length and what it measures; whether it measures nothing."""
        size = self.byte()
        if size == _INDEFINITE:
            if not tag & _CONSTRUCTED:
                raise self.decoder.broken("an indefinite length where none may be")
            return True
        if size > _INDEFINITE:
            count = size - _INDEFINITE
            if count > _SEARCHED_LENGTH_BYTES:
                raise self.decoder.broken("a length that makes no sense")
            self.rest(count)
            size = int.from_bytes(self.decoder.data[self.place : self.place + count], "big")
            self.place += count
        self.rest(size)
        self.place += size
        return False


def decode(data: bytes, pattern: One) -> None:
    """Read the value that data begin with, what follows it ignored; MalformedError where it does not fit the pattern.

    By then its notes have been told of all that came before.
    """
    _Decoder(data, len(data)).one(pattern, skip=False)
