"""Embedding, a trained table of rows, and EmbeddingBag, sums of them."""

from __future__ import annotations

from typing import Any

import cnnkit.functional as F
from cnnkit.autograd import Tensor, no_grad
from cnnkit.nn import init
from cnnkit.nn.module import Module
from cnnkit.nn.parameter import Parameter

__all__ = ["Embedding", "EmbeddingBag"]


class Embedding(Module):
    """A table whose rows are looked up by number; see `functional.embedding`.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        How many rows, and how long they are.
    padding_idx : int, optional
        A row that is 0 at first and gets no gradient.
    max_norm, norm_type, scale_grad_by_freq, sparse
        As in `functional.embedding`.
    device : str or device, optional
        PyTorch's way of `backend`: ``"cpu"``, ``"cuda:0"``, another Tensor's ``device``.
    dtype : str
        Of the table.
    backend : str, optional
        Where it is made; by default where `cnnkit.use` says.

    Attributes
    ----------
    weight : Parameter, (num_embeddings, embedding_dim)
        The table, at first normal numbers.

    >>> import cnnkit
    >>> Embedding(10, 3)(cnnkit.tensor([[1, 2], [3, 4]])).shape
    (2, 2, 3)
    """

    weight: Parameter
    embedding_dim: int
    num_embeddings: int
    padding_idx: int | None
    max_norm: float | None
    norm_type: float
    scale_grad_by_freq: bool
    sparse: bool

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None,
                 max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
                 sparse: bool = False, _weight: Tensor | None = None, _freeze: bool = False,
                 device: Any = None, dtype: Any = None, *, backend: Any = None):
        super().__init__()
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError(f"Padding_idx must be within num_embeddings; got {padding_idx}")
            padding_idx %= num_embeddings
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        if _weight is None:
            place = init.place(device, backend)
            self.weight = Parameter(init.empty((num_embeddings, embedding_dim), dtype, place), not _freeze)
            self.reset_parameters()
        else:
            if tuple(_weight.shape) != (num_embeddings, embedding_dim):
                raise ValueError("Shape of weight does not match num_embeddings and embedding_dim: "
                                 f"{tuple(_weight.shape)}")
            self.weight = Parameter(_weight, not _freeze)

    def reset_parameters(self) -> None:
        """Draw the table, and set the row of padding to 0."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0.0

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(input, self.weight, self.padding_idx, self.max_norm, self.norm_type,
                           self.scale_grad_by_freq, self.sparse)

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        for name, usual in (("padding_idx", None), ("max_norm", None), ("norm_type", 2),
                            ("scale_grad_by_freq", False)):
            value = vars(self)[name]
            text += "" if value == usual else f", {name}={value}"
        return text + ", sparse=True" * self.sparse

    @classmethod
    def from_pretrained(cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None,
                        max_norm: float | None = None, norm_type: float = 2.0,
                        scale_grad_by_freq: bool = False, sparse: bool = False) -> Embedding:
        """An embedding with a table that there is, which is not trained unless `freeze` is false.

        >>> import cnnkit
        >>> Embedding.from_pretrained(cnnkit.ones(2, 3)).weight.requires_grad
        False
        """
        if len(embeddings.shape) != 2:
            raise ValueError(f"Embeddings parameter is expected to be 2-dimensional; got {embeddings.shape}")
        rows, columns = embeddings.shape
        return cls(rows, columns, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse,
                   _weight=embeddings, _freeze=freeze)


class EmbeddingBag(Embedding):
    """Sums, means or maxima of rows of a table, a bag at a time; see `functional.embedding_bag`.

    Parameters
    ----------
    mode : {"mean", "sum", "max"}
        What is made of a bag's rows.
    include_last_offset : bool
        Whether offsets end with where the last bag does.
    num_embeddings, embedding_dim, max_norm, norm_type, scale_grad_by_freq, sparse, padding_idx
        As in `Embedding`.
    device, dtype, backend
        Of the table.

    >>> import cnnkit
    >>> EmbeddingBag(10, 3, mode="sum")(cnnkit.tensor([[1, 2], [3, 4]])).shape
    (2, 3)
    """

    include_last_offset: bool
    mode: str

    def __init__(self, num_embeddings: int, embedding_dim: int, max_norm: float | None = None,
                 norm_type: float = 2.0, scale_grad_by_freq: bool = False, mode: str = "mean",
                 sparse: bool = False, _weight: Tensor | None = None, include_last_offset: bool = False,
                 padding_idx: int | None = None, device: Any = None, dtype: Any = None, *,
                 backend: Any = None):
        super().__init__(num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq,
                         sparse, _weight, False, device, dtype, backend=backend)
        self.mode, self.include_last_offset = mode, include_last_offset

    def forward(self, input: Tensor, offsets: Tensor | None = None,  # type: ignore[override]
                per_sample_weights: Tensor | None = None) -> Tensor:
        return F.embedding_bag(input, self.weight, offsets, self.max_norm, self.norm_type,
                               self.scale_grad_by_freq, self.mode, self.sparse, per_sample_weights,
                               self.include_last_offset, self.padding_idx)

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        for name, usual in (("max_norm", None), ("norm_type", 2), ("scale_grad_by_freq", False)):
            value = vars(self)[name]
            text += "" if value == usual else f", {name}={value}"
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{text}, mode={self.mode!r}{padding}"

    @classmethod
    def from_pretrained(cls, embeddings: Tensor, freeze: bool = True,  # type: ignore[override]
                        max_norm: float | None = None, norm_type: float = 2.0,
                        scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False,
                        include_last_offset: bool = False, padding_idx: int | None = None) -> EmbeddingBag:
        """An embedding with a table that there is, which is not trained unless `freeze` is false."""
        if len(embeddings.shape) != 2:
            raise ValueError(f"Embeddings parameter is expected to be 2-dimensional; got {embeddings.shape}")
        new = cls(*embeddings.shape, max_norm, norm_type, scale_grad_by_freq, mode, sparse, embeddings,
                  include_last_offset, padding_idx)
        new.weight.requires_grad_(not freeze)
        return new
