# What every target of this project has in common.

# Sets `out` to the sources among `sources` that this operating system compiles. The end of a name tells:
#   _windows  Windows;  _posix  everything else;  _linux  Linux;
#   _generic  wherever the file beside it that ends in _linux or _windows is not compiled;
#   no such ending: everywhere.
function(tr_platform_sources out sources)
    set(platform "${TR_PLATFORM}")
    if(platform STREQUAL "auto")
        if(WIN32)
            set(platform windows)
        elseif(CMAKE_SYSTEM_NAME STREQUAL "Linux")
            set(platform linux)
        else()
            set(platform posix)
        endif()
    elseif(NOT platform MATCHES "^(linux|posix|windows)$")
        message(FATAL_ERROR "TR_PLATFORM is '${platform}'; it must be auto, linux, posix or windows")
    endif()

    set(chosen "")
    foreach(source IN LISTS sources)
        if(source MATCHES "_(windows|linux)\\.cpp$")
            if(platform STREQUAL CMAKE_MATCH_1)
                list(APPEND chosen "${source}")
            endif()
        elseif(source MATCHES "_posix\\.cpp$")
            if(NOT platform STREQUAL "windows")
                list(APPEND chosen "${source}")
            endif()
        elseif(source MATCHES "^(.*)_generic\\.cpp$")
            # Beside it there may be a _posix file as well, which holds what all POSIX systems share.
            if(platform STREQUAL "posix" OR NOT "${CMAKE_MATCH_1}_${platform}.cpp" IN_LIST sources)
                list(APPEND chosen "${source}")
            endif()
        else()
            list(APPEND chosen "${source}")
        endif()
    endforeach()
    set(${out} "${chosen}" PARENT_SCOPE)
endfunction()

# C++17, hidden symbols, warnings and sanitizers for a target of ours; `scope` is how sanitizers reach those who link it.
function(tr_target_defaults target)
    target_compile_features(${target} PUBLIC cxx_std_17)
    set_target_properties(
        ${target}
        PROPERTIES CXX_EXTENSIONS OFF
                   CXX_VISIBILITY_PRESET hidden
                   VISIBILITY_INLINES_HIDDEN ON
                   POSITION_INDEPENDENT_CODE ON)
    if(MSVC)
        target_compile_options(${target} PRIVATE /W4 /utf-8 $<$<BOOL:${TR_WARNINGS_AS_ERRORS}>:/WX>)
    else()
        target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                                                 $<$<BOOL:${TR_WARNINGS_AS_ERRORS}>:-Werror>)
    endif()
    if(NOT PROJECT_IS_TOP_LEVEL)
        # Whatever the project around this one asks of its own code: of ours it could change nothing.
        target_compile_options(${target} PRIVATE $<IF:$<BOOL:${MSVC}>,/w,-w>)
    endif()
    if(TR_SANITIZE)
        target_compile_options(${target} PRIVATE -fsanitize=${TR_SANITIZE} -fno-omit-frame-pointer
                                                 -fno-sanitize-recover=all)
        target_link_options(${target} PRIVATE -fsanitize=${TR_SANITIZE})
        if(TR_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
            # GCC warns that ThreadSanitizer does not follow fences, which is no fault of the code.
            target_compile_options(${target} PRIVATE -Wno-error=tsan)
        endif()
    endif()
endfunction()
