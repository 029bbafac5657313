"""Metrics of corrected texts: those of SIGHAN's bake-offs, and edit-based ones.

All scores are from 0 to 1; precision without predictions, and recall without gold
corrections, are 0.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from data_pipelines.corpus.alignment import align

# A word, a character of a script without spaces, or a punctuation mark.
_UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|[^\w\s]")
# Precision has twice the weight of recall: a wrong correction does more harm than a
# missed one (Ng et al. 2014).
_BETA = 0.5

# A threshold above all probabilities.
_UNREACHED = 1.01

# The place, the number of the insertion at this place (0 for other changes), and the
# new item; None for a deletion. Insertions are made before the item at the place.
Change = tuple[int, int, str | None]


def correction_scores(
    texts: Sequence[str], corrected: Sequence[str], golds: Sequence[Sequence[str]]
) -> dict[str, float]:
    """Computes all metrics of corrections.

    *Sentences*, as in SIGHAN 2015 (Tseng et al. 2015, section 4). A text is detected if
    exactly the wrong places are changed, and corrected if it becomes the gold text.
    Accuracy is the share of such texts among all texts, where correct texts that stay
    unchanged count; precision is their share among the changed texts, recall among the
    texts with errors. The false positive rate is the share of correct texts that are
    changed.

    *Characters*: a changed place is detected if it is wrong, and corrected if the new
    character is right, too. If a text and its correction have the same length, they are
    compared place by place; otherwise by the fewest edits of characters.

    *Edits*: words that are replaced, deleted or inserted, by the fewest edits of words
    (of characters in scripts without spaces); spaces do not count. Precision, recall
    and F0.5 over all edits, as in GEC (Ng et al. 2014).

    If a text has several gold corrections, the one nearest to the given correction
    counts: first by the edits in common, then by those that only one of them has.

    Args:
        texts: the original texts.
        corrected: the model's corrections.
        golds: one or several gold corrections of each text.

    Returns:
        `detection_` and `correction_`, each with `accuracy`, `precision`, `recall` and
        `f1`; `false_positive_rate`; `character_detection_` and `character_correction_`
        with `precision`, `recall` and `f1`; `edit_precision`, `edit_recall` and
        `edit_f05`.
    """
    counts: Counter[str] = Counter()
    for text, given, others in zip(texts, corrected, golds, strict=True):
        counts.update(_counts(text, given, nearest(text, given, others)))
    num_texts = len(texts)
    found = {}
    for name in ("detection", "correction"):
        found[f"{name}_accuracy"] = _share(counts[name] + counts["kept"], num_texts)
        found |= _rates(counts, name, "changed", "wrong")
    found["false_positive_rate"] = _share(
        counts["false_positives"], num_texts - counts["wrong"]
    )
    for name in ("character_detection", "character_correction"):
        found |= _rates(counts, name, "changed_characters", "wrong_characters")
    edits = counts["right_edits"], counts["edits"], counts["gold_edits"]
    found["edit_precision"] = _share(edits[0], edits[1])
    found["edit_recall"] = _share(edits[0], edits[2])
    found["edit_f05"] = f_beta(*edits, beta=_BETA)
    return found


def nearest(text: str, given: str, golds: Sequence[str]) -> str:
    """The gold correction with the most edits in common with the given one."""
    if len(golds) == 1:
        return golds[0]
    own = word_changes(text, given)

    def likeness(gold: str) -> tuple[int, int]:
        others = word_changes(text, gold)
        return len(own & others), -len(own ^ others)

    return max(golds, key=likeness)


def words_of(text: str) -> list[str]:
    """The words, characters of scripts without spaces, and punctuation marks."""
    return WORD.findall(text)


def word_changes(text: str, corrected: str) -> set[Change]:
    """The changes by the fewest edits of words."""
    return _set_of_changes(words_of(text), words_of(corrected))


def character_changes(text: str, corrected: str) -> set[Change]:
    """The characters that differ; if the lengths differ, by the fewest edits."""
    if len(text) != len(corrected):
        return _set_of_changes(text, corrected)
    pairs = enumerate(zip(text, corrected, strict=True))
    return {(place, 0, new) for place, (old, new) in pairs if old != new}


def aligned_changes(
    items: Sequence[str], others: Sequence[str]
) -> Iterator[tuple[int | None, int | None, Change | None]]:
    """Aligns items by the fewest edits.

    Yields:
        For each pair of `align`: the two places, and the change, None for equal items.
    """
    place = inserted = 0
    for item, other in align(items, others):
        new = None if other is None else others[other]
        if item is None:
            inserted += 1
            yield item, other, (place, inserted, new)
        else:
            place, inserted = item + 1, 0
            yield item, other, None if items[item] == new else (item, 0, new)


def best_edit_threshold(
    probabilities: Sequence[float],
    right: Sequence[int],
    sizes: Sequence[int],
    num_gold: int,
) -> float:
    """The minimum probability of edits that gives the best F0.5.

    Args:
        probabilities: the probability of each edit.
        right: the number of words that each edit changes correctly.
        sizes: the number of words that each edit changes.
        num_gold: the number of gold edits.

    Returns:
        A threshold half-way between two edits; the greatest of equally good ones. It is
        above 1, which no edit reaches, if it is best to change nothing.
    """
    order = sorted(range(len(right)), key=lambda place: -probabilities[place])
    steps = [probabilities[place] for place in order] + [0.0]
    best, threshold = 0.0, _UNREACHED
    num_right = num_given = 0
    for number, place in enumerate(order):
        num_right += right[place]
        num_given += sizes[place]
        # Equal probabilities are on the same side of any threshold.
        if steps[number + 1] < steps[number]:
            score = f_beta(num_right, num_given, num_gold, _BETA)
            if score > best:
                best, threshold = score, (steps[number] + steps[number + 1]) / 2
    return threshold


def f_beta(num_right: int, num_given: int, num_gold: int, beta: float) -> float:
    """The weighted harmonic mean of precision and recall."""
    weight = beta**2
    return _share((1 + weight) * num_right, num_given + weight * num_gold)


def _counts(text: str, given: str, gold: str) -> dict[str, int]:
    own, right = character_changes(text, given), character_changes(text, gold)
    own_places = {change[:-1] for change in own}
    right_places = {change[:-1] for change in right}
    own_words, right_words = word_changes(text, given), word_changes(text, gold)
    is_changed, is_wrong = given != text, gold != text
    return {
        "wrong": is_wrong,
        "changed": is_changed,
        "kept": not is_changed and not is_wrong,
        "false_positives": is_changed and not is_wrong,
        "detection": is_changed and is_wrong and own_places == right_places,
        "correction": is_changed and given == gold,
        "changed_characters": len(own),
        "wrong_characters": len(right),
        "character_detection": len(own_places & right_places),
        "character_correction": len(own & right),
        "edits": len(own_words),
        "gold_edits": len(right_words),
        "right_edits": len(own_words & right_words),
    }


def _set_of_changes(items: Sequence[str], others: Sequence[str]) -> set[Change]:
    changes = (change for _, _, change in aligned_changes(items, others))
    return {change for change in changes if change is not None}


def _rates(
    counts: Mapping[str, int], right: str, given: str, gold: str
) -> dict[str, float]:
    return {
        f"{right}_precision": _share(counts[right], counts[given]),
        f"{right}_recall": _share(counts[right], counts[gold]),
        f"{right}_f1": f_beta(counts[right], counts[given], counts[gold], beta=1.0),
    }


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
