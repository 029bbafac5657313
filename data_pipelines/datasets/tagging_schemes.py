"""Converts entity tags from the usual schemes and spellings to IOB2."""

import dataclasses
import re
from collections.abc import Collection, Sequence
from typing import Literal

Spelling = Literal["B-PER", "b-PER", "B_PER", "PER-B", "PER_B", "B", "(PER*)", "PER"]

# Type of entities whose tags have no type.
UNTYPED = "ENTITY"
# Letters of IOB, BIOES, BILOU (L and U for E and S) and BMES (M for I).
_PREFIXES = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S"}
# In the order in which they are tried; the last is never detected, only set.
_SPELLINGS: dict[Spelling, re.Pattern[str]] = {
    "B-PER": re.compile(r"(?P<letter>[BIMELSU])-(?P<type>.+)"),
    "b-PER": re.compile(r"(?P<letter>[bimelsu])-(?P<type>.+)"),
    "B_PER": re.compile(r"(?P<letter>[BIMELSU])_(?P<type>.+)"),
    "PER-B": re.compile(r"(?P<type>.+)-(?P<letter>[BIMELSU])"),
    "PER_B": re.compile(r"(?P<type>.+)_(?P<letter>[BIMELSU])"),
    "B": re.compile(r"(?P<type>)(?P<letter>[BIMELSU])"),
    # CoNLL-2012: an entity begins with a bracket and its type, and ends with one.
    "(PER*)": re.compile(r"(?:\([^()*\s]+)*\*?\)*(?<!^)"),
    "PER": re.compile(r"(?P<letter>)(?P<type>.+)"),
}
# Other spellings of O.
_OUTSIDE = ("O", "o", "0", "-", "_")


@dataclasses.dataclass(frozen=True)
class Scheme:
    """Spelling of entity tags.

    Attributes:
        spelling: the tag that begins an entity of type `PER`, or without a type.
        outside: the tag of words outside of entities.
    """

    spelling: Spelling = "B-PER"
    outside: str = "O"

    @property
    def note(self) -> str:
        """Message to the user if tags are not spelled as in IOB2, else ""."""
        if self == Scheme():
            return ""
        kind = UNTYPED if self.spelling == "B" else "PER"
        return (
            f"tags spelled like {self.spelling!r}, and {self.outside!r} outside of "
            f"entities, become 'B-{kind}', 'I-{kind}' and 'O' (--tags=labels keeps "
            "them unchanged)"
        )

    def to_iob2(self, tags: Sequence[str]) -> tuple[str, ...]:
        """Converts the tags of one sentence to IOB2, where entities begin with `B-`.

        IOB1 `["I-PER", "I-PER", "B-PER", "O"]` becomes
        `["B-PER", "I-PER", "B-PER", "O"]`, and so does BIOES
        `["B-PER", "E-PER", "S-PER", "O"]`.

        Each letter has the same meaning in IOB1, IOB2, BIOES, BILOU and BMES, so one
        rule, that of conlleval, reads them all, including invalid sequences: an entity
        begins with B or S, after O, E or S, and where the type changes. Of nested
        brackets, the outer ones are read.

        Raises:
            ValueError: a tag is not an entity tag in this spelling.
        """
        in_brackets = self.spelling == "(PER*)"
        parts = self._brackets(tags) if in_brackets else map(self._part, tags)
        converted = []
        before, type_before = "O", ""
        for prefix, kind in parts:
            begins = prefix in "BS" or before in "OES" or kind != type_before
            inside = f"{'B' if begins else 'I'}-{kind}"
            converted.append("O" if prefix == "O" else inside)
            before, type_before = prefix, kind
        return tuple(converted)

    def has(self, tag: str) -> bool:
        """Returns True if the tag is an entity tag, or the tag outside of entities."""
        is_inside = bool(tag) and _SPELLINGS[self.spelling].fullmatch(tag) is not None
        return is_inside or tag == self.outside

    def unknown_tag(self, tag: str, where: str = "") -> ValueError:
        """Returns an error for a tag that does not fit the scheme."""
        return ValueError(
            f"{where}{': r' if where else 'R'}eceived the tag {tag!r}. Expected "
            f"{self.outside!r}, or a tag spelled like {self.spelling!r}: correct it, "
            "or set --tags=labels if the tags are not entity tags."
        )

    def _part(self, tag: str) -> tuple[str, str]:
        """Returns the letter of a tag, one of B, I, E, S and O, and its type."""
        if tag == self.outside:
            return "O", ""
        match = _SPELLINGS[self.spelling].fullmatch(tag)
        if match is None:
            raise self.unknown_tag(tag)
        return _PREFIXES[match["letter"].upper() or "I"], match["type"] or UNTYPED

    def _brackets(self, tags: Sequence[str]) -> list[tuple[str, str]]:
        parts = []
        open_types: list[str] = []
        for tag in tags:
            if not self.has(tag):
                raise self.unknown_tag(tag)
            begins = not open_types
            open_types += re.findall(r"\(([^()*\s]+)", tag)
            prefix = "B" if begins else "I"
            parts.append((prefix, open_types[0]) if open_types else ("O", ""))
            closed = tag.count(")")
            if closed > len(open_types):
                raise ValueError(
                    f"Received the tag {tag!r}, which closes a bracket that is not "
                    "open. Expected '(PER*' earlier in the sentence: correct the tags."
                )
            del open_types[len(open_types) - closed :]
        return parts


def find_scheme(tags: Collection[str]) -> tuple[Scheme | None, set[str]]:
    """Detects the scheme of entity tags; also returns the tags that do not fit it.

    Entity tags are those in `["O", "I-PER"]`, `["O", "B"]` or `["_", "PER_B"]`, but not
    in `["NOUN", "PUNCT"]` or `["O"]`, for which the scheme is None. In ambiguous cases,
    such as `["O", "B-PER", "-"]`, some tags do not fit.
    """
    tags = set(tags)
    outside = next((tag for tag in _OUTSIDE if tag in tags), None)
    best: Scheme | None = None
    best_inside: set[str] = set()
    for spelling, pattern in _SPELLINGS.items():
        inside = {tag for tag in tags - {outside} if tag and pattern.fullmatch(tag)}
        is_better = len(inside) > len(best_inside)
        if is_better and _is_possible(spelling, tags, inside, outside):
            best, best_inside = Scheme(spelling, outside or "O"), inside
    odd = tags - best_inside - {outside}
    are_few = len(odd) <= len(best_inside)
    if best is None or (odd and not are_few and "O" not in tags):
        return None, set()
    return best, odd


def _is_possible(
    spelling: Spelling, tags: set[str], inside: set[str], outside: str | None
) -> bool:
    if spelling in ("B-PER", "PER"):
        return spelling == "B-PER"
    if spelling == "(PER*)":
        return inside == tags and any("(" in tag for tag in tags)
    if spelling == "B":
        # Other tags may have one letter, too.
        odd = tags - inside - {outside}
        return bool(inside & {"B", "I"}) and len(tags) > 1 and len(odd) <= 2
    # Some part-of-speech tags have such endings.
    return outside is not None and len(tags - inside - {outside}) <= len(inside)
