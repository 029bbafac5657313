"""Counts of the examples read: nothing is left out without being counted."""

import collections

_MAX_NAMED = 3


class ReadLog:
    """Counts the examples of one split; `used + skipped == read` at any time.

    Args:
        name: of the split, as it is printed.

    Attributes:
        used: number of examples handed on.
        skips: number of examples left out, by reason.
        warnings: number of examples handed on though something is odd, by reason; one
            example may have several.
        notes: lines on the split as a whole.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.used = 0
        self.skips = collections.Counter[str]()
        self.warnings = collections.Counter[str]()
        self.notes: list[str] = []
        self._named: dict[tuple[str, str], list[str]] = {}

    def use(self) -> None:
        """Counts an example that is handed on."""
        self.used += 1

    def skip(self, reason: str, where: str) -> None:
        """Counts an example that is left out.

        Args:
            reason: in words, the same for all examples of a sort.
            where: its id or line; the first few are printed.
        """
        self._count("skipped", self.skips, reason, where)

    def warn(self, reason: str, where: str) -> None:
        """Counts something odd, with arguments as `skip` takes them."""
        self._count("warning", self.warnings, reason, where)

    def note(self, text: str) -> None:
        """Adds a line, unless it is there."""
        if text not in self.notes:
            self.notes.append(text)

    @property
    def skipped(self) -> int:
        """The number of examples left out."""
        return self.skips.total()

    @property
    def read(self) -> int:
        """The number of all examples."""
        return self.used + self.skipped

    def lines(self) -> list[str]:
        """The lines that are printed to the user.

        For example:

            train: 87,599 read, 87,597 used, 2 skipped
            train: 2 skipped: empty text (line 17, line 90)
            train: 1 warning: answer not where it is said to be (q17)
        """
        lines = [f"{self.read:,} read, {self.used:,} used, {self.skipped:,} skipped"]
        for word, counts in (("skipped", self.skips), ("warning", self.warnings)):
            for reason, count in counts.items():
                plural = "s" if word == "warning" and count > 1 else ""
                more = ["…"] * (count > _MAX_NAMED)
                where = ", ".join([*self._named[word, reason], *more])
                lines.append(f"{count:,} {word}{plural}: {reason} ({where})")
        return [f"{self.name}: {line}" for line in [*lines, *self.notes]]

    def _count(
        self, word: str, counts: collections.Counter[str], reason: str, where: str
    ) -> None:
        counts[reason] += 1
        if counts[reason] <= _MAX_NAMED:
            self._named.setdefault((word, reason), []).append(where)
