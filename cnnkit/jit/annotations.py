"""The names of types that older models import from ``torch.jit.annotations``.

>>> from cnnkit.jit.annotations import List
>>> List[int]
typing.List[int]
"""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

__all__ = ["Any", "Dict", "List", "NamedTuple", "Optional", "Tuple", "Union"]
