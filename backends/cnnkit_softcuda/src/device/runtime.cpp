// The runtime's calls that CuPy makes. Their types are those of CUDA's own header, which the build finds.
#include <cuda_runtime_api.h>

#include <algorithm>

#include "device/answers.h"
#include "device/pools.h"

using namespace soft;

extern "C" {
__attribute__((visibility("default"))) const char* cudaGetErrorName(cudaError_t error) {
    return name_of(error);
}
__attribute__((visibility("default"))) const char* cudaGetErrorString(cudaError_t error) {
    return message_of(error);
}
}
API cudaGetLastError() {
    const int code = last_error;
    last_error = 0;
    return static_cast<cudaError_t>(code);
}

// -- devices ------------------------------------------------------------------------------------------------

API cudaDriverGetVersion(int* version) {
    *version = CUDART_VERSION;
    return answer(0);
}
API cudaRuntimeGetVersion(int* version) {
    *version = CUDART_VERSION;
    return answer(0);
}
API cudaGetDevice(int* device) {
    *device = current_device();
    return answer(0);
}
API cudaSetDevice(int device) { return answer(choose_device(device)); }
API cudaGetDeviceCount(int* count) {
    *count = static_cast<int>(settings.devices);
    return answer(0);
}
API cudaDeviceSynchronize() {
    const Locked locked(lock);
    counters.synchronisations++;
    note("deviceSynchronize");
    finish_device(current_device());
    return answer_with_faults(0);
}

// Sizes of an A100, whatever the architecture.
API cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
    if (device < 0 || device >= settings.devices) return answer(invalid_device);
    memset(properties, 0, sizeof *properties);
    snprintf(properties->name, sizeof properties->name, "software device %d", device);
    properties->totalGlobalMem = settings.null ? NULL_MEMORY : MEMORY;
    properties->sharedMemPerBlock = 48 << 10;
    properties->sharedMemPerBlockOptin = 163 << 10;
    properties->sharedMemPerMultiprocessor = 164 << 10;
    properties->regsPerBlock = properties->regsPerMultiprocessor = 65536;
    properties->warpSize = 32;
    properties->maxThreadsPerBlock = properties->maxThreadsDim[0] = properties->maxThreadsDim[1] = 1024;
    properties->maxThreadsDim[2] = 64;
    properties->maxGridSize[0] = 2147483647;
    properties->maxGridSize[1] = properties->maxGridSize[2] = 65535;
    properties->major = static_cast<int>(settings.arch / 10);
    properties->minor = static_cast<int>(settings.arch % 10);
    properties->multiProcessorCount = 108;
    properties->maxThreadsPerMultiProcessor = 2048;
    properties->unifiedAddressing = properties->managedMemory = properties->memoryPoolsSupported = 1;
    return answer(0);
}
API cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
    cudaDeviceProp p;
    if (const cudaError_t status = cudaGetDeviceProperties(&p, device)) return status;
    switch (attribute) {
        case cudaDevAttrMaxThreadsPerBlock: *value = p.maxThreadsPerBlock; break;
        case cudaDevAttrMaxBlockDimX:
        case cudaDevAttrMaxBlockDimY: *value = p.maxThreadsDim[0]; break;
        case cudaDevAttrMaxBlockDimZ: *value = p.maxThreadsDim[2]; break;
        case cudaDevAttrMaxGridDimX: *value = p.maxGridSize[0]; break;
        case cudaDevAttrMaxGridDimY:
        case cudaDevAttrMaxGridDimZ: *value = p.maxGridSize[1]; break;
        case cudaDevAttrMaxSharedMemoryPerBlock: *value = static_cast<int>(p.sharedMemPerBlock); break;
        case cudaDevAttrMaxSharedMemoryPerBlockOptin:
            *value = static_cast<int>(p.sharedMemPerBlockOptin);
            break;
        case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
            *value = static_cast<int>(p.sharedMemPerMultiprocessor);
            break;
        case cudaDevAttrMaxRegistersPerBlock:
        case cudaDevAttrMaxRegistersPerMultiprocessor: *value = p.regsPerBlock; break;
        case cudaDevAttrWarpSize: *value = p.warpSize; break;
        case cudaDevAttrMultiProcessorCount: *value = p.multiProcessorCount; break;
        case cudaDevAttrMaxThreadsPerMultiProcessor: *value = p.maxThreadsPerMultiProcessor; break;
        case cudaDevAttrComputeCapabilityMajor: *value = p.major; break;
        case cudaDevAttrComputeCapabilityMinor: *value = p.minor; break;
        case cudaDevAttrUnifiedAddressing:
        case cudaDevAttrManagedMemory:
        case cudaDevAttrMemoryPoolsSupported: *value = 1; break;
        default: *value = 0;
    }
    return answer(0);
}
API cudaDeviceCanAccessPeer(int* can, int device, int peer) {
    *can = device != peer;
    return answer(0);
}
API cudaDeviceEnablePeerAccess(int peer, unsigned) {
    return answer(peer_access(current_device(), peer, true));
}
API cudaDeviceDisablePeerAccess(int peer) { return answer(peer_access(current_device(), peer, false)); }
API cudaDeviceGetPCIBusId(char* id, int length, int device) {
    snprintf(id, static_cast<size_t>(length), "0000:%02x:00.0", device);
    return answer(0);
}
API cudaDeviceGetByPCIBusId(int* device, const char* id) {
    return answer(sscanf(id, "0000:%2x:00.0", reinterpret_cast<unsigned*>(device)) == 1 ? 0 : invalid_value);
}
API cudaMemGetInfo(size_t* available, size_t* total) {
    *available = free_bytes(current_device());
    *total = settings.null ? NULL_MEMORY : MEMORY;
    return answer(0);
}
EXPORT int cudaProfilerStart() { return 0; }
EXPORT int cudaProfilerStop() { return 0; }

// -- memory -------------------------------------------------------------------------------------------------

static cudaError_t allocated(void** pointer, size_t size, Kind kind) {
    const Locked locked(lock);
    counters.allocations++;
    counters.allocated_bytes += static_cast<long>(size);
    note("malloc " + std::to_string(size));
    return answer(allocate(pointer, size, kind));
}
API cudaMalloc(void** pointer, size_t size) { return allocated(pointer, size, Kind::device); }
API cudaMallocManaged(void** pointer, size_t size, unsigned) {
    return allocated(pointer, size, Kind::managed);
}
API cudaHostAlloc(void** pointer, size_t size, unsigned) { return allocated(pointer, size, Kind::pinned); }
API cudaFree(void* pointer) {  // waits for the device, as a GPU does
    const Locked locked(lock);
    counters.frees++;
    note("free");
    finish_device(-1);
    leave_pool(pointer);
    return answer_with_faults(release(pointer, Kind::device));
}
API cudaFreeHost(void* pointer) {
    const Locked locked(lock);
    finish_device(-1);
    return answer_with_faults(release(pointer, Kind::pinned));
}
API cudaHostRegister(void* pointer, size_t size, unsigned) { return answer(enroll(pointer, size)); }
API cudaHostUnregister(void* pointer) {
    const Locked locked(lock);
    finish_device(-1);
    return answer(strike(pointer));
}
API cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
    const Locked locked(lock);
    memset(attributes, 0, sizeof *attributes);
    const Allocation* found = allocation_of(pointer);
    attributes->device = found ? found->device : -2;
    attributes->devicePointer = const_cast<void*>(pointer);
    attributes->hostPointer = found && found->kind != Kind::device ? const_cast<void*>(pointer) : nullptr;
    attributes->type = !found                         ? cudaMemoryTypeUnregistered
                       : found->kind == Kind::pinned  ? cudaMemoryTypeHost
                       : found->kind == Kind::managed ? cudaMemoryTypeManaged
                                                      : cudaMemoryTypeDevice;
    return answer(0);
}

static bool within(const void* pointer, size_t size,
                   const char* what) {  // an allocation, if it begins in one
    u64 start;
    const Allocation* found = allocation_of(pointer, &start);
    if (!found || reinterpret_cast<u64>(pointer) + size <= start + found->size) return true;
    problem(invalid_value, std::string(what) + " of " + std::to_string(size) + " bytes, " +
                               std::to_string(reinterpret_cast<u64>(pointer) - start) +
                               " bytes into an allocation of " + std::to_string(found->size));
    return false;
}

static int copy(void* to, const void* from, size_t size, cudaMemcpyKind kind, const StreamPointer& stream,
                bool waits) {
    const Allocation *source = allocation_of(from), *target = allocation_of(to);
    const bool from_host = !source || source->kind == Kind::pinned,
               to_host = !target || target->kind == Kind::pinned;
    if ((kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice) && !source)
        return problem(invalid_value, "a copy from the device, and the source is not its memory");
    if ((kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice) && !target)
        return problem(invalid_value, "a copy to the device, and the target is not its memory");
    if (!within(from, size, "a copy from") || !within(to, size, "a copy to")) return invalid_value;
    const long bytes = static_cast<long>(size);
    const std::string captured = stream->capture ? " captured" : "";
    if (from_host && !to_host) {
        counters.copies_to_device++, counters.bytes_to_device += bytes;
        note("copy to device " + std::to_string(size) + (source ? " pinned" : " pageable") + captured);
    } else if (to_host && !from_host) {
        counters.copies_from_device++, counters.bytes_from_device += bytes;
        note("copy from device " + std::to_string(size) + (target ? " pinned" : " pageable") + captured);
    } else {
        counters.copies_on_device++, counters.bytes_on_device += bytes;
        note("copy on device " + std::to_string(size) + captured);
    }
    if (settings.null && source && target) return success;
    int status;
    if (!source && !stream->capture) {  // pageable memory has been read when the call returns
        auto staged = std::make_shared<std::vector<char>>(static_cast<const char*>(from),
                                                          static_cast<const char*>(from) + size);
        status = enqueue(stream, [=] { memcpy(to, staged->data(), staged->size()); });
    } else {
        status = enqueue(stream, [=] { memcpy(to, from, size); });
    }
    if ((waits || !target) && !stream->capture) finish(stream);  // and pageable memory has been written
    return status;
}
API cudaMemcpy(void* to, const void* from, size_t size, cudaMemcpyKind kind) {
    WITH_STREAM(stream, nullptr);
    return answer_with_faults(copy(to, from, size, kind, stream, true));
}
API cudaMemcpyAsync(void* to, const void* from, size_t size, cudaMemcpyKind kind, cudaStream_t handle) {
    WITH_STREAM(stream, handle);
    return answer_with_faults(copy(to, from, size, kind, stream, false));
}
API cudaMemcpyPeer(void* to, int, const void* from, int, size_t size) {
    WITH_STREAM(stream, nullptr);
    finish_device(-1);
    return answer_with_faults(copy(to, from, size, cudaMemcpyDeviceToDevice, stream, true));
}
API cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t size, cudaStream_t handle) {
    WITH_STREAM(stream, handle);
    return answer_with_faults(copy(to, from, size, cudaMemcpyDeviceToDevice, stream, false));
}
API cudaMemsetAsync(void* to, int value, size_t size, cudaStream_t handle) {
    WITH_STREAM(stream, handle);
    counters.fills++;
    note("memset " + std::to_string(size));
    if (!allocation_of(to))
        return answer(problem(invalid_value, "what is to be filled is not memory of the device"));
    if (!within(to, size, "a fill")) return answer(invalid_value);
    if (settings.null) return answer(0);
    return answer_with_faults(enqueue(stream, [=] { memset(to, value, size); }));
}
API cudaMemset(void* to, int value, size_t size) { return cudaMemsetAsync(to, value, size, nullptr); }
