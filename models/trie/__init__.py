"""Prefix-trie packed training: every token that rows of a batch share is computed once, exactly.

``pack_trainer(trainer)`` puts it behind a TRL trainer, ``install(model)`` behind a model alone.
"""

from models.trie.check import CannotPackError
from models.trie.install import install
from models.trie.trainer import pack_trainer

__all__ = ["CannotPackError", "install", "pack_trainer"]
