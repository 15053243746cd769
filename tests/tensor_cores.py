"""Kernels of tensor cores and asynchronous copies, for the emulator and for the CUDA device in software."""

from __future__ import annotations

import numpy as np
from cnnkit_cupy.sources import FOLDER

TYPES = {"float16": "__half", "bfloat16": "__nv_bfloat16", "float32": "float"}
SOURCE = (FOLDER / "prims.cuh").read_text(encoding="utf-8") + r"""
#line 1 "tensor.cu"
template <class T> constexpr int depth = 32 / sizeof(T);
template <class T> struct Matrices { alignas(16) T a[16][depth<T>], b[16][depth<T>]; };

// A (16, depth) and B (16, depth), their rows' words as the PTX manual's figures say: A B^T, 16 x 16
template <class T, bool by_ldmatrix> __global__ void product(const T* a, const T* b, float* c) {
    SHARED(Matrices<T>, shared);
    const int lane = threadIdx.x, g = lane / 4, t = lane % 4;
    for (int i = lane; i < 16 * depth<T>; i += 32) {
        shared.a[i / depth<T>][i % depth<T>] = a[i];
        shared.b[i / depth<T>][i % depth<T>] = b[i];
    }
    __syncwarp();
    unsigned x[4], y[4];
    if (by_ldmatrix) {
        ldmatrix(x, shared_address(shared.a[lane % 16] + lane / 16 * (depth<T> / 2)));
        ldmatrix(y, shared_address(shared.b[lane / 16 * 8 + lane % 8] + lane / 8 % 2 * (depth<T> / 2)));
    } else {
        const unsigned *words = reinterpret_cast<const unsigned*>(shared.a),
                       *others = reinterpret_cast<const unsigned*>(shared.b);
        for (int i = 0; i < 4; i++) {
            x[i] = words[(g + i % 2 * 8) * 8 + t + i / 2 * 4];
            y[i] = others[(g + i / 2 * 8) * 8 + t + i % 2 * 4];
        }
    }
    for (int half = 0; half < 2; half++) {
        float sums[4] = {1, 2, 3, 4};
        mma_sync(T(), sums, x, y[2 * half], y[2 * half + 1]);
        for (int i = 0; i < 4; i++) c[(g + i / 2 * 8) * 16 + half * 8 + 2 * t + i % 2] = sums[i];
    }
}
struct alignas(16) Shorts { unsigned short of[64][8]; };
__global__ void matrices(const unsigned short* x, unsigned* straight, unsigned* turned) {
    SHARED(Shorts, shared);
    for (int e = 0; e < 8; e++) shared.of[threadIdx.x][e] = x[8 * threadIdx.x + e];
    __syncwarp();
    unsigned words[4];
    ldmatrix(words, shared_address(shared.of[threadIdx.x]));
    for (int i = 0; i < 4; i++) straight[32 * i + threadIdx.x] = words[i];
    ldmatrix_trans(words, shared_address(shared.of[threadIdx.x]));
    for (int i = 0; i < 4; i++) turned[32 * i + threadIdx.x] = words[i];
}
__global__ void misplaced(const unsigned short* x, unsigned* straight, unsigned* turned) {
    SHARED(Shorts, shared);
    unsigned words[4];
    if (threadIdx.x != 5) ldmatrix(words, shared_address(shared.of[threadIdx.x]));
}

// Rows of 16 bytes, each by the thread behind it: how many groups may be open, what else goes wrong
struct alignas(16) Rows { float of[65][4]; };
__global__ void copies(const float* x, float* y, int open, int shift, int rest) {
    SHARED(Rows, rows);
    const int i = threadIdx.x;
    cp_async(shared_address(rows.of[i] + rest), x + 4 * i + shift, i != 3);
    cp_async_commit();
    cp_async(shared_address(rows.of[32 + i]), x + 128 + 4 * i, true);
    cp_async_commit();
    if (open == 0) cp_async_wait<0>();
    if (open == 1) cp_async_wait<1>();
    __syncthreads();
    for (int e = 0; e < 4; e++) y[4 * i + e] = rows.of[31 - i][e];
    cp_async_wait<0>();
    __syncthreads();
    for (int e = 0; e < 4; e++) y[128 + 4 * i + e] = rows.of[63 - i][e];
}
__global__ void begun_while_others_read(const float* x, float* y, int open, int shift, int rest) {
    SHARED(Rows, rows);
    const int i = threadIdx.x;
    rows.of[i][0] = x[i];
    __syncthreads();
    y[i] = rows.of[31 - i][0];
    if (shift) __syncthreads();
    cp_async(shared_address(rows.of[i]), x, true);
}
__global__ void to_an_array(const float* x, float* y, int open, int shift, int rest) {
    cp_async(shared_address(y), x, true);
}
__global__ void part_of_a_warp(const float* x, float* y, int open, int shift, int rest) {
    float sums[4] = {};
    const unsigned a[4] = {};
    if (threadIdx.x < 30 || shift) mma_sync(__half(), sums, a, 0, 0);
}
"""
NAMES = (*(f"product<{t}, {how}>" for t in ("__half", "__nv_bfloat16", "float") for how in ("true", "false")),
         "matrices", "misplaced", "copies", "begun_while_others_read", "to_an_array", "part_of_a_warp")


def matrices(dtype: str, kind: type) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two matrices for `product`, of NumPy's dtype `kind`, and what it makes of them in float64."""
    depth = 8 if dtype == "float32" else 16
    a, b = (np.random.default_rng(seed).standard_normal((16, depth)).astype(kind) for seed in range(2))
    if dtype == "float32":  # TF32: without the last 13 bits
        a, b = ((m.view(np.uint32) & 0xFFFFE000).view(np.float32) for m in (a, b))
    start = np.tile([[1, 2]], (16, 8)) + np.repeat([[0], [2]], 8, axis=0)
    return a, b, a.astype(np.float64) @ b.astype(np.float64).T + start


X = np.arange(256, dtype=np.float32)
COPIED = X.reshape(64, 4).copy()  # what `copies` makes of it
COPIED[3] = 0
COPIED = np.concatenate([COPIED[31::-1], COPIED[:31:-1]])
