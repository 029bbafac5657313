"""Chooses one variant where the markup of a Wikipedia has the text in several.

Wikipedias in Chinese, Serbian, Kazakh and others convert their text between scripts.
What must not be converted by rule is marked: `-{zh-hans:计算机;zh-hant:電腦}-`.

Reference: https://www.mediawiki.org/wiki/Writing_systems/Syntax
"""

import re

_CODE = "(?:ban|crh|gan|iu|kk|ku|mni|sh|shi|sr|tg|tly|tt|uz|wuu|zgh|zh)(?:-[a-z]+)*"
# What is skipped as a whole, and the brackets of templates, which may stand within.
_TOKEN = re.compile(
    r"<!--.*?-->|<(nowiki|math|chem|ce|code|pre|syntaxhighlight|source)\b[^<>/]*>"
    # `-{{` is a hyphen before a template.
    r".*?</\1\s*>|-\{(?!\{(?!\{))|\}-|\{\{|\}\}",
    re.DOTALL | re.IGNORECASE,
)
_FLAGS = re.compile(rf"\s*(?:(?:[-+ADHNRST]|{_CODE})\s*(?:;\s*|(?=\|)))*\|")
# Rules that are kept for the rest of the page and, but for these flags, not shown.
_HIDDEN = {"H", "N", "D", "-"}
_RULE = re.compile(rf"\s*(?:.*?=>)?\s*{_CODE}\s*:(.*)", re.DOTALL)
_BETWEEN_RULES = re.compile(rf";\s*(?=(?:[^;]*?=>\s*)?{_CODE}\s*:|$)")


def first_variants(markup: str) -> str:
    """Markup in which the first variant stands for all of them.

    `-{zh-hans:计算机;zh-hant:電腦}-` becomes `计算机`, `-{R|text}-` and `-{text}-`
    become `text`, and rules that are not shown, `-{H|zh-cn:宏;zh-tw:巨集}-`, vanish.
    Nothing changes within `<nowiki>`, code and formulas, nor where a bracket has no
    partner.
    """
    if "-{" not in markup:
        return markup
    # The brackets that are open, each with the text since then.
    opened: list[tuple[str, list[str]]] = [("", [])]
    place = 0
    for token in _TOKEN.finditer(markup):
        bracket = token[0]
        opened[-1][1].append(markup[place : token.start()])
        place = token.end()
        if bracket in ("-{", "{{"):
            opened.append((bracket, []))
        elif (opened[-1][0], bracket) == ("-{", "}-"):
            content = "".join(opened.pop()[1])
            opened[-1][1].append(_chosen(content))
        elif (opened[-1][0], bracket) == ("{{", "}}"):
            content = "".join(opened.pop()[1])
            opened[-1][1].append(f"{{{{{content}}}}}")
        else:
            opened[-1][1].append(bracket)
    opened[-1][1].append(markup[place:])
    return "".join(text for bracket, texts in opened for text in (bracket, *texts))


def _chosen(content: str) -> str:
    """The text that is shown for what stands between `-{` and `}-`."""
    found = _FLAGS.match(content)
    flags = set(re.split(r"[\s;|]+", found[0])) if found else set()
    rest = content[found.end() :] if found else content
    if flags & _HIDDEN or ("T" in flags and "A" not in flags):
        return ""
    if "R" in flags:
        return rest
    rules = [_RULE.fullmatch(part) for part in _BETWEEN_RULES.split(rest) if part]
    if not rules or None in rules:
        return rest
    variants = [rule[1].strip() for rule in rules if rule]
    return next(filter(None, variants), "")
