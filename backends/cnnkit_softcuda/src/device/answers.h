// How calls of the runtime answer: with a code, which cudaGetLastError gives once more.
#pragma once
#include <cuda_runtime_api.h>

#include "device/machine.h"

namespace soft {

#define API EXPORT cudaError_t
inline thread_local int last_error = 0;
inline cudaError_t answer(int code) {
    if (code && code != not_ready) last_error = code;
    return static_cast<cudaError_t>(code);
}
// calls that a GPU's faults come out of
inline cudaError_t answer_with_faults(int code) {
    const int fault = take_fault();
    return answer(fault ? fault : code);
}
#define WITH_STREAM(name, handle)                 \
    const Locked locked(lock);                    \
    const StreamPointer name = stream_of(handle); \
    if (!name) return answer(invalid_handle)

}  // namespace soft
