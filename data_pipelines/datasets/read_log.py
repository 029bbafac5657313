"""Counts of the examples read, used and skipped."""

import collections

_MAX_NAMED = 3


class ReadLog:
    """Counts the examples of one split; `used + skipped == read` at any time.

    Args:
        name: name of the split in the output.

    Attributes:
        used: number of examples used.
        skips: number of examples skipped, by reason.
        warnings: number of examples used despite a problem, by reason; an example may
            have several.
        notes: messages about the whole split.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.used = 0
        self.skips = collections.Counter[str]()
        self.warnings = collections.Counter[str]()
        self.notes: list[str] = []
        self._named: dict[tuple[str, str], list[str]] = {}

    def use(self) -> None:
        """Counts an example that is used."""
        self.used += 1

    def skip(self, reason: str, where: str) -> None:
        """Counts an example that is skipped.

        Args:
            reason: reason in words, the same for all such examples.
            where: id or line of the example; the first few are printed.
        """
        self._count("skipped", self.skips, reason, where)

    def warn(self, reason: str, where: str) -> None:
        """Counts a warning; for the arguments see `skip`."""
        self._count("warning", self.warnings, reason, where)

    def note(self, text: str) -> None:
        """Adds a message, once."""
        if text not in self.notes:
            self.notes.append(text)

    @property
    def skipped(self) -> int:
        """The number of examples skipped."""
        return self.skips.total()

    @property
    def read(self) -> int:
        """The number of all examples."""
        return self.used + self.skipped

    def lines(self) -> list[str]:
        """Returns the lines to print for the user.

        For example:

            train: 87,599 read, 87,597 used, 2 skipped
            train: 2 skipped: empty text (line 17, line 90)
            train: 1 warning: answer not found in the context (q17)
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
