# SPDX-License-Identifier: GPL-2.0-or-later
"""A module's type information looked at type by type, as kernel/bpf/btf.c does (btf_check_all_metas). Logs nothing."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from struct import Struct

from dlkm.verdict.btf import BtfError

_NARROW, _WIDE = (0x1F, 0xFFFF), (0x7F, 0xFFFFFF)  # bits of a type's kind, and of the number of its members
_FLAG = 1 << 31
_LAST_OFFSET, _LAST_TYPE = 0x00FFFFFF, 0x000FFFFF  # BTF_MAX_NAME_OFFSET, BTF_MAX_TYPE
_INT, _PTR, _ARRAY, _STRUCT, _UNION, _ENUM, _FWD, _TYPEDEF, _VOLATILE, _CONST, _RESTRICT = range(1, 12)
_FUNC, _FUNC_PROTO, _VAR, _DATASEC, _FLOAT, _DECL_TAG, _TYPE_TAG, _ENUM64 = range(12, 20)
_MODIFIERS = frozenset({_VOLATILE, _CONST, _RESTRICT, _TYPEDEF, _TYPE_TAG})
_REFERENCES = _MODIFIERS | {_PTR}
# Words of four bytes behind a type's three: fixed, and for each of its members.
_FIXED = {_INT: 1, _ARRAY: 3, _VAR: 1, _DECL_TAG: 1}
_EACH = {_STRUCT: 3, _UNION: 3, _ENUM: 2, _FUNC_PROTO: 2, _DATASEC: 3, _ENUM64: 3}
_NO_MEMBERS = frozenset({_INT, _ARRAY, _FWD, _VAR, _FLOAT, _DECL_TAG, *_REFERENCES})
_NO_FLAG = frozenset({_INT, _ARRAY, _FUNC, _FUNC_PROTO, _VAR, _DATASEC, _FLOAT, _DECL_TAG, *_REFERENCES})
_FLAGGED = frozenset({_DECL_TAG, _TYPE_TAG})  # from some kernel on
_NAMED = frozenset({_FWD, _TYPEDEF, _FUNC, _VAR})
_UNNAMED = frozenset({_ARRAY, _FUNC_PROTO, _PTR, _VOLATILE, _CONST, _RESTRICT})
_FLOATS = frozenset({2, 4, 8, 12, 16})
_GLOBAL = 2  # the last of a function's linkages
_CHAIN = 32  # modifiers one upon the other
_INT_BITS, _ENCODINGS = 0x0FFF00FF, frozenset({0, 1, 2, 4})
_IDENTIFIER = re.compile(rb"[A-Za-z_.][A-Za-z0-9_.]{0,511}\0")
_PRINTABLE = re.compile(rb"[ -~]{1,512}\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """One type: the numbers of its kind and members, the flag, and its words from the size (or type) on."""

    kind: int
    members: int
    flag: bool
    name: int
    words: tuple[int, ...]


@dataclass(frozen=True)
class BtfTypes:
    """A module's types and names upon a kernel's: `base_types` counts these, with void, and `base` are their names.

    What newer kernels take: names of sections of any printable characters (`printable`), tags with the flag
    (`tag_flags`) or behind other modifiers (`free_tags`), types with more than 65,535 members (`wide`).
    """

    raw: bytes
    names: bytes
    base_types: int
    base: bytes
    order: str = "<"
    printable: bool = True
    tag_flags: bool = True
    free_tags: bool = True
    wide: bool = True

    def check(self) -> None:
        """BtfError when the kernel would not take them."""
        for number, one in enumerate(self.types, self.base_types):
            self._check(number, one)
        self._check_tags()

    @cached_property
    def types(self) -> tuple[Type, ...]:
        """All of them; BtfError where one is cut off or of a kind that does not exist."""
        return tuple(self._read())

    def _read(self) -> Iterator[Type]:
        head, place, end = Struct(f"{self.order}3I"), 0, len(self.raw)
        kinds, most = _WIDE if self.wide else _NARROW
        while place < end:
            if end - place < head.size:
                raise _wrong("a type is cut off")
            name, info, size = head.unpack_from(self.raw, place)
            kind, members = info >> 24 & kinds, info & most
            if info & ~(_FLAG | kinds << 24 | most) or not _INT <= kind <= _ENUM64:
                raise _wrong(f"a type of kind {kind}, which there is not")
            count = _FIXED.get(kind, 0) + _EACH.get(kind, 0) * members
            place += head.size
            if end - place < 4 * count:
                raise _wrong("a type is cut off")
            rest = Struct(f"{self.order}{count}I").unpack_from(self.raw, place)
            yield Type(kind=kind, members=members, flag=bool(info >> 31), name=name, words=(size, *rest))
            place += 4 * count

    def _check(self, number: int, one: Type) -> None:
        if not self._known(one.name):
            raise _wrong(f"the name of type {number} lies outside the kernel's names and its own")
        sound = (
            not (one.kind in _NO_MEMBERS and one.members)
            and not (one.flag and one.kind in (_NO_FLAG - _FLAGGED if self.tag_flags else _NO_FLAG))
            and self._name_fits(one)
            and self._content_fits(one)
        )
        if not sound:
            raise _wrong(f"type {number} makes no sense upon this kernel's types")
        if one.kind == _INT and one.words[1] >> 24 & 0xF not in _ENCODINGS:
            raise BtfError(f"type {number} is encoded in a way that there is not", "ENOTSUPP", -524)

    def _name_fits(self, one: Type) -> bool:
        if one.kind == _DATASEC:
            return self._matches(_PRINTABLE if self.printable else _IDENTIFIER, one.name)
        if one.kind in _NAMED:
            return self._matches(_IDENTIFIER, one.name)
        if one.kind in _UNNAMED:
            return not one.name
        if one.kind in {_DECL_TAG, _TYPE_TAG}:
            return self._place(one.name)[0][self._place(one.name)[1]] != 0
        return one.kind in {_INT, _FLOAT} or not one.name or self._matches(_IDENTIFIER, one.name)

    def _content_fits(self, one: Type) -> bool:
        size, rest = one.words[0], one.words[1:]
        if one.kind in _REFERENCES:
            return size <= _LAST_TYPE
        if one.kind in {_STRUCT, _UNION}:
            return self._members_fit(one)
        if one.kind in {_ENUM, _ENUM64}:
            return size in {1, 2, 4, 8} and all(self._matches(_IDENTIFIER, name) for name in rest[:: _EACH[one.kind]])
        if one.kind == _FUNC:
            return one.members <= _GLOBAL
        fits = _SIMPLE.get(one.kind)
        return fits is None or fits(size, rest)

    def _members_fit(self, one: Type) -> bool:
        """Names, types, and places that go up and stay within."""
        size, rest = one.words[0], one.words[1:]
        last = 0
        for name, kind, place in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
            offset = place & 0xFFFFFF if one.flag else place
            if (name and not self._matches(_IDENTIFIER, name)) or not _is_type(kind):
                return False
            if (one.kind == _UNION and offset) or last > offset or (offset + 7) // 8 > size:
                return False
            last = offset
        return True

    def _place(self, name: int) -> tuple[bytes, int]:
        """The table and the place in it."""
        return (self.base, name) if name < len(self.base) else (self.names, name - len(self.base))

    def _known(self, name: int) -> bool:
        return name <= _LAST_OFFSET and name < len(self.base) + len(self.names)

    def _matches(self, pattern: re.Pattern[bytes], name: int) -> bool:
        return bool(name and self._known(name) and pattern.match(*self._place(name)))

    def _check_tags(self) -> None:
        """Type tags stand before other modifiers, and no chain of these is endless (btf_check_type_tags).

        Source: btf_check_modifier_chain_length, too, which took its place.
        """
        last = self.base_types + len(self.types)
        for number, one in enumerate(self.types, self.base_types):
            current, tagged, left = number, one.kind == _TYPE_TAG, _CHAIN
            while (found := self.types[current - self.base_types]).kind in _MODIFIERS:
                if not left:
                    raise BtfError(f"type {number} refers to itself", "ELOOP", -40)
                left -= 1
                if found.kind == _TYPE_TAG and not tagged and not self.free_tags:
                    raise _wrong(f"type {number} has its tags behind other modifiers")
                tagged = tagged and found.kind == _TYPE_TAG
                current = found.words[0]
                if current >= last:
                    raise _wrong(f"type {number} refers to a type that there is not")
                if current < number:  # one of the kernel's, or one that was looked at
                    break


def _is_type(number: int) -> bool:
    return 0 < number <= _LAST_TYPE


def _section_fits(size: int, rest: tuple[int, ...]) -> bool:
    """Variables one behind the other, within the section."""
    end = 0
    for kind, offset, length in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        if not _is_type(kind) or not end <= offset < size or not 0 < length <= size - offset:
            return False
        end = offset + length
    return size > 0


def _int_fits(size: int, rest: tuple[int, ...]) -> bool:
    bits = (rest[0] & 0xFF) + (rest[0] >> 16 & 0xFF)
    return not rest[0] & ~_INT_BITS and bits <= 128 and (bits + 7) // 8 <= size


# What a type's size and words must be, for the kinds where these alone tell.
_SIMPLE: dict[int, Callable[[int, tuple[int, ...]], bool]] = {
    _INT: _int_fits,
    _ARRAY: lambda size, rest: not size and _is_type(rest[0]) and _is_type(rest[1]),
    _FWD: lambda size, _: not size,
    _VAR: lambda size, rest: _is_type(size) and rest[0] in {0, 1},
    _DATASEC: _section_fits,
    _FLOAT: lambda size, _: size in _FLOATS,
    _DECL_TAG: lambda _, rest: rest[0] < 1 << 31 or rest[0] == 0xFFFFFFFF,
}


def _wrong(why: str) -> BtfError:
    return BtfError(why, "EINVAL", -22)
