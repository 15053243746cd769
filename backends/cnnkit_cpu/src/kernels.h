// All kernels, once for each instruction set: avx512.cpp, avx2.cpp and generic.cpp include this and differ by
// their flags.
#pragma once

#include "conv/bias_gradient.h"
#include "conv/channels_first.h"
#include "conv/product/correlations.h"
#include "conv/product/filter_gradient.h"
#include "conv/winograd/correlations.h"
#include "conv/winograd/filter_gradient.h"
#include "core/runtime.h"
#include "elementwise/activation.h"
#include "elementwise/add.h"
#include "elementwise/look_up.h"
#include "gathering/rows.h"
#include "layout/channels_last.h"
#include "linear/linear.h"
#include "loss/cross_entropy.h"
#include "norm/channels_last.h"
#include "norm/planes.h"
#include "optim/update.h"
#include "pool/channels_last.h"
#include "pool/planes.h"
#include "random/threefry.h"
