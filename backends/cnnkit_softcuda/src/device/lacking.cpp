// Calls of the runtime that CuPy refers to and this device lacks: they say so. No header, which declares them
// otherwise.
namespace soft {
int problem(int code, const char* message);
}

#define LACKS(name)                                                                  \
    extern "C" __attribute__((visibility("default"))) int name() {                   \
        return soft::problem(801, #name " is not supported by the software device"); \
    }
LACKS(cudaCreateSurfaceObject)
LACKS(cudaCreateTextureObject)
LACKS(cudaDestroySurfaceObject) LACKS(cudaDestroyTextureObject) LACKS(cudaDeviceGetLimit)
    LACKS(cudaDeviceSetLimit) LACKS(cudaFreeArray) LACKS(cudaGetChannelDesc)
        LACKS(cudaGetTextureObjectResourceDesc) LACKS(cudaGetTextureObjectTextureDesc)
            LACKS(cudaGraphDebugDotPrint) LACKS(cudaIpcCloseMemHandle) LACKS(cudaIpcGetEventHandle)
                LACKS(cudaIpcGetMemHandle) LACKS(cudaIpcOpenEventHandle) LACKS(cudaIpcOpenMemHandle)
                    LACKS(cudaMalloc3DArray) LACKS(cudaMallocArray) LACKS(cudaMemAdvise)
                        LACKS(cudaMemPrefetchAsync) LACKS(cudaMemcpy2D) LACKS(cudaMemcpy2DAsync)
                            LACKS(cudaMemcpy2DFromArray) LACKS(cudaMemcpy2DFromArrayAsync)
                                LACKS(cudaMemcpy2DToArray) LACKS(cudaMemcpy2DToArrayAsync) LACKS(cudaMemcpy3D)
                                    LACKS(cudaMemcpy3DAsync)
