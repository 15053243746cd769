// The emulator's runtime, one for each library of kernels: what the host calls (device.py), and faults that
// the processor finds.
#include <algorithm>
#include <csignal>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "block.h"
#include "copies.h"
#include "watch.h"

namespace emu {

// Denormals of float are zero, as CuPy's -ftz=true makes them, until the launch is over.
struct FlushDenormals {
#if defined(__SSE__)
    unsigned before = _mm_getcsr();
    FlushDenormals() { _mm_setcsr(before | 0x8040); }
    ~FlushDenormals() { _mm_setcsr(before); }
#endif
};

// A thread that reads where nothing is, or divides an integer by zero, becomes a fault; on another stack, for
// its own may be full.
struct Crashes {
#if defined(__x86_64__) && defined(__linux__)
    static inline const int signals[] = {SIGSEGV, SIGBUS, SIGFPE};
    struct sigaction before[3];
    stack_t stack_before;
    static inline char handler_stack[1 << 16], last_stack[1 << 16];
    static inline int signal;
    static inline void* address;

    static void crashed() {
        fail(me() + (signal == SIGFPE ? " divides an integer by zero at "
                     : " accesses memory that is not there at ") + place_of(address));
    }
    static void handle(int number, siginfo_t*, void* context) {
        auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
        if (!current) {  // not a kernel's: as if this handler were not there
            ::signal(number, SIG_DFL);
            return;
        }
        signal = number;
        address = reinterpret_cast<void*>(registers[REG_RIP] + 1);
        registers[REG_RSP] = (reinterpret_cast<greg_t>(last_stack + sizeof last_stack) & ~greg_t(15)) - 8;
        registers[REG_RIP] = reinterpret_cast<greg_t>(crashed);
    }
    Crashes() {
        stack_t mine{handler_stack, 0, sizeof handler_stack};
        sigaltstack(&mine, &stack_before);
        struct sigaction action{};
        action.sa_sigaction = handle;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
        for (int i = 0; i < 3; i++) sigaction(signals[i], &action, &before[i]);
    }
    ~Crashes() {
        for (int i = 0; i < 3; i++) sigaction(signals[i], &before[i], nullptr);
        sigaltstack(&stack_before, nullptr);
    }
#endif
};

}  // namespace emu

#define EXPORT extern "C" __attribute__((visibility("default")))

struct Launch {  // as device.py's class of this name
    int kernel;
    unsigned grid[3], block[3];
    void** arguments;
    int schedule;
    uint64_t seed;
    uint64_t dynamic;               // bytes of dynamic shared memory
    unsigned watching;
    const uint64_t* chosen;         // numbers of the blocks to run; null: all
    uint64_t chosen_count;
    char* message;
    uint64_t capacity;
};

// The size that the kernel's argument `i` has in C++; 0 where there is none.
EXPORT long emu_argument_size(int kernel, unsigned i) { return long(emu::table[kernel].size(i)); }

// Where the next launch's arrays are, one by one; anything else between `start` and `end` is out of bounds.
EXPORT void emu_arena(uintptr_t start, uintptr_t end) {
    emu::arena_start = start, emu::arena_end = end, emu::arrays.clear();
}
EXPORT void emu_array(uintptr_t start, uint64_t size, int argument, int written) {
    emu::watch(emu::arrays, emu::array_cells, start, size, argument, written != 0);
}

// One launch at a time: the caller holds a lock. Returns the bytes of shared memory of a block, or -1, and in
// `message` why.
EXPORT long emu_launch(const Launch* launch) {
    using namespace emu;
    FlushDenormals flush;
    Crashes crashes;
    const unsigned *grid = launch->grid, *block = launch->block;
    gridDim = dim3(grid[0], grid[1], grid[2]);
    blockDim = dim3(block[0], block[1], block[2]);
    Random random{launch->seed};
    if (!shared_memory)
        shared_memory = static_cast<char*>(mmap(nullptr, shared_room, PROT_READ | PROT_WRITE,
                                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    shared_blocks.clear();
    shares.clear();
    shared_used = 0;
    find_plain_shared();
    dynamic_size = launch->dynamic;
    kernel = table[launch->kernel].run;
    kernel_arguments = launch->arguments;
    watching = launch->watching;
    first_epoch = epoch + 1;
    block_of_epoch.clear();
    given.clear();
    sites.clear();
    uint64_t blocks = launch->chosen ? launch->chosen_count : uint64_t(grid[0]) * grid[1] * grid[2];
    std::vector<uint64_t> order(blocks);
    for (uint64_t i = 0; i < blocks; i++) {
        uint64_t nth = launch->schedule == reversed ? blocks - 1 - i : i;
        order[i] = launch->chosen ? launch->chosen[nth] : nth;
    }
    if (launch->schedule == skewed) random.shuffle(order);
    try {
        for (uint64_t i : order) {
            blockIdx = {unsigned(i % grid[0]), unsigned(i / grid[0] % grid[1]),
                        unsigned(i / grid[0] / grid[1])};
            block_number = unsigned(i);
            watch_block();
            run_block(Schedule(launch->schedule), random);
            if (watching & counts) count_block();
        }
    } catch (const Failure& failure) {
        current = nullptr;
        for (auto& log : logs) log.clear();
        snprintf(launch->message, size_t(launch->capacity), "%s", failure.message.c_str());
        return -1;
    }
    size_t shared = 0;
    for (const Shared& s : shared_blocks) shared += s.start == plain_memory ? 0 : s.size;
    return long(shared);
}

// Bytes of all plain `__shared__` variables of the library: it does not know which kernel has which.
EXPORT long emu_plain_shared() { return long(emu::plain_size); }

// Gives the threads' stacks back; the next launch makes new ones.
EXPORT void emu_release_stacks() { emu::release_stacks(); }

// What the last launch counted, instruction by instruction: how many there are, and the i-th.
EXPORT long emu_site_count() { return long(emu::sites.size()); }
EXPORT void emu_site(long i, uint64_t* out) {
    auto found = std::next(emu::sites.begin(), i);
    const auto& [key, site] = *found;
    const uint64_t row[] = {key.shared, key.writes, key.size,
                            strtoull(emu::place_of(key.caller).c_str() + 1, nullptr, 16),
                            site.requests, site.bytes, site.actual, site.least};
    std::copy(row, row + 8, out);
}

// The first byte of a stretch of memory that is not of this poison, two bytes from an even address on; or -1.
EXPORT long emu_touched(const unsigned char* start, long size, unsigned poison) {
    const bool odd = reinterpret_cast<uintptr_t>(start) % 2;
    const uint64_t pair = odd ? (poison & 255) << 8 | poison >> 8 : poison,
                   wanted = pair * 0x0001000100010001u;
    long i = 0;
    for (uint64_t eight; i + 8 <= size; i += 8) {
        memcpy(&eight, start + i, 8);
        if (eight != wanted) break;
    }
    while (i < size && start[i] == static_cast<unsigned char>(i % 2 ? pair >> 8 : pair)) i++;
    return i < size ? i : -1;
}
