"""Which readings to show a reader when all are too many: spread over the buckets, without a look at the notices."""

from collections.abc import Sequence
from itertools import chain, zip_longest

from data.reading import BUCKETS, Reading, bucket

HOW_CHOSEN = (
    "Chosen without a look at any notice: in turn one reading from each bucket, always the next in the split's fixed "
    "order, until there are enough; then sorted by bucket."
)


def spread(readings: Sequence[Reading], number: int) -> list[Reading]:
    """At most ``number`` readings, in turn one from each bucket in the order given, sorted by bucket and change."""
    members = [[reading for reading in readings if bucket(reading) == name] for name in BUCKETS]
    in_turn = [reading for reading in chain.from_iterable(zip_longest(*members)) if reading is not None]
    return sorted(in_turn[:number], key=lambda reading: (BUCKETS.index(bucket(reading)), reading.delta, reading))
