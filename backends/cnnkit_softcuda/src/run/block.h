// A block of threads that runs, and what a launch needs to know.
#pragma once
#include <functional>

#include "run/warp.h"

namespace soft {

// An allocation as kernels may touch it.
struct Range {
    u64 start = 0, size = 0;
};

// What kernels may not do; `code` is CUDA's, so that callers see what a GPU would report.
struct Fault : std::runtime_error {
    int code;
    Fault(int code, const std::string& message) : std::runtime_error(message), code(code) {}
};
enum : int { illegal_address = 700, misaligned_address = 716, launch_failure = 719 };

class Watch;  // of races and of shared memory that nobody has written

struct Launch {
    const Kernel& kernel;
    u32 grid[3], block[3];
    u32 dynamic_shared = 0;
    const char* parameters;
    std::function<bool(u64 address, Range& range)> find;  // the allocation around an address, for this device
    std::function<std::string(u64 address, u32 bytes)> describe;  // of an address in none
    Watch* watch = nullptr;
    u32 order = 0;  // of warps and blocks: 0 as numbered, 1 the last first, else a seed
};

// Whether CuPy itself wrote a kernel: its sums along an axis return from some threads before a barrier, and
// read shared memory that nobody has written. Neither changes a result, nor is it for its users to mend.
inline bool of_cupy(const Kernel& kernel) { return kernel.name.rfind("cupy_", 0) == 0; }

struct Block {
    const Launch& launch;
    u32 index[3];
    std::vector<char> shared;
    std::vector<Warp> warps;
    std::vector<Range> ranges;  // for each instruction, the allocation that it touched last
    u32 threads;
    const Instruction* current = nullptr;

    explicit Block(const Launch& launch);
    void run(u32 x, u32 y, u32 z);
    [[noreturn]] void fail(int code, const Warp& warp, int lane, const std::string& what) const;
    std::string thread(u32 number) const;  // "thread (3, 0, 0)"

private:
    void begin();
    bool advance(Warp& warp);  // until all of its lanes wait or have returned; false: nothing was left to do
    void run_group(Warp& warp, size_t at);
    bool merged(Warp& warp);
    bool release();
    [[noreturn]] void stuck();
    std::vector<char> registers_, local_;
    std::vector<u32> order_;
};

void run(const Launch& launch);

}  // namespace soft
