"""Which of torch's operators a program may call: those that make numbers of numbers, and nothing else.

The core operators of torch 2.13 and what a network is exported with before it is taken apart into them. Left out: those that
read a file (from_file), leave memory as it was (empty), change the size of what others hold (resize_), answer by chance (rand),
train (backward), or wrap pieces of other programs. A name with a trailing _ is the same operator in place.
"""

from __future__ import annotations

import re

_TARGET = re.compile(r"torch\.ops\.aten\.(\w+)\.(\w+)", re.ASCII)
_OPERATORS = {
    *("add", "sub", "mul", "floordiv", "truediv", "mod", "neg", "pow"),
    *("eq", "ne", "lt", "le", "gt", "ge", "and_", "or_", "not_"),
}
_SYMBOLIC = {"torch.sym_max", "torch.sym_min", "torch.sym_int", "torch.sym_float", "torch.sym_not"}
_ATEN = """
    _adaptive_avg_pool2d _adaptive_avg_pool3d _assert_scalar _assert_tensor_metadata _cdist_forward
    _local_scalar_dense _log_softmax _native_batch_norm_legit_no_training _softmax _to_copy abs absolute acos acosh
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d add addcdiv
    addcmul addmm alias all amax amin any arange argmax argmin argsort asin asinh atan atan2 atanh avg_pool1d
    avg_pool2d avg_pool3d baddbmm batch_norm bitwise_and bitwise_not bitwise_or bitwise_xor bmm broadcast_to
    bucketize cat cdist ceil celu chunk clamp clamp_max clamp_min clone concat concatenate constant_pad_nd contiguous
    conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolution copy cos cosh
    cosine_similarity cumprod cumsum detach diagonal div divide dot dropout dropout1d dropout2d einsum elu embedding
    eq erf erfc exp exp2 expand expand_as expm1 fill flatten flip floor floor_divide fmod frac full full_like gather
    ge gelu glu greater group_norm gru gt hardshrink hardsigmoid hardswish hardtanh heaviside hypot index
    index_select instance_norm isfinite isinf isnan item layer_norm le leaky_relu lerp less lift_fresh_copy
    linalg_vector_norm linear linspace log log10 log1p log2 log_sigmoid log_softmax logaddexp logical_and logical_not
    logical_or logical_xor logit logsumexp lstm lt masked_fill masked_scatter matmul max max_pool1d max_pool2d
    max_pool2d_with_indices max_pool3d maximum mean median min minimum mish mm movedim mul multiply mv nan_to_num
    narrow native_group_norm native_layer_norm ne neg negative new_full new_ones new_zeros norm one_hot ones
    ones_like pad permute pixel_shuffle pow prelu prod reciprocal reflection_pad1d reflection_pad2d relu relu6
    remainder repeat repeat_interleave replication_pad1d replication_pad2d reshape rms_norm rnn_relu rnn_tanh roll
    round rsqrt rsub scalar_tensor scaled_dot_product_attention scatter scatter_add searchsorted select
    select_scatter selu sigmoid sign silu sin sinh slice slice_scatter softmax softplus softshrink sort split
    split_with_sizes sqrt square squeeze stack std sub subtract sum swapaxes sym_numel sym_size sym_stride t
    take_along_dim tan tanh tensor_split threshold tile to topk transpose tril triu true_divide trunc type_as unbind
    unflatten unsqueeze upsample_bilinear2d upsample_nearest1d upsample_nearest2d var vector_norm view view_as where
    xlogy zeros zeros_like
"""
_NAMES = frozenset(_ATEN.split())


def is_allowed(target: str) -> bool:
    """Whether a program may call this.

    >>> [is_allowed(f"torch.ops.aten.{name}") for name in ("relu_.default", "from_file.default", "add.out")]
    [True, False, False]
    """
    if target in _SYMBOLIC:
        return True
    if target.startswith("_operator."):
        return target.removeprefix("_operator.") in _OPERATORS
    found = _TARGET.fullmatch(target)
    return found is not None and found[1].removesuffix("_") in _NAMES and "out" not in found[2].split("_")
