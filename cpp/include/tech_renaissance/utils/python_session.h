#pragma once

/// The documented path of PythonSession; its declaration stands in session/python_session.h.
#include "tech_renaissance/session/python_session.h"
