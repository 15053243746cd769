// The access tracer: g++ -fsanitize=thread puts a call of a function of this file before every access to memory. They find
// races within a block (no barrier between), between blocks, reads of shared memory that nobody wrote, and reads and
// writes next to an array.
#pragma once
#include <dlfcn.h>

namespace emu {

struct Access { unsigned block, thread, phase, warp_phase; };  // thread 0 means none: they are numbered from 1
struct Cell { Access write, read, other_read; };               // two readers are enough: a writer differs from one of them
struct Watched {
    uintptr_t start, end;
    bool shared;
    Cell* cells;  // one for each byte
    size_t room;
};

static constexpr uintptr_t margin = 64;  // around arrays and shared memory lies nothing else
static Watched regions[64];
static int region_count = 0;
static bool tracing = false;  // inside the tracer: its own accesses, which the compiler instruments too, do not count

static void watch(uintptr_t start, size_t size, bool shared) {
    tracing = true;
    int i = 0;
    while (i < region_count && regions[i].start != start) i++;  // shared memory comes again with every block
    if (i == 64) { tracing = false; return; }
    if (i == region_count) region_count++;
    Watched& w = regions[i];
    if (w.room < size) {
        free(w.cells);
        w.cells = static_cast<Cell*>(malloc(size * sizeof(Cell)));
        w.room = size;
    }
    if (size) memset(w.cells, 0, size * sizeof(Cell));
    w.start = start, w.end = start + size, w.shared = shared;
    tracing = false;
}

static std::string place_of(void* caller) {  // build.py makes file and line of it
    Dl_info info{};
    dladdr(caller, &info);
    char place[32];
    snprintf(place, sizeof place, "+0x%zx", size_t(caller) - size_t(info.dli_fbase) - 1);
    return place;
}

static Access now() {
    unsigned mine = number(*current);
    unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    return {block, mine + 1, block_phase, warp_phases[mine / 32]};
}

// Whether nothing orders an earlier access by another thread before this one.
static bool unordered(const Access& before, const Access& me) {
    if (!before.thread) return false;
    if (before.block != me.block) return true;
    if (before.thread == me.thread || before.phase != me.phase) return false;
    return (before.thread - 1) / 32 != (me.thread - 1) / 32 || before.warp_phase == me.warp_phase;
}

static std::string who(const Access& a) {
    return "thread " + std::to_string(a.thread - 1) + " of block " + std::to_string(a.block);
}

__attribute__((no_sanitize("thread"))) static void access(void* address, size_t size, bool writes, void* caller) {
    if (tracing || !current || !region_count) return;
    auto at = reinterpret_cast<uintptr_t>(address);
    for (int i = 0; i < region_count; i++) {
        Watched& w = regions[i];
        if (at < w.start - margin || at >= w.end + margin) continue;
        tracing = true;
        const Access me = now();
        if (at < w.start || at + size > w.end)
            fail(who(me) + (writes ? " writes" : " reads") + " out of bounds at " + place_of(caller) + ", byte "
                 + std::to_string(long(at) - long(w.start)) + " of " + std::to_string(w.end - w.start));
        for (uintptr_t byte = at; byte < at + size && byte < w.end; byte++) {
            Cell& cell = w.cells[byte - w.start];
            const Access* other = unordered(cell.write, me) ? &cell.write
                                  : writes && unordered(cell.read, me) ? &cell.read
                                  : writes && unordered(cell.other_read, me) ? &cell.other_read : nullptr;
            const bool unwritten = !writes && w.shared && !cell.write.thread;
            if (other || unwritten) {
                std::string what = std::string(writes ? "writes" : "reads") + (w.shared ? " shared memory" : " an array") + " at " + place_of(caller);
                fail(unwritten ? who(me) + " " + what + " that nobody has written"
                               : "race: " + who(me) + " " + what + ", byte " + std::to_string(byte - w.start) + ", which "
                                 + who(*other) + (other == &cell.write ? " writes" : " reads") + " with no barrier between");
            }
            if (writes) cell.write = me;
            else if (!cell.read.thread || cell.read.thread == me.thread) cell.read = me;
            else cell.other_read = me;
        }
        tracing = false;
        return;
    }
}

}  // namespace emu

#define EMU_HOOKS(n) \
    extern "C" void __tsan_read##n(void* p) { emu::access(p, n, false, __builtin_return_address(0)); } \
    extern "C" void __tsan_write##n(void* p) { emu::access(p, n, true, __builtin_return_address(0)); } \
    extern "C" void __tsan_unaligned_read##n(void* p) { emu::access(p, n, false, __builtin_return_address(0)); } \
    extern "C" void __tsan_unaligned_write##n(void* p) { emu::access(p, n, true, __builtin_return_address(0)); }
EMU_HOOKS(1)
EMU_HOOKS(2)
EMU_HOOKS(4)
EMU_HOOKS(8)
EMU_HOOKS(16)
#undef EMU_HOOKS
extern "C" void __tsan_read_range(void* p, size_t n) { emu::access(p, n, false, __builtin_return_address(0)); }
extern "C" void __tsan_write_range(void* p, size_t n) { emu::access(p, n, true, __builtin_return_address(0)); }
extern "C" void __tsan_vptr_update(void**, void*) {}
extern "C" void __tsan_vptr_read(void**) {}
extern "C" void __tsan_func_entry(void*) {}
extern "C" void __tsan_func_exit() {}
extern "C" void __tsan_init() {}
