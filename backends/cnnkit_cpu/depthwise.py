"""Depthwise convolution with the channels last in memory; the kernels are in ``src/conv/depthwise``."""

from __future__ import annotations

import numpy as np

from cnnkit_cpu import library
from cnnkit_cpu.finish import Finish
from cnnkit_cpu.finite import tame
from cnnkit_cpu.layout import empty_channels_last
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import empty, scratch
from cnnkit_cpu.plan import ChannelsLastPlan


class DepthwisePlan(ChannelsLastPlan):
    """A convolution in which every channel has one filter of its own."""

    def filters(self, weight: np.ndarray) -> np.ndarray | None:
        """The filters as `forward` reads them: with the channels last."""
        filters = empty((weight.size,))
        self.owner.depthwise_forward_filters(self.sizes, address(weight), address(filters))
        return filters

    def forward(self, x: np.ndarray, weight: np.ndarray, filters: np.ndarray | None, bias: np.ndarray | None,
                finish: Finish) -> np.ndarray | None:
        """The result, or ``None`` if it is not finite everywhere."""
        y = empty_channels_last(self.shape)
        room, room_address = scratch(self.owner.depthwise_room(self.sizes))
        finite = self.owner.depthwise_forward(
            library.threads, self.sizes, self.x[0], address(x),
            *self._inputs(weight, filters, bias, finish), address(y), room_address)
        del room
        return y if finite else None

    def input_gradient(self, dy: np.ndarray, weight: np.ndarray) -> np.ndarray | None:
        """The input's gradient, or ``None`` if it is not finite everywhere."""
        dx = empty_channels_last(self.x)
        room, room_address = scratch(self.owner.depthwise_room(self.sizes))
        finite = self.owner.depthwise_input_gradient(library.threads, self.sizes, self.x[0], address(dy),
                                                     address(weight), address(dx), room_address)
        del room
        return dx if finite else None

    def filter_gradient(self, x: np.ndarray, dy: np.ndarray) -> np.ndarray | None:
        """The filters' gradient, or ``None`` if it is not finite everywhere."""
        if self.in_padding and not tame(dy):
            return None
        n, dweight = self.x[0], empty(self.weight)
        room, room_address = scratch(self.owner.depthwise_filter_gradient_room(self.sizes, n))
        finite = self.owner.depthwise_filter_gradient(library.threads, self.sizes, n, address(x), address(dy),
                                                      address(dweight), room_address)
        del room
        return dweight if finite else None
