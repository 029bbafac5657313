"""The accuracy of a language model on minimal pairs (Warstadt et al. 2020)."""

from collections.abc import Sequence

import numpy as np

from data_pipelines.datasets.minimal_pairs import MinimalPair


def minimal_pair_accuracy(
    pairs: Sequence[MinimalPair], good: np.ndarray, bad: np.ndarray
) -> dict[str, float]:
    """Returns the share of pairs whose acceptable sentence is likelier; ties are half.

    Args:
        pairs: the pairs.
        good, bad: float (pairs,), the log-likelihood of each sentence.

    Returns:
        `accuracy` over all pairs, and the accuracy of each field, phenomenon and set:
        `field/morphology`, `phenomenon/anaphor_agreement`,
        `set/anaphor_gender_agreement`.
    """
    right = (good > bad) + 0.5 * (good == bad)
    groups: dict[str, list[float]] = {"accuracy": list(right)}
    for kind in ("field", "phenomenon", "set_name"):
        names = [getattr(pair, kind) for pair in pairs]
        for name in sorted(set(names)):
            members = [x for x, own in zip(right, names, strict=True) if own == name]
            groups[f"{kind.removesuffix('_name')}/{name}"] = members
    return {name: float(np.mean(members)) for name, members in groups.items()}
