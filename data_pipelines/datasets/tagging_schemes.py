"""Tags of entities, from any of the usual schemes to IOB2."""

import re
from collections.abc import Iterable, Sequence

# BILOU has other letters for the E and S of BIOES, BMES another for its I.
_PREFIXES = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S"}
_ENTITY = re.compile(r"([BIMELSU])-(.+)")


def are_entities(tags: Iterable[str]) -> bool:
    """True if some tags are of entities (see `to_iob2`), and all others are `O`.

    They are for `["O", "I-PER"]`, but not for `["NOUN", "PUNCT"]` or `["O"]`.
    """
    others = {tag for tag in tags if tag != "O"}
    return bool(others) and all(_ENTITY.fullmatch(tag) for tag in others)


def to_iob2(tags: Sequence[str]) -> tuple[str, ...]:
    """The tags of one sentence in the scheme IOB2, in which entities begin with `B-`.

    IOB1 `["I-PER", "I-PER", "B-PER", "O"]` becomes `["B-PER", "I-PER", "B-PER", "O"]`,
    and so does BIOES `["B-PER", "E-PER", "S-PER", "O"]`.

    No letter means different things in IOB1, IOB2, BIOES, BILOU and BMES, so that one
    rule, that of conlleval, reads them all, and makes sense of invalid tags, too: an
    entity begins with B or S, after O, E or S, and where the type changes.

    Raises:
        ValueError: a tag is none of an entity.
    """
    converted = []
    before, type_before = "O", ""
    for tag in tags:
        match = _ENTITY.fullmatch(tag)
        if match is None and tag != "O":
            raise ValueError(
                f"Received the tag {tag!r}. Expected 'O', or a tag such as 'B-PER': "
                "a letter of BIO, BIOES, BILOU or BMES, '-', and the type."
            )
        prefix, kind = (_PREFIXES[match[1]], match[2]) if match else ("O", "")
        begins = prefix in "BS" or before in "OES" or kind != type_before
        converted.append(f"{'B' if begins else 'I'}-{kind}" if match else "O")
        before, type_before = prefix, kind
    return tuple(converted)
