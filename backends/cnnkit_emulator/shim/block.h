// One thread block at a time: a fiber for each CUDA thread, barriers, shuffles and shared memory, and a scheduler that
// finds barriers that not every thread reaches.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "fibers.h"

struct uint3 { unsigned x, y, z; };
struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

static uint3 threadIdx, blockIdx;
static dim3 blockDim, gridDim;
static constexpr int warpSize = 32;

namespace emu {

enum class State { ready, at_block_barrier, at_warp_barrier, left };
enum Schedule { in_order, reversed, skewed };

constexpr size_t stack_size = 128 * 1024;
constexpr size_t guard = 64;             // bytes before and after each shared declaration
constexpr unsigned char poison = 0xFF;   // every float, double and half made of it is NaN

struct Thread {
    Fiber fiber;
    State state;
    uint3 index;
    const char* site;      // where it waits: "conv.cu:42"
    unsigned mask;         // the lanes it waits for
    bool orders;           // whether its warp barrier orders memory too: __syncwarp does, a shuffle does not
    uint64_t given, shown;  // what it brings to a shuffle; what the others may read once all have come
};

struct Shared {
    const char* site;
    size_t size;
    std::vector<unsigned char> memory;
    bool live;
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
static std::vector<char*> stacks;
static std::vector<Shared*> shared_blocks;
static Fiber scheduler;
static Thread* current = nullptr;
static unsigned waiting = 0, gone = 0;
static unsigned block_phase = 0;              // how many block barriers came before
static std::vector<unsigned> warp_phases;     // how many __syncwarp each warp has passed
static void (*kernel)(void** arguments) = nullptr;
static void** kernel_arguments = nullptr;
static std::string fault;   // set by a thread that must not go on

static std::string name(const uint3& i) {
    return "(" + std::to_string(i.x) + ", " + std::to_string(i.y) + ", " + std::to_string(i.z) + ")";
}

static unsigned number(const Thread& t) { return unsigned(&t - threads.data()); }

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

static void block_barrier(const char* site) { wait(State::at_block_barrier, site, 0); }

static void warp_barrier(unsigned mask, const char* site, bool orders = true) {
    current->orders = orders;
    if (!(mask >> number(*current) % 32 & 1))
        fail("thread " + name(current->index) + " calls a warp barrier at " + site + " whose mask leaves it out");
    wait(State::at_warp_barrier, site, mask);
}

template <class T> static T shuffle(unsigned mask, T value, unsigned lane, const char* site) {
    static_assert(sizeof(T) <= 8, "shuffles move at most 8 bytes");
    current->given = 0;
    memcpy(&current->given, &value, sizeof value);
    warp_barrier(mask, site, false);
    unsigned mine = number(*current), source = mine / 32 * 32 + lane;
    if (source >= threads.size() || !(mask >> lane & 1))
        fail("thread " + name(current->index) + " reads lane " + std::to_string(lane) + " at " + site + ", which takes no part");
    T result;
    memcpy(&result, &threads[source].shown, sizeof result);
    return result;
}

static void (*trace_region)(uintptr_t start, size_t size, bool shared) = nullptr;  // set by trace.h

// Memory that the block shares, of exactly this size: NaN at the block's start, with guards that are checked at its end.
static void* shared(size_t size, const char* site) {
    Shared* found = nullptr;
    for (Shared* s : shared_blocks)
        if (s->site == site && s->size == size) found = s;
    if (!found) shared_blocks.push_back(found = new Shared{site, size, std::vector<unsigned char>(size + 2 * guard + 256), false});
    auto start = (reinterpret_cast<uintptr_t>(found->memory.data()) + guard + 255) & ~uintptr_t(255);
    if (!found->live) {
        memset(found->memory.data(), poison, found->memory.size());
        found->live = true;
        if (trace_region) trace_region(start, size, true);
    }
    return reinterpret_cast<void*>(start);
}

static void check_shared() {
    for (Shared* s : shared_blocks) {
        if (!s->live) continue;
        auto start = ((reinterpret_cast<uintptr_t>(s->memory.data()) + guard + 255) & ~uintptr_t(255))
                     - reinterpret_cast<uintptr_t>(s->memory.data());
        for (size_t i = 0; i < s->memory.size(); i++)
            if ((i < start || i >= start + s->size) && s->memory[i] != poison)
                throw Failure{"a thread of block " + name(blockIdx) + " wrote outside the shared memory declared at " + s->site
                              + ": at byte " + std::to_string(long(i) - long(start)) + " of " + std::to_string(s->size)};
    }
}

// After a thread has stopped: let a barrier's threads go on if it was the last to come.
static void release(Thread& t) {
    if (t.state == State::left) gone++;
    if (t.state == State::at_block_barrier && ++waiting == threads.size()) {
        for (Thread& other : threads)
            if (strcmp(other.site, t.site))
                throw Failure{"divergent barrier: thread " + name(other.index) + " of block " + name(blockIdx) + " waits at "
                              + other.site + ", thread " + name(t.index) + " at " + t.site};
        for (Thread& other : threads) other.state = State::ready;
        waiting = 0;
        block_phase++;
    }
    if (t.state == State::at_warp_barrier) {
        unsigned first = number(t) / 32 * 32;
        for (unsigned lane = 0; lane < 32; lane++) {
            if (!(t.mask >> lane & 1)) continue;
            if (first + lane >= threads.size()) continue;  // a partial warp: lanes that do not exist have nothing to wait for
            Thread& other = threads[first + lane];
            if (other.state != State::at_warp_barrier || other.mask != t.mask || strcmp(other.site, t.site)) return;
        }
        if (t.orders) warp_phases[first / 32]++;
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
            throw Failure{"divergent warp barrier: thread " + name(t.index) + " of block " + name(blockIdx) + " waits at " + t.site
                          + " for lanes that do not come"};
    std::string first, site;
    for (Thread& t : threads) {
        if (t.state == State::left && first.empty()) first = name(t.index);
        if (t.state == State::at_block_barrier) site = t.site;
    }
    throw Failure{"early exit: " + std::to_string(gone) + " of " + std::to_string(threads.size()) + " threads of block "
                  + name(blockIdx) + " (thread " + first + " first) left the kernel, and the others wait at " + site};
}

static void resume(Thread& t) {
    current = &t;
    threadIdx = t.index;
    Fiber::go(scheduler, t.fiber);
    current = nullptr;
    if (!fault.empty()) throw Failure{fault};
    release(t);
}

static void start_block() {
    unsigned count = blockDim.x * blockDim.y * blockDim.z;
    threads.resize(count);
    while (stacks.size() < count) stacks.push_back(static_cast<char*>(malloc(stack_size)));
    for (Shared* s : shared_blocks) s->live = false;
    for (unsigned i = 0; i < count; i++) {
        Thread& t = threads[i];
        t.index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
        t.state = State::ready;
        t.fiber.prepare(stacks[i], stack_size, enter);
    }
    waiting = gone = block_phase = 0;
    warp_phases.assign((count + 31) / 32, 0);
    fault.clear();
}

// Runs every thread of the block to its end. Skewed: a random warp runs until it blocks, before another one moves.
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
