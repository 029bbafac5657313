"""The rule for names of served models, shared by exports, servers and clients."""

import re

# TF Serving does not decode a name in the path of a URL, and an export uses it as the
# name of a folder: these characters are safe in both.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


def require_model_name(name: str) -> None:
    """Checks a name.

    Raises:
        ValueError: it cannot be part of a URL, or the name of a folder.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"Received the model name {name[:200]!r}. Expected up to 100 of A-Z, a-z, "
            "0-9, '_', '.' and '-', not beginning with '.' or '-', since it is part of "
            "a URL."
        )
