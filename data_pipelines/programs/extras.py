"""Optional packages, which only some programs need."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def extra(name: str) -> Iterator[None]:
    """Turns a failed import in the block into an error that names the extra to install.

    Args:
        name: an extra of `pyproject.toml`, such as `finetune`.

    Raises:
        ImportError: a package is missing.
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"The package {error.name} is not installed. Expected the packages of the "
            f"extra {name}: pip install 'bert-tf[{name}]'."
        ) from None
