// The driver's calls that CuPy makes: modules, kernels, launches.
#include "device/machine.h"

using namespace soft;

namespace {

struct Function {
    std::shared_ptr<Kernel> kernel;
    u32 dynamic = 48 << 10;
};
struct Loaded {
    std::unique_ptr<Module> module;
    std::map<std::string, std::unique_ptr<Function>> functions;
    int device;
};
std::map<void*, std::unique_ptr<Loaded>> modules;

void* device_memory(size_t size) {
    void* memory = nullptr;
    if (allocate(&memory, size, Kind::device)) throw PtxError("out of memory for a module's variables");
    return memory;
}

Watch watch;

void run_kernel(const Kernel& kernel, int device, const u32* grid, const u32* block, u32 dynamic,
                const char* parameters) {
    soft::Launch launch{kernel,
                        {grid[0], grid[1], grid[2]},
                        {block[0], block[1], block[2]},
                        dynamic,
                        parameters,
                        [device](u64 address, Range& range) { return reachable(device, address, range); },
                        describe,
                        settings.watch && !soft::of_cupy(kernel) ? &watch : nullptr,
                        static_cast<u32>(settings.order)};
    try {
        soft::run(launch);
    } catch (const Fault& fault) {
        set_fault(fault.code, fault.what());
    }
}

}  // namespace

EXPORT int cuGetErrorName(int code, const char** name) {
    *name = name_of(code);
    return 0;
}
EXPORT int cuGetErrorString(int code, const char** text) {
    *text = message_of(code);
    return 0;
}
EXPORT int cuDevicePrimaryCtxRelease_v2(int) { return 0; }
EXPORT int cuCtxGetCurrent(void** context) {
    *context = reinterpret_cast<void*>(static_cast<u64>(current_device()) + 1);
    return 0;
}
EXPORT int cuCtxSetCurrent(void* context) {
    return context ? choose_device(static_cast<int>(reinterpret_cast<u64>(context)) - 1) : 0;
}
EXPORT int cuCtxCreate_v2(void** context, unsigned, int device) {
    *context = reinterpret_cast<void*>(static_cast<u64>(device) + 1);
    return 0;
}
EXPORT int cuCtxDestroy_v2(void*) { return 0; }
EXPORT int cuCtxGetDevice(int* device) {
    *device = current_device();
    return 0;
}
EXPORT int cuStreamGetCtx(void* handle, void** context) {
    const Locked locked(lock);
    const StreamPointer stream = stream_of(handle);
    if (!stream) return invalid_handle;
    *context = reinterpret_cast<void*>(static_cast<u64>(stream->device) + 1);
    return 0;
}

static int load(void** handle, const char* image) {
    if (static_cast<unsigned char>(image[0]) == 0x7f || static_cast<unsigned char>(image[0]) > 0x7f)
        return problem(invalid_ptx, "the module is no PTX; CuPy makes PTX with CUPY_COMPILE_WITH_PTX=1");
    auto loaded = std::make_unique<Loaded>();
    loaded->device = current_device();
    try {
        loaded->module = std::make_unique<Module>(image, device_memory);
    } catch (const std::exception& error) {
        return problem(invalid_ptx, error.what());
    }
    *handle = loaded.get();
    modules[*handle] = std::move(loaded);
    return 0;
}
EXPORT int cuModuleLoadData(void** handle, const void* image) {
    const Locked locked(lock);
    return load(handle, static_cast<const char*>(image));
}
EXPORT int cuModuleUnload(void*) { return 0; }  // kernels that wait in a stream are not to lose their code
EXPORT int cuModuleGetFunction(void** handle, void* module, const char* name) {
    const Locked locked(lock);
    const auto found = modules.find(module);
    if (found == modules.end()) return problem(invalid_handle, "there is no such module");
    try {
        std::unique_ptr<Function>& function = found->second->functions[name];
        if (!function) {
            function = std::make_unique<Function>();
            function->kernel = found->second->module->kernel(name);
        }
        *handle = function.get();
        return 0;
    } catch (const std::exception& error) {
        found->second->functions.erase(name);
        return problem(std::string(error.what()).rfind("the module has no", 0) == 0 ? not_found : invalid_ptx,
                       error.what());
    }
}
EXPORT int cuModuleGetGlobal_v2(u64* address, size_t* size, void* module, const char* name) {
    const Locked locked(lock);
    const auto found = modules.find(module);
    if (found == modules.end()) return problem(invalid_handle, "there is no such module");
    const auto variable = found->second->module->globals().find(name);
    if (variable == found->second->module->globals().end())
        return problem(not_found, std::string("the module has no variable ") + name);
    if (address) *address = variable->second.address;
    if (size) *size = variable->second.size;
    return 0;
}

EXPORT int cuLaunchKernel(void* handle, u32 gx, u32 gy, u32 gz, u32 bx, u32 by, u32 bz, u32 dynamic,
                          void* stream_handle, void** parameters, void**) {
    const Locked locked(lock);
    counters.launches++;
    const Function& function = *static_cast<Function*>(handle);
    const Kernel& kernel = *function.kernel;
    note("launch " + kernel.name + " grid " + std::to_string(gx) + "," + std::to_string(gy) + "," +
         std::to_string(gz));
    const u64 threads = u64(bx) * by * bz;
    if (!gx || !gy || !gz || gx > 2147483647u || gy > 65535 || gz > 65535 || !threads || threads > 1024 ||
        bz > 64)
        return problem(invalid_value, kernel.name + ": a grid of (" + std::to_string(gx) + ", " +
                                          std::to_string(gy) + ", " + std::to_string(gz) + ") blocks of (" +
                                          std::to_string(bx) + ", " + std::to_string(by) + ", " +
                                          std::to_string(bz) + ") threads");
    if (threads > kernel.most_threads)
        return problem(out_of_resources, kernel.name + ": a block of " + std::to_string(threads) +
                                             " threads, and it was compiled for at most " +
                                             std::to_string(kernel.most_threads));
    if (kernel.shared_bytes + dynamic > std::max<u32>(48 << 10, kernel.shared_bytes + function.dynamic) ||
        (dynamic > function.dynamic))
        return problem(invalid_value,
                       kernel.name + ": " + std::to_string(kernel.shared_bytes + dynamic) +
                           " bytes of shared memory a block; above "
                           "48 KB a kernel has to ask for more (max_dynamic_shared_size_bytes)");
    const StreamPointer stream = stream_of(stream_handle);
    if (!stream) return invalid_handle;
    if (stream->device != current_device())
        return problem(invalid_handle, kernel.name + ": the stream is of device " +
                                           std::to_string(stream->device) + ", and the current device is " +
                                           std::to_string(current_device()));
    auto packed = std::make_shared<std::vector<char>>(kernel.parameter_bytes + 8);
    for (size_t n = 0; n < kernel.parameters.size(); n++)
        memcpy(packed->data() + kernel.parameters[n].offset, parameters[n], kernel.parameters[n].size);
    if (settings.null) return 0;
    const std::shared_ptr<Kernel> kept = function.kernel;
    const int device = stream->device, status = enqueue(stream, [=] {
                                           const u32 grid[] = {gx, gy, gz}, block[] = {bx, by, bz};
                                           run_kernel(*kept, device, grid, block, dynamic, packed->data());
                                       });
    const int fault = take_fault();
    return fault ? fault : status;
}

enum {
    MAX_THREADS = 0,
    SHARED_BYTES = 1,
    LOCAL_BYTES = 3,
    REGISTERS = 4,
    PTX_VERSION = 5,
    BINARY_VERSION = 6,
    MAX_DYNAMIC = 8
};
constexpr int MOST_SHARED = 163 << 10;
EXPORT int cuFuncGetAttribute(int* value, int attribute, void* handle) {
    const Function& function = *static_cast<Function*>(handle);
    switch (attribute) {
        case MAX_THREADS: *value = static_cast<int>(function.kernel->most_threads); break;
        case SHARED_BYTES: *value = static_cast<int>(function.kernel->shared_bytes); break;
        case LOCAL_BYTES: *value = static_cast<int>(function.kernel->local_bytes); break;
        case REGISTERS: *value = 32; break;
        case PTX_VERSION:
        case BINARY_VERSION: *value = static_cast<int>(settings.arch); break;
        case MAX_DYNAMIC: *value = static_cast<int>(function.dynamic); break;
        default: *value = 0;
    }
    return 0;
}
EXPORT int cuFuncSetAttribute(void* handle, int attribute, int value) {
    Function& function = *static_cast<Function*>(handle);
    if (attribute != MAX_DYNAMIC) return 0;
    if (value < 0 || static_cast<int>(function.kernel->shared_bytes) + value > MOST_SHARED)
        return problem(invalid_value, function.kernel->name + ": " + std::to_string(value) +
                                          " bytes of shared memory; a block has at most " +
                                          std::to_string(MOST_SHARED));
    function.dynamic = static_cast<u32>(value);
    return 0;
}
EXPORT int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void*, int, size_t) {
    *blocks = 2;
    return 0;
}
EXPORT int cuOccupancyMaxPotentialBlockSize(int* grid, int* block, void*, void*, size_t, int) {
    *grid = 108;
    *block = 256;
    return 0;
}

#define LACKS(name) \
    EXPORT int name() { return problem(not_supported, #name " is not supported by the software device"); }
LACKS(cuLinkCreate_v2)
LACKS(cuLinkAddData_v2) LACKS(cuLinkAddFile_v2) LACKS(cuLinkComplete) LACKS(cuLinkDestroy) LACKS(cuModuleLoad)
    LACKS(cuLaunchCooperativeKernel)

    // For the stand-in of cuBLAS
    EXPORT int soft_enqueue(void* stream_handle, void (*work)(void*), void* data) {
    const Locked locked(lock);
    counters.blas_calls++;
    note("cublas");
    const StreamPointer stream = stream_of(stream_handle);
    if (!stream) return invalid_handle;
    if (settings.null) return 0;
    const std::shared_ptr<void> kept(data, std::free);
    return enqueue(stream, [=] { work(kept.get()); });
}
