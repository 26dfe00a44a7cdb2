# Builds for Windows on another system: -DCMAKE_TOOLCHAIN_FILE=cpp/cmake/mingw-w64.cmake
#
# Debian and Ubuntu: apt-get install g++-mingw-w64-x86-64-posix wine64 wine. The programs need no other file, so that
# wine, where there is one, runs them as they are.

set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)

set(target x86_64-w64-mingw32)
set(CMAKE_C_COMPILER ${target}-gcc-posix)
set(CMAKE_CXX_COMPILER ${target}-g++-posix)
set(CMAKE_RC_COMPILER ${target}-windres)
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
set(CMAKE_SHARED_LINKER_FLAGS_INIT -static)

set(CMAKE_FIND_ROOT_PATH /usr/${target})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

find_program(TR_WINE wine)
mark_as_advanced(TR_WINE)
if(TR_WINE)
    set(CMAKE_CROSSCOMPILING_EMULATOR "${TR_WINE}")
endif()
