"""The error for a text that is too small for a vocabulary."""


class TooFewPiecesError(ValueError):
    """A text yields fewer pieces than a vocabulary should have.

    Args:
        vocab_size: the number of pieces requested.
        num_pieces: the number that the text yields, control tokens included.
    """

    def __init__(self, vocab_size: int, num_pieces: int) -> None:
        super().__init__(
            f"Received vocab_size={vocab_size}. Expected at most {num_pieces}, the "
            "number of pieces when every word is one piece: choose a smaller "
            "vocabulary or more text."
        )
        self.num_pieces = num_pieces
