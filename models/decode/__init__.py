"""Decoding on a merged copy: shared beginnings computed once, a batch that stays full, an exact and cheap head."""

from models.decode.attention import CannotDecodeError
from models.decode.draft import Drafts
from models.decode.half import use_half
from models.decode.head import Head, timings
from models.decode.lean import LeanBody, can_be_lean, quickest_dtype
from models.decode.loop import Decoder, Row
from models.decode.stream import Stream
from models.decode.wanted import Look, Wanted

__all__ = [
    "CannotDecodeError",
    "Decoder",
    "Drafts",
    "Head",
    "LeanBody",
    "Look",
    "Row",
    "Stream",
    "Wanted",
    "can_be_lean",
    "quickest_dtype",
    "timings",
    "use_half",
]
