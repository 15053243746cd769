// What a GPU does not report: races between threads, and reads of shared memory that nobody has written.
#pragma once
#include <map>
#include <unordered_map>

#include "run/block.h"

namespace soft {

// Accesses to each byte are kept with who made them and when; two that conflict must have a barrier between
// them, or be atomic. Blocks run one after the other. What one wrote before a fence and an atomic access is
// ordered before what another does behind an atomic access there and a fence; nothing else orders blocks.
class Watch {
public:
    void begin_launch();
    void begin_block(Block& block);
    void barrier() { now_++; }
    void fence();
    void global(Warp& warp, const Instruction& instruction, int lane, const Range& range, u64 address,
                u32 bytes, bool writes, bool atomic);
    void shared(Warp& warp, const Instruction& instruction, int lane, u32 offset, u32 bytes, bool writes,
                bool atomic);

private:
    struct Access {
        u32 thread = 0, time = 0, warp_time = 0, instruction = 0;
    };  // thread 0: none; numbered from 1
    struct Cell {
        Access write, read, other_read;
    };  // a writer differs from one of two readers
    bool unordered(const Access& before, const Access& now) const;
    void touch(Cell& cell, const Access& now, Warp& warp, int lane, bool writes, bool is_shared, u64 byte);

    u32 now_ = 1, first_of_launch_ = 1, first_of_block_ = 1;
    std::unordered_map<u64, std::vector<Cell>> cells_;  // of allocations, by where they start
    std::vector<Cell> shared_;

    using Blocks = std::map<u32, u32>;  // the times at which they began, and up to which they count
    std::unordered_map<u64, Blocks> given_;  // by address
    Blocks met_, taken_;                     // by this block: in atomic accesses, and by a fence after them
    bool fenced_ = false;
};

}  // namespace soft
