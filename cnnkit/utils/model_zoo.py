"""``torch.utils.model_zoo``, the older place of `cnnkit.hub`'s function.

>>> from cnnkit.utils.model_zoo import load_url
>>> load_url.__name__
'load_state_dict_from_url'
"""

from cnnkit.hub import load_state_dict_from_url

__all__ = ["load_state_dict_from_url", "load_url"]

load_url = load_state_dict_from_url
