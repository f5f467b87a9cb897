"""Files that are either whole or not there."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write text (as UTF-8) or bytes beside ``path`` first and rename it over ``path`` when it is on disk.

    Raises:
        OSError: the folder is missing or not writable, or the disk is full; ``path`` is then as it was before.
    """
    with NamedTemporaryFile("wb", dir=path.parent, suffix=".tmp", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException as error:
            temporary.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.filename is None:
                error.filename = str(path)  # a full disk does not say what it was too small for
            raise
