#include "run/watch.h"

#include <iterator>

namespace soft {

constexpr u32 ATOMIC = 1u << 31;  // in `thread`

void Watch::begin_launch() {
    given_.clear();
    first_of_launch_ = ++now_;
    if (now_ > 4000000000u || cells_.size() > 64) {
        cells_.clear();
        if (now_ > 4000000000u) now_ = first_of_launch_ = 1;
    }
}

void Watch::begin_block(Block& block) {
    first_of_block_ = ++now_;
    met_.clear(), taken_.clear(), fenced_ = false;
    shared_.assign(block.shared.size(), {});
}

bool Watch::unordered(const Access& before, const Access& now) const {
    if (!before.thread || before.time < first_of_launch_) return false;
    if (before.thread & now.thread & ATOMIC) return false;
    if (before.time < first_of_block_) {  // another block
        const auto after = taken_.upper_bound(before.time);
        return after == taken_.begin() || before.time > std::prev(after)->second;
    }
    const u32 a = (before.thread & ~ATOMIC) - 1, b = (now.thread & ~ATOMIC) - 1;
    if (a == b || before.time != now.time) return false;
    return a / 32 != b / 32 || before.warp_time == now.warp_time;
}

void Watch::touch(Cell& cell, const Access& now, Warp& warp, int lane, bool writes, bool is_shared,
                  u64 byte) {
    const Access* other = unordered(cell.write, now)                  ? &cell.write
                          : writes && unordered(cell.read, now)       ? &cell.read
                          : writes && unordered(cell.other_read, now) ? &cell.other_read
                                                                      : nullptr;
    if (other) {
        const Block& block = *warp.block;
        const bool elsewhere = other->time < first_of_block_;
        block.fail(launch_failure, warp, lane,
                   std::string("is in a race: it ") + (writes ? "writes" : "reads") + " byte " +
                       std::to_string(byte) + (is_shared ? " of shared memory" : " of an allocation") +
                       ", which " + block.thread((other->thread & ~ATOMIC) - 1) +
                       (elsewhere ? " of another block" : " of its block") +
                       (other == &cell.write ? " writes" : " reads") + " with no barrier between (" +
                       block.launch.kernel.source_line(other->instruction) + ")");
    }
    if (writes)
        cell.write = now;
    else
        (unordered(cell.read, now) ? cell.other_read : cell.read) = now;
}

void Watch::fence() {
    taken_.insert(met_.begin(), met_.end());
    fenced_ = true;
}

static u32 thread_of(const Warp& warp, int lane) { return warp.number * 32 + static_cast<u32>(lane) + 1; }

void Watch::global(Warp& warp, const Instruction& i, int lane, const Range& range, u64 address, u32 bytes,
                   bool writes, bool atomic) {
    std::vector<Cell>& cells = cells_[range.start];
    if (cells.size() < range.size) cells.resize(range.size);
    if (atomic) {
        Blocks& here = given_[address];
        met_.insert(here.begin(), here.end());
        if (fenced_) here[first_of_block_] = now_;
    }
    const Access now{thread_of(warp, lane) | (atomic ? ATOMIC : 0), now_, warp.synchronisations, i.index};
    for (u64 at = address - range.start; at < address - range.start + bytes; at++)
        touch(cells[at], now, warp, lane, writes, false, at);
}

void Watch::shared(Warp& warp, const Instruction& i, int lane, u32 offset, u32 bytes, bool writes,
                   bool atomic) {
    const Access now{thread_of(warp, lane) | (atomic ? ATOMIC : 0), now_, warp.synchronisations, i.index};
    for (u32 at = offset; at < offset + bytes; at++) {
        if ((!writes || atomic) && !shared_[at].write.thread)
            warp.block->fail(
                launch_failure, warp, lane,
                "reads byte " + std::to_string(at) + " of shared memory, which nobody has written");
        touch(shared_[at], now, warp, lane, writes, true, at);
    }
}

}  // namespace soft
