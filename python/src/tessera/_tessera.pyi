from collections.abc import Sequence
from os import PathLike
from typing import Optional, Union

import numpy
import numpy.typing

__version__: str

_Text = Union[str, bytes]
_Ids = Union[Sequence[int], numpy.typing.NDArray[numpy.integer]]

class TesseraError(ValueError):
    """What is wrong with a file or a value: where, what, and what to do."""

class Tokenizer:
    """An immutable tokenizer; any number of threads may use one, and none holds the interpreter's lock.

    A text is a str, which counts as its UTF-8 bytes, or bytes, which need not be UTF-8.
    add_special_tokens: what the file puts around a text ([CLS] .. [SEP], BOS).
    special_in_text: control tokens that the text spells become control ids; otherwise they stay text.
    """

    @staticmethod
    def from_file(path: Union[str, PathLike[str]]) -> Tokenizer:
        """Opens a tokenizer file (tokenizer.json, SentencePiece .model), a GGUF file or a model's folder."""
    @staticmethod
    def from_model(reference: str) -> Tokenizer:
        """The tokenizer of a model as `tessera -m` finds it: also a short name, or org/name in the cache."""
    @staticmethod
    def from_str(json: _Text) -> Tokenizer:
        """Reads the text of a tokenizer.json."""

    def encode(self, text: _Text, add_special_tokens: bool = True, *, special_in_text: bool = False) -> list[int]: ...
    def encode_ordinary(self, text: _Text) -> list[int]:
        """The text's ids alone: nothing around it, nothing special in it."""
    def encode_to_numpy(
        self, text: _Text, add_special_tokens: bool = True, *, special_in_text: bool = False
    ) -> numpy.typing.NDArray[numpy.uint32]:
        """The ids as an array that nothing was copied into."""
    def encode_with_spans(
        self, text: _Text, add_special_tokens: bool = True, *, special_in_text: bool = False
    ) -> tuple[list[int], list[tuple[int, int]]]:
        """And the half-open range of the text's bytes that each token covers."""
    def encode_batch(
        self,
        texts: Sequence[_Text],
        add_special_tokens: bool = True,
        *,
        special_in_text: bool = False,
        num_threads: int = 0,
    ) -> list[list[int]]:
        """The same for many texts, on num_threads threads (0: one a processor)."""
    def count(self, text: _Text, add_special_tokens: bool = True, *, special_in_text: bool = False) -> int:
        """The number of ids, without making a list of them."""

    def decode(self, ids: _Ids, skip_special_tokens: bool = True, *, errors: str = "replace") -> str: ...
    def decode_bytes(self, ids: _Ids, skip_special_tokens: bool = True) -> bytes: ...

    @property
    def vocab_size(self) -> int:
        """One more than the largest id; an id below it may stand for no token."""
    @property
    def n_vocab(self) -> int:
        """vocab_size under the name that tiktoken gives it."""
    @property
    def bos(self) -> Optional[int]:
        """The id that begins a text, when the file names one."""
    @property
    def eos(self) -> Optional[int]:
        """The id that ends a text, when the file names one."""
    @property
    def eot_token(self) -> Optional[int]:
        """eos under the name that tiktoken gives it."""
    def token_to_id(self, token: _Text) -> Optional[int]:
        """The id of a token as its file writes it."""
    def id_to_token(self, id: int) -> Optional[str]:
        """A token as its file writes it; None for an id that is none."""
    def token_bytes(self, id: int) -> bytes:
        """The bytes that a token adds to a text."""
    def __len__(self) -> int: ...
