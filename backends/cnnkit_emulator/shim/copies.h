// Asynchronous copies to shared memory. Their data land when the thread waits for them, as late as they may;
// until then what is there is NaN, and the tracer lets nobody touch it.
#pragma once
#include "watch.h"

namespace emu {

void copy_async(void* to, const void* from, bool valid) {
    void* const caller = __builtin_return_address(0);
    const auto target = reinterpret_cast<uintptr_t>(to), source = reinterpret_cast<uintptr_t>(from);
    if (target - reinterpret_cast<uintptr_t>(shared_memory) >= shared_room)
        fail(me() + " copies to what is not shared memory by cp.async at " + place_of(caller));
    if (target % 16 || (valid && source % 16))
        fail("misaligned: " + me() + " copies by cp.async at " + place_of(caller)
             + (target % 16 ? " to" : " from") + " an address that is not a multiple of 16 bytes");
    if (valid) access(from, 16, Way::reads, caller);
    access(to, 16, Way::begins, caller);
    memset(to, poison, 16);
    current->copies.back().push_back({to, valid ? from : nullptr});
}

void copies_commit() { current->copies.emplace_back(); }

void copies_wait(size_t but) {
    auto& groups = current->copies;  // the last one is open
    while (groups.size() > 1 + but) {
        for (const Copy& copy : groups.front()) {
            if (copy.from) memcpy(copy.to, copy.from, 16);
            else memset(copy.to, 0, 16);
            access(copy.to, 16, Way::lands, __builtin_return_address(0));
        }
        groups.erase(groups.begin());
    }
}

}  // namespace emu
