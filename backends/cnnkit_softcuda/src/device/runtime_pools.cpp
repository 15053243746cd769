// Memory by streams: cudaMallocAsync and its pools. A pool here only counts what it has given.
#include <algorithm>

#include "device/answers.h"
#include "device/pools.h"

using namespace soft;

namespace {

struct Pool {
    int device;
    u64 used = 0, most = 0, threshold = 0;
};
std::map<void*, std::unique_ptr<Pool>> pools;
std::map<int, Pool*> defaults, current;
std::map<void*, std::pair<Pool*, size_t>> given;

Pool* add_pool(int device) {
    auto pool = std::make_unique<Pool>(Pool{device});
    Pool* handle = pool.get();
    pools[handle] = std::move(pool);
    return handle;
}
Pool* default_pool(int device) {
    Pool*& pool = defaults[device];
    return pool ? pool : pool = add_pool(device);
}
Pool* current_pool(int device) { return current.count(device) ? current[device] : default_pool(device); }

cudaError_t take(void** pointer, size_t size, Pool* pool) {
    counters.allocations++;
    counters.allocated_bytes += static_cast<long>(size);
    note("mallocAsync " + std::to_string(size));
    const int before = current_device();
    choose_device(pool->device);
    const int status = allocate(pointer, size, Kind::device);
    choose_device(before);
    if (!status && *pointer) {
        given[*pointer] = {pool, size};
        pool->used += size;
        pool->most = std::max(pool->most, pool->used);
    }
    return answer(status);
}

}  // namespace

namespace soft {

void leave_pool(void* pointer) {
    const auto found = given.find(pointer);
    if (found == given.end()) return;
    found->second.first->used -= found->second.second;
    given.erase(found);
}

}  // namespace soft

#define WITH_POOL(pool, handle)                                                                      \
    const Locked locked(lock);                                                                       \
    const auto found = pools.find(reinterpret_cast<void*>(handle));                                  \
    if (found == pools.end()) return answer(problem(invalid_value, "there is no such memory pool")); \
    Pool* pool = found->second.get()

API cudaMallocAsync(void** pointer, size_t size, cudaStream_t handle) {
    WITH_STREAM(stream, handle);
    return take(pointer, size, current_pool(stream->device));
}
API cudaMallocFromPoolAsync(void** pointer, size_t size, cudaMemPool_t handle, cudaStream_t) {
    WITH_POOL(pool, handle);
    return take(pointer, size, pool);
}
API cudaFreeAsync(void* pointer, cudaStream_t handle) {
    WITH_STREAM(stream, handle);
    counters.frees++;
    note("freeAsync");
    return answer(enqueue(stream, [pointer] {
        leave_pool(pointer);
        release(pointer, Kind::device);
    }));
}
API cudaDeviceGetDefaultMemPool(cudaMemPool_t* handle, int device) {
    const Locked locked(lock);
    *handle = reinterpret_cast<cudaMemPool_t>(default_pool(device));
    return answer(0);
}
API cudaDeviceGetMemPool(cudaMemPool_t* handle, int device) {
    const Locked locked(lock);
    *handle = reinterpret_cast<cudaMemPool_t>(current_pool(device));
    return answer(0);
}
API cudaDeviceSetMemPool(int device, cudaMemPool_t handle) {
    WITH_POOL(pool, handle);
    current[device] = pool;
    return answer(0);
}
API cudaMemPoolCreate(cudaMemPool_t* handle, const cudaMemPoolProps* properties) {
    const Locked locked(lock);
    *handle = reinterpret_cast<cudaMemPool_t>(add_pool(properties->location.id));
    return answer(0);
}
API cudaMemPoolDestroy(cudaMemPool_t handle) {
    WITH_POOL(pool, handle);
    finish_device(-1);
    for (auto& [device, used] : current)
        if (used == pool) used = default_pool(device);
    std::erase_if(given, [pool](const auto& entry) { return entry.second.first == pool; });
    pools.erase(found);
    return answer(0);
}
API cudaMemPoolTrimTo(cudaMemPool_t handle, size_t) {
    WITH_POOL(pool, handle);
    (void)pool;
    return answer(0);
}
API cudaMemPoolGetAttribute(cudaMemPool_t handle, cudaMemPoolAttr attribute, void* value) {
    WITH_POOL(pool, handle);
    switch (attribute) {
        case cudaMemPoolAttrReleaseThreshold: *static_cast<u64*>(value) = pool->threshold; break;
        case cudaMemPoolAttrReservedMemCurrent:
        case cudaMemPoolAttrUsedMemCurrent: *static_cast<u64*>(value) = pool->used; break;
        case cudaMemPoolAttrReservedMemHigh:
        case cudaMemPoolAttrUsedMemHigh: *static_cast<u64*>(value) = pool->most; break;
        default: *static_cast<int*>(value) = 1;  // it may use freed memory again in every way
    }
    return answer(0);
}
API cudaMemPoolSetAttribute(cudaMemPool_t handle, cudaMemPoolAttr attribute, void* value) {
    WITH_POOL(pool, handle);
    if (attribute == cudaMemPoolAttrReleaseThreshold) pool->threshold = *static_cast<u64*>(value);
    if (attribute == cudaMemPoolAttrReservedMemHigh || attribute == cudaMemPoolAttrUsedMemHigh)
        pool->most = pool->used;
    return answer(0);
}
