"""PyTorch's names of dtypes: ``cnnkit.float32``, ``cnnkit.long``."""

from cnnkit.backends.dtypes import dtype

__all__ = [
           "bfloat16",
           "bool",
           "cdouble",
           "cfloat",
           "complex64",
           "complex128",
           "double",
           "float",
           "float16",
           "float32",
           "float64",
           "half",
           "int",
           "int8",
           "int16",
           "int32",
           "int64",
           "long",
           "short",
           "uint8",
           "uint16",
           "uint32",
           "uint64",
]

bool: dtype = dtype("bool")
int8: dtype = dtype("int8")
uint8: dtype = dtype("uint8")
int16: dtype = dtype("int16")
uint16: dtype = dtype("uint16")
int32: dtype = dtype("int32")
uint32: dtype = dtype("uint32")
int64: dtype = dtype("int64")
uint64: dtype = dtype("uint64")
float16: dtype = dtype("float16")
bfloat16: dtype = dtype("bfloat16")
float32: dtype = dtype("float32")
float64: dtype = dtype("float64")
complex64: dtype = dtype("complex64")
complex128: dtype = dtype("complex128")

short: dtype = int16
int: dtype = int32
long: dtype = int64
half: dtype = float16
float: dtype = float32
double: dtype = float64
cfloat: dtype = complex64
cdouble: dtype = complex128
