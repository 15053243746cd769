"""Mixed precision: `autocast` runs products in sixteen bits; `GradScaler` keeps small gradients from being 0.

>>> import cnnkit
>>> layer, scaler = cnnkit.nn.Linear(2, 1), GradScaler("cpu")
>>> optimizer = cnnkit.optim.SGD(layer.parameters(), lr=0.1)
>>> with autocast("cpu", dtype=cnnkit.float16):
...     y = layer(cnnkit.ones(4, 2))
...     loss = cnnkit.nn.functional.mse_loss(y, cnnkit.zeros(4, 1))
>>> y.dtype, loss.dtype, layer.weight.dtype
(cnnkit.float16, cnnkit.float32, cnnkit.float32)
>>> scaler.scale(loss).backward()
>>> scaler.step(optimizer)
>>> scaler.update()
"""

from cnnkit.amp.autocast_mode import (
    autocast,
    custom_bwd,
    custom_fwd,
    get_autocast_dtype,
    is_autocast_available,
    is_autocast_enabled,
)
from cnnkit.amp.grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "get_autocast_dtype",
           "is_autocast_available", "is_autocast_enabled"]
