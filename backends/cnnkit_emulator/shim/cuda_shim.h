// The part of CUDA C++ that kernels use, for the host's compiler: included before every .cu file.
#pragma once
#define CNNKIT_EMULATOR 1
#include <cmath>
#include <cstdint>
#include <cstring>

#include "block.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

#define EMU_TEXT_(x) #x
#define EMU_TEXT(x) EMU_TEXT_(x)
#define EMU_SITE __FILE__ ":" EMU_TEXT(__LINE__)

// `SHARED(Tile, tile);` declares the block's shared memory, one struct. (An emulator cannot see a plain __shared__: g++
// would make it an ordinary variable, so it is an error.)
#define SHARED(type, name) type& name = *static_cast<type*>(emu::shared(sizeof(type), EMU_SITE))
#define __shared__ static_assert(false, "declare shared memory as one struct: SHARED(Type, name)");

#define __syncthreads() emu::block_barrier(EMU_SITE)
#define EMU_SYNCWARP_(mask, ...) emu::warp_barrier(mask, EMU_SITE)
#define __syncwarp(...) EMU_SYNCWARP_(__VA_ARGS__ __VA_OPT__(,) 0xFFFFFFFFu)

#define __shfl_sync(mask, value, lane) emu::shuffle(mask, value, unsigned(lane) % 32, EMU_SITE)
#define __shfl_xor_sync(mask, value, bits) emu::shuffle(mask, value, emu::lane() ^ unsigned(bits), EMU_SITE)
#define __shfl_down_sync(mask, value, n) \
    emu::shuffle(mask, value, emu::lane() + unsigned(n) < 32 ? emu::lane() + unsigned(n) : emu::lane(), EMU_SITE)
#define __shfl_up_sync(mask, value, n) \
    emu::shuffle(mask, value, emu::lane() >= unsigned(n) ? emu::lane() - unsigned(n) : emu::lane(), EMU_SITE)

namespace emu {
static inline unsigned lane() { return number(*current) % 32; }
}

template <class T> static inline T __ldg(const T* address) { return *address; }

// One access, whatever the size of T: g++ would copy a structure piece by piece, and the tracer would see several.
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

#define EMU_VECTOR(type, name) \
    struct alignas(2 * sizeof(type)) name##2 { type x, y; }; \
    struct name##3 { type x, y, z; }; \
    struct alignas(sizeof(type) < 8 ? 4 * sizeof(type) : 16) name##4 { type x, y, z, w; }; \
    static inline name##2 make_##name##2(type x, type y) { return {x, y}; } \
    static inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; } \
    static inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
EMU_VECTOR(float, float)
EMU_VECTOR(int, int)
EMU_VECTOR(double, double)
#undef EMU_VECTOR
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };

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
    float small = float(int(mantissa)) * 5.9604644775390625e-8f;  // 2^-24: half's denormals are normal in float
    return sign ? -small : small;
}

// Rounds to the nearest, ties to even; by integers, for denormals of half must not depend on the processor's mode.
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
