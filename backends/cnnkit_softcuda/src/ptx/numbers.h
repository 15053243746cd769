// The number types of PTX as C++ types, and how they round.
#pragma once
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace soft {

using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using s8 = int8_t;
using s16 = int16_t;
using s32 = int32_t;
using s64 = int64_t;

template <class To, class From>
To bits_as(const From& from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}

struct Half {
    u16 bits;
    Half() = default;
    explicit Half(float x) : bits(bits_as<u16>(static_cast<_Float16>(x))) {}
    explicit Half(double x) : bits(bits_as<u16>(static_cast<_Float16>(x))) {}
    operator float() const { return static_cast<float>(bits_as<_Float16>(bits)); }
};

struct Bfloat {
    u16 bits;
    Bfloat() = default;
    explicit Bfloat(float x) {
        const u32 b = bits_as<u32>(x);
        bits = static_cast<u16>(x != x ? 0x7fff : (b + 0x7fff + (b >> 16 & 1)) >> 16);
    }
    explicit Bfloat(double x) : Bfloat(static_cast<float>(x)) {}
    operator float() const { return bits_as<float>(static_cast<u32>(bits) << 16); }
};

template <class T>
constexpr bool is_float = false;
template <>
inline constexpr bool is_float<float> = true;
template <>
inline constexpr bool is_float<double> = true;
template <>
inline constexpr bool is_float<Half> = true;
template <>
inline constexpr bool is_float<Bfloat> = true;

// .ftz: what is too small for a normal number becomes a zero of its sign
inline float flush(float x) { return std::fabs(x) < FLT_MIN ? std::copysign(0.0f, x) : x; }
inline double flush(double x) { return x; }

// .sat: into [0, 1], and NaN into 0
template <class T>
T saturated(T x) {
    return x > T(0) ? (x < T(1) ? x : T(1)) : T(0);
}

inline float tf32(float x) {
    const u32 b = bits_as<u32>(x);
    return (b & 0x7f800000) == 0x7f800000 ? x : bits_as<float>((b + 0x1000) & 0xffffe000);
}

}  // namespace soft
