// What a stream was asked for while it captured, to be run again.
#pragma once
#include "device/machine.h"

namespace soft {

int begin_capture(const StreamPointer& stream);
int end_capture(const StreamPointer& stream, void** graph);
int instantiate(void** instance, void* graph);
int forget_graph(void* graph);
int launch_graph(void* graph, const StreamPointer& stream);

}  // namespace soft
