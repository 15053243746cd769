// Pools of memory by streams.
#pragma once

namespace soft {

void leave_pool(void* pointer);  // before it is freed; nothing if it came from none

}  // namespace soft
