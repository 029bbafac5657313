"""The windows of google-research/bert's run_squad.py, token by token, for the tests.

The original adds a hundredth of a window's length to each token's context as a float;
here everything is in hundredths, because integers compare exactly. In the original, a
text without tokens has no window; here, it has an empty one.
"""


def doc_spans(num_tokens: int, room: int, stride: int) -> list[tuple[int, int]]:
    """Returns the start and length of each window."""
    spans = []
    start = 0
    while start < num_tokens:
        length = min(num_tokens - start, room)
        spans.append((start, length))
        if start + length == num_tokens:
            break
        start += min(length, stride)
    return spans or [(0, 0)]


def is_max_context(spans: list[tuple[int, int]], window: int, position: int) -> bool:
    """Returns True if a window has the most context of a token, the first if equal."""
    best, best_window = None, None
    for index, (start, length) in enumerate(spans):
        if not start <= position < start + length:
            continue
        left, right = position - start, start + length - 1 - position
        score = 100 * min(left, right) + length
        if best is None or score > best:
            best, best_window = score, index
    return window == best_window
