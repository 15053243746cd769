// The part of CUDA C++ that kernels use, for the host's compiler: included before every .cu file.
#pragma once
#define CNNKIT_EMULATOR 1
#include <math.h>
#include <string.h>

#include "emulated.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define __constant__

#define EMU_TEXT_(x) #x
#define EMU_TEXT(x) EMU_TEXT_(x)
#define EMU_SITE __FILE__ ":" EMU_TEXT(__LINE__)

// `SHARED(Tile, tile);` declares the block's shared memory, one struct: NaN at first, between guards, its
// bytes counted. A plain `__shared__ float tile[32][32];` is served too (block.h says how), without guards
// and count. build.py makes EMU_DYNAMIC of `extern __shared__ float tile[];`.
#define SHARED(type, name) type& name = *static_cast<type*>(emu::shared(sizeof(type), EMU_SITE))
#define __shared__ thread_local
#define EMU_DYNAMIC(type, name) type* const name = static_cast<type*>(emu::dynamic_shared())

// -- barriers and exchanges: macros, for they name their line --

#define __syncthreads() emu::block_barrier(EMU_SITE)
#define __syncthreads_count(predicate) emu::block_sum(!!(predicate), EMU_SITE)
#define __syncthreads_or(predicate) (emu::block_sum(!!(predicate), EMU_SITE) != 0)
#define __syncthreads_and(predicate) (emu::block_sum(!(predicate), EMU_SITE) == 0)
#define EMU_SYNCWARP_(mask, ...) emu::warp_barrier(mask, EMU_SITE)
#define __syncwarp(...) EMU_SYNCWARP_(__VA_ARGS__ __VA_OPT__(,) 0xFFFFFFFFu)
#define __ballot_sync(mask, predicate) emu::ballot(mask, predicate, EMU_SITE)
#define __any_sync(mask, predicate) (emu::ballot(mask, predicate, EMU_SITE) != 0)
#define __all_sync(mask, predicate) (emu::ballot(mask, !(predicate), EMU_SITE) == 0)
#define __shfl_sync(mask, ...) emu::shuffle_to(EMU_SITE, mask, __VA_ARGS__)
#define __shfl_xor_sync(mask, ...) emu::shuffle_xor(EMU_SITE, mask, __VA_ARGS__)
#define __shfl_down_sync(mask, ...) emu::shuffle_down(EMU_SITE, mask, __VA_ARGS__)
#define __shfl_up_sync(mask, ...) emu::shuffle_up(EMU_SITE, mask, __VA_ARGS__)

namespace emu {

template <class T> static inline T shuffle(const char* site, unsigned mask, T value, unsigned lane) {
    static_assert(sizeof(T) <= 8, "shuffles move at most 8 bytes");
    uint64_t given = 0;
    memcpy(&given, &value, sizeof value);
    given = exchange(mask, given, lane, site);
    memcpy(&value, &given, sizeof value);
    return value;
}
// Lanes are taken in groups of `width`; a lane whose source would be in another group gets its own value.
template <class T> static inline T shuffle_to(const char* site, unsigned mask, T value,
                                              int from, int width = 32) {
    return shuffle(site, mask, value,
                   (lane() & ~unsigned(width - 1)) | (unsigned(from) & unsigned(width - 1)));
}
template <class T> static inline T shuffle_xor(const char* site, unsigned mask, T value,
                                               int bits, int width = 32) {
    unsigned from = lane() ^ unsigned(bits), end = (lane() & ~unsigned(width - 1)) + unsigned(width);
    return shuffle(site, mask, value, from < end ? from : lane());
}
template <class T> static inline T shuffle_down(const char* site, unsigned mask, T value,
                                                unsigned by, int width = 32) {
    return shuffle(site, mask, value,
                   (lane() & unsigned(width - 1)) + by < unsigned(width) ? lane() + by : lane());
}
template <class T> static inline T shuffle_up(const char* site, unsigned mask, T value,
                                              unsigned by, int width = 32) {
    return shuffle(site, mask, value, (lane() & unsigned(width - 1)) >= by ? lane() - by : lane());
}

// One fiber runs at a time, so every read-modify-write is atomic; the tracer is told that it is meant to be.
template <class T, class Change>
__attribute__((no_sanitize("thread"))) static inline T update(T* address, Change change) {
    atomic(address, sizeof(T), __builtin_return_address(0));
    T before = *address;
    *address = change(before);
    return before;
}

}  // namespace emu

#define EMU_ATOMIC(name, changed) \
    template <class T> static inline T name(T* address, T value) { \
        return emu::update(address, [=](T before) { return static_cast<T>(changed); }); \
    } \
    template <class T, class U> static inline T name(T* address, U value) { \
        return name(address, static_cast<T>(value)); \
    }
EMU_ATOMIC(atomicAdd, before + value)
EMU_ATOMIC(atomicSub, before - value)
EMU_ATOMIC(atomicExch, value)
EMU_ATOMIC(atomicMin, value < before ? value : before)
EMU_ATOMIC(atomicMax, before < value ? value : before)
EMU_ATOMIC(atomicAnd, before & value)
EMU_ATOMIC(atomicOr, before | value)
EMU_ATOMIC(atomicXor, before ^ value)
EMU_ATOMIC(atomicInc, before >= value ? 0 : before + 1)
EMU_ATOMIC(atomicDec, before == 0 || before > value ? value : before - 1)
#undef EMU_ATOMIC
template <class T> static inline T atomicCAS(T* address, T compare, T value) {
    return emu::update(address, [=](T before) { return before == compare ? value : before; });
}
static inline void __threadfence() { emu::fence(); }
static inline void __threadfence_block() {}

template <class T> static inline T __ldg(const T* address) { return *address; }

// One access, whatever the size of T: g++ would copy a structure piece by piece, and the tracer
// would see several.
template <size_t size> struct EmuWord;
template <> struct EmuWord<1> { using Type = uint8_t; };
template <> struct EmuWord<2> { using Type = uint16_t; };
template <> struct EmuWord<4> { using Type = uint32_t; };
template <> struct EmuWord<8> { using Type = uint64_t; };
template <> struct EmuWord<16> { using Type = unsigned __int128; };
template <class T> static inline T load_at_once(const T* from) {
    auto word = *reinterpret_cast<const typename EmuWord<sizeof(T)>::Type*>(from);
    T value;
    memcpy(&value, &word, sizeof value);
    return value;
}
template <class T> static inline void store_at_once(T* to, const T& value) {
    typename EmuWord<sizeof(T)>::Type word;
    memcpy(&word, &value, sizeof word);
    *reinterpret_cast<typename EmuWord<sizeof(T)>::Type*>(to) = word;
}

template <class T> static inline T kept(T x) { return x; }

// -- vectors --

#define EMU_VECTOR(type, name) \
    struct name##1 { type x; }; \
    struct alignas(2 * sizeof(type)) name##2 { type x, y; }; \
    struct name##3 { type x, y, z; }; \
    struct alignas(sizeof(type) < 8 ? 4 * sizeof(type) : 16) name##4 { type x, y, z, w; }; \
    static inline name##1 make_##name##1(type x) { return {x}; } \
    static inline name##2 make_##name##2(type x, type y) { return {x, y}; } \
    static inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; } \
    static inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
EMU_VECTOR(signed char, char)
EMU_VECTOR(unsigned char, uchar)
EMU_VECTOR(short, short)
EMU_VECTOR(unsigned short, ushort)
EMU_VECTOR(int, int)
EMU_VECTOR(long long, longlong)
EMU_VECTOR(unsigned long long, ulonglong)
EMU_VECTOR(float, float)
EMU_VECTOR(double, double)
#undef EMU_VECTOR
struct uint1 { unsigned x; };  // uint3 is in emulated.h
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
static inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
static inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return {x, y, z}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

// -- arithmetic; the fast versions are as exact as the slow ones here --

static inline float rsqrtf(float x) { return 1 / sqrtf(x); }
static inline double rsqrt(double x) { return 1 / sqrt(x); }
#define __expf(x) expf(x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __powf(x, y) powf(x, y)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
static inline float __fdividef(float x, float y) { return x / y; }
static inline float __fadd_rn(float x, float y) { return x + y; }
static inline float __fsub_rn(float x, float y) { return x - y; }
static inline float __fmul_rn(float x, float y) { return x * y; }
static inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
static inline float __fdiv_rn(float x, float y) { return x / y; }
static inline float __frcp_rn(float x) { return 1 / x; }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline float __saturatef(float x) { return x > 0 ? x < 1 ? x : 1 : 0; }
static inline int __float2int_rn(float x) { return int(rintf(x)); }
static inline int __float2int_rz(float x) { return int(x); }
static inline float __int2float_rn(int x) { return float(x); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz(unsigned(x)) : 32; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __mul24(int x, int y) { return x * y; }
static inline unsigned __umulhi(unsigned x, unsigned y) { return unsigned(uint64_t(x) * y >> 32); }
static inline int __mulhi(int x, int y) { return int(int64_t(x) * y >> 32); }

static inline float __uint_as_float(unsigned bits) { float x; memcpy(&x, &bits, 4); return x; }
static inline unsigned __float_as_uint(float x) { unsigned bits; memcpy(&bits, &x, 4); return bits; }
static inline float __int_as_float(int bits) { return __uint_as_float(unsigned(bits)); }
static inline int __float_as_int(float x) { return int(__float_as_uint(x)); }
template <class T> static inline T min(T a, T b) { return b < a ? b : a; }
template <class T> static inline T max(T a, T b) { return a < b ? b : a; }

// float16 by its bits, so that no compiler needs to know the type.
struct alignas(2) __half { unsigned short bits; };

static inline float __half2float(__half h) {
    unsigned sign = unsigned(h.bits & 0x8000) << 16, exponent = h.bits >> 10 & 31, mantissa = h.bits & 0x3FF;
    if (exponent == 31) return __uint_as_float(sign | 0x7F800000 | mantissa << 13);
    if (exponent) return __uint_as_float(sign | (exponent + 112) << 23 | mantissa << 13);
    // 2^-24: half's denormals are normal in float
    float small = float(int(mantissa)) * 5.9604644775390625e-8f;
    return sign ? -small : small;
}

// Rounds to the nearest, ties to even; by integers, for denormals of half must not depend on the
// processor's mode.
static inline __half __float2half(float x) {
    unsigned bits = __float_as_uint(x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000) return {static_cast<unsigned short>(0x7FFF)};
    if (magnitude >= 0x47800000) return {static_cast<unsigned short>(sign | 0x7C00)};
    unsigned exponent = magnitude >> 23, drop = exponent > 112 ? 13 : 126 - exponent;
    if (drop > 24) return {static_cast<unsigned short>(sign)};
    unsigned value = exponent > 112 ? magnitude - (112u << 23) : (magnitude & 0x7FFFFF) | 0x800000;
    unsigned rounded = value >> drop, rest = value & ((1u << drop) - 1), half = 1u << (drop - 1);
    rounded += rest > half || (rest == half && (rounded & 1));
    return {static_cast<unsigned short>(sign | rounded)};
}

// bfloat16: the upper half of a float; rounds as __half does, and NaN stays NaN.
struct alignas(2) __nv_bfloat16 { unsigned short bits; };

static inline float __bfloat162float(__nv_bfloat16 b) { return __uint_as_float(unsigned(b.bits) << 16); }

static inline __nv_bfloat16 __float2bfloat16(float x) {
    unsigned bits = __float_as_uint(x);
    if ((bits & 0x7FFFFFFF) > 0x7F800000) return {static_cast<unsigned short>(0x7FFF)};
    return {static_cast<unsigned short>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)};
}

#include "tensor.h"
