// A warp that runs: its registers, and which of its lanes are where.
#pragma once
#include <algorithm>
#include <type_traits>
#include <vector>

#include "ptx/program.h"

namespace soft {

struct Block;

// Lanes that are at the same instruction.
struct Group {
    enum State : u8 { running, at_barrier, at_collective };
    u32 at;
    Mask lanes;
    State state = running;
};

struct Copy {
    u64 to, from;
    u32 bytes, given;
};  // cp.async: of `bytes`, `given` come from memory, the rest are 0

struct Warp {
    Block* block = nullptr;
    u32 number = 0;  // in the block
    Mask lanes = 0, exited = 0;  // those that the block has; those that have returned
    Mask carry = 0;  // of add.cc and the like
    u32 synchronisations = 0;  // of the warp's lanes, so far
    char* registers = nullptr;
    char* local = nullptr;  // memory of each lane
    std::vector<Group> groups;
    std::vector<std::vector<Copy>> copies[32];  // of each lane: groups, the last one still open

    template <class T>
    T* values(const Operand& operand) {
        return reinterpret_cast<T*>(registers + operand.slot);
    }
    Mask& bits(const Operand& operand) { return *values<Mask>(operand); }
    Mask truth(const Operand& operand) { return operand.negated ? ~bits(operand) : bits(operand); }
    void set(const Operand& predicate, Mask value, Mask active) {
        if (predicate.named) bits(predicate) = (bits(predicate) & ~active) | (value & active);
    }
};

// d[lane] = value(lane) for the active lanes
template <class T, class Function>
inline void set_lanes(T* __restrict d, Mask active, Function value) {
    if (active == ~Mask(0)) {
        for (int lane = 0; lane < 32; lane++) d[lane] = value(lane);
    } else {
        for (Mask left = active; left; left &= left - 1) {
            const int lane = __builtin_ctz(left);
            d[lane] = value(lane);
        }
    }
}
template <class Function>
inline void for_lanes(Mask active, Function function) {
    for (Mask left = active; left; left &= left - 1) function(__builtin_ctz(left));
}

// An operand's values as T, whatever the width of its register
template <class T>
inline void read(Warp& warp, const Operand& operand, T* values) {
    if (operand.size == sizeof(T))
        memcpy(values, warp.values<T>(operand), 32 * sizeof(T));
    else if constexpr (std::is_integral_v<T>) {
        if (operand.size == 2)
            for (int l = 0; l < 32; l++) values[l] = static_cast<T>(warp.values<u16>(operand)[l]);
        if (operand.size == 4)
            for (int l = 0; l < 32; l++) values[l] = static_cast<T>(warp.values<u32>(operand)[l]);
        if (operand.size == 8)
            for (int l = 0; l < 32; l++) values[l] = static_cast<T>(warp.values<u64>(operand)[l]);
    } else {  // a half in a register of 32 bits
        for (int l = 0; l < 32; l++)
            memcpy(values + l, warp.registers + operand.slot + l * operand.size,
                   std::min<size_t>(sizeof(T), operand.size));
    }
}
template <class T>
inline void write(Warp& warp, const Operand& operand, const T* values, Mask active) {
    if (!operand.named) return;
    if (operand.size == sizeof(T))
        return set_lanes(warp.values<T>(operand), active, [&](int l) { return values[l]; });
    if constexpr (std::is_integral_v<T>) {
        if (operand.size == 2)
            set_lanes(warp.values<u16>(operand), active, [&](int l) { return static_cast<u16>(values[l]); });
        if (operand.size == 4)
            set_lanes(warp.values<u32>(operand), active, [&](int l) { return static_cast<u32>(values[l]); });
        if (operand.size == 8)
            set_lanes(warp.values<u64>(operand), active, [&](int l) { return static_cast<u64>(values[l]); });
    }
}

}  // namespace soft
