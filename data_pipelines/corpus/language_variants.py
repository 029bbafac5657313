"""Chooses one language variant where wiki markup gives several.

Wikipedias in Chinese, Serbian, Kazakh and others convert their text between scripts.
Exceptions to automatic conversion are marked: `-{zh-hans:计算机;zh-hant:電腦}-`.

Reference: https://www.mediawiki.org/wiki/Writing_systems/Syntax
"""

import re

_CODE = "(?:ban|crh|gan|iu|kk|ku|mni|sh|shi|sr|tg|tly|tt|uz|wuu|zgh|zh)(?:-[a-z]+)*"
# Elements that are skipped whole, and the brackets of templates and variants.
_TOKEN = re.compile(
    r"<!--.*?-->|<(nowiki|math|chem|ce|code|pre|syntaxhighlight|source)\b[^<>/]*>"
    # `-{{` is a hyphen before a template.
    r".*?</\1\s*>|-\{(?!\{(?!\{))|\}-|\{\{|\}\}",
    re.DOTALL | re.IGNORECASE,
)
_FLAGS = re.compile(rf"\s*(?:(?:[-+ADHNRST]|{_CODE})\s*(?:;\s*|(?=\|)))*\|")
# Flags of rules that apply to the rest of the page, and are not shown in place.
_HIDDEN = {"H", "N", "D", "-"}
_RULE = re.compile(rf"\s*(?:.*?=>)?\s*{_CODE}\s*:(.*)", re.DOTALL)
_BETWEEN_RULES = re.compile(rf";\s*(?=(?:[^;]*?=>\s*)?{_CODE}\s*:|$)")


def first_variants(markup: str) -> str:
    """Replaces variants in markup by the first one.

    `-{zh-hans:计算机;zh-hant:電腦}-` becomes `计算机`, `-{R|text}-` and `-{text}-`
    become `text`, and hidden rules such as `-{H|zh-cn:宏;zh-tw:巨集}-` are removed.
    `<nowiki>`, code, formulas and unbalanced brackets are left unchanged.
    """
    if "-{" not in markup:
        return markup
    # Stack of open brackets, each with the text since then.
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
    """Returns the text shown for the content between `-{` and `}-`."""
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
