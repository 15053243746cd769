// mov, logic, shifts and whatever else sees numbers as bits.
#include <algorithm>
#include <bit>

#include "ptx/decode.h"
#include "run/moves.h"
#include "run/warp.h"

namespace soft {

template <auto function, class T>
static void bits2(Warp& w, const Instruction& i, Mask active) {
    const T *a = w.values<T>(i.op[1]), *b = w.values<T>(i.op[2]);
    set_lanes(w.values<T>(i.op[0]), active, [&](int l) { return static_cast<T>(function(a[l], b[l])); });
}
template <auto function, class T>
static void shift(Warp& w, const Instruction& i, Mask active) {
    const T* a = w.values<T>(i.op[1]);
    const u32* by = w.values<u32>(i.op[2]);
    set_lanes(w.values<T>(i.op[0]), active, [&](int l) { return static_cast<T>(function(a[l], by[l])); });
}
template <auto function, class T>
static void count(Warp& w, const Instruction& i, Mask active) {
    const T* a = w.values<T>(i.op[1]);
    set_lanes(w.values<u32>(i.op[0]), active, [&](int l) { return static_cast<u32>(function(a[l])); });
}
template <class T>
static void copy(Warp& w, const Instruction& i, Mask active) {
    const T* a = w.values<T>(i.op[1]);
    set_lanes(w.values<T>(i.op[0]), active, [&](int l) { return a[l]; });
}
void widened(Warp& w, const Instruction& i, Mask active) {  // mov of a register of another width
    u64 values[32];
    read(w, i.op[1], values);
    write(w, i.op[0], values, active);
}
void clock(Warp& w, const Instruction& i, Mask active) {
    static u64 now = 0;
    now += 1000;  // a loop that waits for a time ends soon
    u64 values[32];
    std::fill(values, values + 32, now);
    write(w, i.op[0], values, active);
}
template <class T>
static void inverted(Warp& w, const Instruction& i, Mask active) {
    const T* a = w.values<T>(i.op[1]);
    set_lanes(w.values<T>(i.op[0]), active, [&](int l) { return static_cast<T>(~a[l]); });
}
template <class T>
static void selected(Warp& w, const Instruction& i, Mask active) {
    const T *a = w.values<T>(i.op[1]), *b = w.values<T>(i.op[2]);
    const Mask chosen = w.truth(i.op[3]);
    set_lanes(w.values<T>(i.op[0]), active, [&](int l) { return chosen >> l & 1 ? a[l] : b[l]; });
}

// option: 0 and, 1 or, 2 xor, 3 not, 4 mov
static void predicates(Warp& w, const Instruction& i, Mask active) {
    const Mask a = w.truth(i.op[1]), b = i.option < 3 ? w.truth(i.op[2]) : 0;
    w.set(i.op[0],
          i.option == 0   ? a & b
          : i.option == 1 ? a | b
          : i.option == 2 ? a ^ b
          : i.option == 3 ? ~a
                          : a,
          active);
}

static void lop3(Warp& w, const Instruction& i, Mask active) {
    const u32 *a = w.values<u32>(i.op[1]), *b = w.values<u32>(i.op[2]), *c = w.values<u32>(i.op[3]);
    const u32 table = *w.values<u32>(i.op[4]);
    set_lanes(w.values<u32>(i.op[0]), active, [&](int l) {
        u32 result = 0;
        for (int row = 0; row < 8; row++)
            if (table >> row & 1)
                result |= (row & 4 ? a[l] : ~a[l]) & (row & 2 ? b[l] : ~b[l]) & (row & 1 ? c[l] : ~c[l]);
        return result;
    });
}
// option: 1 to the left, 2 clamped
static void funnel(Warp& w, const Instruction& i, Mask active) {
    const u32 *low = w.values<u32>(i.op[1]), *top = w.values<u32>(i.op[2]), *by = w.values<u32>(i.op[3]);
    set_lanes(w.values<u32>(i.op[0]), active, [&](int l) {
        const u64 both = static_cast<u64>(top[l]) << 32 | low[l];
        const u32 n = i.option & 2 ? std::min<u32>(by[l], 32) : by[l] & 31;
        return static_cast<u32>(i.option & 1 ? both << n >> 32 : both >> n);
    });
}
static void permuted(Warp& w, const Instruction& i, Mask active) {
    const u32 *a = w.values<u32>(i.op[1]), *b = w.values<u32>(i.op[2]), *how = w.values<u32>(i.op[3]);
    set_lanes(w.values<u32>(i.op[0]), active, [&](int l) {
        const u64 both = static_cast<u64>(b[l]) << 32 | a[l];
        u32 result = 0;
        for (int byte = 0; byte < 4; byte++) {
            const u32 choice = how[l] >> (4 * byte) & 15, value = both >> (8 * (choice & 7)) & 255;
            result |= (choice & 8 ? (value & 128 ? 255 : 0) : value) << (8 * byte);
        }
        return result;
    });
}
template <class T>
static void extracted(Warp& w, const Instruction& i, Mask active) {
    using U = std::make_unsigned_t<T>;
    constexpr u32 width = 8 * sizeof(T);
    const T* a = w.values<T>(i.op[1]);
    const u32 *first = w.values<u32>(i.op[2]), *many = w.values<u32>(i.op[3]);
    set_lanes(w.values<T>(i.op[0]), active, [&](int l) {
        const u32 at = first[l] & 255, length = many[l] & 255;
        if (length == 0) return T(0);
        const bool negative =
            std::is_signed_v<T> && (static_cast<U>(a[l]) >> std::min(at + length - 1, width - 1) & 1);
        const U taken = at >= width ? 0 : static_cast<U>(a[l]) >> at;
        const u32 valid = std::min(length, at >= width ? 0 : width - at);
        const U mask = valid >= width ? ~U(0) : (U(1) << valid) - 1;
        return static_cast<T>((taken & mask) | (negative ? ~mask : 0));
    });
}
template <class T>
static void inserted(Warp& w, const Instruction& i, Mask active) {
    const T *a = w.values<T>(i.op[1]), *b = w.values<T>(i.op[2]);
    const u32 *first = w.values<u32>(i.op[3]), *many = w.values<u32>(i.op[4]);
    set_lanes(w.values<T>(i.op[0]), active, [&](int l) {
        const u32 at = first[l] & 255, length = many[l] & 255;
        if (at >= 8 * sizeof(T) || length == 0) return b[l];
        const T mask =
            static_cast<T>((length >= 8 * sizeof(T) ? ~T(0) : static_cast<T>((T(1) << length) - 1)) << at);
        return static_cast<T>((b[l] & ~mask) | (static_cast<T>(a[l] << at) & mask));
    });
}
template <class T>
static void highest(Warp& w, const Instruction& i, Mask active) {  // bfind
    const T* a = w.values<T>(i.op[1]);
    set_lanes(w.values<u32>(i.op[0]), active, [&](int l) {
        const u64 x = std::is_signed_v<T> && a[l] < 0
                          ? static_cast<u64>(static_cast<std::make_unsigned_t<T>>(~a[l]))
                          : static_cast<u64>(static_cast<std::make_unsigned_t<T>>(a[l]));
        if (!x) return ~u32(0);
        const u32 at = 63 - static_cast<u32>(std::countl_zero(x));
        return i.option ? 8 * static_cast<u32>(sizeof(T)) - 1 - at : at;
    });
}
template <class T>
static T reversed(T x) {
    T result = 0;
    for (u32 bit = 0; bit < 8 * sizeof(T); bit++) result |= (x >> bit & 1) << (8 * sizeof(T) - 1 - bit);
    return result;
}
template <class T>
static void reverse(Warp& w, const Instruction& i, Mask active) {
    const T* a = w.values<T>(i.op[1]);
    set_lanes(w.values<T>(i.op[0]), active, [&](int l) { return reversed(a[l]); });
}

void pack(Warp& w, const Instruction& i, Mask active) {
    u64 whole[32] = {}, part[32];
    const u64 mask = (u64(1) << 8 * i.option) - 1;
    for (u32 p = 0; p < i.width; p++) {
        read(w, i.op[1 + p], part);
        for (int l = 0; l < 32; l++) whole[l] |= (part[l] & mask) << (8 * i.option * p);
    }
    write(w, i.op[0], whole, active);
}

void unpack(Warp& w, const Instruction& i, Mask active) {
    u64 whole[32], part[32];
    const u64 mask = (u64(1) << 8 * i.option) - 1;
    read(w, i.op[0], whole);
    for (u32 p = 0; p < i.width; p++) {
        for (int l = 0; l < 32; l++) part[l] = whole[l] >> (8 * i.option * p) & mask;
        write(w, i.op[1 + p], part, active);
    }
}

#define BY_WIDTH(handler) \
    (size_of(i.type) == 2 ? handler<u16> : size_of(i.type) == 4 ? handler<u32> : handler<u64>)
#define BY_WIDTH_OF(handler, function)               \
    (size_of(i.type) == 2   ? handler<function, u16> \
     : size_of(i.type) == 4 ? handler<function, u32> \
                            : handler<function, u64>)

constexpr auto conjunction = [](auto a, auto b) { return a & b; };
constexpr auto disjunction = [](auto a, auto b) { return a | b; };
constexpr auto difference = [](auto a, auto b) { return a ^ b; };
constexpr auto left = [](auto a, u32 by) {
    return by >= 8 * sizeof a ? decltype(a)(0) : static_cast<decltype(a)>(a << by);
};
constexpr auto right = [](auto a, u32 by) {
    constexpr u32 width = 8 * sizeof a;
    if constexpr (std::is_signed_v<decltype(a)>)
        return static_cast<decltype(a)>(a >> std::min(by, width - 1));
    else
        return by >= width ? decltype(a)(0) : static_cast<decltype(a)>(a >> by);
};
constexpr auto ones = [](auto a) { return std::popcount(a); };
constexpr auto leading = [](auto a) { return std::countl_zero(a); };

static Handler chosen(const Opcode& o, Instruction& i) {
    const std::string& base = o.base();
    static const std::map<std::string, u8> logic = {
        {"and", 0}, {"or", 1}, {"xor", 2}, {"not", 3}, {"mov", 4}};
    const auto found = logic.find(base);
    if (i.type == Type::pred && found != logic.end()) {
        i.option = found->second;
        return predicates;
    }
    const bool is_signed = i.type == Type::s16 || i.type == Type::s32 || i.type == Type::s64;
    if (base == "mov") return BY_WIDTH(copy);
    if (base == "and") return BY_WIDTH_OF(bits2, conjunction);
    if (base == "or") return BY_WIDTH_OF(bits2, disjunction);
    if (base == "xor") return BY_WIDTH_OF(bits2, difference);
    if (base == "not") return BY_WIDTH(inverted);
    if (base == "selp") return BY_WIDTH(selected);
    if (base == "shl") return BY_WIDTH_OF(shift, left);
    if (base == "shr" && is_signed)
        return i.type == Type::s16   ? shift<right, s16>
               : i.type == Type::s32 ? shift<right, s32>
                                     : shift<right, s64>;
    if (base == "shr") return BY_WIDTH_OF(shift, right);
    if (base == "popc") return size_of(i.type) == 8 ? count<ones, u64> : count<ones, u32>;
    if (base == "clz") return size_of(i.type) == 8 ? count<leading, u64> : count<leading, u32>;
    if (base == "brev") return size_of(i.type) == 8 ? reverse<u64> : reverse<u32>;
    if (base == "lop3") return lop3;
    if (base == "prmt") return o.parts.size() == 2 ? permuted : nullptr;
    if (base == "bfe")
        return i.type == Type::s32   ? extracted<s32>
               : i.type == Type::u32 ? extracted<u32>
               : i.type == Type::s64 ? extracted<s64>
                                     : extracted<u64>;
    if (base == "bfi") return size_of(i.type) == 8 ? inserted<u64> : inserted<u32>;
    if (base == "bfind") {
        i.option = o.has("shiftamt");
        return i.type == Type::s32    ? highest<s32>
               : i.type == Type::s64  ? highest<s64>
               : size_of(i.type) == 8 ? highest<u64>
                                      : highest<u32>;
    }
    if (base == "shf") {
        i.option = static_cast<u8>(o.has("l") | o.has("clamp") << 1);
        return funnel;
    }
    return nullptr;
}

bool decode_bits(const Opcode& opcode, Instruction& i) {
    i.run = chosen(opcode, i);
    return i.run != nullptr;
}

}  // namespace soft
