#pragma once

/// Everything of tech_renaissance: tensors, `.tsr` files and, where the library was built with it, PythonSession. With
/// it come the headers of the standard library that a program with a session needs nearly always.
#include <chrono>
#include <filesystem>
#include <future>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tech_renaissance/config.h"
#include "tech_renaissance/data/device.h"
#include "tech_renaissance/data/dtype.h"
#include "tech_renaissance/data/shape.h"
#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/data/tsr.h"
#include "tech_renaissance/utils/tr_exception.h"
#ifdef TR_BUILD_PYTHON_SESSION
#include "tech_renaissance/service/pool.h"
#include "tech_renaissance/session/python_session.h"
#endif
