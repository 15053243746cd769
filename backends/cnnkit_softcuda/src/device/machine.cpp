#include "device/machine.h"

#include <cstdlib>

namespace soft {

std::recursive_mutex lock;
Counters counters;

static long number_of(const char* name, long otherwise) {
    const char* text = std::getenv(name);
    return text && *text ? std::strtol(text, nullptr, 10) : otherwise;
}
Settings settings = {number_of("SOFTCUDA_DEVICES", 1), number_of("SOFTCUDA_ARCH", 80),
                     number_of("SOFTCUDA_STREAMS", 0), number_of("SOFTCUDA_SEED", 1),
                     number_of("SOFTCUDA_WATCH", 0),   number_of("SOFTCUDA_ORDER", 0),
                     number_of("SOFTCUDA_NULL", 0)};

// -- what Python asks and sets ------------------------------------------------------------------------------

static std::vector<std::string> events;
static bool logging = false;
static std::string answer;

void note(const std::string& event) {
    if (logging) events.push_back(event);
}

EXPORT long soft_setting(const char* name, long value, int change) {
    const Locked locked(lock);
    const std::map<std::string, long*> known = {{"devices", &settings.devices}, {"arch", &settings.arch},
                                                {"streams", &settings.streams}, {"seed", &settings.seed},
                                                {"watch", &settings.watch},     {"order", &settings.order},
                                                {"null", &settings.null}};
    const auto found = known.find(name);
    if (found == known.end()) return -1;
    const long before = *found->second;
    if (change) {
        if (found->second == &settings.streams) finish_device(-1);
        *found->second = value;
    }
    return before;
}

static const char* const COUNTED =
    "launches allocations frees allocated_bytes copies_to_device bytes_to_device copies_from_device "
    "bytes_from_device copies_on_device bytes_on_device fills synchronisations queries event_records "
    "stream_waits graph_launches "
    "blas_calls";
EXPORT const char* soft_counter_names() { return COUNTED; }
EXPORT void soft_counters(long* values) {
    const Locked locked(lock);
    memcpy(values, &counters, sizeof counters);
}
EXPORT void soft_reset_counters() {
    const Locked locked(lock);
    counters = {};
}
EXPORT void soft_log(int on) {
    const Locked locked(lock);
    logging = on;
    events.clear();
}
EXPORT const char* soft_log_text() {
    const Locked locked(lock);
    answer.clear();
    for (const std::string& event : events) answer += event + "\n";
    return answer.c_str();
}

// -- faults -------------------------------------------------------------------------------------------------

static int fault = 0;
static std::map<int, std::string> messages;

void set_fault(int code, const std::string& message) {
    if (fault) return;  // the first one is the cause
    fault = problem(code, message);
}
int take_fault() {
    const int code = fault;
    fault = 0;
    return code;
}
int problem(int code, const std::string& message) {
    messages[code] = message;
    return code;
}

int problem(int code, const char* message) { return problem(code, std::string(message)); }

static const std::map<int, std::pair<const char*, const char*>> NAMES = {
    {0, {"cudaSuccess", "no error"}},
    {1, {"cudaErrorInvalidValue", "invalid argument"}},
    {2, {"cudaErrorMemoryAllocation", "out of memory"}},
    {101, {"cudaErrorInvalidDevice", "invalid device ordinal"}},
    {218, {"cudaErrorInvalidPtx", "a PTX compilation failed"}},
    {400, {"cudaErrorInvalidResourceHandle", "invalid resource handle"}},
    {500, {"cudaErrorSymbolNotFound", "named symbol not found"}},
    {600, {"cudaErrorNotReady", "device not ready"}},
    {700, {"cudaErrorIllegalAddress", "an illegal memory access was encountered"}},
    {701, {"cudaErrorLaunchOutOfResources", "too many resources requested for launch"}},
    {704, {"cudaErrorPeerAccessAlreadyEnabled", "peer access is already enabled"}},
    {705, {"cudaErrorPeerAccessNotEnabled", "peer access has not been enabled"}},
    {716, {"cudaErrorMisalignedAddress", "misaligned address"}},
    {719, {"cudaErrorLaunchFailure", "unspecified launch failure"}},
    {801, {"cudaErrorNotSupported", "operation not supported by the software device"}},
    {900, {"cudaErrorStreamCaptureUnsupported", "operation not permitted when stream is capturing"}},
    {901, {"cudaErrorStreamCaptureInvalidated", "operation failed due to a previous error during capture"}},
    {904, {"cudaErrorStreamCaptureUnjoined", "capturing stream has unjoined work"}},
    {906,
     {"cudaErrorStreamCaptureImplicit",
      "operation would make the legacy stream depend on a capturing blocking stream"}}};

const char* name_of(int code) {
    const auto found = NAMES.find(code);
    return found == NAMES.end() ? "cudaErrorUnknown" : found->second.first;
}
const char* message_of(int code) {
    const Locked locked(lock);
    const auto said = messages.find(code);
    if (said != messages.end() && code) return said->second.c_str();
    const auto found = NAMES.find(code);
    return found == NAMES.end() ? "unknown error" : found->second.second;
}

}  // namespace soft
