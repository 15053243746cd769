// Streams: queues of work, each operation after what it has to wait for.
#include "device/machine.h"

namespace soft {

static std::map<void*, StreamPointer> streams;
static std::map<int, StreamPointer> defaults;

static const StreamPointer& default_stream(int device) {
    StreamPointer& stream = defaults[device];
    if (!stream) {
        stream = std::make_shared<Stream>();
        stream->device = device;
        stream->flags = 0;
        stream->is_default = true;
    }
    return stream;
}
static std::vector<StreamPointer> all_streams() {
    std::vector<StreamPointer> all;
    for (const auto& [device, stream] : defaults) all.push_back(stream);
    for (const auto& [handle, stream] : streams) all.push_back(stream);
    return all;
}
static bool blocking(const Stream& stream) { return !stream.is_default && !(stream.flags & 1); }

StreamPointer stream_of(void* handle) {
    if (reinterpret_cast<u64>(handle) <= 2) return default_stream(current_device());
    const auto found = streams.find(handle);
    if (found != streams.end()) return found->second;
    problem(invalid_handle, "there is no stream of this handle: it may have been destroyed");
    return nullptr;
}
void* add_stream(unsigned flags, int priority) {
    auto stream = std::make_shared<Stream>();
    stream->device = current_device();
    stream->flags = flags;
    stream->priority = priority;
    streams[stream.get()] = stream;
    return stream.get();
}
int remove_stream(void* handle) {
    const StreamPointer stream = stream_of(handle);
    if (!stream || stream->is_default) return invalid_handle;
    if (stream->capture) stream->capture->invalid = true;
    finish(stream);
    streams.erase(handle);
    return success;
}

static unsigned random_number() {
    static u64 state = 0;
    if (!state) state = static_cast<u64>(settings.seed) * 2654435761u + 12345;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<unsigned>(state >> 33);
}

bool one_step(const StreamPointer& stream) {
    if (stream->waiting.empty()) return false;
    Operation next = std::move(stream->waiting.front());
    stream->waiting.pop_front();
    stream->done++;
    for (const Place& place : next.after) finish(place);
    if (next.work) next.work();
    return true;
}
void finish(const Place& place) {
    while (place.stream->done < place.at && one_step(place.stream)) {}
}
void finish(const StreamPointer& stream) { finish(Place{stream, stream->enqueued}); }
void finish_device(int device) {
    for (const StreamPointer& stream : all_streams())
        if (device < 0 || stream->device == device) finish(stream);
}

int enqueue(const StreamPointer& stream, Work work, std::vector<Place> after) {
    if (stream->capture) {
        Capture& capture = *stream->capture;
        if (capture.invalid) return capture_invalidated;
        if (work) capture.work.push_back(std::move(work));
        if (stream.get() != capture.origin) capture.unjoined.insert(stream.get());
        return success;
    }
    if (stream->is_default) {  // after all blocking streams, and they after it
        for (const auto& [handle, other] : streams) {
            if (other->device != stream->device || !blocking(*other)) continue;
            if (other->capture) {
                other->capture->invalid = true;
                return problem(capture_implicit,
                               "the default stream would wait for a stream that is capturing");
            }
            after.push_back({other, other->enqueued});
        }
    } else if (blocking(*stream)) {
        after.push_back({default_stream(stream->device), default_stream(stream->device)->enqueued});
    }
    stream->waiting.push_back({std::move(work), std::move(after)});
    stream->enqueued++;
    if (settings.streams == eagerly) {
        finish(stream);
    } else if (settings.streams == in_random_order) {
        while (random_number() % 2) {
            const auto all = all_streams();
            one_step(all[random_number() % all.size()]);
        }
    }
    return success;
}

int record(const StreamPointer& stream, Event& event) {
    if (stream->capture) {
        event.capture = stream->capture;
        event.place = {stream, 0};
        return success;
    }
    const std::shared_ptr<double> time = event.time = std::make_shared<double>(0);
    const int status = enqueue(stream, [time] {
        *time = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch())
                    .count();
    });
    event.capture = nullptr;
    event.place = {stream, stream->enqueued};
    return status;
}

int wait_for(const StreamPointer& stream, Event& event) {
    if (event.capture) {  // the stream becomes part of the capture, or comes back to it
        if (stream->capture && stream->capture != event.capture)
            return problem(capture_unsupported, "two captures cannot wait for each other");
        stream->capture = event.capture;
        event.capture->unjoined.erase(event.place.stream.get());
        if (stream.get() != event.capture->origin) event.capture->unjoined.insert(stream.get());
        return success;
    }
    if (!event.place.stream || stream->capture) return success;
    return enqueue(stream, nullptr, {event.place});
}

// -- graphs -------------------------------------------------------------------------------------------------

struct Graph {
    std::vector<Work> work;
};
static std::map<void*, std::shared_ptr<Graph>> graphs;

static void* keep(std::shared_ptr<Graph> graph) {
    static u64 next = 0;
    void* handle = reinterpret_cast<void*>(SIZE_MAX / 2 + ++next);
    graphs[handle] = std::move(graph);
    return handle;
}

int begin_capture(const StreamPointer& stream) {
    if (stream->is_default || stream->capture)
        return problem(capture_unsupported, stream->capture ? "the stream is capturing already"
                                                            : "the default stream cannot capture");
    stream->capture = std::make_shared<Capture>();
    stream->capture->origin = stream.get();
    return success;
}
int end_capture(const StreamPointer& stream, void** graph) {
    const std::shared_ptr<Capture> capture = stream->capture;
    *graph = nullptr;
    if (!capture || capture->origin != stream.get())
        return problem(capture_unsupported, "the stream is not capturing");
    for (const StreamPointer& other : all_streams())
        if (other->capture == capture) other->capture = nullptr;
    if (capture->invalid) return capture_invalidated;
    if (!capture->unjoined.empty())
        return problem(capture_unjoined, "a stream that joined the capture was not waited for");
    *graph = keep(std::make_shared<Graph>(Graph{capture->work}));
    return success;
}
int instantiate(void** instance, void* graph) {
    const auto found = graphs.find(graph);
    if (found == graphs.end()) return problem(invalid_value, "there is no such graph");
    *instance = keep(found->second);
    return success;
}
int forget_graph(void* graph) {
    return graphs.erase(graph) ? success : problem(invalid_value, "there is no such graph");
}
int launch_graph(void* graph, const StreamPointer& stream) {
    const auto found = graphs.find(graph);
    if (found == graphs.end()) return problem(invalid_value, "there is no such graph");
    const std::shared_ptr<Graph> kept = found->second;
    return enqueue(stream, [kept] {
        for (const Work& work : kept->work) work();
    });
}

}  // namespace soft
