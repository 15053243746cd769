"""Which of PyTorch's names are judged, and why others are not, or not wholly."""

# names that PyTorch's samples know and cnnkit leaves out, by what they are for
OUT_OF_SCOPE = {
    "attention": "nn.functional.scaled_dot_product_attention nn.functional.multi_head_attention_forward",
    "language": "nn.functional.linear_cross_entropy",
}
# names of Tensor functions that are judged: those that networks of images and their training use
_TENSOR = """
abs add addbmm addcdiv addcmul addmm addmv addr all allclose amax amin aminmax any arange argmax argmin
argsort argwhere asin acos atan atan2 asinh acosh atanh atleast_1d atleast_2d atleast_3d baddbmm bernoulli
bincount bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor block_diag
bmm bool broadcast_tensors broadcast_to bucketize byte cartesian_prod cat cdist ceil char chunk clamp
clamp_max clamp_min clone column_stack combinations contiguous copysign cos cosh count_nonzero cross cummax
cummin cumprod cumsum deg2rad diag diag_embed diagonal diff dist div dot double dsplit dstack einsum empty
empty_like eq equal erf erfc exp exp2 expand expand_as expm1 eye fill flatten flip fliplr flipud float
float_power floor floor_divide fmax fmin fmod frac full full_like gather ge gt half heaviside histc hsplit
hstack hypot index_add index_copy index_fill index_put index_select inner int isclose isfinite isin isinf
isnan item kron kthvalue le lerp linspace log log10 log1p log2 log_softmax logaddexp logical_and logical_not
logical_or logical_xor logit logspace logsumexp long lt masked_fill masked_scatter masked_select matmul max
maximum mean median meshgrid min minimum mm movedim msort mul multinomial mv nan_to_num nanmean nanmedian
nansum narrow ne neg new_empty new_full new_ones new_zeros nonzero norm normal ones ones_like outer permute
polar positive pow prod put quantile rad2deg rand_like randint randint_like randn randn_like ravel
reciprocal remainder renorm repeat repeat_interleave reshape reshape_as roll rot90 round rsqrt rsub scatter
scatter_add scatter_reduce searchsorted select sgn sigmoid sign sin sinh softmax sort split split_with_sizes
sqrt square squeeze stack std std_mean sub sum sum_to_size t T take take_along_dim tan tanh tensor_split
tensordot tile to topk trace transpose tril tril_indices triu triu_indices true_divide trunc unbind
unflatten unfold unique unique_consecutive unsqueeze unsqueeze_copy var var_mean vdot view view_as vsplit
vstack where xlogy zero_ zeros zeros_like
"""
TENSOR = frozenset(_TENSOR.split())
# samples that are left out: PyTorch's harness says something of itself there
LEFT_OUT = {
    "zero_": "it changes a leaf that requires a gradient, which PyTorch refuses too",
    "sgn": "its sample is a Tensor without values, of PyTorch's own kind",
    "nn.functional.triplet_margin_with_distance_loss": "it passes one of PyTorch's modules",
}
# draws: shapes and dtypes are compared, not the numbers
_RANDOM = """
bernoulli empty empty_like multinomial new_empty normal rand_like randint randint_like randn randn_like
nn.functional.alpha_dropout nn.functional.dropout nn.functional.dropout2d nn.functional.dropout3d
nn.functional.feature_alpha_dropout nn.functional.fractional_max_pool2d nn.functional.fractional_max_pool3d
nn.functional.gumbel_softmax nn.functional.rrelu
"""
RANDOM = frozenset(_RANDOM.split())
_RANDOM_MODULES = """
AlphaDropout Dropout Dropout1d Dropout2d Dropout3d FeatureAlphaDropout FractionalMaxPool2d
FractionalMaxPool3d RReLU
"""
RANDOM_MODULES = frozenset(_RANDOM_MODULES.split())
# modules that are not judged
_MODULES_OUT_OF_SCOPE = """
RNN RNNCell LSTM LSTMCell GRU GRUCell Transformer TransformerEncoder TransformerEncoderLayer
TransformerDecoder TransformerDecoderLayer MultiheadAttention CrossMapLRN2d
LinearCrossEntropyLoss AdaptiveLogSoftmaxWithLoss
"""
MODULES_OUT_OF_SCOPE = frozenset(_MODULES_OUT_OF_SCOPE.split())
# why a name is not there, or does not do all of PyTorch's samples
REASONS = {
    "nn.functional.batch_norm": "an input of shape (0,), which has no channels",
    "norm": "the norm 'nuc' needs singular values",
    "polar": "there are no complex Tensors",
    "fill": "`full_like` and `fill_` say it", "unsqueeze_copy": "`unsqueeze(...).clone()` says it",
}
