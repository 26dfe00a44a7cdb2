# tech_renaissance_install_worker(TARGET [DESTINATION folder])
#
# Installs the Python package of workers with a program: for one that the library is linked into statically, or that is
# moved to where nothing else of the library is. The program finds it in `../share` of its own folder, so `folder`
# ("share" by default) is to be that, seen from the installation prefix.
function(tech_renaissance_install_worker target)
    cmake_parse_arguments(PARSE_ARGV 1 worker "" "DESTINATION" "")
    if(NOT TARGET ${target} OR worker_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "tech_renaissance_install_worker(${ARGV}): expected a target, and DESTINATION with a folder "
                            "if it is not share")
    endif()
    if(NOT worker_DESTINATION)
        set(worker_DESTINATION share)
    endif()
    get_property(package GLOBAL PROPERTY TECH_RENAISSANCE_PACKAGE)
    install(DIRECTORY "${package}/" DESTINATION "${worker_DESTINATION}/tech_renaissance/python/tech_renaissance"
            FILES_MATCHING PATTERN "*.py" PATTERN "py.typed"
            # Of a wheel, in whose package the C++ library lies, too.
            PATTERN "__pycache__" EXCLUDE PATTERN "share" EXCLUDE PATTERN "lib" EXCLUDE PATTERN "include" EXCLUDE)
endfunction()
