"""Decoding on a merged copy: shared beginnings computed once, a batch that stays full, an exact and cheap head."""

from models.decode.attention import CannotDecodeError
from models.decode.head import Head, timings
from models.decode.int8 import use_int8
from models.decode.loop import Decoder, Row
from models.decode.stream import Stream, Wanted

__all__ = ["CannotDecodeError", "Decoder", "Head", "Row", "Stream", "Wanted", "timings", "use_int8"]
