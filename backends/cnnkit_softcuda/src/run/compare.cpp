// setp, set, testp, slct.
#include "ptx/decode.h"
#include "run/warp.h"

namespace soft {

enum Relation : u8 { eq, ne, lt, le, gt, ge, ordered, unordered };
struct Comparison {
    Relation relation;
    bool or_nan;
};

static const std::map<std::string, Comparison> COMPARISONS = {
    {"eq", {eq, false}},       {"ne", {ne, false}},       {"lt", {lt, false}}, {"le", {le, false}},
    {"gt", {gt, false}},       {"ge", {ge, false}},       {"lo", {lt, false}}, {"ls", {le, false}},
    {"hi", {gt, false}},       {"hs", {ge, false}},       {"equ", {eq, true}}, {"neu", {ne, true}},
    {"ltu", {lt, true}},       {"leu", {le, true}},       {"gtu", {gt, true}}, {"geu", {ge, true}},
    {"num", {ordered, false}}, {"nan", {unordered, true}}};

template <class T, Relation relation, bool or_nan, bool flushes>
static Mask compared(Warp& w, const Instruction& i) {
    const T *a = w.values<T>(i.op[i.width]), *b = w.values<T>(i.op[i.width + 1]);
    Mask result = 0;
    for (int l = 0; l < 32; l++) {
        using V = std::conditional_t<is_float<T> && sizeof(T) == 2, float, T>;
        V x = static_cast<V>(a[l]), y = static_cast<V>(b[l]);
        if constexpr (flushes) x = flush(x), y = flush(y);
        bool is = relation == eq   ? x == y
                  : relation == ne ? x != y
                  : relation == lt ? x < y
                  : relation == le ? x <= y
                  : relation == gt ? x > y
                  : relation == ge ? x >= y
                                   : relation == ordered;
        if constexpr (is_float<T>)
            if (x != x || y != y) is = or_nan;
        result |= static_cast<Mask>(is) << l;
    }
    return result;
}

using Compare = Mask (*)(Warp&, const Instruction&);

template <class T, bool or_nan, bool flushes>
static Compare of_relation(Relation relation) {
    switch (relation) {
        case eq: return compared<T, eq, or_nan, flushes>;
        case ne: return compared<T, ne, or_nan, flushes>;
        case lt: return compared<T, lt, or_nan, flushes>;
        case le: return compared<T, le, or_nan, flushes>;
        case gt: return compared<T, gt, or_nan, flushes>;
        case ge: return compared<T, ge, or_nan, flushes>;
        case ordered: return compared<T, ordered, or_nan, flushes>;
        default: return compared<T, unordered, or_nan, flushes>;
    }
}
template <class T, bool flushes = false>
static Compare of_type(Comparison c) {
    if (is_float<T> && c.or_nan) return of_relation<T, is_float<T>, flushes>(c.relation);
    return of_relation<T, false, flushes>(c.relation);
}
static Compare compare_of(Type type, Comparison c, bool flushes) {
    switch (type) {
        case Type::s16: return of_type<s16>(c);
        case Type::u16:
        case Type::b16: return of_type<u16>(c);
        case Type::s32: return of_type<s32>(c);
        case Type::u32:
        case Type::b32: return of_type<u32>(c);
        case Type::s64: return of_type<s64>(c);
        case Type::u64:
        case Type::b64: return of_type<u64>(c);
        case Type::f32: return flushes ? of_type<float, true>(c) : of_type<float>(c);
        case Type::f64: return of_type<double>(c);
        case Type::f16: return of_type<Half>(c);
        case Type::bf16: return of_type<Bfloat>(c);
        default: return nullptr;
    }
}

// Which comparison an instruction makes stands in its number.
static Mask result_of(Warp& w, const Instruction& i, int third) {
    const Mask is = reinterpret_cast<Compare>(i.number)(w, i);
    switch (i.option) {
        case 1: return is & w.truth(i.op[third]);
        case 2: return is | w.truth(i.op[third]);
        case 3: return is ^ w.truth(i.op[third]);
        default: return is;
    }
}
static void setp(Warp& w, const Instruction& i, Mask active) {
    const Mask is = result_of(w, i, 3);
    if (i.op[14].named) {
        const Mask third = i.option ? w.truth(i.op[3]) : ~Mask(0),
                   inverse = ~reinterpret_cast<Compare>(i.number)(w, i);
        w.set(i.op[14],
              i.option == 1   ? inverse & third
              : i.option == 2 ? inverse | third
              : i.option == 3 ? inverse ^ third
                              : inverse,
              active);
    }
    w.set(i.op[0], is, active);
}
// the result is all ones, or 1.0
static void set(Warp& w, const Instruction& i, Mask active) {
    const Mask is = result_of(w, i, 3);
    const u64 yes = i.from == Type::f32    ? 0x3f800000
                    : i.from == Type::f16  ? 0x3c00
                    : i.from == Type::bf16 ? 0x3f80
                                           : ~u64(0);
    u64 values[32];
    for (int l = 0; l < 32; l++) values[l] = is >> l & 1 ? yes : 0;
    write(w, i.op[0], values, active);
}

// option: 0 finite, 1 infinite, 2 number, 3 NaN, 4 normal, 5 subnormal
template <class T>
static void testp(Warp& w, const Instruction& i, Mask active) {
    Mask result = 0;
    for (int l = 0; l < 32; l++) {
        const T x = w.values<T>(i.op[1])[l];
        const int kind = std::fpclassify(x);
        const bool is[] = {std::isfinite(x), kind == FP_INFINITE, kind != FP_NAN,
                           kind == FP_NAN,   kind == FP_NORMAL,   kind == FP_SUBNORMAL};
        result |= static_cast<Mask>(is[i.option]) << l;
    }
    w.set(i.op[0], result, active);
}

template <class T, class C>
static void slct(Warp& w, const Instruction& i, Mask active) {
    const T *a = w.values<T>(i.op[1]), *b = w.values<T>(i.op[2]);
    const C* c = w.values<C>(i.op[3]);
    set_lanes(w.values<T>(i.op[0]), active, [&](int l) { return c[l] >= 0 ? a[l] : b[l]; });
}

bool decode_comparison(const Opcode& o, Instruction& i) {
    const std::string& base = o.base();
    if (base == "testp") {
        static const char* const kinds[] = {"finite",     "infinite", "number",
                                            "notanumber", "normal",   "subnormal"};
        for (u8 kind = 0; kind < 6; kind++)
            if (o.has(kinds[kind])) i.option = kind;
        i.run = i.type == Type::f64 ? testp<double> : testp<float>;
        return true;
    }
    if (base == "slct") {
        const bool wide = size_of(o.first) == 8;
        i.run = o.type == Type::f32 ? (wide ? slct<u64, float> : slct<u32, float>)
                                    : (wide ? slct<u64, s32> : slct<u32, s32>);
        return true;
    }
    if (base != "setp" && base != "set") return false;
    const auto found = COMPARISONS.find(o.parts[1]);
    if (found == COMPARISONS.end()) return false;
    const std::string with = o.one_of({"and", "or", "xor"});
    i.option = with == "and" ? 1 : with == "or" ? 2 : with == "xor" ? 3 : 0;
    i.width = 1;  // the first operand that is compared
    i.number = reinterpret_cast<s64>(compare_of(i.type, found->second, i.flushes));
    i.run = base == "setp" ? setp : set;
    return i.number != 0;
}

}  // namespace soft
