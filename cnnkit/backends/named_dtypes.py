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

bool = dtype("bool")
int8, uint8 = dtype("int8"), dtype("uint8")
int16, uint16 = dtype("int16"), dtype("uint16")
int32, uint32 = dtype("int32"), dtype("uint32")
int64, uint64 = dtype("int64"), dtype("uint64")
float16, bfloat16 = dtype("float16"), dtype("bfloat16")
float32, float64 = dtype("float32"), dtype("float64")
complex64, complex128 = dtype("complex64"), dtype("complex128")

short, int, long = int16, int32, int64
half, float, double = float16, float32, float64
cfloat, cdouble = complex64, complex128
