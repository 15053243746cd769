// What the compiler's sanitizers tell of every access, in the build that watches (build.py: WATCHED); no
// library of theirs is linked, so nothing has to be loaded before Python, and fibers do not confuse them.
// -fsanitize=thread announces each access: from that come races within and between blocks, reads of shared
// memory that nobody wrote, accesses beside an array, and the counters. -fsanitize=alignment,bounds announces
// accesses that are misaligned and indices beyond an array's type.
#pragma once
#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <deque>
#include <map>

#include "block.h"

namespace emu {

enum { races = 1, alignment = 2, bounds = 4, counts = 8 };  // what a launch watches, as a sum
static unsigned watching = 0;

// epoch: of the block; thread 0 means none: numbered from 1
struct Access { unsigned epoch, thread, phase, warp_phase; };
constexpr unsigned atomically = 1u << 31, in_flight = 1u << 30;  // in `thread`; the second, by cp.async
enum class Way { reads, writes, atomic, begins, lands };         // the last two, an asynchronous copy
static unsigned owner(const Access& access) { return (access.thread & ~(atomically | in_flight)) - 1; }
// two readers are enough: a writer differs from one of them
struct Cell { Access write, read, other_read; };

struct Region {
    uintptr_t start, end;
    int argument;           // -1: shared memory
    bool written;           // whether the kernel may write it
    std::vector<Cell>* cells;  // one for each byte; kept from launch to launch, for epochs tell what is old
};

static uintptr_t arena_start = 0, arena_end = 0;  // where the launch's arrays are, and nothing else
static std::vector<Region> arrays, shares;
static std::deque<std::vector<Cell>> array_cells, share_cells;
static unsigned epoch = 0, first_epoch = 0;       // blocks that have run, in all and before this launch
static std::vector<unsigned> block_of_epoch;

// What a block wrote before a fence and an atomic access, another may read that makes an atomic access there,
// then a fence: of each address the blocks that gave, and in which phase; of this block those it has met, and
// those behind whose accesses it is.
using Blocks = std::map<unsigned, unsigned>;
static std::map<const void*, Blocks> given;
static Blocks met, taken;
static bool fenced = false;

static std::string place_of(void* caller) {  // build.py makes file and line of it
    Dl_info info{};
    dladdr(caller, &info);
    char place[32];
    snprintf(place, sizeof place, "+0x%zx", size_t(caller) - size_t(info.dli_fbase) - 1);
    return place;
}

static std::string who(unsigned thread, unsigned block) {
    return "thread " + std::to_string(thread) + " of block " + std::to_string(block);
}
static std::string me() { return who(number(*current), block_number); }

// Whether nothing orders an earlier access by another thread before this one.
static bool unordered(const Access& before, const Access& now) {
    if (!before.thread || before.epoch < first_epoch) return false;
    if (before.thread & now.thread & atomically) return false;
    if (before.epoch != now.epoch) {
        const auto earlier = taken.find(before.epoch);
        return earlier == taken.end() || before.phase > earlier->second;
    }
    unsigned a = owner(before), b = owner(now);
    if (a == b || before.phase != now.phase) return false;
    return a / 32 != b / 32 || before.warp_phase == now.warp_phase;
}

static void look_for_races(Region& region, size_t offset, size_t size, Way way, void* caller) {
    const unsigned mine = number(*current);
    const unsigned mark = way == Way::atomic ? atomically : way == Way::begins ? in_flight : 0;
    const Access now{epoch, (mine + 1) | mark, block_phase, warp_phases[mine / 32]};
    const bool shared = region.argument < 0, writes = way != Way::reads;
    if (region.cells->size() < region.end - region.start) region.cells->resize(region.end - region.start);
    for (size_t byte = offset; byte < offset + size; byte++) {
        Cell& cell = (*region.cells)[byte];
        if (shared && cell.write.epoch != epoch) cell.write.thread = 0;  // another block's shared memory
        if (shared && cell.read.epoch != epoch) cell.read.thread = cell.other_read.thread = 0;
        const Access* other = unordered(cell.write, now) ? &cell.write
                              : writes && unordered(cell.read, now) ? &cell.read
                              : writes && unordered(cell.other_read, now) ? &cell.other_read : nullptr;
        const bool unwritten = (!writes || way == Way::atomic) && shared && !cell.write.thread;
        const bool early = cell.write.thread & in_flight && way != Way::lands;
        if (other || unwritten || early) {
            std::string what = std::string(writes ? "writes" : "reads")
                               + (shared ? " shared memory" : " an array") + " at " + place_of(caller);
            if (unwritten) fail(me() + " " + what + " that nobody has written");
            if (early) fail(me() + " " + what + ", whose copy by cp.async "
                            + who(owner(cell.write), block_number) + " has not waited for");
            fail("race: " + me() + " " + what + ", byte " + std::to_string(byte) + ", which "
                 + who(owner(*other), block_of_epoch[other->epoch - first_epoch])
                 + (other == &cell.write ? " writes" : " reads") + " with no barrier between");
        }
        if (writes) cell.write = now;
        else (unordered(cell.read, now) ? cell.other_read : cell.read) = now;
    }
}

// -- counters: the accesses of a warp's lanes by one instruction make a request -----------------------------

struct Logged { void* caller; uintptr_t address; unsigned phase, size; bool writes, shared; };
static std::vector<std::vector<Logged>> logs;  // of each thread of the block

// `actual` and `least`: of an array 32-byte sectors, of shared memory passes over its 32 banks of 4 bytes.
struct Site { uint64_t requests, bytes, actual, least; };
struct Key {
    void* caller;
    unsigned size;
    bool writes, shared;
    bool operator<(const Key& o) const { return memcmp(this, &o, sizeof *this) < 0; }
};
static std::map<Key, Site> sites;

static unsigned long distinct(std::vector<uintptr_t>& values) {
    std::sort(values.begin(), values.end());
    return static_cast<unsigned long>(std::unique(values.begin(), values.end()) - values.begin());
}

static void count_sectors(Site& site, const uintptr_t* addresses, unsigned lanes, unsigned size) {
    std::vector<uintptr_t> sectors, bytes;
    for (unsigned i = 0; i < lanes; i++)
        for (unsigned b = 0; b < size; b++) {
            bytes.push_back(addresses[i] + b);
            sectors.push_back((addresses[i] + b) / 32);
        }
    site.actual += distinct(sectors);
    site.least += (distinct(bytes) + 31) / 32;
}

// A bank gives one word a pass; lanes that want the same word share it. 8 bytes a lane are served by half
// warps, 16 by quarters.
static void count_passes(Site& site, const uintptr_t* addresses, const unsigned* lane,
                         unsigned lanes, unsigned size) {
    const unsigned served = size <= 4 ? 32 : size <= 8 ? 16 : 8;
    for (unsigned part = 0; part < 32; part += served) {
        std::vector<uintptr_t> words;
        for (unsigned i = 0; i < lanes; i++)
            if (lane[i] >= part && lane[i] < part + served)
                for (unsigned b = 0; b < size; b += b + 4 <= size ? 4 : 1)
                    words.push_back((addresses[i] + b) / 4);
        if (words.empty()) continue;
        words.resize(distinct(words));
        unsigned load[32] = {}, most = 0;
        for (uintptr_t word : words) most = std::max(most, ++load[word % 32]);
        site.actual += most;
        site.least += (words.size() + 31) / 32;
    }
}

static void count_block() {
    struct Request { unsigned lanes = 0, lane[32]; uintptr_t address[32]; };
    for (size_t first = 0; first < logs.size(); first += 32) {
        // by instruction, and by occurrence since the last barrier
        std::map<std::pair<Key, uint64_t>, Request> requests;
        for (size_t t = first; t < first + 32 && t < logs.size(); t++) {
            std::map<std::pair<Key, unsigned>, unsigned> occurrences;
            for (const Logged& a : logs[t]) {
                Key key;
                memset(&key, 0, sizeof key);
                key.caller = a.caller, key.size = a.size, key.writes = a.writes, key.shared = a.shared;
                Request& r = requests[{key, uint64_t(a.phase) << 32 | occurrences[{key, a.phase}]++}];
                r.lane[r.lanes] = unsigned(t - first);
                r.address[r.lanes++] = a.address;
            }
        }
        for (auto& [which, r] : requests) {
            Site& site = sites[which.first];
            site.requests++;
            site.bytes += uint64_t(r.lanes) * which.first.size;
            if (which.first.shared) count_passes(site, r.address, r.lane, r.lanes, which.first.size);
            else count_sectors(site, r.address, r.lanes, which.first.size);
        }
    }
    for (auto& log : logs) log.clear();
}

// -- every access -------------------------------------------------------------------------------------------

static Region* find(uintptr_t at, bool shared) {
    for (Region& r : shared ? shares : arrays)
        if (at >= r.start && at < r.end) return &r;
    return nullptr;
}

[[noreturn]] static void outside(uintptr_t at, bool shared, const char* does, void* caller) {
    const Region* nearest = nullptr;
    auto distance = [at](const Region& r) {
        return at < r.start ? r.start - at : at < r.end ? 0 : at - r.end;
    };
    for (Region& r : shared ? shares : arrays)
        if (!nearest || distance(r) < distance(*nearest)) nearest = &r;
    std::string what = !nearest ? "" : ", byte " + std::to_string(long(at - nearest->start)) + " of "
                       + std::to_string(nearest->end - nearest->start)
                       + (shared ? " of shared memory" : " of argument " + std::to_string(nearest->argument));
    fail(me() + " " + does + " out of bounds at " + place_of(caller) + what);
}

static void watch(std::vector<Region>& regions, std::deque<std::vector<Cell>>& cells, uintptr_t start,
                  size_t size, int argument, bool written) {
    if (cells.size() <= regions.size()) cells.emplace_back();
    regions.push_back({start, start + size, argument, written, &cells[regions.size()]});
}

static void access(const void* address, size_t size, Way way, void* caller) {
    if (!watching || !current) return;
    const bool writes = way != Way::reads;
    const auto at = reinterpret_cast<uintptr_t>(address);
    const bool shared = at - reinterpret_cast<uintptr_t>(shared_memory) < shared_room
                        || at - reinterpret_cast<uintptr_t>(plain_memory) < plain_size;
    // a register, as far as CUDA is concerned, or a constant
    if (!shared && (at < arena_start || at >= arena_end)) return;
    while (shares.size() < shared_blocks.size()) {
        const Shared& s = shared_blocks[shares.size()];
        watch(shares, share_cells, reinterpret_cast<uintptr_t>(s.start), s.size, -1, true);
    }
    Region* region = find(at, shared);
    if (!region || at + size > region->end) {
        if (watching & bounds) outside(at, shared, writes ? "writes" : "reads", caller);
        return;
    }
    if (writes && !shared && !region->written && watching & races)
        fail(me() + " writes into an input, argument " + std::to_string(region->argument)
             + ", at " + place_of(caller));
    if (watching & races && region->written) look_for_races(*region, at - region->start, size, way, caller);
    if (watching & counts && way != Way::lands)
        logs[number(*current)].push_back({caller, at, block_phase, unsigned(size), writes, shared});
}

void atomic(const void* address, size_t size, void* caller) {
    access(address, size, Way::atomic, caller);
    if (!(watching & races) || !current) return;
    Blocks& here = given[address];
    met.insert(here.begin(), here.end());
    if (fenced) here[epoch] = block_phase;
}

void fence() {
    taken.insert(met.begin(), met.end());
    fenced = true;
}

static void watch_block() {
    if (!watching) return;
    epoch++;
    met.clear(), taken.clear(), fenced = false;
    block_of_epoch.push_back(block_number);
    logs.resize(blockDim.x * blockDim.y * blockDim.z);
}

}  // namespace emu

#define EMU_HOOKS(n) \
    extern "C" void __tsan_read##n(void* p) { \
        emu::access(p, n, emu::Way::reads, __builtin_return_address(0)); \
    } \
    extern "C" void __tsan_write##n(void* p) { \
        emu::access(p, n, emu::Way::writes, __builtin_return_address(0)); \
    } \
    extern "C" void __tsan_unaligned_read##n(void* p) { \
        emu::access(p, n, emu::Way::reads, __builtin_return_address(0)); \
    } \
    extern "C" void __tsan_unaligned_write##n(void* p) { \
        emu::access(p, n, emu::Way::writes, __builtin_return_address(0)); \
    }
EMU_HOOKS(1)
EMU_HOOKS(2)
EMU_HOOKS(4)
EMU_HOOKS(8)
EMU_HOOKS(16)
#undef EMU_HOOKS
extern "C" void __tsan_read_range(void* p, size_t n) {
    emu::access(p, n, emu::Way::reads, __builtin_return_address(0));
}
extern "C" void __tsan_write_range(void* p, size_t n) {
    emu::access(p, n, emu::Way::writes, __builtin_return_address(0));
}
extern "C" void __tsan_vptr_update(void**, void*) {}
extern "C" void __tsan_vptr_read(void**) {}
extern "C" void __tsan_func_entry(void*) {}
extern "C" void __tsan_func_exit() {}
extern "C" void __tsan_init() {}

// What -fsanitize=alignment,bounds tells: places and types as GCC and Clang lay them out
// (compiler-rt/lib/ubsan).
namespace emu {
struct Source { const char* file; unsigned line, column; };
struct Type { unsigned short kind, info; char name[1]; };
struct Mismatch { Source at; Type* type; unsigned char log_alignment, kind; };
struct Beyond { Source at; Type *array, *index; };
}  // namespace emu

extern "C" void __ubsan_handle_type_mismatch_v1(emu::Mismatch* found, uintptr_t address) {
    using namespace emu;
    if (!current || !(watching & alignment)) return;
    fail("misaligned: " + me() + " accesses " + found->type->name + " at "
         + place_of(__builtin_return_address(0)) + ", which must lie at a multiple of "
         + std::to_string(1u << found->log_alignment) + " bytes, and lies "
         + std::to_string(address & ((1u << found->log_alignment) - 1)) + " behind one");
}
extern "C" void __ubsan_handle_out_of_bounds(emu::Beyond* found, uintptr_t index) {
    using namespace emu;
    if (!current || !(watching & bounds)) return;
    fail("out of bounds: " + me() + " takes element " + std::to_string(long(index)) + " of "
         + found->array->name + " at " + place_of(__builtin_return_address(0)));
}
