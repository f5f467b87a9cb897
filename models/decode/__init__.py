"""Decoding on a merged copy: shared beginnings computed once, a batch that stays full, an exact and cheap head."""

from models.decode.attention import CannotDecodeError
from models.decode.head import Head, timings
from models.decode.loop import Decoder, Row

__all__ = ["CannotDecodeError", "Decoder", "Head", "Row", "timings"]
