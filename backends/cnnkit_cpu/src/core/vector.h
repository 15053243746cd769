// Vectors of floats as wide as the instruction set's registers, by the compiler's vector extensions (GCC,
// Clang): all other files are written in them, so that one source serves AVX-512, AVX2 and a baseline.
// Intrinsics stand only where g++ makes dozens of instructions of what is one.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__AVX2__)
#if !defined(__clang__)  // g++ 12 warns of its own header, whose undefined vectors are meant
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#endif

#if defined(__AVX512F__)
constexpr int BYTES = 64;
#elif defined(__AVX__)
constexpr int BYTES = 32;
#else
constexpr int BYTES = 16;
#endif
#if defined(__aarch64__)
constexpr bool AARCH64 = true;
#else
constexpr bool AARCH64 = false;
#endif
constexpr int W = BYTES / 4;  // floats in a vector
constexpr int REGISTERS = AARCH64 || BYTES == 64 ? 32 : 16;

typedef float Floats __attribute__((vector_size(BYTES)));
typedef int32_t Ints __attribute__((vector_size(BYTES)));
typedef uint8_t Bytes __attribute__((vector_size(W)));
typedef float AnyFloats __attribute__((vector_size(BYTES), aligned(4), may_alias));
typedef int32_t AnyInts __attribute__((vector_size(BYTES), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))
// one copy of a function, however many callers and arguments there are
#if defined(__clang__)
#define NOINLINE static __attribute__((noinline))
#else
#define NOINLINE static __attribute__((noinline, noclone))
#endif

INLINE Floats splat(float a) { return a - Floats{}; }  // a - 0, not a + 0: -0 stays -0
INLINE Ints splat_int(int32_t a) { return a - Ints{}; }
// A vector that is read once and used often: where registers are enough, g++ reads it at each use.
INLINE Floats in_register(Floats v) {
#if defined(__AVX512F__)
    asm("" : "+v"(v));
#endif
    return v;
}
INLINE Floats load(const float* p) { return *reinterpret_cast<const AnyFloats*>(p); }
INLINE void store(float* p, Floats v) { *reinterpret_cast<AnyFloats*>(p) = v; }
INLINE Floats choose(Ints mask, Floats a, Floats b) { return mask ? a : b; }

// The lanes of a, then of b, are numbered from 0 on: a vector of those that Lanes names, one for each of its
// own.
template <int... Lanes>
INLINE Floats lanes_of(Floats a, Floats b) {
#if defined(__clang__) || __GNUC__ >= 12
    return __builtin_shufflevector(a, b, Lanes...);
#else
    return __builtin_shuffle(a, b, Ints{Lanes...});
#endif
}

#if defined(__AVX2__) && !defined(__AVX512F__)
// The sign bit in the first n lanes.
INLINE __m256i first_lanes(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
#endif

// The first n < W floats, and zeros; memory beyond them is not touched.
INLINE Floats load_part(const float* p, int n) {
#if defined(__AVX512F__)
    return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p);
#elif defined(__AVX2__)
    return _mm256_maskload_ps(p, first_lanes(n));
#else
    Floats v{};
    for (int i = 0; i < W; i++)
        if (i < n) v[i] = p[i];
    return v;
#endif
}

INLINE void store_part(float* p, Floats v, int n) {
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), v);
#elif defined(__AVX2__)
    _mm256_maskstore_ps(p, first_lanes(n), v);
#else
    for (int i = 0; i < W; i++)
        if (i < n) p[i] = v[i];
#endif
}

// The first n floats, at most W of them.
INLINE Floats load_up_to(const float* p, int n) { return n >= W ? load(p) : load_part(p, n); }
INLINE void store_up_to(float* p, Floats v, int n) { n >= W ? store(p, v) : store_part(p, v, n); }

// v, but at least low, or at most high, which also comes out where v is NaN: two instructions each otherwise.
INLINE Floats larger(Floats v, Floats low) {
#if defined(__AVX512F__)
    return _mm512_max_ps(v, low);
#elif defined(__AVX2__)
    return _mm256_max_ps(v, low);
#else
    return choose(v > low, v, low);
#endif
}
INLINE Floats smaller(Floats v, Floats high) {
#if defined(__AVX512F__)
    return _mm512_min_ps(v, high);
#elif defined(__AVX2__)
    return _mm256_min_ps(v, high);
#else
    return choose(v < high, v, high);
#endif
}

INLINE Floats positive(Floats v) { return choose(v <= Floats{}, Floats{}, v); }  // ReLU; NaN stays

INLINE Ints load_ints(const int32_t* p) { return *reinterpret_cast<const AnyInts*>(p); }

// One byte for each lane. g++ 12 makes 25 to 70 instructions of __builtin_convertvector here; these are the
// single ones.
INLINE Ints load_bytes(const uint8_t* p) {
#if defined(__AVX512F__)
    return reinterpret_cast<Ints>(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#elif defined(__AVX2__)
    return reinterpret_cast<Ints>(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
#else
    Bytes b;
    std::memcpy(&b, p, W);
    return __builtin_convertvector(b, Ints);
#endif
}

INLINE void store_bytes(uint8_t* p, Ints v) {
#if defined(__AVX512F__)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(reinterpret_cast<__m512i>(v)));
#elif defined(__AVX2__)
    const __m256i all = reinterpret_cast<__m256i>(v);
    const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
#else
    Bytes b = __builtin_convertvector(v, Bytes);
    std::memcpy(p, &b, W);
#endif
}

// Short rows: a call of memcpy costs as much as copying one.
INLINE void copy_row(const float* from, float* to, int n) {
    if (n >= W) {
        for (int i = 0; i < n - W; i += W) store(to + i, load(from + i));
        store(to + n - W, load(from + n - W));
    } else {
        for (int i = 0; i < n; i++) to[i] = from[i];
    }
}
