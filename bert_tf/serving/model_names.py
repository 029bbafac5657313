"""Names of served models: one rule for exports, servers and clients."""

import re

# TF Serving takes the name out of the path of a URL as it is written there, and an
# export makes a folder of it: these are the characters that both leave alone.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


def require_model_name(name: str) -> None:
    """Checks a name.

    Raises:
        ValueError: it cannot be in the path of a URL, or of a folder.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"Received the model name {name[:200]!r}. Expected up to 100 of A-Z, a-z, "
            "0-9, '_', '.' and '-', not beginning with '.' or '-': it is part of a URL."
        )
