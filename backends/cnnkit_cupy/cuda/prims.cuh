// What differs between CUDA and the emulator, and what every kernel needs. The only file with an #if.

#ifndef CNNKIT_EMULATOR  // the emulator's cuda_shim.h has these

#define SHARED(type, name) __shared__ type name  // the block's shared memory: one struct

// by its bits: no header has to be found on the user's machine
struct alignas(2) __half { unsigned short bits; };
struct alignas(2) __nv_bfloat16 { unsigned short bits; };  // the upper half of a float

__device__ inline float __half2float(__half h) {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(h.bits));
    return x;
}
__device__ inline __half __float2half(float x) {
    __half h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h.bits) : "f"(x));
    return h;
}

template <class T> __device__ inline T load_at_once(const T* from) { return *from; }
template <class T> __device__ inline void store_at_once(T* to, const T& value) { *to = value; }

// A number that stays in its register through a loop: the compiler would compute it anew in every turn.
template <class T> __device__ inline T kept(T x) {
    if constexpr (sizeof(T) == 8) asm volatile("" : "+l"(x));
    else asm volatile("" : "+r"(x));
    return x;
}

// -- tensor cores and asynchronous copies: from sm_80 on, as the PTX manual describes them --

using SharedAddress = unsigned;  // a number here, a pointer in the emulator: it can be added to
__device__ inline SharedAddress shared_address(const void* of) {
    return static_cast<unsigned>(__cvta_generic_to_shared(of));
}

// Begins to copy 16 bytes to shared memory; zeros where `there` is false.
__device__ inline void cp_async(SharedAddress to, const void* from, bool valid) {
    asm volatile("{.reg .pred none; setp.eq.u32 none, %2, 0; cp.async.cg.shared.global [%0], [%1], 16, none;}"
                 :: "r"(to), "l"(from), "r"(static_cast<unsigned>(valid)));
}
// The thread's copies since the last call become a group; and the wait for all groups but the last few.
__device__ inline void cp_async_commit() { asm volatile("cp.async.commit_group;"); }
template <int but> __device__ inline void cp_async_wait() {
    asm volatile("cp.async.wait_group %0;" :: "n"(but) : "memory");
}

// Four matrices of 8 rows of 16 bytes: lane i brings row i % 8 of matrix i / 8, and gets of each matrix word
// i % 4 of row i / 4. `ldmatrix_trans`: of elements of 2 bytes, the transposed matrix's word.
__device__ inline void ldmatrix(unsigned (&words)[4], SharedAddress row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3]) : "r"(row));
}
__device__ inline void ldmatrix_trans(unsigned (&words)[4], SharedAddress row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3]) : "r"(row));
}
// 16 bytes of shared memory: what ldmatrix cannot turn round, numbers of 4 bytes.
__device__ inline void load_shared(unsigned (&words)[4], SharedAddress from) {
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3]) : "r"(from));
}

// sums += a b, for a warp: 16 x 8 sums in float, of 32 bytes of depth: 16 numbers of the first argument's
// type, or 8 of float, whose last 13 bits do not count (TF32).
#define MMA_SYNC(type, shape) \
    __device__ inline void mma_sync(type, float (&sums)[4], const unsigned (&a)[4], \
                                    unsigned b0, unsigned b1) { \
        asm volatile("mma.sync.aligned." shape " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, " \
                     "{%0, %1, %2, %3};" \
                     : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3]) \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1)); \
    }
MMA_SYNC(__half, "m16n8k16.row.col.f32.f16.f16.f32")
MMA_SYNC(__nv_bfloat16, "m16n8k16.row.col.f32.bf16.bf16.f32")
MMA_SYNC(float, "m16n8k8.row.col.f32.tf32.tf32.f32")
#undef MMA_SYNC

#endif

// Rounds to the nearest, ties to even; a NaN stays one. From sm_80 on it is one instruction.
__device__ inline __nv_bfloat16 rounded_to_bfloat16(float x) {
    __nv_bfloat16 b;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(b.bits) : "f"(x));
#else
    const unsigned bits = __float_as_uint(x);
    b.bits = static_cast<unsigned short>((bits & 0x7FFFFFFF) > 0x7F800000
                                         ? 0x7FFF : (bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
#endif
    return b;
}

// Kernels read and write T, and compute in float: float16 and bfloat16 cost precision in storage only.
__device__ inline float wide(float x) { return x; }
__device__ inline float wide(__half x) { return __half2float(x); }
__device__ inline float wide(__nv_bfloat16 x) { return __uint_as_float(static_cast<unsigned>(x.bits) << 16); }
template <class T> __device__ inline T narrow(float x);
template <> __device__ inline float narrow<float>(float x) { return x; }
template <> __device__ inline __half narrow<__half>(float x) { return __float2half(x); }
template <> __device__ inline __nv_bfloat16 narrow<__nv_bfloat16>(float x) { return rounded_to_bfloat16(x); }

// Whether the compiler would fetch so far ahead in a long loop that is unrolled that it spills registers.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
constexpr bool few_in_flight = true;
#else
constexpr bool few_in_flight = false;
#endif

// n elements side by side: read and written in one access, to whose size their address must be aligned.
template <class T, int n> struct alignas(n * sizeof(T)) Vector { T of[n]; };

// What a launch passes by value: addresses of several arrays, and several numbers.
template <class T, int n> struct Table { T* of[n]; };
template <class T, int n> struct Numbers { T of[n]; };
template <int n, class T> __device__ inline Vector<T, n> load(const T* from) {
    return load_at_once(reinterpret_cast<const Vector<T, n>*>(from));
}
template <int n, class T> __device__ inline void store(T* to, const Vector<T, n>& values) {
    store_at_once(reinterpret_cast<Vector<T, n>*>(to), values);
}
// the widest access: 4 floats, or 8 of the 16-bit types
template <class T> constexpr int per_access = 16 / sizeof(T);

// Where an element of a 4-d array lies: each input has strides of its own, in elements, and may be any view.
struct Strides { long long n, c, h, w; };

// Whether this block is the last of `blocks` that come here, for all its threads: then it may read what the
// others have written before. `counter` is 0, and is so again afterwards; `is_last` lies in shared memory.
__device__ inline bool last_block(unsigned* counter, unsigned blocks, int& is_last) {
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) is_last = atomicInc(counter, blocks - 1) == blocks - 1;
    __syncthreads();
    const bool last = is_last;
    __threadfence();
    return last;
}

// -- sums in a fixed order: the same bits in every run --

struct Sums { float of[256]; };

// The sum over the block's 256 threads, for all of them: halves are added to halves.
__device__ inline float block_sum(float mine, Sums& sums) {
    const int thread = threadIdx.x;
    __syncthreads();  // everybody has read the sum before
    sums.of[thread] = mine;
    for (int half = 128; half; half /= 2) {
        __syncthreads();
        if (thread < half) sums.of[thread] += sums.of[thread + half];
    }
    __syncthreads();
    return sums.of[0];
}

// The block as rows of `side` threads (a power of two), each thread with n sums: those of its column, for the
// first row and in `columns` for everybody.
template <int n> struct Columns { float of[n][256]; };
template <int n> __device__ inline void sum_rows(float (&mine)[n], int side, Columns<n>& columns) {
    const int thread = threadIdx.x;
    __syncthreads();  // the sums before have been read
    for (int k = 0; k < n; k++) columns.of[k][thread] = mine[k];
    for (int half = 128; half >= side; half /= 2) {
        __syncthreads();
        for (int k = 0; k < n && thread < half; k++) columns.of[k][thread] += columns.of[k][thread + half];
    }
    __syncthreads();
    for (int k = 0; k < n; k++) mine[k] = columns.of[k][thread % side];
}

__device__ inline float warp_sum(float mine) {
    for (int step = 16; step; step /= 2) mine += __shfl_xor_sync(0xFFFFFFFFu, mine, step);
    return mine;
}
__device__ inline float warp_max(float mine) {
    for (int step = 16; step; step /= 2) mine = fmaxf(mine, __shfl_xor_sync(0xFFFFFFFFu, mine, step));
    return mine;
}
