"""The dtypes that kernels store, and what each is called in CUDA. All of them are computed in float."""

TYPES = {"float32": "float", "float16": "__half", "bfloat16": "__nv_bfloat16"}
