"""Decoding on a merged copy: shared beginnings computed once, a batch that stays full, an exact and cheap head."""

from models.decode.attention import CannotDecodeError
from models.decode.half import use_half
from models.decode.head import Head, timings
from models.decode.loop import Decoder, Row
from models.decode.stream import Stream, Wanted

__all__ = ["CannotDecodeError", "Decoder", "Head", "Row", "Stream", "Wanted", "timings", "use_half"]
