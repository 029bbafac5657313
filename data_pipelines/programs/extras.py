"""Packages that only some of the programs need."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def extra(name: str) -> Iterator[None]:
    """Names the extra to install if an import inside the `with` fails.

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
