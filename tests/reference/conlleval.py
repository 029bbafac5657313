"""Chunk counts like `conlleval`, written for the tests from its description.

Tjong Kim Sang and Buchholz 2000; the rules for where a chunk begins and ends are those
in the comments of the published Perl script, for the tags B, I and O.
"""


def conlleval(labels, predictions):
    """Returns counts of correct, predicted and gold chunks by type, and tag accuracy.

    Goes from word to word like the script, without building lists of chunks.
    """
    correct, guessed, gold = {}, {}, {}
    right = total = 0
    for tags, guesses in zip(labels, predictions, strict=True):
        last, last_guess, inside = "O", "O", None
        # The script sees a blank line as a word outside.
        for place, (tag, guess) in enumerate(
            zip([*tags, "O"], [*guesses, "O"], strict=True)
        ):
            if inside is not None:
                ends, guess_ends = _ends(last, tag), _ends(last_guess, guess)
                if ends and guess_ends and _type(last) == _type(last_guess):
                    correct[inside] = correct.get(inside, 0) + 1
                    inside = None
                elif ends != guess_ends or _type(tag) != _type(guess):
                    inside = None
            starts, guess_starts = _starts(last, tag), _starts(last_guess, guess)
            if starts and guess_starts and _type(tag) == _type(guess):
                inside = _type(tag)
            if starts:
                gold[_type(tag)] = gold.get(_type(tag), 0) + 1
            if guess_starts:
                guessed[_type(guess)] = guessed.get(_type(guess), 0) + 1
            if place < len(tags):
                right, total = right + (tag == guess), total + 1
            last, last_guess = tag, guess
    return correct, guessed, gold, right / total


def _type(tag):
    return tag[2:]


def _starts(last, tag):
    return tag[0] == "B" or (
        tag[0] == "I" and (last == "O" or _type(last) != _type(tag))
    )


def _ends(last, tag):
    return last != "O" and (tag[0] in "BO" or _type(last) != _type(tag))
