// The runtime's calls for streams, events and graphs.
#include "device/answers.h"
#include "device/graphs.h"

using namespace soft;

// -- streams and events -------------------------------------------------------------------------------------

API cudaStreamCreateWithPriority(cudaStream_t* handle, unsigned flags, int priority) {
    const Locked locked(lock);
    *handle = static_cast<cudaStream_t>(add_stream(flags, priority));
    return answer(0);
}
API cudaStreamCreateWithFlags(cudaStream_t* handle, unsigned flags) {
    return cudaStreamCreateWithPriority(handle, flags, 0);
}
API cudaStreamCreate(cudaStream_t* handle) { return cudaStreamCreateWithPriority(handle, 0, 0); }
API cudaStreamDestroy(cudaStream_t handle) {
    const Locked locked(lock);
    return answer(remove_stream(handle));
}
API cudaStreamGetFlags(cudaStream_t handle, unsigned* flags) {
    WITH_STREAM(stream, handle);
    *flags = stream->flags;
    return answer(0);
}
API cudaStreamGetPriority(cudaStream_t handle, int* priority) {
    WITH_STREAM(stream, handle);
    *priority = stream->priority;
    return answer(0);
}
API cudaStreamSynchronize(cudaStream_t handle) {
    WITH_STREAM(stream, handle);
    counters.synchronisations++;
    note("streamSynchronize");
    if (stream->capture) {
        stream->capture->invalid = true;
        return answer(problem(capture_unsupported, "a stream that is capturing cannot be waited for"));
    }
    if (stream->is_default) enqueue(stream, nullptr);  // it waits for all blocking streams
    finish(stream);
    return answer_with_faults(0);
}
API cudaStreamQuery(cudaStream_t handle) {
    WITH_STREAM(stream, handle);
    counters.queries++;
    if (stream->waiting.empty()) return answer_with_faults(0);
    one_step(stream);  // whoever asks again and again gets to an end
    return answer(not_ready);
}
API cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void* data) {
    WITH_STREAM(stream, handle);
    return answer_with_faults(enqueue(stream, [=] { function(data); }));
}
API cudaStreamAddCallback(cudaStream_t handle, cudaStreamCallback_t function, void* data, unsigned) {
    WITH_STREAM(stream, handle);
    return answer_with_faults(enqueue(stream, [=] { function(handle, cudaSuccess, data); }));
}

static Event& event_of(cudaEvent_t handle) { return *reinterpret_cast<Event*>(handle); }
API cudaEventCreateWithFlags(cudaEvent_t* handle, unsigned flags) {
    auto* event = new Event;
    event->timed = !(flags & cudaEventDisableTiming);
    *handle = reinterpret_cast<cudaEvent_t>(event);
    return answer(0);
}
API cudaEventCreate(cudaEvent_t* handle) { return cudaEventCreateWithFlags(handle, 0); }
API cudaEventDestroy(cudaEvent_t handle) {
    const Locked locked(lock);
    delete reinterpret_cast<Event*>(handle);
    return answer(0);
}
API cudaEventRecord(cudaEvent_t handle, cudaStream_t stream_handle) {
    WITH_STREAM(stream, stream_handle);
    counters.event_records++;
    note("eventRecord");
    return answer(record(stream, event_of(handle)));
}
API cudaStreamWaitEvent(cudaStream_t stream_handle, cudaEvent_t handle, unsigned) {
    WITH_STREAM(stream, stream_handle);
    counters.stream_waits++;
    note("waitEvent");
    return answer(wait_for(stream, event_of(handle)));
}
API cudaEventSynchronize(cudaEvent_t handle) {
    const Locked locked(lock);
    counters.synchronisations++;
    note("eventSynchronize");
    if (event_of(handle).capture)
        return answer(problem(capture_unsupported, "the event was recorded by a stream that is capturing"));
    if (event_of(handle).place.stream) finish(event_of(handle).place);
    return answer_with_faults(0);
}
API cudaEventQuery(cudaEvent_t handle) {
    const Locked locked(lock);
    counters.queries++;
    const Place& place = event_of(handle).place;
    if (!place.stream || place.stream->done >= place.at) return answer_with_faults(0);
    one_step(place.stream);
    return answer(not_ready);
}
API cudaEventElapsedTime(float* milliseconds, cudaEvent_t first, cudaEvent_t second) {
    const Locked locked(lock);
    for (Event* event : {&event_of(first), &event_of(second)}) {
        if (!event->timed || !event->place.stream)
            return answer(problem(invalid_handle, "an event without timing, or that was not recorded"));
        if (event->place.stream->done < event->place.at) return answer(not_ready);
    }
    *milliseconds = static_cast<float>(*event_of(second).time - *event_of(first).time);
    return answer(0);
}

// -- graphs -------------------------------------------------------------------------------------------------

API cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode) {
    WITH_STREAM(stream, handle);
    note("beginCapture");
    return answer(begin_capture(stream));
}
API cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
    WITH_STREAM(stream, handle);
    note("endCapture");
    return answer(end_capture(stream, reinterpret_cast<void**>(graph)));
}
API cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
    WITH_STREAM(stream, handle);
    *status = !stream->capture           ? cudaStreamCaptureStatusNone
              : stream->capture->invalid ? cudaStreamCaptureStatusInvalidated
                                         : cudaStreamCaptureStatusActive;
    return answer(0);
}
API cudaGraphInstantiate(cudaGraphExec_t* instance, cudaGraph_t graph, unsigned long long) {
    const Locked locked(lock);
    return answer(instantiate(reinterpret_cast<void**>(instance), graph));
}
API cudaGraphDestroy(cudaGraph_t graph) {
    const Locked locked(lock);
    return answer(forget_graph(graph));
}
API cudaGraphExecDestroy(cudaGraphExec_t instance) {
    const Locked locked(lock);
    return answer(forget_graph(instance));
}
API cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return answer(0); }
API cudaGraphLaunch(cudaGraphExec_t instance, cudaStream_t handle) {
    WITH_STREAM(stream, handle);
    counters.graph_launches++;
    note("graphLaunch");
    return answer_with_faults(launch_graph(instance, stream));
}
