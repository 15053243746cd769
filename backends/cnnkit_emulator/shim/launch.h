// What the host calls: a kernel of the table below, on a grid, under a schedule; included after the .cu file.
#pragma once
#include <utility>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace emu {

// Denormals of float are zero, as CuPy's -ftz=true makes them, until the launch is over.
struct FlushDenormals {
#if defined(__SSE__)
    unsigned before = _mm_getcsr();
    FlushDenormals() { _mm_setcsr(before | 0x8040); }
    ~FlushDenormals() { _mm_setcsr(before); }
#endif
};

template <class... A, size_t... I>
void call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_reference_t<A>*>(arguments[I])...);
}

using Runner = void (*)(void** arguments);

template <auto kernel> struct Run;
template <class... A, void (*kernel)(A...)> struct Run<kernel> {
    static void run(void** arguments) { call(kernel, arguments, std::index_sequence_for<A...>()); }
    static size_t size(unsigned i) {
        size_t sizes[] = {sizeof(A)..., 0};
        return i < sizeof...(A) ? sizes[i] : 0;
    }
};

struct Entry { const char* name; Runner run; size_t (*size)(unsigned); };
extern const Entry table[];

}  // namespace emu

#define EXPORT extern "C" __attribute__((visibility("default")))

// The size that the kernel's argument `i` has in C++; 0 where there is none.
EXPORT long emu_argument_size(int kernel, unsigned i) { return long(emu::table[kernel].size(i)); }

#ifdef EMU_TRACE
#include "trace.h"
// Watch an array's memory in the next launch.
EXPORT void emu_watch(void* start, long size) { emu::watch(reinterpret_cast<uintptr_t>(start), size_t(size), false); }
EXPORT void emu_forget() { emu::region_count = 0; emu::trace_region = emu::watch; emu::tracing = false; }
#endif

// One launch at a time: the caller holds a lock. Returns the bytes of shared memory per block, or -1 with what went wrong in `message`.
EXPORT long emu_launch(int kernel, const unsigned* grid, const unsigned* block, void** arguments, int schedule, uint64_t seed,
                       char* message, long capacity) {
    emu::FlushDenormals flush;
    gridDim = dim3(grid[0], grid[1], grid[2]);
    blockDim = dim3(block[0], block[1], block[2]);
    emu::Random random{seed};
    for (emu::Shared* s : emu::shared_blocks) delete s;
    emu::shared_blocks.clear();
    emu::kernel = emu::table[kernel].run;
    emu::kernel_arguments = arguments;
    uint64_t blocks = uint64_t(grid[0]) * grid[1] * grid[2];
    std::vector<uint64_t> order(blocks);
    for (uint64_t i = 0; i < blocks; i++) order[i] = schedule == emu::reversed ? blocks - 1 - i : i;
    if (schedule == emu::skewed) random.shuffle(order);
    try {
        for (uint64_t i : order) {
            blockIdx = {unsigned(i % grid[0]), unsigned(i / grid[0] % grid[1]), unsigned(i / grid[0] / grid[1])};
            emu::run_block(emu::Schedule(schedule), random);
        }
    } catch (const emu::Failure& failure) {
        snprintf(message, size_t(capacity), "%s", failure.message.c_str());
        return -1;
    }
    size_t shared = 0;
    for (emu::Shared* s : emu::shared_blocks) shared += s->size;
    return long(shared);
}
