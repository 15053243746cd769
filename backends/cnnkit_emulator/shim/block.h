// One thread block at a time: a fiber for each CUDA thread, barriers, exchanges and shared memory, and a
// scheduler that finds barriers that not every thread reaches.
#pragma once
#include <link.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "emulated.h"
#include "fibers.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace emu {

enum class State { ready, at_block_barrier, at_warp_barrier, left };
enum Schedule { in_order, reversed, skewed };

constexpr size_t stack_size = 128 * 1024, page = 4096;
constexpr size_t shared_room = 1 << 20;  // for all declarations of a kernel
constexpr size_t guard = 256;            // bytes between them
constexpr unsigned char poison = 0xFF;   // every float, double and half made of it is NaN

struct Copy { void* to; const void* from; };  // of 16 bytes; from null: zeros
using Together = void (*)(void* const* given);

struct Thread {
    Fiber fiber;
    State state;
    uint3 index;
    const char* site;      // where it waits: "conv.cu:42"
    unsigned mask;         // the lanes it waits for
    bool orders;           // whether its warp barrier orders memory too: __syncwarp does, a shuffle does not
    uint64_t given, shown;  // what it brings to an exchange; what the others may read once all have come
    Together all;           // what is done once, for the whole warp, when all have come; or null
    std::vector<std::vector<Copy>> copies;  // in groups, the last one still open
};

struct Shared {
    const char* site;
    char* start;
    size_t size;
    bool live;  // in this block
};

struct Failure { std::string message; };

struct Random {  // splitmix64 (Steele, Lea and Flood 2014): small, and the same everywhere
    uint64_t state;
    uint64_t next() {
        uint64_t z = state += 0x9E3779B97F4A7C15u;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
        z = (z ^ z >> 27) * 0x94D049BB133111EBu;
        return z ^ z >> 31;
    }
    template <class T> void shuffle(std::vector<T>& items) {
        for (size_t i = items.size(); i > 1; i--) std::swap(items[i - 1], items[next() % i]);
    }
};

static std::vector<Thread> threads;
static std::vector<Shared> shared_blocks;
static char* shared_memory = nullptr;
static size_t shared_used = 0, dynamic_size = 0;
static Fiber scheduler;
static Thread* current = nullptr;
static unsigned waiting = 0, gone = 0, block_number = 0;
static unsigned block_phase = 0;              // how many block barriers came before
static std::vector<unsigned> warp_phases;     // how many __syncwarp each warp has passed
static Runner kernel = nullptr;
static void** kernel_arguments = nullptr;
static std::string fault;   // set by a thread that must not go on

static std::string name(const uint3& i) {
    return "(" + std::to_string(i.x) + ", " + std::to_string(i.y) + ", " + std::to_string(i.z) + ")";
}

static unsigned number(const Thread& t) { return unsigned(&t - threads.data()); }
static bool same(const char* a, const char* b) { return a == b || !strcmp(a, b); }

static void wait(State state, const char* site, unsigned mask) {
    current->state = state;
    current->site = site;
    current->mask = mask;
    Fiber::go(current->fiber, scheduler);
}

[[noreturn]] static void fail(const std::string& message) {
    if (fault.empty()) fault = message;
    for (;;) wait(State::left, "", 0);
}

static void enter() {
    kernel(kernel_arguments);
    for (;;) wait(State::left, "", 0);
}

// -- what kernels call --------------------------------------------------------------------------------------

unsigned lane() { return number(*current) % 32; }

void block_barrier(const char* site) { wait(State::at_block_barrier, site, 0); }

int block_sum(int value, const char* site) {
    current->given = uint64_t(int64_t(value));
    block_barrier(site);
    int sum = 0;
    for (Thread& t : threads) sum += int(int64_t(t.shown));
    return sum;
}

static void meet(unsigned mask, const char* site, bool orders, Together all = nullptr) {
    current->orders = orders;
    current->all = all;
    if (!(mask >> lane() & 1))
        fail("thread " + name(current->index) + " calls a warp barrier at " + site
             + " whose mask leaves it out");
    wait(State::at_warp_barrier, site, mask);
}

void warp_barrier(unsigned mask, const char* site) { meet(mask, site, true); }

uint64_t exchange(unsigned mask, uint64_t value, unsigned lane, const char* site) {
    current->given = value;
    meet(mask, site, false);
    unsigned mine = number(*current), source = mine / 32 * 32 + lane;
    if (source >= threads.size() || !(mask >> lane & 1))
        fail("thread " + name(current->index) + " reads lane " + std::to_string(lane) + " at " + site
             + ", which takes no part");
    return threads[source].shown;
}

void together(Together all, void* mine, const char* site) {
    if (number(*current) / 32 * 32 + 32 > threads.size())
        fail("thread " + name(current->index) + " is in a warp of less than 32 lanes, and at " + site
             + " every lane has a part");
    current->given = reinterpret_cast<uintptr_t>(mine);
    meet(~0u, site, false, all);
}

unsigned ballot(unsigned mask, bool vote, const char* site) {
    current->given = vote;
    meet(mask, site, false);
    unsigned first = number(*current) / 32 * 32, votes = 0;
    for (unsigned lane = 0; lane < 32 && first + lane < threads.size(); lane++)
        if (mask >> lane & 1) votes |= unsigned(threads[first + lane].shown) << lane;
    return votes;
}

// -- shared memory: NaN at the block's start, with guards between declarations that are checked at its end

static Shared& declare(size_t size, const char* site) {
    if (shared_used + size + 3 * guard > shared_room)
        fail(std::string(site) + " declares more shared memory than there is");
    shared_blocks.push_back({site, shared_memory + shared_used + guard, size, false});
    shared_used = (shared_used + guard + size + 255) & ~size_t(255);
    return shared_blocks.back();
}

static void* enliven(Shared& s) {
    if (!s.live) memset(s.start - guard, poison, s.size + 2 * guard);
    s.live = true;
    return s.start;
}

void* shared(size_t size, const char* site) {
    for (Shared& s : shared_blocks)
        if (s.size == size && same(s.site, site)) return enliven(s);
    return enliven(declare(size, site));
}

void* dynamic_shared() { return shared(dynamic_size, "the launch"); }

// Plain `__shared__` variables are thread_local to the compiler, so that they lie in one segment, templates'
// too: this one. Only one host thread runs kernels at a time, and blocks run one after the other.
thread_local char anchor;
static char* plain_memory = nullptr;
static size_t plain_size = 0;

static int in_segment(dl_phdr_info* info, size_t, void*) {
    const auto self = reinterpret_cast<uintptr_t>(&table);
    bool mine = false;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const auto& header = info->dlpi_phdr[i];
        mine |= header.p_type == PT_LOAD && self - info->dlpi_addr - header.p_vaddr < header.p_memsz;
    }
    for (int i = 0; mine && i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_TLS && info->dlpi_phdr[i].p_memsz > sizeof anchor) {
            plain_memory = static_cast<char*>(info->dlpi_tls_data);
            plain_size = info->dlpi_phdr[i].p_memsz;
        }
    return mine;
}

static void find_plain_shared() {
    anchor = 0;  // the segment is made when it is first touched
    dl_iterate_phdr(in_segment, nullptr);
    if (plain_size) shared_blocks.push_back({"__shared__ variables", plain_memory, plain_size, true});
}

static void check_shared() {
    for (Shared& s : shared_blocks) {
        if (!s.live || s.start == plain_memory) continue;
        for (long i = -long(guard); i < long(s.size + guard); i++) {
            if (i == 0) i = long(s.size);
            if (static_cast<unsigned char>(s.start[i]) != poison)
                throw Failure{"a thread of block " + name(blockIdx)
                              + " wrote outside the shared memory declared at " + s.site
                              + ": at byte " + std::to_string(i) + " of " + std::to_string(s.size)};
        }
    }
}

// -- the scheduler ------------------------------------------------------------------------------------------

// After a thread has stopped: let a barrier's threads go on if it was the last to come.
static void release(Thread& t) {
    if (t.state == State::left) gone++;
    if (t.state == State::at_block_barrier && ++waiting == threads.size()) {
        for (Thread& other : threads)
            if (!same(other.site, t.site))
                throw Failure{"divergent barrier: thread " + name(other.index) + " of block " + name(blockIdx)
                              + " waits at " + other.site + ", thread " + name(t.index) + " at " + t.site};
        for (Thread& other : threads) {
            other.state = State::ready;
            other.shown = other.given;
        }
        waiting = 0;
        block_phase++;
    }
    if (t.state == State::at_warp_barrier) {
        unsigned first = number(t) / 32 * 32;
        for (unsigned lane = 0; lane < 32; lane++) {
            if (!(t.mask >> lane & 1)) continue;
            // a partial warp: lanes that do not exist have nothing to wait for
            if (first + lane >= threads.size()) continue;
            Thread& other = threads[first + lane];
            if (other.state != State::at_warp_barrier || other.mask != t.mask || !same(other.site, t.site))
                return;
        }
        if (t.orders) warp_phases[first / 32]++;
        if (t.all) {
            void* given[32];
            for (unsigned lane = 0; lane < 32; lane++)
                given[lane] = reinterpret_cast<void*>(threads[first + lane].given);
            t.all(given);
        }
        for (unsigned lane = 0; lane < 32 && first + lane < threads.size(); lane++)
            if (t.mask >> lane & 1) {
                threads[first + lane].shown = threads[first + lane].given;
                threads[first + lane].state = State::ready;
            }
    }
}

// Nothing can move, and not every thread has left: say which barrier waits, and for whom.
[[noreturn]] static void stuck() {
    for (Thread& t : threads)
        if (t.state == State::at_warp_barrier)
            throw Failure{"divergent warp barrier: thread " + name(t.index) + " of block " + name(blockIdx)
                          + " waits at " + t.site + " for lanes that do not come"};
    std::string first, site;
    for (Thread& t : threads) {
        if (t.state == State::left && first.empty()) first = name(t.index);
        if (t.state == State::at_block_barrier) site = t.site;
    }
    throw Failure{"early exit: " + std::to_string(gone) + " of " + std::to_string(threads.size())
                  + " threads of block " + name(blockIdx) + " (thread " + first
                  + " first) left the kernel, and the others wait at " + site};
}

static void resume(Thread& t) {
    current = &t;
    threadIdx = t.index;
    Fiber::go(scheduler, t.fiber);
    current = nullptr;
    if (!fault.empty()) throw Failure{fault};
    release(t);
}

static char* stack_memory = nullptr;
static unsigned stack_count = 0;

// Gives the stacks back: each is two mappings, of which a process may have some 65,000.
static void release_stacks() {
    if (stack_memory) munmap(stack_memory, stack_count * stack_size);
    stack_memory = nullptr;
    stack_count = 0;
}

// Stacks for so many threads, each with a page below it that cannot be touched.
static char* stacks_for(unsigned count) {
    if (stack_count < count) {
        release_stacks();
        stack_count = count;
        stack_memory = static_cast<char*>(mmap(nullptr, count * stack_size, PROT_READ | PROT_WRITE,
                                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        for (unsigned i = 0; i < count; i++) mprotect(stack_memory + i * stack_size, page, PROT_NONE);
    }
    return stack_memory;
}

static void start_block() {
    unsigned count = blockDim.x * blockDim.y * blockDim.z;
    threads.resize(count);
    char* stacks = stacks_for(count);
    for (Shared& s : shared_blocks) s.live = false;
    if (plain_size) memset(plain_memory, poison, plain_size);
    for (unsigned i = 0; i < count; i++) {
        Thread& t = threads[i];
        t.index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
        t.state = State::ready;
        t.copies.assign(1, {});
        // not all in the same lines of the cache
        t.fiber.prepare(stacks + i * stack_size, stack_size - i % 32 * 128, enter);
    }
    waiting = gone = block_phase = 0;
    warp_phases.assign((count + 31) / 32, 0);
    fault.clear();
}

// Runs every thread of the block to its end. Skewed: a random warp runs until it blocks, before
// another one moves.
static void run_block(Schedule schedule, Random& random) {
    start_block();
    unsigned count = unsigned(threads.size()), warps = (count + 31) / 32;
    std::vector<unsigned> order(warps);
    for (unsigned w = 0; w < warps; w++) order[w] = schedule == reversed ? warps - 1 - w : w;
    while (gone < count) {
        bool moved = false;
        if (schedule == skewed) random.shuffle(order);
        for (unsigned w : order) {
            unsigned first = w * 32, lanes = count - first < 32 ? count - first : 32;
            for (bool again = true; again;) {
                again = false;
                for (unsigned lane = 0; lane < lanes; lane++) {
                    Thread& t = threads[first + (schedule == reversed ? lanes - 1 - lane : lane)];
                    if (t.state != State::ready) continue;
                    resume(t);
                    moved = again = true;
                }
                if (schedule != skewed) break;
            }
            if (schedule == skewed && moved) break;
        }
        if (!moved) stuck();
    }
    check_shared();
}

}  // namespace emu
