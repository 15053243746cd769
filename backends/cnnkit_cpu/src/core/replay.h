// Calls of this library's functions made again, without Python between them: see cnnkit_cpu/replay.py.
#pragma once

#include <cstring>
#include <type_traits>
#include <utility>

#include "interface.h"

// One argument of 8 bytes as the type that the function takes.
template <typename T>
inline T argument(const int64_t& slot) {
    if constexpr (std::is_pointer_v<T>) {
        return reinterpret_cast<T>(static_cast<intptr_t>(slot));
    } else if constexpr (std::is_integral_v<T>) {
        return static_cast<T>(slot);
    } else {
        T value;
        std::memcpy(&value, &slot, sizeof value);
        return value;
    }
}

// A function that takes its arguments from a block of slots; its result is 0 where it returns nothing.
template <auto function>
struct Call;
template <typename Result, typename... Arguments, Result (*function)(Arguments...)>
struct Call<function> {
    template <size_t... n>
    static long made(const int64_t* slots, std::index_sequence<n...>) {
        if constexpr (std::is_void_v<Result>) {
            function(argument<Arguments>(slots[n])...);
            return 0;
        } else {
            return static_cast<long>(function(argument<Arguments>(slots[n])...));
        }
    }
    static long from(const int64_t* slots) { return made(slots, std::index_sequence_for<Arguments...>{}); }
};

typedef long (*Replayed)(const int64_t* slots);

struct ReplayCall {
    Replayed function;
    const int64_t* slots;
    int64_t checked;  // whether the result must be `expected`
    int64_t expected;
};

// An address among the arguments: so many bytes from one of the bases.
struct ReplayPlace {
    int64_t* slot;
    int64_t base, offset;
};

struct ReplayList {
    int64_t calls, places;
    const ReplayCall* call;
    const ReplayPlace* place;
};

#define REPLAYED(name) {#name, Call<&name>::from},
inline const struct {
    const char* name;
    Replayed function;
} replayed_functions[] = {
#include "core/replayed.inc"
};
#undef REPLAYED

// What calls the function of this name with arguments from slots; null if it cannot be replayed.
EXPORT const void* replay_function(const char* name) {
    for (const auto& replayed : replayed_functions)
        if (std::strcmp(replayed.name, name) == 0) return reinterpret_cast<const void*>(replayed.function);
    return nullptr;
}

// Make all calls of a list, in order, on the memory at these bases. Returns 0; or, after a call whose result
// is another than expected, its number counted from 1.
EXPORT long replay(const ReplayList* list, const int64_t* bases) {
    for (int64_t n = 0; n < list->places; n++) {
        const ReplayPlace& place = list->place[n];
        *place.slot = bases[place.base] + place.offset;
    }
    for (int64_t n = 0; n < list->calls; n++) {
        const ReplayCall& call = list->call[n];
        const int64_t result = call.function(call.slots);
        if (call.checked && result != call.expected) return n + 1;
    }
    return 0;
}
