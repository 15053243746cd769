// add, mul, fma, min, sqrt, ... of integers and of floating-point numbers.
#include <algorithm>
#include <cfenv>

#include "ptx/decode.h"
#include "run/warp.h"

namespace soft {

// -- floating point -----------------------------------------------------------------------------------------

template <int arity, auto function, class T, bool flushes, bool saturates>
static void floating(Warp& w, const Instruction& i, Mask active) {
    const T *a = w.values<T>(i.op[1]), *b = w.values<T>(i.op[2]), *c = w.values<T>(i.op[3]);
    const auto in = [](T x) { return flushes ? flush(x) : x; };
    set_lanes(w.values<T>(i.op[0]), active, [&](int l) {
        T result;
        if constexpr (arity == 1) result = function(in(a[l]));
        if constexpr (arity == 2) result = function(in(a[l]), in(b[l]));
        if constexpr (arity == 3) result = function(in(a[l]), in(b[l]), in(c[l]));
        if (flushes) result = flush(result);
        return saturates ? saturated(result) : result;
    });
}

// halves compute in a wider type and are rounded once
template <int arity, auto function, class H>
static void half_precision(Warp& w, const Instruction& i, Mask active) {
    using Wide = std::conditional_t<arity == 3, double, float>;
    const auto value = [&](const Operand& operand, int at) {
        return static_cast<Wide>(static_cast<float>(w.values<H>(operand)[at]));
    };
    const int per_lane = i.type == Type::f16x2 || i.type == Type::bf16x2 ? 2 : 1;
    H* d = w.values<H>(i.op[0]);
    for_lanes(active, [&](int lane) {
        for (int at = lane * per_lane; at < (lane + 1) * per_lane; at++) {
            Wide result;
            if constexpr (arity == 1) result = function(value(i.op[1], at));
            if constexpr (arity == 2) result = function(value(i.op[1], at), value(i.op[2], at));
            if constexpr (arity == 3) result = value(i.op[1], at) * value(i.op[2], at) + value(i.op[3], at);
            d[at] = H(i.saturates ? saturated(result) : result);
        }
    });
}

template <int arity, auto function>
static Handler floating_handler(const Instruction& i) {
    switch (i.type) {
        case Type::f64: return floating<arity, function, double, false, false>;
        case Type::f32:
            if (i.flushes)
                return i.saturates ? floating<arity, function, float, true, true>
                                   : floating<arity, function, float, true, false>;
            return i.saturates ? floating<arity, function, float, false, true>
                               : floating<arity, function, float, false, false>;
        case Type::f16:
        case Type::f16x2: return half_precision<arity, function, Half>;
        case Type::bf16:
        case Type::bf16x2: return half_precision<arity, function, Bfloat>;
        default: return nullptr;
    }
}

// .rz, .rm, .rp: the processor rounds so while one lane computes
struct Rounding {
    explicit Rounding(int mode) { std::fesetround(mode); }
    ~Rounding() { std::fesetround(FE_TONEAREST); }
};
template <class T>
__attribute__((noinline)) static T rounded(char what, T first, T second, T third) {
    volatile T a = first, b = second, c = third, result = 0;  // nothing is computed before the mode is set
    switch (what) {
        case '+': result = a + b; break;
        case '-': result = a - b; break;
        case '*': result = a * b; break;
        case '/': result = a / b; break;
        case 'r': result = T(1) / a; break;
        case 's': result = std::sqrt(a); break;
        default: result = std::fma(a, b, c); break;
    }
    return result;
}
template <class T>
static void with_rounding(Warp& w, const Instruction& i, Mask active) {
    static const int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
    const T *a = w.values<T>(i.op[1]), *b = w.values<T>(i.op[2]), *c = w.values<T>(i.op[3]);
    const auto in = [&](T x) { return i.flushes ? flush(x) : x; };
    const Rounding mode(modes[i.option]);
    set_lanes(w.values<T>(i.op[0]), active, [&](int l) {
        const T result = in(rounded<T>(static_cast<char>(i.number), in(a[l]), in(b[l]), in(c[l])));
        return i.saturates ? saturated(result) : result;
    });
}

static Handler rounding_handler(const Opcode& opcode, Instruction& i) {
    const std::string mode = opcode.one_of({"rz", "rm", "rp"});
    if (mode.empty() || (i.type != Type::f32 && i.type != Type::f64)) return nullptr;
    static const std::map<std::string, char> symbols = {{"add", '+'}, {"sub", '-'}, {"mul", '*'},
                                                        {"div", '/'}, {"rcp", 'r'}, {"sqrt", 's'},
                                                        {"fma", 'f'}, {"mad", 'f'}};
    const auto found = symbols.find(opcode.base());
    if (found == symbols.end()) return nullptr;
    i.option = mode == "rz" ? 1 : mode == "rm" ? 2 : 3;
    i.number = found->second;
    return i.type == Type::f32 ? with_rounding<float> : with_rounding<double>;
}

template <class T>
static T smaller(T a, T b) {
    return a == b ? (std::signbit(a) ? a : b) : std::fmin(a, b);
}
template <class T>
static T larger(T a, T b) {
    return a == b ? (std::signbit(a) ? b : a) : std::fmax(a, b);
}
constexpr auto nan_or = [](auto chosen, auto a, auto b) { return a != a || b != b ? a + b : chosen; };

static Handler floating_point(const Opcode& o, Instruction& i) {
    if (const Handler handler = rounding_handler(o, i)) return handler;
    const std::string& base = o.base();
    if (o.has("relu")) return nullptr;
#define BINARY(name, expression) \
    if (base == name) return floating_handler<2, [](auto a, auto b) { return expression; }>(i)
#define UNARY(name, expression) \
    if (base == name) return floating_handler<1, [](auto x) { return expression; }>(i)
    BINARY("add", a + b);
    BINARY("sub", a - b);
    BINARY("mul", a * b);
    BINARY("div", a / b);
    if (o.has("NaN")) {
        BINARY("min", nan_or(smaller(a, b), a, b));
        BINARY("max", nan_or(larger(a, b), a, b));
    }
    BINARY("min", smaller(a, b));
    BINARY("max", larger(a, b));
    BINARY("copysign", std::copysign(b, a));
    if (base == "fma" || base == "mad")
        return floating_handler<3, [](auto a, auto b, auto c) { return std::fma(a, b, c); }>(i);
    UNARY("neg", -x);
    UNARY("abs", std::fabs(x));
    UNARY("rcp", 1 / x);
    UNARY("sqrt", std::sqrt(x));
    UNARY("rsqrt", 1 / std::sqrt(x));
    UNARY("ex2", std::exp2(x));
    UNARY("lg2", std::log2(x));
    UNARY("sin", std::sin(x));
    UNARY("cos", std::cos(x));
    UNARY("tanh", std::tanh(x));
#undef BINARY
#undef UNARY
    return nullptr;
}

// -- integers -----------------------------------------------------------------------------------------------

template <int arity, auto function, class T>
static void integer(Warp& w, const Instruction& i, Mask active) {
    const T *a = w.values<T>(i.op[1]), *b = w.values<T>(i.op[2]), *c = w.values<T>(i.op[3]);
    set_lanes(w.values<T>(i.op[0]), active, [&](int l) {
        if constexpr (arity == 1) return static_cast<T>(function(a[l]));
        if constexpr (arity == 2) return static_cast<T>(function(a[l], b[l]));
        if constexpr (arity == 3) return static_cast<T>(function(a[l], b[l], c[l]));
    });
}
template <int arity, auto function>
static Handler integer_handler(Type type) {
    switch (type) {
        case Type::s16: return integer<arity, function, s16>;
        case Type::u16:
        case Type::b16: return integer<arity, function, u16>;
        case Type::s32: return integer<arity, function, s32>;
        case Type::u32:
        case Type::b32: return integer<arity, function, u32>;
        case Type::s64: return integer<arity, function, s64>;
        case Type::u64:
        case Type::b64: return integer<arity, function, u64>;
        default: return nullptr;
    }
}

// mul.wide and mad.wide: the result is twice as wide
template <class T, class Wide>
static void wide(Warp& w, const Instruction& i, Mask active) {
    const T *a = w.values<T>(i.op[1]), *b = w.values<T>(i.op[2]);
    const Wide* c = w.values<Wide>(i.op[3]);
    using U = std::make_unsigned_t<Wide>;
    set_lanes(w.values<Wide>(i.op[0]), active, [&](int l) {
        const U product = static_cast<U>(static_cast<Wide>(a[l])) * static_cast<U>(static_cast<Wide>(b[l]));
        return static_cast<Wide>(i.option ? product + static_cast<U>(c[l]) : product);
    });
}

template <class T>
using Twice =
    std::conditional_t<sizeof(T) == 8, std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>,
                       std::conditional_t<std::is_signed_v<T>, s64, u64>>;
template <class T>
static T high(T a, T b) {
    return static_cast<T>((static_cast<Twice<T>>(a) * b) >> (8 * sizeof(T)));
}
// wraps around, in any type
template <class T, class Function>
static T wrapped(Function function, T a, T b) {
    using U = std::conditional_t<sizeof(T) == 8, u64, u32>;
    return static_cast<T>(function(static_cast<U>(a), static_cast<U>(b)));
}
constexpr auto plus = [](auto a, auto b) { return wrapped([](auto x, auto y) { return x + y; }, a, b); };
constexpr auto minus = [](auto a, auto b) { return wrapped([](auto x, auto y) { return x - y; }, a, b); };
constexpr auto times = [](auto a, auto b) { return wrapped([](auto x, auto y) { return x * y; }, a, b); };

// add.cc, addc and the like, of 32 and 64 bits: option 1 takes the carry, 2 leaves one, 4 subtracts
template <class T>
static void with_carry(Warp& w, const Instruction& i, Mask active) {
    const T *a = w.values<T>(i.op[1]), *b = w.values<T>(i.op[2]), *c = w.values<T>(i.op[3]);
    T* d = w.values<T>(i.op[0]);
    const Mask before = w.carry;
    for_lanes(active, [&](int l) {
        const bool in = (i.option & 1) && (before >> l & 1), subtracts = i.option & 4;
        T x = a[l], y = b[l];
        if (i.number) {  // mad: its product first
            x = i.number == 'h' ? high(x, y) : T(x * y);
            y = c[l];
        }
        const T middle = subtracts ? x - y : x + y, result = subtracts ? middle - in : middle + in;
        const bool out = subtracts ? x < y || middle < T(in) : middle < x || result < middle;
        d[l] = result;
        if (i.option & 2) w.carry = (w.carry & ~(1u << l)) | (Mask(out) << l);
    });
}
static Handler carrying(const Opcode& o, Instruction& i) {
    const std::string& base = o.base();
    const bool takes = base == "addc" || base == "subc" || base == "madc", leaves = o.has("cc");
    if (!takes && !leaves) return nullptr;
    i.option = static_cast<u8>(takes | leaves << 1 | (base[0] == 's') << 2);
    i.number = base[0] == 'm' ? (o.has("hi") ? 'h' : 'l') : 0;
    return size_of(i.type) == 8 ? with_carry<u64> : with_carry<u32>;
}

static Handler integers(const Opcode& o, Instruction& i) {
    const std::string& base = o.base();
    if (const Handler handler = carrying(o, i)) return handler;
    if (o.has("wide")) {
        i.option = base == "mad";
        return i.type == Type::s32   ? wide<s32, s64>
               : i.type == Type::u32 ? wide<u32, u64>
               : i.type == Type::s16 ? wide<s16, s32>
                                     : wide<u16, u32>;
    }
    if (base == "add" && i.saturates)
        return integer<2, [](s32 a, s32 b) { return std::clamp<s64>(s64(a) + b, INT32_MIN, INT32_MAX); },
                       s32>;
    if (base == "sub" && i.saturates)
        return integer<2, [](s32 a, s32 b) { return std::clamp<s64>(s64(a) - b, INT32_MIN, INT32_MAX); },
                       s32>;
    if (o.has("hi") && base == "mul")
        return integer_handler<2, [](auto a, auto b) { return high(a, b); }>(i.type);
    if (o.has("hi") && base == "mad")
        return integer_handler<3, [](auto a, auto b, auto c) { return plus(high(a, b), c); }>(i.type);
#define BINARY(name, expression) \
    if (base == name) return integer_handler<2, [](auto a, auto b) { return expression; }>(i.type)
    BINARY("add", plus(a, b));
    BINARY("sub", minus(a, b));
    BINARY("mul", times(a, b));
    BINARY("div", b == 0                                                  ? decltype(a)(-1)
                  : b == decltype(b)(-1) && std::is_signed_v<decltype(b)> ? minus(decltype(a)(0), a)
                                                                          : decltype(a)(a / b));
    BINARY("rem", b == 0                                                  ? a
                  : b == decltype(b)(-1) && std::is_signed_v<decltype(b)> ? decltype(a)(0)
                                                                          : decltype(a)(a % b));
    BINARY("min", std::min(a, b));
    BINARY("max", std::max(a, b));
#undef BINARY
    if (base == "mad")
        return integer_handler<3, [](auto a, auto b, auto c) { return plus(times(a, b), c); }>(i.type);
    if (base == "sad")
        return integer_handler<3, [](auto a, auto b, auto c) {
            return plus(c, a < b ? minus(b, a) : minus(a, b));
        }>(i.type);
    if (base == "neg") return integer_handler<1, [](auto a) { return minus(decltype(a)(0), a); }>(i.type);
    if (base == "abs")
        return integer_handler<1, [](auto a) { return a < decltype(a)(0) ? minus(decltype(a)(0), a) : a; }>(
            i.type);
    return nullptr;
}

bool decode_arithmetic(const Opcode& opcode, Instruction& i) {
    const bool floats = (i.type >= Type::f16 && i.type <= Type::bf16) || i.type == Type::f32 ||
                        i.type == Type::f64 || i.type == Type::f16x2 || i.type == Type::bf16x2;
    i.run = floats ? floating_point(opcode, i) : integers(opcode, i);
    return i.run != nullptr;
}

}  // namespace soft
