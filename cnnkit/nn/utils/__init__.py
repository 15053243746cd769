"""PyTorch's ``torch.nn.utils``: clipping, flat parameters, weights made of norms, and folded batch norm."""

from cnnkit.nn.clip import clip_grad_norm_, clip_grad_value_
from cnnkit.nn.utils import parametrizations as parametrizations
from cnnkit.nn.utils import parametrize as parametrize
from cnnkit.nn.utils.flat import parameters_to_vector, vector_to_parameters
from cnnkit.nn.utils.fusion import fuse_conv_bn_eval, fuse_conv_bn_weights
from cnnkit.nn.utils.spectral_norm import remove_spectral_norm, spectral_norm
from cnnkit.nn.utils.weight_norm import remove_weight_norm, weight_norm

__all__ = ["clip_grad_norm_", "clip_grad_value_", "fuse_conv_bn_eval", "fuse_conv_bn_weights",
           "parameters_to_vector", "parametrizations", "parametrize", "remove_spectral_norm",
           "remove_weight_norm", "spectral_norm", "vector_to_parameters", "weight_norm"]
