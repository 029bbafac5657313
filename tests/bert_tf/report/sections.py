import re


def sections_of(html):
    """The HTML below each heading of a page, by the heading."""
    parts = re.split(r"<h2[^>]*>(.*?)</h2>", html.split("</body>")[0])
    return dict(zip(parts[1::2], parts[2::2], strict=True))
