// Memory: every allocation is known by where it begins, so that what lies beside it can be told apart.
#include <sys/mman.h>

#include "device/machine.h"

namespace soft {

static std::map<u64, Allocation> allocations;
static std::map<u64, size_t> freed;  // for messages
static std::set<std::pair<int, int>> peers;
static thread_local int device_of_thread = 0;
static size_t used[64];

int current_device() { return device_of_thread; }
int choose_device(int device) {
    if (device < 0 || device >= settings.devices)
        return problem(invalid_device, "there is no device " + std::to_string(device) + "; there are " +
                                           std::to_string(settings.devices));
    device_of_thread = device;
    return success;
}

size_t free_bytes(int device) { return (settings.null ? NULL_MEMORY : MEMORY) - used[device]; }

constexpr size_t PAGES =
    size_t(1) << 22;  // from this size on, memory comes in pages, and only those that are used

static size_t mapped(size_t size) { return (size + 4095) / 4096 * 4096 + 4096; }

int allocate(void** pointer, size_t size, Kind kind) {
    const Locked locked(lock);
    *pointer = nullptr;
    if (size == 0) return success;
    if (kind == Kind::device && size > free_bytes(current_device()))
        return problem(out_of_memory, "out of memory: " + std::to_string(size) +
                                          " bytes are asked for, and " +
                                          std::to_string(free_bytes(current_device())) + " are free");
    void* memory;
    if (settings.null || size >= PAGES) {
        memory = mmap(nullptr, mapped(size), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) return problem(out_of_memory, "the host has no memory left");
    } else {  // a GPU's begin at multiples of 256; 512 more bytes keep neighbours apart
        memory = std::aligned_alloc(512, (size + 1023) / 512 * 512);
        if (!memory) return problem(out_of_memory, "the host has no memory left");
        if (kind == Kind::device) memset(memory, 0xff, size);  // NaN
    }
    allocations[reinterpret_cast<u64>(memory)] = {size, kind, current_device(), true};
    freed.erase(reinterpret_cast<u64>(memory));
    if (kind == Kind::device) used[current_device()] += size;
    *pointer = memory;
    return success;
}

int release(void* pointer, Kind kind) {
    const Locked locked(lock);
    if (!pointer) return success;
    const auto found = allocations.find(reinterpret_cast<u64>(pointer));
    if (found == allocations.end() || !found->second.ours ||
        (kind == Kind::pinned) != (found->second.kind == Kind::pinned))
        return problem(invalid_value, "what is to be freed is not the start of an allocation");
    const Allocation allocation = found->second;
    if (allocation.kind == Kind::device) used[allocation.device] -= allocation.size;
    allocations.erase(found);
    if (freed.size() > 4096) freed.clear();
    freed[reinterpret_cast<u64>(pointer)] = allocation.size;
    if (settings.null || allocation.size >= PAGES)
        munmap(pointer, mapped(allocation.size));
    else
        std::free(pointer);
    return success;
}

const Allocation* allocation_of(const void* pointer, u64* start) {
    auto next = allocations.upper_bound(reinterpret_cast<u64>(pointer));
    if (next == allocations.begin()) return nullptr;
    --next;
    if (reinterpret_cast<u64>(pointer) >= next->first + next->second.size) return nullptr;
    if (start) *start = next->first;
    return &next->second;
}

int enroll(void* pointer, size_t size) {
    const Locked locked(lock);
    allocations[reinterpret_cast<u64>(pointer)] = {size, Kind::pinned, current_device(), false};
    return success;
}
int strike(void* pointer) {
    const Locked locked(lock);
    return allocations.erase(reinterpret_cast<u64>(pointer))
               ? success
               : problem(invalid_value, "the memory was not registered");
}

bool reachable(int device, u64 address, Range& range) {
    u64 start;
    const Allocation* found = allocation_of(reinterpret_cast<void*>(address), &start);
    if (!found ||
        (found->kind == Kind::device && found->device != device && !peers.count({device, found->device})))
        return false;
    range = {start, found->size};
    return true;
}

std::string describe(u64 address, u32) {
    u64 start;
    if (const Allocation* found = allocation_of(reinterpret_cast<void*>(address), &start))
        return "in memory of device " + std::to_string(found->device) +
               ", which its own device may not touch";
    if (address < 4096) return "at " + std::to_string(address) + ": a null pointer";
    auto next = allocations.upper_bound(address);
    if (next != allocations.begin()) {
        const auto before = std::prev(next);
        const u64 end = before->first + before->second.size;
        if (address - end < 4096)
            return (address == end ? std::string("from the end")
                                   : std::to_string(address - end) + " bytes behind the end") +
                   " of an allocation of " + std::to_string(before->second.size) + " bytes";
    }
    if (next != allocations.end() && next->first - address < 4096)
        return std::to_string(next->first - address) + " bytes before an allocation of " +
               std::to_string(next->second.size) + " bytes";
    const auto past = freed.upper_bound(address);
    if (past != freed.begin() && address < std::prev(past)->first + std::prev(past)->second)
        return "in memory that has been freed";
    return "where nothing is allocated";
}

int peer_access(int from, int to, bool enable) {
    const Locked locked(lock);
    if (to < 0 || to >= settings.devices || to == from)
        return problem(invalid_device, "there is no such peer");
    if (enable)
        return peers.insert({from, to}).second ? success
                                               : problem(peer_already, "peer access is already enabled");
    return peers.erase({from, to}) ? success : problem(peer_missing, "peer access has not been enabled");
}

}  // namespace soft
