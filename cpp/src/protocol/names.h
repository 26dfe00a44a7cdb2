#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tr::protocol {

/// A tag or session id: [A-Za-z0-9_][A-Za-z0-9_.-]{0,127}. Such a name cannot leave the session directory.
bool is_tag(const std::string& name);
/// @throws InputError that names what the tag was for
void require_tag(const std::string& name, const char* what);

/// Under which the tensors of calculate() are sent: a, b, ..., z, input_26, ...
std::string input_tag(std::size_t index);

/// "command a,b rest" from "command rest" for two tensors.
std::string with_input_tags(const std::string& command, std::size_t count);

/// Takes "a obs b act" apart: tags, and the names of their tensors.
/// @param text lives longer than what is found
/// @throws InputError when it is none
std::vector<std::pair<std::string_view, std::string_view>> parse_names(std::string_view text);

/// Names in a session directory.
inline constexpr const char* kRequestFile = "request.json";
inline constexpr const char* kResponseFile = "response.json";
inline constexpr const char* kStatusFile = "status.txt";
inline constexpr const char* kHelloFile = "hello.json";
inline constexpr const char* kSessionFile = "session.json";
inline constexpr const char* kWhereFile = "where.json";
inline constexpr const char* kBatchesFile = "batches.json";
inline constexpr const char* kCancelFile = "cancel.json";
inline constexpr const char* kRoomFile = "room";
inline constexpr const char* kMailboxFile = "mailbox";
inline constexpr const char* kLogFile = "worker.log";
inline constexpr const char* kFailureFile = "failure.json";
inline constexpr const char* kLockFile = "session.lock";
inline constexpr const char* kChannelsFolder = "channels";
inline constexpr const char* kTensorSuffix = ".tsr";
inline constexpr const char* kFirstResult = "result_0";  ///< the tag of the first tensor that a worker sends
inline constexpr const char* kHealthCommand = "__health__";
inline constexpr const char* kWell = "ok";  ///< the answer to that of a server that is well
inline constexpr const char* kExitCommand = "__exit__";
inline constexpr const char* kExitWord = "exit";  ///< the same to a worker whose server knows no such command

inline constexpr int kProtocolVersion = 1;

}  // namespace tr::protocol
