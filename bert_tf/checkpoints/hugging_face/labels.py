"""The kind of a classifier and the names of its outputs in a Hugging Face config."""

from typing import Any


def classifier_kind(values: dict[str, Any], num_outputs: int, folder: str) -> str:
    """The kind of a sequence classifier: "classification" or "regression".

    Raises:
        ValueError: it is multi-label, or a regression with several scores.
    """
    problem = values.get("problem_type")
    if problem == "multi_label_classification":
        raise ValueError(
            f"{folder} contains a multi-label classifier. Expected one label, or one "
            "score, for each text."
        )
    if problem == "regression" and num_outputs > 1:
        raise ValueError(
            f"{folder} contains a regression model with {num_outputs} scores for each "
            "text. Expected one score."
        )
    return "regression" if num_outputs == 1 else "classification"


def label_names(
    values: dict[str, Any], num_outputs: int, folder: str
) -> tuple[str, ...]:
    """The names of the outputs, in order; numbers and booleans become text.

    Without names in the config, they are those of transformers: LABEL_0, LABEL_1.

    Raises:
        ValueError: there is not exactly one name for each output.
    """
    if not num_outputs:  # The missing weights are reported elsewhere.
        return ()
    names = values.get("id2label")
    if not names and values.get("label2id"):
        names = _inverse(values["label2id"], folder)
    if not names:
        return tuple(f"LABEL_{number}" for number in range(num_outputs))
    if isinstance(names, list):
        names = dict(enumerate(names))
    try:
        by_id = {int(key): _text(name) for key, name in names.items()}
    except (TypeError, ValueError, AttributeError):
        raise ValueError(
            f"config.json in {folder} has id2label={names}. Expected an object that "
            "maps the number of each output to its name."
        ) from None
    found = [by_id.get(number) for number in range(num_outputs)]
    is_whole = len(by_id) == len(names) == num_outputs and None not in found
    if not is_whole or len(set(found)) < num_outputs:
        raise ValueError(
            f"config.json in {folder} has id2label={names}. Expected a distinct name "
            f"for each of the {num_outputs} outputs of the weights, numbered from 0 "
            f"to {num_outputs - 1}."
        )
    return tuple(str(name) for name in found)


def _inverse(label2id: Any, folder: str) -> dict[Any, str]:
    is_object = isinstance(label2id, dict)
    names = {number: name for name, number in label2id.items()} if is_object else {}
    if not is_object or len(names) < len(label2id):
        raise ValueError(
            f"config.json in {folder} has label2id={label2id}. Expected an object that "
            "maps each name to a distinct number."
        )
    return names


def _text(name: Any) -> str | None:
    """A name as text; None if it is empty."""
    if isinstance(name, (dict, list)):
        raise TypeError(f"{name!r} is not a name.")
    return None if name is None or name == "" else str(name)
