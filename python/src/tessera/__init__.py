"""Text to token ids and back, exactly as each format's own library does it."""

from ._tessera import TesseraError, Tokenizer, __version__

__all__ = ["TesseraError", "Tokenizer", "__version__"]
