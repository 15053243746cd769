"""Kernels that are deliberately wrong, each with the check that is meant to catch it."""

import itertools
import math

import numpy as np
from chains import chain

from cnnkit import backends, random
from cnnkit.conformance.reference.look_up import look_up as indexed
from cnnkit.ops import OPS
from cnnkit.ops.core import compose
from cnnkit.ops.update import UPDATES

noise = itertools.count(1)
scratch = {}


def generic(op, arrays, needs, attrs):
    return OPS[op].generic(*arrays, needs=needs, **attrs)


def mutant(op, change=lambda *arrays: arrays, result=lambda y: y, gradients=lambda dxs, dy: dxs, **wrong):
    """A kernel: the generic op with changed arrays, attributes, output or gradients."""
    def kernel(*arrays, needs, **attrs):
        y, backward = generic(op, change(*arrays), needs, {**attrs, **wrong})
        return result(y), backward and (lambda dy: gradients(backward(dy), dy))
    return {op: kernel}


def last_tie(x_axes=(2, 3)):
    """Max-pooling that finds the last maximum: the generic op on the image turned round, and turned back."""
    def kernel(x, *, needs, **attrs):
        has_remainder = any(n % s for n, s in zip(x.shape[2:], attrs["stride"]))
        tiled = attrs["kernel_size"] == attrs["stride"] and not has_remainder
        if attrs["ceil_mode"] or not tiled:
            return NotImplemented
        y, backward = generic("max_pool", [np.flip(x, x_axes)], needs, attrs)
        return np.flip(y, x_axes), backward and (
            lambda dy: (np.flip(backward(np.flip(dy, x_axes))[0], x_axes),))
    return {"max_pool": kernel}


def writes_into_its_input():
    def kernel(x, *, needs):
        original = x.copy()
        if x.flags.writeable:
            np.maximum(x, 0, out=x)
        return generic("relu", [original], needs, {})
    return {"relu": kernel}


def writes_into_dy():
    def in_place(dxs, dy):
        if dy.flags.writeable:
            dy *= 2
        return dxs
    return mutant("relu", gradients=in_place)


def needs_writable_arrays():
    def kernel(x, *, needs):
        if not x.flags.writeable:
            raise ValueError("buffer source array is read-only")
        return generic("relu", [x], needs, {})
    return {"relu": kernel}


def reads_memory_in_order():
    """Takes any x to be contiguous, as a C kernel does that gets a bare pointer."""
    def in_order(x):
        owner = x
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        return (owner.reshape(-1)[:x.size].reshape(x.shape),) if owner.size >= x.size else (x,)
    return mutant("sigmoid", in_order)


def reads_dy_in_order():
    """Takes dy to be contiguous: with strides of 0 it reads what lies behind the one number."""
    return mutant("sigmoid", gradients=lambda dxs, dy: tuple(
        dx * (0 if dy.size > 1 and not any(dy.strides) else 1) for dx in dxs))


def shares_its_output():
    def kernel(x, *, needs):
        y, backward = generic("tanh", [x], needs, {})
        shared = scratch.setdefault((y.shape, y.dtype), np.empty_like(y))
        shared[...] = y
        return shared, backward
    return {"tanh": kernel}


def keeps_running_variance_biased():
    def kernel(*arrays, needs, **attrs):
        (y, mean, var), backward = OPS["batch_norm"].generic(*arrays, needs=needs, **attrs)
        count = arrays[0].size // max(1, arrays[0].shape[1])
        if attrs["training"] and var is not None and count:
            old = arrays[4] * (1 - attrs["momentum"])
            var = old + (var - old) * (count - 1) / count
        return (y, mean, var), backward
    return {"batch_norm": kernel}


def fused_without_the_mask():
    """conv + ReLU whose backward forgets the ReLU."""
    def kernel(*arrays, needs, calls):
        with backends.tables():
            outputs, _ = compose(calls, arrays, needs)
            _, backward = OPS["conv"](*arrays, needs=needs, **calls[0].attrs)
        return outputs, backward
    return {("conv", "relu"): kernel}


def chained(calls, arrays, needs):
    """The generic ops of a chain, one after the other."""
    with backends.tables():
        return compose(calls, arrays, needs)


def forgets_the_gradient_of_the_addend():
    def kernel(*arrays, needs, calls):
        outputs, backward = chained(calls, arrays, needs)
        return outputs, backward and (lambda dy: (*backward(dy)[:5], None))
    return {("batch_norm", "add"): kernel}


def adds_before_it_normalises():
    def kernel(x, weight, bias, mean, var, addend, *, needs, calls):
        arrays = x, addend, weight, bias, mean, var
        moved = needs[0], needs[5], *needs[1:5]
        outputs, backward = chained(chain(("add", "batch_norm"), [call.attrs for call in reversed(calls)]),
                                    arrays, moved)

        def back(dy):
            dx, daddend, *others = backward(dy)
            return dx, *others, daddend
        return outputs, backward and back
    return {("batch_norm", "add"): kernel}


def adds_after_the_relu():
    def kernel(*arrays, needs, calls):
        norm, addition, relu = calls
        return chained((norm, relu, addition), arrays, needs)
    return {("batch_norm", "add", "relu"): kernel}


def looks_up(images=lambda images: images, values=lambda values: values, result=lambda y: y):
    """Plain indexing with changed images, values or result."""
    def kernel(pixels, table, device):
        return result(indexed(images(pixels), values(table)))
    return {"look_up": kernel}


def inverts_its_images(images):
    if images.flags.writeable:
        images[...] = 255 - images
        return 255 - images
    return images


def shared_batch(y):
    shared = scratch.setdefault((y.shape, y.dtype), np.empty_like(y))
    shared[...] = y
    return shared


def in_order(array):
    """The numbers as they lie in memory, from its beginning."""
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    return owner.ravel("K")[:array.size].reshape(array.shape)


def draws_from_the_next_counter():
    def kernel(key, shape, device):
        with backends.tables():
            bits = random.bits(key, (math.prod(shape) + 2,), backend=backends.get("numpy"))
        return bits[2:].reshape(shape)
    return {"random_bits": kernel}


def sgd_with_the_rate_in_the_buffer():
    def kernel(params, grads, state, *, workspace, lr, momentum, **hyper):
        return UPDATES["sgd"].generic(params, grads, state, workspace=workspace, lr=lr, momentum=momentum / 2,
                                      **hyper)
    return {"sgd": kernel}


def sgd_in_place():
    def kernel(params, grads, state, *, workspace, **hyper):
        new, state = UPDATES["sgd"].generic(params, grads, state, workspace=workspace, **hyper)
        for p, n in zip(params, new):
            if p.flags.writeable:
                p[...] = n
        return params if all(p.flags.writeable for p in params) else new, state
    return {"sgd": kernel}


def sums_its_bias_gradient_in_half():
    def in_half(dxs, dy):
        return dxs[0], dxs[1], None if dxs[2] is None else np.add.reduce(dy, 0)
    return mutant("linear", gradients=in_half)


def sgd_with_a_buffer_in_half():
    def kernel(params, grads, state, *, workspace, **hyper):
        new, state = UPDATES["sgd"].generic(params, grads, state, workspace=workspace, **hyper)
        return new, {name: [None if a is None else a.astype(p.dtype) for a, p in zip(column, params)]
                     for name, column in state.items()}
    return {"sgd": kernel}


def sgd_with_a_buffer_in_its_workspace():
    def kernel(params, grads, state, *, workspace, **hyper):
        new, state = UPDATES["sgd"].generic(params, grads, workspace.get("state", {}), workspace={}, **hyper)
        workspace["state"] = state
        return new, {}
    return {"sgd": kernel}


def bias_doubled(dxs, dy):
    return dxs[0], dxs[1], dxs[2] * 2 if dxs[2] is not None else None


def all_of_them(op):
    """Computes every gradient, asked or not."""
    def kernel(*arrays, needs, **attrs):
        return generic(op, arrays, tuple(a is not None for a in arrays), attrs)
    return {op: kernel}


def keeps_the_last_of_what_it_adds():
    def kernel(dy, index, *, needs, axis, size):
        _, backward = generic("scatter_add", [dy, index], needs, {"axis": axis, "size": size})
        y = np.zeros((*dy.shape[:axis], size, *dy.shape[axis + 1:]), dy.dtype)
        y[(slice(None),) * axis + (index,)] = dy
        return y, backward
    return {"scatter_add": kernel}


MUTANTS = {
    "conv takes stride 1": (mutant("conv", stride=(1, 1)), "check_outputs"),
    "conv ignores dilation": (mutant("conv", dilation=(1, 1)), "check_outputs"),
    "conv swaps top and left padding": (mutant("conv", padding=((0, 1), (1, 0))), "check_outputs"),
    "conv rotates its filters": (mutant("conv", lambda x, w, b: (x, np.flip(w, (2, 3)), b)),
                                 "check_outputs"),
    "conv bias gradient is doubled": (mutant("conv", gradients=bias_doubled), "check_gradients"),
    "conv returns float64": (mutant("conv", result=lambda y: y.astype(np.float64)), "check_kind"),
    "conv gradients are float64": (mutant("conv", gradients=lambda dxs, dy: tuple(
        None if dx is None else dx.astype(np.float64) for dx in dxs)), "check_kind"),
    "conv makes every gradient": (all_of_them("conv"), "check_needs"),
    "conv accumulates in half": (mutant("conv", result=lambda y: y.astype(np.float16).astype(y.dtype)),
                                 "check_outputs"),
    "max-pool gives ties to the last": (last_tie(), "check_gradients"),
    "max-pool skips NaN": (mutant("max_pool", lambda x: (np.where(np.isnan(x), x.dtype.type(-9), x),)),
                           "check_outputs"),
    "average counts the padding": (mutant("avg_pool", count_include_pad=True), "check_outputs"),
    "relu writes into its input": (writes_into_its_input(), "check_unchanged"),
    "relu writes into dy": (writes_into_dy(), "check_unchanged"),
    "relu takes no read-only array": (needs_writable_arrays(), "check_read_only"),
    "sigmoid reads memory in order": (reads_memory_in_order(), "check_views"),
    "sigmoid reads dy in order": (reads_dy_in_order(), "check_broadcast_dy"),
    "tanh returns a shared array": (shares_its_output(), "check_independent"),
    "tanh is not deterministic": (mutant("tanh", result=lambda y: y + y.dtype.type(1e-7) * (next(noise) % 7)),
                                  "check_repeatable"),
    "batch norm keeps the biased variance": (keeps_running_variance_biased(), "check_outputs"),
    "cross-entropy sums instead of averaging": (mutant("cross_entropy", reduction="sum"), "check_outputs"),
    "convolution leaves products by infinity out": (mutant("conv", lambda x, w, b: (x, np.nan_to_num(w), b)),
                                                    "check_nonfinite"),
    "fused ReLU lets all gradients pass": (fused_without_the_mask(), "check_fused"),
    "norm + add forgets the addend's gradient": (forgets_the_gradient_of_the_addend(), "check_gradients"),
    "norm + add adds before it normalises": (adds_before_it_normalises(), "check_outputs"),
    "norm + add + ReLU adds after the ReLU": (adds_after_the_relu(), "check_outputs"),
    "scatter-add keeps the last of equal positions": (keeps_the_last_of_what_it_adds(), "check_outputs"),
    "scatter-add by a product makes NaN of other rows": (
        mutant("scatter_add", lambda dy, index: (dy + 0 * np.sum(dy), index)), "check_outputs"),
    "take loses its gradient's repetitions": (
        mutant("take", gradients=lambda dxs, dy: (np.sign(dxs[0]), None)), "check_gradients"),
    "look-up takes the first channel's values for all": (
        looks_up(values=lambda v: np.broadcast_to(v[:1], v.shape)), "check_looked_up"),
    "look-up rounds to half": (
        looks_up(result=lambda y: y.astype(np.float16).astype(np.float32)), "check_looked_up"),
    "look-up returns float64": (looks_up(result=lambda y: y.astype(np.float64)), "check_looked_up"),
    "look-up reads the images in order": (looks_up(images=in_order), "check_looked_up_views"),
    "look-up reads the values in order": (looks_up(values=in_order), "check_looked_up_views"),
    "look-up writes into its images": (looks_up(images=inverts_its_images), "check_looked_up_unchanged"),
    "look-up returns a shared array": (looks_up(result=shared_batch), "check_looked_up_independent"),
    "random bits begin at the next counter": (draws_from_the_next_counter(), "check_bits"),
    "sgd halves its momentum": (sgd_with_the_rate_in_the_buffer(), "check_steps"),
    "linear sums its bias gradient in half": (sums_its_bias_gradient_in_half(), "check_sixteen_bit_sums"),
    "sgd keeps its buffer in half": (sgd_with_a_buffer_in_half(), "check_sixteen_bit_steps"),
    "sgd keeps its buffer to itself": (sgd_with_a_buffer_in_its_workspace(), "check_resumed"),
    "sgd writes into foreign parameters": (sgd_in_place(), "check_update_unchanged"),
}
