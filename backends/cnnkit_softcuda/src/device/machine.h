// The machine: devices, their memory, their streams. One lock guards it all; work runs on the thread that
// asks.
#pragma once
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "ptx/program.h"
#include "run/block.h"
#include "run/watch.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace soft {

enum Error : int {
    success = 0,
    invalid_value = 1,
    out_of_memory = 2,
    invalid_device = 101,
    invalid_ptx = 218,
    invalid_handle = 400,
    not_found = 500,
    not_ready = 600,
    peer_already = 704,
    peer_missing = 705,
    not_supported = 801,
    capture_unsupported = 900,
    capture_invalidated = 901,
    capture_unjoined = 904,
    capture_implicit = 906,
    out_of_resources = 701
};

// -- settings: read from the environment when the library is loaded, and changed by soft_set ----------------

enum Streams : int { eagerly = 0, as_late_as_possible = 1, in_random_order = 2 };
struct Settings {
    long devices, arch, streams, seed, watch, order, null;
};
extern Settings settings;

// -- counters -----------------------------------------------------------------------------------------------

struct Counters {
    long launches, allocations, frees, allocated_bytes, copies_to_device, bytes_to_device, copies_from_device,
        bytes_from_device, copies_on_device, bytes_on_device, fills, synchronisations, queries, event_records,
        stream_waits, graph_launches, blas_calls;
};
extern Counters counters;
void note(const std::string& event);  // into the log, where one is kept

// -- memory -------------------------------------------------------------------------------------------------

enum class Kind { device, pinned, managed };
struct Allocation {
    size_t size;
    Kind kind;
    int device;
    bool ours;
};  // ours: not registered memory of the caller's

extern std::recursive_mutex lock;
using Locked = std::lock_guard<std::recursive_mutex>;
int current_device();
int choose_device(int device);
int allocate(void** pointer, size_t size, Kind kind);
int release(void* pointer, Kind kind);
const Allocation* allocation_of(const void* pointer, u64* start = nullptr);
int enroll(void* pointer, size_t size);  // memory of the caller's becomes pinned
int strike(void* pointer);
bool reachable(int device, u64 address, Range& range);
std::string describe(u64 address, u32 bytes);
int peer_access(int from, int to, bool enable);
size_t free_bytes(int device);
constexpr size_t MEMORY = size_t(16) << 30, NULL_MEMORY = size_t(80) << 30;

// -- streams ------------------------------------------------------------------------------------------------

struct Stream;
using Work = std::function<void()>;
using StreamPointer = std::shared_ptr<Stream>;
struct Place {
    StreamPointer stream;
    long at = 0;
};  // after so many of a stream's operations
struct Operation {
    Work work;
    std::vector<Place> after;
};
struct Capture {
    std::vector<Work> work;
    Stream* origin;
    std::set<Stream*> unjoined;
    bool invalid = false;
};
struct Stream {
    int device;
    unsigned flags;
    int priority = 0;
    bool is_default = false;
    std::deque<Operation> waiting;
    long done = 0, enqueued = 0;
    std::shared_ptr<Capture> capture;
};
struct Event {
    Place place;
    std::shared_ptr<Capture> capture;
    bool timed = true;
    std::shared_ptr<double> time = std::make_shared<double>(0);
};

StreamPointer stream_of(void* handle);  // null if there is none of that handle
void* add_stream(unsigned flags, int priority);
int remove_stream(void* handle);
int enqueue(const StreamPointer& stream, Work work, std::vector<Place> after = {});
void finish(const Place& place);  // run what has to run before
void finish(const StreamPointer& stream);
void finish_device(int device);  // -1: all of them
bool one_step(const StreamPointer& stream);  // runs one operation; false if there is none
int wait_for(const StreamPointer& stream, Event& event);
int record(const StreamPointer& stream, Event& event);

// -- faults -------------------------------------------------------------------------------------------------

void set_fault(int code, const std::string& message);  // of a kernel: reported by the next call that may
int take_fault();  // 0 if there is none
int problem(int code, const char* message);
int problem(int code, const std::string& message);  // remembers the message, returns the code
const char* name_of(int code);
const char* message_of(int code);

}  // namespace soft
