// cvt: between all number types.
#include <cfenv>
#include <limits>

#include "ptx/decode.h"
#include "run/warp.h"

namespace soft {

enum Rounded : u8 { as_is, nearest, to_zero, down, up };  // to integers

template <class T>
static T to_integer(T x, u8 how) {
    switch (how) {
        case nearest: return std::nearbyint(x);
        case to_zero: return std::trunc(x);
        case down: return std::floor(x);
        case up: return std::ceil(x);
        default: return x;
    }
}

template <class D, class S>
static D clamped(S x) {  // floats into the range of integers, NaN to 0
    if (x != x) return 0;
    constexpr S low = static_cast<S>(std::numeric_limits<D>::min());
    const S high = std::ldexp(S(1), std::numeric_limits<D>::digits);  // the first that is too large
    return x < low     ? std::numeric_limits<D>::min()
           : x >= high ? std::numeric_limits<D>::max()
                       : static_cast<D>(x);
}

template <class D, class S>
static D converted(S x, const Instruction& i) {
    using Wide = std::conditional_t<is_float<S> && sizeof(S) == 2, float, S>;
    Wide value = static_cast<Wide>(x);
    if constexpr (is_float<S> && is_float<D>) {
        if (i.flushes) value = flush(value);
        value = to_integer(value, i.option);
        if (i.saturates) value = saturated(value);
        D result = D(value);
        if constexpr (sizeof(D) == 4) return i.flushes ? flush(result) : result;
        return result;
    } else if constexpr (is_float<S>) {
        return clamped<D>(to_integer(i.flushes ? flush(value) : value, i.option));
    } else if constexpr (is_float<D> && sizeof(D) == 2) {
        return D(sizeof(S) > 2 ? static_cast<double>(x) : static_cast<float>(x));
    } else if constexpr (is_float<D>) {
        const D result = static_cast<D>(x);
        return i.saturates ? saturated(result) : result;
    } else {
        if (i.saturates) {
            const __int128 wide = x, low = std::numeric_limits<D>::min(),
                           high = std::numeric_limits<D>::max();
            return static_cast<D>(wide < low ? low : wide > high ? high : wide);
        }
        return static_cast<D>(x);
    }
}

// not inlined: the compiler would move it out from between two changes of the rounding mode
template <class D, class S>
__attribute__((noinline)) static void convert_all(const S* from, D* to, const Instruction& i) {
    for (int l = 0; l < 32; l++) to[l] = converted<D, S>(from[l], i);
}

template <class D, class S>
static void convert(Warp& w, const Instruction& i, Mask active) {
    static const int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
    S from[32];
    D to[32];
    read(w, i.op[1], from);
    if (i.width > 1) std::fesetround(modes[i.width - 1]);
    convert_all(from, to, i);
    if (i.width > 1) std::fesetround(FE_TONEAREST);
    if constexpr (is_float<D>) {
        set_lanes(w.values<D>(i.op[0]), active, [&](int l) { return to[l]; });
    } else {  // a narrow result fills its register, with its sign
        std::conditional_t<std::is_signed_v<D>, s64, u64> wide[32];
        for (int l = 0; l < 32; l++) wide[l] = to[l];
        write(w, i.op[0], wide, active);
    }
}

template <class D>
static Handler from_type(Type type) {
    switch (type) {
        case Type::u8:
        case Type::b8: return convert<D, u8>;
        case Type::s8: return convert<D, s8>;
        case Type::u16:
        case Type::b16: return convert<D, u16>;
        case Type::s16: return convert<D, s16>;
        case Type::u32:
        case Type::b32: return convert<D, u32>;
        case Type::s32: return convert<D, s32>;
        case Type::u64:
        case Type::b64: return convert<D, u64>;
        case Type::s64: return convert<D, s64>;
        case Type::f16: return convert<D, Half>;
        case Type::bf16: return convert<D, Bfloat>;
        case Type::f32: return convert<D, float>;
        case Type::f64: return convert<D, double>;
        default: return nullptr;
    }
}

template <class H>
static void two_halves(Warp& w, const Instruction& i, Mask active) {  // cvt.f16x2.f32 d, high, low
    const float *high = w.values<float>(i.op[1]), *low = w.values<float>(i.op[2]);
    set_lanes(w.values<u32>(i.op[0]), active,
         [&](int l) { return static_cast<u32>(H(high[l]).bits) << 16 | H(low[l]).bits; });
}
static void to_tf32(Warp& w, const Instruction& i, Mask active) {
    const float* a = w.values<float>(i.op[1]);
    set_lanes(w.values<float>(i.op[0]), active, [&](int l) { return tf32(a[l]); });
}

bool decode_conversion(const Opcode& o, Instruction& i) {
    if (o.base() != "cvt" || o.has("relu")) return false;
    const std::string whole = o.one_of({"rni", "rzi", "rmi", "rpi"}), mode = o.one_of({"rz", "rm", "rp"});
    i.option = whole == "rni"   ? nearest
               : whole == "rzi" ? to_zero
               : whole == "rmi" ? down
               : whole == "rpi" ? up
                                : as_is;
    i.width = mode == "rz" ? 2 : mode == "rm" ? 3 : mode == "rp" ? 4 : 1;
    switch (o.first) {
        case Type::u8:
        case Type::b8: i.run = from_type<u8>(o.type); break;
        case Type::s8: i.run = from_type<s8>(o.type); break;
        case Type::u16:
        case Type::b16: i.run = from_type<u16>(o.type); break;
        case Type::s16: i.run = from_type<s16>(o.type); break;
        case Type::u32:
        case Type::b32: i.run = from_type<u32>(o.type); break;
        case Type::s32: i.run = from_type<s32>(o.type); break;
        case Type::u64:
        case Type::b64: i.run = from_type<u64>(o.type); break;
        case Type::s64: i.run = from_type<s64>(o.type); break;
        case Type::f16: i.run = from_type<Half>(o.type); break;
        case Type::bf16: i.run = from_type<Bfloat>(o.type); break;
        case Type::f32: i.run = from_type<float>(o.type); break;
        case Type::f64: i.run = from_type<double>(o.type); break;
        case Type::f16x2: i.run = two_halves<Half>; break;
        case Type::bf16x2: i.run = two_halves<Bfloat>; break;
        case Type::tf32: i.run = to_tf32; break;
        default: break;
    }
    return i.run != nullptr;
}

}  // namespace soft
