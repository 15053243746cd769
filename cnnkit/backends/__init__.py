"""The registry of backends: which array library runs an op, and which kernel tables make it faster.

A backend is found by an entry point (group ``cnnkit.backends``) or registered by hand. It needs no kernels:
any library that follows the Python Array API runs all of cnnkit. Kernel tables (group ``cnnkit.kernels``) add
speed op by op. The *array* decides what runs it (`backend_of`); `use` only says where new arrays are made,
and which tables serve.
"""

from cnnkit.backends import cudnn
from cnnkit.backends.backend import Array, ArrayAPIBackend, Backend, Unavailable
from cnnkit.backends.choice import current, current_device, on, place, sharing, tables, use
from cnnkit.backends.device import device, device_of_array
from cnnkit.backends.dtypes import (
    ALIASES,
    DTYPES,
    can_cast,
    dtype,
    dtype_name,
    dtype_of,
    finfo,
    get_default_dtype,
    iinfo,
    number_dtype,
    promote_types,
    result_type,
    set_default_dtype,
)
from cnnkit.backends.kernel import KINDS, Call, Kernel, Kind, chose, decline
from cnnkit.backends.overflow import overflowing
from cnnkit.backends.plugins import kernel_tables
from cnnkit.backends.precision import precision, precision_level
from cnnkit.backends.registry import (
    BackendInfo,
    backend_of,
    get,
    list,
    namespace_of,
    register,
    register_table,
)
from cnnkit.backends.runtime import get_num_threads, release_memory, set_num_threads
from cnnkit.backends.table import KernelTable, MeasuresPeak, Runtime, Tables, TimesThreads

__all__ = ["ALIASES", "DTYPES", "KINDS", "Array", "ArrayAPIBackend", "Backend", "BackendInfo", "Call",
           "Kernel", "KernelTable", "Kind", "MeasuresPeak", "Runtime", "Tables", "TimesThreads",
           "Unavailable", "backend_of", "can_cast", "chose", "cudnn", "current", "current_device", "decline",
           "device", "device_of_array", "dtype", "dtype_name", "dtype_of", "finfo", "get",
           "get_default_dtype", "get_num_threads", "iinfo", "kernel_tables", "list", "namespace_of",
           "number_dtype", "on", "overflowing", "place", "precision", "precision_level", "promote_types",
           "register", "register_table", "release_memory", "result_type", "set_default_dtype",
           "set_num_threads", "sharing", "tables", "use"]
