#include "channel/files_carrier.h"

#include <system_error>
#include <utility>

#include "channel/place_error.h"
#include "platform/file.h"
#include "protocol/message.h"
#include "protocol/names.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::channel {

void write_session_file(const std::string& path, std::string_view head, std::string_view body) {
    try {
        platform::write_atomic(path, head, body);
    } catch (const std::system_error& error) {
        throw_place_error(error, path, head.size() + body.size());
    }
}

FilesCarrier::FilesCarrier(const std::string& directory, DirectoryMark mark, std::unique_ptr<Doorbell> doorbell)
    : mark_(std::move(mark)),
      request_(directory + "/" + protocol::kRequestFile),
      response_(directory + "/" + protocol::kResponseFile),
      room_(directory + "/" + protocol::kRoomFile),
      doorbell_(std::move(doorbell)) {}

void FilesCarrier::trust() {
    if (trusted_) return;
    trusted_ = true;
    doorbell_->only(protocol::kResponseFile);
}

// A worker removes a request before it answers it, so with the answer read there is none; an older one does not.
bool FilesCarrier::request_pending() const {
    return !trusted_ && platform::file_exists(request_);
}

void FilesCarrier::publish(const std::string& request) {
    try {
        mark_.require();
    } catch (const std::system_error& error) {
        throw_place_error(error, request_);
    }
    write_session_file(request_, request);
}

bool FilesCarrier::response_pending() const {
    return platform::file_exists(response_);
}

std::optional<std::string> FilesCarrier::take() {
    try {
        auto text = platform::read_file(response_, protocol::kMaxMessageBytes);
        if (text && !mark_.is_there())
            return std::nullopt;  // another session's; this worker ends, as its place is gone
        return text;
    } catch (const std::system_error& error) {
        const std::string attempt = "the worker's response cannot be read";
        // It stays where it is, so it may be asked for again.
        if (!place_advice(error, response_).empty()) throw_place_error(error, response_, 0, attempt);
        throw InputError(attempt + ": " + error.what());
    }
}

void FilesCarrier::acknowledge() {
    platform::remove_anything(response_);
}

void FilesCarrier::ring_worker() {
    try {
        platform::write_atomic(room_, {});
    } catch (const std::system_error&) {
        // No room, or the worker has put something there: it looks again by itself before long. Where the directory
        // is gone, the worker's end is what there is to tell.
    }
}

}  // namespace tr::channel
