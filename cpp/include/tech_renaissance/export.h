#pragma once

#include "tech_renaissance/config.h"

/// TR_API marks what the shared library exports; everything else in it is hidden.
#if defined(TR_STATIC)
#define TR_API
#elif defined(_WIN32)
#if defined(TR_BUILDING_LIBRARY)
#define TR_API __declspec(dllexport)
#else
#define TR_API __declspec(dllimport)
#endif
#else
#define TR_API __attribute__((visibility("default")))
#endif
