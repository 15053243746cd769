// How a block runs: warp after warp, each until its lanes wait for others.
//
// The lanes of a warp that are at the same instruction run it together. Of several such groups the one that
// is furthest behind goes first, so that lanes come together again where the branches of an `if` do.
#include "run/block.h"

#include <algorithm>
#include <numeric>

#include "run/watch.h"

namespace soft {

Block::Block(const Launch& launch_) : launch(launch_), ranges(launch_.kernel.code.size()) {
    const Kernel& kernel = launch.kernel;
    threads = launch.block[0] * launch.block[1] * launch.block[2];
    shared.resize(kernel.shared_bytes + launch.dynamic_shared);
    warps.resize((threads + 31) / 32);
    order_.resize(warps.size());
    registers_.resize(warps.size() * kernel.register_bytes + 64);
    local_.resize(warps.size() * 32 * kernel.local_bytes);
    char* aligned = reinterpret_cast<char*>((reinterpret_cast<u64>(registers_.data()) + 63) / 64 * 64);
    for (u32 n = 0; n < warps.size(); n++) {
        Warp& warp = warps[n];
        warp.block = this;
        warp.number = n;
        warp.lanes = threads - n * 32 >= 32 ? ~Mask(0) : (Mask(1) << (threads - n * 32)) - 1;
        warp.registers = aligned + n * kernel.register_bytes;
        warp.local = local_.data() + n * 32 * kernel.local_bytes;
        for (const Filled& number : kernel.numbers)
            for (int lane = 0; lane < 32; lane++)
                memcpy(warp.registers + number.slot + lane * number.size, &number.bits, number.size);
    }
}

static u32 value_of(Special special, const Block& block, u32 thread) {
    const u32 *size = block.launch.block, *grid = block.launch.grid, lane = thread % 32;
    switch (special) {
        case Special::tid_x: return thread % size[0];
        case Special::tid_y: return thread / size[0] % size[1];
        case Special::tid_z: return thread / size[0] / size[1];
        case Special::ntid_x:
        case Special::ntid_y:
        case Special::ntid_z: return size[static_cast<int>(special) - static_cast<int>(Special::ntid_x)];
        case Special::ctaid_x:
        case Special::ctaid_y:
        case Special::ctaid_z:
            return block.index[static_cast<int>(special) - static_cast<int>(Special::ctaid_x)];
        case Special::nctaid_x:
        case Special::nctaid_y:
        case Special::nctaid_z: return grid[static_cast<int>(special) - static_cast<int>(Special::nctaid_x)];
        case Special::laneid: return lane;
        case Special::warpid: return thread / 32;
        case Special::nwarpid: return static_cast<u32>(block.warps.size());
        case Special::lanemask_eq: return 1u << lane;
        case Special::lanemask_lt: return (1u << lane) - 1;
        case Special::lanemask_le: return (2u << lane) - 1;
        case Special::lanemask_gt: return ~((2u << lane) - 1);
        case Special::lanemask_ge: return ~((1u << lane) - 1);
        case Special::dynamic_smem_size: return block.launch.dynamic_shared;
        case Special::total_smem_size: return static_cast<u32>(block.shared.size());
        default: return 0;
    }
}

void Block::begin() {
    std::fill(shared.begin(), shared.end(), static_cast<char>(0xff));  // what nobody writes is NaN
    std::fill(local_.begin(), local_.end(), static_cast<char>(0xff));
    for (Warp& warp : warps) {
        warp.groups.assign(1, {0, warp.lanes});
        warp.exited = warp.carry = 0;
        for (auto& copies : warp.copies) copies.clear();
        for (const auto& [slot, special] : launch.kernel.specials)
            for (u32 lane = 0; lane < 32; lane++)
                reinterpret_cast<u32*>(warp.registers + slot)[lane] =
                    value_of(special, *this, warp.number * 32 + lane);
    }
    std::iota(order_.begin(), order_.end(), 0);
    if (launch.order == 1) std::reverse(order_.begin(), order_.end());
    if (launch.watch) launch.watch->begin_block(*this);
}

void Block::run(u32 x, u32 y, u32 z) {
    index[0] = x, index[1] = y, index[2] = z;
    begin();
    u32 seed = launch.order;
    for (;;) {
        if (launch.order >
            1)  // a warp runs as far as it can before another one does, in a new order each time
            for (size_t left = order_.size(); left > 1; left--) {
                seed = seed * 1664525 + 1013904223;
                std::swap(order_[left - 1], order_[(seed >> 8) % left]);
            }
        bool moved = false, left = false;
        for (u32 n : order_) moved |= advance(warps[n]);
        for (const Warp& warp : warps) left |= warp.exited != warp.lanes;
        if (!left) return;
        if (!moved && !release()) stuck();
    }
}

// The lanes that an instruction of several lanes names and that are not here.
static Mask missing(Warp& warp, const Instruction& i, Mask here) {
    const Mask named = i.op[15].named ? warp.values<u32>(i.op[15])[__builtin_ctz(here)] : ~Mask(0);
    return named & warp.lanes & ~warp.exited & ~here;
}

bool Block::advance(Warp& warp) {
    bool moved = false;
    for (;;) {
        for (Group& group : warp.groups)  // others that it waited for may have returned
            if (group.state == Group::at_collective &&
                !missing(warp, launch.kernel.code[group.at], group.lanes))
                group.state = Group::running;
        size_t next = warp.groups.size();
        for (size_t g = 0; g < warp.groups.size(); g++)
            if (warp.groups[g].state == Group::running &&
                (next == warp.groups.size() || warp.groups[g].at < warp.groups[next].at))
                next = g;
        if (next == warp.groups.size()) return moved;
        run_group(warp, next);
        moved = true;
    }
}

// Groups that are at the same place become one.
bool Block::merged(Warp& warp) {
    for (size_t a = 0; a < warp.groups.size(); a++)
        for (size_t b = a + 1; b < warp.groups.size(); b++) {
            Group &one = warp.groups[a], &two = warp.groups[b];
            const bool waits = one.state == Group::at_barrier || two.state == Group::at_barrier;
            if (one.at != two.at || (waits && one.state != two.state)) continue;
            one.lanes |= two.lanes;
            if (one.state == Group::at_collective || two.state == Group::at_collective)
                one.state = Group::running;
            warp.groups.erase(warp.groups.begin() + static_cast<long>(b));
            return true;
        }
    return false;
}

void Block::run_group(Warp& warp, size_t which) {
    const std::vector<Instruction>& code = launch.kernel.code;
    u32 at = warp.groups[which].at, behind = ~0u;  // where others of the warp are
    Mask lanes = warp.groups[which].lanes;
    for (const Group& other : warp.groups)
        if (&other != &warp.groups[which] && other.at > at) behind = std::min(behind, other.at);
    const auto leave = [&](Group::State state) {
        warp.groups[which] = {at, lanes, state};
        while (merged(warp)) {}
    };
    for (;;) {
        if (at >= behind) return leave(Group::running);
        const Instruction& i = code[at];
        Mask active = lanes;
        if (i.guard.named) active &= warp.truth(i.guard);
        current = &i;
        switch (i.flow) {
            case Flow::none:
                if (active) i.run(warp, i, active);
                at++;
                break;
            case Flow::collective:
                if (active) {
                    if (missing(warp, i, active)) {
                        if (active != lanes) warp.groups.push_back({at + 1, lanes & ~active});
                        lanes = active;
                        return leave(Group::at_collective);
                    }
                    warp.synchronisations++;
                    i.run(warp, i, active);
                    warp.synchronisations++;
                }
                at++;
                break;
            case Flow::branch:
                if (active == lanes) {
                    const bool back = i.number <= at;
                    at = static_cast<u32>(i.number);
                    if (back && behind != ~0u) return leave(Group::running);
                } else if (active) {
                    warp.groups.push_back({static_cast<u32>(i.number), active});
                    lanes &= ~active;
                    at++;
                    return leave(Group::running);
                } else {
                    at++;
                }
                break;
            case Flow::table: {
                for_lanes(active, [&](int lane) {
                    const u32 choice = warp.values<u32>(i.op[0])[lane];
                    if (choice >= i.targets.size())
                        fail(launch_failure, warp, lane, "jumps beyond its table");
                    warp.groups.push_back({i.targets[choice], Mask(1) << lane});
                });
                lanes &= ~active;
                at++;
                if (!lanes)
                    warp.groups.erase(warp.groups.begin() + static_cast<long>(which));
                else
                    warp.groups[which] = {at, lanes};
                while (merged(warp)) {}
                return;
            }
            case Flow::exit:
                warp.exited |= active;
                lanes &= ~active;
                at++;
                if (lanes) break;
                warp.groups.erase(warp.groups.begin() + static_cast<long>(which));
                return;
            case Flow::barrier:
                if (!active) {
                    at++;
                    break;
                }
                if (active != lanes) warp.groups.push_back({at + 1, lanes & ~active});
                lanes = active;
                return leave(Group::at_barrier);
            case Flow::trap:
                if (active)
                    fail(launch_failure, warp, __builtin_ctz(active),
                         "stops: an assertion has failed, or it trapped");
                at++;
                break;
        }
    }
}

// Let the threads go on that wait at a barrier, if all do. A GPU counts threads that have returned as
// arrived; CUDA's documents do not promise it, so it is a fault here, but for kernels of CuPy's own.
bool Block::release() {
    const bool lenient = of_cupy(launch.kernel);
    u32 at = ~0u;
    for (const Warp& warp : warps) {
        if (lenient && warp.groups.empty()) continue;
        if (warp.exited && !lenient) return false;
        if (warp.groups.size() != 1 || warp.groups[0].state != Group::at_barrier) return false;
        if (at != ~0u && at != warp.groups[0].at) return false;
        at = warp.groups[0].at;
    }
    if (at == ~0u) return false;
    for (Warp& warp : warps)
        if (!warp.groups.empty()) warp.groups[0] = {at + 1, warp.groups[0].lanes};
    if (launch.watch) launch.watch->barrier();
    return true;
}

void Block::stuck() {
    std::string message;
    for (const Warp& warp : warps) {
        for (const Group& group : warp.groups)
            if (message.size() < 600)
                message += (message.empty() ? "" : "; ") +
                           thread(warp.number * 32 + static_cast<u32>(__builtin_ctz(group.lanes))) +
                           (__builtin_popcount(group.lanes) > 1 ? " and others wait" : " waits") + " at " +
                           launch.kernel.source_line(group.at);
        if (warp.exited && warp.exited != warp.lanes) message += "; others of their warp have returned";
    }
    u32 returned = 0;
    for (const Warp& warp : warps) returned += static_cast<u32>(__builtin_popcount(warp.exited));
    throw Fault(launch_failure, launch.kernel.name + ": a block waits for ever: " + message + "; " +
                                    std::to_string(returned) + " of its " + std::to_string(threads) +
                                    " threads have returned");
}

std::string Block::thread(u32 number) const {
    const u32* size = launch.block;
    return "thread (" + std::to_string(number % size[0]) + ", " + std::to_string(number / size[0] % size[1]) +
           ", " + std::to_string(number / size[0] / size[1]) + ")";
}

void Block::fail(int code, const Warp& warp, int lane, const std::string& what) const {
    throw Fault(code, launch.kernel.name + ": " + thread(warp.number * 32 + static_cast<u32>(lane)) +
                          " of block (" + std::to_string(index[0]) + ", " + std::to_string(index[1]) + ", " +
                          std::to_string(index[2]) + ") " + what + ", at " +
                          launch.kernel.source_line(current->index));
}

void run(const Launch& launch) {
    Block block(launch);
    if (launch.watch) launch.watch->begin_launch();
    const u64 count = u64(launch.grid[0]) * launch.grid[1] * launch.grid[2];
    for (u64 n = 0; n < count; n++) {
        const u64 at = launch.order == 1 ? count - 1 - n : n;
        block.run(static_cast<u32>(at % launch.grid[0]),
                  static_cast<u32>(at / launch.grid[0] % launch.grid[1]),
                  static_cast<u32>(at / launch.grid[0] / launch.grid[1]));
    }
}

}  // namespace soft
