# Install rules: headers, library, CMake package, pkg-config file and the Python package for workers.

include(CMakePackageConfigHelpers)

install(DIRECTORY include/ DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h"
        PATTERN "service" EXCLUDE PATTERN "session" EXCLUDE PATTERN "protocol" EXCLUDE PATTERN "worker" EXCLUDE PATTERN "channel" EXCLUDE
        PATTERN "utils/python_session.h" EXCLUDE)
if(TR_BUILD_PYTHON_SESSION)
    install(DIRECTORY include/tech_renaissance/channel include/tech_renaissance/protocol include/tech_renaissance/worker
            include/tech_renaissance/session include/tech_renaissance/service
            DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/tech_renaissance" FILES_MATCHING PATTERN "*.h")
    install(FILES include/tech_renaissance/utils/python_session.h
            DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/tech_renaissance/utils")
endif()
install(FILES "${generated_include}/tech_renaissance/config.h"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/tech_renaissance")

set(cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/tech_renaissance")
set(TR_PACKAGE "${CMAKE_INSTALL_DATADIR}/tech_renaissance/python/tech_renaissance")
if(SKBUILD)
    set(TR_PACKAGE ".")  # where the wheel installs the rest
endif()
install(TARGETS tech_renaissance EXPORT tech_renaissance-targets
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
        RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(EXPORT tech_renaissance-targets NAMESPACE tech_renaissance:: DESTINATION "${cmake_dir}")
configure_package_config_file(
    cmake/tech_renaissance-config.cmake.in "${CMAKE_CURRENT_BINARY_DIR}/tech_renaissance-config.cmake"
    INSTALL_DESTINATION "${cmake_dir}" PATH_VARS TR_PACKAGE NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/tech_renaissance-config-version.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/tech_renaissance-config.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/tech_renaissance-config-version.cmake"
              "${CMAKE_CURRENT_LIST_DIR}/TRInstallWorker.cmake" DESTINATION "${cmake_dir}")

# The prefix is found from where the file lies, so that the installed tree may be moved.
file(RELATIVE_PATH pc_prefix "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" pc_prefix "${pc_prefix}")
foreach(dir IN ITEMS LIBDIR INCLUDEDIR)
    if(IS_ABSOLUTE "${CMAKE_INSTALL_${dir}}")
        set(pc_${dir} "${CMAKE_INSTALL_${dir}}")
    else()
        set(pc_${dir} "\${prefix}/${CMAKE_INSTALL_${dir}}")
    endif()
endforeach()
set(pc_definitions "")
if(TR_BUILD_PYTHON_SESSION)
    set(pc_definitions " -DTR_BUILD_PYTHON_SESSION")
endif()
set(pc_threads "")
if(TR_STATIC)
    set(pc_threads " ${CMAKE_THREAD_LIBS_INIT}")
    foreach(library IN LISTS CMAKE_DL_LIBS)
        string(APPEND pc_threads " -l${library}")
    endforeach()
endif()
configure_file(cmake/tech_renaissance.pc.in "${CMAKE_CURRENT_BINARY_DIR}/tech_renaissance.pc" @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/tech_renaissance.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

if(TR_BUILD_PYTHON_SESSION)
    set(python_dir "${CMAKE_INSTALL_DATADIR}/tech_renaissance/python/tech_renaissance")
    if(SKBUILD)
        # The real package is the one that the wheel is installed as; a stub here leads workers to it, so that
        # site-packages is never put on a worker's path.
        install(FILES cmake/wheel_stub.py DESTINATION "${python_dir}" RENAME __init__.py)
        install(DIRECTORY "${PROJECT_SOURCE_DIR}/python/tech_renaissance/scripts" DESTINATION "${python_dir}"
                FILES_MATCHING PATTERN "*.py" PATTERN "__pycache__" EXCLUDE)
    else()
        install(DIRECTORY "${PROJECT_SOURCE_DIR}/python/tech_renaissance/" DESTINATION "${python_dir}"
                FILES_MATCHING PATTERN "*.py" PATTERN "py.typed" PATTERN "__pycache__" EXCLUDE)
        # Workers may not write where root has installed, and would compile each module at each start. Interpreters of
        # other versions than this one compile by themselves.
        find_program(TR_PYTHON3 NAMES python3 python)
        mark_as_advanced(TR_PYTHON3)
        if(TR_PYTHON3)
            install(CODE "execute_process(COMMAND \"${TR_PYTHON3}\" -m compileall -q \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${python_dir}\"
                          OUTPUT_QUIET ERROR_QUIET)")
        endif()
    endif()
endif()
