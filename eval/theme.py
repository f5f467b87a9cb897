"""How pictures look: two themes, the Korean font, and PNG files that are the same bytes each time.

Colours are those of Okabe and Ito (jfly.uni-koeln.de/color), which colour-blind readers tell apart. Hangul is set in
Nanum Gothic, which comes with the package ``koreanize-matplotlib``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.figure import Figure

from data.files import write_atomic

DPI = 200


@dataclass(frozen=True)
class Theme:
    """Colours of paper and ink.

    Attributes:
        paper: background.
        ink: text and intervals.
        faint: lines of the grid.
        band: areas a step away from the paper.
        passed: cells that pass.
        series: what is compared, in its order; the first is what is compared against.
    """

    paper: str
    ink: str
    faint: str
    band: str
    passed: str
    series: tuple[str, ...]

    def colour(self, number: int) -> str:
        """The colour of one of what is compared; they repeat when there are many."""
        return self.series[number % len(self.series)]


LIGHT = Theme(
    paper="#ffffff",
    ink="#1d2530",
    faint="#d5dae1",
    band="#f1f3f6",
    passed="#56b4e9",
    series=("#9aa3ae", "#56b4e9", "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7"),
)
DARK = Theme(
    paper="#171c24",
    ink="#e4e8ee",
    faint="#3a4351",
    band="#222a36",
    passed="#3f8fc4",
    series=("#7f8a98", "#2f84bd", "#8fd3ff", "#e69f00", "#1fbf92", "#f0803c", "#e39cc4"),
)


@contextmanager
def styled(theme: Theme) -> Iterator[None]:
    """Fonts and colours while a figure is made and saved; matplotlib's settings are as before afterwards."""
    _add_font()
    settings: dict[Any, Any] = {
        "font.family": ["NanumGothic", "DejaVu Sans"],
        "font.size": 8.5,
        "axes.unicode_minus": True,
        "axes.titlesize": 9.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.edgecolor": theme.faint,
        "figure.constrained_layout.use": True,
        "figure.facecolor": theme.paper,
        "axes.facecolor": theme.paper,
        "legend.frameon": False,
        "text.parse_math": False,
        **dict.fromkeys(("text.color", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color"), theme.ink),
    }
    with mpl.rc_context(settings):
        yield


def save_picture(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all; the bytes depend on the figure alone."""
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=DPI, metadata={"Software": None})
    write_atomic(path, picture.getvalue())


@cache
def _add_font() -> None:
    # The package's own code is not run: it would change matplotlib's settings for everybody.
    for name in ("NanumGothic.ttf", "NanumGothicExtraBold.ttf"):
        font = distribution("koreanize-matplotlib").locate_file(f"koreanize_matplotlib/fonts/{name}")
        font_manager.fontManager.addfont(str(font))
