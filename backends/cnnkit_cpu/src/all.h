// Everything, once for each instruction set: avx512.cpp, avx2.cpp and generic.cpp include this and differ by their flags.
#pragma once

#include "activation.h"
#include "conv.h"
#include "conv_backward.h"
#include "gemm.h"
#include "layout.h"
#include "loss.h"
#include "norm.h"
#include "norm_last.h"
#include "pixels.h"
#include "pool.h"
#include "pool_last.h"
#include "random.h"
#include "runtime.h"
#include "update.h"
#include "wide.h"
#include "winograd.h"
