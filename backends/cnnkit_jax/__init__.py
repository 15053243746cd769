"""The JAX backend, without kernels. JAX arrays are immutable, so they prove that no generic op assigns."""

from __future__ import annotations

from typing import Any

from cnnkit.backends import ArrayAPIBackend, dtype_name

NARROWED = {"int64": "int32", "uint64": "uint32", "float64": "float32", "complex128": "complex64"}


class JaxBackend(ArrayAPIBackend):
    """JAX arrays. Without the setting ``jax_enable_x64`` 32-bit types take the place of 64-bit ones."""

    shares = (1, 2)

    @property
    def dtypes(self) -> tuple[str, ...]:  # type: ignore[override]
        """Names of the dtypes that JAX has now: the 64-bit ones can be switched on and off."""
        import jax

        return tuple(n for n in super().dtypes if jax.config.jax_enable_x64 or n not in NARROWED)

    def dtype(self, dtype: Any) -> Any:
        name = dtype_name(dtype)
        return super().dtype(name if name in self.dtypes else NARROWED.get(name, name))

    def asarray(self, data: Any, dtype: Any = None, device: Any = None) -> Any:
        if dtype is None and hasattr(data, "dtype"):
            dtype = data.dtype
        return super().asarray(data, dtype, device)

    def assign(self, array: Any, select: Any, values: Any) -> Any:
        xp = self.namespace
        places = select(xp.reshape(xp.arange(array.size), array.shape))  # a slice of JAX's is no view
        values = xp.broadcast_to(values, places.shape)
        return self.put(array.reshape(-1), places.reshape(-1), values.reshape(-1)).reshape(array.shape)

    def put(self, array: Any, positions: Any, values: Any) -> Any:
        return array.at[positions].set(values)


backend = JaxBackend("jax", "jax.numpy", ("jaxlib._jax:ArrayImpl", "jaxlib.xla_extension:ArrayImpl"), "jax")
