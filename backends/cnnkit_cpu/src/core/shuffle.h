// Lanes of two vectors taken by turns, and put together by turns: columns of images two by two.
#pragma once

#include "core/vector.h"

template <size_t... I>
INLINE Floats every_other(Floats a, Floats b, std::index_sequence<I...>, int odd) {
    return odd ? lanes_of<(2 * int(I) + 1)...>(a, b) : lanes_of<(2 * int(I))...>(a, b);
}

template <size_t... I>
INLINE Floats by_turns(Floats a, Floats b, std::index_sequence<I...>, int second) {
    return second ? lanes_of<(int(I) % 2 * W + W / 2 + int(I) / 2)...>(a, b)
                  : lanes_of<(int(I) % 2 * W + int(I) / 2)...>(a, b);
}
