"""The JAX backend, without a single kernel: JAX arrays cannot be assigned into, so they prove that no generic op does."""

from cnnkit.backends import ArrayAPIBackend

backend = ArrayAPIBackend("jax", "jax.numpy", ("jaxlib._jax:ArrayImpl", "jaxlib.xla_extension:ArrayImpl"), "jax")
