"""The page at ``/``: its HTML, style and script as one text, so that a browser loads nothing else."""

from pathlib import Path

_FOLDER = Path(__file__).with_name("web")
_PARTS = ("page.css", "page.js")


def page_html() -> str:
    """The whole page; each part stands where ``page.html`` names its file in a comment.

    Raises:
        OSError: a file of the page is missing.
    """
    html = (_FOLDER / "page.html").read_text(encoding="utf-8")
    for part in _PARTS:
        html = html.replace(f"/* {part} */", (_FOLDER / part).read_text(encoding="utf-8"))
    return html
