"""The figures of a notice: where the size of the change stands, and how a wrong one is written there."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from data.reading import Reading

_FIGURE = re.compile(r"(영하 |-|−)?(\d+)( ?)(도|℃|°C)(?![가-힣]*록)")
_TEMPERATURE_OF = re.compile(r"(어제|전날|오늘)(의|은|는| 기온은?)? $")
_STATE = re.compile(r"(에서|였던|이던|였|에 머물|까지|의 (날씨|더위|추위|무더위|찜통|폭염|한파|기온)|로 )")


@dataclass(frozen=True)
class Figure:
    """A temperature or a change in the text.

    Attributes:
        start, end: code points of the digits and the unit, a sign or 영하 included.
        digits_start, digits_end: code points of the digits alone.
        value: the signed number.
    """

    start: int
    end: int
    digits_start: int
    digits_end: int
    value: int


def figures(text: str) -> Iterator[Figure]:
    """Every figure in degrees, in order."""
    for match in _FIGURE.finditer(text):
        value = int(match[2])
        yield Figure(match.start(), match.end(), match.start(2), match.end(2), -value if match[1] else value)


def change_figures(text: str, reading: Reading) -> list[Figure]:
    """Figures that may state the change, the most likely first: right size, no sign, not told as a temperature."""
    same = [figure for figure in figures(text) if figure.value == abs(reading.delta) and figure.value]

    def told_as_temperature(figure: Figure) -> bool:
        return bool(_TEMPERATURE_OF.search(text[: figure.start]) or _STATE.match(text[figure.end :]))

    return sorted(same, key=told_as_temperature)


def with_value(text: str, figure: Figure, value: int | str) -> str:
    """The text with other digits in the figure's place."""
    return text[: figure.digits_start] + str(value) + text[figure.digits_end :]


_DIGITS = ("", "일", "이", "삼", "사", "오", "육", "칠", "팔", "구")


def sino_korean(value: int) -> str:
    """A number of 1 to 99 in Sino-Korean words: 13 is 십삼."""
    tens, ones = divmod(value, 10)
    return ("" if tens == 0 else "십" if tens == 1 else _DIGITS[tens] + "십") + _DIGITS[ones]
