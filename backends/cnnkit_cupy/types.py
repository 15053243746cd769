"""The dtypes that kernels store, and what each is called in CUDA. All of them are computed in float."""

TYPES = {"float32": "float", "float16": "__half"}
